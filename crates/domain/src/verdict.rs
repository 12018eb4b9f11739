//! What follows from a failure, and how a deployment that got to its end has ended.

use jiff::Timestamp;

use crate::approval::{OnReject, Outcome};
use crate::deployment::{Deployment, Environment, Leg, WithoutStable};
use crate::environment_state::{Left, StableRelease};
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

/// What follows from `failure`, given what is known of the deployment and of its environment, whose policy this is.
///
/// `in_flight` is whether the lock says that something this deployment started has not ended.
pub fn assess_failure(
    failure: &Failure,
    status: &Status,
    environment: &Environment,
    stable: Option<&StableRelease>,
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
    if let Name::NotAccepted | Name::ApprovalExpired | Name::NobodyMayAccept = failure.name {
        return not_accepted(status, environment, stable);
    }
    match failure.name.class() {
        Class::Stuck | Class::Bug => Verdict::CallOperator,
        Class::Transient | Class::Rejected | Class::Failed if !status.changed_anything() => {
            Verdict::GiveUp(WayBack::NothingChanged)
        }
        Class::Transient | Class::Rejected | Class::Failed => match (stable, environment.without_stable) {
            (Some(stable), _) => Verdict::GoBack(stable.release.clone()),
            (None, WithoutStable::GiveBack) => Verdict::GiveUp(WayBack::NoStableRelease),
            (None, WithoutStable::CallOperator) => Verdict::CallOperator,
        },
    }
}

/// What follows when people did not accept a release. It works, as far as its tests can tell: nobody is called.
fn not_accepted(status: &Status, environment: &Environment, stable: Option<&StableRelease>) -> Verdict {
    let on_reject = environment
        .approval
        .as_ref()
        .map_or(OnReject::Stay, |policy| policy.on_reject);
    match (on_reject, stable) {
        (OnReject::Stay, _) => Verdict::GiveUp(WayBack::Stays),
        (OnReject::RollBack, None) => Verdict::GiveUp(WayBack::NoStableRelease),
        // Accepted once, and asked for again: there is nothing else to go back to.
        (OnReject::RollBack, Some(stable)) if status.release.as_ref() == Some(&stable.release) => {
            Verdict::GiveUp(if status.changed_anything() {
                WayBack::Stays
            } else {
                WayBack::NothingChanged
            })
        }
        // Even where nothing was changed: an earlier candidate may have stayed there.
        (OnReject::RollBack, Some(stable)) => Verdict::GoBack(stable.release.clone()),
    }
}

/// How a deployment ended that came to its last state without a failure on its present leg.
pub fn ending_of(status: &Status) -> Ending {
    if let Some(Outcome::Superseded { by, .. }) = &status.decided {
        return Ending::Superseded { by: by.clone() };
    }
    match (&status.back_to, &status.because) {
        (Some(to), Some(failure)) => Ending::FailedClean {
            failure: failure.clone(),
            way_back: WayBack::WentBack {
                to: to.clone(),
                left: status.there_beside(&status.back_stacks).cloned().collect(),
            },
        },
        _ if status.changed_anything() => Ending::Deployed,
        _ => Ending::NothingToDeploy,
    }
}

