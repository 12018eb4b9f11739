//! People are asked before anything is executed, or somebody only wants to see what would be.

use super::*;

fn stack(name: &str) -> StackName {
    name.parse().unwrap()
}

fn sets(name: &str) -> Vec<Prepared> {
    vec![Prepared {
        stack: stack("web"),
        change_set: Some(format!("arn:changeSet/{name}")),
        hash: Digest::of(name.as_bytes()),
    }]
}

fn prepared(name: &str) -> Event {
    Event::Prepared { sets: sets(name) }
}

fn executing() -> Event {
    executing_of("one")
}

fn executing_of(name: &str) -> Event {
    Event::Executing {
        leg: Leg::Forward,
        stack: stack("web"),
        change_set: format!("arn:changeSet/{name}"),
    }
}

fn updated() -> Event {
    Event::Updated {
        leg: Leg::Forward,
        stack: stack("web"),
    }
}

fn smoke_tested() -> Event {
    Event::SmokeTested {
        leg: Leg::Forward,
        report: Report::new(vec![]),
    }
}

/// Planned, in an environment that asks people before.
fn planned() -> Status {
    Status {
        asks_before: true,
        phase: Phase::Deploying,
        ..tested(true)
    }
}

fn accepts() -> Event {
    voted("qa@acme.example", Choice::Accept)
}

fn rejects() -> Event {
    voted("qa@acme.example", Choice::Reject)
}

#[test]
fn nothing_is_executed_before_people_have_accepted_what_they_saw() {
    let one = || prepared("one");
    let whole = [
        one(),
        asked(),
        accepts(),
        accepted(),
        executing(),
        updated(),
        smoke_tested(),
        deployed(),
    ];
    let status = after(planned(), &whole).unwrap();
    assert!(status.accepted.is_some());
    for (what, events, expected) in [
        ("nobody was asked", vec![executing()], "executing"),
        ("nobody has answered", vec![one(), asked(), executing()], "executing"),
        (
            "somebody said no",
            vec![one(), asked(), rejects(), rejected(), executing()],
            "executing",
        ),
        ("asked about nothing", vec![asked()], "approval_asked"),
        (
            "deployed without a word",
            vec![one(), smoke_tested(), deployed()],
            "ended",
        ),
        (
            "deployed and not tested",
            vec![
                one(),
                asked(),
                accepts(),
                accepted(),
                executing(),
                updated(),
                deployed(),
            ],
            "ended",
        ),
        (
            "asked once it is there",
            vec![
                one(),
                asked(),
                accepts(),
                accepted(),
                executing(),
                updated(),
                smoke_tested(),
                asked(),
            ],
            "approval_asked",
        ),
        (
            "prepared once something was changed",
            vec![one(), asked(), accepts(), accepted(), executing(), prepared("two")],
            "prepared",
        ),
        (
            "prepared while people look",
            vec![one(), asked(), prepared("two")],
            "prepared",
        ),
        (
            "only planned, and it was not",
            vec![one(), Event::Ended(Ending::Planned)],
            "ended",
        ),
    ] {
        assert_eq!(after(planned(), &events).map(drop), Err(expected), "{what}");
    }
    let elsewhere = Status {
        asks_before: false,
        ..planned()
    };
    assert_eq!(
        after(elsewhere, &[one()]),
        Err("prepared"),
        "nobody is asked before there"
    );
}

#[test]
fn what_is_prepared_anew_is_asked_about_anew() {
    let first = after(planned(), &[prepared("one"), asked(), accepts(), accepted()]).unwrap();
    assert_eq!((first.phase, first.preparations), (Phase::Deploying, 1));
    assert_eq!(first.bound(&stack("web")), Some(&sets("one")[0]));
    // Told again it is the same, and what people said about it stands.
    assert_eq!(after(first.clone(), &[prepared("one")]).unwrap(), first);
    let second = after(first.clone(), &[prepared("two")]).unwrap();
    assert_eq!(
        (&second.accepted, &second.decided, second.votes.len()),
        (&None, &None, 0)
    );
    assert_eq!(second.preparations, 2);
    assert_ne!(second.prepared_hash(), first.prepared_hash());
    assert_eq!(after(second.clone(), &[executing()]), Err("executing"));
    // Who has said yes to the first may say no to the second.
    assert!(after(second.clone(), &[asked(), rejects(), rejected()]).is_ok());
    let accepted_again = after(second, &[asked(), accepts(), accepted()]).unwrap();
    assert!(after(accepted_again.clone(), &[executing_of("two")]).is_ok());
    assert_eq!(
        after(accepted_again, &[executing_of("one")]),
        Err("executing"),
        "they saw another"
    );
}

