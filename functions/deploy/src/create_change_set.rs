//! Compares a stack with a release: a change set, or the news that there is nothing to change.
//!
//! Everything here can be done again at any point. What was asked for is found again by its name, which is made of the
//! deployment, the way and the stack; what is to be done follows from what CloudFormation says, and from nothing kept.

use std::collections::BTreeSet;
use std::time::Duration;

use aws::parameters::Parameters;
use aws::stacks::{ChangeSet, NewChangeSet, Stack};
use aws::tasks::Delivered;
use aws::{Error as AwsError, Kind};
use domain::assembly::{self, template_location};
use domain::change_set::{
    Call, Creation, ExecutionStatus, Prepared, Summary, assess_created, change_set_name, client_token,
};
use domain::deployment::{Deployment, Leg};
use domain::failure::{Failure, Name};
use domain::harmless::harmless;
use domain::life::Event;
use domain::names::{DeploymentId, TaskToken};
use domain::parking::{Parked, StackChange, WaitsFor};
use domain::stack_status::{NextAction, StackStatus, left_over, own_status};
use jiff::{SignedDuration, Timestamp};

use crate::clean_up::{PREPARED_FOR, clean_up};
use crate::execute_change_set::protection_to_change;
use crate::publish::bootstrap_missing;
use crate::release::Selection;
use crate::{Answer, Context, Error, Output, Target, confirm, is_at_work, prepared, waited};

/// How long somebody else's operation on the stack, or the making of a change set, is waited for.
const MAY_TAKE: SignedDuration = SignedDuration::from_mins(30);

/// What a comparison may have to do to the stack, each of them an operation that is told by its token.
pub(crate) const OPERATIONS: [Call; 3] = [Call::ContinueRollback, Call::Delete, Call::Protect];

/// How far back events of our own operation may lie: longer than a state is retried, shorter than a stack's history.
const OWN_EVENTS: SignedDuration = SignedDuration::from_hours(1);

pub(crate) async fn create_change_set(
    context: &Context,
    deployment: &Deployment,
    mut change: StackChange,
    token: TaskToken,
) -> Result<Output, Error> {
    let approved = approved(context, deployment, &change).await?;
    if change.prepares {
        let head = context.ledger.head(&deployment.id).await?;
        let before = head.map_or(0, |head| head.status.preparations);
        // Of its own for each time that people are asked: what was approved is never made anew under its name.
        change.change_set = format!("{}-p{}", change.change_set, before + 1);
    } else if let Some(id) = approved.as_ref().and_then(|approved| approved.change_set.clone()) {
        change.change_set = id;
    }
    let waits_for = WaitsFor::ChangeSet(change.clone());
    let now = Timestamp::now();
    let mut parked = Parked::new(deployment.id.clone(), waits_for, token, now);
    // The sweep leaves it alone while this invocation looks.
    let looking: Duration = context.pace.change_set.iter().sum();
    parked.look_at += SignedDuration::try_from(looking).unwrap_or_default();
    if context.ledger.park_awaited(&context.tasks, &parked).await? == Delivered::Gone {
        return Ok(Output::Parked);
    }
    let mut comparison = Comparison {
        context,
        deployment,
        change: &change,
        parked: &parked,
        target: context.target(&deployment.id, &change),
        left_over: None,
        approved,
    };
    if let Err(error) = comparison.claim().await {
        return Err(comparison.give_up(error).await?);
    }
    if let Err(error) = comparison.discard_left_over().await {
        return Err(comparison.give_up(error).await?);
    }
    match comparison.carry_on().await {
        Ok(None) => Ok(Output::Parked),
        Ok(Some(answer)) => {
            comparison.deliver(Ok(answer)).await?;
            Ok(Output::Parked)
        }
        Err(error) => Err(comparison.give_up(error).await?),
    }
}

/// Goes on with a comparison that waits, from a wake.
pub(crate) async fn wake(
    context: &Context,
    deployment: &Deployment,
    change: &StackChange,
    parked: &Parked,
) -> Result<(), Error> {
    let mut comparison = Comparison {
        context,
        deployment,
        change,
        parked,
        target: context.target(&deployment.id, change),
        left_over: None,
        approved: approved(context, deployment, change).await?,
    };
    match comparison.carry_on().await {
        Ok(None) => Ok(()),
        Ok(Some(answer)) => comparison.deliver(Ok(answer)).await,
        // The wake is tried again, by Lambda and by the sweep.
        Err(error) if error.is_transient() => Err(error),
        Err(error) => comparison.deliver(Err(error.of(&change.stack).into())).await,
    }
}

