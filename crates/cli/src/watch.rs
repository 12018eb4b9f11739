//! `lockgate watch`: a deployment, as it goes.

use std::time::Duration;

use aws::{Aws, Ledger};
use domain::harmless::harmless;
use domain::life::{End, Ending, Event};
use domain::message;
use domain::names::DeploymentId;

use crate::records::{Pipeline, RecordsError};
use crate::terminal;

/// How often the record is read.
const EVERY: Duration = Duration::from_secs(1);

/// Tells what happens to a deployment, from its beginning to its end.
///
/// It ends with 0 where the deployment ends green, and with 1 where it ends red.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The deployment: the execution's name.
    deployment: DeploymentId,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Why it is told no further.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// It ended red.
    #[error("{0}")]
    Red(String),
}

/// Tells it, and how it ended.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, WatchError> {
    let ledger = options.pipeline.ledger(aws).await?;
    let deployment = &options.deployment;
    if ledger.head(deployment).await?.is_none() {
        return Err(RecordsError::NoDeployment(deployment.clone()).into());
    }
    let ending = follow(&ledger, deployment).await?;
    let said = format!("{deployment}: {}", message::sentence(&Event::Ended(ending.clone())));
    match ending.end() {
        End::Deployed | End::NothingToDeploy => Ok(said),
        End::FailedClean | End::OperatorNeeded => Err(WatchError::Red(said)),
    }
}

/// Tells what happens to a deployment until it is over.
pub async fn follow(ledger: &Ledger, deployment: &DeploymentId) -> Result<Ending, aws::Error> {
    terminal::say(&format!("{deployment}"));
    let mut shown = 0;
    loop {
        let entries = ledger.entries(deployment).await?;
        for entry in &entries[shown.min(entries.len())..] {
            // Whatever others wrote in it was made harmless where it came in; a terminal is not to be surprised all the same.
            let sentence = harmless(&message::sentence(&entry.what), 2000);
            terminal::say(&format!("  {}  {sentence}", entry.at.strftime("%H:%M:%S")));
            if let Event::Ended(ending) = &entry.what {
                return Ok(ending.clone());
            }
        }
        shown = entries.len();
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use fake_aws::sample;

    use super::*;
    use crate::fake::Fake;

    #[tokio::test]
    async fn a_deployment_that_is_over_says_how_it_ended() {
        let fake = Fake::new().await;
        let deployment = sample::deployment(1);
        let options = Options {
            deployment: deployment.id.clone(),
            pipeline: fake.pipeline(),
        };
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap_err(), @"nothing is recorded of shop-dev-1; `lockgate status` names those that are under way, and the mail about each names it");
        fake.brings(&deployment, &sample::stable(&deployment).release).await;
        let superseded = Event::Ended(Ending::Superseded {
            by: sample::deployment(2).id,
        });
        let at = deployment.requested.at;
        fake.ledger().record(&deployment.id, superseded, at).await.unwrap();
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap(), @"shop-dev-1: superseded by shop-dev-2");
    }
}
