//! Every example payload that GitHub's community collected goes through the decision and is classified.
#![expect(clippy::expect_used, reason = "a test stops on the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use domain::configuration::{Application, Configuration};
use domain::intake::{Decision, Event, Found, Resolved, asks};
use payloads::{COLLECTIONS, Example, examples};

/// The application of the repository that the examples come from.
fn application() -> Application {
    let text = r#"
[pipeline]
account = "111111111111"
region = "eu-west-1"
external_id = "0123456789abcdef0123456789abcdef"
[application."Codertocat/Hello-World"]
branch = "master"
[application."Codertocat/Hello-World".environment.dev]
account = "222222222222"
on = "push"
pull_requests = true
[application."Codertocat/Hello-World".environment.test]
account = "333333333333"
on = "prerelease"
after = "dev"
[application."Codertocat/Hello-World".environment.production]
account = "444444444444"
on = "release"
after = "test"
"#;
    Configuration::read(text)
        .expect("the configuration is right")
        .applications
        .remove(0)
}

#[test]
fn every_example_payload_is_classified() {
    let application = application();
    let delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().expect("a delivery's id");
    let now = "2026-11-23T12:00:00Z".parse().expect("a time");
    let resolved = Resolved {
        commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246".parse().expect("a commit"),
        title: "Initial commit".to_owned(),
    };
    let found = Found {
        commit: Some(resolved),
        may_write: true,
    };
    let mut classes: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut other_events = BTreeSet::new();
    let mut count = 0;
    let all = COLLECTIONS.map(|collection| examples(collection).expect("GitHub's examples are there"));
    for Example { event: name, body } in all.into_iter().flatten() {
        count += 1;
        let event = Event::read(&name, body.as_bytes());
        let class = match &event {
            Err(malformed) => format!("malformed: {malformed}"),
            Ok(Event::Ping) => "pong".to_owned(),
            Ok(event) => match asks(event, Some(&application), &delivery, &found, now) {
                Decision::Ask(deployments) => format!("asks_for_{}", deployments[0].environment.name),
                Decision::Ignored(reason) => reason.to_string(),
            },
        };
        let group = match &event {
            Ok(Event::Other) => {
                other_events.insert(name);
                "other events".to_owned()
            }
            _ => name,
        };
        *classes.entry(group).or_default().entry(class).or_default() += 1;
    }
    let lines: Vec<String> = classes
        .iter()
        .map(|(group, classes)| {
            let counts: Vec<String> = classes
                .iter()
                .map(|(class, count)| format!("{count} {class}"))
                .collect();
            format!("{group}: {}", counts.join(", "))
        })
        .chain([format!(
            "{count} payloads; other events are of {} kinds",
            other_events.len()
        )])
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    deployment: 11 other_task
    other events: 617 asks_for_nothing
    ping: 11 pong
    pull_request: 14 asks_for_dev, 32 same_commits
    push: 2 asks_for_dev, 6 deletion, 6 tag
    release: 11 asks_for_production, 2 asks_for_test, 3 created_release, 2 edited_release, 2 withdrawn_release
    repository_dispatch: 7 other_task
    726 payloads; other events are of 58 kinds
    ");
}
