//! What takes a person, and what follows a deployment that takes its environment back.

use super::*;
use crate::bake::{Question, Says, Word};
use crate::deployment::{Request, Rollback};
use crate::environment_state::Left;

const TABLE: &str = "web/Orders (AWS::DynamoDB::Table)";

/// A deployment that changed its stack and put the data in a table of it at risk, so far as it came.
fn at_risk(progress: Progress) -> Status {
    Status {
        release: Some(Digest::of(b"candidate")),
        at_risk: [("web".parse().unwrap(), vec![TABLE.to_owned()])].into(),
        ..status(Leg::Forward, Some(progress))
    }
}

fn harmless() -> Status {
    Status {
        at_risk: BTreeMap::new(),
        ..at_risk(Progress::Updated)
    }
}

fn asks(why: &str) -> Verdict {
    Verdict::AskBeforeGoingBack(why.to_owned())
}

#[test]
fn s10_what_may_lose_data_or_was_taken_back_before_goes_back_by_a_persons_word_alone() {
    let back = || Verdict::GoBack(stable().release);
    let data = || {
        asks(&format!(
            "going back would not bring back the data of what it replaced or removed: {TABLE}"
        ))
    };
    let before = || asks("its release was taken back here once before, and that is done once only");
    for name in [
        Name::AlarmRaised,
        Name::SmokeTestsFailed,
        Name::IntegrationTestsFailed,
        Name::AccessDenied,
        Name::Throttled,
        Name::Stopped,
    ] {
        for (status, taken_back_before, expected) in [
            (harmless(), false, back()),
            (at_risk(Progress::Updated), false, data()),
            (harmless(), true, before()),
            (at_risk(Progress::Updated), true, data()),
        ] {
            let assess = |name| {
                let failure = Failure::new(name, "x");
                let stable = stable();
                assess_failure(
                    &failure,
                    &status,
                    &gives_back(),
                    Some(&stable),
                    false,
                    taken_back_before,
                )
            };
            assert_eq!(
                assess(name),
                expected,
                "{name} {:?} {taken_back_before}",
                status.at_risk
            );
            assert_eq!(assess(Name::TakenBack), back(), "a person has said so");
        }
    }
}

#[test]
fn data_is_at_risk_only_where_its_stack_was_changed() {
    let other = |progress| {
        let mut status = at_risk(progress);
        // So that there is something to go back from.
        status.stacks.insert("data".parse().unwrap(), Progress::Updated);
        status
    };
    let failure = Failure::new(Name::AlarmRaised, "errors went into ALARM");
    for (progress, goes_back) in [
        (Progress::Planned, true),
        (Progress::Compared, true),
        (Progress::Unchanged, true),
        (Progress::NotUpdated, true),
        (Progress::Updated, false),
    ] {
        let verdict = assess_failure(&failure, &other(progress), &gives_back(), Some(&stable()), false, false);
        assert_eq!(matches!(verdict, Verdict::GoBack(_)), goes_back, "{progress:?}");
    }
}

#[test]
fn what_changed_nothing_or_has_nothing_to_go_back_to_asks_nobody() {
    let failure = Failure::new(Name::AlarmRaised, "errors went into ALARM");
    let unchanged = at_risk(Progress::Unchanged);
    let give_up = Verdict::GiveUp(WayBack::NothingChanged);
    let assess = |status: &Status, policy: WithoutStable, stable: Option<&StableRelease>, before| {
        assess_failure(&failure, status, &environment(policy, None), stable, false, before)
    };
    let stable = stable();
    assert_eq!(
        assess(&unchanged, WithoutStable::GiveBack, Some(&stable), true),
        give_up
    );
    let changed = at_risk(Progress::Updated);
    assert_eq!(
        assess(&changed, WithoutStable::GiveBack, None, true),
        Verdict::GiveUp(WayBack::NoStableRelease)
    );
    assert_eq!(
        assess(&changed, WithoutStable::CallOperator, None, true),
        Verdict::CallOperator
    );
    // Nobody knows how a change ended: a person looks, whatever else is the matter.
    for progress in [Progress::Executing, Progress::Stuck] {
        let verdict = assess(&at_risk(progress), WithoutStable::GiveBack, Some(&stable), true);
        assert_eq!(verdict, Verdict::CallOperator);
    }
}

#[test]
fn what_people_did_not_accept_stays_where_going_back_may_lose_data() {
    let assess = |on_reject, status: &Status| {
        let failure = Failure::new(Name::NotAccepted, "no");
        let policy = environment(WithoutStable::GiveBack, Some(on_reject));
        assess_failure(&failure, status, &policy, Some(&stable()), false, false)
    };
    let stays = Verdict::GiveUp(WayBack::Stays);
    assert_eq!(assess(OnReject::RollBack, &at_risk(Progress::Updated)), stays);
    assert_eq!(assess(OnReject::Stay, &at_risk(Progress::Updated)), stays);
    assert_eq!(
        assess(OnReject::RollBack, &harmless()),
        Verdict::GoBack(stable().release)
    );
}

