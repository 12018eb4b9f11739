//! The adapters behind the SDK's HTTP client: pages, lost races, lost answers, refusals.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod alarms;
mod environments;
mod history;
mod ledger;
mod pins;
mod queues;
mod refusals;
mod releases;
mod services;

use aws::{Aws, Ledger};
use domain::environment_state::{Candidate, EnvironmentState, Standing};
use domain::names::{DeploymentId, EnvironmentName, RepositoryName};
use fake_aws::sample::deployment;
use fake_aws::{FakeAws, TABLE};
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn id(number: u8) -> DeploymentId {
    deployment(number).id
}

fn shop() -> RepositoryName {
    "acme/shop".parse().unwrap()
}

fn dev() -> EnvironmentName {
    "dev".parse().unwrap()
}

/// The ledger, with calls that the SDK does not try again.
async fn ledger(aws: &FakeAws) -> Ledger {
    Ledger::new(Aws::with(aws.config().await).dynamodb(), TABLE)
}

/// The ledger as the functions have it, with calls that the SDK tries again.
async fn patient_ledger(aws: &FakeAws) -> Ledger {
    Ledger::new(Aws::with(aws.patient_config().await).dynamodb(), TABLE)
}

async fn change<Answer>(
    ledger: &Ledger,
    transition: impl Fn(&mut EnvironmentState) -> Answer,
) -> Result<Answer, aws::Error> {
    ledger.change_environment(&shop(), &dev(), transition).await
}

async fn admit(ledger: &Ledger, number: u8) -> (Standing, Vec<DeploymentId>) {
    let candidate = Candidate::of(&deployment(number));
    let admitted = change(ledger, |state| state.admit(candidate.clone(), now()));
    admitted.await.unwrap()
}

async fn environment(ledger: &Ledger) -> EnvironmentState {
    ledger.environment(&shop(), &dev()).await.unwrap()
}