/// What people decided on for a stack that is about to be changed; nothing, where nobody was asked before that.
async fn approved(context: &Context, deployment: &Deployment, change: &StackChange) -> Result<Option<Prepared>, Error> {
    if change.prepares || !deployment.asks_before(change.leg) {
        return Ok(None);
    }
    let head = context.ledger.head(&deployment.id).await?;
    Ok(head.and_then(|head| head.status.bound(&change.stack).cloned()))
}

pub(crate) fn own_events_since(parked: &Parked) -> Timestamp {
    parked.since.saturating_sub(OWN_EVENTS).unwrap_or(Timestamp::MIN)
}

/// How far a change set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Pending,
    NoChanges,
    Refused(String),
    /// It was executed, or the stack has changed since: it is of no use any more.
    Stale,
    /// It is being deleted.
    Going,
}

/// Whether it can be executed.
pub(crate) fn is_ready(set: &ChangeSet) -> bool {
    state_of(set) == State::Ready
}

pub(crate) fn state_of(set: &ChangeSet) -> State {
    match assess_created(&set.status, set.reason.as_deref()) {
        Creation::NoChanges => State::NoChanges,
        Creation::Pending => State::Pending,
        Creation::Refused(reason) => State::Refused(reason),
        Creation::Going => State::Going,
        Creation::Gone => State::Stale,
        Creation::Ready => match set.execution {
            ExecutionStatus::Available => State::Ready,
            ExecutionStatus::Unavailable => State::Pending,
            _ => State::Stale,
        },
    }
}

/// What one look led to.
#[derive(Debug)]
enum Step {
    Answer(Answer),
    /// CloudFormation makes the change set, or deletes the one before; it will tell nobody when it is done.
    InTheMaking,
    /// Something is in progress on the stack, in these words; an event or the sweep wakes us.
    Waits(String),
}

struct Comparison<'a> {
    context: &'a Context,
    deployment: &'a Deployment,
    change: &'a StackChange,
    parked: &'a Parked,
    target: Target,
    /// The id of a change set of the same name that had to be deleted first.
    left_over: Option<String>,
    /// What people decided on, where they were asked before anything is executed.
    approved: Option<Prepared>,
}

