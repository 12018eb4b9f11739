//! Finds out what has become of what is parked, and answers.
//!
//! An event is only a reason to look: it may be late, twice, out of order or about somebody else's operation.

use std::collections::BTreeSet;

use aws::stacks::Stack;
use aws::tasks::Delivered;
use domain::change_set::Call;
use domain::deployment::Deployment;
use domain::failure::{Class, Failure, Name};
use domain::life::Event;
use domain::names::DeploymentId;
use domain::parking::{Key, Parked, StackChange, WaitsFor};
use domain::root_cause::{StackEvent, nested_stacks_that_failed, root_cause};
use domain::stack_status::{StackStatus, last_status, own_status};
use domain::update_state::{Next, Seen};
use jiff::{SignedDuration, Timestamp};

use crate::clean_up::clean_up;
use crate::create_change_set::{self, token};
use crate::execute_change_set::{begin_and_execute, not_updated};
use crate::{Answer, Context, Error, Output, Target, is_at_work, waited};

/// How long whoever begins an operation has for executing its change set before somebody else does it.
pub(crate) const BEGINNER_MAY_TAKE: SignedDuration = SignedDuration::from_mins(5);

/// How long a stack may not be asked before a person has to look: permissions that were changed take effect late.
const BLIND_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How far an operation's events may lie before it was parked, where its change set cannot tell.
const BEFORE_PARKING: SignedDuration = SignedDuration::from_hours(1);

pub(crate) async fn wake(context: &Context, stack: Option<String>, key: Option<Key>) -> Result<Output, Error> {
    let (key, by_event) = match (stack, key) {
        (Some(stack), None) => (Key::of_stack_arn(&stack), true),
        (None, Some(key)) => (Some(key), false),
        _ => return Err(Error::new(Name::InvalidInput, "a wake names a stack or a key")),
    };
    let Some(key) = key else {
        tracing::info!("the event names no stack");
        return Ok(Output::Woken { waiting: 0 });
    };
    let parked = context.ledger.parked(&key).await?;
    if parked.is_empty() {
        tracing::info!(key = key.as_str(), "nothing waits");
    }
    let mut awaited = Vec::new();
    for parked in &parked {
        awaited.push(context.tasks.still_waits(&parked.token).await?);
    }
    let called_again = |dead: &Parked| {
        let mut all = parked.iter().zip(&awaited);
        all.any(|(other, waits)| {
            *waits == Delivered::Yes && other.deployment == dead.deployment && other.waits_for == dead.waits_for
        })
    };
    let mut first = None;
    for (parked, waits) in parked.iter().zip(&awaited) {
        let looked = match waits {
            // The newer call's task is the one that is followed; cleaning up for the older one would take from it.
            Delivered::Gone if called_again(parked) => context.ledger.unpark(parked).await.map_err(Error::from),
            waits => look(context, parked, *waits, by_event).await,
        };
        if let Err(error) = looked {
            tracing::error!(deployment.id = %parked.deployment, cause = %error, "cannot be told");
            first.get_or_insert(error);
        }
    }
    match first {
        Some(error) => Err(error),
        None => Ok(Output::Woken { waiting: parked.len() }),
    }
}

async fn look(context: &Context, parked: &Parked, waits: Delivered, by_event: bool) -> Result<(), Error> {
    match (&parked.waits_for, waits) {
        (WaitsFor::ChangeSet(change), Delivered::Yes) => {
            let deployment = requested(context, &parked.deployment).await?;
            create_change_set::wake(context, &deployment, change, parked).await
        }
        (WaitsFor::ChangeSet(change), Delivered::Gone) => clean_up(context, change, parked).await,
        (WaitsFor::StackUpdate(change), waits) => {
            let update = Update {
                context,
                parked,
                change,
                target: context.target(&parked.deployment, change),
            };
            update.settle(waits, by_event).await
        }
        (
            WaitsFor::Lock { .. }
            | WaitsFor::Build { .. }
            | WaitsFor::Integration { .. }
            | WaitsFor::Bake { .. }
            | WaitsFor::Approval { .. },
            _,
        ) => {
            tracing::warn!("what waits there is not a stack");
            Ok(())
        }
    }
}

