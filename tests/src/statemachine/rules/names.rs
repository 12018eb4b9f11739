//! What states are called, how executions end, and who does the work.

use std::collections::BTreeSet;

use domain::life::End;
use serde_json::json;
use strum::VariantNames as _;

use super::FILE;
use crate::statemachine::contract::{ENDINGS, FUNCTIONS, VERBS};
use crate::statemachine::definition::{By, Kind, Placed};
use crate::statemachine::expression::{Condition, Expression, Path};
use crate::statemachine::{Definition, Finding, Rule};

pub(super) fn names(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for Placed { name, state, .. } in definition.all() {
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Names, sentence));
        let is_question = name.ends_with('?');
        if is_question != (state.kind == Kind::Choice) {
            finds("questions are choices, and choices are questions".to_owned());
        }
        let first = name.split(' ').next().unwrap_or_default();
        if !is_question && !VERBS.contains(&first) && ENDINGS.iter().all(|ending| ending.state != name) {
            finds(format!(
                "it does not begin with a verb; if {first} is one, put it into VERBS"
            ));
        }
    }
    found
}

pub(super) fn endings(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut finds = |state: &str, sentence: String| found.push(Finding::new(state, Rule::Endings, sentence));
    for end in End::VARIANTS {
        if ENDINGS.iter().filter(|ending| ending.end == *end).count() != 1 {
            finds(FILE, format!("ENDINGS does not have one state for {end}"));
        }
    }
    for ending in &ENDINGS {
        match definition.machine.state(ending.state) {
            None => finds(ending.state, "it is not there".to_owned()),
            Some(state) if state.kind != ending.kind => {
                finds(
                    ending.state,
                    format!("it is {:?} and not {:?}", state.kind, ending.kind),
                );
            }
            Some(state) if state.kind == Kind::Fail && (state.error.is_none() || state.cause.is_none()) => {
                finds(ending.state, "it does not say what failed, and why".to_owned());
            }
            Some(_) => {}
        }
    }
    for Placed { name, state, .. } in definition.all() {
        if matches!(state.kind, Kind::Succeed | Kind::Fail) && ENDINGS.iter().all(|ending| ending.state != name) {
            finds(name, "it is an ending that ENDINGS does not have".to_owned());
        }
        for way in state.ways() {
            let Some(ending) = ENDINGS.iter().find(|ending| ending.state == way.to) else {
                continue;
            };
            let allowed = match way.by {
                By::Branch(branch) => asks_for(&branch.condition, ending.end),
                By::Default => ending.kind == Kind::Fail,
                By::Next | By::Catch(_) => false,
            };
            if !allowed {
                finds(
                    name,
                    format!(
                        "it leads to {} on another condition than $ending = '{}'",
                        way.to, ending.end
                    ),
                );
            }
        }
    }
    found
}

fn asks_for(condition: &str, end: &str) -> bool {
    let expected = Condition::Equals(Path::new("ending", &[]), json!(end));
    matches!(Expression::of(condition), Some(Ok(Expression::Condition(is))) if is == expected)
}

pub(crate) fn tokens(definition: &Definition, put_in: &BTreeSet<String>) -> Vec<Finding> {
    let asked = &definition.tokens;
    let nobody = asked
        .difference(put_in)
        .map(|token| format!("the CDK app puts in nothing for ${{{token}}}"));
    let nowhere = put_in
        .difference(asked)
        .map(|token| format!("the CDK app puts in {token}, which the file does not ask for"));
    let called: BTreeSet<String> = FUNCTIONS.iter().map(|function| function.token.to_owned()).collect();
    let unused = called
        .difference(asked)
        .map(|token| format!("FUNCTIONS has {token}, which the file does not ask for"));
    nobody
        .chain(nowhere)
        .chain(unused)
        .map(|sentence| Finding::new(FILE, Rule::Tokens, sentence))
        .collect()
}
