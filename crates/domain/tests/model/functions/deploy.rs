//! `deploy`: the plan, each stack's change, and how it was seen to end.

use domain::approval::Outcome as Decided;
use domain::change_set::{ExecutionStatus, Summary};
use domain::deployment::Leg;
use domain::environment_state::{Holder, Refusal};
use domain::failure::{Failure, Name};
use domain::life::Event;
use domain::root_cause::StackEvent;
use domain::stack_status::{StackStatus, last_status, own_status};
use domain::update_state::{Next, Seen};

use super::{Answer, Died, Luck, Pen, Pipeline};
use crate::world::{Branch, Change, Guard, Invocation, MUCH_LATER, NOW, Outcome, World, row};

impl Pipeline {
    pub(super) fn plan(
        &self,
        w: &mut World,
        d: usize,
        me: Invocation,
        luck: Luck,
        pen: &mut Pen,
    ) -> Result<Answer, Died> {
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

    pub(super) fn begin(
        &self,
        w: &mut World,
        d: usize,
        me: Invocation,
        stack: usize,
        pen: &mut Pen,
    ) -> Result<Answer, Died> {
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
                    Refusal::InFlight(_) | Refusal::NotQuarantined | Refusal::NotHeld => Name::StackBusy,
                }))
            }
        }
    }

    pub(super) fn execute(
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
            // What was not accepted goes back, at most; what was superseded does nothing more.
            w.seen.stale_effect |= match &status.decided {
                None | Some(Decided::Accepted { .. }) => false,
                Some(Decided::Superseded { .. }) => true,
                Some(_) => me.leg == Leg::Forward,
            };
            w.seen.skipped_ahead |= me.leg == Leg::Forward && !self.promoted(w, d);
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

    /// What is seen by somebody who looks after a change. Where the stack is `shown` as another one left it, which ended
    /// before, a change that runs has no events yet that could be read. `continued` says whether CloudFormation was told once more to put the stack back.
    fn evidence(&self, w: &World, (d, leg): (usize, Leg), stack: usize, shown: (usize, Leg), continued: bool) -> Seen {
        let state = |(d, leg): (usize, Leg)| w.runs[d].changes[row(leg)][stack];
        let token = |(d, leg): (usize, Leg)| &self.given.tokens[d][row(leg)][stack];
        let own = token((d, leg));
        let event = |(of, change): ((usize, Leg), Change)| {
            let unseen = of == (d, leg) && of != shown && change == Change::Running;
            (change != Change::Available && !unseen).then(|| StackEvent {
                timestamp: if of == (d, leg) { MUCH_LATER } else { NOW },
                stack_id: "arn".to_owned(),
                logical_id: String::new(),
                physical_id: Some("arn".to_owned()),
                resource_type: "AWS::CloudFormation::Stack".to_owned(),
                status: status(change).to_string(),
                reason: None,
                client_token: Some(
                    if self.lacks(Guard::ItsEventsRead) {
                        own
                    } else {
                        token(of)
                    }
                    .clone(),
                ),
            })
        };
        let events: Vec<StackEvent> = w.changes_of(w.place(d), stack).filter_map(event).collect();
        let asked_after = if self.lacks(Guard::ItsChangeSetAsked) {
            shown
        } else {
            (d, leg)
        };
        Seen {
            creates: false,
            described: status(state(shown)),
            execution: Some(match state(asked_after) {
                Change::Available => ExecutionStatus::Available,
                Change::Running => ExecutionStatus::ExecuteInProgress,
                Change::Over(Outcome::Updated) => ExecutionStatus::ExecuteComplete,
                Change::Over(_) => ExecutionStatus::ExecuteFailed,
            }),
            own: own_status(&events, own),
            continued: continued.then_some(StackStatus::UpdateRollbackFailed),
            last: last_status(&events),
        }
    }

    /// An event, or the sweep, has somebody look how a stack's change ended.
    pub fn see_end(&self, w: &mut World, d: usize, leg: Leg, stack: usize, pen: &mut Pen) -> Result<(), Died> {
        let change = (d, leg);
        let mut next = self.evidence(w, change, stack, change, false).next();
        if next == Next::ContinueRollback {
            // In vain: what it does not fail at is among what ends rolled back.
            next = self.evidence(w, change, stack, change, true).next();
        }
        self.settle(w, change, stack, next, pen)
    }

    /// Does what follows from what was seen: record, clear, answer, in this order.
    fn settle(
        &self,
        w: &mut World,
        (d, leg): (usize, Leg),
        stack: usize,
        next: Next,
        pen: &mut Pen,
    ) -> Result<(), Died> {
        let name = self.given.stacks[stack].clone();
        let failure = match next {
            Next::Wait => return Ok(()),
            // Whoever called never heard an answer: what is waited for is done now, under the same conditions.
            Next::NotBegun if w.runs[d].waits_for(leg, stack) => return self.execute_after_all(w, d, stack, pen),
            Next::NotBegun => Some(Name::LostLock),
            Next::Updated => None,
            Next::RolledBack => Some(Name::StackRolledBack),
            Next::ContinueRollback | Next::RollbackFailed => Some(Name::RollbackFailed),
            Next::Unknown => Some(Name::StackUnknown),
            Next::Obsolete => Some(Name::ChangeSetRefused),
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

    /// An event of another change of that stack has somebody look: what is waited for goes on as it would have, or nothing
    /// follows.
    pub fn hear_foreign(&self, w: &mut World, waiting: usize, stack: usize, of: (usize, Leg)) {
        let change = (waiting, w.runs[waiting].now.leg);
        let next = self.evidence(w, change, stack, of, false).next();
        // Whoever executes has minutes for it, so that nothing follows from its not having been done.
        if matches!(next, Next::Wait | Next::NotBegun) {
            return;
        }
        w.seen.foreign_event_heeded |= next != self.evidence(w, change, stack, change, false).next();
        if next != Next::ContinueRollback {
            drop(self.settle(w, change, stack, next, &mut Pen::that_lasts()));
        }
    }

    fn answer_branch(&self, w: &mut World, d: usize, leg: Leg, stack: usize, failure: Option<Name>) {
        if w.runs[d].waits_for(leg, stack) {
            w.run(d).branches[stack] = failure.map_or(Branch::Done, Branch::Failed);
            self.review(w, d);
        }
    }
}

/// A stack as a change left it, or has it.
fn status(change: Change) -> StackStatus {
    match change {
        Change::Available | Change::Over(Outcome::Updated) => StackStatus::UpdateComplete,
        Change::Running => StackStatus::UpdateInProgress,
        Change::Over(Outcome::RolledBack) => StackStatus::UpdateRollbackComplete,
        Change::Over(Outcome::RollbackFailed) => StackStatus::UpdateRollbackFailed,
    }
}
