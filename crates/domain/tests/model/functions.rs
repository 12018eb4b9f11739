//! The Lambda functions, write by write, in the order in which they have to write. Every decision in here is one of the
//! domain's own functions; what a missing [`Guard`] weakens stands around the call of it, never inside.

use std::sync::Arc;

use domain::build_record::{BuildRecord, Step};
use domain::change_set::Summary;
use domain::deployment::Leg;
use domain::environment_state::{Candidate, Fence, Holder, Refusal, StableRelease, Standing};
use domain::failure::{Class, Failure, Name};
use domain::life::{Ending, Event, Phase};
use domain::names::DeploymentId;
use domain::smoke_test::Report;
use domain::verdict::{Verdict, assess_failure, ending_of};

use super::world::{
    Branch, Call, Change, Claim, Course, Given, Guard, Invocation, NOW, Outcome, Run, Scope, World, row,
};

/// A scope, what is given in it, and which of the protections are missing.
#[derive(Debug)]
pub struct Pipeline {
    pub scope: Scope,
    pub given: Given,
    pub without: &'static [Guard],
}

/// A function that dies does so between two of its writes.
#[derive(Debug)]
pub struct Died;

/// How many writes a function gets to make before it dies.
#[derive(Debug)]
pub struct Pen(u8);

impl Pen {
    pub fn that_lasts() -> Self {
        Self(u8::MAX)
    }

    pub fn for_writes(writes: u8) -> Self {
        Self(writes)
    }

    fn write(&mut self) -> Result<(), Died> {
        self.0 = self.0.checked_sub(1).ok_or(Died)?;
        Ok(())
    }
}

/// What the world has in store for a call that asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Luck {
    Good,
    Bad,
    NothingToChange,
}

/// What a function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Parks,
    Admitted(Fence),
    Superseded,
    Released,
    Planned { changes: bool },
    Begun,
    Executes,
    Passed,
    GoBack,
    GiveUp,
    CallOperator,
    Ended,
    Fails(Name),
}

impl Pipeline {
    pub fn new(scope: Scope, without: &'static [Guard]) -> Self {
        let given = Given::of(&scope);
        Self { scope, given, without }
    }

    pub fn lacks(&self, guard: Guard) -> bool {
        self.without.contains(&guard)
    }

    pub fn id(&self, deployment: usize) -> &DeploymentId {
        &self.given.deployments[deployment].id
    }

    pub fn index(&self, id: &DeploymentId) -> Option<usize> {
        self.given.deployments.iter().position(|given| given.id == *id)
    }

    /// The name of the change set that brings a stack on a leg of a deployment.
    pub fn change_set(deployment: usize, leg: Leg, stack: usize) -> String {
        format!("{deployment}/{leg}/{stack}")
    }

    /// Does what an invocation is about to do.
    pub fn invoke(&self, w: &mut World, d: usize, me: Invocation, luck: Luck, pen: &mut Pen) -> Result<Answer, Died> {
        match me.call {
            Call::Park => {
                pen.write()?;
                Ok(Answer::Parks)
            }
            Call::Ask => self.ask(w, d, pen),
            Call::Build => Self::build(w, d, pen),
            Call::Plan => self.plan(w, d, me, luck, pen),
            Call::WaitForLock | Call::WaitForBuild | Call::Wave => Ok(Answer::Parks),
            Call::Begin(stack) => self.begin(w, d, me, stack, pen),
            Call::Execute(stack) => self.execute(w, d, me, stack, luck, pen),
            Call::Smoke => {
                let passed = luck != Luck::Bad;
                let checks = Vec::new();
                pen.write()?;
                self.record(
                    w,
                    d,
                    &Event::SmokeTested {
                        leg: me.leg,
                        report: Report { passed, checks },
                    },
                );
                Ok(if passed {
                    Answer::Passed
                } else {
                    Answer::Fails(Name::SmokeTestsFailed)
                })
            }
            Call::Assess => self.assess(w, d, me, pen),
            Call::Close => self.close(w, d, me, pen),
            Call::Operator => {
                self.need_operator(w, d, me.failure.unwrap_or(Name::Unexpected), pen)?;
                Ok(Answer::Ended)
            }
        }
    }

