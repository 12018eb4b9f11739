//! `deploy`: the plan, each stack's change, and how it was seen to end.

use domain::approval::Outcome as Decided;
use domain::change_set::Summary;
use domain::deployment::Leg;
use domain::environment_state::{Holder, Refusal};
use domain::failure::{Failure, Name};
use domain::life::Event;

use super::{Answer, Died, Luck, Pen, Pipeline};
use crate::world::{Branch, Change, Guard, Invocation, NOW, Outcome, World, row};

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
                    Refusal::InFlight(_) | Refusal::NotQuarantined => Name::StackBusy,
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
}
