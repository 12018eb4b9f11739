//! What expressions say, and what they may read where they stand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::outcomes::answer;
use crate::statemachine::definition::{Kind, Machine, Placed, State};
use crate::statemachine::expression::{self, Expression, Path};
use crate::statemachine::{Definition, Finding, Rule};

/// Where in a state an expression stands, which decides what `$states` has there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Before,
    After,
    Caught,
}

/// Everything in a state that may have expressions in it.
fn values(state: &State) -> Vec<(Place, Value)> {
    let before = [&state.arguments, &state.items, &state.error, &state.cause];
    let before = before.into_iter().flatten().cloned();
    let conditions = state.choices.iter().map(|branch| json!(branch.condition));
    let assigned = |assign: &Map<String, Value>| Value::Object(assign.clone());
    // A choice has no result: what it sets is read from its input.
    let branches = state.choices.iter().map(|branch| assigned(&branch.assign));
    let after = [assigned(&state.assign)].into_iter().chain(state.output.clone());
    let caught = state.catch.iter().flat_map(|catcher| {
        let output = catcher.output.clone();
        [assigned(&catcher.assign)].into_iter().chain(output)
    });
    let before = before
        .chain(conditions)
        .chain(branches)
        .map(|value| (Place::Before, value));
    let after = after.map(|value| (Place::After, value));
    let caught = caught.map(|value| (Place::Caught, value));
    before.chain(after).chain(caught).collect()
}

pub(super) fn expressions(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for Placed { name, state, .. } in definition.all() {
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Expressions, sentence));
        for (place, value) in values(state) {
            for expression in expression::inside(&value) {
                match expression {
                    Err(why) => finds(why),
                    Ok(expression) => {
                        let of_states = expression.paths().into_iter().filter(|path| path.variable == "states");
                        of_states
                            .filter_map(|path| misplaced(path, place, state))
                            .for_each(&mut finds);
                    }
                }
            }
        }
        for branch in &state.choices {
            // What is no expression at all would be compared with nothing, and a path may be anything.
            match Expression::of(&branch.condition) {
                Some(Ok(Expression::Condition(_)) | Err(_)) => {}
                Some(Ok(_)) | None => finds(format!("`{}` is no condition", branch.condition)),
            }
        }
    }
    found
}

/// Why something of `$states` is not there.
fn misplaced(path: &Path, place: Place, state: &State) -> Option<String> {
    let has_result = place == Place::After && matches!(state.kind, Kind::Task | Kind::Map);
    let is_there = match path.fields.first().map(String::as_str) {
        Some("input") => true,
        Some("context") => path.fields[1..] != ["Task", "Token"] || (state.parks() && place == Place::Before),
        // Step Functions wraps the answer of a function that it waits for itself, and no other.
        Some("result") if state.kind == Kind::Task => {
            let wrapped = path.fields.get(1).is_some_and(|field| field == "Payload");
            has_result && path.starts_with(&answer(state)) && wrapped != state.parks()
        }
        Some("result") => has_result,
        Some("errorOutput") => place == Place::Caught,
        _ => false,
    };
    (!is_there).then(|| format!("{path} is not there"))
}

pub(super) fn variables(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    of_one(&definition.machine, &BTreeSet::new(), &BTreeSet::new(), &mut found);
    found
}

/// One machine, given what is set before it, and what is set anywhere around it.
fn of_one(machine: &Machine, before: &BTreeSet<String>, around: &BTreeSet<String>, found: &mut Vec<Finding>) {
    let known = set_before(machine, before);
    let mut here = around.clone();
    for (name, state) in &machine.states {
        let set = state
            .ways()
            .into_iter()
            .flat_map(|way| way.assign.keys())
            .chain(state.assign.keys());
        for variable in set {
            here.insert(variable.clone());
            if around.contains(variable) {
                found.push(Finding::new(
                    name,
                    Rule::Variables,
                    format!("it sets ${variable}, which is one of around it: AWS refuses that"),
                ));
            }
            if variable == "states" {
                found.push(Finding::new(name, Rule::Variables, "$states is nobody's to set"));
            }
        }
    }
    for (name, state) in &machine.states {
        // What no way leads to is another rule's finding.
        let Some(known) = known.get(name.as_str()) else {
            continue;
        };
        for path in values(state).iter().flat_map(|(_, value)| read(value)) {
            if path.variable != "states" && !known.contains(&path.variable) {
                found.push(Finding::new(
                    name,
                    Rule::Variables,
                    format!("it reads {path}, and ${} is not set on every way to it", path.variable),
                ));
            }
        }
        if let Some(inner) = &state.item_processor {
            of_one(inner, known, &here, found);
        }
    }
}

/// The paths that a value of the file reads.
fn read(value: &Value) -> Vec<Path> {
    let expressions = expression::inside(value).into_iter().flatten();
    expressions
        .flat_map(|expression| expression.paths().into_iter().cloned().collect::<Vec<_>>())
        .collect()
}

/// For each state that can be reached, the variables that are set whichever way led to it.
fn set_before<'d>(machine: &'d Machine, before: &BTreeSet<String>) -> BTreeMap<&'d str, BTreeSet<String>> {
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::from([(machine.start_at.as_str(), before.clone())]);
    let mut open = vec![machine.start_at.as_str()];
    while let Some(name) = open.pop() {
        let (Some(state), Some(here)) = (machine.state(name), known.get(name).cloned()) else {
            continue;
        };
        for way in state.ways() {
            let mut there: BTreeSet<String> = here.iter().chain(way.assign.keys()).cloned().collect();
            if let Some(otherwise) = known.get(way.to) {
                there.retain(|variable| otherwise.contains(variable));
                if there == *otherwise {
                    continue;
                }
            }
            known.insert(way.to, there);
            open.push(way.to);
        }
    }
    known
}
