//! What was asked of each repository's branch, so that what GitHub did not tell of is found.

use domain::deployment::{Cause, Deployment};
use domain::intake::lost::Watched;
use domain::names::RepositoryName;

use crate::error::Error;
use crate::ledger::{Condition, Ledger};

/// The sort key.
const SK: &str = "watched";

impl Ledger {
    /// What was asked of a repository's branch.
    pub async fn watched_branch(&self, repository: &RepositoryName) -> Result<Watched, Error> {
        self.look(&partition(repository), SK).await
    }

    /// Changes what is known of a repository's branch, and returns what the change said.
    pub async fn change_watched_branch<Answer>(
        &self,
        repository: &RepositoryName,
        change: impl Fn(&mut Watched) -> Answer,
    ) -> Result<Answer, Error> {
        self.change(&partition(repository), SK, change, |_| None, |_| Condition::default())
            .await
    }

    /// Notes for which commits these deployments asked, where a push asked for them.
    pub async fn note_pushes(&self, deployments: &[Deployment]) -> Result<(), Error> {
        let pushed = deployments.iter().filter(|of| of.requested.because == Cause::Push);
        // All deployments of a push are of one commit.
        for deployment in pushed.take(1) {
            self.change_watched_branch(&deployment.application, |watched| {
                watched.asked_for(&deployment.commit, None);
            })
            .await?;
        }
        Ok(())
    }
}

fn partition(repository: &RepositoryName) -> String {
    format!("head#{repository}")
}
