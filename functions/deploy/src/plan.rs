//! Which stacks are deployed, in which order.

use domain::deployment::{Deployment, Leg};
use domain::life::Event;
use domain::names::{Digest, StackName};
use domain::waves::{prepared_first, waves_of_leg};
use jiff::Timestamp;
use serde::Serialize;

use crate::release::Selection;
use crate::{Context, Error, Output};

/// Stacks that do not wait for one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// Their names.
    pub stacks: Vec<StackName>,
}

pub(crate) async fn plan(
    context: &Context,
    deployment: &Deployment,
    release: &Digest,
    leg: Leg,
) -> Result<Output, Error> {
    // What was built a moment ago nobody could refuse before: its digest was not known.
    let (application, environment) = (&deployment.application, &deployment.environment);
    if environment.holds && leg == Leg::Forward {
        let taken_back = context
            .ledger
            .taken_back(application, &environment.name, release)
            .await?;
        if let Some(refused) = taken_back.and_then(|taken_back| taken_back.refuses(release, &environment.name)) {
            return Err(Error::Failed(refused));
        }
    }
    let selection = Selection::read(&context.artifacts, release, &deployment.environment).await?;
    let waves = waves_of_leg(&selection.stacks, leg)?;
    let planned = Event::Planned {
        leg,
        release: release.clone(),
        waves: waves.clone(),
    };
    context.ledger.record(&deployment.id, planned, Timestamp::now()).await?;
    Ok(Output::Planned {
        prepares: prepared_first(deployment, leg, &waves),
        waves: waves.into_iter().map(|stacks| Wave { stacks }).collect(),
    })
}
