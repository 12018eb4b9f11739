#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::failure::Failure;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn period(days: i64) -> Period {
    Period {
        since: at(0),
        until: at(days * DAY),
    }
}

fn commit(number: u8) -> CommitSha {
    format!("{number:02x}").repeat(20).parse().unwrap()
}

fn release(number: u8) -> Digest {
    Digest::of(&[number])
}

fn came(number: u8, second: i64) -> BTreeMap<CommitSha, Timestamp> {
    BTreeMap::from([(commit(number), at(second))])
}

/// A deployment of that commit to dev, asked for then, which ended so an hour later.
fn attempt(number: u8, asked: i64, ending: Ending) -> Attempt {
    Attempt {
        environment: "dev".parse().unwrap(),
        commit: commit(number),
        release: Some(release(number)),
        takes_back: None,
        asked: at(asked),
        touched: ending != Ending::NothingToDeploy,
        failed: None,
        ended: Some((ending, at(asked + HOUR))),
    }
}

fn failed(name: Name, way_back: WayBack) -> Ending {
    Ending::FailedClean {
        failure: Failure::new(name, "why"),
        way_back,
    }
}

fn rollback(from: u8, asked: i64) -> Attempt {
    let ending = Ending::RolledBack {
        to: release(0),
        left: BTreeSet::new(),
    };
    Attempt {
        takes_back: Some(release(from)),
        ..attempt(0, asked, ending)
    }
}

fn dev(attempts: &[Attempt], came: &BTreeMap<CommitSha, Timestamp>, days: i64) -> Figures {
    let mut all = figures(attempts, came, period(days));
    assert_eq!(all.len(), 1);
    all.remove(&"dev".parse().unwrap()).unwrap()
}

/// How many changes, how many of them failed, after how many seconds each was restored (median), how many never.
fn stability(attempts: &[Attempt]) -> (u32, u32, Option<i64>, u32) {
    let figures = dev(attempts, &BTreeMap::new(), 30);
    let median = figures.restore.map(|times| times.median.as_secs());
    (figures.changes, figures.failures, median, figures.unrestored)
}

#[test]
fn without_deployments_there_are_no_figures() {
    assert!(figures(&[], &BTreeMap::new(), period(30)).is_empty());
    let nothing = dev(&[attempt(1, 5, Ending::NothingToDeploy)], &came(1, 0), 14);
    let week = |since: i64| Week {
        since: at(since),
        deployments: 0,
        lead_time: None,
        changes: 0,
        failures: 0,
        restore: None,
    };
    let none = Figures {
        deployments: 0,
        per_day: Some(0.0),
        weeks: vec![week(0), week(7 * DAY)],
        lead_time: None,
        changes: 0,
        failures: 0,
        restore: None,
        unrestored: 0,
    };
    assert_eq!((nothing.failure_rate(), nothing.sparkline().as_str()), (None, "▁▁"));
    assert_eq!(nothing, none);
}

#[test]
fn deployments_are_counted_by_the_week_in_which_they_ended() {
    let deployed = |day: i64| attempt(1, day * DAY, Ending::Deployed);
    // 16 days: a first week of two days, then two whole ones.
    let attempts: Vec<Attempt> = [0, 2, 3, 3, 3, 9].map(deployed).into();
    let figures = dev(&attempts, &BTreeMap::new(), 16);
    let weeks: Vec<(i64, u32)> = figures
        .weeks
        .iter()
        .map(|week| (week.since.as_second() / DAY, week.deployments))
        .collect();
    assert_eq!(weeks, [(0, 1), (2, 4), (9, 1)]);
    assert_eq!(figures.sparkline(), "▃█▃");
    assert_eq!((figures.deployments, figures.per_day), (6, Some(0.375)));
}

#[test]
fn a_week_has_what_became_of_the_deployments_that_ended_in_it_however_late_that_was_mended() {
    let attempts = [
        attempt(1, 0, Ending::Deployed),
        attempt(2, DAY, failed(Name::NotAccepted, WayBack::Stays)),
        attempt(3, 8 * DAY, Ending::Deployed),
    ];
    let came = BTreeMap::from([(commit(1), at(0)), (commit(3), at(8 * DAY))]);
    let figures = dev(&attempts, &came, 14);
    let [first, second] = &figures.weeks[..] else {
        panic!("{figures:?}")
    };
    let hours = |times: Option<Times>| times.map(|times| times.median.as_hours());
    assert_eq!((first.changes, first.failures, first.failure_rate()), (2, 1, Some(0.5)));
    assert_eq!((hours(first.lead_time), hours(first.restore)), (Some(1), Some(7 * 24)));
    assert_eq!(
        (second.changes, second.failures, second.failure_rate()),
        (1, 0, Some(0.0))
    );
    assert_eq!((hours(second.lead_time), hours(second.restore)), (Some(1), None));
}