impl Comparison<'_> {
    /// Takes away what an earlier attempt of this very state left and that is of no use: a change set that failed, was
    /// executed, or has become stale (aws-cdk issue 122: its name is taken).
    async fn discard_left_over(&mut self) -> Result<(), Error> {
        let StackChange { change_set, stack, .. } = self.change;
        // Not ours to delete: people decided on it.
        if self.decided_on() {
            return Ok(());
        }
        let Some(set) = self.target.stacks.change_set(change_set, stack).await? else {
            return Ok(());
        };
        match state_of(&set) {
            State::Ready | State::Pending => return Ok(()),
            State::Going => {}
            State::NoChanges | State::Refused(_) | State::Stale => {
                self.target.stacks.delete_change_set(&set.id, stack).await?;
            }
        }
        self.left_over = Some(set.id);
        Ok(())
    }

    /// Looks, and does what is next, until there is an answer or only waiting is left.
    async fn carry_on(&mut self) -> Result<Option<Answer>, Error> {
        let mut pauses = self.context.pace.change_set.iter();
        let too_long = loop {
            match self.step().await? {
                Step::Answer(answer) => return Ok(Some(answer)),
                Step::Waits(why) => {
                    break Error::new(
                        Name::StackBusy,
                        format!("{why}, by an operation that is not this deployment's"),
                    );
                }
                Step::InTheMaking => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => break Error::new(Name::ChangeSetRefused, "the change set does not become ready"),
                },
            }
        };
        if waited(self.parked) >= MAY_TAKE && !self.is_own_in_flight().await? {
            return Err(too_long);
        }
        self.context.look_again(self.parked).await?;
        Ok(None)
    }

    /// Whether the change set is the one that people decided on.
    fn decided_on(&self) -> bool {
        let decided_on = self.approved.as_ref().and_then(|approved| approved.change_set.as_ref());
        decided_on == Some(&self.change.change_set)
    }

    async fn step(&mut self) -> Result<Step, Error> {
        let StackChange { change_set, stack, .. } = self.change;
        if let Some(approved) = &self.approved {
            if let Some(why) = confirm::difference(&self.target, self.change, approved).await? {
                return Err(self.void(why).await?);
            }
            if self.decided_on() {
                return Ok(Step::Answer(Answer::Changes {
                    stack: stack.clone(),
                    change_set: change_set.clone(),
                    creates: self.is_new().await?,
                }));
            }
        }
        if let Some(set) = self.target.stacks.change_set(change_set, stack).await? {
            match state_of(&set) {
                State::Pending => return Ok(Step::InTheMaking),
                State::Ready => return self.ready(&set).await.map(Step::Answer),
                State::NoChanges => return self.no_changes(&set).await.map(Step::Answer),
                State::Refused(reason) => return Err(self.refused(&set, reason).await?),
                State::Going => {
                    self.left_over = Some(set.id);
                    return Ok(Step::InTheMaking);
                }
                State::Stale => {
                    self.target.stacks.delete_change_set(&set.id, stack).await?;
                    self.left_over = Some(set.id);
                }
            }
        }
        self.ask(self.target.stacks.look(stack.as_str()).await?).await
    }

    /// There is no change set yet: does what the stack's state asks for first.
    async fn ask(&self, stack: Option<Stack>) -> Result<Step, Error> {
        let status = stack.as_ref().map_or(&StackStatus::Absent, |stack| &stack.status);
        let replace = self.deployment.environment.replace_failed_stacks;
        match (status.before_change(replace), &stack) {
            (NextAction::Create, _) => self.create(None).await,
            (NextAction::Update, Some(stack)) => self.create(Some(stack)).await,
            (NextAction::ContinueRollback | NextAction::DeleteThenCreate, Some(_)) if self.deployment.plans => {
                let why = format!("it is in the state {status}, which has to be mended before it can be compared");
                Err(Error::new(Name::StackBlocked, why))
            }
            (NextAction::Wait, _) => Ok(Step::Waits(format!("it is in the state {status}"))),
            (NextAction::ContinueRollback, Some(stack)) => self.continue_rollback(stack).await,
            (NextAction::DeleteThenCreate, Some(stack)) => self.delete(stack).await,
            (NextAction::Refuse(reason), _) => {
                self.finish_own().await?;
                Err(Error::new(Name::StackBlocked, reason))
            }
            (action, None) => Err(Error::new(
                Name::Unexpected,
                format!("{action:?} of a stack that is absent"),
            )),
        }
    }

    /// Puts a stack back that an earlier deployment left half-changed. Once: whether it was tried tell its own events.
    async fn continue_rollback(&self, stack: &Stack) -> Result<Step, Error> {
        let token = self.token(Call::ContinueRollback);
        let events = self
            .target
            .stacks
            .events(&stack.id, own_events_since(self.parked))
            .await?;
        match own_status(&events, &token) {
            Some(status) if status.settled() => {
                self.finish_own().await?;
                Err(Error::new(
                    Name::RollbackFailed,
                    format!("it is in the state {status}: {}", stack.reason),
                ))
            }
            Some(status) => Ok(Step::Waits(format!("it is in the state {status}"))),
            None => {
                self.begin(&token).await?;
                let role = &self.target.execution_role;
                let continued = self.target.stacks.continue_rollback(&stack.id, role, &token).await;
                self.unless_refused(stack, &token, continued).await?;
                Ok(Step::Waits("its rollback is continued".to_owned()))
            }
        }
    }

    /// Deletes a stack that never was, of which nothing is left, so that it can be made.
    async fn delete(&self, stack: &Stack) -> Result<Step, Error> {
        let resources = self.target.stacks.resources(&stack.id).await?;
        let left = left_over(&resources);
        if !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|resource| resource.logical_id.as_str()).collect();
            let names = harmless(&names.join(", "), 300);
            return Err(Error::new(
                Name::StackBlocked,
                format!(
                    "its first creation failed and left resources behind ({names}); look at them, then delete the stack"
                ),
            ));
        }
        self.begin(&self.token(Call::Delete)).await?;
        self.delete_begun(stack).await?;
        Ok(Step::Waits("it is being deleted".to_owned()))
    }

    /// Deletes a stack that never was, in an operation that has begun. What protects it was meant for what it was to
    /// become: it may have been protected by this deployment, before its first change set was executed.
    async fn delete_begun(&self, stack: &Stack) -> Result<(), Error> {
        let (stacks, token) = (&self.target.stacks, self.token(Call::Delete));
        let mut deleted = Ok(());
        if stack.protected {
            deleted = stacks.protect(&stack.id, false).await;
        }
        if deleted.is_ok() {
            deleted = stacks.delete(&stack.id, &self.target.execution_role, &token).await;
        }
        self.unless_refused(stack, &token, deleted).await
    }

    /// Takes back that an operation has begun, where its call was refused and did nothing.
    ///
    /// A call before this one may have done it all the same. So the stack's events are asked; if they show anything, or
    /// cannot be had, the operation stays in flight, and the next look finds out.
    async fn unless_refused(&self, stack: &Stack, token: &str, called: Result<(), AwsError>) -> Result<(), Error> {
        let error = match called {
            Err(error) if !is_at_work(&error) => error,
            _ => return Ok(()),
        };
        if !error.did_nothing() {
            return Err(error.into());
        }
        match self
            .target
            .stacks
            .events(&stack.id, own_events_since(self.parked))
            .await
        {
            Ok(events) if own_status(&events, token).is_none() => {}
            Ok(_) => return Ok(()),
            Err(unknown) => {
                tracing::warn!(cause = %unknown, "whether it runs cannot be told now");
                return Ok(());
            }
        }
        self.context.finish(&self.deployment.id, self.change, &[token]).await?;
        Err(match error.kind {
            Kind::Invalid | Kind::Conflict | Kind::NotFound => {
                let refused = format!("{}: {}", error.operation, harmless(&error.detail, 400));
                Error::new(Name::StackBlocked, refused)
            }
            _ => error.into(),
        })
    }

    /// Asks for the change set. `stack` is there when it is to be updated.
    async fn create(&self, stack: Option<&Stack>) -> Result<Step, Error> {
        // What had to be done first has ended, or the stack would not be in this state.
        self.finish_own().await?;
        let environment = &self.deployment.environment;
        let selection = Selection::read(&self.context.artifacts, &self.change.release, environment).await?;
        let wanted = selection.stack(&self.change.stack)?;
        self.check_bootstrap(wanted).await?;
        let template_url = self
            .target
            .stacks
            .template_url(&template_location(&selection.index, wanted, environment)?);
        let template = match self.target.stacks.template(&template_url).await {
            Err(error) if error.is(Kind::Invalid) => return Err(Error::new(Name::ChangeSetRefused, error.detail)),
            template => template?,
        };
        let kept: BTreeSet<String> = stack
            .into_iter()
            .flat_map(|stack| stack.parameters.intersection(&template.parameters).cloned())
            .filter(|name| !wanted.parameters.contains_key(name))
            .collect();
        let description = format!(
            "{} of {}, by the deployment {}",
            self.change.release.short(),
            self.change.application,
            self.deployment.id
        );
        let asked = NewChangeSet {
            stack: &self.change.stack,
            name: &self.change.change_set,
            token: &self.create_token(),
            description: &description,
            creates: stack.is_none(),
            role: &self.target.execution_role,
            template_url: &template_url,
            parameters: &wanted.parameters,
            kept_parameters: &kept,
            tags: &wanted.tags,
            notification_arns: &wanted.notification_arns,
            nested: template.nested,
            guards: &self.change.guards,
        };
        match self.target.stacks.create_change_set(&asked).await {
            Ok(_) => Ok(Step::InTheMaking),
            Err(error) => what_it_means(error),
        }
    }

    /// Whether the stack is this environment's, or nobody's yet.
    async fn claim(&self) -> Result<(), Error> {
        let (deployment, stack) = (self.deployment, &self.change.stack);
        let owner = self
            .context
            .ledger
            .claim_stack(deployment, stack, Timestamp::now())
            .await?;
        if (&owner.application, &owner.environment) == (&deployment.application, &deployment.environment.name) {
            return Ok(());
        }
        let whose = format!(
            "it belongs to {} of {}, which has deployed it since {}; rename the stack in one of them, or see \"A stack \
             belongs to another environment\" in the runbook",
            owner.environment, owner.application, owner.since
        );
        Err(Error::new(Name::StackBlocked, whose))
    }

    /// Whether the account's bootstrap is new enough for the stack.
    async fn check_bootstrap(&self, wanted: &assembly::Stack) -> Result<(), Error> {
        let environment = &self.deployment.environment;
        let Some(needed) = &wanted.bootstrap else { return Ok(()) };
        let parameter = needed.parameter(&environment.qualifier);
        let value = Parameters::new(self.target.aws.ssm()).value(&parameter).await?;
        let found = value.as_deref().and_then(|text| text.trim().parse::<u32>().ok());
        if found.is_some_and(|found| found >= needed.version) {
            return Ok(());
        }
        let found = found.map_or_else(|| "none".to_owned(), |version| format!("version {version}"));
        let why = format!(
            "version {} of the CDK bootstrap is needed, and {found} is there ({parameter})",
            needed.version
        );
        Err(bootstrap_missing(self.context, environment, &why).await?)
    }

    async fn ready(&self, set: &ChangeSet) -> Result<Answer, Error> {
        if self.approved.is_some() {
            self.discard(set).await?;
            // Nothing that is found of the stack tells it: its template takes a value from elsewhere.
            let error = self
                .void("it had no changes when people were asked, and has some now")
                .await?;
            return Err(error);
        }
        let changes = self.target.stacks.changes(&set.id).await?;
        self.compared(Some(Summary::of(&changes))).await?;
        if self.change.prepares {
            let mut prepared = prepared::with(&self.target, &self.change.stack, Some((set, &changes))).await?;
            if self.deployment.plans {
                // It was looked at, and that is all: with the lock, so that an empty stack goes with it.
                self.discard(set).await?;
                prepared.change_set = None;
            }
            return Ok(Answer::Prepared(prepared));
        }
        let creates = self.is_new().await?;
        Ok(Answer::Changes {
            stack: self.change.stack.clone(),
            change_set: set.id.clone(),
            creates,
        })
    }

    /// What it means that people approved something else: it is written down, so that they are asked anew.
    async fn void(&self, why: &str) -> Result<Error, Error> {
        let why = format!("{}: {why}", self.change.stack);
        confirm::void(self.context, self.deployment, why.clone()).await?;
        Ok(Error::new(Name::ApprovalVoid, why))
    }

    async fn no_changes(&self, set: &ChangeSet) -> Result<Answer, Error> {
        if self.change.prepares {
            self.compared(None).await?;
            self.discard(set).await?;
            let prepared = prepared::with(&self.target, &self.change.stack, None).await?;
            return Ok(Answer::Prepared(prepared));
        }
        self.protect().await?;
        self.compared(None).await?;
        self.discard(set).await?;
        Ok(Answer::NoChanges {
            stack: self.change.stack.clone(),
        })
    }

    async fn refused(&self, set: &ChangeSet, reason: String) -> Result<Error, Error> {
        // Its events may know more (early validation); that they cannot be had changes nothing.
        let more = self
            .target
            .stacks
            .validation_failures(&set.id)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(cause = %error, "the change set's events cannot be read");
                Vec::new()
            });
        self.discard(set).await?;
        let told: Vec<String> = std::iter::once(reason).chain(more).collect();
        Ok(Error::new(Name::ChangeSetRefused, harmless(&told.join("; "), 560)))
    }

    /// Has the stack protected against deletion, or not, as its author wants it: no change set does that, so a release
    /// may change nothing else.
    async fn protect(&self) -> Result<(), Error> {
        let wanted = protection_to_change(self.context, &self.target, self.deployment, self.change).await?;
        let Some((stack, wanted)) = wanted.filter(|(stack, _)| stack.status.stable()) else {
            return Ok(());
        };
        let token = self.token(Call::Protect);
        self.begin(&token).await?;
        let protected = self.target.stacks.protect(&stack.id, wanted).await;
        // However the call ended, nothing of it goes on.
        self.context.finish(&self.deployment.id, self.change, &[&token]).await?;
        Ok(protected?)
    }

    /// Deletes a change set that nobody will execute, and with it the empty stack that was made only to hold it.
    async fn discard(&self, set: &ChangeSet) -> Result<(), Error> {
        let stacks = &self.target.stacks;
        stacks.delete_change_set(&set.id, &self.change.stack).await?;
        if self.empty_stack(set).await?.is_none() {
            return Ok(());
        }
        self.begin(&self.token(Call::Delete)).await?;
        // Looked at again under the fence: somebody may have executed a change set of their own meanwhile.
        if let Some(stack) = self.empty_stack(set).await? {
            self.delete_begun(&stack).await?;
        }
        // There is nothing in it whose deletion could go on or fail.
        self.finish_own().await
    }

    /// The stack of a change set, if there is nothing in it.
    async fn empty_stack(&self, set: &ChangeSet) -> Result<Option<Stack>, Error> {
        let stack = self.target.stacks.look(&set.stack_id).await?;
        Ok(stack.filter(|stack| stack.status == StackStatus::ReviewInProgress))
    }

    /// Whether the change set makes the stack.
    async fn is_new(&self) -> Result<bool, Error> {
        let stack = self.target.stacks.look(self.change.stack.as_str()).await?;
        let status = stack.map_or(StackStatus::Absent, |stack| stack.status);
        Ok(status.before_change(false) == NextAction::Create)
    }

    async fn compared(&self, summary: Option<Summary>) -> Result<(), Error> {
        let compared = Event::Compared {
            leg: self.change.leg,
            stack: self.change.stack.clone(),
            summary,
        };
        self.context.record_if_alive(&self.deployment.id, compared).await
    }

    /// Answers the task; if nobody is there any more, sees to it that nothing is left for a ghost to execute.
    async fn deliver(&self, answer: Result<Answer, Failure>) -> Result<(), Error> {
        let is_left = matches!(&answer, Ok(Answer::Prepared(prepared)) if prepared.change_set.is_some());
        match self.context.tell(self.parked, &answer).await? {
            // It stays parked until it is of no use any more, and somebody has seen to it that it is deleted.
            Delivered::Yes if is_left => {
                let at = Timestamp::now() + PREPARED_FOR;
                Ok(self.context.ledger.look_again(self.parked, at).await?)
            }
            Delivered::Yes => Ok(self.context.ledger.unpark(self.parked).await?),
            Delivered::Gone => clean_up(self.context, self.change, self.parked).await,
        }
    }

    /// What an error of the state's own invocation becomes: one that is not tried again leaves nothing parked.
    async fn give_up(&self, error: Error) -> Result<Error, Error> {
        if !error.is_transient() {
            self.context.ledger.unpark(self.parked).await?;
        }
        Ok(error.of(&self.change.stack))
    }

    /// The token of `CreateChangeSet`; another one where the change set that the first one stood for had to go.
    fn create_token(&self) -> String {
        let plain = change_set_name(&self.deployment.id, self.change.leg, &self.change.stack);
        let round = self.change.change_set.strip_prefix(&plain).unwrap_or_default();
        let token = format!("{}{round}", self.token(Call::Create));
        match self.left_over.as_deref().and_then(|id| id.rsplit('/').next()) {
            Some(id) => format!("{token}-{}", id.chars().take(8).collect::<String>()),
            None => token,
        }
    }

    fn token(&self, call: Call) -> String {
        token(call, &self.deployment.id, self.change.leg, self.change)
    }

    /// Begins an operation that changes the stack before there is a change set. It is told by its token.
    async fn begin(&self, token: &str) -> Result<(), Error> {
        let operation = StackChange {
            change_set: token.to_owned(),
            ..self.change.clone()
        };
        let begun = self
            .context
            .ledger
            .begin_operation(&self.deployment.id, &operation, Timestamp::now());
        Ok(begun.await??)
    }

    /// Clears those operations again.
    async fn finish_own(&self) -> Result<(), Error> {
        let own = OPERATIONS.map(|call| self.token(call));
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        self.context.finish(&self.deployment.id, self.change, &own).await
    }

    async fn is_own_in_flight(&self) -> Result<bool, Error> {
        let StackChange {
            application,
            environment,
            stack,
            ..
        } = self.change;
        let state = self.context.ledger.environment(application, environment).await?;
        let begun = state
            .operation
            .filter(|operation| operation.deployment == self.deployment.id);
        Ok(begun.is_some_and(|operation| operation.stacks.contains_key(stack)))
    }
}

/// What a refusal of `CreateChangeSet` means: often only that what was seen of the stack is out of date.
fn what_it_means(error: AwsError) -> Result<Step, Error> {
    match error.kind {
        // There is one of that name: made by an attempt whose answer got lost.
        Kind::Conflict => Ok(Step::InTheMaking),
        Kind::Invalid if error.detail.contains("does not exist") => Ok(Step::Waits(harmless(&error.detail, 300))),
        _ if is_at_work(&error) => Ok(Step::Waits(harmless(&error.detail, 300))),
        Kind::Invalid => Err(Error::new(Name::ChangeSetRefused, harmless(&error.detail, 500))),
        _ => Err(error.into()),
    }
}

/// The token of a call for this change.
pub(crate) fn token(call: Call, deployment: &DeploymentId, leg: Leg, change: &StackChange) -> String {
    client_token(call, deployment, leg, &change.stack)
}
