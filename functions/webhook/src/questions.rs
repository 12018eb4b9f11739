//! What a delivery does not say, and GitHub knows: what a tag or a branch stands for, and who may write to a repository.

use std::time::Duration;

use aws::Ledger;
use aws::parameters::Parameters;
use domain::configuration::Application;
use domain::harmless::harmless;
use domain::intake::{ByHand, Event, Found, Reason, Release, Resolved, Sought};
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

/// GitHub, as whom deliveries are asked after.
#[derive(Debug)]
pub struct Questions {
    github: Access,
    parameters: Parameters,
    pauses: &'static [Duration],
}

impl Questions {
    /// Asks this GitHub, as whoever is stored at that time.
    pub fn new(github: Access, parameters: Parameters, pauses: &'static [Duration]) -> Self {
        Self {
            github,
            parameters,
            pauses,
        }
    }

    /// What has to be known to decide what an event asks for.
    pub async fn find(
        &self,
        ledger: &Ledger,
        event: &Event,
        application: Option<&Application>,
        now: Timestamp,
    ) -> Result<Found, Error> {
        let may_write = match event.needs_right_of(application) {
            Some((repository, login)) => self.github().await?.may_write(repository, login).await?,
            None => false,
        };
        let commit = match event.needs_commit(application) {
            Some(Sought::Release(release)) => self.release(ledger, release, now).await?,
            // Who may not write is told nothing of what is there.
            Some(Sought::Reference { repository, reference }) if may_write => {
                let commit = self.github().await?.commit_of(repository, reference).await?;
                commit.map(|commit| Resolved {
                    commit: commit.sha,
                    title: commit.title,
                })
            }
            Some(Sought::Reference { .. }) | None => None,
        };
        Ok(Found { commit, may_write })
    }

    /// Tells GitHub's deployment that asked for one of ours why there is none, so that it does not seem to be under way for
    /// ever. That GitHub is not told keeps nothing from going on.
    pub async fn refuse(&self, asked: &ByHand, reason: Reason) {
        let Some(number) = asked.deployment else { return };
        let told = match self.github().await {
            Ok(github) => github
                .refuse_deployment(&asked.repository, number, reason.sentence())
                .await
                .map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(github.deployment = number, error.cause = %error, "GitHub was not told why there is no deployment");
        }
    }

    async fn github(&self) -> Result<GitHub, Error> {
        Ok(self.github.by(self.parameters.values(&self.github.names()).await?)?)
    }

    /// What a release's tag stands for, from the first time that anybody asked; nothing, where that is no commit. A tag
    /// that GitHub does not know, although it told of its release, is an error: it may know it a moment later.
    async fn release(&self, ledger: &Ledger, release: &Release, now: Timestamp) -> Result<Option<Resolved>, Error> {
        if let Some(pinned) = ledger.pinned_release(release).await? {
            return Ok(Some(pinned));
        }
        let github = self.github().await?;
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
