//! What follows from a failure, and how a deployment that got to its end has ended.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approval::{OnReject, Outcome, When};
use crate::bake::data_at_risk_sentence;
use crate::deployment::{Deployment, Environment, Leg, WithoutStable};
use crate::environment_state::{Hold, Left, StableRelease};
use crate::failure::{Class, Failure, Name};
use crate::life::{Ending, Status, WayBack};
use crate::names::{Digest, StackName};

/// What follows from a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// End here; nobody has to do anything.
    GiveUp(WayBack),
    /// Go back to the environment's last stable release.
    GoBack(Digest),
    /// Call an operator and keep the lock; the reason goes with the failure.
    CallOperator,
    /// Call an operator and keep the lock: there is a stable release, and going back to it takes a person.
    AskBeforeGoingBack(String),
}

/// What follows from `failure`, given what is known of the deployment and of its environment, whose policy this is.
///
/// `in_flight` is whether the lock says that something this deployment started has not ended, `taken_back_before` whether
/// its release went back from here in an earlier deployment.
pub fn assess_failure(
    failure: &Failure,
    status: &Status,
    environment: &Environment,
    stable: Option<&StableRelease>,
    in_flight: bool,
    taken_back_before: bool,
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
    // Whatever it was to go back from is not there any more, or there is nothing to go back to.
    if failure.name == Name::NoWayBack && !status.changed_anything() {
        return Verdict::GiveUp(WayBack::NothingChanged);
    }
    // Whoever asked for it by hand is there, and an environment that was not touched is as good as before.
    let by_hand = status.plans || (status.rolls_back && failure_by_hand(status));
    if by_hand && !status.changed_anything() {
        return Verdict::GiveUp(WayBack::NothingChanged);
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
            (Some(stable), _) => match takes_a_person(failure, status, taken_back_before) {
                Some(why) => Verdict::AskBeforeGoingBack(why),
                None => Verdict::GoBack(stable.release.clone()),
            },
            (None, WithoutStable::GiveBack) => Verdict::GiveUp(WayBack::NoStableRelease),
            (None, WithoutStable::CallOperator) => Verdict::CallOperator,
        },
    }
}

/// Whether a person asked that the environment be taken back.
fn failure_by_hand(status: &Status) -> bool {
    let because = status.because.as_ref();
    because.is_some_and(|because| because.name == Name::TakenBack)
}

/// Why a release does not go back without a person; nothing, where it does, or where a person has said so.
fn takes_a_person(failure: &Failure, status: &Status, taken_back_before: bool) -> Option<String> {
    if failure.name == Name::TakenBack {
        return None;
    }
    let at_risk = status.data_at_risk();
    if !at_risk.is_empty() {
        return Some(data_at_risk_sentence(&at_risk));
    }
    taken_back_before.then(|| "its release was taken back here once before, and that is done once only".to_owned())
}

/// What follows when people did not accept a release. It works, as far as its tests can tell: nobody is called.
fn not_accepted(status: &Status, environment: &Environment, stable: Option<&StableRelease>) -> Verdict {
    let policy = environment.approval.as_ref();
    if policy.is_some_and(|policy| policy.when == When::Before) && !status.changed_anything() {
        return Verdict::GiveUp(WayBack::NothingChanged);
    }
    let on_reject = policy.map_or(OnReject::Stay, |policy| policy.on_reject);
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
        // It works, and what it replaced or removed would not come back.
        (OnReject::RollBack, Some(_)) if !status.data_at_risk().is_empty() => Verdict::GiveUp(WayBack::Stays),
        // Even where nothing was changed: an earlier candidate may have stayed there.
        (OnReject::RollBack, Some(stable)) => Verdict::GoBack(stable.release.clone()),
    }
}

/// How a deployment ended that came to its last state without a failure on its present leg.
pub fn ending_of(status: &Status) -> Ending {
    if let Some(Outcome::Superseded { by, .. }) = &status.decided {
        return Ending::Superseded { by: by.clone() };
    }
    if status.plans {
        return Ending::Planned;
    }
    match (&status.back_to, &status.because) {
        (Some(to), _) if status.rolls_back && failure_by_hand(status) => Ending::RolledBack {
            to: to.clone(),
            left: status.there_beside(&status.back_stacks).cloned().collect(),
        },
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

/// How a deployment that ended so leaves its environment, when it gives the lock back. Where it took it back, `to` is what
/// is kept of the release that it went back to.
pub fn left_by(
    deployment: &Deployment,
    status: &Status,
    ending: &Ending,
    to: Option<&StableRelease>,
    now: Timestamp,
) -> Left {
    let back = |left: &BTreeSet<StackName>| match to {
        Some(to) if deployment.rollback.is_some() => Left::BackTo(to.clone()),
        _ if left.is_empty() => Left::Back,
        _ => Left::BackBeside,
    };
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
            Ending::RolledBack { left, .. }
            | Ending::FailedClean {
                way_back: WayBack::WentBack { left, .. },
                ..
            },
            _,
        ) => back(left),
        _ if status.changed_anything() => Left::Unstable,
        _ => Left::AsItWas,
    }
}

