//! `lockgate replay`: what became of a GitHub delivery, and the rest of what it asked for.

use aws::executions::Executions;
use aws::{Aws, Ledger};
use domain::intake::{Course, Delivery, DeliveryId, Reason};
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use jiff::Timestamp;
use serde::Serialize;

use crate::records::{Pipeline, RecordsError};
use crate::table::Output;

/// Says what a GitHub delivery led to, and starts what it asked for where that stopped half-way.
///
/// GitHub lists deliveries, with their ids, on the webhook's page under "Recent Deliveries". A delivery means one thing: what
/// was decided when it came stays, whatever lockgate.toml says by now, and nothing is started a second time.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The delivery: what GitHub shows as X-GitHub-Delivery.
    delivery: DeliveryId,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// Why nothing is said of a delivery.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not recorded.
    #[error(
        "delivery {0} is not recorded: it never came in, was turned away, or belongs to another pipeline. Have GitHub send \
         it again: open the webhook in the settings of the repository or organisation, then \"Recent Deliveries\", and \
         \"Redeliver\". GitHub keeps deliveries for 3 days; afterwards, push again or publish another release"
    )]
    Unknown(DeliveryId),
    /// The records do not help.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
}

/// What was found of a delivery, and done.
#[derive(Debug, Serialize)]
struct Replayed {
    delivery: DeliveryId,
    event: String,
    at: Timestamp,
    found: Found,
    /// What it asked for; empty, where it asked for nothing.
    deployments: Vec<Asked>,
    /// Why it asked for nothing.
    reason: Option<Reason>,
}

/// How far a delivery was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    /// All that it asked for had been started; nothing was done.
    Started,
    /// It had been taken in, and not all that it asked for had been started; now it is.
    HalfWay,
    /// It asks for nothing; nothing was done.
    Ignored,
}

#[derive(Debug, Serialize)]
struct Asked {
    deployment: DeploymentId,
    application: RepositoryName,
    environment: EnvironmentName,
}

/// Looks, and starts what is left.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, ReplayError> {
    let pipeline = &options.pipeline;
    let ledger = pipeline.ledger(aws).await?;
    let delivery = ledger.delivery(&options.delivery).await?;
    let delivery = delivery.ok_or_else(|| ReplayError::Unknown(options.delivery.clone()))?;
    if matches!(delivery.course, Course::Received { .. }) {
        complete(&ledger, pipeline, aws, &delivery).await?;
    }
    let replayed = Replayed::of(delivery);
    Ok(options.output.print(&replayed, || replayed.text()))
}

async fn complete(ledger: &Ledger, pipeline: &Pipeline, aws: &Aws, delivery: &Delivery) -> Result<(), ReplayError> {
    let machine = pipeline.output(aws, "StateMachine", "; deploy the stack again").await?;
    let executions = Executions::new(aws.step_functions(), machine);
    ledger
        .complete_delivery(&executions, delivery, Timestamp::now())
        .await?;
    Ok(())
}

impl Replayed {
    /// As it was found: what is half-way here has been completed since.
    fn of(delivery: Delivery) -> Self {
        let (found, deployments, reason) = match delivery.course {
            Course::Received { deployments } => (Found::HalfWay, deployments, None),
            Course::Started { deployments } => (Found::Started, deployments, None),
            Course::Ignored { reason } => (Found::Ignored, Vec::new(), Some(reason)),
        };
        let asked = deployments.into_iter().map(|deployment| Asked {
            deployment: deployment.id,
            application: deployment.application,
            environment: deployment.environment.name,
        });
        Self {
            delivery: delivery.id,
            event: delivery.event,
            at: delivery.at,
            found,
            deployments: asked.collect(),
            reason,
        }
    }

