#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use super::*;
use crate::deployment::{Environment, QueuePolicy, Request, WithoutStable};
use crate::failure::Name;
use crate::ledger::Head;
use crate::names::Digest;

fn deployment() -> Deployment {
    Deployment {
        id: "shop-dev-1a2b3c4d-0011223344556677".parse().unwrap(),
        application: "acme/shop".parse().unwrap(),
        environment: Environment {
            name: "dev".parse().unwrap(),
            account: "222222222222".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            on: vec![Cause::Push],
            after: None,
            queue: QueuePolicy::Newest,
            stacks: vec![],
            qualifier: "hnb659fds".parse().unwrap(),
            without_stable: WithoutStable::GiveBack,
            replace_failed_stacks: true,
            freezes: Vec::new(),
            integration_tests: false,
            pull_requests: false,
            url: None,
            approval: None,
            after_acceptance: false,
            max_age_seconds: None,
            bake: None,
            watch_seconds: None,
            holds: false,
            keep: crate::deployment::KEEP,
        },
        commit: "1a2b3c4d".repeat(5).parse().unwrap(),
        reference: "main".to_owned(),
        release: None,
        requested: Request {
            by: "octocat".to_owned(),
            at: Timestamp::from_second(1_790_000_000).unwrap(),
            happened_at: Timestamp::from_second(1_790_000_000).unwrap(),
            because: Cause::Push,
            delivery: None,
            before: None,
            title: "Sell tea by the pound".to_owned(),
            at_github: None,
        },
        rollback: None,
        plans: false,
    }
}

#[test]
fn what_people_read_when_a_deployment_fails() {
    let deployment = deployment();
    let failure = Failure::new(
        Name::BuildFailed,
        "BUILD: npm test exited with 1. Log: https://console.example/log",
    );
    let ending = Ending::FailedClean {
        failure,
        way_back: WayBack::NothingChanged,
    };
    let mut head = Head::empty(deployment.id.clone());
    let mut entries = Vec::new();
    let story = [
        Event::Requested {
            deployment: Box::new(deployment.clone()),
        },
        Event::Admitted { fence: 1 },
        Event::Building {
            build: "lockgate-build:42".to_owned(),
            log: String::new(),
        },
        Event::Ended(ending.clone()),
    ];
    for (second, event) in [0, 1, 22, 763].into_iter().zip(story) {
        let (entry, next) = head
            .append(event, Timestamp::from_second(1_790_000_000 + second).unwrap())
            .unwrap()
            .unwrap();
        entries.push(entry);
        head = next;
    }
    let message = ended(&deployment, &ending, &entries, "https://console.example/execution");
    insta::assert_snapshot!(format!("{}\n----\n{}", message.subject, message.body), @r"
    [dev] acme/shop 1a2b3c4d1a2b FAILED
    ----
    The repository's own build or tests failed.
    Rejected.BuildFailed: BUILD: npm test exited with 1. Log: https://console.example/log

    What to do: Read the build's log at the link in the cause, mend the commit and push.
    Nothing was changed in the environment.

    Application  acme/shop
    Environment  dev (account 222222222222, eu-west-1)
    Commit       1a2b3c4d1a2b Sell tea by the pound
    Asked by     octocat, a push to main
    Deployment   shop-dev-1a2b3c4d-0011223344556677

    What happened (times in UTC)
    14:13:20                requested
    14:13:21        +1.0 s  admitted
    14:13:42       +21.0 s  building: lockgate-build:42
    14:26:03  +12 min 21 s  failed, environment clean: Rejected.BuildFailed: BUILD: npm test exited with 1. Log: https://console.example/log

    The execution: https://console.example/execution
    ");
}

#[test]
fn a_commit_without_a_message_leaves_nothing_behind_its_number() {
    let mut deployment = deployment();
    deployment.requested.title = String::new();
    let body = started(&deployment, "").body;
    assert!(body.contains("Commit       1a2b3c4d1a2b\n"), "{body}");
}

#[test]
fn a_subject_is_never_too_long() {
    let mut deployment = deployment();
    deployment.application = format!("{}/{}", "a".repeat(39), "b".repeat(100)).parse().unwrap();
    deployment.environment.name = "abcdefghijklmnopqrst".parse().unwrap();
    let ending = Ending::OperatorNeeded {
        failure: Failure::new(Name::StackUnknown, "x"),
    };
    let subject = ended(&deployment, &ending, &[], "").subject;
    assert!(
        subject.len() < 100 && subject.ends_with("an operator is needed"),
        "{subject}"
    );
}

#[test]
fn durations_read_well() {
    for (millis, text) in [
        (0, "0.0 s"),
        (1_234, "1.2 s"),
        (59_999, "59.9 s"),
        (61_000, "1 min 1 s"),
        (3_720_000, "1 h 2 min"),
    ] {
        assert_eq!(duration(SignedDuration::from_millis(millis)), text);
    }
}

#[test]
fn a_deployment_that_went_back_says_where_to() {
    let ending = Ending::FailedClean {
        failure: Failure::new(Name::SmokeTestsFailed, "the shop is open: status 500, not 200"),
        way_back: went_back(&[]),
    };
    let body = ended(&deployment(), &ending, &[], "").body;
    assert!(
        body.contains(&format!(
            "went back to the stable release {}",
            Digest::of(b"v1").short()
        )),
        "{body}"
    );
}

fn went_back(left: &[&str]) -> WayBack {
    WayBack::WentBack {
        to: Digest::of(b"v1"),
        left: left.iter().map(|stack| stack.parse().unwrap()).collect(),
    }
}

#[test]
fn stacks_that_the_way_back_leaves_are_said() {
    let ending = Ending::FailedClean {
        failure: Failure::new(Name::SmokeTestsFailed, "the shop is open: status 500, not 200"),
        way_back: went_back(&["shop-dev-jobs", "shop-dev-mail"]),
    };
    let body = ended(&deployment(), &ending, &[], "").body;
    assert!(
        body.contains("not part of it, and are there still: shop-dev-jobs, shop-dev-mail. Delete them"),
        "{body}"
    );
    let json = serde_json::to_value(went_back(&[])).unwrap();
    assert_eq!(
        json["left"],
        serde_json::Value::Null,
        "records of before are read as they were"
    );
    assert_eq!(serde_json::from_value::<WayBack>(json).unwrap(), went_back(&[]));
}

mod approval;
mod bake;
