//! What goes on where nothing goes forward, and what takes an environment back.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn takes_back(name: &str) -> Candidate {
    Candidate {
        rolls_back: true,
        ..candidate(name, 0, QueuePolicy::Every)
    }
}

fn hold(why: &str) -> Hold {
    Hold {
        by: "arn:aws:iam::111111111111:user/ann".to_owned(),
        why: why.to_owned(),
        since: at(0),
    }
}

fn release(number: u8) -> StableRelease {
    StableRelease {
        release: Digest::of(&[number]),
        commit: "1".repeat(40).parse().unwrap(),
        deployment: id(&format!("brought{number}")),
        since: at(0),
        accepted: None,
        rejected: None,
    }
}

#[test]
fn where_nothing_goes_forward_only_what_takes_it_back_is_admitted() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Every), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Every), at(2));
    assert_eq!(state.hold(hold("payments fail")), [id("d2")], "who waits is told");
    assert_eq!(
        state.standing(&id("d1")),
        Standing::Holds(1),
        "who is under way goes on"
    );
    assert_eq!(state.standing(&id("d2")), Standing::Held(hold("payments fail")));
    let refused = state.admit(candidate("d3", 3, QueuePolicy::Newest), at(3));
    assert_eq!(refused, (Standing::Held(hold("payments fail")), vec![]));
    assert_eq!(state.newest.as_ref().unwrap().deployment, id("d2"), "nor remembered");

    assert_eq!(
        state.admit(takes_back("b1"), at(4)),
        (Standing::Waits(0), vec![]),
        "before all others"
    );
    assert_eq!(state.admit(takes_back("b2"), at(5)), (Standing::Waits(1), vec![]));
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(6)), Ok(Some(id("b1"))));
    assert_eq!(state.release(&id("b1"), Left::AsItWas, at(7)), Ok(Some(id("b2"))));
    assert_eq!(state.release(&id("b2"), Left::AsItWas, at(8)), Ok(None), "d2 is held");

    assert_eq!(state.let_go(at(9)), Ok(Some(id("d2"))));
    assert_eq!(state.standing(&id("d2")), Standing::Holds(4));
    assert_eq!(state.let_go(at(10)), Err(Refusal::NotHeld));
}

#[test]
fn who_is_held_may_leave_and_an_environment_of_which_somebody_has_the_lock_wakes_nobody() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Every), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Every), at(2));
    state.hold(hold("payments fail"));
    assert_eq!(state.let_go(at(3)), Ok(None), "d1 has it still");
    state.hold(hold("payments fail"));
    state.leave(&id("d2"));
    assert_eq!(state.release(&id("d1"), Left::AsItWas, at(4)), Ok(None));
    assert_eq!(state.let_go(at(5)), Ok(None), "nobody is left");
}

#[test]
fn the_first_reason_to_hold_is_kept() {
    let mut state = EnvironmentState::default();
    state.hold(hold("first"));
    state.hold(hold("second"));
    assert_eq!(state.hold, Some(hold("first")));
}

#[test]
fn an_operator_who_opens_a_held_environment_lets_nothing_forward() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Every), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Every), at(2));
    state.admit(takes_back("b1"), at(3));
    state.hold(hold("payments fail"));
    state.quarantine(&id("d1"), "half-way", at(4)).unwrap();
    for waiting in ["d2", "b1"] {
        let standing = state.standing(&id(waiting));
        assert!(matches!(standing, Standing::Quarantined(_)), "{waiting}: {standing:?}");
    }
    let refused = state.admit(takes_back("b2"), at(5)).0;
    assert!(matches!(refused, Standing::Quarantined(_)), "nor back");
    assert_eq!(state.let_go(at(6)), Ok(None), "it is closed still");
    state.hold(hold("payments fail"));
    assert_eq!(state.lift(at(7)), Ok(Some(id("b1"))));
    assert_eq!(state.release(&id("b1"), Left::AsItWas, at(8)), Ok(None));
}

