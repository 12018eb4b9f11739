//! What a comparison leaves when nobody waits for it any more, or when its deployment is over.

use domain::parking::{Parked, StackChange};
use domain::stack_status::own_status;
use jiff::{SignedDuration, Timestamp};

use crate::create_change_set::{OPERATIONS, State, own_events_since, state_of, token};
use crate::wake::BEGINNER_MAY_TAKE;
use crate::{Context, Error, waited};

/// How often it is looked whether a change set that was made for people to decide on, or to look at, is of any use still.
pub(crate) const PREPARED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// For how long a change set that was prepared is tried to be deleted: longer than any deployment lasts.
const LEFT_AFTER: SignedDuration = SignedDuration::from_hours(24 * 100);

/// Takes away what waits for a task that is gone, and with it, if the deployment is over, what nobody will execute.
pub(crate) async fn clean_up(context: &Context, change: &StackChange, parked: &Parked) -> Result<(), Error> {
    let id = &parked.deployment;
    let own = OPERATIONS.map(|call| token(call, id, change.leg, change));
    let state = context
        .ledger
        .environment(&change.application, &change.environment)
        .await?;
    let begun = state.operation.filter(|operation| operation.deployment == *id);
    let begun = begun.and_then(|mut begun| Some((begun.stacks.remove(&change.stack)?, begun.since)));
    if let Some((begun, since)) = begun.filter(|(begun, _)| own.contains(begun)) {
        if !is_over(context, change, parked, (&begun, since)).await? {
            return context.look_again(parked).await;
        }
        context.finish(id, change, &[&begun]).await?;
    }
    let head = context.ledger.head(id).await?;
    // While the deployment goes on, the change set may be what its next state is about to execute.
    let ended = head.is_some_and(|head| head.status.ending.is_some());
    if change.prepares && !ended {
        return Ok(context
            .ledger
            .look_again(parked, Timestamp::now() + PREPARED_FOR)
            .await?);
    }
    if ended && change.prepares {
        return delete_prepared(context, change, parked).await;
    }
    if ended {
        let target = context.target(id, change);
        target
            .stacks
            .delete_change_set(&change.change_set, &change.stack)
            .await?;
    }
    Ok(context.ledger.unpark(parked).await?)
}

/// Deletes a change set that was made for people to decide on, and that nobody executes any more. CloudFormation deletes
/// none while the stack is at work, be it for another deployment: then it is looked at again, and nobody is alarmed.
async fn delete_prepared(context: &Context, change: &StackChange, parked: &Parked) -> Result<(), Error> {
    let stacks = context.target(&parked.deployment, change).stacks;
    let deleted = match stacks.change_set(&change.change_set, &change.stack).await {
        Ok(Some(set))
            if matches!(
                state_of(&set),
                State::Ready | State::Pending | State::NoChanges | State::Refused(_)
            ) =>
        {
            stacks.delete_change_set(&set.id, &change.stack).await
        }
        // It was executed, or an update overtook it, or it is gone: nobody can execute it.
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match deleted {
        Err(error) if waited(parked) < LEFT_AFTER => {
            tracing::warn!(cause = %error, stack = %change.stack, "the change set is not deleted yet");
            Ok(context
                .ledger
                .look_again(parked, Timestamp::now() + PREPARED_FOR)
                .await?)
        }
        Err(error) => {
            tracing::error!(cause = %error, stack = %change.stack, "the change set is left");
            Ok(context.ledger.unpark(parked).await?)
        }
        Ok(()) => Ok(context.ledger.unpark(parked).await?),
    }
}

/// Whether what was begun on the stack under this token has ended. A description may be out of date, and events may be
/// late; a call that left none in a good while was never made, or was none that leaves any.
async fn is_over(
    context: &Context,
    change: &StackChange,
    parked: &Parked,
    (token, since): (&str, Timestamp),
) -> Result<bool, Error> {
    let stacks = context.target(&parked.deployment, change).stacks;
    let Some(stack) = stacks.look(change.stack.as_str()).await? else {
        return Ok(true);
    };
    if stack.status.in_progress() {
        return Ok(false);
    }
    let events = stacks.events(&stack.id, own_events_since(parked)).await?;
    let long_ago = Timestamp::now().duration_since(since) >= BEGINNER_MAY_TAKE;
    Ok(own_status(&events, token).map_or(long_ago, |own| own.settled()))
}
