//! Changes a stack: the one place where something is done to an environment.

use std::time::Duration;

use aws::stacks::Stack;
use aws::tasks::Delivered;
use aws::{Error as AwsError, Kind};
use domain::change_set::{Call, ExecutionStatus};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::Event;
use domain::names::{DeploymentId, TaskToken};
use domain::parking::{Parked, StackChange, WaitsFor};
use domain::stack_status::own_status;
use jiff::{SignedDuration, Timestamp};

use crate::create_change_set::token;
use crate::release::Selection;
use crate::{Context, Error, Output, Target, is_at_work};

/// How often one call is tried, with one token.
const ATTEMPTS: u32 = 3;

pub(crate) async fn execute_change_set(
    context: &Context,
    deployment: &Deployment,
    change: StackChange,
    answers: TaskToken,
) -> Result<Output, Error> {
    let waits_for = WaitsFor::StackUpdate(change.clone());
    let now = Timestamp::now();
    let parked = Parked::new(deployment.id.clone(), waits_for, answers, now);
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    match begin_and_execute(context, deployment, &change).await {
        Ok(Executed::Surely) => Ok(Output::Parked),
        // Another call of this state may have seen its end and taken both their tasks away, before this one began anew what
        // was over: somebody has to look at it again.
        Ok(Executed::Perhaps) => {
            context.ledger.park(&parked).await?;
            Ok(Output::Parked)
        }
        Err(error) => {
            if !error.is_transient() {
                context.ledger.unpark(&parked).await?;
            }
            Err(error.of(&change.stack))
        }
    }
}

/// What is known after a change set was to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executed {
    /// This call had it executed.
    Surely,
    /// It runs, or has run, or nobody knows: only the stack itself can tell, and whoever wakes this asks it.
    Perhaps,
}

/// Begins the operation and executes its change set, for the state itself or for a wake that follows whoever died.
pub(crate) async fn begin_and_execute(
    context: &Context,
    deployment: &Deployment,
    change: &StackChange,
) -> Result<Executed, Error> {
    let target = begin(context, &deployment.id, change).await?;
    match protect(context, &target, deployment, change).await {
        Ok(()) => execute(context, &target, &deployment.id, change).await,
        Err(error) => undo(context, &target, &deployment.id, change, error).await,
    }
}

