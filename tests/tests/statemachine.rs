//! The state machine's file: its graph, its names, and the picture of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use domain::failure::Name;
use serde_json::{Map, Value};

const OURS: [&str; 5] = ["Transient.", "Rejected.", "Failed.", "Stuck.", "Bug."];
const LOCK_IS_DEALT_WITH: [&str; 2] = ["Close", "Call operator"];

fn machine() -> Value {
    let file = local::workspace().join("statemachine/deployment.asl.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("the file is there")).expect("it is JSON")
}

/// Every machine in the definition: the outer one, and those inside maps.
fn machines(machine: &Value) -> Vec<&Value> {
    let inner = states(machine)
        .values()
        .filter_map(|state| state.get("ItemProcessor"))
        .flat_map(machines);
    std::iter::once(machine).chain(inner).collect()
}

fn states(machine: &Value) -> &Map<String, Value> {
    machine["States"].as_object().expect("a machine has states")
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn items<'a>(state: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    state.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Where a state leads: in the ordinary case, and when something fails.
fn leads_to(state: &Value) -> (Vec<&str>, Vec<&str>) {
    let choices = items(state, "Choices").filter_map(|choice| text(choice, "Next"));
    let ordinary = text(state, "Next")
        .into_iter()
        .chain(choices)
        .chain(text(state, "Default"))
        .collect();
    let failing = items(state, "Catch")
        .filter_map(|catcher| text(catcher, "Next"))
        .collect();
    (ordinary, failing)
}

/// All states that can be reached from one without going through certain others.
fn reachable<'a>(machine: &'a Value, from: &'a str, not_through: &[&str]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if found.insert(name) && !not_through.contains(&name) {
            let (ordinary, failing) = leads_to(&states(machine)[name]);
            open.extend(ordinary.into_iter().chain(failing));
        }
    }
    found
}

fn caught(state: &Value) -> BTreeSet<&str> {
    items(state, "Catch")
        .flat_map(|catcher| items(catcher, "ErrorEquals"))
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn every_state_can_be_reached_and_leads_on() {
    let outer = machine();
    for machine in machines(&outer) {
        let start = text(machine, "StartAt").expect("a machine starts somewhere");
        let all: BTreeSet<&str> = states(machine).keys().map(String::as_str).collect();
        assert_eq!(reachable(machine, start, &[]), all);
        for (name, state) in states(machine) {
            let ends = state["End"] == true || ["Succeed", "Fail"].contains(&text(state, "Type").unwrap_or_default());
            assert_eq!(leads_to(state).0.is_empty(), ends, "{name}");
        }
    }
}

#[test]
fn after_the_lock_was_asked_for_no_way_ends_without_dealing_with_it() {
    let outer = machine();
    let ends = |name: &&str| ["Succeed", "Fail"].contains(&text(&states(&outer)[*name], "Type").unwrap_or_default());
    let around: Vec<&str> = reachable(&outer, "Admit", &LOCK_IS_DEALT_WITH)
        .into_iter()
        .filter(ends)
        .collect();
    assert!(around.is_empty(), "{around:?}");
    // The same question finds the endings once nothing stands in the way: it can fail.
    assert_eq!(reachable(&outer, "Admit", &[]).into_iter().filter(ends).count(), 4);
}

#[test]
fn every_task_has_its_limit_its_sentence_and_its_catchers() {
    let outer = machine();
    for machine in machines(&outer) {
        for (name, state) in states(machine) {
            assert!(
                text(state, "Comment").is_some_and(|comment| comment.ends_with('.')),
                "{name}"
            );
            assert_eq!(text(state, "Type") == Some("Choice"), name.ends_with('?'), "{name}");
            if text(state, "Type") != Some("Task") {
                continue;
            }
            assert!(
                state["TimeoutSeconds"].as_u64().is_some_and(|seconds| seconds > 0),
                "{name}"
            );
            assert!(
                text(state, "Resource").is_some_and(|arn| arn.starts_with("arn:aws:states:::lambda:invoke")),
                "{name}"
            );
            // A wave's review is caught by the map around it.
            assert!(name == "Review wave" || !caught(state).is_empty(), "{name}");
            let catchers: Vec<&Value> = items(state, "Catch").collect();
            for catcher in catchers.iter().rev().skip(1) {
                assert!(
                    !caught_by(catcher).contains("States.ALL"),
                    "{name}: States.ALL comes last"
                );
            }
        }
    }
}

fn caught_by(catcher: &Value) -> BTreeSet<&str> {
    items(catcher, "ErrorEquals").filter_map(Value::as_str).collect()
}

#[test]
fn whatever_a_function_raises_is_caught_where_it_is_called_and_every_name_is_known() {
    let raised: BTreeMap<&str, &[Name]> = BTreeMap::from([
        ("${GateFunctionArn}", lockgate_gate::RAISES),
        ("${BuildFunctionArn}", lockgate_build::RAISES),
        ("${DeployFunctionArn}", lockgate_deploy::RAISES),
        ("${SmokeTestFunctionArn}", lockgate_smoke_test::RAISES),
    ]);
    let outer = machine();
    let mut looked_at = BTreeSet::new();
    for machine in machines(&outer) {
        for (name, state) in states(machine) {
            for error in caught(state)
                .into_iter()
                .filter(|error| OURS.iter().any(|class| error.starts_with(class)))
            {
                assert!(
                    Name::ALL.iter().any(|known| known.as_str() == error),
                    "{name} catches {error}, which nobody raises"
                );
            }
            let function = state["Arguments"]["FunctionName"].as_str().unwrap_or_default();
            if name == "Review wave" {
                continue;
            }
            for raises in raised.get(function).copied().unwrap_or_default() {
                assert!(
                    caught(state).contains(raises.as_str()),
                    "{name} does not catch {raises}"
                );
                looked_at.insert(function);
            }
        }
    }
    assert_eq!(looked_at.len(), raised.len(), "every function is called");
}

#[test]
fn docs_errors_has_a_section_for_every_name_and_for_no_other() {
    let text = std::fs::read_to_string(local::workspace().join("docs/ERRORS.md")).expect("docs/ERRORS.md is there");
    let sections: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|name| OURS.iter().any(|class| name.starts_with(class)))
        .collect();
    let names: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(sections, names);
}