#[test]
fn why_people_are_asked_anew_is_told_once_they_have_accepted_and_until_they_are_asked_anew() {
    let void = || Event::Voided {
        why: "web: the stack was changed since".to_owned(),
    };
    assert_eq!(after(planned(), &[prepared("one"), asked(), void()]), Err("voided"));
    let accepted = after(planned(), &[prepared("one"), asked(), accepts(), accepted()]).unwrap();
    let voided = after(accepted, &[void()]).unwrap();
    assert!(voided.voided.is_some());
    assert_eq!(after(voided, &[prepared("two")]).unwrap().voided, None);
}

#[test]
fn a_stack_without_changes_when_people_saw_it_is_not_executed_and_one_that_comes_later_is() {
    let unchanged = Event::Prepared {
        sets: vec![Prepared {
            change_set: None,
            ..sets("one").remove(0)
        }],
    };
    let accepted = after(planned(), &[unchanged, asked(), accepts(), accepted()]).unwrap();
    assert_eq!(after(accepted.clone(), &[executing()]), Err("executing"));
    let later = Event::Executing {
        leg: Leg::Forward,
        stack: stack("later"),
        change_set: "arn:changeSet/later".to_owned(),
    };
    assert!(after(accepted, &[later]).is_ok());
}

#[test]
fn who_only_wants_to_see_what_would_come_asks_nobody_and_changes_nothing() {
    for asks_before in [false, true] {
        let plan = Status {
            plans: true,
            asks_before,
            ..planned()
        };
        let ended = Event::Ended(Ending::Planned);
        assert_eq!(after(plan.clone(), std::slice::from_ref(&ended)), Err("ended"));
        let seen = after(plan, &[prepared("one")]).unwrap();
        assert_eq!(crate::verdict::ending_of(&seen), Ending::Planned);
        assert_eq!(after(seen.clone(), &[executing()]), Err("executing"));
        assert!(after(seen, &[ended]).is_ok());
    }
}

#[test]
fn who_only_wants_to_see_it_changes_nothing() {
    let mut deployment = rolling_back::deployment();
    deployment.plans = true;
    let requested = Event::Requested {
        deployment: Box::new(deployment),
    };
    let back = Event::Planned {
        leg: Leg::Back,
        release: Digest::of(b"stable"),
        waves: vec![vec![stack("web")]],
    };
    let released = Event::Released {
        release: Digest::of(b"stable"),
    };
    let planned = after(
        Status::default(),
        &[requested, Event::Admitted { fence: 1 }, released, back],
    )
    .unwrap();
    let execute = Event::Executing {
        leg: Leg::Back,
        stack: stack("web"),
        change_set: "arn:changeSet/one".to_owned(),
    };
    assert_eq!(after(planned.clone(), std::slice::from_ref(&execute)), Err("executing"));
    let ended = Event::Ended(Ending::Planned);
    assert_eq!(
        after(planned.clone(), std::slice::from_ref(&ended)),
        Err("ended"),
        "nothing is known yet"
    );
    let seen = after(planned, &[prepared("one")]).unwrap();
    assert_eq!(seen.prepared_hash(), None, "nobody is asked");
    assert_eq!(crate::verdict::ending_of(&seen), Ending::Planned);
    assert!(after(seen.clone(), &[ended]).is_ok());
    assert_eq!(after(seen, &[execute]), Err("executing"));
}