/// How a deployment that ended so leaves its environment, when it gives the lock back.
pub fn left_by(deployment: &Deployment, status: &Status, ending: &Ending, now: Timestamp) -> Left {
    match (ending, &status.release) {
        (Ending::Deployed | Ending::NothingToDeploy, Some(release)) => Left::Stable(StableRelease {
            release: release.clone(),
            commit: deployment.commit.clone(),
            deployment: deployment.id.clone(),
            since: now,
            accepted: status.accepted.clone(),
            rejected: None,
        }),
        (
            Ending::FailedClean {
                way_back: WayBack::WentBack { left, .. },
                ..
            },
            _,
        ) if left.is_empty() => Left::Back,
        _ if status.changed_anything() => Left::Unstable,
        _ => Left::AsItWas,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::approval::{ApprovalPolicy, When};
    use crate::deployment::{Cause, QueuePolicy};
    use crate::life::Progress;
    use crate::names::DeploymentId;

    fn stable() -> StableRelease {
        StableRelease {
            release: Digest::of(b"stable"),
            commit: "a".repeat(40).parse().unwrap(),
            deployment: "before".parse().unwrap(),
            since: Timestamp::UNIX_EPOCH,
            accepted: None,
            rejected: None,
        }
    }

    fn environment(without_stable: WithoutStable, on_reject: Option<OnReject>) -> Environment {
        Environment {
            name: "test".parse().unwrap(),
            account: "333333333333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            on: vec![Cause::Prerelease],
            after: None,
            queue: QueuePolicy::Newest,
            stacks: vec![],
            qualifier: "hnb659fds".parse().unwrap(),
            without_stable,
            replace_failed_stacks: true,
            integration_tests: on_reject.is_some(),
            approval: on_reject.map(|on_reject| ApprovalPolicy {
                when: When::After,
                people: vec![],
                duties: vec![],
                within_seconds: 60,
                on_reject,
            }),
            after_acceptance: false,
        }
    }

    fn gives_back() -> Environment {
        environment(WithoutStable::GiveBack, None)
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
            let verdict = assess_failure(&failure, &status, &gives_back(), Some(&stable()), false);
            assert_eq!(verdict, expected, "{name} {progress:?}");
        }
    }

    #[test]
    fn a_way_back_that_fails_and_an_operation_in_flight_are_for_a_person() {
        let failure = Failure::new(Name::BuildFailed, "x");
        let assess =
            |status: &Status, in_flight| assess_failure(&failure, status, &gives_back(), Some(&stable()), in_flight);
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
        let assess = |policy| assess_failure(&failure, &status, &environment(policy, None), None, false);
        assert_eq!(
            assess(WithoutStable::GiveBack),
            Verdict::GiveUp(WayBack::NoStableRelease)
        );
        assert_eq!(assess(WithoutStable::CallOperator), Verdict::CallOperator);
    }

    #[test]
    fn who_has_no_lock_never_calls_an_operator_for_somebody_elses_environment() {
        let failure = Failure::new(Name::Unexpected, "x");
        let policy = environment(WithoutStable::CallOperator, None);
        let verdict = assess_failure(&failure, &Status::default(), &policy, None, false);
        assert_eq!(verdict, Verdict::GiveUp(WayBack::NothingChanged));
    }

    #[test]
    fn what_people_did_not_accept_stays_or_goes_as_the_environment_says() {
        use OnReject::{RollBack, Stay};
        use Verdict::GiveUp;
        let other = Digest::of(b"candidate");
        let back = Verdict::GoBack(stable().release);
        let (changed, unchanged) = (Some(Progress::Updated), Some(Progress::Unchanged));
        let cases = [
            (Stay, changed, &other, true, GiveUp(WayBack::Stays)),
            (Stay, changed, &other, false, GiveUp(WayBack::Stays)),
            (Stay, unchanged, &stable().release, true, GiveUp(WayBack::Stays)),
            (RollBack, changed, &other, true, back.clone()),
            (RollBack, unchanged, &other, true, back),
            (RollBack, changed, &other, false, GiveUp(WayBack::NoStableRelease)),
            (RollBack, changed, &stable().release, true, GiveUp(WayBack::Stays)),
            (
                RollBack,
                unchanged,
                &stable().release,
                true,
                GiveUp(WayBack::NothingChanged),
            ),
        ];
        for (on_reject, progress, release, has_stable, expected) in cases {
            let status = Status {
                release: Some(release.clone()),
                ..status(Leg::Forward, progress)
            };
            let stable = stable();
            for name in [Name::NotAccepted, Name::ApprovalExpired, Name::NobodyMayAccept] {
                let verdict = assess_failure(
                    &Failure::new(name, "x"),
                    &status,
                    &environment(WithoutStable::CallOperator, Some(on_reject)),
                    has_stable.then_some(&stable),
                    false,
                );
                assert_eq!(verdict, expected, "{name} {on_reject} {progress:?} {has_stable}");
            }
        }
    }

    #[test]
    fn integration_tests_that_fail_are_like_smoke_tests_that_fail() {
        for progress in [None, Some(Progress::Unchanged), Some(Progress::Updated)] {
            let assess = |name| {
                let (failure, status) = (Failure::new(name, "x"), status(Leg::Forward, progress));
                assess_failure(&failure, &status, &gives_back(), Some(&stable()), false)
            };
            assert_eq!(assess(Name::IntegrationTestsFailed), assess(Name::SmokeTestsFailed));
        }
    }

    #[test]
    fn who_was_superseded_while_people_were_asked_ends_so_whatever_it_changed() {
        let by: DeploymentId = "newer".parse().unwrap();
        let status = Status {
            decided: Some(Outcome::Superseded {
                by: by.clone(),
                at: Timestamp::UNIX_EPOCH,
            }),
            ..status(Leg::Forward, Some(Progress::Updated))
        };
        assert_eq!(ending_of(&status), Ending::Superseded { by });
    }
}