#[test]
fn whoever_takes_it_back_is_superseded_by_nothing_and_supersedes_nothing() {
    let mut state = EnvironmentState::default();
    state.admit(candidate("d1", 1, QueuePolicy::Newest), at(1));
    state.admit(candidate("d2", 2, QueuePolicy::Newest), at(2));
    let newest = Candidate {
        queue: QueuePolicy::Newest,
        ..takes_back("b1")
    };
    assert_eq!(state.admit(newest, at(3)), (Standing::Waits(0), vec![]));
    assert_eq!(state.newer_waiting(&id("d1")), Some(&id("d2")), "d2, and not b1");
    assert_eq!(
        state.admit(candidate("d3", 3, QueuePolicy::Newest), at(4)),
        (Standing::Waits(1), vec![id("d2")])
    );
    assert_eq!(state.newest.as_ref().unwrap().deployment, id("d3"));
    state.leave(&id("d3"));
    assert_eq!(
        state.newer_waiting(&id("d1")),
        None,
        "b1 is no reason not to ask people"
    );
    assert_eq!(state.standing(&id("b1")), Standing::Waits(0));
}

#[test]
fn a_full_queue_has_room_for_what_takes_the_environment_back() {
    let mut state = EnvironmentState::default();
    for n in 0..=QUEUE_LIMIT {
        state.admit(candidate(&format!("d{n}"), 1, QueuePolicy::Every), at(1));
    }
    assert_eq!(state.admit(takes_back("b1"), at(2)).0, Standing::Waits(0));
}

#[test]
fn an_environment_that_was_taken_back_has_an_earlier_release_and_forgets_what_came_after_it() {
    let mut state = EnvironmentState::default();
    for (number, name) in [(1, "brought1"), (2, "brought2")] {
        state.admit(candidate(name, number, QueuePolicy::Every), at(number));
        let stable = release(u8::try_from(number).unwrap());
        state.release(&id(name), Left::Stable(stable), at(number)).unwrap();
    }
    state.admit(takes_back("b1"), at(3));
    state.release(&id("b1"), Left::BackTo(release(1)), at(4)).unwrap();
    assert_eq!(state.stable, Some(release(1)));
    assert_eq!(state.unaccepted, Unaccepted::default());

    // Where people accept, what nobody accepted is remembered up to the release that it went back to.
    state.accepted = Some("2".repeat(40).parse().unwrap());
    for number in 3..6 {
        let name = format!("brought{number}");
        state.admit(candidate(&name, number, QueuePolicy::Every), at(number));
        let stable = release(u8::try_from(number).unwrap());
        state.release(&id(&name), Left::Stable(stable), at(number)).unwrap();
    }
    state.admit(takes_back("b2"), at(6));
    state.release(&id("b2"), Left::BackTo(release(3)), at(7)).unwrap();
    assert_eq!(state.stable, Some(release(3)));
    assert_eq!(state.unaccepted.deployments, [id("brought3")]);
}

#[test]
fn f49_a_release_that_was_taken_back_is_refused_until_an_operator_lets_it_in() {
    let environment = "production".parse().unwrap();
    let json = r#"{"deployment":"d1","because":{"name":"Failed.AlarmRaised","cause":"errors went into ALARM"},"at":"2026-11-23T12:00:00Z"}"#;
    let mut taken_back: TakenBack = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&taken_back).unwrap(), json);
    let refused = taken_back.refuses(&Digest::of(b"bad"), &environment).unwrap();
    insta::assert_snapshot!(refused, @"Rejected.TakenBackBefore: release 2f05d4b689d2 went back from production at 2026-11-23 12:00:00 UTC with d1: Failed.AlarmRaised: errors went into ALARM");
    taken_back.allowed = Some(Allowed {
        by: "arn:aws:iam::111111111111:user/ann".to_owned(),
        why: "the alarm was wrong".to_owned(),
        at: at(0),
    });
    assert_eq!(taken_back.refuses(&Digest::of(b"bad"), &environment), None);
}

#[test]
fn a_candidate_that_goes_forward_is_written_as_before() {
    let json = serde_json::to_value(candidate("d1", 1, QueuePolicy::Newest)).unwrap();
    assert_eq!(json.get("rolls_back"), None);
    let read: Candidate = serde_json::from_value(json).unwrap();
    assert!(!read.rolls_back);
    let back = serde_json::to_value(takes_back("b1")).unwrap();
    assert_eq!(serde_json::from_value::<Candidate>(back).unwrap(), takes_back("b1"));
}

