//! The end of a deployment: its record, its lock, and who comes next.

use domain::approval::Outcome;
use domain::deployment::Deployment;
use domain::environment_state::{EnvironmentState, Left, Rejection, Standing};
use domain::failure::{Class, Failure, ReportedError};
use domain::life::{End, Ending, Event, Status, WayBack};
use domain::parking::Key;
use domain::verdict::{Verdict, ending_of, hold_after, left_by};
use jiff::{SignedDuration, Timestamp};

use crate::{Context, Error, Output, admit, assess};

/// How long the state machine has to tell people itself, before the sweep has it done.
const TELLING: SignedDuration = SignedDuration::from_mins(3);

/// Writes how it ended, gives the lock back and wakes the next.
pub async fn close(
    context: &Context,
    deployment: &Deployment,
    failure: &ReportedError,
    now: Timestamp,
) -> Result<Output, Error> {
    let status = assess::status(context, &deployment.id).await?;
    let ending = match &status.ending {
        // It keeps its lock until an operator says otherwise.
        Some(Ending::OperatorNeeded { .. }) => return Ok(Output::OperatorNeeded),
        Some(ending) => ending.clone(),
        None => ending(context, deployment, failure.failure(), &status).await?,
    };
    end(context, deployment, &status, &ending, now + TELLING, now).await?;
    Ok(ending.end().into())
}

/// Records an end, owes people its report, and hands the lock on.
pub async fn end(
    context: &Context,
    deployment: &Deployment,
    status: &Status,
    ending: &Ending,
    tell_by: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    if status.ending.is_none() {
        // Whoever only wanted to know what would be changed is told so by the command.
        if !deployment.plans {
            context.ledger.owe_report(&deployment.id, tell_by).await?;
        }
        context
            .ledger
            .record(&deployment.id, Event::Ended(ending.clone()), now)
            .await?;
    }
    hand_on(context, deployment, status, ending, now).await
}

/// Gives the lock back, if the deployment has it still, and wakes the next.
async fn hand_on(
    context: &Context,
    deployment: &Deployment,
    status: &Status,
    ending: &Ending,
    now: Timestamp,
) -> Result<(), Error> {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let to = match (&deployment.rollback, &status.back_to) {
        (Some(_), Some(to)) => context.ledger.stable(application, environment, to).await?,
        _ => None,
    };
    let left = left_by(deployment, status, ending, to.as_ref(), now);
    let hold = hold_after(deployment, ending, now);
    count_rejection(context, deployment, status).await?;
    if went_back(ending) {
        take_back(context, deployment, status, now).await?;
    }
    // Before the lock: what was stable here may be wanted elsewhere, whoever comes next here. Who has given the lock back
    // has written it.
    if let Left::Stable(stable) = &left
        && let Some(holder) = context.ledger.environment(application, environment).await?.holder
        && holder.deployment == deployment.id
    {
        context.ledger.record_stable(application, environment, stable).await?;
    }
    let (kept_out, next) = context
        .ledger
        .change_environment(application, environment, |state: &mut EnvironmentState| {
            // Only for whoever has the lock still: what came after it is not its to hold.
            let hold = hold.clone().filter(|_| state.is_held_by(&deployment.id));
            let kept_out = hold.map(|hold| state.hold(hold)).unwrap_or_default();
            (kept_out, state.release(&deployment.id, left.clone(), now))
        })
        .await?;
    let next = next.map_err(|refusal| Error::Contradiction(format!("the lock cannot be given back: {refusal}")))?;
    for id in next.into_iter().chain(kept_out) {
        Box::pin(admit::wake(context, &Key::lock(&id), now)).await?;
    }
    Ok(())
}

fn went_back(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::RolledBack { .. }
            | Ending::FailedClean {
                way_back: WayBack::WentBack { .. },
                ..
            }
    )
}

/// Has the release not come here again that a rollback took away. What goes back by itself was noted when that was decided.
async fn take_back(context: &Context, deployment: &Deployment, status: &Status, now: Timestamp) -> Result<(), Error> {
    match &status.because {
        Some(because) if status.rolls_back => assess::take_back(context, deployment, status, because, now).await,
        _ => Ok(()),
    }
}

/// Has a rejection count against an acceptance of the same release from before, so that it goes nowhere else.
pub async fn count_rejection(context: &Context, deployment: &Deployment, status: &Status) -> Result<(), Error> {
    if let (Some(Outcome::Rejected { by, at, .. }), Some(release)) = (&status.decided, &status.release) {
        let rejection = Rejection {
            by: by.clone(),
            at: *at,
        };
        context
            .ledger
            .record_rejection(
                &deployment.application,
                &deployment.environment.name,
                release,
                &rejection,
            )
            .await?;
    }
    Ok(())
}

/// Keeps the lock, tells those who wait, and records that a person has to look.
pub async fn call_operator(
    context: &Context,
    deployment: &Deployment,
    failure: &ReportedError,
    now: Timestamp,
) -> Result<Output, Error> {
    let failure = failure.failure().unwrap_or_else(assess::nameless);
    let end = need_operator(context, deployment, failure, now + TELLING, now).await?;
    Ok(end.into())
}

