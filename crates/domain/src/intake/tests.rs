#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use strum::VariantArray as _;

use super::*;
use crate::configuration::Configuration;

mod by_hand;
mod pull_requests;
mod releases;

const BEFORE: &str = "1111111111111111111111111111111111111111";
const AFTER: &str = "2222222222222222222222222222222222222222";
const NONE: &str = "0000000000000000000000000000000000000000";
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

fn application() -> Application {
    let text = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = "push"
[application."acme/shop".environment.preview]
account = "333333333333"
on = ["manual", "push"]
[application."acme/shop".environment.test]
account = "555555555555"
on = "prerelease"
after = "dev"
[application."acme/shop".environment.production]
account = "444444444444"
on = ["release", "manual"]
after = "test"
"#;
    Configuration::read(text).unwrap().applications.remove(0)
}

fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "before": BEFORE, "after": AFTER,
        "created": false, "deleted": false, "forced": false,
        "repository": { "id": 1, "full_name": "acme/shop", "fork": false, "pushed_at": 1_557_933_657 },
        "pusher": { "name": "ann", "email": "ann@acme.example" },
        "sender": { "login": "ann", "id": 7 },
        "commits": [], "head_commit": { "id": AFTER, "message": "Add prices\n\nAll of them." },
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut payload = push();
    for (pointer, value) in changes {
        *payload.pointer_mut(pointer).unwrap() = value.clone();
    }
    payload
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn decide(payload: &Value, application: Option<&Application>) -> Decision {
    let event = Event::read("push", payload.to_string().as_bytes()).unwrap();
    asks(
        &event,
        application,
        &DELIVERY.parse().unwrap(),
        &Found::default(),
        now(),
    )
}

fn asked(payload: &Value) -> Vec<Deployment> {
    match decide(payload, Some(&application())) {
        Decision::Ask(deployments) => deployments,
        Decision::Ignored(reason) => panic!("ignored: {reason}"),
    }
}

fn ids(deployments: &[Deployment]) -> Vec<&str> {
    deployments.iter().map(|deployment| deployment.id.as_str()).collect()
}