/// The deployment as it was asked for.
async fn requested(context: &Context, id: &DeploymentId) -> Result<Deployment, Error> {
    let asked = context.ledger.requested(id).await?;
    asked.ok_or_else(|| {
        Error::new(
            Name::Unexpected,
            format!("the record of {id} does not say what was asked"),
        )
    })
}

/// An execution that waits to be seen ending.
struct Update<'a> {
    context: &'a Context,
    parked: &'a Parked,
    change: &'a StackChange,
    target: Target,
}

/// The evidence.
struct Evidence {
    seen: Seen,
    stack: Option<Stack>,
    /// The stack's ARN, where anything tells it.
    stack_id: String,
    events: Vec<StackEvent>,
    since: Timestamp,
}

impl Update<'_> {
    async fn settle(&self, waits: Delivered, by_event: bool) -> Result<(), Error> {
        let mut evidence = match self.evidence().await {
            Ok(evidence) => evidence,
            Err(error) => return self.blind(error, waits).await,
        };
        let pauses = if by_event {
            self.context.pace.settled.as_slice()
        } else {
            &[]
        };
        for pause in pauses {
            // The event may come before the other calls agree with it. A stack that is at work has another event coming.
            if evidence.seen.next() != Next::Wait || evidence.seen.described.in_progress() {
                break;
            }
            tokio::time::sleep(*pause).await;
            evidence = self.evidence().await?;
        }
        match evidence.seen.next() {
            Next::Wait => self.context.look_again(self.parked).await,
            Next::Updated => self.updated().await,
            Next::RolledBack => {
                let cause = self.why(&evidence).await?;
                self.failed(Name::StackRolledBack, &cause).await
            }
            Next::ContinueRollback => self.continue_rollback(&evidence).await,
            Next::RollbackFailed => {
                let cause = self.why(&evidence).await?;
                let cause = format!("it is in the state {}; {cause}", evidence.seen.described);
                self.failed(Name::RollbackFailed, &cause).await
            }
            Next::Unknown => {
                let status = &evidence.seen.described;
                let cause = format!("it is in the state {status}, to which the change does not lead");
                self.failed(Name::StackUnknown, &cause).await
            }
            Next::Obsolete => {
                let cause = "the stack has changed since the change set was made";
                self.failed(Name::ChangeSetRefused, cause).await
            }
            Next::NotBegun => self.not_begun(waits).await,
        }
    }

    /// The stack cannot be asked. Where that lasts, and is nothing that passes by itself, a person has to look: nobody knows
    /// how the change ends, so it stays in flight.
    ///
    /// Where nobody waits any more, it is looked at on and on, and gate calls a person.
    async fn blind(&self, error: Error, waits: Delivered) -> Result<(), Error> {
        let overdue = Timestamp::now().duration_since(self.parked.look_at);
        if error.is_transient() || overdue < BLIND_FOR || waits == Delivered::Gone {
            return Err(error);
        }
        let stack = &self.change.stack;
        let failure = Failure::new(Name::StackUnknown, format!("{stack}: it cannot be asked: {error}"));
        not_updated(self.context, &self.parked.deployment, self.change, failure.clone()).await?;
        self.context.answer(self.parked, Err(failure)).await.map(drop)
    }

    async fn evidence(&self) -> Result<Evidence, Error> {
        let change = self.change;
        let stacks = &self.target.stacks;
        let set = stacks.change_set(&change.change_set, &change.stack).await?;
        // By its ARN where that is known: one made anew under its name is another stack.
        let id = set.as_ref().map(|set| set.stack_id.clone()).filter(|id| !id.is_empty());
        let stack = stacks.look(id.as_deref().unwrap_or(change.stack.as_str())).await?;
        let stack_id = id
            .or_else(|| stack.as_ref().map(|stack| stack.id.clone()))
            .unwrap_or_default();
        let since = set
            .as_ref()
            .and_then(|set| set.created_at)
            .or_else(|| self.parked.since.saturating_sub(BEFORE_PARKING).ok())
            .unwrap_or(Timestamp::MIN);
        let events = if stack_id.is_empty() {
            Vec::new()
        } else {
            stacks.events(&stack_id, since).await?
        };
        let own = |call| own_status(&events, &self.token(call));
        let seen = Seen {
            creates: change.creates,
            described: stack.as_ref().map_or(StackStatus::Absent, |stack| stack.status.clone()),
            execution: set.map(|set| set.execution),
            own: own(Call::Execute),
            continued: own(Call::ContinueRollback),
            last: last_status(&events),
        };
        Ok(Evidence {
            seen,
            stack,
            stack_id,
            events,
            since,
        })
    }

    async fn updated(&self) -> Result<(), Error> {
        let updated = Event::Updated {
            leg: self.change.leg,
            stack: self.change.stack.clone(),
        };
        self.context.record_if_alive(&self.parked.deployment, updated).await?;
        self.finish().await?;
        let answer = Answer::Updated {
            stack: self.change.stack.clone(),
        };
        self.context.answer(self.parked, Ok(answer)).await.map(drop)
    }

    /// Record, lock, answer, in this order: each is only said when the one before it is certain.
    async fn failed(&self, name: Name, cause: &str) -> Result<(), Error> {
        let failure = Failure::new(name, format!("{}: {cause}", self.change.stack));
        not_updated(self.context, &self.parked.deployment, self.change, failure.clone()).await?;
        self.finish().await?;
        self.context.answer(self.parked, Err(failure)).await.map(drop)
    }

    async fn finish(&self) -> Result<(), Error> {
        let change_set = self.change.change_set.as_str();
        self.context
            .finish(&self.parked.deployment, self.change, &[change_set])
            .await
    }

    /// Tries once more to put the stack back. The operation in flight is still ours, and this is its end.
    async fn continue_rollback(&self, evidence: &Evidence) -> Result<(), Error> {
        let token = self.token(Call::ContinueRollback);
        let role = &self.target.execution_role;
        let called = self
            .target
            .stacks
            .continue_rollback(&evidence.stack_id, role, &token)
            .await;
        match called {
            Ok(()) => self.context.look_again(self.parked).await,
            // It was asked before, and its events are not there yet.
            Err(error) if is_at_work(&error) => self.context.look_again(self.parked).await,
            Err(error) if error.name().class() == Class::Transient => Err(error.into()),
            Err(error) => {
                let cause = format!(
                    "{}; the rollback cannot be continued: {error}",
                    self.why(evidence).await?
                );
                self.failed(Name::RollbackFailed, &cause).await
            }
        }
    }

    /// Nothing of the execution is to be seen: whoever began it is about to call, or has died before.
    async fn not_begun(&self, waits: Delivered) -> Result<(), Error> {
        if waited(self.parked) < BEGINNER_MAY_TAKE {
            return self.context.look_again(self.parked).await;
        }
        let deployment = &self.parked.deployment;
        match waits {
            Delivered::Gone => {
                // Without its change set, no ghost of that execution can change anything any more.
                let stacks = &self.target.stacks;
                stacks
                    .delete_change_set(&self.change.change_set, &self.change.stack)
                    .await?;
                self.failed(Name::LostLock, "the deployment ended before the change was begun")
                    .await
            }
            Delivered::Yes => {
                let deployment = requested(self.context, deployment).await?;
                match begin_and_execute(self.context, &deployment, self.change).await {
                    Ok(_) => self.context.look_again(self.parked).await,
                    Err(error) if error.is_transient() => Err(error),
                    Err(error) => {
                        let failure = error.of(&self.change.stack).into();
                        self.context.answer(self.parked, Err(failure)).await.map(drop)
                    }
                }
            }
        }
    }

    /// Why it could not be changed, in one sentence; nested stacks are asked too.
    async fn why(&self, evidence: &Evidence) -> Result<String, Error> {
        let mut events = evidence.events.clone();
        let mut read = BTreeSet::from([evidence.stack_id.clone()]);
        loop {
            let new: Vec<String> = nested_stacks_that_failed(&events).difference(&read).cloned().collect();
            if new.is_empty() {
                break;
            }
            for nested in new {
                events.extend(self.target.stacks.events(&nested, evidence.since).await?);
                read.insert(nested);
            }
        }
        let token = self.token(Call::Execute);
        let cause = root_cause(&events, &evidence.stack_id, Some(&token)).map(|cause| cause.sentence());
        let reason = || evidence.stack.as_ref().map(|stack| stack.reason.clone());
        Ok(cause
            .or_else(|| reason().filter(|reason| !reason.is_empty()))
            .unwrap_or_else(|| "CloudFormation gives no reason".to_owned()))
    }

    fn token(&self, call: Call) -> String {
        token(call, &self.parked.deployment, self.change.leg, self.change)
    }
}
