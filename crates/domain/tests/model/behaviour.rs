//! What may happen next, and what must hold.

use std::sync::Arc;

use domain::approval::{Choice, Outcome as Decided};
use domain::deployment::{Leg, QueuePolicy};
use domain::environment_state::EnvironmentState;
use domain::life::Ending;
use stateright::{Model, Property};

use super::functions::{Luck, Pen, Pipeline, Voter};
use super::properties;
use super::world::{Branch, Call, Change, Course, Guard, Invocation, Left, MUCH_LATER, NOW, Outcome, Run, World, row};

use domain::failure::Name;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// GitHub delivers a push, or the sweep completes a delivery that stopped half-way.
    Deliver(usize),
    /// GitHub delivers a push again: under the id that it had, when operators have named another branch by now; or under
    /// another one.
    Redeliver { push: usize, other_id: bool },
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
    /// Somebody answers.
    Vote(usize, Voter, Choice),
    /// The function that takes the answer dies after so many writes.
    DieVoting(usize, Choice, u8),
    /// The sweep, or gate, has an approval looked at; its deadline has passed, or not.
    WakeForPeople { deployment: usize, late: bool },
    /// Whoever looks dies after so many writes.
    DieWakingForPeople { deployment: usize, late: bool, after: u8 },
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
    /// A late event of another change of that stack has somebody look at this one, who is shown the stack as that other
    /// one left it.
    HearForeign {
        deployment: usize,
        stack: usize,
        of: (usize, Leg),
    },
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
            Call::WaitForLock | Call::WaitForBuild | Call::WaitForPeople => Vec::new(),
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
    fn certain(&self, w: &World, part: Part, actions: &mut Vec<Action>) {
        // These touch nothing that another deployment reads or a property speaks of: in which order they happen among
        // what is certain makes no difference, so one order is enough. What is not certain may come between all the same.
        for (d, run) in part.of(w) {
            if run.course == Course::Runs && matches!(run.now.call, Call::Park | Call::Plan | Call::Smoke) {
                actions.extend(
                    self.lucks(run, run.now.call)
                        .into_iter()
                        .map(|luck| Action::Call(d, run.now.call, luck)),
                );
                return;
            }
        }
        for (push, intake) in w.deliveries.iter().enumerate() {
            let is_to_come = push < self.scope.pushes() && intake.is_to_come();
            if part.takes_in() && (is_to_come || intake.is_half_way()) {
                actions.push(Action::Deliver(push));
            }
        }
        for (d, run) in part.of(w) {
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
            actions.extend(
                self.wakes_for_people(w, d)
                    .map(|late| Action::WakeForPeople { deployment: d, late }),
            );
        }
        // Builds are shared: a scope with any is never looked at in parts.
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
        for (d, run) in part.of(w) {
            if run.course == Course::Runs && run.now.call == Call::WaitForBuild {
                let mut after = w.clone();
                if self.wake_for_build(&mut after, d).is_some() || after != *w {
                    actions.push(Action::WakeForBuild(d));
                }
            }
        }
    }

    /// How an approval that is waited for will surely be looked at, whether late or not, and come to something by that:
    /// somebody newer waits, an answer is half carried out, or the time is over.
    fn wakes_for_people(&self, w: &World, d: usize) -> Option<bool> {
        let run = &w.runs[d];
        if !Self::waits_for_people(w, d) || self.lacks(Guard::SweepWakes) {
            return None;
        }
        let decided = run
            .question
            .0
            .as_ref()
            .is_some_and(|approval| approval.outcome.is_some());
        if decided || w.environment(d).newer_waiting(self.id(d)).is_some() {
            Some(false)
        } else {
            (!self.lacks(Guard::DeadlineKept)).then_some(true)
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
    fn uncertain(&self, w: &World, part: Part, actions: &mut Vec<Action>) {
        let left = if w.left.any > 0 { w.left } else { Left::default() };
        for (push, intake) in w.deliveries[..self.scope.pushes()].iter().enumerate() {
            if !part.takes_in() {
                break;
            }
            if left.redeliveries > 0 && intake.record.is_some() {
                actions.extend([true, false].map(|other_id| Action::Redeliver { push, other_id }));
            }
            if left.crashes > 0 && intake.is_to_come() {
                actions.extend(
                    (1..=1 + self.scope.asked_by(0).len())
                        .map(|n| Action::DieTakingIn(push, n.try_into().unwrap_or(9))),
                );
            }
        }
        for (d, run) in part.of(w) {
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
            self.people_may(w, d, left, actions);
            for stack in (0..self.scope.stacks).filter(|stack| run.waits_for(run.now.leg, *stack)) {
                actions.extend(
                    w.changes_of(w.place(d), stack)
                        .filter(|(of, change)| *of != (d, run.now.leg) && matches!(change, Change::Over(_)))
                        .map(|(of, _)| Action::HearForeign {
                            deployment: d,
                            stack,
                            of,
                        }),
                );
            }
        }
        for place in (0..w.environments.len()).filter(|place| part.0.is_none_or(|part| part == *place)) {
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

    /// What the people who are asked may do, and what may fail about it.
    fn people_may(&self, w: &World, d: usize, left: Left, actions: &mut Vec<Action>) {
        for voter in Voter::ALL.into_iter().filter(|voter| self.says(w, d, *voter).is_some()) {
            for decision in [Choice::Accept, Choice::Reject] {
                actions.push(Action::Vote(d, voter, decision));
                if left.crashes > 0 && voter == Voter::Awaited {
                    actions.extend((1..4).map(|after| Action::DieVoting(d, decision, after)));
                }
            }
        }
        if left.crashes > 0
            && let Some(late) = self.wakes_for_people(w, d)
        {
            actions.extend((1..4).map(|after| Action::DieWakingForPeople {
                deployment: d,
                late,
                after,
            }));
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
    fn happen(&self, w: &mut World, action: Action) -> Option<()> {
        let lasting = &mut Pen::that_lasts();
        match action {
            Action::Deliver(push) => {
                let decided = &self.given.decisions[push % self.scope.pushes()];
                self.take_in(w, push, decided, lasting).ok()?;
            }
            Action::Redeliver { push, other_id } => {
                spend(&mut w.left, |left| &mut left.redeliveries)?;
                let (place, decided) = if other_id {
                    (push + self.scope.pushes(), &self.given.decisions)
                } else {
                    (push, &self.given.decisions_after_change)
                };
                self.take_in(w, place, &decided[push], lasting).ok()?;
            }
            Action::DieTakingIn(push, after) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                let decided = &self.given.decisions[push];
                self.take_in(w, push, decided, &mut Pen::for_writes(after)).err()?;
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
                w.run(d).pause(me);
                if !again {
                    // Lambda was not to be reached for as often as it is tried: of all names the one that lets go on most.
                    self.catch_anywhere(w, d, call, Name::Unavailable);
                }
            }
            Action::Resume(d) => {
                let me = w.run(d).ghost.take()?;
                // Its answer goes to a task that is gone. What it does next, it does in the same invocation.
                let answer = self.invoke_after_pause(w, d, me);
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
            Action::Vote(d, voter, decision) => self.vote(w, d, voter, decision, lasting).ok()?,
            Action::DieVoting(d, decision, after) => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                self.vote(w, d, Voter::Awaited, decision, &mut Pen::for_writes(after))
                    .err()?;
            }
            Action::WakeForPeople { deployment: d, late } => {
                self.wake_for_people(w, d, if late { MUCH_LATER } else { NOW }, lasting)
                    .ok()?;
            }
            Action::DieWakingForPeople {
                deployment: d,
                late,
                after,
            } => {
                spend(&mut w.left, |left| &mut left.crashes)?;
                let now = if late { MUCH_LATER } else { NOW };
                self.wake_for_people(w, d, now, &mut Pen::for_writes(after)).err()?;
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
            Action::HearForeign {
                deployment: d,
                stack,
                of,
            } => self.hear_foreign(w, d, stack, of),
            Action::Stop { deployment: d, leaves } => {
                spend(&mut w.left, |left| &mut left.stops)?;
                if let Some(call) = leaves {
                    w.left.pauses -= 1;
                    let me = Invocation { call, ..w.runs[d].now };
                    w.run(d).pause(me);
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
        if w.runs.iter().any(busy) {
            return false;
        }
        let mut actions = Vec::new();
        self.certain(w, Part::ALL, &mut actions);
        actions.is_empty()
    }

    pub fn deployments_asked_for(w: &World) -> impl Iterator<Item = &Run> {
        w.runs
            .iter()
            .map(|run| &**run)
            .filter(|run| run.course != Course::NotStarted)
    }

    /// Whether no older push can be superseded in this scope.
    pub fn nothing_is_superseded(&self) -> bool {
        let every = self
            .scope
            .environments
            .iter()
            .all(|(policy, _)| *policy == QueuePolicy::Every);
        every || self.scope.releases < 2
    }

    /// Whether any environment asks people.
    pub fn asks(&self) -> bool {
        self.scope.asks.iter().any(Option::is_some)
    }

    /// Each answer that counted was one of somebody's who is asked and did not write it, their first, and in time.
    pub fn counts_fairly(&self, w: &World, d: usize) -> bool {
        let (Some(approval), Some(asked)) = (&w.runs[d].question.0, &self.given.approvals[d]) else {
            return true;
        };
        let ballots = approval.ballots.iter().enumerate();
        ballots.into_iter().all(|(place, ballot)| {
            let first = approval.ballots[..place].iter().all(|other| other.by != ballot.by);
            first && self.given.may_answer.contains(&ballot.by) && ballot.at < asked.deadline
        })
    }

    /// What the people who were asked decided, where a deployment ended as deployed.
    pub fn is_accepted_if_deployed(&self, w: &World, d: usize) -> bool {
        let run = &w.runs[d];
        let deployed = matches!(run.status().ending, Some(Ending::Deployed | Ending::NothingToDeploy));
        let asks = self.given.deployments[d].environment.approval.is_some();
        !(deployed && asks)
            || run.question.0.as_ref().is_some_and(|approval| {
                matches!(approval.outcome, Some(Decided::Accepted { .. }))
                    && approval.policy.met_by(&approval.accepted_by())
            })
    }

    /// A late word about a change that is not in flight leaves the lock as it is.
    pub fn stale_words_change_nothing(&self, w: &World) -> bool {
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

/// What is looked at: everything, or one environment.
///
/// Where nothing goes from one environment to the other ([`super::world::Scope::apart`]), an action in the second one
/// commutes with each in the first and with each delivery, so that of all orders one is enough: everything about
/// deliveries and the first environment, and the second one's actions when nothing certain is left of that. Any way
/// through the world can be put into this order without spending more, and be led to rest in the first environment by what
/// is certain, which spends nothing; it then passes through the same states of each environment, and comes to the same end
/// where it comes to rest. What may happen while an environment rests is no reason to wait with the next: it need not
/// happen. No property of these scopes speaks of two environments at once but at rest.
#[derive(Debug, Clone, Copy)]
struct Part(Option<usize>);

impl Part {
    const ALL: Self = Self(None);

    /// The deployments to look at.
    fn of(self, w: &World) -> impl Iterator<Item = (usize, &Arc<Run>)> {
        let within = move |d: usize| self.0.is_none_or(|place| w.place(d) == place);
        w.runs.iter().enumerate().filter(move |(d, _)| within(*d))
    }

    /// Whether deliveries are looked at too.
    fn takes_in(self) -> bool {
        self.0.is_none_or(|place| place == 0)
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
        vec![World::new(&self.scope, &self.given)]
    }

    fn actions(&self, w: &World, actions: &mut Vec<Action>) {
        if !self.scope.apart {
            self.certain(w, Part::ALL, actions);
            self.uncertain(w, Part::ALL, actions);
            return;
        }
        for place in 0..w.environments.len() {
            let before = actions.len();
            self.certain(w, Part(Some(place)), actions);
            let rests = actions.len() == before;
            self.uncertain(w, Part(Some(place)), actions);
            if !rests {
                return;
            }
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut after = before.clone();
        self.happen(&mut after, action)?;
        if !matches!(action, Action::Lift(_)) {
            let pairs = before.environments.iter().zip(&after.environments);
            after.seen.entered_quarantine |= pairs.into_iter().any(|(before, after)| entered(before, after));
        }
        let mut pairs = before.runs.iter().zip(&after.runs);
        let decided_twice = pairs.any(|(before, after)| {
            if Arc::ptr_eq(before, after) {
                return false;
            }
            let outcome = |run: &Run| run.question.0.as_ref().and_then(|approval| approval.outcome.clone());
            outcome(before).is_some_and(|decided| outcome(after) != Some(decided))
        });
        after.seen.second_decision |= decided_twice;
        (after != *before).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        [properties::safety(), properties::liveness(), properties::endings()].concat()
    }
}
