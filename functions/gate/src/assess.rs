//! What follows from a failure.

use domain::deployment::{Deployment, Leg};
use domain::environment_state::TakenBack;
use domain::failure::{Failure, Name, ReportedError};
use domain::life::{Event, Status};
use domain::names::DeploymentId;
use domain::verdict::{Verdict, assess_failure};
use jiff::Timestamp;

use crate::{Context, Error, Output, close};

/// Decides, and records when it goes back.
pub async fn assess(
    context: &Context,
    deployment: &Deployment,
    leg: Leg,
    failure: &ReportedError,
    now: Timestamp,
) -> Result<Output, Error> {
    let failure = failure.failure().unwrap_or_else(nameless);
    let status = status(context, &deployment.id).await?;
    // Not only at the end: going back takes its time, and meanwhile somebody may want to go on with it.
    close::count_rejection(context, deployment, &status).await?;
    // Decided before, by an invocation whose answer got lost. On the way back it is no answer: that would go round for ever.
    if let (Some(to), Leg::Forward, None) = (&status.back_to, leg, &deployment.rollback) {
        return Ok(Output::GoBack { release: to.clone() });
    }
    match verdict(context, deployment, &failure, &status).await? {
        Verdict::GiveUp(_) => Ok(Output::GiveUp),
        Verdict::GoBack(release) => {
            // Deployed once more, it may have to go back to itself.
            if status.release.as_ref() != Some(&release) {
                take_back(context, deployment, &status, &failure, now).await?;
            }
            let event = Event::GoingBack {
                to: release.clone(),
                because: failure,
            };
            context.ledger.record(&deployment.id, event, now).await?;
            Ok(Output::GoBack { release })
        }
        Verdict::CallOperator => Ok(Output::CallOperator {
            failure: failure.into(),
        }),
        Verdict::AskBeforeGoingBack(why) => {
            let failure = Failure::new(
                Name::WayBackClosed,
                format!("{failure}; it does not go back by itself: {why}"),
            );
            Ok(Output::CallOperator {
                failure: failure.into(),
            })
        }
    }
}

/// Has a release that goes back not come here again, where the environment holds: before it goes, so that it is known
/// whatever becomes of this deployment.
pub async fn take_back(
    context: &Context,
    deployment: &Deployment,
    status: &Status,
    because: &Failure,
    now: Timestamp,
) -> Result<(), Error> {
    let release = match &deployment.rollback {
        Some(rollback) => Some(&rollback.from),
        None => status.release.as_ref(),
    };
    if let Some(release) = release.filter(|_| deployment.environment.holds) {
        let taken_back = TakenBack {
            deployment: deployment.id.clone(),
            because: because.clone(),
            at: now,
            allowed: None,
        };
        context
            .ledger
            .record_taken_back(
                &deployment.application,
                &deployment.environment.name,
                release,
                &taken_back,
            )
            .await?;
    }
    Ok(())
}

/// The verdict, from the records as they are now.
pub async fn verdict(
    context: &Context,
    deployment: &Deployment,
    failure: &Failure,
    status: &Status,
) -> Result<Verdict, Error> {
    let environment = context
        .ledger
        .environment(&deployment.application, &deployment.environment.name)
        .await?;
    let in_flight = environment
        .operation
        .as_ref()
        .is_some_and(|operation| operation.deployment == deployment.id);
    let taken_back = match &status.release {
        Some(release) if deployment.environment.holds => {
            context
                .ledger
                .taken_back(&deployment.application, &deployment.environment.name, release)
                .await?
        }
        _ => None,
    };
    Ok(assess_failure(
        failure,
        status,
        &deployment.environment,
        environment.stable.as_ref(),
        in_flight,
        taken_back.is_some_and(|before| before.deployment != deployment.id),
    ))
}

/// The fold of a deployment's record.
pub async fn status(context: &Context, deployment: &DeploymentId) -> Result<Status, Error> {
    Ok(context
        .ledger
        .head(deployment)
        .await?
        .map(|head| head.status)
        .unwrap_or_default())
}

/// For a failing path that was taken without a failure.
pub fn nameless() -> Failure {
    Failure::new(
        Name::Unexpected,
        "the execution took a failing path and named no failure",
    )
}
