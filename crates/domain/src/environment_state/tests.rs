#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn candidate(name: &str, happened: i64, queue: QueuePolicy) -> Candidate {
    let digit = name.bytes().last().unwrap() % 10;
    Candidate {
        deployment: name.parse().unwrap(),
        commit: digit.to_string().repeat(40).parse().unwrap(),
        happened_at: at(happened),
        before: None,
        queue,
        rolls_back: false,
        plans: false,
    }
}

fn id(name: &str) -> DeploymentId {
    name.parse().unwrap()
}

fn stack(name: &str) -> StackName {
    name.parse().unwrap()
}

#[test]
fn the_first_gets_the_lock_and_the_newest_of_the_rest_comes_next() {
    let mut state = EnvironmentState::default();
    assert_eq!(
        state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1)),
        (Standing::Holds(1), vec![])
    );
    assert_eq!(
        state.admit(candidate("d2", 2, QueuePolicy::Newest), at(2)),
        (Standing::Waits(0), vec![])
    );
    assert_eq!(
        state.admit(candidate("d3", 3, QueuePolicy::Newest), at(3)),
        (Standing::Waits(0), vec![id("d2")])
    );
    assert_eq!(state.standing(&id("d2")), Standing::Superseded(id("d3")));
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(4)), Ok(Some(id("d3"))));
    assert_eq!(state.standing(&id("d3")), Standing::Holds(2));
}

#[test]
fn f06_an_older_push_that_arrives_late_never_runs_after_a_newer_one() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d2", 2, QueuePolicy::Newest), at(1));
    state.release(&id("d2"), Left::AsItWas, at(2)).unwrap();
    assert_eq!(
        state.admit(candidate("d1", 1, QueuePolicy::Newest), at(3)).0,
        Standing::Superseded(id("d2"))
    );
}

#[test]
fn within_one_second_the_chain_of_commits_decides() {
    let first = candidate("d1", 5, QueuePolicy::Newest);
    let second = Candidate {
        before: Some(first.commit.clone()),
        ..candidate("d2", 5, QueuePolicy::Newest)
    };
    let mut state = EnvironmentState::default();
    state.admit(second, at(6));
    assert_eq!(state.admit(first, at(6)).0, Standing::Superseded(id("d2")));
}

#[test]
fn every_one_is_served_in_turn() {
    let mut state = EnvironmentState::default();
    for (place, name) in ["d1", "d2", "d3"].iter().enumerate() {
        let (standing, superseded) = state.admit(
            candidate(name, 9 - i64::try_from(place).unwrap(), QueuePolicy::Every),
            at(1),
        );
        assert!(superseded.is_empty());
        assert_eq!(
            standing,
            if place == 0 {
                Standing::Holds(1)
            } else {
                Standing::Waits(place - 1)
            }
        );
    }
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(2)), Ok(Some(id("d2"))));
    assert_eq!(state.release(&id("d2"), Left::AsItWas, at(3)), Ok(Some(id("d3"))));
}

#[test]
fn who_goes_back_comes_before_who_only_looks_what_that_would_change() {
    let mut state = EnvironmentState::default();
    let back = |name: &str, plans| Candidate {
        rolls_back: true,
        plans,
        ..candidate(name, 1, QueuePolicy::Every)
    };
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1));
    assert_eq!(state.admit(back("plan1", true), at(2)).0, Standing::Waits(0));
    assert_eq!(state.way_back_waiting(&id("d1")), None, "nobody gives way to a look");
    assert_eq!(state.admit(back("back1", false), at(3)).0, Standing::Waits(0));
    assert_eq!(state.admit(back("back2", false), at(4)).0, Standing::Waits(1));
    assert_eq!(state.admit(back("plan2", true), at(5)).0, Standing::Waits(3));
    assert_eq!(
        state.admit(candidate("d2", 2, QueuePolicy::Every), at(6)).0,
        Standing::Waits(4)
    );
    assert_eq!(state.way_back_waiting(&id("d1")), Some(&id("back1")));
    assert_eq!(state.way_back_waiting(&id("d2")), None, "it has no lock to give back");
    assert_eq!(state.standing(&id("plan1")), Standing::Waits(2));
}

#[test]
fn who_only_looks_what_going_forward_would_change_supersedes_nobody_and_is_superseded_by_nobody() {
    let mut state = EnvironmentState::default();
    let plan = |name: &str, second| Candidate {
        plans: true,
        ..candidate(name, second, QueuePolicy::Newest)
    };
    state.admit(candidate("d1", 5, QueuePolicy::Newest), at(5));
    state.admit(candidate("d2", 6, QueuePolicy::Newest), at(6));
    let (newest, nobody) = (state.newest.clone(), Vec::new());
    assert_eq!(state.admit(plan("plan", 1), at(7)), (Standing::Waits(1), nobody));
    assert_eq!(state.newest, newest, "what was pushed earlier may still come");
    assert_eq!(state.newer_waiting(&id("d1")), Some(&id("d2")));
    assert_eq!(
        state.admit(candidate("d3", 8, QueuePolicy::Newest), at(8)).1,
        [id("d2")]
    );
    assert_eq!(
        state.standing(&id("plan")),
        Standing::Waits(1),
        "after whoever changes something"
    );
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(9)), Ok(Some(id("d3"))));
    assert_eq!(state.release(&id("d3"), Left::AsItWas, at(10)), Ok(Some(id("plan"))));
    assert_eq!(
        state.admit(candidate("d4", 11, QueuePolicy::Newest), at(11)).0,
        Standing::Waits(0)
    );
    assert_eq!(state.newer_waiting(&id("plan")), Some(&id("d4")));
}

