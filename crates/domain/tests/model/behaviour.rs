//! What may happen next, and what must hold.

use std::sync::Arc;

use domain::deployment::{Leg, QueuePolicy};
use domain::environment_state::EnvironmentState;
use domain::life::{Ending, Progress, WayBack};
use jiff::Timestamp;
use stateright::{Model, Property};

use super::functions::{Luck, Pen, Pipeline};
use super::world::{Branch, Call, Change, Claim, Course, Guard, Invocation, Left, NOW, Outcome, Run, World, row};

use domain::failure::Name;

/// Longer than any lease.
const MUCH_LATER: Timestamp = Timestamp::MAX;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// GitHub delivers a push, or the sweep completes a delivery that stopped half-way.
    Deliver(usize),
    /// GitHub delivers a push again, under another id where that matters.
    Redeliver(usize),
    /// The webhook dies after so many writes.
    DieTakingIn(usize, u8),
    /// The function that an execution waits for does its work.
    Call(usize, Call, Luck),
    /// It dies after so many writes; Step Functions calls it again, or catches that.
    Die {
        deployment: usize,
        call: Call,
        after: u8,
        again: bool,
    },
    /// Its call of CloudFormation is never answered, and did nothing; it parks and hopes.
    Unanswered(usize, Call),
    /// It is given up by Step Functions, and goes on all the same, some time; it is called again, or that is caught.
    Pause { deployment: usize, call: Call, again: bool },
    /// What was paused goes on.
    Resume(usize),
    /// The event, or the sweep, looks after a deployment that waits for the lock.
    WakeForLock(usize),
    /// The sweep looks after a deployment that waits for a build.
    WakeForBuild(usize),
    /// CodeBuild ends a build of a commit, well or not.
    EndBuild(usize, usize, bool),
    /// CodeBuild's event of a build arrives, perhaps late, perhaps not for the first time.
    HearOfBuild(usize, usize),
    /// CloudFormation ends a stack's change.
    EndChange(usize, Leg, usize, Outcome),
    /// The event, or the sweep, has somebody look at it.
    SeeEnd(usize, Leg, usize),
    /// Whoever looks dies after so many writes.
    DieSeeingEnd(usize, Leg, usize, u8),
    /// A late event of another deployment's change finds this one waiting for a stack of that name.
    HearForeign(usize, usize),
    /// An operator stops an execution; what it had called may go on.
    Stop { deployment: usize, leaves: Option<Call> },
    /// What a dead execution left behind is put right.
    PutRight(usize),
    /// That dies after so many writes.
    DiePuttingRight(usize, u8),
    /// The sweep takes a holder for dead that is not.
    Mistake(usize),
    /// An operator has looked and opens an environment again.
    Lift(usize),
}

impl Pipeline {
    /// The calls that an execution is waiting for now.
    fn calls(run: &Run, stacks: usize) -> Vec<Call> {
        if run.course != Course::Runs {
            return Vec::new();
        }
        match run.now.call {
            Call::WaitForLock | Call::WaitForBuild => Vec::new(),
            Call::Wave => run.branches[..stacks]
                .iter()
                .enumerate()
                .filter_map(|(stack, branch)| match branch {
                    Branch::Begins => Some(Call::Begin(stack)),
                    Branch::Executes => Some(Call::Execute(stack)),
                    _ => None,
                })
                .collect(),
            call => vec![call],
        }
    }

    fn lucks(&self, run: &Run, call: Call) -> Vec<Luck> {
        let mut lucks = vec![Luck::Good];
        match call {
            Call::Plan => {
                if self.scope.plan_fails {
                    lucks.push(Luck::Bad);
                }
                if self.scope.no_changes && run.now.leg == Leg::Forward {
                    lucks.push(Luck::NothingToChange);
                }
            }
            Call::Smoke if self.scope.red => lucks.push(Luck::Bad),
            _ => {}
        }
        lucks
    }