/// A deployment that takes its environment back for this reason, as far as it came.
fn taking_back(because: Name, progress: Option<Progress>) -> Status {
    let leg = progress.map(|_| Leg::Back);
    Status {
        leg,
        rolls_back: true,
        release: Some(stable().release),
        back_to: Some(stable().release),
        because: Some(Failure::new(because, "x")),
        ..status(Leg::Back, progress)
    }
}

fn assess_way_back(failure: Name, status: &Status, in_flight: bool) -> Verdict {
    let failure = Failure::new(failure, "x");
    assess_failure(&failure, status, &gives_back(), Some(&stable()), in_flight, true)
}

#[test]
fn f48_a_way_back_that_fails_is_for_a_person_unless_one_asked_for_it_and_nothing_was_changed() {
    use Name::{AccessDenied, AlarmRaised, LostLock, NoWayBack, ReleaseMissing, SmokeTestsFailed, TakenBack, TimedOut};
    let give_up = Verdict::GiveUp(WayBack::NothingChanged);
    let (unchanged, changed) = (Some(Progress::Unchanged), Some(Progress::Updated));
    for (because, progress, failure, gives_up) in [
        (TakenBack, None, ReleaseMissing, true),
        (TakenBack, None, TimedOut, true),
        (TakenBack, unchanged, SmokeTestsFailed, true),
        (TakenBack, changed, SmokeTestsFailed, false),
        (TakenBack, changed, AccessDenied, false),
        (TakenBack, changed, NoWayBack, false),
        (TakenBack, Some(Progress::Executing), AccessDenied, false),
        (AlarmRaised, None, ReleaseMissing, false),
        (AlarmRaised, None, TimedOut, false),
        (AlarmRaised, unchanged, SmokeTestsFailed, false),
        (AlarmRaised, changed, SmokeTestsFailed, false),
        // The release that it was to go back from is not there any more.
        (AlarmRaised, None, NoWayBack, true),
        (AlarmRaised, changed, NoWayBack, false),
        // Another deployment has the lock.
        (AlarmRaised, None, LostLock, true),
        (AlarmRaised, changed, LostLock, false),
    ] {
        let verdict = assess_way_back(failure, &taking_back(because, progress), false);
        let expected = if gives_up {
            give_up.clone()
        } else {
            Verdict::CallOperator
        };
        assert_eq!(verdict, expected, "{because} {progress:?} {failure}");
    }
    for because in [TakenBack, AlarmRaised] {
        let status = taking_back(because, None);
        assert_eq!(assess_way_back(NoWayBack, &status, true), Verdict::CallOperator);
        let before = Status { fence: None, ..status };
        assert_eq!(assess_way_back(TakenBack, &before, false), give_up);
    }
}

#[test]
fn s10_there_is_no_rollback_of_a_rollback() {
    for failure in Name::ALL {
        for because in [Name::TakenBack, Name::AlarmRaised] {
            for progress in [
                None,
                Some(Progress::Unchanged),
                Some(Progress::NotUpdated),
                Some(Progress::Updated),
            ] {
                for in_flight in [false, true] {
                    let verdict = assess_way_back(*failure, &taking_back(because, progress), in_flight);
                    let ends = matches!(
                        verdict,
                        Verdict::CallOperator | Verdict::GiveUp(WayBack::NothingChanged)
                    );
                    assert!(ends, "{failure} {because} {progress:?} {in_flight}: {verdict:?}");
                }
            }
        }
    }
}

#[test]
fn a_way_back_that_a_person_asked_for_has_an_ending_of_its_own() {
    let arrived = |because| {
        let mut status = taking_back(because, Some(Progress::Updated));
        status.back_stacks = ["web".parse().unwrap()].into();
        status.stacks.insert("jobs".parse().unwrap(), Progress::Unchanged);
        status
    };
    let (to, left) = (stable().release, BTreeSet::from(["jobs".parse().unwrap()]));
    let went_back = |name| Ending::FailedClean {
        failure: Failure::new(name, "x"),
        way_back: WayBack::WentBack {
            to: to.clone(),
            left: left.clone(),
        },
    };
    assert_eq!(
        ending_of(&arrived(Name::TakenBack)),
        Ending::RolledBack {
            to: to.clone(),
            left: left.clone()
        }
    );
    assert_eq!(ending_of(&arrived(Name::AlarmRaised)), went_back(Name::AlarmRaised));
    // Taken back while it baked: it is that deployment which failed.
    let baked = Status {
        rolls_back: false,
        bake_answered: Some(Word {
            says: Says::GoBack,
            by: "ann".to_owned(),
            why: "x".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }),
        bake_asked: Some(Question::Silent {
            missing: "nobody uses it".to_owned(),
        }),
        ..arrived(Name::TakenBack)
    };
    assert_eq!(ending_of(&baked), went_back(Name::TakenBack));
    // Nothing to change, and the environment is taken back all the same.
    let mut unchanged = arrived(Name::TakenBack);
    unchanged.stacks = [("web".parse().unwrap(), Progress::Unchanged)].into();
    assert!(matches!(ending_of(&unchanged), Ending::RolledBack { left, .. } if left.is_empty()));
}

