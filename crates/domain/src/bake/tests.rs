#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

mod after;

/// For so long a release bakes, in seconds.
const BAKE: i64 = 1800;

/// And for so long it is watched afterwards.
const WATCH: i64 = 3600;

const NAMES: [&str; 3] = ["errors", "latency", "throttles"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A release that bakes, since the beginning of time.
fn watch(silence: Silence, at_least: Option<u64>) -> Watch {
    Watch {
        deployment: "shop-production-1".parse().unwrap(),
        application: "acme/shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        account: "444444444444".parse().unwrap(),
        region: "eu-west-1".parse().unwrap(),
        release: Digest::of(b"new"),
        policy: BakePolicy {
            begins: Begins::AfterTests,
            for_seconds: 1800,
            alarms: NAMES.map(|name| AlarmChoice::Named(name.to_owned())).into(),
            evidence: at_least.map(|at_least| EvidencePolicy {
                namespace: "AWS/ApiGateway".to_owned(),
                metric: "Count".to_owned(),
                dimensions: BTreeMap::new(),
                at_least,
            }),
            silence,
        },
        since: at(0),
        bakes_until: at(BAKE),
        watch_seconds: 3600,
        course: Course::Baking,
        asked: None,
        word: None,
        told_of: None,
        at_risk: Vec::new(),
        look_at: at(BAKE + 300),
    }
}

fn alarm(name: &str, state: AlarmState, fired: Option<i64>) -> AlarmSeen {
    AlarmSeen {
        name: name.to_owned(),
        state,
        fired: fired.map(|second| Fired {
            at: at(second),
            reason: format!("Threshold crossed at {second}"),
        }),
    }
}

/// All alarms of the policy, of which the first says and did this.
fn seen(state: AlarmState, fired: Option<i64>) -> Seen {
    Seen {
        alarms: vec![
            alarm("errors", state, fired),
            alarm("latency", AlarmState::Ok, None),
            alarm("throttles", AlarmState::Ok, None),
        ],
        ..Seen::default()
    }
}

fn quiet() -> Seen {
    seen(AlarmState::Ok, None)
}

fn word(says: Says) -> Word {
    Word {
        says,
        by: "arn:aws:iam::111111111111:user/ann".to_owned(),
        why: "looked at the logs".to_owned(),
        at: at(60),
    }
}

fn at_risk() -> Obstacles {
    Obstacles {
        data_at_risk: vec!["web/Orders (AWS::DynamoDB::Table)".to_owned()],
        taken_back_before: false,
    }
}

fn taken_back_before() -> Obstacles {
    Obstacles {
        taken_back_before: true,
        ..Obstacles::default()
    }
}

/// What follows, as a line.
fn line(next: &Next) -> String {
    match next {
        Next::Wait(at) => format!("wait until {at}"),
        Next::Passed => "passed".to_owned(),
        Next::GoBack(failure) => format!("go back: {failure}"),
        Next::Ask(question) => {
            let alarm = question
                .alarm()
                .map_or_else(String::new, |alarm| format!(" ({})", alarm.cause));
            format!("ask: {}{alarm}", question.why())
        }
    }
}

#[test]
fn f45_a_release_about_which_nothing_can_be_said_waits_for_a_person_or_passes_as_its_environment_says() {
    let missing = |choice| Seen {
        missing: vec![choice],
        ..quiet()
    };
    let tag = AlarmChoice::Tagged {
        key: "lockgate".to_owned(),
        value: "shop".to_owned(),
    };
    let evidence = |evidence| Seen { evidence, ..quiet() };
    let blind = Seen {
        blind: Some("AccessDenied:\n cloudwatch:DescribeAlarms\u{202e}".to_owned()),
        ..Seen::default()
    };
    let cases = [
        ("all are OK", None, quiet()),
        ("nothing is read", None, blind),
        ("one is gone", None, missing(AlarmChoice::Named("errors".to_owned()))),
        ("no alarm has the tag", None, missing(tag)),
        (
            "one has no data for the whole bake",
            None,
            seen(AlarmState::InsufficientData, None),
        ),
        ("nobody uses it", Some(100), evidence(Some(0))),
        ("evidence was not even found", Some(100), evidence(None)),
        ("too few use it", Some(100), evidence(Some(99))),
        ("enough use it", Some(100), evidence(Some(100))),
    ];
    let mut told = Vec::new();
    for (what, at_least, seen) in cases {
        let next = |silence, second| watch(silence, at_least).bake(&seen, &Obstacles::default(), at(second));
        told.push(format!("{what}: {}", line(&next(Silence::Ask, BAKE))));
        if seen.blind.is_some() {
            assert_eq!(
                next(Silence::Pass, BAKE),
                next(Silence::Ask, BAKE),
                "nobody asked to pass over that"
            );
        } else {
            assert_eq!(next(Silence::Pass, BAKE), Next::Passed, "{what}");
        }
        for silence in [Silence::Ask, Silence::Pass] {
            assert_eq!(next(silence, BAKE - 30), Next::Wait(at(BAKE)), "{what}: it is not over");
            assert_eq!(next(silence, 0), Next::Wait(at(60)), "{what}: it has begun");
        }
    }
    assert_snapshot!(told.join("\n"), @"
    all are OK: passed
    nothing is read: ask: nothing shows that the release is healthy: the alarms cannot be read: AccessDenied: cloudwatch:DescribeAlarms
    one is gone: ask: nothing shows that the release is healthy: there is no such alarm any more: errors
    no alarm has the tag: ask: nothing shows that the release is healthy: there is no such alarm any more: all with the tag lockgate=shop
    one has no data for the whole bake: ask: nothing shows that the release is healthy: the alarm errors has no data
    nobody uses it: ask: nothing shows that the release is healthy: Count of AWS/ApiGateway adds up to 0, and 100 are asked for
    evidence was not even found: ask: nothing shows that the release is healthy: Count of AWS/ApiGateway adds up to 0, and 100 are asked for
    too few use it: ask: nothing shows that the release is healthy: Count of AWS/ApiGateway adds up to 99, and 100 are asked for
    enough use it: passed
    ");
}

#[test]
fn f44_an_alarm_that_went_off_counts_whenever_it_is_seen_and_whatever_it_says_now() {
    let cases = [
        ("it is in ALARM", 100, seen(AlarmState::Alarm, Some(100))),
        ("it is OK again", 100, seen(AlarmState::Ok, Some(100))),
        ("it has no data now", 100, seen(AlarmState::InsufficientData, Some(100))),
        ("it was in ALARM before", 0, seen(AlarmState::Alarm, Some(-100))),
        (
            "seen when the bake is over",
            BAKE + 500,
            seen(AlarmState::Ok, Some(BAKE + 100)),
        ),
        (
            "beside one that is gone",
            100,
            Seen {
                missing: vec![AlarmChoice::Named("latency".to_owned())],
                ..seen(AlarmState::Alarm, Some(100))
            },
        ),
        (
            "with evidence that it is used",
            100,
            Seen {
                evidence: Some(1000),
                ..seen(AlarmState::Alarm, Some(100))
            },
        ),
    ];
    for (what, second, seen) in cases {
        for silence in [Silence::Ask, Silence::Pass] {
            let watch = watch(silence, Some(100));
            let bake = |obstacles: &Obstacles| watch.bake(&seen, obstacles, at(second));
            let gone_back = bake(&Obstacles::default());
            let is_raised = matches!(&gone_back, Next::GoBack(failure) if failure.name == Name::AlarmRaised);
            assert!(is_raised, "{what}: {gone_back:?}");
            assert_eq!(gone_back, bake(&Obstacles::default()), "{what}: told twice");
            let asked = bake(&at_risk());
            let data = matches!(asked, Next::Ask(Question::DataAtRisk { .. }));
            assert!(data, "{what}: {asked:?}");
            let asked = bake(&taken_back_before());
            let before = matches!(asked, Next::Ask(Question::TakenBackBefore { .. }));
            assert!(before, "{what}: {asked:?}");
        }
    }
}

#[test]
fn the_earliest_alarm_is_named_first_and_why_it_went_off() {
    let alarms = |order: [usize; 3]| {
        let all = [
            alarm("latency", AlarmState::Ok, Some(700)),
            alarm("errors", AlarmState::Alarm, Some(650)),
            alarm("throttles", AlarmState::Alarm, Some(650)),
        ];
        Seen {
            alarms: order.map(|place| all[place].clone()).into(),
            ..Seen::default()
        }
    };
    let bake = |seen: &Seen, obstacles: &Obstacles| line(&watch(Silence::Ask, None).bake(seen, obstacles, at(900)));
    let hostile = AlarmSeen {
        name: "errors\u{202e}".to_owned(),
        state: AlarmState::Alarm,
        fired: Some(Fired {
            at: at(650),
            reason: "1 > 0\n\nWhat to do: \u{1b}[31mnothing".to_owned(),
        }),
    };
    let hostile = Seen {
        alarms: vec![hostile],
        ..Seen::default()
    };
    let told = [
        bake(&alarms([0, 1, 2]), &Obstacles::default()),
        bake(&alarms([2, 1, 0]), &at_risk()),
        bake(&alarms([1, 2, 0]), &taken_back_before()),
        bake(
            &alarms([1, 2, 0]),
            &Obstacles {
                taken_back_before: true,
                ..at_risk()
            },
        ),
        bake(&hostile, &Obstacles::default()),
    ];
    assert_snapshot!(told.join("\n"), @"
    go back: Failed.AlarmRaised: errors went into ALARM at 00:10:50 UTC: Threshold crossed at 650; so did throttles, latency
    ask: going back would not bring back the data of what it replaced or removed: web/Orders (AWS::DynamoDB::Table) (errors went into ALARM at 00:10:50 UTC: Threshold crossed at 650; so did throttles, latency)
    ask: it was taken back here once before, and that is done once only (errors went into ALARM at 00:10:50 UTC: Threshold crossed at 650; so did throttles, latency)
    ask: going back would not bring back the data of what it replaced or removed: web/Orders (AWS::DynamoDB::Table) (errors went into ALARM at 00:10:50 UTC: Threshold crossed at 650; so did throttles, latency)
    go back: Failed.AlarmRaised: errors went into ALARM at 00:10:50 UTC: 1 > 0 What to do: [31mnothing
    ");
}

#[test]
fn a_persons_word_overrides_everything_that_is_seen() {
    let everything = [
        quiet(),
        seen(AlarmState::Alarm, Some(100)),
        seen(AlarmState::InsufficientData, None),
        Seen {
            blind: Some("AccessDenied".to_owned()),
            ..Seen::default()
        },
    ];
    for seen in &everything {
        for (obstacles, second) in [
            (Obstacles::default(), 100),
            (at_risk(), 100),
            (taken_back_before(), BAKE),
        ] {
            let says = |says| Watch {
                word: Some(word(says)),
                ..watch(Silence::Ask, Some(100))
            };
            assert_eq!(says(Says::Pass).bake(seen, &obstacles, at(second)), Next::Passed);
            let back = says(Says::GoBack).bake(seen, &obstacles, at(second));
            assert_eq!(
                line(&back),
                "go back: Failed.TakenBack: arn:aws:iam::111111111111:user/ann says: looked at the logs"
            );
        }
    }
}

/// A watch after people were asked, as whoever asks them leaves it.
fn asked(watch: &Watch, next: Next) -> Watch {
    let Next::Ask(question) = next else { panic!("{next:?}") };
    Watch {
        asked: Some(Asked {
            question,
            at: at(BAKE),
            told: true,
        }),
        ..watch.clone()
    }
}

#[test]
fn f45_people_are_asked_once_though_evidence_comes_in_and_alarms_flap() {
    let found = |found| Seen {
        evidence: Some(found),
        ..quiet()
    };
    let new = watch(Silence::Ask, Some(100));
    let bake = |watch: &Watch, seen: &Seen, obstacles: &Obstacles, second| watch.bake(seen, obstacles, at(second));
    let first = bake(&new, &found(12), &at_risk(), BAKE);
    let silent = asked(&new, first.clone());
    for minute in 1..20 {
        let again = bake(&silent, &found(12 + minute), &at_risk(), BAKE + 60);
        assert_eq!(again, first, "the same question, and no second mail");
    }
    let no_data = seen(AlarmState::InsufficientData, None);
    assert_eq!(bake(&silent, &no_data, &at_risk(), BAKE + 60), first);
    assert_eq!(
        bake(&silent, &found(100), &at_risk(), BAKE + 60),
        Next::Passed,
        "what was missing has come"
    );
    // That an alarm went off is another question.
    let went_off = bake(
        &silent,
        &seen(AlarmState::Alarm, Some(BAKE + 90)),
        &at_risk(),
        BAKE + 90,
    );
    let alarmed = asked(&silent, went_off.clone());
    assert!(matches!(went_off, Next::Ask(Question::DataAtRisk { .. })));
    for (state, fired) in [(AlarmState::Ok, BAKE + 90), (AlarmState::Alarm, BAKE + 120)] {
        let flapped = bake(&alarmed, &seen(state, Some(fired)), &at_risk(), BAKE + 130);
        assert_eq!(flapped, went_off, "it flaps, and people were asked");
    }
}

#[test]
fn f44_an_alarm_that_people_were_asked_about_is_not_forgotten_when_it_cannot_be_seen_any_more() {
    let raised = seen(AlarmState::Alarm, Some(100));
    let blind = Seen {
        blind: Some("AccessDenied".to_owned()),
        ..Seen::default()
    };
    let gone = Seen {
        missing: vec![AlarmChoice::Named("errors".to_owned())],
        ..quiet()
    };
    for silence in [Silence::Ask, Silence::Pass] {
        for obstacles in [at_risk(), taken_back_before()] {
            let watch = watch(silence, None);
            let first = watch.bake(&raised, &obstacles, at(100));
            let asked = asked(&watch, first.clone());
            // Untagged, deleted, or its history not readable.
            for seen in [&quiet(), &blind, &gone] {
                assert_eq!(asked.bake(seen, &obstacles, at(BAKE + 1)), first, "{silence} {seen:?}");
            }
            let word = |says| Watch {
                word: Some(word(says)),
                ..asked.clone()
            };
            assert_eq!(word(Says::Pass).bake(&quiet(), &obstacles, at(BAKE + 1)), Next::Passed);
            let back = word(Says::GoBack).bake(&quiet(), &obstacles, at(BAKE + 1));
            assert!(matches!(back, Next::GoBack(failure) if failure.name == Name::TakenBack));
        }
    }
}

#[test]
fn how_it_was_found_to_be_good_is_told_for_the_record() {
    let one = Seen {
        alarms: vec![alarm("errors", AlarmState::Ok, None)],
        ..Seen::default()
    };
    let evidence = Seen {
        evidence: Some(1234),
        ..quiet()
    };
    let by_word = Watch {
        word: Some(word(Says::Pass)),
        ..watch(Silence::Ask, Some(100))
    };
    let told = [
        watch(Silence::Ask, None).passed(&one),
        watch(Silence::Ask, None).passed(&quiet()),
        watch(Silence::Ask, Some(100)).passed(&evidence),
        watch(Silence::Pass, Some(5000)).passed(&evidence),
        watch(Silence::Pass, None).passed(&seen(AlarmState::InsufficientData, None)),
        by_word.passed(&quiet()),
        by_word.passed(&evidence),
    ];
    assert_snapshot!(told.join("\n"), @"
    the alarm errors stayed OK
    3 alarms stayed OK
    3 alarms stayed OK; Count 1234
    nothing went off, and silence passes here: Count of AWS/ApiGateway adds up to 1234, and 5000 are asked for; Count 1234
    nothing went off, and silence passes here: the alarm errors has no data
    arn:aws:iam::111111111111:user/ann says that it is good: looked at the logs
    arn:aws:iam::111111111111:user/ann says that it is good: looked at the logs; Count 1234
    ");
}

#[test]
fn f46_nothing_begins_where_an_alarm_that_is_to_watch_it_is_raised_or_missing() {
    let missing = |choice| Seen {
        missing: vec![choice],
        ..seen(AlarmState::Alarm, Some(100))
    };
    let tagged = AlarmChoice::Tagged {
        key: "lockgate".to_owned(),
        value: "shop".to_owned(),
    };
    let told: Vec<String> = [
        quiet(),
        seen(AlarmState::Ok, Some(100)),
        seen(AlarmState::InsufficientData, None),
        seen(AlarmState::Alarm, Some(100)),
        seen(AlarmState::Alarm, None),
        missing(AlarmChoice::Named("erorrs".to_owned())),
        missing(tagged),
        Seen {
            missing: vec![AlarmChoice::Named("latency".to_owned())],
            ..quiet()
        },
    ]
    .iter()
    .map(|seen| {
        let begins = |has_stable| {
            may_begin(seen, has_stable).map_or_else(|refused| refused.to_string(), |()| "begins".to_owned())
        };
        format!("{}; the first release: {}", begins(true), begins(false))
    })
    .collect();
    assert_snapshot!(told.join("\n"), @"
    begins; the first release: begins
    begins; the first release: begins
    begins; the first release: begins
    Rejected.AlarmAlreadyRaised: errors is in ALARM since 1970-01-01 00:01:40 UTC: Threshold crossed at 100; the first release: Rejected.AlarmAlreadyRaised: errors is in ALARM since 1970-01-01 00:01:40 UTC: Threshold crossed at 100
    Rejected.AlarmAlreadyRaised: errors is in ALARM; the first release: Rejected.AlarmAlreadyRaised: errors is in ALARM
    Rejected.AlarmMissing: there is no such alarm in the environment's account and region: erorrs; the first release: Rejected.AlarmAlreadyRaised: errors is in ALARM since 1970-01-01 00:01:40 UTC: Threshold crossed at 100
    Rejected.AlarmMissing: there is no such alarm in the environment's account and region: all with the tag lockgate=shop; the first release: Rejected.AlarmAlreadyRaised: errors is in ALARM since 1970-01-01 00:01:40 UTC: Threshold crossed at 100
    Rejected.AlarmMissing: there is no such alarm in the environment's account and region: latency; the first release: begins
    ");
}

#[test]
fn a_watch_begins_with_its_deployment_where_its_environment_watches() {
    let json = r#"{"id":"d1","application":"acme/shop","environment":{"name":"production","account":"444444444444","region":"eu-west-1","on":["release"],"after":"test","queue":"every","stacks":[],"qualifier":"hnb659fds","without_stable":"call_operator","replace_failed_stacks":false,"bake":{"begins":"after_tests","for_seconds":1800,"alarms":[{"named":"errors"},{"tagged":{"key":"lockgate","value":"shop"}}],"silence":"ask"},"watch_seconds":3600,"holds":true},"commit":"2222222222222222222222222222222222222222","reference":"v1","release":null,"requested":{"by":"ann","at":"2026-11-23T12:00:00Z","happened_at":"2019-05-15T15:20:57Z","because":"release","delivery":null,"before":null,"title":""}}"#;
    let mut deployment: Deployment = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&deployment).unwrap(), json);
    let watch_of = |deployment: &Deployment| Watch::begin(deployment, Digest::of(b"new"), at(0));
    let begun = watch_of(&deployment).unwrap();
    let policy = deployment.environment.bake.clone().unwrap();
    let expected = Watch {
        deployment: deployment.id.clone(),
        policy,
        ..watch(Silence::Ask, None)
    };
    assert_eq!(begun, expected);
    let written = serde_json::to_value(&begun).unwrap();
    assert_eq!(serde_json::from_value::<Watch>(written).unwrap(), begun);
    deployment.environment.watch_seconds = None;
    assert_eq!(watch_of(&deployment).unwrap().watch_seconds, 0);
    deployment.environment.bake = None;
    assert_eq!(watch_of(&deployment), None);
}

#[test]
fn after_its_bake_a_release_is_watched_for_a_time_or_told_of() {
    let after = |watch_seconds| {
        Watch {
            watch_seconds,
            ..watch(Silence::Ask, None)
        }
        .after_bake(at(BAKE))
    };
    assert_eq!(after(0), Course::Telling);
    assert_eq!(
        after(3600),
        Course::Watching {
            until: at(BAKE + WATCH)
        }
    );
    assert_eq!(after(u64::MAX), Course::Watching { until: Timestamp::MAX });
}

fn state() -> impl Strategy<Value = AlarmState> {
    prop_oneof![
        6 => Just(AlarmState::Ok),
        1 => Just(AlarmState::Alarm),
        2 => Just(AlarmState::InsufficientData),
    ]
}

fn any_alarm(name: &'static str) -> impl Strategy<Value = AlarmSeen> {
    let fired = proptest::option::weighted(0.2, -600..BAKE + 2 * WATCH);
    (state(), fired).prop_map(move |(state, fired)| {
        // What is in ALARM has gone off.
        let fired = fired.or((state == AlarmState::Alarm).then_some(0));
        alarm(name, state, fired)
    })
}

/// Some of the alarms in any order, and everything else that can be seen.
fn any_seen() -> impl Strategy<Value = Seen> {
    let alarms = prop::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len())
        .prop_shuffle()
        .prop_flat_map(|names| names.into_iter().map(any_alarm).collect::<Vec<_>>());
    let missing = proptest::option::weighted(0.1, Just(AlarmChoice::Named("errors".to_owned())));
    let evidence = proptest::option::of(0_u64..20);
    let blind = proptest::option::weighted(0.1, Just("AccessDenied".to_owned()));
    (alarms, missing, evidence, blind).prop_map(|(alarms, missing, evidence, blind)| Seen {
        alarms,
        missing: missing.into_iter().collect(),
        evidence,
        blind,
    })
}

fn says() -> impl Strategy<Value = Says> {
    prop_oneof![Just(Says::Pass), Just(Says::GoBack)]
}

fn any_watch() -> impl Strategy<Value = Watch> {
    let silence = prop_oneof![3 => Just(Silence::Ask), 1 => Just(Silence::Pass)];
    (silence, proptest::option::of(1_u64..20)).prop_map(|(silence, at_least)| watch(silence, at_least))
}

/// Most have none.
fn any_obstacles() -> impl Strategy<Value = Obstacles> {
    (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2)).prop_map(|(data, taken_back_before)| Obstacles {
        data_at_risk: if data { at_risk().data_at_risk } else { Vec::new() },
        taken_back_before,
    })
}

impl Obstacles {
    fn is_clear(&self) -> bool {
        self.data_at_risk.is_empty() && !self.taken_back_before
    }
}

fn went_off(seen: &Seen) -> bool {
    seen.alarms.iter().any(|alarm| alarm.fired.is_some())
}

proptest! {
    #[test]
    fn f44_an_alarm_that_went_off_passes_only_where_a_person_says_so(
        watch in any_watch(), said in proptest::option::weighted(0.3, says()), seen in any_seen(),
        obstacles in any_obstacles(), second in 0..2 * BAKE,
    ) {
        let watch = Watch { word: said.map(word), ..watch };
        let next = watch.bake(&seen, &obstacles, at(second));
        match (said, went_off(&seen)) {
            (Some(Says::Pass), _) => prop_assert_eq!(next, Next::Passed),
            (Some(Says::GoBack), _) => {
                prop_assert!(matches!(next, Next::GoBack(failure) if failure.name == Name::TakenBack));
            }
            (None, true) => prop_assert!(matches!(next, Next::GoBack(_) | Next::Ask(_))),
            (None, false) => prop_assert!(!matches!(next, Next::GoBack(_))),
        }
    }

    #[test]
    fn f45_silence_passes_after_the_bake_and_only_where_the_environment_says_so(
        watch in any_watch(), seen in any_seen(), obstacles in any_obstacles(), second in 0..2 * BAKE,
    ) {
        let is_over = second >= BAKE;
        let enough = watch.policy.evidence.as_ref().is_none_or(|policy| seen.evidence >= Some(policy.at_least));
        let has_data = seen.alarms.iter().all(|alarm| alarm.state != AlarmState::InsufficientData);
        let is_healthy = enough && has_data && seen.missing.is_empty() && seen.blind.is_none();
        let next = watch.bake(&seen, &obstacles, at(second));
        if went_off(&seen) {
            prop_assert!(!matches!(next, Next::Passed | Next::Wait(_)));
        } else if !is_over {
            // Before the end nothing passes, however healthy it looks; it is looked at each minute, and at the end.
            prop_assert_eq!(next, Next::Wait(at(BAKE.min(second + 60))));
        } else if is_healthy || watch.policy.silence == Silence::Pass && seen.blind.is_none() {
            prop_assert_eq!(next, Next::Passed);
        } else {
            prop_assert!(matches!(next, Next::Ask(Question::Silent { .. })), "{next:?}");
        }
    }

    #[test]
    fn s10_no_alarm_takes_back_by_itself_what_may_lose_data_or_was_taken_back_before(
        watch in any_watch(), said in proptest::option::weighted(0.3, says()), seen in any_seen(),
        obstacles in any_obstacles(), second in 0..2 * BAKE,
    ) {
        let watch = Watch { word: said.map(word), ..watch };
        match watch.bake(&seen, &obstacles, at(second)) {
            Next::GoBack(failure) if failure.name == Name::AlarmRaised => {
                prop_assert!(obstacles.is_clear() && went_off(&seen) && said.is_none());
            }
            Next::GoBack(failure) => {
                prop_assert_eq!((failure.name, said), (Name::TakenBack, Some(Says::GoBack)));
            }
            Next::Ask(Question::DataAtRisk { resources, .. }) => {
                prop_assert_eq!(resources, obstacles.data_at_risk);
                prop_assert!(went_off(&seen));
            }
            Next::Ask(Question::TakenBackBefore { .. }) => {
                prop_assert!(obstacles.taken_back_before && obstacles.data_at_risk.is_empty() && went_off(&seen));
            }
            Next::Ask(Question::Silent { .. }) | Next::Passed | Next::Wait(_) => {
                prop_assert!(!went_off(&seen) || said == Some(Says::Pass));
            }
        }
    }

    #[test]
    fn the_order_in_which_alarms_are_told_of_decides_nothing(
        watch in any_watch(),
        (seen, other) in any_seen().prop_flat_map(|seen| {
            let shuffled = Just(seen.alarms.clone()).prop_shuffle();
            shuffled.prop_map(move |alarms| (seen.clone(), Seen { alarms, ..seen.clone() }))
        }),
        obstacles in any_obstacles(), second in 0..2 * BAKE, course in after::any_course(), around in after::any_around(),
    ) {
        let now = at(second);
        prop_assert_eq!(watch.bake(&seen, &obstacles, now), watch.bake(&other, &obstacles, now));
        prop_assert_eq!(watch.passed(&seen), watch.passed(&other));
        let name = |seen: &Seen| may_begin(seen, true).map_err(|failure| failure.name);
        prop_assert_eq!(name(&seen), name(&other));
        let after = Watch { course, ..watch };
        prop_assert_eq!(after.after(&seen, &obstacles, &around, now), after.after(&other, &obstacles, &around, now));
    }
}

/// Something that happens between two looks.
#[derive(Debug, Clone)]
struct Step {
    /// How many seconds pass.
    seconds: i64,
    /// What becomes of alarms meanwhile, one after the other.
    turns: Vec<(usize, AlarmState)>,
    /// How much more evidence there is.
    evidence: u64,
    /// Whether the alarms cannot be read at the next look.
    is_blind: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let turns = proptest::collection::vec((0..NAMES.len(), state()), 0..3);
    (1_i64..400, turns, 0_u64..4, proptest::bool::weighted(0.1)).prop_map(|(seconds, turns, evidence, is_blind)| Step {
        seconds,
        turns,
        evidence,
        is_blind,
    })
}

/// The alarms as CloudWatch keeps them: what each says, and when it went off last.
#[derive(Debug, Default)]
struct Kept([(Option<AlarmState>, Option<Timestamp>); NAMES.len()]);

impl Kept {
    /// Whether one went off.
    fn turn(&mut self, turns: &[(usize, AlarmState)], now: Timestamp) -> bool {
        let mut went_off = false;
        for (place, state) in turns {
            let (before, fired) = &mut self.0[*place];
            if *state == AlarmState::Alarm && *before != Some(AlarmState::Alarm) {
                *fired = Some(now);
                went_off = true;
            }
            *before = Some(*state);
        }
        went_off
    }

    /// As the adapter tells of them: what is in ALARM, and what went off since.
    fn seen(&self, since: Timestamp, evidence: u64, is_blind: bool) -> Seen {
        if is_blind {
            return Seen {
                blind: Some("AccessDenied".to_owned()),
                ..Seen::default()
            };
        }
        let kept = NAMES.iter().zip(&self.0);
        let alarms = kept.map(|(name, (state, fired))| {
            let state = state.unwrap_or(AlarmState::Ok);
            let fired = fired.filter(|at| state == AlarmState::Alarm || *at >= since);
            alarm(name, state, fired.map(Timestamp::as_second))
        });
        Seen {
            alarms: alarms.collect(),
            evidence: Some(evidence),
            ..Seen::default()
        }
    }
}

proptest! {
    #[test]
    fn s10_f45_a_whole_bake_ends_well_only_where_no_alarm_went_off_or_a_person_said_so(
        mut watch in any_watch(), obstacles in any_obstacles(), steps in proptest::collection::vec(step(), 1..40),
        said in proptest::option::weighted(0.3, (0_usize..40, says())),
    ) {
        let (mut kept, mut now, mut evidence) = (Kept::default(), watch.since, 0);
        let (mut went_off, mut seen_to_go_off, mut mails) = (false, false, 0);
        for (number, step) in steps.iter().enumerate() {
            now += SignedDuration::from_secs(step.seconds);
            evidence += step.evidence;
            went_off |= kept.turn(&step.turns, now);
            seen_to_go_off |= went_off && !step.is_blind;
            watch.word = watch.word.or(said.filter(|(when, _)| *when == number).map(|(_, says)| word(says)));
            let seen = kept.seen(watch.since, evidence, step.is_blind);
            match watch.bake(&seen, &obstacles, now) {
                Next::Wait(at) => prop_assert!(now < at && at <= watch.bakes_until && !seen_to_go_off),
                Next::Ask(question) => {
                    prop_assert!(watch.word.is_none());
                    prop_assert_eq!(question.alarm().is_some(), seen_to_go_off);
                    if watch.asked.as_ref().is_none_or(|asked| asked.question != question) {
                        mails += 1;
                        watch.asked = Some(Asked { question, at: now, told: true });
                    }
                    prop_assert!(mails <= 2, "once because nothing is seen, once because of an alarm");
                }
                Next::Passed if watch.word.is_some() => {
                    prop_assert_eq!(said.unwrap().1, Says::Pass);
                    return Ok(());
                }
                Next::Passed => {
                    prop_assert!(now >= watch.bakes_until && !seen_to_go_off);
                    let enough = watch.policy.evidence.as_ref().is_none_or(|policy| evidence >= policy.at_least);
                    prop_assert!(enough || watch.policy.silence == Silence::Pass);
                    prop_assert!(!step.is_blind && !went_off);
                    return Ok(());
                }
                Next::GoBack(failure) if failure.name == Name::TakenBack => {
                    prop_assert_eq!(said.unwrap().1, Says::GoBack);
                    return Ok(());
                }
                Next::GoBack(_) => {
                    prop_assert!(seen_to_go_off && obstacles.is_clear() && watch.word.is_none());
                    return Ok(());
                }
            }
        }
        prop_assert!(watch.word.is_none(), "a person's word ends it");
        prop_assert!(!seen_to_go_off || watch.asked.is_some(), "an alarm ends it, or people are asked");
    }
}