/// The same, for whoever has the failure already; returns how it ended.
///
/// What is recorded stands: a deployment that had ended before something went wrong is carried to that end, and nobody is
/// called. People are owed the news, and others are kept out, before those who wait are told one by one.
pub async fn need_operator(
    context: &Context,
    deployment: &Deployment,
    failure: Failure,
    tell_by: Timestamp,
    now: Timestamp,
) -> Result<End, Error> {
    let status = assess::status(context, &deployment.id).await?;
    match &status.ending {
        None => {
            count_rejection(context, deployment, &status).await?;
            if status.changed_anything() {
                take_back(context, deployment, &status, now).await?;
            }
            context.ledger.owe_report(&deployment.id, tell_by).await?;
            let ending = Ending::OperatorNeeded {
                failure: failure.clone(),
            };
            context.ledger.record(&deployment.id, Event::Ended(ending), now).await?;
        }
        Some(Ending::OperatorNeeded { .. }) => {}
        Some(ending) if is_at_work(context, deployment).await? => {
            // Deploy sees its end and clears it; then the sweep has this deployment's lock given back.
            let (application, environment) = (&deployment.application, &deployment.environment.name);
            context
                .ledger
                .change_environment(application, environment, |state| state.expire(&deployment.id, now))
                .await?;
            return Ok(ending.end());
        }
        Some(ending) => {
            carry_to(context, deployment, &status, ending, now).await?;
            return Ok(ending.end());
        }
    }
    keep_others_out(context, deployment, &failure, now).await?;
    Ok(End::OperatorNeeded)
}

/// Carries a deployment to the end that is recorded of it. Where that cannot be done, and trying again does not help, the
/// environment is closed, so that a person can open it; they hear of it by the error, which raises an alarm.
pub async fn carry_to(
    context: &Context,
    deployment: &Deployment,
    status: &Status,
    ending: &Ending,
    now: Timestamp,
) -> Result<(), Error> {
    match hand_on(context, deployment, status, ending, now).await {
        Err(error) => {
            let failure = Failure::from(error);
            if failure.name.class() != Class::Transient {
                keep_others_out(context, deployment, &failure, now).await?;
            }
            Err(Error::Named(failure))
        }
        done => done,
    }
}

async fn is_at_work(context: &Context, deployment: &Deployment) -> Result<bool, Error> {
    let (application, environment) = (&deployment.application, &deployment.environment.name);
    let operation = context.ledger.environment(application, environment).await?.operation;
    Ok(operation.is_some_and(|operation| operation.deployment == deployment.id))
}

/// Closes the environment, if the deployment has its lock, and tells those who wait.
pub async fn keep_others_out(
    context: &Context,
    deployment: &Deployment,
    failure: &Failure,
    now: Timestamp,
) -> Result<(), Error> {
    let why = failure.to_string();
    let waiting = context
        .ledger
        .change_environment(
            &deployment.application,
            &deployment.environment.name,
            |state: &mut EnvironmentState| {
                let closed = state.quarantine(&deployment.id, &why, now);
                // Without the lock it has changed nothing, so there is nothing to keep others from; and dead as it is, it must
                // not get the lock later.
                if closed.is_err() {
                    state.leave(&deployment.id);
                }
                closed
            },
        )
        .await?;
    match waiting {
        Ok(waiting) => {
            for id in waiting {
                // One that cannot be told keeps no other waiting; the sweep tells it.
                if let Err(error) = Box::pin(admit::wake(context, &Key::lock(&id), now)).await {
                    tracing::warn!(deployment.id = %id, error.cause = %error, "not told yet that the environment is closed");
                }
            }
        }
        Err(refusal) => tracing::warn!(%refusal, "the environment stays open"),
    }
    Ok(())
}

/// How it ended that came to its last state. What deployments before it left there, and nobody accepted, is there still,
/// unless it belongs to the release that it went back to.
async fn came_to(context: &Context, deployment: &Deployment, status: &Status) -> Result<Ending, Error> {
    let mut ending = ending_of(status);
    if let Ending::RolledBack { left, .. }
    | Ending::FailedClean {
        way_back: WayBack::WentBack { left, .. },
        ..
    } = &mut ending
    {
        let (application, environment) = (&deployment.application, &deployment.environment.name);
        let environment = context.ledger.environment(application, environment).await?;
        for id in &environment.unaccepted.deployments {
            if let Some(head) = context.ledger.head(id).await? {
                left.extend(head.status.there_beside(&status.back_stacks).cloned());
            }
        }
    }
    Ok(ending)
}

async fn ending(
    context: &Context,
    deployment: &Deployment,
    failure: Option<Failure>,
    status: &Status,
) -> Result<Ending, Error> {
    match failure {
        None if status.fence.is_none() => {
            let environment = context
                .ledger
                .environment(&deployment.application, &deployment.environment.name)
                .await?;
            match environment.standing(&deployment.id) {
                Standing::Superseded(by) => Ok(Ending::Superseded { by }),
                standing => Err(Error::Contradiction(format!(
                    "it ends without lock or failure, and stands as {standing:?}"
                ))),
            }
        }
        None => came_to(context, deployment, status).await,
        // Why it goes back is no failure on its way.
        Some(failure) if status.rolls_back && status.because.as_ref() == Some(&failure) => {
            came_to(context, deployment, status).await
        }
        Some(_) if status.back_to.is_some() && !status.rolls_back => came_to(context, deployment, status).await,
        Some(failure) => match assess::verdict(context, deployment, &failure, status).await? {
            Verdict::GiveUp(way_back) => Ok(Ending::FailedClean { failure, way_back }),
            verdict @ (Verdict::GoBack(_) | Verdict::CallOperator | Verdict::AskBeforeGoingBack(_)) => Err(
                Error::Contradiction(format!("{failure} asks for {verdict:?} and not for an end")),
            ),
        },
    }
}
