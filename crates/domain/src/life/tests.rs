#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use super::*;
use crate::approval::{PrincipalArn, Via, When};
use crate::failure::Name;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn id(name: &str) -> DeploymentId {
    name.parse().unwrap()
}

/// A deployment whose environment asks people, forward and tested.
fn tested(asks: bool) -> Status {
    Status {
        phase: Phase::Testing,
        leg: Some(Leg::Forward),
        fence: Some(1),
        release: Some(Digest::of(b"candidate")),
        asks,
        ..Status::default()
    }
}

fn asked() -> Event {
    Event::ApprovalAsked {
        approval: ApprovalId::of(&id("d1"), When::After),
        people: vec!["qa@acme.example".parse().unwrap(), "lead@acme.example".parse().unwrap()],
        deadline: NOW,
        unconfirmed: vec![],
        excluded: vec![],
    }
}

fn voted(by: &str, decision: Choice) -> Event {
    let arn: PrincipalArn = "arn:aws:iam::111111111111:user/qa".parse().unwrap();
    Event::Voted {
        ballot: Ballot {
            by: by.parse().unwrap(),
            via: Via::Command { arn },
            decision,
            comment: "looked at it".to_owned(),
            ticked: vec![],
            at: NOW,
        },
    }
}

fn decided(outcome: Outcome) -> Event {
    Event::Decided { outcome }
}

fn accepted() -> Event {
    decided(Outcome::Accepted { at: NOW })
}

fn rejected() -> Event {
    decided(Outcome::Rejected {
        by: "qa@acme.example".parse().unwrap(),
        comment: "no".to_owned(),
        at: NOW,
    })
}

fn superseded() -> Event {
    decided(Outcome::Superseded { by: id("d2"), at: NOW })
}

#[test]
fn what_is_there_and_not_in_the_release_it_goes_back_to_is_left() {
    let stack = |name: &str| name.parse::<StackName>().unwrap();
    let planned = |leg, stacks: &[&str]| Event::Planned {
        leg,
        release: Digest::of(b"a release"),
        waves: vec![stacks.iter().map(|name| stack(name)).collect()],
    };
    let mut before = tested(false);
    before.stacks = [
        ("data", Progress::Updated),
        ("jobs", Progress::Updated),
        ("mail", Progress::Unchanged),
        ("never", Progress::Planned),
        ("refused", Progress::NotUpdated),
    ]
    .map(|(name, progress)| (stack(name), progress))
    .into();
    let back = after(before, &[going_back(), planned(Leg::Back, &["data"])]).unwrap();
    assert_eq!(back.back_stacks, [stack("data")].into());
    let again = after(back.clone(), &[planned(Leg::Back, &["data"])]).unwrap();
    assert_eq!(again, back);
    let went = Ending::FailedClean {
        failure: Failure::new(Name::NotAccepted, "no"),
        way_back: WayBack::WentBack {
            to: Digest::of(b"stable"),
            left: [stack("jobs"), stack("mail")].into(),
        },
    };
    assert_eq!(crate::verdict::ending_of(&back), went);
}

fn going_back() -> Event {
    Event::GoingBack {
        to: Digest::of(b"stable"),
        because: Failure::new(Name::NotAccepted, "no"),
    }
}

fn deployed() -> Event {
    Event::Ended(Ending::Deployed)
}

fn ended_superseded(by: &str) -> Event {
    Event::Ended(Ending::Superseded { by: id(by) })
}

