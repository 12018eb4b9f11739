//! A release that customers use already, and is not deployed yet.

use super::*;
use crate::bake::Says;
use crate::change_set::{How, Loss};

/// Forward and tested, in an environment that has it baked.
fn baked_soon(asks: bool) -> Status {
    Status {
        bakes: true,
        ..tested(asks)
    }
}

fn baking() -> Event {
    Event::Baking {
        until: NOW,
        alarms: vec!["errors".to_owned()],
    }
}

fn bake_asked() -> Event {
    Event::BakeAsked {
        question: Question::Silent {
            missing: "nobody uses it".to_owned(),
        },
    }
}

fn answered(says: Says) -> Event {
    Event::BakeAnswered {
        word: Word {
            says,
            by: "ann".to_owned(),
            why: "looked at it".to_owned(),
            at: NOW,
        },
    }
}

fn baked() -> Event {
    Event::Baked {
        how: "the alarm errors stayed OK".to_owned(),
    }
}

fn nothing_to_deploy() -> Event {
    Event::Ended(Ending::NothingToDeploy)
}

fn failed() -> Event {
    Event::Ended(Ending::FailedClean {
        failure: Failure::new(Name::AlarmRaised, "errors went into ALARM"),
        way_back: WayBack::NothingChanged,
    })
}

/// What it is, whether people are asked, what happens, and the first of it that cannot happen.
type Case = (&'static str, bool, Vec<Event>, Result<(), &'static str>);

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn which_way_a_bake_may_go() {
    let accept = || voted("qa@acme.example", Choice::Accept);
    let testing = || Event::IntegrationTested {
        passed: true,
        cause: None,
        log: String::new(),
    };
    let executing = || Event::Executing {
        leg: Leg::Forward,
        stack: "web".parse().unwrap(),
        change_set: String::new(),
    };
    let way_back = || Event::Planned {
        leg: Leg::Back,
        release: Digest::of(b"stable"),
        waves: vec![],
    };
    let cases: Vec<Case> = vec![
        (
            "it bakes and is deployed",
            false,
            vec![baking(), baked(), deployed()],
            Ok(()),
        ),
        (
            "it had this release already",
            false,
            vec![baking(), baked(), nothing_to_deploy()],
            Ok(()),
        ),
        ("deployed without a bake", false, vec![deployed()], Err("ended")),
        (
            "nothing to deploy, without a bake",
            false,
            vec![nothing_to_deploy()],
            Err("ended"),
        ),
        (
            "deployed while it bakes",
            false,
            vec![baking(), deployed()],
            Err("ended"),
        ),
        (
            "deployed while people are asked",
            false,
            vec![baking(), bake_asked(), deployed()],
            Err("ended"),
        ),
        (
            "deployed by a word alone",
            false,
            vec![baking(), bake_asked(), answered(Says::Pass), deployed()],
            Err("ended"),
        ),
        ("it fails while it bakes", false, vec![baking(), failed()], Ok(())),
        ("it fails after that", false, vec![baking(), baked(), failed()], Ok(())),
        (
            "people are asked, and it passes",
            false,
            vec![baking(), bake_asked(), answered(Says::Pass), baked(), deployed()],
            Ok(()),
        ),
        (
            "people are asked, and evidence comes",
            false,
            vec![baking(), bake_asked(), baked(), deployed()],
            Ok(()),
        ),
        (
            "a word that nobody asked for",
            false,
            vec![baking(), answered(Says::GoBack), going_back()],
            Ok(()),
        ),
        (
            "it goes back to its end",
            false,
            vec![baking(), going_back(), way_back()],
            Ok(()),
        ),
        ("an alarm", false, vec![baking(), going_back()], Ok(())),
        (
            "going back after its bake",
            false,
            vec![baking(), baked(), going_back()],
            Err("going_back"),
        ),
        (
            "going back after its end",
            false,
            vec![baking(), baked(), deployed(), going_back()],
            Err("going_back"),
        ),
        (
            "deployed after it went back",
            false,
            vec![baking(), going_back(), deployed()],
            Err("ended"),
        ),
        (
            "the bake passes after it went back",
            false,
            vec![baking(), going_back(), baked()],
            Err("baked"),
        ),
        ("asked before it bakes", false, vec![bake_asked()], Err("bake_asked")),
        (
            "answered before it bakes",
            false,
            vec![answered(Says::Pass)],
            Err("bake_answered"),
        ),
        ("baked before it bakes", false, vec![baked()], Err("baked")),
        (
            "asked after its bake",
            false,
            vec![baking(), baked(), bake_asked()],
            Err("bake_asked"),
        ),
        (
            "answered after its bake",
            false,
            vec![baking(), baked(), answered(Says::GoBack)],
            Err("bake_answered"),
        ),
        (
            "baking after its bake",
            false,
            vec![baking(), baked(), baking()],
            Err("baking"),
        ),
        (
            "told twice",
            false,
            vec![baking(), baking(), bake_asked(), bake_asked(), baked(), deployed()],
            Ok(()),
        ),
        (
            "tests, and then the bake",
            false,
            vec![testing(), baking(), baked(), deployed()],
            Ok(()),
        ),
        (
            "tests while it bakes",
            false,
            vec![baking(), testing()],
            Err("integration_tested"),
        ),
        (
            "a change while it bakes",
            false,
            vec![baking(), executing()],
            Err("executing"),
        ),
        (
            "accepted, and then it bakes",
            true,
            vec![asked(), accept(), accepted(), baking(), baked(), deployed()],
            Ok(()),
        ),
        (
            "accepted, and deployed at once",
            true,
            vec![asked(), accept(), accepted(), deployed()],
            Err("ended"),
        ),
        ("it bakes, and nobody was asked", true, vec![baking()], Err("baking")),
        (
            "it bakes while people are asked",
            true,
            vec![asked(), baking()],
            Err("baking"),
        ),
        (
            "it bakes though it was rejected",
            true,
            vec![asked(), voted("qa@acme.example", Choice::Reject), rejected(), baking()],
            Err("baking"),
        ),
        (
            "superseded while it bakes",
            true,
            vec![asked(), accept(), accepted(), baking(), ended_superseded("d2")],
            Err("ended"),
        ),
    ];
    for (what, asks, events, expected) in cases {
        assert_eq!(after(baked_soon(asks), &events).map(drop), expected, "{what}");
    }
}

