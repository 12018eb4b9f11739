//! What an alarm comes to after the bake.

use super::*;

/// When a release is not taken back by an alarm any more.
const OVER: i64 = BAKE + WATCH;

fn watching() -> Course {
    Course::Watching { until: at(OVER) }
}

/// A release that is stable, after its bake.
fn stable(course: Course) -> Watch {
    Watch {
        course,
        ..watch(Silence::Ask, None)
    }
}

/// Nothing else is under way, and there is an earlier release.
fn clear() -> Surroundings {
    Surroundings {
        stable: Some(Digest::of(b"new")),
        under_way: None,
        has_earlier: true,
    }
}

pub(super) fn any_course() -> impl Strategy<Value = Course> {
    prop_oneof![
        1 => Just(Course::Baking),
        6 => Just(watching()),
        3 => Just(Course::Telling),
        1 => Just(Course::Over),
    ]
}

pub(super) fn any_around() -> impl Strategy<Value = Surroundings> {
    let stable = prop_oneof![
        8 => Just(Some(Digest::of(b"new"))),
        1 => Just(Some(Digest::of(b"newer"))),
        1 => Just(None),
    ];
    let under_way = proptest::option::weighted(0.2, Just("shop-production-2".parse().unwrap()));
    (stable, under_way, proptest::bool::weighted(0.8)).prop_map(|(stable, under_way, has_earlier)| Surroundings {
        stable,
        under_way,
        has_earlier,
    })
}

fn line(after: &After) -> String {
    match after {
        After::Wait(at) => format!("wait until {at}"),
        After::Quiet => "quiet".to_owned(),
        After::Over => "over".to_owned(),
        After::RollBack(alarm) => format!("roll back: {alarm}"),
        After::Tell { alarm, at, why } => format!("tell at {at}: {why} ({})", alarm.cause),
    }
}