/// The fence: nothing is done to the environment unless this write says that the lock is ours, now.
async fn begin(context: &Context, deployment: &DeploymentId, change: &StackChange) -> Result<Target, Error> {
    let ledger = &context.ledger;
    ledger.begin_operation(deployment, change, Timestamp::now()).await??;
    let executing = Event::Executing {
        leg: change.leg,
        stack: change.stack.clone(),
        change_set: change.change_set.clone(),
    };
    match ledger.record(deployment, executing, Timestamp::now()).await {
        Ok(_) => Ok(context.target(deployment, change)),
        Err(error) if error.is(Kind::Conflict) => {
            context.finish(deployment, change, &[&change.change_set]).await?;
            Err(Error::new(Name::LostLock, "the deployment is over"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the stack protected against deletion, or not, as its author wants it: no change set does that.
async fn protect(
    context: &Context,
    target: &Target,
    deployment: &Deployment,
    change: &StackChange,
) -> Result<(), Error> {
    if let Some((stack, wanted)) = protection_to_change(context, target, deployment, change).await? {
        target.stacks.protect(&stack.id, wanted).await?;
    }
    Ok(())
}

/// The stack, and whether it is to be protected; nothing, where it is as its author wants it.
pub(crate) async fn protection_to_change(
    context: &Context,
    target: &Target,
    deployment: &Deployment,
    change: &StackChange,
) -> Result<Option<(Stack, bool)>, Error> {
    let selection = Selection::read(&context.artifacts, &change.release, &deployment.environment).await?;
    let wanted = selection.stack(&change.stack)?.termination_protection;
    let stack = target.stacks.look(change.stack.as_str()).await?;
    Ok(stack
        .filter(|stack| stack.protected != wanted)
        .map(|stack| (stack, wanted)))
}

/// Executes the change set of an operation that has begun. It may be in execution already: then that is what is wanted.
///
/// # Errors
/// Only where nothing was executed, and that is certain; then the operation is over again.
async fn execute(
    context: &Context,
    target: &Target,
    deployment: &DeploymentId,
    change: &StackChange,
) -> Result<Executed, Error> {
    let token = token(Call::Execute, deployment, change.leg, change);
    let mut may_have_acted = false;
    let mut attempt = 1;
    let error = loop {
        let error = match target.stacks.execute(&change.change_set, &token).await {
            Ok(()) => return Ok(Executed::Surely),
            Err(error) => error,
        };
        let unclear = matches!(error.kind, Kind::Unanswered | Kind::Unavailable);
        may_have_acted |= unclear || error.is(Kind::AlreadyAsked);
        if attempt == ATTEMPTS || !(unclear || error.is(Kind::Throttled)) {
            break error;
        }
        tokio::time::sleep(Duration::from_millis(500) * attempt).await;
        attempt += 1;
    };
    tracing::warn!(cause = %error, may_have_acted, "not executed by this call");
    if may_have_acted {
        return Ok(Executed::Perhaps);
    }
    undo(context, target, deployment, change, meaning(error)).await
}

/// Whether anything of the change set's execution is to be seen.
async fn runs(target: &Target, deployment: &DeploymentId, change: &StackChange) -> Result<bool, Error> {
    let set = target.stacks.change_set(&change.change_set, &change.stack).await?;
    if let Some(set) = &set
        && matches!(
            set.execution,
            ExecutionStatus::ExecuteInProgress | ExecutionStatus::ExecuteComplete | ExecutionStatus::ExecuteFailed
        )
    {
        return Ok(true);
    }
    let since = set.and_then(|set| set.created_at);
    let since = since.or_else(|| Timestamp::now().checked_sub(SignedDuration::from_hours(1)).ok());
    let events = target
        .stacks
        .events(change.stack.as_str(), since.unwrap_or(Timestamp::MIN));
    Ok(own_status(&events.await?, &token(Call::Execute, deployment, change.leg, change)).is_some())
}

/// What it means that CloudFormation executes nothing.
fn meaning(error: AwsError) -> Error {
    let detail = harmless(&error.detail, 400);
    match error.kind {
        _ if is_at_work(&error) => Error::new(Name::StackBusy, detail),
        Kind::Invalid | Kind::Conflict => Error::new(
            Name::ChangeSetRefused,
            format!("the change set cannot be executed any more: {detail}"),
        ),
        Kind::NotFound => Error::new(
            Name::ChangeSetRefused,
            format!("somebody deleted the change set: {detail}"),
        ),
        _ => error.into(),
    }
}

/// Takes back that the operation has begun, because of an error that says that this call executed nothing.
///
/// An attempt before this one may have executed it all the same, and died. So the stack is asked; if it shows anything,
/// or cannot be asked, the operation stays in flight, and whoever wakes it finds out.
async fn undo(
    context: &Context,
    target: &Target,
    deployment: &DeploymentId,
    change: &StackChange,
    error: Error,
) -> Result<Executed, Error> {
    match runs(target, deployment, change).await {
        Ok(false) => {}
        Ok(true) => return Ok(Executed::Perhaps),
        Err(unknown) => {
            tracing::warn!(cause = %unknown, "whether it runs cannot be told now");
            return Ok(Executed::Perhaps);
        }
    }
    let error = error.of(&change.stack);
    let failure = Failure::new(error.name(), error.to_string());
    not_updated(context, deployment, change, failure).await?;
    context.finish(deployment, change, &[&change.change_set]).await?;
    Err(error)
}

/// Records that the stack was not changed.
pub(crate) async fn not_updated(
    context: &Context,
    deployment: &DeploymentId,
    change: &StackChange,
    failure: Failure,
) -> Result<(), Error> {
    let not_updated = Event::NotUpdated {
        leg: change.leg,
        stack: change.stack.clone(),
        failure,
    };
    context.record_if_alive(deployment, not_updated).await
}
