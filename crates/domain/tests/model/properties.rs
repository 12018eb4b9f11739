//! What must hold, and what has to be reached so that this says something.

use std::sync::Arc;

use domain::environment_state::EnvironmentState;
use domain::failure::Name;
use domain::intake::{Course as Got, Decision};
use domain::life::{Ending, Progress, WayBack};
use stateright::Property;

use super::functions::Pipeline;
use super::world::{Change, Course, Intake, Outcome, Run, World};

/// What must never happen.
pub fn safety() -> Vec<Property<Pipeline>> {
    vec![
        Property::always(S1, |_, w: &World| {
            (0..w.environments.len()).all(|place| w.in_flight(place).len() <= 1)
        }),
        Property::always(S2, |_, w: &World| !w.seen.stale_begin),
        Property::always(S3, |_, w: &World| !w.seen.skipped_ahead),
        Property::always(S5, |model: &Pipeline, w: &World| {
            let fair = |d: usize| model.is_accepted_if_deployed(w, d) && model.counts_fairly(w, d);
            !w.seen.second_decision && !w.seen.answer_about_another && (0..w.runs.len()).all(fair)
        }),
        Property::always(S6, |_, w: &World| !w.seen.stale_effect),
        Property::always(S7, |model: &Pipeline, w: &World| {
            let once = w.runs.iter().all(|run| run.started <= 1);
            let each = w
                .deliveries
                .iter()
                .enumerate()
                .all(|(n, intake)| model.means_one_thing(w, n, intake));
            once && each && !w.seen.second_meaning
        }),
        Property::always(S8, |_, w: &World| !w.seen.second_end),
        Property::always(S11, |_, w: &World| {
            let whole = |run: &Arc<Run>| run.record.chain.as_ref().is_none_or(|chain| chain.whole);
            w.runs.iter().all(whole)
        }),
        Property::always(S12, |_, w: &World| !w.seen.entered_quarantine),
        Property::always(S13, |model: &Pipeline, w: &World| {
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
    ]
}

/// What must have happened once nothing is left to happen.
pub fn liveness() -> Vec<Property<Pipeline>> {
    vec![
        Property::always(L1, |model: &Pipeline, w: &World| {
            let over = |run: &Run| run.course != Course::Runs && run.status().ending.is_some();
            Pipeline::deployments_asked_for(w).all(over) || !model.at_rest(w)
        }),
        Property::always(L2, |model: &Pipeline, w: &World| {
            let free = |state: &Arc<EnvironmentState>| {
                let idle = state.holder.is_none() && state.operation.is_none() && state.queue.is_empty();
                idle || state.quarantine.is_some()
            };
            w.environments.iter().all(free) || !model.at_rest(w)
        }),
        Property::always(L3, |model: &Pipeline, w: &World| {
            // Tried, refused with a reason, or superseded by a newer one; never by an older one.
            let newest = w.runs.len() - w.environments.len()..w.runs.len();
            let told = |d: usize| {
                let superseded = matches!(w.runs[d].status().ending, Some(Ending::Superseded { .. }));
                w.runs[d].status().ending.is_some() && !superseded
            };
            !w.seen.newer_superseded_by_older && (newest.into_iter().all(told) || !model.at_rest(w))
        }),
        Property::always(L5, |model: &Pipeline, w: &World| {
            let waits = (0..w.runs.len()).any(|d| Pipeline::waits_for_people(w, d));
            !waits || !model.at_rest(w)
        }),
    ]
}

/// What a scope has to reach.
pub fn endings() -> Vec<Property<Pipeline>> {
    vec![
        Property::sometimes(ACCEPTED, |model: &Pipeline, w: &World| {
            let accepted = |run: &Arc<Run>| {
                run.status().accepted.is_some() && matches!(run.status().ending, Some(Ending::Deployed))
            };
            !model.asks() || w.runs.iter().any(accepted)
        }),
        Property::sometimes(NOT_ACCEPTED, |model: &Pipeline, w: &World| {
            let not_accepted = |ending: &Ending| match ending {
                Ending::FailedClean { failure, way_back } => {
                    failure.name == Name::NotAccepted && !matches!(way_back, WayBack::NothingChanged)
                }
                _ => false,
            };
            !model.asks() || any_ended(w, not_accepted)
        }),
        Property::sometimes(SUPERSEDED_ASKING, |model: &Pipeline, w: &World| {
            let superseded = |run: &Arc<Run>| {
                run.status().decided.is_some() && matches!(run.status().ending, Some(Ending::Superseded { .. }))
            };
            !model.asks() || model.nothing_is_superseded() || w.runs.iter().any(superseded)
        }),
        Property::sometimes(PROMOTED, |model: &Pipeline, w: &World| {
            let promoted = |d: usize| w.place(d) == 1 && w.runs[d].status().ending == Some(Ending::Deployed);
            !model.scope.promotes || (0..w.runs.len()).any(promoted)
        }),
        Property::sometimes(DEPLOYED, |_, w: &World| any_ended(w, |e| matches!(e, Ending::Deployed))),
        Property::sometimes(OPERATOR, |model: &Pipeline, w: &World| {
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
        Property::sometimes(SUPERSEDED, |model: &Pipeline, w: &World| {
            model.nothing_is_superseded() || any_ended(w, |e| matches!(e, Ending::Superseded { .. }))
        }),
        Property::sometimes(WENT_BACK, |model: &Pipeline, w: &World| {
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
        Property::sometimes(NOTHING, |model: &Pipeline, w: &World| {
            !model.scope.no_changes || any_ended(w, |e| matches!(e, Ending::NothingToDeploy))
        }),
        Property::sometimes(BOTH_AT_ONCE, |model: &Pipeline, w: &World| {
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

impl Pipeline {
    /// Whether a delivery led to exactly what is recorded of it: all of its deployments, or the reason why there are none.
    /// Where GitHub was told nothing and all is at rest, it was never sent.
    fn means_one_thing(&self, w: &World, delivery: usize, intake: &Intake) -> bool {
        let push = delivery % self.scope.pushes();
        match intake.record.as_ref().map(|record| &record.course) {
            None => !intake.answered && (delivery >= self.scope.pushes() || !self.at_rest(w)),
            Some(Got::Received { .. }) => !self.at_rest(w),
            Some(Got::Started { deployments }) => {
                let runs = &w.runs[self.scope.asked_by(push)];
                runs.len() == deployments.len() && runs.iter().all(|run| run.started == 1)
            }
            Some(Got::Ignored { reason }) => self.given.decisions[push] == Decision::Ignored(*reason),
        }
    }
}

fn any_ended(w: &World, which: fn(&Ending) -> bool) -> bool {
    w.runs.iter().any(|run| run.status().ending.as_ref().is_some_and(which))
}

pub const S1: &str = "S1 at most one in-flight operation per environment";
pub const S2: &str = "S2 an operation begins only with the current fence";
pub const S3: &str = "S3 what was not stable and accepted in the environment before changes nothing in the next";
pub const S5: &str = "S5 what people were to accept is deployed only if they did; each counts once, in time, for this, and is not the author";
pub const S6: &str = "S6 what has ended or turned back executes nothing";
pub const S7: &str = "S7 every accepted delivery maps to exactly one deployment or one recorded reason";
pub const S8: &str = "S8 exactly one terminal state per deployment, absorbing";
pub const S11: &str = "S11 a record is append-only, and each entry carries the hash of the one before";
pub const S12: &str = "S12 a quarantined environment admits nothing without an operator";
pub const S13: &str = "S13 stale or foreign events change nothing";
pub const F34: &str = "F34 a stack that could not be put back is never passed on";
pub const L1: &str = "L1 every deployment reaches an end";
pub const L2: &str = "L2 every lock is released, or kept for an operator";
pub const L3: &str = "L3 the newest push is tried, and superseded by no older one";
pub const L5: &str = "L5 what people are asked is decided, or superseded, in the end";
pub const ACCEPTED: &str = "a deployment ends: accepted and deployed";
pub const NOT_ACCEPTED: &str = "a deployment ends: not accepted";
pub const SUPERSEDED_ASKING: &str = "a deployment ends: superseded while people were asked";
pub const PROMOTED: &str = "a deployment ends: deployed in the second environment";
pub const DEPLOYED: &str = "a deployment ends: deployed";
pub const OPERATOR: &str = "a deployment ends: operator needed";
pub const CLEAN: &str = "a deployment ends: failed, nothing changed";
pub const SUPERSEDED: &str = "a deployment ends: superseded";
pub const WENT_BACK: &str = "a deployment ends: went back";
pub const NOTHING: &str = "a deployment ends: nothing to deploy";
pub const BOTH_AT_ONCE: &str = "two stacks of a wave are in flight at once";
