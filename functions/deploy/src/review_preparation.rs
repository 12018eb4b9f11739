//! How it went to make the change sets that people are to decide on, or to look at.

use domain::change_set::Prepared;
use domain::deployment::Deployment;
use domain::failure::{Failure, ReportedError};
use domain::life::Event;
use jiff::Timestamp;
use serde::Deserialize;

use crate::review_wave::gravest_of;
use crate::{Context, Error, Output};

/// How it went for one stack, as the state machine keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StackResult {
    /// It was compared.
    Prepared(Prepared),
    /// That failed.
    Failed {
        /// The error that a state caught.
        failure: ReportedError,
    },
}

pub(crate) async fn review_preparation(
    context: &Context,
    deployment: &Deployment,
    results: Vec<StackResult>,
) -> Result<Output, Error> {
    let mut sets: Vec<Prepared> = Vec::new();
    let mut failures: Vec<Failure> = Vec::new();
    for result in results {
        match result {
            StackResult::Prepared(prepared) => sets.push(prepared),
            StackResult::Failed { failure } => failures.extend(failure.failure()),
        }
    }
    if let Some(gravest) = gravest_of(&failures) {
        return Err(gravest);
    }
    let prepared = Event::Prepared { sets };
    context
        .ledger
        .record(&deployment.id, prepared, Timestamp::now())
        .await?;
    Ok(if deployment.plans {
        Output::OnlyPlanned
    } else {
        Output::Prepared
    })
}
