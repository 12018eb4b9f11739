//! The machine as a Mermaid diagram: ordinary ways with what they are taken on, and those of failures where they are
//! few enough to be read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::Definition;
use super::contract::{BY_DEFAULT, FOR_THE_UNKNOWN};
use super::definition::{By, Machine, State};
use super::expression::{Condition, Expression};

/// Draws the machine.
pub fn picture(definition: &Definition) -> String {
    let mut lines = String::from("stateDiagram-v2\n");
    draw(&definition.machine, "", "  ", &mut lines);
    lines
}

fn id(prefix: &str, name: &str) -> String {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{prefix}{letters}")
}

fn draw(machine: &Machine, prefix: &str, indent: &str, lines: &mut String) {
    let _ = writeln!(lines, "{indent}[*] --> {}", id(prefix, &machine.start_at));
    for (name, state) in &machine.states {
        let this = id(prefix, name);
        if let Some(inner) = &state.item_processor {
            let _ = writeln!(lines, "{indent}state \"{name}\" as {this} {{");
            draw(inner, &this, &format!("{indent}  "), lines);
            let _ = writeln!(lines, "{indent}}}");
        } else {
            let _ = writeln!(lines, "{indent}{this}: {name}");
        }
        for (to, label) in arrows(name, state) {
            let _ = writeln!(lines, "{indent}{this} --> {}{label}", id(prefix, to));
        }
        if state.is_last() {
            let _ = writeln!(lines, "{indent}{this} --> [*]");
        }
    }
}

/// Where a state's arrows go, one to each state, and what they say.
fn arrows<'d>(name: &str, state: &'d State) -> Vec<(&'d str, String)> {
    let mut arrows: Vec<(&str, Vec<String>)> = Vec::new();
    for way in state.ways() {
        let known = arrows.iter_mut().find(|(to, _)| *to == way.to);
        let label = match way.by {
            By::Next => None,
            By::Branch(branch) => Some(in_words(&branch.condition)),
            // That anything unforeseen calls an operator is said once, in words; and where a failure goes the ordinary
            // way, it is no failure.
            By::Default | By::Catch(_) if FOR_THE_UNKNOWN.contains(&way.to) => continue,
            By::Default => Some(default_in_words(name)),
            By::Catch(_) if state.next.as_deref() == Some(way.to) => continue,
            By::Catch(_) => Some("fails".to_owned()),
        };
        match known {
            Some((_, labels)) => labels.extend(label),
            None => arrows.push((way.to, label.into_iter().collect())),
        }
    }
    arrows
        .into_iter()
        .map(|(to, mut labels)| {
            let mut seen = BTreeSet::new();
            labels.retain(|label| seen.insert(label.clone()));
            let label = labels.join(" or ");
            let colon = if label.is_empty() { "" } else { ": " };
            (to, format!("{colon}{label}"))
        })
        .collect()
}

/// The outcomes that are a choice's default.
fn default_in_words(choice: &str) -> String {
    let outcomes = BY_DEFAULT.iter().filter(|(state, _)| *state == choice);
    let outcomes: Vec<String> = outcomes.map(|(_, outcome)| outcome.replace('_', " ")).collect();
    if outcomes.is_empty() {
        return "otherwise".to_owned();
    }
    outcomes.join(" or ")
}

/// A condition as it is read out: `passed`, or `passed and approval is null`.
fn in_words(condition: &str) -> String {
    match Expression::of(condition) {
        Some(Ok(Expression::Condition(condition))) => words(&condition),
        _ => condition.to_owned(),
    }
}

fn words(condition: &Condition) -> String {
    let join = |parts: &[Condition], word: &str| parts.iter().map(words).collect::<Vec<_>>().join(word);
    match condition {
        Condition::Equals(_, Value::String(outcome)) => outcome.replace('_', " "),
        Condition::Equals(path, literal) => {
            let of = path.fields.last().unwrap_or(&path.variable);
            format!("{of} is {literal}").replace('_', " ")
        }
        Condition::All(parts) => join(parts, " and "),
        Condition::Any(parts) => join(parts, " or "),
    }
}