#[test]
fn what_is_outside_the_period_not_over_or_in_another_environment_is_not_counted() {
    let mut under_way = attempt(3, 2 * DAY, Ending::Deployed);
    under_way.ended = None;
    let mut elsewhere = attempt(4, 2 * DAY, Ending::Deployed);
    elsewhere.environment = "test".parse().unwrap();
    let attempts = [
        attempt(1, -1, Ending::Deployed),
        attempt(2, DAY, Ending::Deployed),
        under_way,
        elsewhere,
        attempt(5, 7 * DAY, Ending::Deployed),
    ];
    let all = figures(&attempts, &BTreeMap::new(), period(7));
    let counted: Vec<(&str, u32, u32)> = all
        .iter()
        .map(|(name, figures)| (name.as_str(), figures.deployments, figures.changes))
        .collect();
    assert_eq!(counted, [("dev", 1, 1), ("test", 1, 1)]);
}

#[test]
fn lead_time_is_from_the_first_push_to_the_first_time_it_was_deployed() {
    let attempts = [
        attempt(1, 10 * HOUR, Ending::Deployed),
        // Once more, after it had been taken back: not counted again.
        attempt(1, 90 * HOUR, Ending::Deployed),
        attempt(
            2,
            20 * HOUR,
            failed(Name::SmokeTestsFailed, WayBack::went_back(release(1))),
        ),
        // Of this one nobody knows when it came.
        attempt(3, 30 * HOUR, Ending::Deployed),
        // By the clock of another machine, it was pushed after it was deployed.
        attempt(4, 40 * HOUR, Ending::Deployed),
    ];
    let came = BTreeMap::from([(commit(1), at(HOUR)), (commit(2), at(0)), (commit(4), at(50 * HOUR))]);
    let times = dev(&attempts, &came, 30).lead_time.unwrap();
    assert_eq!(
        (times.count, times.median.as_secs(), times.p90.as_secs()),
        (2, 0, 10 * HOUR)
    );
}

#[test]
fn ranks_are_times_that_there_were() {
    let of = |seconds: std::ops::RangeInclusive<i64>| {
        let times = times(seconds.map(SignedDuration::from_secs).collect())?;
        Some((times.count, times.median.as_secs(), times.p90.as_secs()))
    };
    assert_eq!(times(vec![]), None);
    assert_eq!(of(7..=7), Some((1, 7, 7)));
    assert_eq!(of(1..=2), Some((2, 1, 2)));
    assert_eq!(of(1..=10), Some((10, 5, 9)));
    assert_eq!(of(1..=11), Some((11, 6, 10)));
}

#[test]
fn each_way_to_fail_is_counted_once_and_restored_as_it_was() {
    let good = || attempt(1, 0, Ending::Deployed);
    assert_eq!(stability(&[good()]), (1, 0, None, 0));

    let mut went_back = attempt(2, DAY, failed(Name::AlarmRaised, WayBack::went_back(release(1))));
    went_back.failed = Some(at(DAY + HOUR - 120));
    assert_eq!(stability(&[good(), went_back]), (2, 1, Some(120), 0));

    // The next one does well; the first is restored when it ends.
    let stays = attempt(2, DAY, failed(Name::NotAccepted, WayBack::Stays));
    let next = attempt(3, 2 * DAY, Ending::Deployed);
    assert_eq!(stability(&[good(), stays.clone(), next]), (3, 1, Some(DAY), 0));
    assert_eq!(stability(&[good(), stays]), (2, 1, None, 1));

    let stuck = Ending::OperatorNeeded {
        failure: Failure::new(Name::RollbackFailed, "why"),
    };
    let mended = attempt(2, 2 * DAY, Ending::NothingToDeploy);
    assert_eq!(stability(&[attempt(2, DAY, stuck), mended]), (1, 1, Some(DAY), 0));

    // CloudFormation put it back: a failure with nothing left to restore.
    let put_back = attempt(2, DAY, failed(Name::StackRolledBack, WayBack::NothingChanged));
    assert_eq!(stability(&[good(), put_back]), (2, 1, None, 0));

    // Refused before anything was changed.
    let mut refused = attempt(2, DAY, failed(Name::Frozen, WayBack::NothingChanged));
    refused.touched = false;
    assert_eq!(stability(&[good(), refused]), (1, 0, None, 0));

    // People were asked when a newer one came: it had changed the environment, and did not fail.
    let by = "shop-dev-3".parse().unwrap();
    assert_eq!(
        stability(&[attempt(2, DAY, Ending::Superseded { by })]),
        (1, 0, None, 0)
    );
}

#[test]
fn what_is_taken_back_later_has_failed_from_when_that_was_asked() {
    let attempts = [
        attempt(1, 0, Ending::Deployed),
        attempt(2, DAY, Ending::Deployed),
        rollback(2, 3 * DAY),
    ];
    assert_eq!(stability(&attempts), (2, 1, Some(HOUR), 0));
    // What it is taken back from was asked for before the period.
    assert_eq!(stability(&[attempts[0].clone(), rollback(9, DAY)]), (1, 0, None, 0));
    // A rollback that came to nothing.
    let mut refused = rollback(2, 3 * DAY);
    refused.touched = false;
    refused.ended = Some((failed(Name::NoWayBack, WayBack::NothingChanged), at(4 * DAY)));
    assert_eq!(
        stability(&[attempts[0].clone(), attempts[1].clone(), refused]),
        (2, 0, None, 0)
    );
    // One that had failed already is one failure, and restored by the way back.
    let stays = attempt(2, DAY, failed(Name::NotAccepted, WayBack::Stays));
    let twice = [attempts[0].clone(), stays, rollback(2, 3 * DAY)];
    assert_eq!(stability(&twice), (2, 1, Some(2 * DAY), 0));
}