#[test]
fn asking_again_changes_nothing() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Newest), at(1));
    let before = state.clone();
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(9));
    state.admit(candidate("d2", 2, QueuePolicy::Newest), at(9));
    assert_eq!(state, before);
}

#[test]
fn f15_who_lost_the_lock_begins_nothing() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Every), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Every), at(1));
    state.release(&id("d1"), Left::AsItWas, at(2)).unwrap();
    let begin = |state: &mut EnvironmentState, name, fence| {
        state.begin(&id(name), fence, Leg::Forward, stack("web"), "cs".into(), at(3))
    };
    assert_eq!(begin(&mut state, "d1", 1), Err(Refusal::NotHolder(Some(id("d2")))));
    assert_eq!(
        begin(&mut state, "d2", 1),
        Err(Refusal::NotHolder(Some(id("d2")))),
        "an old fence"
    );
    assert_eq!(begin(&mut state, "d2", 2), Ok(()));
}

#[test]
fn a_lock_with_something_in_flight_is_not_given_back() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Every), at(1));
    state
        .begin(&id("d1"), 1, Leg::Forward, stack("web"), "cs1".into(), at(1))
        .unwrap();
    state
        .begin(&id("d1"), 1, Leg::Forward, stack("data"), "cs2".into(), at(1))
        .unwrap();
    assert_eq!(
        state.release(&id("d1"), Left::AsItWas, at(2)),
        Err(Refusal::InFlight(id("d1")))
    );
    state.finish(&id("d1"), &stack("web"), "another");
    state.finish(&id("d9"), &stack("web"), "cs1");
    state.finish(&id("d1"), &stack("web"), "cs1");
    assert_eq!(
        state.release(&id("d1"), Left::AsItWas, at(2)),
        Err(Refusal::InFlight(id("d1")))
    );
    state.finish(&id("d1"), &stack("data"), "cs2");
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(2)), Ok(None));
}

#[test]
fn a_quarantined_environment_admits_nothing_until_an_operator_lifts_it() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Newest), at(1));
    assert_eq!(
        state.quarantine(&id("d2"), "x", at(2)),
        Err(Refusal::NotHolder(Some(id("d1"))))
    );
    assert_eq!(state.quarantine(&id("d1"), "half-way", at(2)), Ok(vec![id("d2")]));
    assert!(matches!(state.standing(&id("d2")), Standing::Quarantined(_)));
    state.leave(&id("d2"));
    assert!(matches!(
        state.admit(candidate("d3", 3, QueuePolicy::Newest), at(3)).0,
        Standing::Quarantined(_)
    ));
    assert_eq!(
        state.release(&id("d1"), Left::AsItWas, at(3)),
        Err(Refusal::Quarantined(id("d1")))
    );
    assert_eq!(state.lift(at(4)), Ok(None));
    assert_eq!(
        state.admit(candidate("d4", 4, QueuePolicy::Newest), at(5)).0,
        Standing::Holds(2)
    );
    assert_eq!(state.lift(at(6)), Err(Refusal::NotQuarantined));
}

#[test]
fn what_was_changed_and_never_accepted_is_remembered_until_something_is() {
    let mut state = EnvironmentState::default();
    let commit = |number: u8| number.to_string().repeat(40).parse::<CommitSha>().unwrap();
    let stable = |number: u8, is_accepted: bool| {
        Left::Stable(StableRelease {
            release: Digest::of(&[number]),
            commit: commit(number),
            deployment: id(&format!("d{number}")),
            since: at(1),
            accepted: is_accepted.then(|| Acceptance {
                by: vec!["qa@acme.example".parse().unwrap()],
                at: at(1),
            }),
            rejected: None,
        })
    };
    for (number, left, accepted, remembered) in [
        // Nobody was ever asked: whatever is stable counts.
        (1, stable(1, false), None, &[][..]),
        (2, stable(2, true), Some(2), &[]),
        (3, Left::Unstable, Some(2), &["d3"]),
        // It was not asked about, and is stable.
        (4, stable(4, false), Some(2), &["d3", "d4"]),
        (5, Left::Unstable, Some(2), &["d3", "d4", "d5"]),
        // Back to the fourth.
        (6, Left::Back, Some(2), &["d3", "d4"]),
        (7, stable(7, true), Some(7), &[]),
        (8, Left::Unstable, Some(7), &["d8"]),
        (9, Left::Back, Some(7), &[]),
    ] {
        let name = format!("d{number}");
        state.admit(
            candidate(&name, i64::from(number), QueuePolicy::Every),
            at(i64::from(number)),
        );
        state.release(&id(&name), left, at(i64::from(number))).unwrap();
        let remembered: Vec<DeploymentId> = remembered.iter().map(|name| id(name)).collect();
        assert_eq!(
            (&state.accepted, &state.unaccepted.deployments),
            (&accepted.map(commit), &remembered),
            "{name}"
        );
    }
}

