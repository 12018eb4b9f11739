//! What releases' tags stand for: as it was pinned, or as GitHub says.

use std::time::Duration;

use aws::Ledger;
use aws::parameters::Parameters;
use domain::intake::{Release, Resolved};
use github::{GitHub, Patience, Token};
use jiff::Timestamp;

use crate::Error;

/// GitHub wants our answer within ten seconds, and is asked two questions meanwhile.
pub const PATIENCE: Patience = Patience {
    call: Duration::from_secs(3),
    question: Duration::from_secs(3),
    pause: Duration::from_millis(200),
};

/// The tags.
#[derive(Debug)]
pub struct Tags {
    github: GitHub,
    parameters: Parameters,
    token: String,
}

impl Tags {
    /// Asks this GitHub, with the token in this parameter. It is read each time: releases are rare, and whoever replaces
    /// a token need not wait for anything.
    pub fn new(github: GitHub, parameters: Parameters, token: &str) -> Self {
        Self {
            github,
            parameters,
            token: token.to_owned(),
        }
    }

    /// What a release's tag stands for, from the first time that anybody asked; nothing, where GitHub has no such tag.
    pub async fn resolve(&self, ledger: &Ledger, release: &Release, now: Timestamp) -> Result<Option<Resolved>, Error> {
        // Without a cause it asks for nothing, and nobody needs its commit.
        let Ok(cause) = release.cause() else { return Ok(None) };
        if let Some(pinned) = ledger.pinned_release(release, cause).await? {
            return Ok(Some(pinned));
        }
        let github = self.github.bearing(self.token().await?);
        let Some(commit) = github.commit_of_tag(&release.repository, &release.tag).await? else {
            return Ok(None);
        };
        // The title is for people; the release's own name does as well.
        let title = match github.commit(&release.repository, &commit).await {
            Ok(commit) => commit.map(|commit| commit.title).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error.cause = %error, "a commit's title is not known");
                String::new()
            }
        };
        let pinned = ledger
            .pin_release(release, cause, Resolved { commit, title }, now)
            .await?;
        tracing::info!(github.release = release.id, github.tag = ?release.tag, commit = %pinned.commit, "pinned a release's tag");
        Ok(Some(pinned))
    }

    async fn token(&self) -> Result<Option<Token>, Error> {
        let text = self.parameters.value(&self.token).await?;
        let token = text.map(|text| text.parse()).transpose();
        token.map_err(|fault| Error::UnusableToken {
            parameter: self.token.clone(),
            fault,
        })
    }
}