#[test]
fn a_deployment_is_read_from_its_record() {
    let requested: Deployment = serde_json::from_value(serde_json::json!({
        "id": "shop-dev-1", "application": "acme/shop", "commit": commit(1), "reference": "main", "release": null,
        "environment": {
            "name": "dev", "account": "222222222222", "region": "eu-west-1", "on": ["push"], "after": null,
            "queue": "newest", "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back",
            "replace_failed_stacks": true,
        },
        "requested": {
            "by": "alice", "at": at(5), "happened_at": at(3), "because": "push", "delivery": null, "before": null,
            "title": "Sell apples",
        },
    }))
    .unwrap();
    let put_back = Status {
        release: Some(release(1)),
        ending: Some(failed(Name::StackRolledBack, WayBack::NothingChanged)),
        ..Status::default()
    };
    let read = Attempt::of(&requested, &put_back, at(9), None).unwrap();
    assert!(read.touched && read.is_change());
    assert_eq!((read.asked, read.ended.unwrap().1), (at(5), at(9)));
    let under_way = Attempt::of(&requested, &Status::default(), at(9), None).unwrap();
    assert!(!under_way.touched && under_way.ended.is_none());
    let plan = Deployment {
        plans: true,
        ..requested
    };
    assert_eq!(Attempt::of(&plan, &Status::default(), at(9), None), None);
}

fn any_ending() -> impl Strategy<Value = Ending> {
    let failure = || Failure::new(Name::SmokeTestsFailed, "why");
    prop_oneof![
        Just(Ending::Deployed),
        Just(Ending::NothingToDeploy),
        Just(failed(Name::AlarmRaised, WayBack::went_back(release(0)))),
        Just(failed(Name::NotAccepted, WayBack::Stays)),
        Just(failed(Name::StackRolledBack, WayBack::NothingChanged)),
        Just(Ending::OperatorNeeded { failure: failure() }),
    ]
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    (
        0_u8..5,
        -DAY..40 * DAY,
        any_ending(),
        proptest::option::of(0_u8..5),
        any::<bool>(),
    )
        .prop_map(|(number, asked, ending, takes_back, over)| {
            let mut attempt = attempt(number, asked, ending);
            attempt.takes_back = takes_back.map(release);
            attempt.ended = attempt.ended.filter(|_| over);
            attempt
        })
}

proptest! {
    #[test]
    fn figures_hold_together_and_are_numbers(
        attempts in proptest::collection::vec(any_attempt(), 0..30),
        days in 0_i64..40,
    ) {
        let came: BTreeMap<CommitSha, Timestamp> = (0..3).map(|number| (commit(number), at(0))).collect();
        for figures in figures(&attempts, &came, period(days)).values() {
            prop_assert!(figures.failures <= figures.changes && figures.deployments <= figures.changes);
            prop_assert!(figures.failure_rate().is_none_or(|rate| (0.0..=1.0).contains(&rate)));
            prop_assert!(figures.per_day.is_some_and(f64::is_finite));
            let sum = |of: fn(&Week) -> u32| figures.weeks.iter().map(of).sum::<u32>();
            let many = |times: Option<Times>| times.map_or(0, |times| times.count);
            prop_assert_eq!(sum(|week| week.deployments), figures.deployments);
            prop_assert_eq!(sum(|week| week.changes), figures.changes);
            prop_assert_eq!(sum(|week| week.failures), figures.failures);
            prop_assert_eq!(figures.weeks.iter().map(|week| many(week.lead_time)).sum::<u32>(), many(figures.lead_time));
            prop_assert_eq!(figures.weeks.iter().map(|week| many(week.restore)).sum::<u32>(), many(figures.restore));
            prop_assert!(figures.weeks.iter().all(|week| week.failures <= week.changes));
            prop_assert_eq!(figures.sparkline().chars().count(), figures.weeks.len());
            let restored = figures.restore.map_or(0, |times| times.count);
            prop_assert!(restored + figures.unrestored <= figures.failures);
            for times in [figures.lead_time, figures.restore].into_iter().flatten() {
                prop_assert!(times.count > 0 && times.median <= times.p90);
                prop_assert!(!times.median.is_negative());
            }
        }
    }

    #[test]
    fn the_order_in_which_deployments_are_given_says_nothing(
        attempts in proptest::collection::vec(any_attempt(), 0..12),
    ) {
        let attempts: BTreeMap<Timestamp, Attempt> = attempts.into_iter().map(|attempt| (attempt.asked, attempt)).collect();
        let forwards: Vec<Attempt> = attempts.values().cloned().collect();
        let backwards: Vec<Attempt> = attempts.into_values().rev().collect();
        let came = came(1, 0);
        prop_assert_eq!(figures(&forwards, &came, period(30)), figures(&backwards, &came, period(30)));
    }
}