    /// Appends to a record; false where that cannot have happened now.
    pub fn record(&self, w: &mut World, d: usize, event: &Event) -> bool {
        let before = Arc::clone(&w.runs[d].record.0);
        let mut known = Arc::clone(&before);
        if self.lacks(Guard::EndAbsorbs) && known.ending.is_some() {
            let known = Arc::make_mut(&mut known);
            known.ending = None;
            known.phase = Phase::Testing;
        }
        let Ok(next) = known.next(event) else { return false };
        if next != *before {
            w.seen.second_end |= before.ending.is_some();
            w.run(d).record.0 = Arc::new(next);
        }
        true
    }

    // gate

    fn ask(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        pen.write()?;
        let candidate = Candidate::of(&self.given.deployments[d]);
        let environment = w.environment_mut(d);
        let (newest, quarantine) = (environment.newest.clone(), environment.quarantine.clone());
        if self.lacks(Guard::NewestKept) {
            environment.newest = None;
        }
        if self.lacks(Guard::QuarantineHeeded) {
            environment.quarantine = None;
            if quarantine.is_some() {
                environment.holder = None;
            }
        }
        let (standing, superseded) = environment.admit(candidate, NOW);
        if environment.newest.is_none() {
            environment.newest = newest;
        }
        if self.lacks(Guard::QuarantineHeeded) {
            environment.quarantine = quarantine;
        }
        for older in superseded.iter().filter_map(|id| self.index(id)) {
            w.seen.newer_superseded_by_older |= w.release(older) > w.release(d);
        }
        self.tell_standing(w, d, standing, pen)
    }

    /// What a deployment that asked is told. Waiting is no answer: it stays parked.
    fn tell_standing(&self, w: &mut World, d: usize, standing: Standing, pen: &mut Pen) -> Result<Answer, Died> {
        match standing {
            Standing::Holds(fence) => {
                pen.write()?;
                self.record(w, d, &Event::Admitted { fence });
                Ok(Answer::Admitted(fence))
            }
            Standing::Waits(before) => {
                pen.write()?;
                self.record(w, d, &Event::Queued { before });
                Ok(Answer::Parks)
            }
            Standing::Superseded(by) => {
                let by = self.index(&by).map_or(0, |by| w.release(by));
                w.seen.newer_superseded_by_older |= by < w.release(d);
                Ok(Answer::Superseded)
            }
            Standing::Quarantined(_) => {
                pen.write()?;
                let id = self.id(d);
                w.environment_mut(d).leave(id);
                Ok(Answer::Fails(Name::Quarantined))
            }
            Standing::QueueFull => Ok(Answer::Fails(Name::QueueFull)),
            Standing::Unknown => Ok(Answer::Fails(Name::Unexpected)),
        }
    }