#[test]
fn where_nothing_bakes_there_is_no_bake() {
    assert_eq!(after(tested(false), &[baking()]), Err("baking"));
    assert_eq!(after(tested(false), &[baked()]), Err("baked"));
}

#[test]
fn what_was_asked_and_said_last_is_kept() {
    let status = after(
        baked_soon(false),
        &[
            baking(),
            bake_asked(),
            answered(Says::GoBack),
            answered(Says::Pass),
            baked(),
        ],
    )
    .unwrap();
    assert_eq!(status.phase, Phase::Baking);
    assert!(status.baked);
    assert_eq!(
        Event::BakeAsked {
            question: status.bake_asked.unwrap()
        },
        bake_asked()
    );
    assert_eq!(
        Event::BakeAnswered {
            word: status.bake_answered.unwrap()
        },
        answered(Says::Pass)
    );
}

fn compared(leg: Leg, stack: &str, lost: &[(&str, bool)]) -> Event {
    let losses = lost.iter().map(|(logical_id, stateful)| Loss {
        logical_id: (*logical_id).to_owned(),
        resource_type: "AWS::DynamoDB::Table".to_owned(),
        how: How::Replaced,
        stateful: *stateful,
        kept: false,
    });
    Event::Compared {
        leg,
        stack: stack.parse().unwrap(),
        summary: Some(Summary {
            losses: losses.collect(),
            ..Summary::default()
        }),
    }
}

#[test]
fn data_is_at_risk_in_what_was_replaced_or_removed_on_the_way_forward() {
    let forward = Status {
        phase: Phase::Deploying,
        ..tested(false)
    };
    let executing = |stack: &str| Event::Executing {
        leg: Leg::Forward,
        stack: stack.parse().unwrap(),
        change_set: String::new(),
    };
    let updated = |stack: &str| Event::Updated {
        leg: Leg::Forward,
        stack: stack.parse().unwrap(),
    };
    let refused = |stack: &str| Event::NotUpdated {
        leg: Leg::Forward,
        stack: stack.parse().unwrap(),
        failure: Failure::new(Name::StackRolledBack, "x"),
    };
    let risk = |events: &[Event]| after(forward.clone(), events).unwrap().data_at_risk();
    let compare = |stack| {
        compared(
            Leg::Forward,
            stack,
            &[("Orders", true), ("Role", false), ("Carts", true)],
        )
    };
    let both = ["web/Orders (AWS::DynamoDB::Table)", "web/Carts (AWS::DynamoDB::Table)"];
    assert_eq!(risk(&[compare("web")]), Vec::<String>::new(), "nothing was changed yet");
    assert_eq!(
        risk(&[compare("web"), executing("web")]),
        both,
        "nobody knows how far it came"
    );
    assert_eq!(risk(&[compare("web"), executing("web"), updated("web")]), both);
    assert_eq!(
        risk(&[compare("web"), executing("web"), refused("web")]),
        Vec::<String>::new(),
        "CloudFormation put it back"
    );
    assert_eq!(
        risk(&[compare("web"), compare("data"), executing("web"), updated("web")]),
        both,
        "of two stacks the one that was changed"
    );
    assert_eq!(
        risk(&[
            compare("web"),
            compared(Leg::Forward, "web", &[]),
            executing("web"),
            updated("web")
        ]),
        Vec::<String>::new(),
        "compared again, and nothing is lost"
    );
    // What the way back replaces is none of it.
    let back = after(forward, &[executing("web"), updated("web"), going_back()]).unwrap();
    let planned = Event::Planned {
        leg: Leg::Back,
        release: Digest::of(b"stable"),
        waves: vec![vec!["web".parse().unwrap()]],
    };
    let back = after(back, &[planned, compared(Leg::Back, "web", &[("Orders", true)])]).unwrap();
    assert_eq!(back.data_at_risk(), Vec::<String>::new());
}