    /// What happens for certain, sooner or later. Each of these changes the state.
    fn certain(&self, w: &World, actions: &mut Vec<Action>) {
        // These touch nothing that another deployment reads or a property speaks of: in which order they happen among
        // what is certain makes no difference, so one order is enough. What is not certain may come between all the same.
        for (d, run) in w.runs.iter().enumerate() {
            if run.course == Course::Runs && matches!(run.now.call, Call::Park | Call::Plan | Call::Smoke) {
                actions.extend(
                    self.lucks(run, run.now.call)
                        .into_iter()
                        .map(|luck| Action::Call(d, run.now.call, luck)),
                );
                return;
            }
        }
        for (push, claim) in w.deliveries.iter().enumerate() {
            if matches!(claim, Claim::NotSent | Claim::Received) {
                actions.push(Action::Deliver(push));
            }
        }
        for (d, run) in w.runs.iter().enumerate() {
            actions.extend(
                Self::calls(run, self.scope.stacks)
                    .into_iter()
                    .map(|call| Action::Call(d, call, Luck::Good)),
            );
            if run.ghost.is_some() {
                actions.push(Action::Resume(d));
            }
            let waits = run.course == Course::Runs;
            if waits && matches!(run.now.call, Call::Ask | Call::WaitForLock) && !self.lacks(Guard::SweepWakes) {
                let answered = self.wake_for_lock(&mut w.clone(), d, &mut Pen::that_lasts());
                if matches!(answered, Ok(Some(_))) {
                    actions.push(Action::WakeForLock(d));
                }
            }
            for leg in [Leg::Forward, Leg::Back] {
                for stack in 0..self.scope.stacks {
                    if run.changes[row(leg)][stack] == Change::Running {
                        let mut ends = vec![Outcome::Updated];
                        ends.extend(self.scope.rolls_back.then_some(Outcome::RolledBack));
                        ends.extend(self.scope.rollback_fails.then_some(Outcome::RollbackFailed));
                        actions.extend(ends.into_iter().map(|end| Action::EndChange(d, leg, stack, end)));
                    }
                    if self.news_of(w, d, leg, stack) {
                        actions.push(Action::SeeEnd(d, leg, stack));
                    }
                }
            }
            if self.leaves_something(w, d) && !self.lacks(Guard::DeadArePutRight) {
                actions.push(Action::PutRight(d));
            }
        }
        for (commit, builds) in w.builds.iter().enumerate() {
            for (place, (_, end)) in builds.known.iter().enumerate() {
                let mut after = w.clone();
                self.hear_of_build(&mut after, commit, place);
                if end.is_none() {
                    actions.extend([true, false].map(|well| Action::EndBuild(commit, place, well)));
                } else if after != *w {
                    actions.push(Action::HearOfBuild(commit, place));
                }
            }
        }
        for (d, run) in w.runs.iter().enumerate() {
            if run.course == Course::Runs && run.now.call == Call::WaitForBuild {
                let mut after = w.clone();
                if self.wake_for_build(&mut after, d).is_some() || after != *w {
                    actions.push(Action::WakeForBuild(d));
                }
            }
        }
    }

    /// Whether an execution is over and left something behind that can be put right now.
    fn leaves_something(&self, w: &World, d: usize) -> bool {
        let run = &w.runs[d];
        let environment = w.environment(d);
        let id = self.id(d);
        let begun = environment
            .operation
            .as_ref()
            .is_some_and(|operation| operation.deployment == *id);
        let holds = environment
            .holder
            .as_ref()
            .is_some_and(|holder| holder.deployment == *id);
        let queued = environment.queue.iter().any(|waiting| waiting.deployment == *id);
        let open = run.status().ending.is_none();
        let ended_by_operator = matches!(run.status().ending, Some(Ending::OperatorNeeded { .. }));
        let skipped = ended_by_operator && self.lacks(Guard::PlaceGivenUp);
        let found = open || queued || (holds && environment.overdue(MUCH_LATER).is_some());
        matches!(run.course, Course::Over | Course::Dead) && found && !skipped && (!begun || self.lacks(Guard::EndSeen))
    }