#[test]
fn a_push_to_the_branch_asks_for_every_environment_that_pushes_start() {
    let deployments = asked(&push());
    insta::assert_json_snapshot!(deployments[0], @r#"
    {
      "id": "shop-dev-22222222-6ca3795a4f3fe67f",
      "application": "acme/shop",
      "environment": {
        "name": "dev",
        "account": "222222222222",
        "region": "eu-west-1",
        "on": [
          "push"
        ],
        "after": null,
        "queue": "newest",
        "stacks": [],
        "qualifier": "hnb659fds",
        "without_stable": "give_back",
        "replace_failed_stacks": true
      },
      "commit": "2222222222222222222222222222222222222222",
      "reference": "main",
      "release": null,
      "requested": {
        "by": "ann",
        "at": "2026-11-23T12:00:00Z",
        "happened_at": "2019-05-15T15:20:57Z",
        "because": "push",
        "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "before": "1111111111111111111111111111111111111111",
        "title": "Add prices"
      }
    }
    "#);
    let environments: Vec<&str> = deployments.iter().map(|d| d.environment.name.as_str()).collect();
    assert_eq!(environments, ["dev", "preview"]);
    assert_ne!(deployments[0].id, deployments[1].id);
}

#[test]
fn f05_the_same_push_asks_for_the_same_deployments_whatever_brought_it() {
    let event = Event::read("push", push().to_string().as_bytes()).unwrap();
    let later = now() + SignedDuration::from_hours(30 * 24);
    let Decision::Ask(again) = asks(
        &event,
        Some(&application()),
        &"abc".parse().unwrap(),
        &Found::default(),
        later,
    ) else {
        panic!()
    };
    assert_eq!(ids(&again), ids(&asked(&push())));
}

#[test]
fn going_back_to_an_older_commit_is_a_new_deployment() {
    let there = asked(&with(&[("/before", json!(BEFORE)), ("/after", json!(AFTER))]));
    let back = asked(&with(&[("/before", json!(AFTER)), ("/after", json!(BEFORE))]));
    let there_again = asked(&with(&[("/before", json!(NONE)), ("/after", json!(AFTER))]));
    assert_ne!(ids(&there), ids(&back));
    assert_ne!(ids(&there), ids(&there_again));
}

#[test]
fn a_push_between_the_same_commits_as_an_earlier_one_is_a_new_deployment() {
    let pushed = |before: &str, after: &str, second: i64| {
        asked(&with(&[
            ("/before", json!(before)),
            ("/after", json!(after)),
            ("/repository/pushed_at", json!(second)),
        ]))
    };
    // To a commit, back by force, and there again.
    let there = pushed(BEFORE, AFTER, 1_557_933_657);
    let back = pushed(AFTER, BEFORE, 1_557_933_658);
    let there_again = pushed(BEFORE, AFTER, 1_557_933_659);
    assert_eq!(HashSet::from([ids(&there), ids(&back), ids(&there_again)]).len(), 3);
    // Made, deleted, and made again of the same commit.
    let made = pushed(NONE, AFTER, 1_557_933_657);
    let made_again = pushed(NONE, AFTER, 1_557_933_659);
    assert_ne!(ids(&made), ids(&made_again));
}

#[test]
fn a_push_that_does_not_say_when_is_told_from_others_by_its_commits() {
    let mut timeless = push();
    timeless["repository"].as_object_mut().unwrap().remove("pushed_at");
    assert_eq!(ids(&asked(&timeless)), ids(&asked(&timeless)));
    assert_ne!(ids(&asked(&timeless)), ids(&asked(&push())));
    assert_eq!(
        ids(&asked(&timeless)),
        ids(&asked(&with(&[("/repository/pushed_at", json!(null))])))
    );
}

#[test]
fn f07_what_asks_for_nothing_is_ignored_with_its_reason() {
    let mut only_by_release = application();
    only_by_release.environments.retain(|e| !e.on.contains(&Cause::Push));
    let other = Application {
        repository: "acme/other".parse().unwrap(),
        ..application()
    };
    let here = Some(application());
    for (changes, application, reason) in [
        (
            vec![
                ("/after", json!(NONE)),
                ("/deleted", json!(true)),
                ("/head_commit", json!(null)),
            ],
            here.clone(),
            Reason::Deletion,
        ),
        (vec![("/after", json!(NONE))], here.clone(), Reason::Deletion),
        (vec![("/deleted", json!(true))], here.clone(), Reason::Deletion),
        (vec![("/ref", json!("refs/tags/main"))], here.clone(), Reason::Tag),
        (
            vec![("/ref", json!("refs/pull/1/head"))],
            here.clone(),
            Reason::NotABranch,
        ),
        (vec![("/ref", json!("main"))], here.clone(), Reason::NotABranch),
        (
            vec![("/ref", json!("refs/heads/Main"))],
            here.clone(),
            Reason::OtherBranch,
        ),
        (
            vec![("/ref", json!("refs/heads/feature/main"))],
            here.clone(),
            Reason::OtherBranch,
        ),
        (
            vec![("/ref", json!("refs/heads/main\u{200b}"))],
            here.clone(),
            Reason::OtherBranch,
        ),
        (
            vec![("/ref", json!("refs/heads/gh-readonly-queue/main/pr-1"))],
            here.clone(),
            Reason::MergeQueueBranch,
        ),
        (vec![("/repository/fork", json!(true))], here, Reason::Fork),
        (vec![], None, Reason::UnknownRepository),
        (vec![], Some(other), Reason::UnknownRepository),
        (vec![], Some(only_by_release), Reason::NoEnvironmentByPush),
    ] {
        let decision = decide(&with(&changes), application.as_ref());
        assert_eq!(decision, Decision::Ignored(reason), "{changes:?}");
    }
}

#[test]
fn f07_forced_pushes_new_branches_and_empty_pushes_are_new_heads() {
    let plain = asked(&push());
    let forced = asked(&with(&[("/forced", json!(true))]));
    assert_eq!(ids(&forced), ids(&plain));
    let created = asked(&with(&[("/before", json!(NONE)), ("/created", json!(true))]));
    assert_eq!(created[0].requested.before, None);
    let empty = asked(&with(&[("/head_commit", json!(null))]));
    assert_eq!(empty[0].requested.title, "");
}

#[test]
fn other_events_need_no_configuration() {
    let repository = json!({ "repository": { "full_name": "acme/shop" } }).to_string();
    for (event, body, reason) in [
        ("ping", "{\"zen\":\"x\"}", Reason::AsksForNothing),
        ("issues", repository.as_str(), Reason::AsksForNothing),
        ("something_new", "[]", Reason::AsksForNothing),
        ("", "{}", Reason::AsksForNothing),
    ] {
        let event = Event::read(event, body.as_bytes()).unwrap();
        assert_eq!(event.needs_configuration_of(), Err(reason));
        let decision = asks(
            &event,
            Some(&application()),
            &DELIVERY.parse().unwrap(),
            &Found::default(),
            now(),
        );
        assert_eq!(decision, Decision::Ignored(reason));
        assert_eq!(event.needs_commit(Some(&application())), None);
    }
}

#[test]
fn a_time_is_read_as_seconds_and_as_a_date_and_kept_in_whole_seconds() {
    let at = |value: Value| {
        asked(&with(&[("/repository/pushed_at", value)]))[0]
            .requested
            .happened_at
    };
    let wanted: Timestamp = "2019-05-15T15:20:57Z".parse().unwrap();
    assert_eq!(at(json!(1_557_933_657)), wanted);
    assert_eq!(at(json!("2019-05-15T15:20:57Z")), wanted);
    assert_eq!(at(json!("2019-05-15T17:20:57.9+02:00")), wanted);
    assert_eq!(at(json!(null)), now());
    let as_date = asked(&with(&[("/repository/pushed_at", json!("2019-05-15T15:20:57Z"))]));
    assert_eq!(ids(&as_date), ids(&asked(&push())));
}

#[test]
fn f08_hostile_names_are_carried_inert() {
    for hostile in [
        "$(id)",
        "`reboot`",
        "../../etc/passwd",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "a\r\nb: c",
        "nul\0",
        "\u{1b}[31m",
        "\u{202e}gpj.exe",
        "zero\u{200b}width",
        "🚀",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["x".repeat(255), "ü".repeat(5_000)])
    {
        let message = format!("{hostile}\nrest");
        let payload = with(&[
            ("/sender/login", json!(hostile)),
            ("/head_commit/message", json!(message)),
            ("/ref", json!(format!("refs/heads/{hostile}"))),
        ]);
        let here = Application {
            branch: hostile.clone(),
            ..application()
        };
        let Decision::Ask(deployments) = decide(&payload, Some(&here)) else {
            panic!("{hostile:?}")
        };
        let deployment = &deployments[0];
        assert_eq!(deployment.reference, harmless(&hostile, 255));
        assert_eq!(deployment.requested.by, harmless(&hostile, 80));
        assert!(deployment.requested.title.chars().count() <= 100);
        let line = serde_json::to_string(deployment).unwrap();
        assert!(
            !line.contains("\\n") && !line.contains("\\u00") && !line.contains('\u{202e}'),
            "{line}"
        );
        assert!(deployment.id.as_str().parse::<DeploymentId>().is_ok());
    }
}

#[test]
fn f08_a_name_that_is_no_name_is_refused() {
    for (pointer, value) in [
        ("/repository/full_name", json!("../shop")),
        ("/repository/full_name", json!("acme/sh op")),
        ("/repository/full_name", json!("acme/shop/x")),
        ("/after", json!("HEAD")),
        ("/after", json!(AFTER.replace('2', "G"))),
        ("/before", json!("$(id)")),
    ] {
        let body = with(&[(pointer, value.clone())]).to_string();
        assert!(Event::read("push", body.as_bytes()).is_err(), "{pointer} {value}");
    }
}

#[test]
fn f09_what_is_not_strictly_json_is_malformed_wherever_it_stands() {
    let good = push().to_string();
    let inside = |extra: &str| good.replacen('{', &format!("{{\"extra\":{extra},"), 1);
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Event::read("push", inside(&deep(50)).as_bytes()).is_ok());
    let bad = [
        inside(&deep(200)),
        format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)),
        inside("1e999"),
        inside("-1e999"),
        inside("\"\\ud800\""),
        inside("\"\\ud800\\u0041\""),
        inside("\"\\udc00\""),
        inside("01"),
        inside("NaN"),
        inside("'x'"),
        inside("\"a\nb\""),
        good.replacen("\"ref\"", "\"ref\":\"refs/heads/main\",\"ref\"", 1),
        good.replacen("1557933657", "1e999", 1),
        good.replacen("1557933657", "99999999999999999", 1),
        good.replacen("1557933657", "18446744073709551615", 1),
        good.replacen("1557933657", "1557933657.5", 1),
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        format!("payload={good}"),
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
    ];
    for body in bad {
        assert!(
            Event::read("push", body.as_bytes()).is_err(),
            "{}",
            harmless(&body, 200)
        );
    }
    assert!(Event::read("push", b"\x1f\x8b\x08\x00").is_err());
    assert!(Event::read("anything", b"{\"a\":\"\xff\"}").is_err());
    assert!(Event::read("anything", deep(200).as_bytes()).is_err());
    assert!(Event::read("ping", b"not json").is_err());
}