/// The machine as a Mermaid diagram: ordinary ways, and those of failures where they are few enough to be read.
fn picture(machine: &Value) -> String {
    let mut lines = String::from("stateDiagram-v2\n");
    draw(machine, "", "  ", &mut lines);
    lines
}

fn id(prefix: &str, name: &str) -> String {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{prefix}{letters}")
}

fn draw(machine: &Value, prefix: &str, indent: &str, lines: &mut String) {
    let _ = writeln!(
        lines,
        "{indent}[*] --> {}",
        id(prefix, text(machine, "StartAt").unwrap_or_default())
    );
    for (name, state) in states(machine) {
        let this = id(prefix, name);
        if let Some(inner) = state.get("ItemProcessor") {
            let _ = writeln!(lines, "{indent}state \"{name}\" as {this} {{");
            draw(inner, &this, &format!("{indent}  "), lines);
            let _ = writeln!(lines, "{indent}}}");
        } else {
            let _ = writeln!(lines, "{indent}{this}: {name}");
        }
        let (ordinary, failing) = leads_to(state);
        for next in ordinary.iter().collect::<BTreeSet<_>>() {
            let _ = writeln!(lines, "{indent}{this} --> {}", id(prefix, next));
        }
        // That anything unforeseen calls an operator is said once, in words.
        for next in failing.iter().collect::<BTreeSet<_>>() {
            if !ordinary.contains(next) && **next != *"Call operator" {
                let _ = writeln!(lines, "{indent}{this} --> {}: fails", id(prefix, next));
            }
        }
        if ordinary.is_empty() {
            let _ = writeln!(lines, "{indent}{this} --> [*]");
        }
    }
}

#[test]
fn the_readme_shows_the_machine_as_its_file_has_it() {
    let file = local::workspace().join("README.md");
    let readme = std::fs::read_to_string(&file).expect("README.md is there");
    let (before, rest) = readme.split_once("```mermaid\n").expect("README.md has a picture");
    let (shown, after) = rest.split_once("```").expect("the picture ends");
    let drawn = picture(&machine());
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(&file, format!("{before}```mermaid\n{drawn}```{after}")).expect("README.md can be written");
    } else {
        assert_eq!(
            shown, drawn,
            "draw it again: UPDATE_PICTURE=1 cargo test --package end-to-end --test statemachine"
        );
    }
}
