//! What operators read of a release that is watched, and of one that went back.

use super::*;
use crate::bake::Says;
use crate::bake::{Question, Word};
use crate::deployment::Rollback;

fn shown(message: &Message) -> String {
    assert!(message.subject.is_ascii() && message.subject.len() < 100);
    format!("{}\n----\n{}", message.subject, message.body)
}

fn alarm() -> Failure {
    Failure::new(
        Name::AlarmRaised,
        "shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0",
    )
}

#[test]
fn what_people_read_when_nothing_shows_that_a_release_is_healthy() {
    let question = Question::Silent {
        missing: "Count of AWS/ApiGateway adds up to 12, and 100 are asked for".to_owned(),
    };
    insta::assert_snapshot!(shown(&bake_asks(&deployment(), &question)), @r#"
    [dev] acme/shop 1a2b3c4d1a2b waits for a person's word
    ----
    Its bake is over, and nothing shows that the release is healthy: Count of AWS/ApiGateway adds up to 12, and 100 are asked for.

    The release stays where it is, and nothing else is deployed there, until somebody says how it goes on:
      lockgate release acme/shop dev --why "…"    it is good
      lockgate rollback acme/shop dev --why "…"   it has to go
    Should what is missing come in the meantime, it passes by itself.

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    "#);
}

#[test]
fn what_people_read_when_an_alarm_went_off_and_going_back_may_lose_data() {
    let question = Question::DataAtRisk {
        alarm: alarm(),
        resources: vec![
            "shop-dev-data/Orders (AWS::DynamoDB::Table)".to_owned(),
            "shop-dev-data/Carts (AWS::DynamoDB::Table)".to_owned(),
        ],
    };
    insta::assert_snapshot!(shown(&bake_asks(&deployment(), &question)), @r#"
    [dev] acme/shop 1a2b3c4d1a2b waits for a person's word
    ----
    Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0

    It does not go back by itself: going back would not bring back the data of what it replaced or removed: shop-dev-data/Orders (AWS::DynamoDB::Table), shop-dev-data/Carts (AWS::DynamoDB::Table).

    The release stays where it is, and nothing else is deployed there, until somebody says how it goes on:
      lockgate release acme/shop dev --why "…"    it is good
      lockgate rollback acme/shop dev --why "…"   it has to go

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    "#);
}

#[test]
fn what_people_read_when_an_alarm_went_off_in_a_release_that_was_taken_back_before() {
    let question = Question::TakenBackBefore { alarm: alarm() };
    insta::assert_snapshot!(shown(&bake_asks(&deployment(), &question)), @r#"
    [dev] acme/shop 1a2b3c4d1a2b waits for a person's word
    ----
    Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0

    It does not go back by itself: it was taken back here once before, and that is done once only.

    The release stays where it is, and nothing else is deployed there, until somebody says how it goes on:
      lockgate release acme/shop dev --why "…"    it is good
      lockgate rollback acme/shop dev --why "…"   it has to go

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    "#);
}

#[test]
fn what_people_read_of_an_alarm_about_which_nothing_is_done() {
    let told = alarm_told(
        &deployment(),
        &alarm(),
        "its bake, and the time for which it is watched, are over",
    );
    insta::assert_snapshot!(shown(&told), @r#"
    [dev] acme/shop 1a2b3c4d1a2b an alarm went off
    ----
    Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0

    Nothing is done about it: its bake, and the time for which it is watched, are over.

    To go back to the stable release before it:
      lockgate rollback acme/shop dev --why "…"

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    "#);
}

#[test]
fn subjects_about_a_bake_are_never_too_long() {
    let mut deployment = deployment();
    deployment.application = format!("{}/{}", "a".repeat(39), "b".repeat(100)).parse().unwrap();
    deployment.environment.name = "abcdefghijklmnopqrst".parse().unwrap();
    let question = Question::TakenBackBefore { alarm: alarm() };
    for (message, end) in [
        (bake_asks(&deployment, &question), "waits for a person's word"),
        (alarm_told(&deployment, &alarm(), "x"), "an alarm went off"),
    ] {
        assert!(
            message.subject.len() < 100 && message.subject.ends_with(end),
            "{}",
            message.subject
        );
    }
}

/// The record of these events, each with the second at which it came.
fn record(deployment: &Deployment, story: Vec<(i64, Event)>) -> Vec<Entry> {
    let mut head = Head::empty(deployment.id.clone());
    let mut entries = Vec::new();
    for (second, event) in story {
        let at = Timestamp::from_second(1_790_000_000 + second).unwrap();
        let (entry, next) = head.append(event, at).unwrap().unwrap();
        entries.push(entry);
        head = next;
    }
    entries
}

fn stack() -> StackName {
    "shop-dev-web".parse().unwrap()
}

fn planned(leg: Leg, release: &[u8]) -> Event {
    Event::Planned {
        leg,
        release: Digest::of(release),
        waves: vec![vec![stack()]],
    }
}

fn executing(leg: Leg) -> Event {
    Event::Executing {
        leg,
        stack: stack(),
        change_set: String::new(),
    }
}

fn updated(leg: Leg) -> Event {
    Event::Updated { leg, stack: stack() }
}

fn smoke_tested(leg: Leg) -> Event {
    Event::SmokeTested {
        leg,
        report: Report::new(vec![]),
    }
}

/// The deployment of these tests, into an environment that has it baked, and that holds after it went back.
fn watched() -> Deployment {
    let bake = r#"{"begins":"after_tests","for_seconds":1800,"alarms":[{"named":"shop-errors"}],"silence":"ask"}"#;
    let mut deployment = deployment();
    deployment.environment.bake = Some(serde_json::from_str(bake).unwrap());
    deployment.environment.holds = true;
    deployment
}

#[test]
fn what_people_read_when_an_alarm_took_a_release_back_while_it_baked() {
    let deployment = watched();
    let question = Question::TakenBackBefore { alarm: alarm() };
    let word = Word {
        says: Says::GoBack,
        by: "arn:aws:iam::111111111111:user/ann".to_owned(),
        why: "payments fail".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    let ending = Ending::FailedClean {
        failure: alarm(),
        way_back: went_back(&[]),
    };
    let story = vec![
        (
            0,
            Event::Requested {
                deployment: Box::new(deployment.clone()),
            },
        ),
        (1, Event::Admitted { fence: 1 }),
        (
            20,
            Event::Released {
                release: Digest::of(b"v2"),
            },
        ),
        (21, planned(Leg::Forward, b"v2")),
        (30, executing(Leg::Forward)),
        (95, updated(Leg::Forward)),
        (100, smoke_tested(Leg::Forward)),
        (
            101,
            Event::Baking {
                until: Timestamp::from_second(1_790_001_901).unwrap(),
                alarms: vec!["shop-errors".to_owned(), "all with the tag lockgate=shop".to_owned()],
            },
        ),
        (465, Event::BakeAsked { question }),
        (700, Event::BakeAnswered { word }),
        (
            702,
            Event::GoingBack {
                to: Digest::of(b"v1"),
                because: alarm(),
            },
        ),
        (703, planned(Leg::Back, b"v1")),
        (710, executing(Leg::Back)),
        (780, updated(Leg::Back)),
        (790, smoke_tested(Leg::Back)),
        (791, Event::Ended(ending.clone())),
    ];
    let entries = record(&deployment, story);
    let message = ended(&deployment, &ending, &entries, "https://console.example/execution");
    insta::assert_snapshot!(shown(&message), @r#"
    [dev] acme/shop 1a2b3c4d1a2b FAILED
    ----
    An alarm went off after the release had come into the environment.
    Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0

    What to do: Find out from the alarm's metric and the application's logs what failed, mend it, and bring the new release this far.
    The environment went back to the stable release 3bfc269594ef.

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    From, to     fb04dcb6970e to 3bfc269594ef
    Affected     customers, for at most 12 min 40 s, from 14:13:50 to 14:26:30 UTC

    Nothing goes forward there until somebody has looked:
      lockgate release acme/shop dev --why "…"

    What happened (times in UTC)
    14:13:20                requested
    14:13:21        +1.0 s  admitted
    14:13:40       +19.0 s  release fb04dcb6970e
    14:13:41        +1.0 s  planned: shop-dev-web
    14:13:50        +9.0 s  shop-dev-web: updating
    14:14:55    +1 min 5 s  shop-dev-web: updated
    14:15:00        +5.0 s  no smoke tests
    14:15:01        +1.0 s  bakes until 14:45:01 UTC, watched by shop-errors, all with the tag lockgate=shop
    14:21:05    +6 min 4 s  holds, a person has to say how it goes on: it was taken back here once before, and that is done once only
    14:25:00   +3 min 55 s  arn:aws:iam::111111111111:user/ann has it taken back: payments fail
    14:25:02        +2.0 s  going back to 3bfc269594ef: Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0
    14:25:03        +1.0 s  planned: shop-dev-web
    14:25:10        +7.0 s  shop-dev-web: updating
    14:26:20   +1 min 10 s  shop-dev-web: updated
    14:26:30       +10.0 s  no smoke tests
    14:26:31        +1.0 s  failed, environment clean: Failed.AlarmRaised: shop-errors went into ALARM at 14:21:05 UTC: Threshold Crossed: 3 datapoints were greater than 5.0

    The execution: https://console.example/execution
    "#);
}

#[test]
fn what_people_read_when_an_environment_was_taken_back_by_hand() {
    let because = Failure::new(
        Name::TakenBack,
        "arn:aws:iam::111111111111:user/ann says: payments fail",
    );
    let mut deployment = watched();
    deployment.release = Some(Digest::of(b"v1"));
    deployment.requested.because = Cause::Manual;
    deployment.rollback = Some(Rollback {
        from: Digest::of(b"v2"),
        stable: Digest::of(b"v2"),
        because,
    });
    let ending = Ending::RolledBack {
        to: Digest::of(b"v1"),
        left: ["shop-dev-jobs".parse().unwrap()].into(),
    };
    let story = vec![
        (
            0,
            Event::Requested {
                deployment: Box::new(deployment.clone()),
            },
        ),
        (1, Event::Admitted { fence: 2 }),
        (
            2,
            Event::Released {
                release: Digest::of(b"v1"),
            },
        ),
        (3, planned(Leg::Back, b"v1")),
        (10, executing(Leg::Back)),
        (80, updated(Leg::Back)),
        (90, smoke_tested(Leg::Back)),
        (91, Event::Ended(ending.clone())),
    ];
    let entries = record(&deployment, story);
    let message = ended(&deployment, &ending, &entries, "https://console.example/execution");
    insta::assert_snapshot!(shown(&message), @r#"
    [dev] acme/shop 1a2b3c4d1a2b was taken back
    ----
    Failed.TakenBack: arn:aws:iam::111111111111:user/ann says: payments fail
    The environment went back to the stable release 3bfc269594ef. These stacks are not part of it, and are there still: shop-dev-jobs. Delete them, or deploy a release that has them.

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, by hand, from main
    Deployment   shop-dev-1a2b3c4d-0011223344556677
    From, to     fb04dcb6970e to 3bfc269594ef
    Affected     customers, for at most 1 min 30 s, from 14:13:20 to 14:14:50 UTC

    Nothing goes forward there until somebody has looked:
      lockgate release acme/shop dev --why "…"

    What happened (times in UTC)
    14:13:20                requested
    14:13:21        +1.0 s  admitted
    14:13:22        +1.0 s  release 3bfc269594ef
    14:13:23        +1.0 s  planned: shop-dev-web
    14:13:30        +7.0 s  shop-dev-web: updating
    14:14:40   +1 min 10 s  shop-dev-web: updated
    14:14:50       +10.0 s  no smoke tests
    14:14:51        +1.0 s  taken back to 3bfc269594ef

    The execution: https://console.example/execution
    "#);
}

#[test]
fn what_no_record_tells_and_no_hold_asks_for_is_left_out() {
    let mut deployment = watched();
    deployment.environment.holds = false;
    let ending = Ending::FailedClean {
        failure: alarm(),
        way_back: went_back(&[]),
    };
    let body = ended(&deployment, &ending, &[], "").body;
    for missing in ["Affected", "From, to", "lockgate release"] {
        assert!(!body.contains(missing), "{body}");
    }
}

#[test]
fn what_happens_in_a_bake_is_one_line_each() {
    let told: Vec<String> = [
        Event::BakeAnswered {
            word: Word {
                says: Says::Pass,
                by: "ann".to_owned(),
                why: "nobody shops at night".to_owned(),
                at: Timestamp::UNIX_EPOCH,
            },
        },
        Event::Baked {
            how: "the alarm shop-errors stayed OK".to_owned(),
        },
        Event::LetIn {
            frozen: "frozen until Monday".to_owned(),
            words: ["ann", "bob"]
                .map(|by| crate::emergency::Plea {
                    by: by.to_owned(),
                    why: "payments fail".to_owned(),
                    at: Timestamp::UNIX_EPOCH,
                })
                .into(),
        },
    ]
    .iter()
    .map(sentence)
    .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    ann lets it pass: nobody shops at night
    baked: the alarm shop-errors stayed OK
    frozen until Monday; let in as an emergency by ann (payments fail) and bob (payments fail)
    ");
}