#[test]
fn a_delivery_is_named_like_a_guid() {
    assert_eq!("72D3162E-CC78".parse::<DeliveryId>().unwrap().as_str(), "72d3162e-cc78");
    for bad in ["", "x", "a b", "a\n", "72d3162e/cc78", "ü", &"a".repeat(65)] {
        assert_eq!(bad.parse::<DeliveryId>(), Err(InvalidDeliveryId), "{bad:?}");
    }
}

#[test]
fn a_delivery_s_record_reads_back_and_is_looked_at_only_while_it_is_half_way() {
    let id: DeliveryId = DELIVERY.parse().unwrap();
    let received = Delivery::new(id.clone(), "push\r\nx", Decision::Ask(asked(&push())), now());
    let ignored = Delivery::new(id, "push", Decision::Ignored(Reason::Tag), now());
    assert_eq!(received.event, "push x");
    assert_eq!(received.look_at(), Some(now() + Delivery::PATIENCE));
    assert_eq!(ignored.look_at(), None);
    for delivery in [received, ignored] {
        let json = serde_json::to_value(&delivery).unwrap();
        assert!(["received", "ignored"].contains(&json["state"].as_str().unwrap()));
        assert_eq!(serde_json::from_value::<Delivery>(json).unwrap(), delivery);
    }
}

