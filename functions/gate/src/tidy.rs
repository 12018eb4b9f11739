//! What a dead execution left behind: one that was stopped in the console, ran out of time, or failed where nobody caught it.

use aws::executions::Standing;
use domain::deployment::Deployment;
use domain::environment_state::Operation;
use domain::failure::{Failure, Name};
use domain::life::Ending;
use domain::names::{DeploymentId, StackName};
use domain::parking::Key;
use domain::verdict::Verdict;
use jiff::{SignedDuration, Timestamp};

use crate::{Context, Error, Output, admit, assess, close};

/// For so long, what is in flight may outlive its execution before a person is asked to look: deploy may not see its end,
/// because its role was taken away, or nobody is left to look. Most changes of a stack are over by then, and whoever is
/// called too early finds the stack at work.
const OUTLIVES_BY: SignedDuration = SignedDuration::from_hours(1);

/// Puts right what this execution left behind.
pub async fn tidy(context: &Context, execution: &str, now: Timestamp) -> Result<Output, Error> {
    let name = execution.rsplit(':').next().unwrap_or_default();
    let id = match name.parse::<DeploymentId>() {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(%error, "an execution that no deployment is named after");
            return Ok(Output::Tidy);
        }
    };
    match context.executions.standing(&id).await? {
        Standing::Running => Ok(Output::Tidy),
        Standing::Over { how, at } => Box::pin(bury(context, &id, died(&how), Some(at), now)).await,
        // The sweep asks a whole lease after the last word, so this is none that has only just been started. Nobody but
        // us is left to give back its lock.
        Standing::Unknown => {
            let failure = Failure::new(Name::Unexpected, "Step Functions no longer knows its execution");
            bury(context, &id, failure, None, now).await
        }
    }
}

/// Puts right what a deployment left behind whose execution is over. Where it is not known to be over, nothing happens:
/// Step Functions may tell late of one that was started a moment ago.
pub async fn put_right(context: &Context, id: &DeploymentId, now: Timestamp) -> Result<Output, Error> {
    match context.executions.standing(id).await? {
        Standing::Over { how, at } => Box::pin(bury(context, id, died(&how), Some(at), now)).await,
        Standing::Running | Standing::Unknown => Ok(Output::Tidy),
    }
}

/// What it died of.
fn died(how: &str) -> Failure {
    match how {
        "ABORTED" => Failure::new(Name::Stopped, "the execution was stopped in the console or by the API"),
        "TIMED_OUT" => Failure::new(Name::TimedOut, "the execution ran out of its own time"),
        other => Failure::new(
            Name::Unexpected,
            format!("the execution ended as {other} without closing"),
        ),
    }
}

/// Ends a deployment that cannot do it itself, whose execution is over since then, where that is known, as soon as nothing
/// of it is in flight.
async fn bury(
    context: &Context,
    id: &DeploymentId,
    failure: Failure,
    over_since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Output, Error> {
    let Some(deployment) = context.ledger.requested(id).await? else {
        tracing::warn!(deployment.id = %id, "an execution without a record");
        return Ok(Output::Tidy);
    };
    let place = (&deployment.application, &deployment.environment.name);
    let environment = context.ledger.environment(place.0, place.1).await?;
    let at_work = environment
        .operation
        .as_ref()
        .filter(|operation| operation.deployment == *id);
    if let Some(operation) = at_work {
        if now.duration_since(over_since.unwrap_or(operation.since)) >= OUTLIVES_BY {
            return outlived(context, &deployment, operation, &failure, now).await;
        }
        // CloudFormation goes on without us. Deploy sees its end and clears it; until then the sweep keeps looking here.
        context
            .ledger
            .change_environment(place.0, place.1, |state| state.expire(id, now))
            .await?;
        return Ok(Output::InFlight);
    }
    // People may be asked about it: their links are to say that it is over, and the sweep would take minutes.
    if deployment.environment.approval.is_some() {
        admit::have_approval_look(context, id).await;
    }
    for parked in context.ledger.parked(&Key::lock(id)).await? {
        context.ledger.unpark(&parked).await?;
    }
    let status = assess::status(context, id).await?;
    if let Some(ending) = &status.ending {
        match ending {
            Ending::OperatorNeeded { failure } if environment.quarantine.is_none() => {
                close::keep_others_out(context, &deployment, failure, now).await?;
            }
            Ending::OperatorNeeded { .. } => {}
            _ => Box::pin(close::carry_to(context, &deployment, &status, ending, now)).await?,
        }
        return Ok(ending.end().into());
    }
    match assess::verdict(context, &deployment, &failure, &status).await? {
        Verdict::GiveUp(way_back) => {
            let ending = Ending::FailedClean { failure, way_back };
            Box::pin(close::end(context, &deployment, &status, &ending, now, now)).await?;
            Ok(ending.end().into())
        }
        // Going back would need the execution that is dead; what it left is for a person.
        Verdict::GoBack(_) | Verdict::CallOperator | Verdict::AskBeforeGoingBack(_) => {
            Ok(close::need_operator(context, &deployment, failure, now, now)
                .await?
                .into())
        }
    }
}

/// Calls a person to what is in flight and that nobody sees the end of.
async fn outlived(
    context: &Context,
    deployment: &Deployment,
    operation: &Operation,
    died: &Failure,
    now: Timestamp,
) -> Result<Output, Error> {
    let stacks: Vec<&str> = operation.stacks.keys().map(StackName::as_str).collect();
    let cause = format!(
        "{}; an hour later it is still not known how the change of {} ended",
        died.cause,
        stacks.join(", ")
    );
    let unknown = Failure::new(Name::StackUnknown, cause);
    match assess::status(context, &deployment.id).await?.ending {
        None | Some(Ending::OperatorNeeded { .. }) => Ok(close::need_operator(context, deployment, unknown, now, now)
            .await?
            .into()),
        // People were told of another end; the error raises an alarm.
        Some(_) => {
            close::keep_others_out(context, deployment, &unknown, now).await?;
            Err(Error::Named(unknown))
        }
    }
}