#[test]
fn f46_after_its_bake_an_alarm_takes_a_release_back_or_is_told_with_the_reason_why_not() {
    let busy = || Surroundings {
        under_way: Some("shop-production-2".parse().unwrap()),
        ..clear()
    };
    let first = || Surroundings {
        has_earlier: false,
        ..clear()
    };
    let none = Obstacles::default;
    let fires = BAKE + 100;
    let cases = [
        ("while it is watched", watching(), none(), clear(), fires),
        ("after that", Course::Telling, none(), clear(), fires),
        ("at the very end", watching(), none(), clear(), OVER - 1),
        ("a moment later", watching(), none(), clear(), OVER),
        ("beside another", watching(), none(), busy(), fires),
        ("data at risk", watching(), at_risk(), clear(), fires),
        ("taken back before", watching(), taken_back_before(), clear(), fires),
        ("the first release", watching(), none(), first(), fires),
        ("everything at once", watching(), at_risk(), busy(), fires),
    ];
    let told: Vec<String> = cases
        .into_iter()
        .map(|(what, course, obstacles, around, fired)| {
            let seen = seen(AlarmState::Ok, Some(fired));
            let after = stable(course).after(&seen, &obstacles, &around, at(OVER + 60));
            format!("{what}: {}", line(&after))
        })
        .collect();
    assert_snapshot!(told.join("\n"), @"
    while it is watched: roll back: Failed.AlarmRaised: errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900
    after that: tell at 1970-01-01T00:31:40Z: its bake, and the time for which it is watched, are over (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    at the very end: roll back: Failed.AlarmRaised: errors went into ALARM at 01:29:59 UTC: Threshold crossed at 5399
    a moment later: tell at 1970-01-01T01:30:00Z: its bake, and the time for which it is watched, are over (errors went into ALARM at 01:30:00 UTC: Threshold crossed at 5400)
    beside another: tell at 1970-01-01T00:31:40Z: shop-production-2 is under way there (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    data at risk: tell at 1970-01-01T00:31:40Z: going back would not bring back the data of what it replaced or removed: web/Orders (AWS::DynamoDB::Table) (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    taken back before: tell at 1970-01-01T00:31:40Z: it was taken back here once before, and that is done once only (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    the first release: tell at 1970-01-01T00:31:40Z: there is no earlier stable release to go back to (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    everything at once: tell at 1970-01-01T00:31:40Z: shop-production-2 is under way there (errors went into ALARM at 00:31:40 UTC: Threshold crossed at 1900)
    ");
}

#[test]
fn f44_an_alarm_of_a_release_that_is_not_there_any_more_changes_nothing() {
    let raised = seen(AlarmState::Alarm, Some(BAKE + 100));
    for release in [Some(Digest::of(b"newer")), None] {
        for course in [Course::Baking, watching(), Course::Telling, Course::Over] {
            let around = Surroundings {
                stable: release.clone(),
                ..clear()
            };
            let after = stable(course).after(&raised, &Obstacles::default(), &around, at(BAKE + 100));
            assert_eq!(after, After::Over, "{course:?}");
        }
    }
    for course in [Course::Baking, Course::Over] {
        let after = stable(course).after(&raised, &Obstacles::default(), &clear(), at(BAKE + 100));
        assert_eq!(after, After::Over, "{course:?}");
    }
}

#[test]
fn a_quiet_release_is_looked_at_each_minute_while_it_is_watched_and_not_afterwards() {
    let after = |course, second| stable(course).after(&quiet(), &Obstacles::default(), &clear(), at(second));
    assert_eq!(after(watching(), BAKE), After::Wait(at(BAKE + 60)));
    assert_eq!(after(watching(), OVER - 1), After::Wait(at(OVER + 59)));
    assert_eq!(after(watching(), OVER), After::Quiet);
    assert_eq!(after(Course::Telling, BAKE), After::Quiet);
}

#[test]
fn f46_an_alarm_that_went_off_in_time_counts_though_another_went_off_too_late_before_anybody_looked() {
    let both = Seen {
        alarms: vec![
            alarm("latency", AlarmState::Alarm, Some(OVER + 5)),
            alarm("errors", AlarmState::Alarm, Some(OVER - 5)),
        ],
        ..Seen::default()
    };
    let look = |told_of: Option<i64>| {
        let watch = Watch {
            told_of: told_of.map(at),
            ..stable(watching())
        };
        line(&watch.after(&both, &Obstacles::default(), &clear(), at(OVER + 60)))
    };
    let told = [look(None), look(Some(OVER - 5)), look(Some(OVER + 5))];
    assert_snapshot!(told.join("\n"), @"
    roll back: Failed.AlarmRaised: errors went into ALARM at 01:29:55 UTC: Threshold crossed at 5395; so did latency
    tell at 1970-01-01T01:30:05Z: its bake, and the time for which it is watched, are over (latency went into ALARM at 01:30:05 UTC: Threshold crossed at 5405)
    quiet
    ");
}

proptest! {
    #[test]
    fn s10_a_stable_release_is_taken_back_only_where_nothing_at_all_speaks_against_it(
        course in any_course(), told_of in proptest::option::of(-600..OVER), seen in any_seen(),
        obstacles in any_obstacles(), around in any_around(), second in BAKE..2 * OVER,
    ) {
        let watch = Watch { told_of: told_of.map(at), ..stable(course) };
        let fired = seen.alarms.iter().filter_map(|alarm| alarm.fired.as_ref()).map(|fired| fired.at);
        let news: Vec<Timestamp> = fired.filter(|at| watch.told_of.is_none_or(|told| *at > told)).collect();
        let is_there = around.stable.as_ref() == Some(&watch.release) && matches!(course, Course::Watching { .. } | Course::Telling);
        let in_time = matches!(course, Course::Watching { until } if news.iter().any(|at| *at < until));
        let is_watched = matches!(course, Course::Watching { until } if at(second) < until);
        let is_free = around.under_way.is_none() && around.has_earlier && obstacles.is_clear();
        match watch.after(&seen, &obstacles, &around, at(second)) {
            After::Over => prop_assert!(!is_there),
            After::RollBack(alarm) => {
                prop_assert!(is_there && in_time && is_free);
                prop_assert_eq!(alarm.name, Name::AlarmRaised);
            }
            After::Tell { alarm, at, why } => {
                prop_assert!(is_there && !(in_time && is_free));
                prop_assert_eq!(Some(&at), news.iter().max());
                prop_assert_eq!(alarm.name, Name::AlarmRaised);
                prop_assert!(!why.is_empty());
                // Once only.
                let told = Watch { told_of: Some(at), ..watch };
                let again = told.after(&seen, &obstacles, &around, at);
                prop_assert!(matches!(again, After::Wait(_) | After::Quiet), "{again:?}");
            }
            After::Wait(next) => {
                prop_assert!(is_there && news.is_empty() && is_watched);
                prop_assert_eq!(next, at(second + 60));
            }
            After::Quiet => {
                prop_assert!(is_there && news.is_empty() && !is_watched);
            }
        }
    }

    #[test]
    fn f45_an_alarm_that_flaps_takes_a_release_back_once_and_each_time_is_told_once(
        steps in proptest::collection::vec((step(), any_around()), 1..40), obstacles in any_obstacles(),
    ) {
        let (mut watch, mut kept, mut now) = (stable(watching()), Kept::default(), at(BAKE));
        let (mut times, mut tells, mut rollbacks) = (0, 0, 0);
        for (step, around) in &steps {
            now += SignedDuration::from_secs(step.seconds);
            times += usize::from(kept.turn(&step.turns, now));
            let since = watch.told_of.map_or(watch.bakes_until, |told| told.max(watch.bakes_until));
            let seen = kept.seen(since, 0, false);
            // As whoever looks leaves it.
            match watch.after(&seen, &obstacles, around, now) {
                After::Wait(_) => {}
                After::Quiet => watch.course = Course::Telling,
                After::Over => watch.course = Course::Over,
                After::RollBack(_) => {
                    prop_assert!(watch.course == watching() && obstacles.is_clear());
                    watch.course = Course::Over;
                    rollbacks += 1;
                }
                After::Tell { at, .. } => {
                    prop_assert!(watch.told_of.is_none_or(|told| told < at));
                    watch.told_of = Some(at);
                    tells += 1;
                }
            }
        }
        prop_assert!(rollbacks <= 1);
        prop_assert!(tells + rollbacks <= times, "{tells} of {times}");
    }
}
