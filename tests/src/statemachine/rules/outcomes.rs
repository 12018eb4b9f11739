//! What functions answer, and what choices make of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::statemachine::contract::{self, ANSWERS, BY_DEFAULT, FOR_THE_UNKNOWN, VARIABLES, answered};
use crate::statemachine::definition::{By, Kind, Machine, Placed, State};
use crate::statemachine::expression::{Condition, Expression, Path};
use crate::statemachine::{Definition, Finding, Rule};

pub(super) fn outcomes(definition: &Definition) -> Vec<Finding> {
    let mut found = tables(definition);
    for placed in definition.all() {
        if placed.state.kind == Kind::Choice {
            found.extend(choice(&placed));
        }
        found.extend(assigned(&placed));
    }
    found
}

/// The tables, held against the Rust types and the file.
fn tables(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut finds = |state: &str, sentence: String| found.push(Finding::new(state, Rule::Outcomes, sentence));
    let all = definition.all();
    for answers in ANSWERS {
        let named = answers.to.iter().flat_map(|(_, outcomes)| *outcomes);
        let named: BTreeSet<&str> = named.chain(answers.elsewhere).copied().collect();
        let variants: BTreeSet<&str> = answers.variants.iter().copied().collect();
        for variant in variants.difference(&named) {
            finds(
                answers.of,
                format!("no state is answered {variant:?}; ANSWERS does not say where it goes"),
            );
        }
        for outcome in named.difference(&variants) {
            finds(
                answers.of,
                format!("it has no variant {outcome:?}, which ANSWERS names"),
            );
        }
        for (state, _) in answers.to {
            if all.iter().all(|placed| placed.name != *state) {
                finds(state, "ANSWERS has it, and it is not there".to_owned());
            }
        }
    }
    for Placed { name, state, .. } in &all {
        let function = state.calls().and_then(contract::function);
        if function.is_some_and(|function| function.on_the_path) && answered(name).is_none() {
            finds(name, "ANSWERS does not say what it is answered".to_owned());
        }
    }
    for (state, _) in BY_DEFAULT {
        if all.iter().all(|placed| placed.name != *state) {
            finds(state, "BY_DEFAULT has it, and it is not there".to_owned());
        }
    }
    found
}

/// What a value may be: these, and, where they are not all, anything else.
struct Domain {
    values: Vec<Value>,
    open: bool,
}

impl Domain {
    fn of(variants: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            values: variants.into_iter().map(Value::from).collect(),
            open: false,
        }
    }
}

/// Goes through everything that a choice may be asked, and looks which way each takes.
fn choice(placed: &Placed<'_>) -> Vec<Finding> {
    let (name, state) = (placed.name, placed.state);
    let Some(conditions) = conditions(state) else {
        // What it is instead, another rule says.
        return Vec::new();
    };
    let (domains, mut sentences) = domains(placed, &conditions);
    let mut taken = BTreeSet::new();
    let mut by_default = BTreeSet::new();
    let mut unforeseen = BTreeSet::new();
    let mut asks_for_no_variant = false;
    for case in cases(&domains) {
        let lookup = |path: &Path| case.get(path).cloned().flatten();
        if let Some(branch) = conditions.iter().position(|condition| condition.holds(&lookup)) {
            taken.insert(branch);
            continue;
        }
        let variants: Vec<&str> = case
            .iter()
            .filter(|(path, _)| domains.get(path).is_some_and(|domain| !domain.open))
            .filter_map(|(_, value)| value.as_ref().and_then(Value::as_str))
            .collect();
        let listed = |(choice, outcome): &&(&str, &'static str)| *choice == name && variants.contains(outcome);
        if let Some((_, outcome)) = BY_DEFAULT.iter().find(listed) {
            by_default.insert(*outcome);
        } else if variants.is_empty() {
            asks_for_no_variant = true;
        } else {
            unforeseen.insert(variants.join(" and "));
        }
    }
    for variants in unforeseen {
        sentences.push(format!(
            "no condition knows {variants:?}, and BY_DEFAULT does not have it"
        ));
    }
    for (number, branch) in state.choices.iter().enumerate() {
        if !taken.contains(&number) {
            sentences.push(format!("it never leads to {} on `{}`", branch.next, branch.condition));
        }
    }
    for (_, outcome) in BY_DEFAULT.iter().filter(|(choice, _)| *choice == name) {
        if !by_default.contains(outcome) {
            sentences.push(format!("BY_DEFAULT has {outcome:?}, which never takes its default"));
        }
    }
    let default = state.default.as_deref().unwrap_or_default();
    if by_default.is_empty() && !asks_for_no_variant && !FOR_THE_UNKNOWN.contains(&default) {
        sentences.push(format!(
            "what it does not know leads to {default}, and not to an operator"
        ));
    }
    let finding = |sentence| Finding::new(name, Rule::Outcomes, sentence);
    sentences.into_iter().map(finding).collect()
}

fn conditions(state: &State) -> Option<Vec<Condition>> {
    let conditions = state
        .choices
        .iter()
        .map(|branch| match Expression::of(&branch.condition) {
            Some(Ok(Expression::Condition(condition))) => Some(condition),
            _ => None,
        });
    conditions.collect()
}

/// What everything that a choice asks for may be, and what it asks in vain.
fn domains(placed: &Placed<'_>, conditions: &[Condition]) -> (BTreeMap<Path, Domain>, Vec<String>) {
    let mut domains = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, literal) in conditions.iter().flat_map(Condition::comparisons) {
        let domain = domains.entry(path.clone()).or_insert_with(|| {
            let (domain, unknown) = domain(placed.machine, placed.name, path);
            wrong.extend(unknown);
            domain
        });
        if domain.values.contains(literal) {
            continue;
        }
        if domain.open {
            domain.values.push(literal.clone());
        } else {
            wrong.push(format!("{path} is never {literal}"));
        }
    }
    (domains, wrong)
}