    /// What may happen beyond that, as often as the scope lets it.
    fn uncertain(&self, w: &World, actions: &mut Vec<Action>) {
        let left = if w.left.any > 0 { w.left } else { Left::default() };
        for (push, claim) in w.deliveries.iter().enumerate() {
            if left.redeliveries > 0 && *claim == Claim::Started && self.lacks(Guard::NamedAfterWhatIsAsked) {
                actions.push(Action::Redeliver(push));
            }
            if left.crashes > 0 && *claim == Claim::NotSent {
                actions.extend(
                    (1..=1 + w.environments.len()).map(|n| Action::DieTakingIn(push, n.try_into().unwrap_or(9))),
                );
            }
        }
        for (d, run) in w.runs.iter().enumerate() {
            let calls = Self::calls(run, self.scope.stacks);
            for &call in &calls {
                if left.crashes > 0 && matches!(call, Call::Execute(_)) {
                    actions.push(Action::Unanswered(d, call));
                }
                for again in [true, false] {
                    if left.crashes > 0 {
                        let first = u8::from(again);
                        actions.extend((first..4).map(|after| Action::Die {
                            deployment: d,
                            call,
                            after,
                            again,
                        }));
                    }
                    if left.pauses > 0 && run.ghost.is_none() {
                        actions.push(Action::Pause {
                            deployment: d,
                            call,
                            again,
                        });
                    }
                }
            }
            if left.stops > 0 && run.course == Course::Runs {
                actions.push(Action::Stop {
                    deployment: d,
                    leaves: None,
                });
                if left.pauses > 0 && run.ghost.is_none() {
                    let leaves = |call| Action::Stop {
                        deployment: d,
                        leaves: Some(call),
                    };
                    actions.extend(calls.into_iter().map(leaves));
                }
            }
            if left.crashes > 0 {
                for leg in [Leg::Forward, Leg::Back] {
                    for stack in (0..self.scope.stacks).filter(|stack| self.news_of(w, d, leg, *stack)) {
                        actions.extend((1..3).map(|after| Action::DieSeeingEnd(d, leg, stack, after)));
                    }
                }
                if self.leaves_something(w, d) {
                    actions.push(Action::DiePuttingRight(d, 1));
                }
            }
            if self.lacks(Guard::TruthRead) && run.course == Course::Runs && run.now.call == Call::Wave {
                let other_ended = |stack: usize| {
                    w.runs.iter().enumerate().any(|(other, run)| {
                        other != d && w.place(other) == w.place(d) && matches!(run.changes[0][stack], Change::Over(_))
                    })
                };
                let waits = |stack: &usize| run.branches[*stack] == Branch::Waits && other_ended(*stack);
                actions.extend(
                    (0..self.scope.stacks)
                        .filter(waits)
                        .map(|stack| Action::HearForeign(d, stack)),
                );
            }
        }
        for place in 0..w.environments.len() {
            let environment = &w.environments[place];
            let holder = environment
                .overdue(MUCH_LATER)
                .and_then(|holder| self.index(&holder.deployment));
            if let Some(holder) = holder
                && left.mistakes > 0
                && w.runs[holder].course == Course::Runs
            {
                actions.push(Action::Mistake(place));
            }
            // The runbook has the operator wait until nothing of it can still be at work.
            let quiet = |d: &usize| w.place(*d) != place || !w.runs[*d].may_still_execute();
            if left.lifts > 0
                && environment.quarantine.is_some()
                && w.in_flight(place).is_empty()
                && (0..w.runs.len()).all(|d| quiet(&d))
            {
                actions.push(Action::Lift(place));
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
    fn happen(&self, w: &mut World, action: Action) -> Option<()> {
        let lasting = &mut Pen::that_lasts();
        match action {
            Action::Deliver(push) => self.take_in(w, push, lasting).ok()?,
            Action::Redeliver(push) => {
                spend(&mut w.left, |left| &mut left.redeliveries)?;
                self.take_in(w, push, lasting).ok()?;
            }
            Action::DieTakingIn(push, after) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                self.take_in(w, push, &mut Pen::for_writes(after)).err()?;
            }
            Action::Call(d, call, luck) => {
                let me = Invocation { call, ..w.runs[d].now };
                let answer = self.invoke(w, d, me, luck, lasting).ok()?;
                self.proceed(w, d, call, &answer);
            }
            Action::Die {
                deployment: d,
                call,
                after,
                again,
            } => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                let me = Invocation { call, ..w.runs[d].now };
                self.invoke(w, d, me, Luck::Good, &mut Pen::for_writes(after)).err()?;
                if !again {
                    self.catch_anywhere(w, d, call, Name::Panicked);
                }
            }
            Action::Unanswered(d, call) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                let me = Invocation { call, ..w.runs[d].now };
                let answer = self.invoke(w, d, me, Luck::Bad, lasting).ok()?;
                self.proceed(w, d, call, &answer);
            }
            Action::Pause {
                deployment: d,
                call,
                again,
            } => {
                spend(&mut w.left, |left| &mut left.pauses)?;
                let me = Invocation { call, ..w.runs[d].now };
                w.run(d).ghost = Some(me);
                if !again {
                    // Lambda was not to be reached for as often as it is tried: of all names the one that lets go on most.
                    self.catch_anywhere(w, d, call, Name::Unavailable);
                }
            }
            Action::Resume(d) => {
                let me = w.run(d).ghost.take()?;
                // Its answer goes to a task that is gone. What it does next, it does in the same invocation.
                let answer = self.invoke(w, d, me, Luck::Good, lasting).ok()?;
                let next = match (me.call, answer) {
                    (Call::Park, _) => Some(Call::Ask),
                    (Call::Begin(stack), super::functions::Answer::Begun) => Some(Call::Execute(stack)),
                    _ => None,
                };
                w.run(d).ghost = next.map(|call| Invocation { call, ..me });
            }
            Action::WakeForLock(d) => {
                let call = w.runs[d].now.call;
                let answer = self.wake_for_lock(w, d, lasting).ok()??;
                // Answered while the function that parked was about to ask: it goes on.
                let asks = (call == Call::Ask).then_some(w.runs[d].now);
                w.run(d).ghost = w.runs[d].ghost.or(asks);
                self.proceed(w, d, call, &answer);
            }
            Action::WakeForBuild(d) => {
                if let Some(answer) = self.wake_for_build(w, d) {
                    self.proceed(w, d, Call::WaitForBuild, &answer);
                }
            }
            Action::EndBuild(commit, place, well) => Arc::make_mut(&mut w.builds[commit]).known[place].1 = Some(well),
            Action::HearOfBuild(commit, place) => self.hear_of_build(w, commit, place),
            Action::EndChange(d, leg, stack, outcome) => {
                w.run(d).changes[row(leg)][stack] = Change::Over(outcome);
            }
            Action::SeeEnd(d, leg, stack) => self.see_end(w, d, leg, stack, lasting).ok()?,
            Action::DieSeeingEnd(d, leg, stack, after) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                self.see_end(w, d, leg, stack, &mut Pen::for_writes(after)).err()?;
            }
            Action::HearForeign(d, stack) => self.hear_foreign(w, d, stack),
            Action::Stop { deployment: d, leaves } => {
                spend(&mut w.left, |left| &mut left.stops)?;
                if let Some(call) = leaves {
                    w.left.pauses -= 1;
                    let me = Invocation { call, ..w.runs[d].now };
                    w.run(d).ghost = Some(me);
                }
                w.run(d).course = Course::Dead;
            }
            Action::PutRight(d) => self.put_right(w, d, lasting).ok()?,
            Action::DiePuttingRight(d, after) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                self.put_right(w, d, &mut Pen::for_writes(after)).err()?;
            }
            Action::Mistake(place) => {
                spend(&mut w.left, |left| &mut left.mistakes)?;
                let holder = self.index(&w.environments[place].holder.as_ref()?.deployment)?;
                self.put_right(w, holder, lasting).ok()?;
            }
            Action::Lift(place) => {
                spend(&mut w.left, |left| &mut left.lifts)?;
                Arc::make_mut(&mut w.environments[place]).lift(NOW).ok()?;
            }
        }
        Some(())
    }

    /// Nothing is certain to happen any more.
    pub fn at_rest(&self, w: &World) -> bool {
        // Most states can be told apart without looking at everything.
        let busy = |run: &Arc<Run>| run.ghost.is_some() || !Self::calls(run, self.scope.stacks).is_empty();
        if w.runs.iter().any(busy) || w.deliveries.contains(&Claim::NotSent) {
            return false;
        }
        let mut actions = Vec::new();
        self.certain(w, &mut actions);
        actions.is_empty()
    }

    fn deployments_asked_for(w: &World) -> impl Iterator<Item = &Run> {
        w.runs
            .iter()
            .map(|run| &**run)
            .filter(|run| run.course != Course::NotStarted)
    }

    /// Whether no older push can be superseded in this scope.
    fn nothing_is_superseded(&self) -> bool {
        let every = self
            .scope
            .environments
            .iter()
            .all(|(policy, _)| *policy == QueuePolicy::Every);
        every || self.scope.releases < 2
    }

    /// A late word about a change that is not in flight leaves the lock as it is.
    fn stale_words_change_nothing(&self, w: &World) -> bool {
        (0..w.runs.len()).all(|d| {
            let environment = w.environment(d);
            environment.operation.is_none()
                || [Leg::Forward, Leg::Back].into_iter().all(|leg| {
                    (0..self.scope.stacks).all(|stack| {
                        let mut after: EnvironmentState = environment.clone();
                        let change_set = Self::change_set(d, leg, stack);
                        after.finish(self.id(d), &self.given.stacks[stack], &change_set);
                        self.has_begun(w, d, leg, stack) || after == *environment
                    })
                })
        })
    }
}