/// A deployment into an environment that holds after it went back, and that takes it back where a reason is given.
fn deployment(because: Option<Name>) -> Deployment {
    Deployment {
        id: "shop-test-1".parse().unwrap(),
        application: "acme/shop".parse().unwrap(),
        environment: Environment {
            holds: true,
            ..gives_back()
        },
        commit: "c".repeat(40).parse().unwrap(),
        reference: "v1".to_owned(),
        release: because.map(|_| stable().release),
        requested: Request {
            by: "ann".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            happened_at: Timestamp::UNIX_EPOCH,
            because: Cause::Manual,
            delivery: None,
            before: None,
            title: String::new(),
            at_github: None,
        },
        rollback: because.map(|because| Rollback {
            from: Digest::of(b"bad"),
            stable: Digest::of(b"bad"),
            because: Failure::new(because, "why it goes"),
        }),
        plans: false,
    }
}

/// Every way to end, and the first two are those of a way back.
fn endings() -> [Ending; 10] {
    let failed = |way_back| Ending::FailedClean {
        failure: Failure::new(Name::AlarmRaised, "errors went into ALARM"),
        way_back,
    };
    [
        Ending::RolledBack {
            to: stable().release,
            left: BTreeSet::new(),
        },
        failed(WayBack::went_back(stable().release)),
        failed(WayBack::NothingChanged),
        failed(WayBack::NoStableRelease),
        failed(WayBack::Stays),
        Ending::Deployed,
        Ending::NothingToDeploy,
        Ending::Planned,
        Ending::Superseded {
            by: "shop-test-2".parse().unwrap(),
        },
        Ending::OperatorNeeded {
            failure: Failure::new(Name::RollbackFailed, "x"),
        },
    ]
}

#[test]
fn an_environment_holds_after_it_went_back_and_after_nothing_else() {
    let now = Timestamp::UNIX_EPOCH;
    let hold = |deployment: &Deployment, ending: &Ending| {
        let hold = hold_after(deployment, ending, now)?;
        assert_eq!((hold.by.as_str(), hold.since), ("shop-test-1", now));
        Some(hold.why)
    };
    let [rolled_back, went_back, others @ ..] = endings();
    let by_alarm = Some("Failed.AlarmRaised: errors went into ALARM");
    for because in [None, Some(Name::TakenBack), Some(Name::AlarmRaised)] {
        let deployment = deployment(because);
        let why = because.map(|because| format!("{because}: why it goes"));
        assert_eq!(hold(&deployment, &rolled_back), why);
        assert_eq!(hold(&deployment, &went_back).as_deref(), by_alarm);
        for other in &others {
            assert_eq!(hold(&deployment, other), None, "{other:?}");
        }
        let mut free = deployment;
        free.environment.holds = false;
        for ending in endings() {
            assert_eq!(hold(&free, &ending), None, "it does not hold: {ending:?}");
        }
    }
}

#[test]
fn s09_an_environment_that_was_taken_back_has_the_release_that_was_stable_there_before() {
    let to = StableRelease {
        deployment: "long-before".parse().unwrap(),
        ..stable()
    };
    let left_by = |because: Option<Name>, ending: &Ending, to: Option<&StableRelease>| {
        let status = taking_back(Name::TakenBack, Some(Progress::Updated));
        left_by(&deployment(because), &status, ending, to, Timestamp::UNIX_EPOCH)
    };
    let [rolled_back, went_back, nothing_changed, ..] = endings();
    for because in [Name::TakenBack, Name::AlarmRaised] {
        for ending in [&rolled_back, &went_back] {
            assert_eq!(left_by(Some(because), ending, Some(&to)), Left::BackTo(to.clone()));
            assert_eq!(
                left_by(Some(because), ending, None),
                Left::Back,
                "nothing is kept of it"
            );
        }
    }
    // On its own way back a deployment leaves what was stable last, and no other.
    assert_eq!(left_by(None, &went_back, Some(&to)), Left::Back);
    assert_eq!(
        left_by(Some(Name::TakenBack), &nothing_changed, Some(&to)),
        Left::Unstable
    );
    let beside = Ending::FailedClean {
        failure: Failure::new(Name::AlarmRaised, "x"),
        way_back: WayBack::WentBack {
            to: stable().release,
            left: ["jobs".parse().unwrap()].into(),
        },
    };
    assert_eq!(left_by(None, &beside, None), Left::BackBeside);
    assert_eq!(left_by(Some(Name::AlarmRaised), &beside, Some(&to)), Left::BackTo(to));
}
