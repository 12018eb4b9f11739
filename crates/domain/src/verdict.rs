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
    // A state that ran out of time before anything was changed leaves nothing half-done.
    if failure.name == Name::TimedOut && !status.changed_anything() {
        return Verdict::GiveUp(WayBack::NothingChanged);
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::life::Progress;

    fn stable() -> StableRelease {
        StableRelease {
            release: Digest::of(b"stable"),
            commit: "a".repeat(40).parse().unwrap(),
            deployment: "before".parse().unwrap(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn status(leg: Leg, progress: Option<Progress>) -> Status {
        Status {
            fence: Some(1),
            leg: Some(leg),
            stacks: progress
                .map(|progress| ("web".parse().unwrap(), progress))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            ..Status::default()
        }
    }

    #[test]
    fn what_follows_from_a_failure_depends_on_what_was_changed() {
        use Verdict::{CallOperator, GiveUp};
        let back = Verdict::GoBack(stable().release);
        let cases = [
            (Name::BuildFailed, None, GiveUp(WayBack::NothingChanged)),
            (Name::TimedOut, None, GiveUp(WayBack::NothingChanged)),
            (
                Name::StackRolledBack,
                Some(Progress::NotUpdated),
                GiveUp(WayBack::NothingChanged),
            ),
            (Name::SmokeTestsFailed, Some(Progress::Updated), back.clone()),
            (Name::AccessDenied, Some(Progress::Updated), back),
            (Name::TimedOut, Some(Progress::Updated), CallOperator),
            (Name::TimedOut, Some(Progress::Executing), CallOperator),
            (Name::Unexpected, None, CallOperator),
            (Name::RollbackFailed, Some(Progress::Updated), CallOperator),
        ];
        for (name, progress, expected) in cases {
            let failure = Failure::new(name, "x");
            let status = status(Leg::Forward, progress);
            let verdict = assess_failure(&failure, &status, Some(&stable()), WithoutStable::GiveBack, false);
            assert_eq!(verdict, expected, "{name} {progress:?}");
        }
    }

    #[test]
    fn a_way_back_that_fails_and_an_operation_in_flight_are_for_a_person() {
        let failure = Failure::new(Name::BuildFailed, "x");
        let assess = |status: &Status, in_flight| {
            assess_failure(&failure, status, Some(&stable()), WithoutStable::GiveBack, in_flight)
        };
        assert_eq!(
            assess(&status(Leg::Back, Some(Progress::Updated)), false),
            Verdict::CallOperator
        );
        assert_eq!(assess(&status(Leg::Forward, None), true), Verdict::CallOperator);
    }

    #[test]
    fn without_a_stable_release_the_environments_policy_decides() {
        let failure = Failure::new(Name::SmokeTestsFailed, "x");
        let status = status(Leg::Forward, Some(Progress::Updated));
        let assess = |policy| assess_failure(&failure, &status, None, policy, false);
        assert_eq!(
            assess(WithoutStable::GiveBack),
            Verdict::GiveUp(WayBack::NoStableRelease)
        );
        assert_eq!(assess(WithoutStable::CallOperator), Verdict::CallOperator);
    }

    #[test]
    fn who_has_no_lock_never_calls_an_operator_for_somebody_elses_environment() {
        let failure = Failure::new(Name::Unexpected, "x");
        let verdict = assess_failure(&failure, &Status::default(), None, WithoutStable::CallOperator, false);
        assert_eq!(verdict, Verdict::GiveUp(WayBack::NothingChanged));
    }
}