#[test]
fn what_left_the_environment_changed_last_is_known_until_it_has_a_stable_release_again() {
    let mut state = EnvironmentState::default();
    for (second, left, unsettled) in [
        (1, Left::AsItWas, None),
        (2, Left::Unstable, Some("d2")),
        (3, Left::AsItWas, Some("d2")),
        (4, Left::Unstable, Some("d4")),
        (5, Left::Stable(release(5)), None),
        (6, Left::Unstable, Some("d6")),
        (7, Left::Back, None),
        (8, Left::Unstable, Some("d8")),
        (9, Left::BackTo(release(1)), None),
    ] {
        let name = format!("d{second}");
        state.admit(candidate(&name, second, QueuePolicy::Every), at(second));
        state.release(&id(&name), left, at(second)).unwrap();
        assert_eq!(state.unsettled, unsettled.map(id), "{name}");
    }
    state.admit(candidate("d10", 10, QueuePolicy::Every), at(10));
    state.quarantine(&id("d10"), "half-way", at(10)).unwrap();
    state.lift(at(11)).unwrap();
    assert_eq!(state.unsettled, Some(id("d10")), "whatever the operator made of it");
    let json = serde_json::to_value(EnvironmentState::default()).unwrap();
    assert!(json.get("unsettled").is_none() && json.get("hold").is_none());
}

/// Something that happens to a lock.
#[derive(Debug, Clone)]
enum Turn {
    /// A new deployment asks.
    Asks {
        rolls_back: bool,
        queue: QueuePolicy,
    },
    /// One that asked before asks again, or leaves.
    AsksAgain(prop::sample::Index),
    Leaves(prop::sample::Index),
    /// The holder ends.
    Ends(u8),
    /// The holder ends half-way.
    Breaks,
    Hold,
    LetGo,
    Lift,
}

fn turn() -> impl Strategy<Value = Turn> {
    let queue = prop_oneof![Just(QueuePolicy::Newest), Just(QueuePolicy::Every)];
    prop_oneof![
        6 => (proptest::bool::weighted(0.3), queue).prop_map(|(rolls_back, queue)| Turn::Asks { rolls_back, queue }),
        1 => any::<prop::sample::Index>().prop_map(Turn::AsksAgain),
        1 => any::<prop::sample::Index>().prop_map(Turn::Leaves),
        6 => (0_u8..5).prop_map(Turn::Ends),
        1 => Just(Turn::Breaks),
        2 => Just(Turn::Hold),
        2 => Just(Turn::LetGo),
        2 => Just(Turn::Lift),
    ]
}

/// A lock, and everybody who ever asked for it.
#[derive(Debug, Default)]
struct Asked {
    state: EnvironmentState,
    all: Vec<Candidate>,
    /// Those who take the environment back, asked and did neither leave nor get the lock.
    taking_back: BTreeSet<String>,
}

impl Asked {
    fn rolls_back(&self, deployment: &DeploymentId) -> bool {
        let mut all = self.all.iter();
        all.any(|candidate| candidate.deployment == *deployment && candidate.rolls_back)
    }

    fn asks(&mut self, candidate: &Candidate, now: Timestamp) -> Result<(), TestCaseError> {
        let held_before = self.state.hold.clone();
        let known = self.state.standing(&candidate.deployment);
        let (standing, superseded) = self.state.admit(candidate.clone(), now);
        for other in &superseded {
            prop_assert!(!self.rolls_back(other), "{} was superseded", other);
            prop_assert!(!candidate.rolls_back);
        }
        let closed = self.state.quarantine.is_some();
        let is_known = matches!(known, Standing::Holds(_) | Standing::Waits(_) | Standing::Held(_));
        match held_before {
            Some(hold) if !candidate.rolls_back && !is_known && !closed => {
                prop_assert_eq!(&standing, &Standing::Held(hold));
            }
            _ => {}
        }
        if candidate.rolls_back && !closed {
            prop_assert!(
                matches!(standing, Standing::Holds(_) | Standing::Waits(_)),
                "{standing:?}"
            );
            self.taking_back.insert(candidate.deployment.to_string());
        }
        Ok(())
    }

    fn ends(&mut self, how: u8, now: Timestamp) -> Result<(), TestCaseError> {
        let Some(holder) = self.state.holder.clone() else {
            return Ok(());
        };
        let (left, stable) = match how {
            0 => (Left::Stable(release(1)), Some(release(1))),
            1 => (Left::BackTo(release(2)), Some(release(2))),
            2 => (Left::Back, self.state.stable.clone()),
            3 => (Left::Unstable, self.state.stable.clone()),
            _ => (Left::AsItWas, self.state.stable.clone()),
        };
        let closed = self.state.quarantine.is_some();
        let next = self.state.release(&holder.deployment, left, now);
        prop_assert_eq!(next.is_err(), closed);
        if !closed {
            prop_assert_eq!(&self.state.stable, &stable);
            prop_assert_eq!(
                next.unwrap(),
                self.state.holder.as_ref().map(|holder| holder.deployment.clone())
            );
        }
        Ok(())
    }

