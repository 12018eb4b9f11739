//! Where states lead, with and without the lock.

use super::FILE;
use crate::statemachine::contract::{self, LOCK_IS_DEALT_WITH, LOCK_IS_TAKEN};
use crate::statemachine::definition::{Kind, Machine, State};
use crate::statemachine::{Definition, Finding, Rule};

pub(super) fn ways(definition: &Definition) -> Vec<Finding> {
    let mut found = of_one(FILE, &definition.machine);
    for placed in definition.all() {
        if let Some(inner) = &placed.state.item_processor {
            found.extend(of_one(placed.name, inner));
        }
    }
    found
}

fn of_one(place: &str, machine: &Machine) -> Vec<Finding> {
    let mut found = Vec::new();
    if machine.state(&machine.start_at).is_none() {
        found.push(Finding::new(
            place,
            Rule::Ways,
            format!("it starts at {}, which is not there", machine.start_at),
        ));
    }
    let reached = machine.reachable(&machine.start_at, &[]);
    for (name, state) in &machine.states {
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Ways, sentence));
        if !reached.contains(name.as_str()) {
            finds("no way leads to it".to_owned());
        }
        for way in state.ways() {
            if machine.state(way.to).is_none() {
                finds(format!("it leads to {}, which is not there", way.to));
            }
        }
        let leads_on = state.next.is_some() || !state.choices.is_empty();
        if leads_on == state.is_last() {
            finds("it has to either lead on or be the last".to_owned());
        }
        if state.kind == Kind::Choice && state.default.is_none() {
            finds("it has no Default, so that what it does not know is an error that nothing can catch".to_owned());
        }
        let mut from_here = machine.reachable(name, &[]).into_iter();
        if !from_here.any(|name| machine.state(name).is_some_and(State::is_last)) {
            finds("from it, no end can be reached".to_owned());
        }
    }
    found
}

pub(super) fn lock(definition: &Definition) -> Vec<Finding> {
    let machine = &definition.machine;
    let mut found = Vec::new();
    for name in [&[LOCK_IS_TAKEN][..], &LOCK_IS_DEALT_WITH[..]].concat() {
        if machine.state(name).is_none() {
            found.push(Finding::new(
                name,
                Rule::Lock,
                "it takes or gives back the lock, and is not there",
            ));
        }
    }
    for name in machine.reachable(LOCK_IS_TAKEN, &LOCK_IS_DEALT_WITH) {
        let Some(state) = machine.state(name) else { continue };
        if state.is_last() && name != LOCK_IS_TAKEN {
            found.push(Finding::new(
                name,
                Rule::Lock,
                format!("it can be reached from {LOCK_IS_TAKEN} without anybody dealing with the lock"),
            ));
        }
    }
    for name in machine.reachable(&machine.start_at, &[LOCK_IS_TAKEN]) {
        if name != LOCK_IS_TAKEN && machine.state(name).is_some_and(needs_lock) {
            found.push(Finding::new(
                name,
                Rule::Lock,
                "it can be reached without taking the lock",
            ));
        }
    }
    for dealer in LOCK_IS_DEALT_WITH {
        for name in machine.reachable(dealer, &[]) {
            if machine.state(name).is_some_and(needs_lock) {
                found.push(Finding::new(
                    name,
                    Rule::Lock,
                    format!("it can be reached after {dealer}, when the lock is no longer this deployment's to use"),
                ));
            }
        }
    }
    found
}

fn needs_lock(state: &State) -> bool {
    let mut called = state.calls_inside().into_iter();
    called.any(|token| contract::function(token).is_some_and(|function| function.needs_lock))
}

pub(super) fn waves(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for placed in definition.all() {
        let among_others = placed.around.iter().any(|around| around.max_concurrency != Some(1));
        if !among_others {
            continue;
        }
        let can_fail = matches!(placed.state.kind, Kind::Task | Kind::Map);
        if can_fail && placed.state.catch.is_empty() {
            found.push(Finding::new(
                placed.name,
                Rule::Waves,
                "it has no catchers of its own, so that its failure cuts off the other iterations",
            ));
        }
        if placed.state.kind == Kind::Fail {
            found.push(Finding::new(
                placed.name,
                Rule::Waves,
                "it fails, which cuts off the other iterations",
            ));
        }
    }
    found
}