fn spend(left: &mut Left, of: impl Fn(&mut Left) -> &mut u8) -> Option<()> {
    left.any = left.any.checked_sub(1)?;
    let left = of(left);
    *left = left.checked_sub(1)?;
    Some(())
}

/// Whether, while an environment was quarantined, somebody came in, or something was begun, without an operator.
fn entered(before: &EnvironmentState, after: &EnvironmentState) -> bool {
    let count = |state: &EnvironmentState| state.operation.as_ref().map_or(0, |operation| operation.stacks.len());
    before.quarantine.is_some()
        && (after.quarantine.is_none() || after.holder != before.holder || count(after) > count(before))
}

impl Model for Pipeline {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.scope)]
    }

    fn actions(&self, w: &World, actions: &mut Vec<Action>) {
        self.certain(w, actions);
        self.uncertain(w, actions);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut after = before.clone();
        self.happen(&mut after, action)?;
        if !matches!(action, Action::Lift(_)) {
            let pairs = before.environments.iter().zip(&after.environments);
            after.seen.entered_quarantine |= pairs.into_iter().any(|(before, after)| entered(before, after));
        }
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(S1, |_, w: &World| {
                (0..w.environments.len()).all(|place| w.in_flight(place).len() <= 1)
            }),
            Property::always(S2, |_, w: &World| !w.seen.stale_begin),
            Property::always(S6, |_, w: &World| !w.seen.stale_effect),
            Property::always(S7, |model: &Self, w: &World| {
                let once = w.runs.iter().all(|run| run.started <= 1);
                let places = w.environments.len();
                let each = w.deliveries.iter().enumerate().all(|(push, claim)| match claim {
                    Claim::Started => w.runs[push * places..(push + 1) * places]
                        .iter()
                        .all(|run| run.started == 1),
                    Claim::Ignored => matches!(model.given.ignored, domain::intake::Decision::Ignored(_)),
                    Claim::NotSent | Claim::Received => !model.at_rest(w),
                });
                once && each
            }),
            Property::always(S8, |_, w: &World| !w.seen.second_end),
            Property::always(S12, |_, w: &World| !w.seen.entered_quarantine),
            Property::always(S13, |model: &Self, w: &World| {
                !w.seen.foreign_event_heeded && model.stale_words_change_nothing(w)
            }),
            Property::always(F34, |_, w: &World| {
                // Whoever has the lock next finds no stack that CloudFormation could not put back.
                w.runs.iter().all(|run| {
                    let broken = run
                        .changes
                        .iter()
                        .flatten()
                        .any(|c| *c == Change::Over(Outcome::RollbackFailed));
                    let clean = matches!(run.status().ending, Some(Ending::FailedClean { .. } | Ending::Deployed));
                    !(broken && clean)
                })
            }),
            Property::always(L1, |model: &Self, w: &World| {
                let over = |run: &Run| run.course != Course::Runs && run.status().ending.is_some();
                Self::deployments_asked_for(w).all(over) || !model.at_rest(w)
            }),
            Property::always(L2, |model: &Self, w: &World| {
                let free = |state: &Arc<EnvironmentState>| {
                    let idle = state.holder.is_none() && state.operation.is_none() && state.queue.is_empty();
                    idle || state.quarantine.is_some()
                };
                w.environments.iter().all(free) || !model.at_rest(w)
            }),
            Property::always(L3, |model: &Self, w: &World| {
                // Tried, refused with a reason, or superseded by a newer one; never by an older one.
                let newest = w.runs.len() - w.environments.len()..w.runs.len();
                let told = |d: usize| {
                    let superseded = matches!(w.runs[d].status().ending, Some(Ending::Superseded { .. }));
                    w.runs[d].status().ending.is_some() && !superseded
                };
                !w.seen.newer_superseded_by_older && (newest.into_iter().all(told) || !model.at_rest(w))
            }),
            Property::sometimes(DEPLOYED, |_, w: &World| any_ended(w, |e| matches!(e, Ending::Deployed))),
            Property::sometimes(OPERATOR, |model: &Self, w: &World| {
                model.scope.left.any == 0 || any_ended(w, |e| matches!(e, Ending::OperatorNeeded { .. }))
            }),
            Property::sometimes(CLEAN, |_, w: &World| {
                any_ended(w, |e| {
                    matches!(
                        e,
                        Ending::FailedClean {
                            way_back: WayBack::NothingChanged,
                            ..
                        }
                    )
                })
            }),
            Property::sometimes(SUPERSEDED, |model: &Self, w: &World| {
                model.nothing_is_superseded() || any_ended(w, |e| matches!(e, Ending::Superseded { .. }))
            }),
            Property::sometimes(WENT_BACK, |model: &Self, w: &World| {
                let went_back = |e: &Ending| {
                    matches!(
                        e,
                        Ending::FailedClean {
                            way_back: WayBack::WentBack { .. },
                            ..
                        }
                    )
                };
                !model.scope.red || model.scope.releases < 2 || any_ended(w, went_back)
            }),
            Property::sometimes(NOTHING, |model: &Self, w: &World| {
                !model.scope.no_changes || any_ended(w, |e| matches!(e, Ending::NothingToDeploy))
            }),
            Property::sometimes(BOTH_AT_ONCE, |model: &Self, w: &World| {
                let both = |run: &Arc<Run>| {
                    run.status()
                        .stacks
                        .values()
                        .filter(|p| **p == Progress::Executing)
                        .count()
                        == 2
                };
                model.scope.stacks < 2 || w.runs.iter().any(both)
            }),
        ]
    }
}

