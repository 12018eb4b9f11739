//! What follows from a failure, and how a deployment that got to its end has ended.

use crate::deployment::{Leg, WithoutStable};
use crate::environment_state::StableRelease;
use crate::failure::{Class, Failure, Name};
use crate::life::{Ending, Status, WayBack};
use crate::names::Digest;

/// What follows from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// End here; nobody has to do anything.
    GiveUp(WayBack),
    /// Go back to the environment's last stable release.
    GoBack(Digest),
    /// Call an operator and keep the lock; the reason goes with the failure.
    CallOperator,
}

/// What follows from `failure`, given what is known of the deployment and of its environment.
///
/// `in_flight` is whether the lock says that something this deployment started has not ended.
pub fn assess_failure(
    failure: &Failure,
    status: &Status,
    stable: Option<&StableRelease>,
    without_stable: WithoutStable,
    in_flight: bool,
) -> Verdict {
    if in_flight || status.anything_unsettled() {
        return Verdict::CallOperator;
    }
    // Whoever has no lock has changed nothing, and never calls an operator for somebody else's environment.
    if status.fence.is_none() || failure.name == Name::LostLock {
        return if status.changed_anything() {
            Verdict::CallOperator
        } else {
            Verdict::GiveUp(WayBack::NothingChanged)
        };
    }
    // No rollback of a rollback: a way back that fails is for a person.
    if status.leg == Some(Leg::Back) || status.back_to.is_some() {
        return Verdict::CallOperator;
    }
    match failure.name.class() {
        Class::Stuck | Class::Bug => Verdict::CallOperator,
        Class::Transient | Class::Rejected | Class::Failed if !status.changed_anything() => {
            Verdict::GiveUp(WayBack::NothingChanged)
        }
        Class::Transient | Class::Rejected | Class::Failed => match (stable, without_stable) {
            (Some(stable), _) => Verdict::GoBack(stable.release.clone()),
            (None, WithoutStable::GiveBack) => Verdict::GiveUp(WayBack::NoStableRelease),
            (None, WithoutStable::CallOperator) => Verdict::CallOperator,
        },
    }
}

/// How a deployment ended that came to its last state without a failure on its present leg.
pub fn ending_of(status: &Status) -> Ending {
    match (&status.back_to, &status.because) {
        (Some(to), Some(failure)) => Ending::FailedClean {
            failure: failure.clone(),
            way_back: WayBack::WentBack { to: to.clone() },
        },
        _ if status.changed_anything() => Ending::Deployed,
        _ => Ending::NothingToDeploy,
    }
}