    fn turn(&mut self, turn: &Turn, now: Timestamp) -> Result<(), TestCaseError> {
        match turn {
            Turn::Asks { rolls_back, queue } => {
                let number = self.all.len();
                let candidate = Candidate {
                    rolls_back: *rolls_back,
                    ..candidate(&format!("d{number}"), i64::try_from(number).unwrap(), *queue)
                };
                self.all.push(candidate.clone());
                self.asks(&candidate, now)?;
            }
            Turn::AsksAgain(index) if !self.state.queue.is_empty() => {
                let before = self.state.clone();
                let again = index.get(&before.queue).clone();
                self.state.admit(again, now);
                prop_assert_eq!(&self.state, &before);
            }
            Turn::Leaves(index) if !self.state.queue.is_empty() => {
                let leaves = index.get(&self.state.queue).deployment.clone();
                self.state.leave(&leaves);
                self.taking_back.remove(leaves.as_str());
            }
            Turn::AsksAgain(_) | Turn::Leaves(_) => {}
            Turn::Ends(how) => self.ends(*how, now)?,
            Turn::Breaks => {
                if let Some(holder) = self.state.holder.clone() {
                    self.state.quarantine(&holder.deployment, "half-way", now).unwrap();
                }
            }
            Turn::Hold => {
                let waiting = self.state.queue.clone();
                let told = self.state.hold(hold("x"));
                let forward = waiting.iter().filter(|waiting| !waiting.rolls_back);
                prop_assert_eq!(
                    told,
                    forward.map(|waiting| waiting.deployment.clone()).collect::<Vec<_>>()
                );
            }
            Turn::LetGo => {
                let (was_held, before) = (self.state.hold.is_some(), self.state.holder.clone());
                let woken = self.state.let_go(now);
                prop_assert_eq!(woken.is_ok(), was_held);
                let new = self
                    .state
                    .holder
                    .clone()
                    .filter(|holder| before.as_ref() != Some(holder));
                prop_assert_eq!(woken.ok().flatten(), new.map(|holder| holder.deployment));
            }
            Turn::Lift => {
                let was_closed = self.state.quarantine.is_some();
                prop_assert_eq!(self.state.lift(now).is_ok(), was_closed);
            }
        }
        Ok(())
    }

    /// What holds after each turn, given how it was before.
    fn check(&mut self, before: &EnvironmentState) -> Result<(), TestCaseError> {
        let EnvironmentState {
            holder, queue, fence, ..
        } = &self.state;
        let ids: BTreeSet<&str> = queue.iter().map(|waiting| waiting.deployment.as_str()).collect();
        prop_assert_eq!(ids.len(), queue.len(), "nobody waits twice");
        let places: Vec<bool> = queue.iter().map(|waiting| waiting.rolls_back).collect();
        prop_assert!(
            places.is_sorted_by(|a, b| a >= b),
            "who takes it back stands before all others"
        );
        if let Some(holder) = holder {
            prop_assert!(
                !ids.contains(holder.deployment.as_str()),
                "who has the lock waits no more"
            );
        }
        if let Some(granted) = holder.as_ref().filter(|holder| before.holder.as_ref() != Some(holder)) {
            prop_assert_eq!((granted.fence, *fence), (before.fence + 1, before.fence + 1));
            prop_assert!(self.state.quarantine.is_none());
            if !self.rolls_back(&granted.deployment) {
                prop_assert!(self.state.hold.is_none(), "{} goes forward", granted.deployment);
                prop_assert!(
                    !places.contains(&true),
                    "{} goes before who takes it back",
                    granted.deployment
                );
            }
            let granted = granted.deployment.to_string();
            self.taking_back.remove(&granted);
        }
        for waiting in &self.taking_back {
            prop_assert!(ids.contains(waiting.as_str()), "{} was forgotten", waiting);
        }
        // Nobody waits for a lock that is free, but for those who are held.
        if holder.is_none() && self.state.quarantine.is_none() {
            prop_assert!(queue.is_empty() || self.state.hold.is_some() && !places.contains(&true));
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn s01_where_nothing_goes_forward_nothing_new_does_and_what_takes_it_back_comes_before_the_rest(
        turns in proptest::collection::vec(turn(), 1..60),
    ) {
        let mut asked = Asked::default();
        for (second, turn) in (1..).zip(&turns) {
            let before = asked.state.clone();
            asked.turn(turn, at(second))?;
            asked.check(&before)?;
        }
    }
}