fn any_ended(w: &World, which: fn(&Ending) -> bool) -> bool {
    w.runs.iter().any(|run| run.status().ending.as_ref().is_some_and(which))
}

pub const S1: &str = "S1 at most one in-flight operation per environment";
pub const S2: &str = "S2 an operation begins only with the current fence";
pub const S6: &str = "S6 what has ended or turned back executes nothing";
pub const S7: &str = "S7 every accepted delivery maps to exactly one deployment or one recorded reason";
pub const S8: &str = "S8 exactly one terminal state per deployment, absorbing";
pub const S12: &str = "S12 a quarantined environment admits nothing without an operator";
pub const S13: &str = "S13 stale or foreign events change nothing";
pub const F34: &str = "F34 a stack that could not be put back is never passed on";
pub const L1: &str = "L1 every deployment reaches an end";
pub const L2: &str = "L2 every lock is released, or kept for an operator";
pub const L3: &str = "L3 the newest push is tried, and superseded by no older one";
pub const DEPLOYED: &str = "a deployment ends: deployed";
pub const OPERATOR: &str = "a deployment ends: operator needed";
pub const CLEAN: &str = "a deployment ends: failed, nothing changed";
pub const SUPERSEDED: &str = "a deployment ends: superseded";
pub const WENT_BACK: &str = "a deployment ends: went back";
pub const NOTHING: &str = "a deployment ends: nothing to deploy";
pub const BOTH_AT_ONCE: &str = "two stacks of a wave are in flight at once";