/// Why nothing goes forward after a deployment that ended so; nothing, where it went back nowhere, or where its environment
/// does not hold.
pub fn hold_after(deployment: &Deployment, ending: &Ending, now: Timestamp) -> Option<Hold> {
    let why = match ending {
        _ if !deployment.environment.holds => return None,
        Ending::RolledBack { .. } => deployment.rollback.as_ref()?.because.to_string(),
        Ending::FailedClean {
            failure,
            way_back: WayBack::WentBack { .. },
        } => failure.to_string(),
        _ => return None,
    };
    Some(Hold {
        by: deployment.id.to_string(),
        why,
        since: now,
    })
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
            freezes: Vec::new(),
            integration_tests: on_reject.is_some(),
            approval: on_reject.map(|on_reject| ApprovalPolicy {
                when: When::After,
                people: vec![],
                duties: vec![],
                within_seconds: 60,
                on_reject,
            }),
            after_acceptance: false,
            max_age_seconds: None,
            pull_requests: false,
            url: None,
            bake: None,
            watch_seconds: None,
            holds: false,
            keep: crate::deployment::KEEP,
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
            let verdict = assess_failure(&failure, &status, &gives_back(), Some(&stable()), false, false);
            assert_eq!(verdict, expected, "{name} {progress:?}");
        }
    }

    #[test]
    fn a_way_back_that_fails_and_an_operation_in_flight_are_for_a_person() {
        let failure = Failure::new(Name::BuildFailed, "x");
        let assess = |status: &Status, in_flight| {
            assess_failure(&failure, status, &gives_back(), Some(&stable()), in_flight, false)
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
        let assess = |policy| assess_failure(&failure, &status, &environment(policy, None), None, false, false);
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
        let verdict = assess_failure(&failure, &Status::default(), &policy, None, false, false);
        assert_eq!(verdict, Verdict::GiveUp(WayBack::NothingChanged));
    }

    #[test]
    fn a_plan_that_fails_calls_nobody() {
        for leg in [Leg::Forward, Leg::Back] {
            for name in [Name::Unexpected, Name::ChangeSetRefused, Name::StackBusy] {
                let plan = Status {
                    plans: true,
                    ..status(leg, Some(Progress::Compared))
                };
                let policy = environment(WithoutStable::CallOperator, None);
                let verdict = assess_failure(&Failure::new(name, "x"), &plan, &policy, Some(&stable()), false, false);
                assert_eq!(verdict, Verdict::GiveUp(WayBack::NothingChanged), "{name} {leg}");
            }
        }
    }

    #[test]
    fn what_people_did_not_let_in_has_changed_nothing() {
        for on_reject in [OnReject::Stay, OnReject::RollBack] {
            let mut asks_before = environment(WithoutStable::CallOperator, Some(on_reject));
            if let Some(policy) = &mut asks_before.approval {
                policy.when = When::Before;
            }
            for stable in [Some(&stable()), None] {
                for name in [
                    Name::NotAccepted,
                    Name::ApprovalExpired,
                    Name::NobodyMayAccept,
                    Name::ApprovalVoid,
                    Name::Frozen,
                ] {
                    let (failure, compared) = (Failure::new(name, "x"), status(Leg::Forward, Some(Progress::Compared)));
                    let verdict = assess_failure(&failure, &compared, &asks_before, stable, false, false);
                    assert_eq!(verdict, Verdict::GiveUp(WayBack::NothingChanged), "{name}");
                }
            }
            // Half of it was changed when the other half was found to be different.
            let half = status(Leg::Forward, Some(Progress::Updated));
            let failure = Failure::new(Name::ApprovalVoid, "x");
            let verdict = assess_failure(&failure, &half, &asks_before, Some(&stable()), false, false);
            assert_eq!(verdict, Verdict::GoBack(stable().release));
        }
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
                assess_failure(&failure, &status, &gives_back(), Some(&stable()), false, false)
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

    mod rolling_back;
}