#[test]
fn what_left_the_environment_changed_is_remembered_until_it_is_stable_again() {
    let mut state = EnvironmentState::default();
    let hold = |state: &mut EnvironmentState, name: &str, second| {
        state.admit(candidate(name, second, QueuePolicy::Every), at(second));
    };
    let stable = StableRelease {
        release: Digest::of(b"stable"),
        commit: "1".repeat(40).parse().unwrap(),
        deployment: id("d0"),
        since: at(1),
        accepted: None,
        rejected: None,
    };
    for (second, left, remembered) in [
        (1, Left::Unstable, &["d1"][..]),
        (2, Left::AsItWas, &["d1"]),
        (3, Left::Unstable, &["d1", "d3"]),
        (4, Left::Back, &[]),
        (5, Left::Unstable, &["d5"]),
        (6, Left::Stable(stable), &[]),
    ] {
        let name = format!("d{second}");
        hold(&mut state, &name, second);
        state.release(&id(&name), left, at(second)).unwrap();
        let remembered: Vec<DeploymentId> = remembered.iter().map(|name| id(name)).collect();
        assert_eq!(
            (&state.unaccepted.deployments, state.unaccepted.more),
            (&remembered, 0),
            "{name}"
        );
    }
    // Whoever has not the lock any more leaves nothing.
    state.release(&id("d1"), Left::Unstable, at(7)).unwrap();
    assert_eq!(state.unaccepted, Unaccepted::default());
    for second in 10..35 {
        let name = format!("d{second}");
        hold(&mut state, &name, second);
        state.release(&id(&name), Left::Unstable, at(second)).unwrap();
    }
    assert_eq!((state.unaccepted.deployments.len(), state.unaccepted.more), (20, 5));
    assert_eq!(state.unaccepted.deployments[0], id("d15"));
    hold(&mut state, "d40", 40);
    state.quarantine(&id("d40"), "half-way", at(40)).unwrap();
    assert_eq!(state.unaccepted.deployments.last(), Some(&id("d40")));
    // The item of an environment that remembers nothing is as it was before it could.
    let json = serde_json::to_value(EnvironmentState::default()).unwrap();
    assert!(json.get("unaccepted").is_none());
    assert_eq!(
        serde_json::from_value::<EnvironmentState>(json).unwrap(),
        EnvironmentState::default()
    );
}

#[test]
fn only_what_supersedes_others_makes_the_holder_superfluous() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1));
    assert_eq!(state.newer_waiting(&id("d1")), None, "nobody waits");
    state.admit(candidate("d2", 2, QueuePolicy::Every), at(2));
    assert_eq!(state.newer_waiting(&id("d1")), None, "this one waits its turn");
    state.admit(candidate("d3", 3, QueuePolicy::Newest), at(3));
    assert_eq!(state.newer_waiting(&id("d1")), Some(&id("d3")));
    assert_eq!(
        state.newer_waiting(&id("d2")),
        None,
        "it is not asked for whoever waits"
    );
    state.admit(candidate("d4", 4, QueuePolicy::Newest), at(4));
    assert_eq!(
        state.newer_waiting(&id("d1")),
        Some(&id("d4")),
        "d3 was superseded in turn"
    );
    state.admit(candidate("d0", 0, QueuePolicy::Newest), at(5));
    assert_eq!(
        state.newer_waiting(&id("d1")),
        Some(&id("d4")),
        "an older one is no reason"
    );
}

#[test]
fn a_state_that_the_version_before_wrote_is_read() {
    let json = r#"{"fence":3,"holder":null,"operation":null,"queue":[],"stable":{"release":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d","commit":"2222222222222222222222222222222222222222","deployment":"shop-dev-22222222-c1f57357f043341e","since":"2026-11-23T12:00:00Z"},"newest":null,"quarantine":null}"#;
    let state: EnvironmentState = serde_json::from_str(json).unwrap();
    assert_eq!(state.stable.as_ref().unwrap().accepted, None);
    assert_eq!(serde_json::to_string(&state).unwrap(), json);
}

#[test]
fn a_full_queue_says_so_and_a_newest_one_never_fills_it() {
    let mut state = EnvironmentState::default();
    for n in 0..=QUEUE_LIMIT {
        state.admit(candidate(&format!("d{n}"), 1, QueuePolicy::Every), at(1));
    }
    assert_eq!(
        state.admit(candidate("x1", 1, QueuePolicy::Every), at(1)).0,
        Standing::QueueFull
    );
}

mod holding;