#[test]
fn what_is_left_for_a_copy_of_a_delivery_is_what_was_decided_first() {
    let id: DeliveryId = DELIVERY.parse().unwrap();
    let deployments = asked(&push());
    let delivery = |decision| Delivery::new(id.clone(), "push", decision, now());
    let received = delivery(Decision::Ask(deployments.clone()));
    let ignored = delivery(Decision::Ignored(Reason::OtherBranch));
    let started = Delivery {
        course: Course::Started {
            deployments: deployments.clone(),
        },
        ..received.clone()
    };
    let start = LeftToDo::Start(deployments);
    let table = [
        (&received, None, start.clone()),
        (&ignored, None, LeftToDo::SayWhyNot(Reason::OtherBranch)),
        (&received, Some(&received), start.clone()),
        (&ignored, Some(&received), start),
        (&received, Some(&started), LeftToDo::Nothing),
        (&received, Some(&ignored), LeftToDo::SayWhyNot(Reason::OtherBranch)),
        (&ignored, Some(&ignored), LeftToDo::SayWhyNot(Reason::OtherBranch)),
    ];
    for (copy, before, left) in table {
        let found = copy.clone().left_to_do(before.cloned());
        assert_eq!(found, left, "{:?} after {before:?}", copy.course);
    }
}

#[test]
fn a_malformed_delivery_is_described_without_its_content() {
    let secret = with(&[("/deleted", json!("a secret"))]).to_string();
    let malformed = Event::read("push", secret.as_bytes()).unwrap_err().to_string();
    assert!(malformed.starts_with("the delivery cannot be read: it is not the JSON that GitHub sends (line 1, column"));
    assert!(!malformed.contains("secret"), "{malformed}");
}

#[test]
fn every_reason_has_a_code_and_a_sentence() {
    for reason in Reason::VARIANTS {
        assert_eq!(serde_json::to_value(reason).unwrap(), json!(reason.to_string()));
        assert!(reason.sentence().ends_with('.'), "{reason}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(event in "push|release|ping|x", body in any::<Vec<u8>>()) {
        let _ = Event::read(&event, &body);
    }

    #[test]
    fn no_mutilated_push_makes_it_panic(at in any::<prop::sample::Index>(), length in 0_usize..30, put in any::<Vec<u8>>()) {
        let body = push().to_string().into_bytes();
        let start = at.index(body.len());
        let end = (start + length).min(body.len());
        let mutilated = [&body[..start], &put, &body[end..]].concat();
        if let Ok(event) = Event::read("push", &mutilated) {
            asks(&event, Some(&application()), &DELIVERY.parse().unwrap(), &Found::default(), now());
        }
    }

    /// The same branch, commit before, commit after and second. A time that is missing is a value like any other.
    #[test]
    fn ids_are_equal_exactly_for_equal_pushes(
        a in ("[0-2]{2}", "[0-2][1-2]", proptest::option::of(0_i64..3)),
        b in ("[0-2]{2}", "[0-2][1-2]", proptest::option::of(0_i64..3)),
    ) {
        let sha = |digits: &str| digits.repeat(20);
        let deployments = |(before, after, second): &(String, String, Option<i64>)| asked(&with(&[
            ("/before", json!(sha(before))),
            ("/after", json!(sha(after))),
            ("/repository/pushed_at", json!(second)),
        ]));
        prop_assert_eq!(ids(&deployments(&a)) == ids(&deployments(&b)), a == b);
    }
}
