//! `gate`: who gets the lock, what follows from a failure, and how a deployment ends.

use std::sync::Arc;

use domain::build_record::BuildRecord;
use domain::deployment::Leg;
use domain::environment_state::{Candidate, Left, Standing, Unaccepted};
use domain::failure::{Failure, Name};
use domain::life::{Ending, Event, Phase};
use domain::promotion::promote;
use domain::verdict::{Verdict, assess_failure, ending_of, left_by};

use super::{Answer, Died, Pen, Pipeline};
use crate::world::{Course, Guard, Invocation, NOW, World};

impl Pipeline {
    pub(super) fn ask(&self, w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        // Before the lock: what may not come here takes nobody's place.
        if !self.promoted(w, d) && !self.lacks(Guard::PromotionHeeded) {
            return Ok(Answer::Fails(Name::NotStableBefore));
        }
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

    /// Whether a deployment's release may come into its environment.
    pub fn promoted(&self, w: &World, d: usize) -> bool {
        let deployment = &self.given.deployments[d];
        let Some(after) = &deployment.environment.after else {
            return true;
        };
        let release = &self.given.releases[w.release(d)];
        let known_beforehand = || BuildRecord::Built {
            release: release.clone(),
            build: String::new(),
            since: NOW,
        };
        let build = match w.builds.get(w.release(d)) {
            Some(builds) => BuildRecord::clone(&builds.record),
            None => known_beforehand(),
        };
        let stable = w.kept[0].get(release);
        let must_be_accepted = deployment.environment.after_acceptance;
        promote(after, must_be_accepted, &deployment.commit, &build, stable, (None, NOW)).is_ok()
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
            Standing::Held(_) => {
                pen.write()?;
                let id = self.id(d);
                w.environment_mut(d).leave(id);
                Ok(Answer::Fails(Name::Held))
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
            false,
        )
    }

    pub(super) fn assess(&self, w: &mut World, d: usize, me: Invocation, pen: &mut Pen) -> Result<Answer, Died> {
        let failure = Failure::new(me.failure.unwrap_or(Name::Unexpected), "");
        let status = w.runs[d].status();
        // Decided before, by an invocation whose answer got lost; a failure of the way back is another matter.
        let on_the_way_there = me.leg == Leg::Forward || self.lacks(Guard::LegTold);
        if status.back_to.is_some() && status.leg == Some(Leg::Forward) && on_the_way_there {
            return Ok(Answer::GoBack);
        }
        match self.verdict(w, d, &failure) {
            Verdict::GiveUp(_) => Ok(Answer::GiveUp),
            Verdict::CallOperator | Verdict::AskBeforeGoingBack(_) => Ok(Answer::CallOperator),
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

    pub(super) fn close(&self, w: &mut World, d: usize, me: Invocation, pen: &mut Pen) -> Result<Answer, Died> {
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
        let left = left_by(&self.given.deployments[d], w.runs[d].status(), ending, None, NOW);
        if let (Left::Stable(stable), true) = (&left, self.scope.promotes) {
            pen.write()?;
            let place = w.place(d);
            Arc::make_mut(&mut w.kept[place]).insert(stable.release.clone(), stable.clone());
        }
        pen.write()?;
        let id = self.id(d);
        let environment = w.environment_mut(d);
        let given_back = environment.release(id, left, NOW);
        // Only told to people: it decides nothing, and would make many states of one.
        environment.unaccepted = Unaccepted::default();
        match given_back {
            Ok(_) => Ok(Answer::Ended),
            Err(_) => Ok(Answer::Fails(Name::Unexpected)),
        }
    }

    /// What is recorded stands: a deployment that had ended before something went wrong is carried to that end.
    pub(super) fn need_operator(&self, w: &mut World, d: usize, failure: Name, pen: &mut Pen) -> Result<(), Died> {
        let id = self.id(d);
        let operation = w.environment(d).operation.as_ref();
        let is_at_work = operation.is_some_and(|operation| operation.deployment == *id);
        match w.runs[d].status().ending.clone() {
            None => {
                pen.write()?;
                let failure = Failure::new(failure, "");
                self.record(w, d, &Event::Ended(Ending::OperatorNeeded { failure }));
            }
            Some(Ending::OperatorNeeded { .. }) => {}
            Some(ending) if !is_at_work => return self.end(w, d, &ending, pen).map(drop),
            // Whoever sees its end has it carried on.
            Some(_) => return Ok(()),
        }
        pen.write()?;
        let environment = w.environment_mut(d);
        if environment.quarantine(id, "", NOW).is_err() && !self.lacks(Guard::PlaceGivenUp) {
            environment.leave(id);
        }
        environment.unaccepted = Unaccepted::default();
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
                Verdict::GoBack(_) | Verdict::CallOperator | Verdict::AskBeforeGoingBack(_) => None,
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
}
