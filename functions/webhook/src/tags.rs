//! What releases' tags stand for: as it was pinned, or as GitHub says.

use std::time::Duration;

use aws::Ledger;
use aws::parameters::Parameters;
use domain::harmless::harmless;
use domain::intake::{Release, Resolved};
use domain::names::CommitSha;
use github::{Access, GitHub, Patience, TagTarget};
use jiff::Timestamp;

use crate::Error;

/// GitHub wants our answer within ten seconds, and may be asked several questions meanwhile.
pub const PATIENCE: Patience = Patience {
    call: Duration::from_secs(3),
    question: Duration::from_secs(3),
    pause: Duration::from_millis(200),
};

/// How long to wait before a tag that GitHub does not know is asked for again. Its events overtake its own replicas: a tag
/// that was made a moment ago can be "not found" for a second or two (datafusion-contrib/datafusion-go#10,
/// PostHog/posthog-js#4632). Together they leave time for the answers.
pub const PAUSES: &[Duration] = &[
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// The tags.
#[derive(Debug)]
pub struct Tags {
    github: Access,
    parameters: Parameters,
    pauses: &'static [Duration],
}

impl Tags {
    /// Asks this GitHub, as whoever is stored at that time.
    pub fn new(github: Access, parameters: Parameters, pauses: &'static [Duration]) -> Self {
        Self {
            github,
            parameters,
            pauses,
        }
    }

    /// What a release's tag stands for, from the first time that anybody asked; nothing, where that is no commit. A tag
    /// that GitHub does not know, although it told of its release, is an error: it may know it a moment later.
    pub async fn resolve(&self, ledger: &Ledger, release: &Release, now: Timestamp) -> Result<Option<Resolved>, Error> {
        if let Some(pinned) = ledger.pinned_release(release).await? {
            return Ok(Some(pinned));
        }
        let github = self.github.by(self.parameters.values(&self.github.names()).await?)?;
        let Some(commit) = self.commit(&github, release).await? else {
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
        let pinned = ledger.pin_release(release, Resolved { commit, title }, now).await?;
        tracing::info!(github.release = release.id, github.tag = ?release.tag, commit = %pinned.commit, "pinned a release's tag");
        Ok(Some(pinned))
    }

    async fn commit(&self, github: &GitHub, release: &Release) -> Result<Option<CommitSha>, Error> {
        let mut pauses = self.pauses.iter();
        loop {
            match github.commit_of_tag(&release.repository, &release.tag).await? {
                TagTarget::Commit(commit) => return Ok(Some(commit)),
                TagTarget::NoCommit => return Ok(None),
                TagTarget::Missing => {
                    let pause = pauses.next().ok_or_else(|| Error::TagMissing {
                        tag: harmless(&release.tag, 80),
                    })?;
                    tokio::time::sleep(*pause).await;
                }
            }
        }
    }
}