/// The status after all of these, or the first that cannot have happened.
fn after(status: Status, events: &[Event]) -> Result<Status, &'static str> {
    events
        .iter()
        .try_fold(status, |status, event| status.next(event))
        .map_err(|illegal| illegal.event)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn which_way_an_acceptance_may_go() {
    let qa = |decision| voted("qa@acme.example", decision);
    let lead = |decision| voted("lead@acme.example", decision);
    let (accept, reject) = (Choice::Accept, Choice::Reject);
    let expired = || decided(Outcome::Expired { at: NOW });
    let executing = Event::Executing {
        leg: Leg::Forward,
        stack: "web".parse().unwrap(),
        change_set: String::new(),
    };
    let cases: Vec<(&str, Vec<Event>, Result<(), &str>)> = vec![
        ("accepted", vec![asked(), qa(accept), accepted(), deployed()], Ok(())),
        ("nobody was asked", vec![deployed()], Err("ended")),
        ("nobody has answered", vec![asked(), deployed()], Err("ended")),
        (
            "one has, and it is not decided",
            vec![asked(), qa(accept), deployed()],
            Err("ended"),
        ),
        ("accepted by nobody", vec![asked(), accepted()], Err("decided")),
        (
            "accepted and rejected",
            vec![asked(), lead(accept), qa(reject), accepted()],
            Err("decided"),
        ),
        ("rejected by nobody", vec![asked(), rejected()], Err("decided")),
        (
            "rejected by who accepted",
            vec![asked(), qa(accept), rejected()],
            Err("decided"),
        ),
        (
            "rejected, and goes back",
            vec![asked(), qa(reject), rejected(), going_back()],
            Ok(()),
        ),
        (
            "rejected, and deployed",
            vec![asked(), qa(reject), rejected(), deployed()],
            Err("ended"),
        ),
        (
            "expired, and deployed",
            vec![asked(), qa(accept), expired(), deployed()],
            Err("ended"),
        ),
        (
            "expired, and then accepted",
            vec![asked(), qa(accept), expired(), accepted()],
            Err("decided"),
        ),
        ("an answer before the question", vec![qa(accept)], Err("voted")),
        (
            "an answer after the decision",
            vec![asked(), qa(accept), accepted(), lead(accept)],
            Err("voted"),
        ),
        (
            "another answer of the same person",
            vec![asked(), qa(accept), qa(reject)],
            Err("voted"),
        ),
        (
            "everything told twice",
            vec![
                asked(),
                asked(),
                qa(accept),
                qa(accept),
                accepted(),
                qa(accept),
                accepted(),
                deployed(),
                accepted(),
                deployed(),
            ],
            Ok(()),
        ),
        (
            "asked again after the decision",
            vec![asked(), qa(accept), accepted(), asked()],
            Err("approval_asked"),
        ),
        (
            "superseded",
            vec![asked(), superseded(), ended_superseded("d2")],
            Ok(()),
        ),
        (
            "superseded by another than it says",
            vec![asked(), superseded(), ended_superseded("d3")],
            Err("ended"),
        ),
        (
            "superseded undecided",
            vec![asked(), ended_superseded("d2")],
            Err("ended"),
        ),
        (
            "f42 superseded, and then accepted",
            vec![asked(), qa(accept), superseded(), accepted()],
            Err("decided"),
        ),
        (
            "superseded, and goes back into the newer one's environment",
            vec![asked(), superseded(), going_back()],
            Err("going_back"),
        ),
        ("a change while people look", vec![asked(), executing], Err("executing")),
        (
            "an answer on the way back",
            vec![asked(), qa(reject), rejected(), going_back(), lead(accept)],
            Err("voted"),
        ),
    ];
    for (what, events, expected) in cases {
        assert_eq!(after(tested(true), &events).map(drop), expected, "{what}");
    }
}

#[test]
fn who_accepted_and_when_is_kept() {
    let status = after(
        tested(true),
        &[
            asked(),
            voted("qa@acme.example", Choice::Accept),
            voted("lead@acme.example", Choice::Accept),
            accepted(),
        ],
    )
    .unwrap();
    let Acceptance { by, at } = status.accepted.unwrap();
    assert_eq!(
        by.iter().map(Approver::as_str).collect::<Vec<_>>(),
        ["lead@acme.example", "qa@acme.example"]
    );
    assert_eq!(at, NOW);
}

#[test]
fn where_nobody_is_asked_nobody_answers_and_tests_are_the_end() {
    assert!(after(tested(false), &[deployed()]).is_ok());
    assert_eq!(after(tested(false), &[asked()]), Err("approval_asked"));
}

#[test]
fn integration_tests_run_on_the_way_forward_and_before_people_are_asked() {
    let testing = || Event::IntegrationTesting {
        build: "b:1".to_owned(),
        log: String::new(),
    };
    let passed = || Event::IntegrationTested {
        passed: true,
        cause: None,
        log: String::new(),
    };
    assert!(after(tested(false), &[testing(), passed(), deployed()]).is_ok());
    assert!(after(tested(true), &[testing(), passed(), asked()]).is_ok());
    assert_eq!(after(tested(true), &[asked(), testing()]), Err("integration_testing"));
    let back = Status {
        leg: Some(Leg::Back),
        back_to: Some(Digest::of(b"stable")),
        ..tested(false)
    };
    assert_eq!(after(back, &[passed()]), Err("integration_tested"));
}

#[test]
fn a_deployment_knows_from_the_beginning_whether_people_are_asked() {
    let json = r#"{"id":"d1","application":"acme/shop","environment":{"name":"test","account":"333333333333","region":"eu-west-1","on":["prerelease"],"after":"dev","queue":"newest","stacks":[],"qualifier":"hnb659fds","without_stable":"give_back","replace_failed_stacks":true,"integration_tests":true,"approval":{"when":"after","people":[{"name":"qa@acme.example"}],"duties":[{"group":null,"people":["qa@acme.example"],"need":1}],"within_seconds":259200,"on_reject":"stay"},"after_acceptance":false},"commit":"2222222222222222222222222222222222222222","reference":"v1","release":null,"requested":{"by":"ann","at":"2026-11-23T12:00:00Z","happened_at":"2019-05-15T15:20:57Z","because":"prerelease","delivery":null,"before":null,"title":""}}"#;
    let mut deployment: Deployment = serde_json::from_str(json).unwrap();
    let asks = |deployment: &Deployment| {
        let deployment = Box::new(deployment.clone());
        Status::default().next(&Event::Requested { deployment }).unwrap().asks
    };
    assert!(asks(&deployment));
    deployment.environment.approval = None;
    assert!(!asks(&deployment));
}

mod asking_before;
mod baking;
mod rolling_back;
