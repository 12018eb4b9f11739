//! What is caught.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::statemachine::contract::{self, OF_STEP_FUNCTIONS};
use crate::statemachine::definition::{By, Catcher, Kind, Placed, State};
use crate::statemachine::expression::{self, Path};
use crate::statemachine::{Definition, Finding, Rule};

const ALL: &str = "States.ALL";
const TIMEOUT: &str = "States.Timeout";

pub(super) fn catchers(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for placed in definition.all() {
        let Placed { name, state, .. } = &placed;
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Catchers, sentence));
        if state.kind == Kind::Task && placed.catchers().is_empty() {
            finds("nothing catches what it raises".to_owned());
        }
        let Some((last, before)) = state.catch.split_last() else {
            continue;
        };
        if last.error_equals != [ALL] {
            finds(format!("its last catcher is not {ALL} alone"));
        }
        if before.iter().any(|catcher| catches(catcher, ALL)) {
            finds(format!("{ALL} is caught before the last catcher"));
        }
        let mut seen = BTreeSet::new();
        for error in state.catch.iter().flat_map(|catcher| &catcher.error_equals) {
            let exists = if error.starts_with("States.") {
                OF_STEP_FUNCTIONS.contains(&error.as_str())
            } else {
                contract::is_ours(error) || contract::is_of_lambda(error)
            };
            if !exists {
                finds(format!("it catches {error}, which does not exist"));
            }
            if !seen.insert(error) {
                finds(format!("it catches {error} twice"));
            }
        }
        if is_on_the_path(state) {
            timeout(state).into_iter().for_each(&mut finds);
        }
    }
    found
}

fn catches(catcher: &Catcher, error: &str) -> bool {
    catcher.error_equals.iter().any(|caught| caught == error)
}

/// Whether it matters what it raises. It does, of a Map.
fn is_on_the_path(state: &State) -> bool {
    let function = state.calls().and_then(contract::function);
    function.is_none_or(|function| function.on_the_path)
}

/// AWS may leave the cause out of a caught `States.Timeout`, and an expression that leads to nothing fails the execution.
fn timeout(state: &State) -> Vec<String> {
    let Some(own) = state.catch.iter().find(|catcher| catcher.error_equals == [TIMEOUT]) else {
        return vec![format!("it has no catcher for {TIMEOUT} alone")];
    };
    let mut wrong = Vec::new();
    if places(own).any(|(_, value)| hands_on_error(value)) {
        wrong.push(format!(
            "it hands on what is known of {TIMEOUT}, of which there may be no cause"
        ));
    }
    let others = state.catch.iter().filter(|catcher| !catches(catcher, TIMEOUT));
    let expected: BTreeSet<Option<&str>> = others
        .flat_map(places)
        .filter(|(_, value)| hands_on_error(value))
        .map(|(place, _)| place)
        .collect();
    for place in expected {
        let literal = places(own).find(|(at, _)| *at == place).map(|(_, value)| value);
        let cause = literal
            .and_then(|literal| literal["Cause"].as_str())
            .unwrap_or_default();
        let named = literal.is_some_and(|literal| literal["Error"] == TIMEOUT);
        if !named || cause.is_empty() || cause.contains("{%") {
            let place = place.unwrap_or("its output");
            wrong.push(format!(
                "when it times out, {place} is not given an Error and a Cause of the file's own"
            ));
        }
    }
    wrong
}

/// Where a catcher puts something: into a variable, or into its output.
fn places(catcher: &Catcher) -> impl Iterator<Item = (Option<&str>, &Value)> {
    let variables = catcher.assign.iter().map(|(name, value)| (Some(name.as_str()), value));
    variables.chain(catcher.output.iter().map(|value| (None, value)))
}

fn hands_on_error(value: &Value) -> bool {
    let error = Path::new("states", &["errorOutput"]);
    let expressions = expression::inside(value).into_iter().flatten();
    expressions
        .flat_map(|expression| expression.paths().into_iter().cloned().collect::<Vec<_>>())
        .any(|path| path.starts_with(&error))
}

pub(super) fn raised(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for placed in definition.all() {
        let Placed { name, state, .. } = &placed;
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Raised, sentence));
        if state.kind == Kind::Task && is_on_the_path(state) {
            let caught = placed.catchers().iter().flat_map(|catcher| &catcher.error_equals);
            let caught: BTreeSet<&str> = caught.map(String::as_str).collect();
            for error in contract::raised_by(state) {
                if !caught.contains(error) {
                    finds(format!("{error} is not caught by its name"));
                }
            }
        }
        let raised = raised_inside(state);
        // Of a function that is not known, another rule's finding, it is not known what it raises.
        let catchers = if raised.is_empty() { &[][..] } else { &state.catch };
        for error in catchers.iter().flat_map(|catcher| &catcher.error_equals) {
            if contract::is_ours(error) && !raised.contains(error.as_str()) {
                finds(format!("it catches {error}, which nothing raises there"));
            }
        }
        // A choice, too, may say what has failed.
        for way in state.ways() {
            let output = match way.by {
                By::Catch(catcher) => catcher.output.as_ref(),
                By::Next | By::Branch(_) | By::Default => state.output.as_ref(),
            };
            for error in way.assign.values().chain(output).filter_map(named) {
                let exists = contract::is_ours(error) || OF_STEP_FUNCTIONS.contains(&error) || error == "none";
                if !exists {
                    finds(format!("it says that {error} happened, which does not exist"));
                }
            }
        }
    }
    found.dedup();
    found
}

/// What it raises, or what is raised inside of it.
fn raised_inside(state: &State) -> BTreeSet<&'static str> {
    let inner = state.item_processor.iter().flat_map(|inner| &inner.states);
    let inner = inner.flat_map(|(_, state)| raised_inside(state));
    contract::raised_by(state).chain(inner).collect()
}

/// The error that a value of the file names itself.
fn named(value: &Value) -> Option<&str> {
    let error = value.get("Error")?.as_str()?;
    (!error.contains("{%")).then_some(error)
}