    fn text(&self) -> String {
        let what = format!(
            "Delivery {} ({}) came in at {}",
            self.delivery,
            self.event,
            self.at.strftime("%Y-%m-%d %H:%M:%S UTC")
        );
        let mut lines = vec![match (self.found, self.reason) {
            (Found::Started, _) => format!("{what}, and all that it asks for was started before. Nothing was done."),
            (Found::HalfWay, _) => format!("{what} and stopped half-way. All that it asks for is started now."),
            (Found::Ignored, reason) => {
                let why = reason.map(Reason::sentence).unwrap_or_default();
                format!("{what}, and asks for nothing: {why} Nothing was done.")
            }
        }];
        lines.extend(self.deployments.iter().map(|asked| {
            format!(
                "  {} of {}: lockgate watch {}",
                asked.environment, asked.application, asked.deployment
            )
        }));
        lines.join("\n")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::intake::Decision;
    use fake_aws::sample::deployment;

    use super::*;
    use crate::fake::Fake;

    const ID: &str = "0c8c6d40-cfe1-11f1-8a4e-0242ac120002";

    fn delivery(decision: Decision) -> Delivery {
        let at = "2026-11-20T09:00:05Z".parse().unwrap();
        Delivery::new(ID.parse().unwrap(), "push", decision, at)
    }

    /// What is said in words, and for programs.
    async fn said(fake: &Fake) -> [String; 2] {
        let options = |output| Options {
            delivery: ID.parse().unwrap(),
            output,
            pipeline: fake.pipeline(),
        };
        // Programs first: people ask again, and are told that it was started.
        let json = run(&options(Output::Json), &fake.aws).await.unwrap();
        [json, run(&options(Output::Text), &fake.aws).await.unwrap()]
    }

    #[tokio::test]
    async fn one_that_stopped_half_way_is_completed_once() {
        let fake = Fake::new().await;
        let asked = Decision::Ask(vec![deployment(1), deployment(2)]);
        fake.ledger().claim_delivery(&delivery(asked)).await.unwrap();
        let [json, text] = said(&fake).await;
        insta::assert_snapshot!(json);
        insta::assert_snapshot!(text, @"
        Delivery 0c8c6d40-cfe1-11f1-8a4e-0242ac120002 (push) came in at 2026-11-20 09:00:05 UTC, and all that it asks for was started before. Nothing was done.
          dev of acme/shop: lockgate watch shop-dev-1
          dev of acme/shop: lockgate watch shop-dev-2
        ");
        assert_eq!(fake.executions(), ["shop-dev-1", "shop-dev-2"]);
        assert_eq!(fake.backend.count("StartExecution"), 2, "once each");
        assert!(fake.ledger().requested(&deployment(1).id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn people_read_that_it_is_started_now() {
        let fake = Fake::new().await;
        let asked = Decision::Ask(vec![deployment(1)]);
        insta::assert_snapshot!(Replayed::of(delivery(asked.clone())).text(), @"
        Delivery 0c8c6d40-cfe1-11f1-8a4e-0242ac120002 (push) came in at 2026-11-20 09:00:05 UTC and stopped half-way. All that it asks for is started now.
          dev of acme/shop: lockgate watch shop-dev-1
        ");
        fake.ledger().claim_delivery(&delivery(asked)).await.unwrap();
        fake.backend.says(
            "StartExecution",
            [(400, r#"{"__type":"AccessDeniedException"}"#.to_owned())],
        );
        let options = Options {
            delivery: ID.parse().unwrap(),
            output: Output::Text,
            pipeline: fake.pipeline(),
        };
        run(&options, &fake.aws).await.unwrap_err();
        let left = fake.ledger().delivery(&ID.parse().unwrap()).await.unwrap().unwrap();
        assert!(left.look_at().is_some(), "it stays half-way");
    }

    #[tokio::test]
    async fn one_that_asks_for_nothing_says_why_and_starts_nothing() {
        let fake = Fake::new().await;
        let ignored = delivery(Decision::Ignored(Reason::OtherBranch));
        fake.ledger().claim_delivery(&ignored).await.unwrap();
        let [json, text] = said(&fake).await;
        insta::assert_snapshot!(json, @r#"
        {
          "delivery": "0c8c6d40-cfe1-11f1-8a4e-0242ac120002",
          "event": "push",
          "at": "2026-11-20T09:00:05Z",
          "found": "ignored",
          "deployments": [],
          "reason": "other_branch"
        }
        "#);
        insta::assert_snapshot!(text, @"Delivery 0c8c6d40-cfe1-11f1-8a4e-0242ac120002 (push) came in at 2026-11-20 09:00:05 UTC, and asks for nothing: lockgate.toml names another branch of this repository. Nothing was done.");
        assert_eq!(fake.backend.count("StartExecution"), 0);
    }

    #[tokio::test]
    async fn one_that_is_not_recorded_says_how_to_have_it_sent_again() {
        let fake = Fake::new().await;
        let options = Options {
            delivery: ID.parse().unwrap(),
            output: Output::Text,
            pipeline: fake.pipeline(),
        };
        insta::assert_snapshot!(run(&options, &fake.aws).await.unwrap_err(), @r#"delivery 0c8c6d40-cfe1-11f1-8a4e-0242ac120002 is not recorded: it never came in, was turned away, or belongs to another pipeline. Have GitHub send it again: open the webhook in the settings of the repository or organisation, then "Recent Deliveries", and "Redeliver". GitHub keeps deliveries for 3 days; afterwards, push again or publish another release"#);
    }
}