/// Everything that may be the case: a value, or something that no condition names, for each path.
fn cases(domains: &BTreeMap<Path, Domain>) -> Vec<BTreeMap<Path, Option<Value>>> {
    domains.iter().fold(vec![BTreeMap::new()], |cases, (path, domain)| {
        let values = domain.values.iter().cloned().map(Some);
        let values: Vec<Option<Value>> = values.chain(domain.open.then_some(None)).collect();
        let extended = cases.iter().flat_map(|case| {
            values.iter().map(|value| {
                let mut case = case.clone();
                case.insert(path.clone(), value.clone());
                case
            })
        });
        extended.collect()
    })
}

/// What a path that a choice asks for may be, and what stands in the way of knowing it.
fn domain(machine: &Machine, choice: &str, path: &Path) -> (Domain, Vec<String>) {
    if *path == Path::new("states", &["input", "outcome"]) {
        let (mut outcomes, mut wrong) = (BTreeSet::new(), Vec::new());
        for (state, handed_on) in writers(machine, choice, &mut BTreeSet::new()) {
            match answered(state).filter(|_| handed_on) {
                Some(answers) => outcomes.extend(answers),
                None => wrong.push(format!(
                    "coming from {state}, its input is not what a function answered"
                )),
            }
        }
        // Where that is not known, nothing can be said of what it may be.
        let open = !wrong.is_empty();
        return (
            Domain {
                open,
                ..Domain::of(outcomes)
            },
            wrong,
        );
    }
    let variable = VARIABLES.iter().find(|variable| *path == Path::new(variable.name, &[]));
    let domain = variable.map_or(
        Domain {
            values: Vec::new(),
            open: true,
        },
        |variable| Domain::of(variable.variants.iter().copied()),
    );
    (domain, Vec::new())
}

/// The states that wrote the input of a state, and whether it is what a function answered them.
fn writers<'d>(machine: &'d Machine, of: &'d str, seen: &mut BTreeSet<&'d str>) -> Vec<(&'d str, bool)> {
    if !seen.insert(of) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if machine.start_at == of {
        found.push(("the start", false));
    }
    for (from, state) in &machine.states {
        for way in state.ways().into_iter().filter(|way| way.to == of) {
            let passes_on = matches!(state.kind, Kind::Pass | Kind::Choice) && state.output.is_none();
            match way.by {
                By::Catch(_) => found.push((from.as_str(), false)),
                By::Next | By::Branch(_) | By::Default if passes_on => found.extend(writers(machine, from, seen)),
                By::Next | By::Branch(_) | By::Default => found.push((from.as_str(), hands_answer_on(state))),
            }
        }
    }
    found
}

/// Where a task finds what its function answered.
pub(super) fn answer(state: &State) -> Path {
    if state.parks() {
        Path::new("states", &["result"])
    } else {
        Path::new("states", &["result", "Payload"])
    }
}

fn hands_answer_on(state: &State) -> bool {
    let answer = answer(state);
    match &state.output {
        Some(output) => *output == json!(format!("{{% {answer} %}}")),
        None => state.parks(),
    }
}

/// Variables that hold a variant of a Rust type are given one.
fn assigned(placed: &Placed<'_>) -> Vec<Finding> {
    let Placed { name, state, .. } = placed;
    let mut found = Vec::new();
    // `ways` has the `Assign` of a state once for every way; a last state has none.
    for way in state.ways() {
        for variable in VARIABLES {
            let Some(value) = way.assign.get(variable.name) else {
                continue;
            };
            let mut outcome = answer(state);
            outcome.fields.push("outcome".to_owned());
            let given: Vec<&str> = match value.as_str().and_then(Expression::of) {
                Some(Ok(Expression::Path(path))) if path == outcome => answered(name).unwrap_or_default().to_vec(),
                None => value.as_str().into_iter().collect(),
                Some(_) => Vec::new(),
            };
            let unknown: Vec<&&str> = given
                .iter()
                .filter(|given| !variable.variants.contains(given))
                .collect();
            if given.is_empty() || !unknown.is_empty() {
                found.push(Finding::new(
                    name,
                    Rule::Outcomes,
                    format!(
                        "it sets ${} to {value}, which is not always a variant of {}",
                        variable.name, variable.of
                    ),
                ));
            }
        }
    }
    found
}