    /// What a deployment that is parked for the lock is told now; nothing, where it waits on.
    pub fn wake_for_lock(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<Option<Answer>, Died> {
        let standing = w.environment(d).standing(self.id(d));
        // Parking comes before asking: until the record says that it asked, these two are said of a stranger.
        let asked = w.runs[d].status().phase >= Phase::Queued || self.lacks(Guard::AskedBeforeTold);
        match standing {
            Standing::Waits(_) => Ok(None),
            Standing::Superseded(_) | Standing::Unknown if !asked => Ok(None),
            standing => self.tell_standing(w, d, standing, pen).map(Some),
        }
    }

    fn verdict(&self, w: &World, d: usize, failure: &Failure) -> Verdict {
        let environment = w.environment(d);
        let in_flight = environment
            .operation
            .as_ref()
            .is_some_and(|operation| operation.deployment == *self.id(d));
        assess_failure(
            failure,
            w.runs[d].status(),
            &self.given.deployments[d].environment,
            environment.stable.as_ref(),
            in_flight,
        )
    }

    fn assess(&self, w: &mut World, d: usize, me: Invocation, pen: &mut Pen) -> Result<Answer, Died> {
        let failure = Failure::new(me.failure.unwrap_or(Name::Unexpected), "");
        let status = w.runs[d].status();
        // Decided before, by an invocation whose answer got lost; a failure of the way back is another matter.
        let on_the_way_there = me.leg == Leg::Forward || self.lacks(Guard::LegTold);
        if status.back_to.is_some() && status.leg == Some(Leg::Forward) && on_the_way_there {
            return Ok(Answer::GoBack);
        }
        match self.verdict(w, d, &failure) {
            Verdict::GiveUp(_) => Ok(Answer::GiveUp),
            Verdict::CallOperator => Ok(Answer::CallOperator),
            Verdict::GoBack(to) => {
                pen.write()?;
                let recorded = self.record(w, d, &Event::GoingBack { to, because: failure });
                Ok(if recorded {
                    Answer::GoBack
                } else {
                    Answer::Fails(Name::Unexpected)
                })
            }
        }
    }

    fn ending(&self, w: &World, d: usize, me: Invocation) -> Option<Ending> {
        let status = w.runs[d].status();
        match me.failure {
            _ if status.ending.is_some() => status.ending.clone(),
            None if status.fence.is_none() => match w.environment(d).standing(self.id(d)) {
                Standing::Superseded(by) => Some(Ending::Superseded { by }),
                _ => None,
            },
            None => Some(ending_of(status)),
            Some(_) if status.back_to.is_some() => Some(ending_of(status)),
            Some(name) => {
                let failure = Failure::new(name, "");
                match self.verdict(w, d, &failure) {
                    Verdict::GiveUp(way_back) => Some(Ending::FailedClean { failure, way_back }),
                    _ => None,
                }
            }
        }
    }

    fn close(&self, w: &mut World, d: usize, me: Invocation, pen: &mut Pen) -> Result<Answer, Died> {
        let Some(ending) = self.ending(w, d, me) else {
            return Ok(Answer::Fails(Name::Unexpected));
        };
        self.end(w, d, &ending, pen)
    }

    /// Records an end, then gives the lock back.
    fn end(&self, w: &mut World, d: usize, ending: &Ending, pen: &mut Pen) -> Result<Answer, Died> {
        if w.runs[d].status().ending.is_none() || self.lacks(Guard::EndAbsorbs) {
            pen.write()?;
            if !self.record(w, d, &Event::Ended(ending.clone())) {
                return Ok(Answer::Fails(Name::Unexpected));
            }
        }
        let stable = match (ending, &w.runs[d].status().release) {
            (Ending::Deployed | Ending::NothingToDeploy, Some(release)) => Some(StableRelease {
                release: release.clone(),
                commit: self.given.deployments[d].commit.clone(),
                deployment: self.id(d).clone(),
                since: NOW,
                accepted: w.runs[d].status().accepted.clone(),
            }),
            _ => None,
        };
        pen.write()?;
        let id = self.id(d);
        match w.environment_mut(d).release(id, stable, NOW) {
            Ok(_) => Ok(Answer::Ended),
            Err(_) => Ok(Answer::Fails(Name::Unexpected)),
        }
    }

    fn need_operator(&self, w: &mut World, d: usize, failure: Name, pen: &mut Pen) -> Result<(), Died> {
        pen.write()?;
        let id = self.id(d);
        let environment = w.environment_mut(d);
        if environment.quarantine(id, "", NOW).is_err() && !self.lacks(Guard::PlaceGivenUp) {
            environment.leave(id);
        }
        pen.write()?;
        let failure = Failure::new(failure, "");
        // Refused where it had ended before something went wrong: one end is enough.
        self.record(w, d, &Event::Ended(Ending::OperatorNeeded { failure }));
        Ok(())
    }

    /// Puts right what an execution left behind. The operation it may have begun is cleared by whoever sees its end.
    pub fn put_right(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<(), Died> {
        let id = self.id(d);
        if w.environment(d)
            .operation
            .as_ref()
            .is_some_and(|operation| operation.deployment == *id)
        {
            if !self.lacks(Guard::EndSeen) {
                return Ok(());
            }
            self.take_for_ended(w, d);
        }
        let name = if w.runs[d].course == Course::Over {
            Name::Unexpected
        } else {
            Name::Stopped
        };
        let failure = Failure::new(name, "");
        let ending = match &w.runs[d].status().ending {
            Some(Ending::OperatorNeeded { .. }) if self.lacks(Guard::PlaceGivenUp) => return Ok(()),
            Some(Ending::OperatorNeeded { .. }) => None,
            Some(ending) => Some(ending.clone()),
            None => match self.verdict(w, d, &failure) {
                Verdict::GiveUp(way_back) => Some(Ending::FailedClean { failure, way_back }),
                // Going back would need the execution that is dead.
                Verdict::GoBack(_) | Verdict::CallOperator => None,
            },
        };
        match ending {
            Some(ending) => self.end(w, d, &ending, pen).map(drop),
            None => self.need_operator(w, d, name, pen),
        }
    }

    /// Without [`Guard::EndSeen`]: with its execution, a deployment's changes are taken for dead.
    fn take_for_ended(&self, w: &mut World, d: usize) {
        let Some(operation) = w.environment_mut(d).operation.take() else {
            return;
        };
        for stack in operation.stacks.into_keys() {
            let failure = Failure::new(Name::StackRolledBack, "");
            self.record(
                w,
                d,
                &Event::NotUpdated {
                    leg: operation.leg,
                    stack,
                    failure,
                },
            );
        }
    }

    // build

    fn build(w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        let commit = w.release(d);
        pen.write()?;
        let (step, record) = w.builds[commit].record.ask(NOW);
        Arc::make_mut(&mut w.builds[commit]).record = Arc::new(record);
        match step {
            Step::Take(_) => Ok(Answer::Released),
            Step::Wait => Ok(Answer::Parks),
            Step::Start(attempt) => {
                Self::start_build(w, commit, attempt, pen)?;
                Ok(Answer::Parks)
            }
        }
    }

    /// CodeBuild knows a start that it has seen before.
    fn start_build(w: &mut World, commit: usize, attempt: u32, pen: &mut Pen) -> Result<(), Died> {
        pen.write()?;
        let builds = Arc::make_mut(&mut w.builds[commit]);
        let place = builds
            .known
            .iter()
            .position(|(known, _)| *known == attempt)
            .unwrap_or_else(|| {
                builds.known.push((attempt, None));
                builds.known.len() - 1
            });
        pen.write()?;
        builds.record = Arc::new(builds.record.started(attempt, &place.to_string()));
        Ok(())
    }

    /// CodeBuild says, rightly, that this build of the commit has ended.
    pub fn hear_of_build(&self, w: &mut World, commit: usize, place: usize) {
        let builds = Arc::make_mut(&mut w.builds[commit]);
        let (attempt, Some(well)) = builds.known[place] else {
            return;
        };
        let result = if well {
            Ok(self.given.releases[commit].clone())
        } else {
            Err(Failure::new(Name::BuildFailed, ""))
        };
        if self.lacks(Guard::BuildIdentified)
            && let BuildRecord::Building { build, .. } = Arc::make_mut(&mut builds.record)
        {
            *build = Some(place.to_string());
        }
        let before = Arc::clone(&builds.record);
        let after = before.ended(&place.to_string(), result, NOW);
        if let BuildRecord::Building { attempt: current, .. } = &*before {
            w.seen.foreign_event_heeded |= after != *before && *current != attempt;
        }
        builds.record = Arc::new(after);
    }

    /// The sweep asks after a build for which this deployment waits.
    pub fn wake_for_build(&self, w: &mut World, d: usize) -> Option<Answer> {
        let commit = w.release(d);
        match &*w.builds[commit].record {
            BuildRecord::Built { .. } => Some(Answer::Released),
            BuildRecord::Failed { .. } => Some(Answer::Fails(Name::BuildFailed)),
            BuildRecord::Building {
                attempt, build: None, ..
            } => {
                let attempt = *attempt;
                Self::start_build(w, commit, attempt, &mut Pen::that_lasts()).ok()?;
                None
            }
            BuildRecord::Building { build: Some(build), .. } => {
                let place = build.parse().ok()?;
                self.hear_of_build(w, commit, place);
                None
            }
            BuildRecord::None => None,
        }
    }

    // deploy

    fn plan(&self, w: &mut World, d: usize, me: Invocation, luck: Luck, pen: &mut Pen) -> Result<Answer, Died> {
        if luck == Luck::Bad {
            return Ok(Answer::Fails(Name::ReleaseMissing));
        }
        let release = match (me.leg, &w.runs[d].status().back_to) {
            (Leg::Back, Some(to)) => to.clone(),
            _ => self.given.releases[w.release(d)].clone(),
        };
        if me.leg == Leg::Forward {
            pen.write()?;
            self.record(
                w,
                d,
                &Event::Released {
                    release: release.clone(),
                },
            );
        }
        let stacks = &self.given.stacks[..self.scope.stacks];
        let planned = Event::Planned {
            leg: me.leg,
            release,
            waves: vec![stacks.to_vec()],
        };
        pen.write()?;
        if !self.record(w, d, &planned) {
            return Ok(Answer::Fails(Name::LostLock));
        }
        let changes = luck != Luck::NothingToChange;
        pen.write()?;
        for stack in stacks {
            let summary = changes.then(Summary::default);
            self.record(
                w,
                d,
                &Event::Compared {
                    leg: me.leg,
                    stack: stack.clone(),
                    summary,
                },
            );
        }
        Ok(Answer::Planned { changes })
    }

    fn begin(&self, w: &mut World, d: usize, me: Invocation, stack: usize, pen: &mut Pen) -> Result<Answer, Died> {
        pen.write()?;
        let id = self.id(d);
        let change_set = Self::change_set(d, me.leg, stack);
        let environment = w.environment_mut(d);
        let before = environment.clone();
        if self.lacks(Guard::FenceCompared)
            && let Some(holder) = &mut environment.holder
            && holder.deployment == *id
        {
            holder.fence = me.fence;
        }
        if self.lacks(Guard::OwnerCompared) {
            environment.holder = Some(Holder {
                deployment: id.clone(),
                fence: me.fence,
                lease_until: NOW,
            });
        }
        if self.lacks(Guard::NothingInFlight) {
            environment.operation = None;
        }
        let stack = self.given.stacks[stack].clone();
        match environment.begin(id, me.fence, me.leg, stack, change_set, NOW) {
            Ok(()) => {
                let owns = |holder: &Holder| holder.deployment == *id && holder.fence == me.fence;
                let current = before.fence == me.fence && before.holder.as_ref().is_some_and(owns);
                environment.holder = environment.holder.take().and(before.holder);
                w.seen.stale_begin |= !current;
                Ok(Answer::Begun)
            }
            Err(refusal) => {
                *environment = before;
                Ok(Answer::Fails(match refusal {
                    Refusal::NotHolder(_) => Name::LostLock,
                    Refusal::Quarantined(_) => Name::Quarantined,
                    Refusal::InFlight(_) | Refusal::NotQuarantined => Name::StackBusy,
                }))
            }
        }
    }

    fn execute(
        &self,
        w: &mut World,
        d: usize,
        me: Invocation,
        stack: usize,
        luck: Luck,
        pen: &mut Pen,
    ) -> Result<Answer, Died> {
        let change_set = Self::change_set(d, me.leg, stack);
        let name = self.given.stacks[stack].clone();
        let executing = Event::Executing {
            leg: me.leg,
            stack: name.clone(),
            change_set: change_set.clone(),
        };
        let change = w.runs[d].changes[row(me.leg)][stack];
        pen.write()?;
        let recorded = self.record(w, d, &executing);
        if !recorded && !self.lacks(Guard::RecordedBeforeExecuted) {
            // Nothing is executed by this call, so what it has begun is over.
            pen.write()?;
            let id = self.id(d);
            w.environment_mut(d).finish(id, &name, &change_set);
            return Ok(Answer::Fails(Name::LostLock));
        }
        pen.write()?;
        // A change set that was executed before is not executed again.
        if change == Change::Available && luck != Luck::Bad {
            let status = w.runs[d].status();
            let turned_back = me.leg == Leg::Forward && status.back_to.is_some();
            w.seen.stale_effect |= status.ending.is_some() || turned_back || w.environment(d).fence != me.fence;
            w.run(d).changes[row(me.leg)][stack] = Change::Running;
        }
        Ok(Answer::Executes)
    }

    /// Whether a look at this stack's change would find out something that the lock or the execution does not know yet.
    pub fn news_of(&self, w: &World, d: usize, leg: Leg, stack: usize) -> bool {
        let run = &w.runs[d];
        let waits = run.waits_for(leg, stack);
        let begun = self.has_begun(w, d, leg, stack);
        match run.changes[row(leg)][stack] {
            Change::Running => false,
            Change::Over(_) => waits || begun,
            // Begun, never executed, and whoever might have is dead for longer than a function can live.
            Change::Available => begun && !run.may_still_execute(),
        }
    }

    /// Whether the lock says that this change is in flight.
    pub fn has_begun(&self, w: &World, d: usize, leg: Leg, stack: usize) -> bool {
        let environment = w.environment(d);
        environment.operation.as_ref().is_some_and(|operation| {
            operation.deployment == *self.id(d)
                && operation
                    .stacks
                    .get(&self.given.stacks[stack])
                    .is_some_and(|begun| *begun == Self::change_set(d, leg, stack))
        })
    }

    /// An event, or the sweep, has somebody look how a stack's change ended: record, clear, answer, in this order.
    pub fn see_end(&self, w: &mut World, d: usize, leg: Leg, stack: usize, pen: &mut Pen) -> Result<(), Died> {
        let name = self.given.stacks[stack].clone();
        let waits = w.runs[d].waits_for(leg, stack);
        let failure = match w.runs[d].changes[row(leg)][stack] {
            Change::Running => return Ok(()),
            // Whoever called never heard an answer: what is waited for is done now, under the same conditions.
            Change::Available if waits => return self.execute_after_all(w, d, stack, pen),
            Change::Over(Outcome::Updated) => None,
            Change::Available => Some(Name::Unexpected),
            Change::Over(Outcome::RolledBack) => Some(Name::StackRolledBack),
            Change::Over(Outcome::RollbackFailed) => Some(Name::RollbackFailed),
        };
        let told = if self.lacks(Guard::StuckKept) {
            failure.and(Some(Name::StackRolledBack))
        } else {
            failure
        };
        pen.write()?;
        let event = match told {
            None => Event::Updated {
                leg,
                stack: name.clone(),
            },
            Some(why) => Event::NotUpdated {
                leg,
                stack: name.clone(),
                failure: Failure::new(why, ""),
            },
        };
        self.record(w, d, &event);
        pen.write()?;
        let id = self.id(d);
        w.environment_mut(d).finish(id, &name, &Self::change_set(d, leg, stack));
        pen.write()?;
        self.answer_branch(w, d, leg, stack, failure);
        Ok(())
    }

    fn execute_after_all(&self, w: &mut World, d: usize, stack: usize, pen: &mut Pen) -> Result<(), Died> {
        let me = w.runs[d].now;
        let answer = match self.begin(w, d, me, stack, pen)? {
            Answer::Begun => self.execute(w, d, me, stack, Luck::Good, pen)?,
            refused => refused,
        };
        if let Answer::Fails(name) = answer {
            self.answer_branch(w, d, me.leg, stack, Some(name));
        }
        Ok(())
    }

    /// An event of one deployment's stack finds another deployment waiting for a stack of the same name.
    pub fn hear_foreign(&self, w: &mut World, waiting: usize, stack: usize) {
        if !self.lacks(Guard::TruthRead) {
            return; // Its own change set is asked after, and runs: `see_end` of a change that runs does nothing.
        }
        let leg = w.runs[waiting].now.leg;
        let (id, name) = (self.id(waiting), self.given.stacks[stack].clone());
        w.environment_mut(waiting)
            .finish(id, &name, &Self::change_set(waiting, leg, stack));
        self.answer_branch(w, waiting, leg, stack, None);
        w.seen.foreign_event_heeded = true;
    }

    fn answer_branch(&self, w: &mut World, d: usize, leg: Leg, stack: usize, failure: Option<Name>) {
        if w.runs[d].waits_for(leg, stack) {
            w.run(d).branches[stack] = failure.map_or(Branch::Done, Branch::Failed);
            self.review(w, d);
        }
    }

    // The state machine

    /// Takes an execution along its path: `answer` is what its present state was answered.
    pub fn proceed(&self, w: &mut World, d: usize, call: Call, answer: &Answer) {
        let builds = self.scope.builds;
        let all = self.scope.stacks;
        let run = w.run(d);
        let to = |run: &mut Run, call| run.now.call = call;
        match (call, answer) {
            (Call::Park, _) => to(run, Call::Ask),
            (Call::Ask | Call::WaitForLock, Answer::Admitted(fence)) => {
                run.now.fence = *fence;
                to(run, if builds { Call::Build } else { Call::Plan });
            }
            (Call::Ask, Answer::Parks) => to(run, Call::WaitForLock),
            (Call::Build, Answer::Parks) => to(run, Call::WaitForBuild),
            (Call::Build | Call::WaitForBuild, Answer::Released) => to(run, Call::Plan),
            (Call::Plan, Answer::Planned { changes: true }) => {
                run.branches[..all].fill(Branch::Begins);
                to(run, Call::Wave);
            }
            (Call::Plan, Answer::Planned { changes: false }) => to(run, Call::Smoke),
            (Call::Begin(stack), Answer::Begun) => run.branches[stack] = Branch::Executes,
            (Call::Execute(stack), Answer::Executes) => run.branches[stack] = Branch::Waits,
            (Call::Begin(stack) | Call::Execute(stack), Answer::Fails(name)) => {
                run.branches[stack] = Branch::Failed(*name);
                self.review(w, d);
            }
            (Call::Ask | Call::WaitForLock, Answer::Superseded)
            | (Call::Smoke, Answer::Passed)
            | (Call::Assess, Answer::GiveUp) => to(run, Call::Close),
            (Call::Assess, Answer::GoBack) => {
                run.now.leg = Leg::Back;
                to(run, Call::Plan);
            }
            (Call::Assess, Answer::CallOperator) => to(run, Call::Operator),
            (Call::Close | Call::Operator, Answer::Ended) => run.course = Course::Over,
            (_, Answer::Fails(name)) => Self::catch(run, call, *name),
            (call, answer) => panic!("{call:?} never answers {answer:?}"),
        }
    }

    /// What the state machine does about an error.
    pub fn catch(run: &mut Run, call: Call, name: Name) {
        match call {
            Call::Operator => run.course = Course::Over,
            Call::Assess | Call::Close => {
                run.now.failure = Some(name);
                run.now.call = Call::Operator;
            }
            _ => {
                run.now.failure = Some(name);
                run.now.call = Call::Assess;
            }
        }
    }

    /// What the state machine does about an error in a state of the wave, or in any other.
    pub fn catch_anywhere(&self, w: &mut World, d: usize, call: Call, name: Name) {
        match call {
            Call::Begin(stack) | Call::Execute(stack) => {
                w.run(d).branches[stack] = Branch::Failed(name);
                self.review(w, d);
            }
            call => Self::catch(w.run(d), call, name),
        }
    }

    /// Once every stack of the wave has ended: on, or on with the gravest failure.
    fn review(&self, w: &mut World, d: usize) {
        let run = w.run(d);
        let mut gravest: Option<Name> = None;
        for branch in &run.branches[..self.scope.stacks] {
            match branch {
                Branch::Failed(name) if gravest.is_none_or(|other| gravity(*name) > gravity(other)) => {
                    gravest = Some(*name);
                }
                Branch::Done | Branch::Failed(_) => {}
                Branch::Begins | Branch::Executes | Branch::Waits => return,
            }
        }
        run.branches = [Branch::Done; super::world::STACKS];
        match gravest {
            None => run.now.call = Call::Smoke,
            Some(name) => Self::catch(run, Call::Wave, name),
        }
    }

    // webhook

    /// Claims a push's delivery, starts what it asks for, and says so.
    pub fn take_in(&self, w: &mut World, push: usize, pen: &mut Pen) -> Result<(), Died> {
        if push >= self.scope.releases {
            w.deliveries[push] = Claim::Ignored;
            return Ok(());
        }
        let again = w.deliveries[push] == Claim::Started;
        if again && !self.lacks(Guard::NamedAfterWhatIsAsked) {
            return Ok(());
        }
        pen.write()?;
        w.deliveries[push] = if self.lacks(Guard::ClaimHasState) {
            Claim::Started
        } else {
            Claim::Received
        };
        let places = w.environments.len();
        for d in push * places..(push + 1) * places {
            pen.write()?;
            let run = w.run(d);
            // Step Functions refuses a second execution of the same name.
            if run.started == 0 || self.lacks(Guard::NamedAfterWhatIsAsked) {
                run.started += 1;
                run.course = Course::Runs;
            }
        }
        pen.write()?;
        w.deliveries[push] = Claim::Started;
        Ok(())
    }
}

fn gravity(name: Name) -> u8 {
    match name.class() {
        Class::Stuck => 2,
        Class::Bug => 1,
        Class::Transient | Class::Rejected | Class::Failed => 0,
    }
}
