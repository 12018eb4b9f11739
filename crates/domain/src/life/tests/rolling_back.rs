//! A deployment that takes its environment back, and does nothing else.

use super::*;

/// To a release that was stable, in an environment that asks people and has what goes forward baked.
pub(super) fn deployment() -> Deployment {
    let json = r#"{"id":"b1","application":"acme/shop","environment":{"name":"test","account":"333333333333","region":"eu-west-1","on":["prerelease"],"after":null,"queue":"newest","stacks":[],"qualifier":"hnb659fds","without_stable":"give_back","replace_failed_stacks":true,"integration_tests":true,"approval":{"when":"after","people":[{"name":"qa@acme.example"}],"duties":[{"group":null,"people":["qa@acme.example"],"need":1}],"within_seconds":259200,"on_reject":"stay"},"bake":{"begins":"after_tests","for_seconds":1800,"alarms":[{"named":"errors"}],"silence":"ask"},"holds":true},"commit":"2222222222222222222222222222222222222222","reference":"v1","release":null,"requested":{"by":"ann","at":"2026-11-23T12:00:00Z","happened_at":"2019-05-15T15:20:57Z","because":"manual","delivery":null,"before":null,"title":""}}"#;
    let mut deployment: Deployment = serde_json::from_str(json).unwrap();
    deployment.release = Some(Digest::of(b"stable"));
    deployment.rollback = Some(crate::deployment::Rollback {
        from: Digest::of(b"bad"),
        stable: Digest::of(b"bad"),
        because: Failure::new(Name::TakenBack, "ann says: payments fail"),
    });
    deployment
}

fn requested() -> Event {
    Event::Requested {
        deployment: Box::new(deployment()),
    }
}

fn planned(leg: Leg) -> Event {
    Event::Planned {
        leg,
        release: Digest::of(b"stable"),
        waves: vec![vec!["web".parse().unwrap()]],
    }
}

fn smoke_tested() -> Event {
    Event::SmokeTested {
        leg: Leg::Back,
        report: Report::new(vec![]),
    }
}

fn released() -> Event {
    Event::Released {
        release: Digest::of(b"stable"),
    }
}

fn rolled_back() -> Event {
    Event::Ended(Ending::RolledBack {
        to: Digest::of(b"stable"),
        left: BTreeSet::new(),
    })
}

#[test]
fn it_knows_from_the_beginning_that_it_goes_back_and_asks_and_bakes_nothing() {
    let status = Status::default().next(&requested()).unwrap();
    assert!(status.rolls_back && !status.asks && !status.bakes);
    assert_eq!(status.back_to, Some(Digest::of(b"stable")));
    assert_eq!(status.because.unwrap().name, Name::TakenBack);
    let mut forward = deployment();
    forward.rollback = None;
    let forward = Event::Requested {
        deployment: Box::new(forward),
    };
    let status = Status::default().next(&forward).unwrap();
    assert!(!status.rolls_back && status.asks && status.bakes);
    assert_eq!((status.back_to, status.because), (None, None));
}

#[test]
fn which_way_a_rollback_may_go() {
    let admitted = || Event::Admitted { fence: 1 };
    let baking = || Event::Baking {
        until: NOW,
        alarms: vec![],
    };
    let back = || planned(Leg::Back);
    let arrived = || vec![admitted(), released(), back(), smoke_tested()];
    let then = |event: Event| [arrived(), vec![event]].concat();
    let cases: Vec<(&str, Vec<Event>, Result<(), &str>)> = vec![
        ("it goes back", then(rolled_back()), Ok(())),
        (
            "it waits for the lock",
            vec![Event::Queued { before: 0 }, admitted(), released(), back()],
            Ok(()),
        ),
        ("planned before it has the lock", vec![back()], Err("planned")),
        (
            "planned while it waits",
            vec![Event::Queued { before: 0 }, back()],
            Err("planned"),
        ),
        (
            "planned forward",
            vec![admitted(), released(), planned(Leg::Forward)],
            Err("planned"),
        ),
        (
            "it ends before it is there",
            vec![admitted(), released(), back(), rolled_back()],
            Err("ended"),
        ),
        ("it ends before it began", vec![rolled_back()], Err("ended")),
        ("as if it had gone forward", then(deployed()), Err("ended")),
        (
            "with nothing to deploy",
            then(Event::Ended(Ending::NothingToDeploy)),
            Err("ended"),
        ),
        ("a rollback of a rollback", then(going_back()), Err("going_back")),
        (
            "the same half-way",
            vec![admitted(), released(), back(), going_back()],
            Err("going_back"),
        ),
        ("people are asked", then(asked()), Err("approval_asked")),
        ("it bakes", then(baking()), Err("baking")),
        (
            "it ends twice",
            [then(rolled_back()), vec![rolled_back()]].concat(),
            Ok(()),
        ),
        (
            "it ends otherwise",
            [then(rolled_back()), vec![deployed()]].concat(),
            Err("ended"),
        ),
        ("superseded while it waits", vec![ended_superseded("d2")], Ok(())),
        (
            "superseded half-way",
            vec![admitted(), released(), ended_superseded("d2")],
            Err("ended"),
        ),
    ];
    for (what, events, expected) in cases {
        let status = Status::default().next(&requested()).unwrap();
        assert_eq!(after(status, &events).map(drop), expected, "{what}");
    }
}

#[test]
fn what_goes_forward_never_ends_as_taken_back() {
    assert_eq!(after(tested(false), &[rolled_back()]), Err("ended"));
    let back = [going_back(), planned(Leg::Back), smoke_tested(), rolled_back()];
    assert_eq!(after(tested(false), &back), Err("ended"));
}

#[test]
fn what_nothing_special_is_known_of_is_written_as_before() {
    let written = serde_json::to_value(Status::default()).unwrap();
    let keys: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "accepted", "asks", "back_to", "because", "decided", "ending", "fence", "leg", "phase", "release",
            "stacks", "votes"
        ]
    );
    let ended = serde_json::to_string(&Ending::RolledBack {
        to: Digest::of(b"stable"),
        left: BTreeSet::new(),
    });
    assert!(!ended.unwrap().contains("left"));
}

#[test]
fn people_let_a_deployment_in_before_or_as_it_is_admitted_and_not_later() {
    let let_in = || Event::LetIn {
        frozen: "frozen until Monday".to_owned(),
        words: vec![],
    };
    let admitted = || Event::Admitted { fence: 1 };
    for events in [vec![let_in(), admitted()], vec![admitted(), let_in(), let_in()]] {
        assert!(after(Status::default(), &events).unwrap().let_in);
    }
    assert_eq!(
        after(Status::default(), &[admitted(), released(), let_in()]),
        Err("let_in")
    );
}
