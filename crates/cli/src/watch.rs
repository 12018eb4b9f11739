//! `lockgate watch`: a deployment, as it goes.

use std::process::ExitCode;
use std::time::Duration;

use aws::{Aws, Ledger};
use domain::harmless::harmless;
use domain::ledger::Entry;
use domain::life::{End, Ending, Event};
use domain::message;
use domain::names::DeploymentId;
use serde::Serialize;

use crate::records::{Pipeline, RecordsError};
use crate::table::{Ended, Output};
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
    /// How to print it; json is an object on each line (JSON Lines), as it happens, the last of which is the end.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
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

/// One thing that happened, for programs: an entry of the record, and what people read of it.
#[derive(Debug, Serialize)]
struct Line<'l> {
    #[serde(flatten)]
    entry: &'l Entry,
    sentence: String,
}

/// Tells it, and how it ended.
pub async fn run(options: &Options, aws: &Aws) -> Result<Ended, WatchError> {
    let ledger = options.pipeline.ledger(aws).await?;
    let deployment = &options.deployment;
    if ledger.head(deployment).await?.is_none() {
        return Err(RecordsError::NoDeployment(deployment.clone()).into());
    }
    let ending = match options.output {
        Output::Text => follow(&ledger, deployment).await?,
        Output::Json => told(&ledger, deployment, |entry| terminal::print(&line(entry))).await?,
    };
    let said = format!("{deployment}: {}", message::sentence(&Event::Ended(ending.clone())));
    match (ending.end(), options.output) {
        (End::Deployed | End::NothingToDeploy, Output::Text) => Ok((said, ExitCode::SUCCESS)),
        // The last line said it.
        (End::Deployed | End::NothingToDeploy, Output::Json) => Ok((String::new(), ExitCode::SUCCESS)),
        (End::FailedClean | End::OperatorNeeded, _) => Err(WatchError::Red(said)),
    }
}

/// Whatever others wrote in it was made harmless where it came in; a terminal is not to be surprised all the same.
fn sentence(entry: &Entry) -> String {
    harmless(&message::sentence(&entry.what), 2000)
}

fn for_people(entry: &Entry) -> String {
    format!("  {}  {}", entry.at.strftime("%H:%M:%S"), sentence(entry))
}

fn line(entry: &Entry) -> String {
    let line = Line {
        entry,
        sentence: sentence(entry),
    };
    // A record of names and texts always has a JSON form.
    serde_json::to_string(&line).unwrap_or_default()
}

/// Tells people what happens to a deployment until it is over.
pub async fn follow(ledger: &Ledger, deployment: &DeploymentId) -> Result<Ending, aws::Error> {
    terminal::say(&format!("{deployment}"));
    told(ledger, deployment, |entry| terminal::say(&for_people(entry))).await
}

/// Tells each entry of a deployment's record, as it comes, until the deployment is over.
async fn told(ledger: &Ledger, deployment: &DeploymentId, mut tell: impl FnMut(&Entry)) -> Result<Ending, aws::Error> {
    let mut shown = 0;
    loop {
        let entries = ledger.entries(deployment).await?;
        for entry in &entries[shown.min(entries.len())..] {
            tell(entry);
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
    use crate::story::story;

    #[tokio::test]
    async fn what_happens_is_told_as_it_goes_to_people_and_to_programs() {
        let (_aws, ledger) = story().await;
        let deployment = "shop-dev-3".parse().unwrap();
        let (mut text, mut json) = (Vec::new(), Vec::new());
        let ending = told(&ledger, &deployment, |entry| {
            text.push(for_people(entry));
            json.push(line(entry));
        });
        let ending = ending.await.unwrap();
        assert_eq!(ending.end(), End::FailedClean);
        assert_eq!(text.len(), ledger.entries(&deployment).await.unwrap().len());
        insta::assert_snapshot!(format!("{}\n\n{}", text.join("\n"), json.join("\n")));
    }

    #[tokio::test]
    async fn what_comes_while_it_is_watched_is_told_once() {
        let (_aws, ledger) = story().await;
        let deployment = "shop-dev-6".parse().unwrap();
        let mut sequences = Vec::new();
        let failed: Event = serde_json::from_value(serde_json::json!({
            "event": "ended", "ending": "failed_clean", "way_back": { "way_back": "nothing_changed" },
            "failure": { "name": "Rejected.BuildFailed", "cause": "npm test failed" },
        }))
        .unwrap();
        let later = async {
            // Once what was there has been told.
            tokio::time::sleep(EVERY / 2).await;
            let at = "2026-11-30T23:55:00Z".parse().unwrap();
            ledger.record(&deployment, failed, at).await.unwrap();
        };
        let watched = told(&ledger, &deployment, |entry| sequences.push(entry.sequence));
        let (ending, ()) = tokio::join!(watched, later);
        assert_eq!(ending.unwrap().end(), End::FailedClean);
        assert_eq!(sequences, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn one_that_ended_red_ends_the_command_with_1_for_programs_too() {
        let (aws, _ledger) = story().await;
        let aws = Aws::with(aws.config().await);
        for (deployment, red) in [("shop-dev-1", false), ("shop-dev-3", true)] {
            let options = Options {
                deployment: deployment.parse().unwrap(),
                output: Output::Json,
                pipeline: Fake::new().await.pipeline(),
            };
            match run(&options, &aws).await {
                Ok((said, code)) => {
                    assert_eq!((said.as_str(), code, red), ("", ExitCode::SUCCESS, false));
                }
                Err(error) => assert!(red, "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_deployment_that_is_over_says_how_it_ended() {
        let fake = Fake::new().await;
        let deployment = sample::deployment(1);
        let options = Options {
            deployment: deployment.id.clone(),
            output: Output::Text,
            pipeline: fake.pipeline(),
        };
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap_err(), @"nothing is recorded of shop-dev-1; `lockgate status` names those that are under way, and the mail about each names it");
        fake.brings(&deployment, &sample::stable(&deployment).release).await;
        let superseded = Event::Ended(Ending::Superseded {
            by: sample::deployment(2).id,
        });
        let at = deployment.requested.at;
        fake.ledger().record(&deployment.id, superseded, at).await.unwrap();
        let (said, code) = run(&options, &fake.aws).await.unwrap();
        insta::assert_snapshot!(said, @"shop-dev-1: superseded by shop-dev-2");
        assert_eq!(code, ExitCode::SUCCESS);
    }
}
