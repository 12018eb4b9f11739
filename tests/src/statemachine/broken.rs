//! Each rule can fail: copies of the file that break it in one place.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strum::VariantArray as _;

use super::{Definition, Finding, Rule, contract, lint};

fn file() -> Value {
    let file = local::workspace().join("statemachine/deployment.asl.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn put_in() -> BTreeSet<String> {
    let file = local::workspace().join("infra/lib/constructs/deployment-machine.ts");
    contract::put_in(&std::fs::read_to_string(file).unwrap())
}

fn findings(file: &Value) -> Vec<Finding> {
    lint(&Definition::parse(&file.to_string()).unwrap(), &put_in())
}

/// A state, wherever it is.
fn state<'f>(machine: &'f mut Value, name: &str) -> &'f mut Value {
    fn find<'f>(machine: &'f mut Value, name: &str) -> Option<&'f mut Value> {
        let states = machine["States"].as_object_mut().unwrap();
        if states.contains_key(name) {
            return states.get_mut(name);
        }
        states
            .values_mut()
            .filter_map(|state| state.get_mut("ItemProcessor"))
            .find_map(|inner| find(inner, name))
    }
    find(machine, name).unwrap()
}

/// Gives a state another name, and leads everybody there.
fn rename(machine: &mut Value, from: &str, to: &str) {
    let text = machine.to_string().replace(&format!("{from:?}"), &format!("{to:?}"));
    *machine = serde_json::from_str(&text).unwrap();
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field).unwrap();
}

fn list<'f>(value: &'f mut Value, field: &str) -> &'f mut Vec<Value> {
    value[field].as_array_mut().unwrap()
}

/// A rule, the state at which a broken copy is found to break it, some of what is said of it, and how it was broken.
type Row = (Rule, &'static str, &'static str, fn(&mut Value));

const FILE: &str = "deployment.asl.json";

const WAYS: &[Row] = &[
    (Rule::Ways, FILE, "starts at Nowhere", |file| {
        file["StartAt"] = json!("Nowhere");
    }),
    (Rule::Ways, "Deploy stacks", "starts at Nowhere", |file| {
        state(file, "Deploy stacks")["ItemProcessor"]["StartAt"] = json!("Nowhere");
    }),
    (Rule::Ways, "Publish assets", "no way leads to it", |file| {
        state(file, "Plan")["Next"] = json!("Deploy waves");
    }),
    (Rule::Ways, "Build", "leads to Nowhere", |file| {
        state(file, "Build")["Catch"][2]["Next"] = json!("Nowhere");
    }),
    (Rule::Ways, "Plan", "either lead on or be the last", |file| {
        state(file, "Plan")["End"] = json!(true);
    }),
    (Rule::Ways, "Leave unchanged", "either lead on or be the last", |file| {
        remove(state(file, "Leave unchanged"), "End");
    }),
    (Rule::Ways, "Anything to change?", "no Default", |file| {
        remove(state(file, "Anything to change?"), "Default");
    }),
    (Rule::Ways, "Report end", "no end can be reached", |file| {
        state(file, "Report end")["Next"] = json!("Close");
        state(file, "Report end")["Catch"][0]["Next"] = json!("Close");
    }),
];

const LOCK_AND_WAVES: &[Row] = &[
    (
        Rule::Lock,
        "Deployed",
        "without anybody dealing with the lock",
        |file| {
            state(file, "Smoke tests passed?")["Choices"][0]["Next"] = json!("Deployed");
        },
    ),
    (
        Rule::Lock,
        "Failed, operator needed",
        "without anybody dealing",
        |file| {
            state(file, "Plan")["Catch"][2]["Next"] = json!("Report end");
        },
    ),
    (Rule::Lock, "Deploy waves", "without taking the lock", |file| {
        state(file, "Report start")["Next"] = json!("Plan");
    }),
    (Rule::Lock, "Run smoke tests", "after Close", |file| {
        state(file, "Close")["Next"] = json!("Run smoke tests");
    }),
    (Rule::Lock, "Close", "is not there", |file| {
        rename(file, "Close", "Close deployment");
    }),
    (Rule::Waves, "Review wave", "cuts off", |file| {
        state(file, "Deploy waves")["MaxConcurrency"] = json!(2);
    }),
    (Rule::Waves, "Keep failure", "cuts off", |file| {
        *state(file, "Keep failure") = json!({ "Comment": "It fails.", "Type": "Fail" });
    }),
    (Rule::Waves, "Create change set", "cuts off", |file| {
        remove(state(file, "Create change set"), "Catch");
    }),
];

const TASKS: &[Row] = &[
    (Rule::Comments, "Admitted?", "no sentence", |file| {
        state(file, "Admitted?")["Comment"] = json!("TODO");
    }),
    (Rule::Comments, "Deployed", "no sentence", |file| {
        remove(state(file, "Deployed"), "Comment");
    }),
    (Rule::Limits, "Admit", "TimeoutSeconds", |file| {
        remove(state(file, "Admit"), "TimeoutSeconds");
    }),
    (Rule::Limits, "Review wave", "TimeoutSeconds", |file| {
        state(file, "Review wave")["TimeoutSeconds"] = json!("{% $deployment.patience %}");
    }),
    (Rule::Limits, FILE, "TimeoutSeconds", |file| {
        file["TimeoutSeconds"] = json!(0);
    }),
    (Rule::Limits, "Admit", "people still have time", |file| {
        // A week, while another deployment may wait two for its answer.
        state(file, "Admit")["TimeoutSeconds"] = json!(7 * 24 * 60 * 60);
    }),
    (Rule::Limits, FILE, "have waited as long as they may", |file| {
        file["TimeoutSeconds"] = json!(30 * 24 * 60 * 60);
    }),
    (Rule::Calls, "Plan", "does not invoke", |file| {
        state(file, "Plan")["Resource"] = json!("arn:aws:states:::lambda:invoke.sync");
    }),
    (Rule::Calls, "Plan", "token of no function", |file| {
        state(file, "Plan")["Arguments"]["FunctionName"] = json!("lockgate-deploy");
    }),
    (Rule::Calls, "Plan", "not written out", |file| {
        state(file, "Plan")["Arguments"]["Payload"] = json!("{% $states.input %}");
    }),
    (Rule::Calls, "Plan", "what to do", |file| {
        remove(&mut state(file, "Plan")["Arguments"]["Payload"], "do");
    }),
    (Rule::Calls, "Build", "does not pass", |file| {
        remove(&mut state(file, "Build")["Arguments"]["Payload"], "token");
    }),
    (Rule::Calls, "Close", "nobody waits for", |file| {
        state(file, "Close")["Arguments"]["Payload"]["token"] = json!("{% $states.context.Task.Token %}");
    }),
    (Rule::Retries, "Deploy stacks", "only a task", |file| {
        state(file, "Deploy stacks")["Retry"] = json!([{ "ErrorEquals": ["Transient.Throttled"] }]);
    }),
    (
        Rule::Retries,
        "Execute change set",
        "States.ALL, which is not known",
        |file| {
            list(&mut state(file, "Execute change set")["Retry"][0], "ErrorEquals").push(json!("States.ALL"));
        },
    ),
    (
        Rule::Retries,
        "Execute change set",
        "Lambda.Unknown, which is not known",
        |file| {
            list(&mut state(file, "Execute change set")["Retry"][0], "ErrorEquals").push(json!("Lambda.Unknown"));
        },
    ),
    (Rule::Retries, "Close", "does not retry Sandbox.Timedout", |file| {
        list(&mut state(file, "Close")["Retry"][2], "ErrorEquals").remove(1);
    }),
    (
        Rule::Retries,
        "Report end",
        "does not retry Transient.Unavailable",
        |file| {
            list(&mut state(file, "Report end")["Retry"][0], "ErrorEquals").remove(1);
        },
    ),
    (
        Rule::Retries,
        "Close",
        "does not retry Lambda.ClientExecutionTimeoutException",
        |file| {
            list(&mut state(file, "Close")["Retry"][0], "ErrorEquals").pop();
        },
    ),
    (
        Rule::Retries,
        "Create change set",
        "no Retry of its own that waits until others",
        |file| {
            state(file, "Create change set")["Retry"][1]["MaxAttempts"] = json!(4);
        },
    ),
    (Rule::Retries, "Review wave", "with full jitter", |file| {
        remove(&mut state(file, "Review wave")["Retry"][0], "JitterStrategy");
    }),
    (Rule::Reports, "Report start", "not exactly one catcher", |file| {
        remove(state(file, "Report start"), "Catch");
    }),
    (Rule::Reports, "Report start", "does not catch States.ALL", |file| {
        state(file, "Report start")["Catch"][0]["ErrorEquals"] = json!(["States.TaskFailed"]);
    }),
    (Rule::Reports, "Report end", "same state", |file| {
        state(file, "Report end")["Catch"][0]["Next"] = json!("Call operator");
    }),
    (Rule::Reports, "Report end", "whether people were told", |file| {
        state(file, "Report end")["Catch"][0]["Assign"] = json!({ "ending": "failed_clean" });
    }),
];

const ERRORS: &[Row] = &[
    (
        Rule::Catchers,
        "Deploy waves",
        "no catcher for States.Timeout",
        |file| {
            list(state(file, "Deploy waves"), "Catch").remove(0);
        },
    ),
    (Rule::Catchers, "Review wave", "nothing catches", |file| {
        remove(state(file, "Deploy waves"), "Catch");
    }),
    (Rule::Catchers, "Plan", "not States.ALL alone", |file| {
        list(state(file, "Plan"), "Catch").pop();
    }),
    (Rule::Catchers, "Plan", "not States.ALL alone", |file| {
        list(&mut state(file, "Plan")["Catch"][2], "ErrorEquals").push(json!("States.Permissions"));
    }),
    (Rule::Catchers, "Plan", "before the last", |file| {
        list(state(file, "Plan"), "Catch").swap(0, 2);
    }),
    (
        Rule::Catchers,
        "Plan",
        "States.TimedOut, which does not exist",
        |file| {
            list(&mut state(file, "Plan")["Catch"][1], "ErrorEquals").push(json!("States.TimedOut"));
        },
    ),
    (Rule::Catchers, "Plan", "Lambda.Timeout, which does not exist", |file| {
        list(&mut state(file, "Plan")["Catch"][1], "ErrorEquals").push(json!("Lambda.Timeout"));
    }),
    (
        Rule::Catchers,
        "Plan",
        "Rejected.Renamed, which does not exist",
        |file| {
            list(&mut state(file, "Plan")["Catch"][1], "ErrorEquals").push(json!("Rejected.Renamed"));
        },
    ),
    (Rule::Catchers, "Plan", "twice", |file| {
        list(&mut state(file, "Plan")["Catch"][1], "ErrorEquals").push(json!("States.Timeout"));
    }),
    (Rule::Catchers, "Plan", "may be no cause", |file| {
        state(file, "Plan")["Catch"][0]["Assign"]["failure"] = json!("{% $states.errorOutput %}");
    }),
    (Rule::Catchers, "Create change set", "its output is not given", |file| {
        remove(&mut state(file, "Create change set")["Catch"][0]["Output"], "Cause");
    }),
    (Rule::Catchers, "Plan", "failure is not given", |file| {
        state(file, "Plan")["Catch"][0]["Assign"]["failure"]["Error"] = json!("States.Permissions");
    }),
    (
        Rule::Raised,
        "Review wave",
        "Stuck.StackUnknown is not caught",
        |file| {
            list(&mut state(file, "Deploy waves")["Catch"][1], "ErrorEquals")
                .retain(|error| error != "Stuck.StackUnknown");
        },
    ),
    (
        Rule::Raised,
        "Assess failure",
        "Failed.SmokeTests, which nothing raises",
        |file| {
            list(&mut state(file, "Assess failure")["Catch"][1], "ErrorEquals").push(json!("Failed.SmokeTests"));
        },
    ),
    (
        Rule::Raised,
        "Smoke tests passed?",
        "Failed.SmokeTest happened",
        |file| {
            state(file, "Smoke tests passed?")["Choices"][1]["Assign"]["failure"]["Error"] = json!("Failed.SmokeTest");
        },
    ),
];

const OUTCOMES: &[Row] = &[
    (Rule::Outcomes, "Anything to change?", "never \"change\"", |file| {
        state(file, "Anything to change?")["Choices"][0]["Condition"] = json!("{% $states.input.outcome = 'change' %}");
    }),
    // The outcome of another state's function.
    (Rule::Outcomes, "What follows?", "never \"superseded\"", |file| {
        state(file, "What follows?")["Choices"][1]["Condition"] = json!("{% $states.input.outcome = 'superseded' %}");
    }),
    (
        Rule::Outcomes,
        "Admitted?",
        "no condition knows \"superseded\"",
        |file| {
            list(state(file, "Admitted?"), "Choices").pop();
        },
    ),
    // Known, but not on every leg.
    (
        Rule::Outcomes,
        "What follows?",
        "no condition knows \"back and give_up\"",
        |file| {
            state(file, "What follows?")["Choices"][1]["Condition"] =
                json!("{% $states.input.outcome = 'give_up' and $leg = 'forward' %}");
        },
    ),
    // Known, but not with every policy.
    (
        Rule::Outcomes,
        "What follows?",
        "no condition knows \"give_up\"",
        |file| {
            state(file, "What follows?")["Choices"][1]["Condition"] =
                json!("{% $states.input.outcome = 'give_up' and $deployment.environment.approval = null %}");
        },
    ),
    (Rule::Outcomes, "What follows?", "$leg is never \"backward\"", |file| {
        state(file, "What follows?")["Choices"][1]["Condition"] =
            json!("{% $states.input.outcome = 'give_up' or $leg = 'backward' %}");
    }),
    (Rule::Outcomes, "What follows?", "never leads to Close", |file| {
        state(file, "What follows?")["Choices"][1]["Condition"] = json!("{% $states.input.outcome = 'go_back' %}");
    }),
    (
        Rule::Outcomes,
        "How did it end?",
        "no condition knows \"nothing_to_deploy\"",
        |file| {
            list(state(file, "How did it end?"), "Choices").remove(1);
        },
    ),
    (
        Rule::Outcomes,
        "Anything to change?",
        "never takes its default",
        |file| {
            let branch =
                json!({ "Condition": "{% $states.input.outcome = 'no_changes' %}", "Next": "Leave unchanged" });
            list(state(file, "Anything to change?"), "Choices").push(branch);
        },
    ),
    (Rule::Outcomes, "What follows?", "not to an operator", |file| {
        state(file, "What follows?")["Default"] = json!("Close");
    }),
    (
        Rule::Outcomes,
        "Admitted?",
        "coming from Admit, its input is not",
        |file| {
            state(file, "Admit")["Output"] = json!("{% $states.result.Payload %}");
        },
    ),
    (
        Rule::Outcomes,
        "What follows?",
        "coming from Assess failure, its input is not",
        |file| {
            remove(state(file, "Assess failure"), "Output");
        },
    ),
    (
        Rule::Outcomes,
        "Admitted?",
        "coming from Admit, its input is not",
        |file| {
            state(file, "Admit")["Catch"][2]["Next"] = json!("Admitted?");
        },
    ),
    (Rule::Outcomes, "Test integration", "ANSWERS does not say", |file| {
        rename(file, "Run smoke tests", "Test integration");
    }),
    (
        Rule::Outcomes,
        "Run smoke tests",
        "ANSWERS has it, and it is not there",
        |file| {
            rename(file, "Run smoke tests", "Test integration");
        },
    ),
    (
        Rule::Outcomes,
        "Anything to change?",
        "BY_DEFAULT has it, and it is not there",
        |file| {
            rename(file, "Anything to change?", "Anything to do?");
        },
    ),
    (Rule::Outcomes, "What follows?", "sets $leg to \"backwards\"", |file| {
        state(file, "What follows?")["Choices"][0]["Assign"]["leg"] = json!("backwards");
    }),
    (Rule::Outcomes, "Close", "sets $ending to", |file| {
        state(file, "Close")["Assign"]["ending"] = json!("{% $states.result.Payload.ending %}");
    }),
];

const EXPRESSIONS: &[Row] = &[
    (Rule::Expressions, "Deploy waves", "`[` is not allowed", |file| {
        state(file, "Deploy waves")["Items"] = json!("{% $waves[stacks] %}");
    }),
    (Rule::Expressions, "Admit", "`$states.result` is text", |file| {
        state(file, "Admit")["Output"] = json!("$states.result");
    }),
    (Rule::Expressions, "Keep failure", "does not begin with", |file| {
        state(file, "Keep failure")["Output"]["failure"] = json!(" {% $states.input %}");
    }),
    (Rule::Expressions, "Admitted?", "is no condition", |file| {
        state(file, "Admitted?")["Choices"][0]["Condition"] = json!("{% $states.input.admitted %}");
    }),
    (Rule::Expressions, "Admitted?", "`!` is not allowed", |file| {
        state(file, "Admitted?")["Choices"][0]["Condition"] = json!("{% $states.input.outcome != 'superseded' %}");
    }),
    (
        Rule::Expressions,
        "Failed, environment clean",
        "$states.errorOutput.Error is not there",
        |file| {
            state(file, "Failed, environment clean")["Error"] = json!("{% $states.errorOutput.Error %}");
        },
    ),
    (Rule::Expressions, "Build", "$states.errorOutput is not there", |file| {
        state(file, "Build")["Output"] = json!("{% $states.errorOutput %}");
    }),
    (
        Rule::Expressions,
        "Build",
        "$states.result.Payload.release is not there",
        |file| {
            state(file, "Build")["Assign"]["release"] = json!("{% $states.result.Payload.release %}");
        },
    ),
    (Rule::Expressions, "Plan", "$states.result.waves is not there", |file| {
        state(file, "Plan")["Assign"]["waves"] = json!("{% $states.result.waves %}");
    }),
    (
        Rule::Expressions,
        "Plan",
        "$states.context.Task.Token is not there",
        |file| {
            state(file, "Plan")["Assign"]["token"] = json!("{% $states.context.Task.Token %}");
        },
    ),
    (Rule::Variables, "Build", "reads $release", |file| {
        state(file, "Build")["Arguments"]["Payload"]["release"] = json!("{% $release %}");
        remove(&mut state(file, "Accept request")["Assign"], "release");
    }),
    // Read inside a Map, and set around it.
    (Rule::Variables, "Create change set", "reads $fence", |file| {
        remove(&mut state(file, "Accept request")["Assign"], "fence");
        remove(&mut state(file, "Admitted?")["Choices"][0], "Assign");
    }),
    // Set on one way, and not on another.
    (Rule::Variables, "Failed, operator needed", "reads $why", |file| {
        state(file, "Close")["Catch"][0]["Assign"]["why"] = json!("It took too long.");
        state(file, "Failed, operator needed")["Cause"] = json!("{% $why %}");
    }),
    // What a state sets is there only after it.
    (Rule::Variables, "Plan", "reads $waves", |file| {
        state(file, "Plan")["Output"] = json!("{% $waves %}");
    }),
    // What an iteration sets stays in it.
    (Rule::Variables, "Run smoke tests", "reads $settled", |file| {
        state(file, "Leave unchanged")["Assign"] = json!({ "settled": true });
        state(file, "Run smoke tests")["Arguments"]["Payload"]["settled"] = json!("{% $settled %}");
    }),
    (Rule::Variables, "Plan", "nobody's to set", |file| {
        state(file, "Plan")["Assign"]["states"] = json!("none");
    }),
    (Rule::Variables, "Keep failure", "AWS refuses", |file| {
        state(file, "Keep failure")["Assign"] = json!({ "failure": "{% $states.input %}" });
    }),
];

const NAMES: &[Row] = &[
    (Rule::Tokens, FILE, "nothing for ${SmokeFunctionArn}", |file| {
        rename(file, "${SmokeTestFunctionArn}", "${SmokeFunctionArn}");
    }),
    (Rule::Tokens, FILE, "puts in ReportFunctionArn, which", |file| {
        rename(file, "${ReportFunctionArn}", "${GateFunctionArn}");
    }),
    (Rule::Tokens, FILE, "nothing for ${Table}", |file| {
        state(file, "Plan")["Arguments"]["Payload"]["table"] = json!("${Table}");
    }),
    (Rule::Names, "Admitted", "questions are choices", |file| {
        rename(file, "Admitted?", "Admitted");
    }),
    (Rule::Names, "Leave it?", "choices are questions", |file| {
        rename(file, "Leave unchanged", "Leave it?");
    }),
    (Rule::Names, "Assets", "does not begin with a verb", |file| {
        rename(file, "Publish assets", "Assets");
    }),
    (Rule::Names, "Smoke tests", "if Smoke is one", |file| {
        rename(file, "Run smoke tests", "Smoke tests");
    }),
    (Rule::Endings, "Deployed", "is not there", |file| {
        rename(file, "Deployed", "Report success");
    }),
    (Rule::Endings, "Report success", "ENDINGS does not have", |file| {
        rename(file, "Deployed", "Report success");
    }),
    (
        Rule::Endings,
        "Failed, environment clean",
        "Succeed and not Fail",
        |file| {
            *state(file, "Failed, environment clean") = json!({ "Comment": "Nothing to do.", "Type": "Succeed" });
        },
    ),
    (
        Rule::Endings,
        "Failed, operator needed",
        "what failed, and why",
        |file| {
            remove(state(file, "Failed, operator needed"), "Cause");
        },
    ),
    (
        Rule::Endings,
        "How did it end?",
        "leads to Deployed on another condition",
        |file| {
            state(file, "How did it end?")["Choices"][2]["Next"] = json!("Deployed");
        },
    ),
    (
        Rule::Endings,
        "How did it end?",
        "leads to Deployed on another condition",
        |file| {
            state(file, "How did it end?")["Default"] = json!("Deployed");
        },
    ),
    (
        Rule::Endings,
        "Close",
        "leads to Deployed on another condition",
        |file| {
            state(file, "Close")["Next"] = json!("Deployed");
        },
    ),
    (Rule::Endings, "Anything to change?", "ENDINGS does not have", |file| {
        *state(file, "Anything to change?") = json!({ "Comment": "Nothing to do.", "Type": "Succeed" });
    }),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    let tables = [WAYS, LOCK_AND_WAVES, TASKS, ERRORS, OUTCOMES, EXPRESSIONS, NAMES];
    tables.into_iter().flatten()
}

#[test]
fn every_rule_finds_what_breaks_it() {
    let whole = file();
    assert_eq!(findings(&whole), []);
    for (rule, at, says, edit) in rows() {
        let mut broken = whole.clone();
        edit(&mut broken);
        let found = findings(&broken);
        let finds =
            |finding: &Finding| finding.rule == *rule && finding.state == *at && finding.sentence.contains(says);
        assert!(found.iter().any(finds), "{rule:?} at {at}, {says:?}:\n{found:#?}");
    }
}

#[test]
fn conditions_may_ask_for_more_than_an_outcome() {
    let mut more = file();
    let choices = list(state(&mut more, "What follows?"), "Choices");
    for (place, condition) in [
        "{% $states.input.outcome = 'give_up' and $leg = 'back' %}",
        "{% $states.input.outcome = 'give_up' and $deployment.environment.approval = null %}",
        "{% $states.input.outcome = 'give_up' and $deployment.environment.integration_tests = true %}",
    ]
    .into_iter()
    .enumerate()
    {
        choices.insert(place, json!({ "Condition": condition, "Next": "Close" }));
    }
    assert_eq!(findings(&more), []);
}

#[test]
fn every_rule_is_broken_somewhere() {
    let broken: BTreeSet<Rule> = rows().map(|(rule, ..)| *rule).collect();
    assert_eq!(broken, Rule::VARIANTS.iter().copied().collect());
}

#[test]
fn what_no_rule_looks_at_is_refused() {
    let table: [fn(&mut Value); 4] = [
        |file| state(file, "Admit")["HeartbeatSeconds"] = json!(60),
        |file| state(file, "Admit")["Catch"][0]["ResultPath"] = json!("$.error"),
        |file| state(file, "Leave unchanged")["Type"] = json!("Wait"),
        |file| file["Version"] = json!("1.0"),
    ];
    for edit in table {
        let mut broken = file();
        edit(&mut broken);
        assert!(Definition::parse(&broken.to_string()).is_err());
    }
}

#[test]
fn the_tokens_that_are_put_in_are_read_off_the_cdk_app() {
    let source =
        "  const functions = {\n    GateFunctionArn: props.gate,\n    XFunctionArn: props.x,\n  };\n  role: 1,";
    assert_eq!(
        contract::put_in(source),
        BTreeSet::from(["GateFunctionArn".to_owned(), "XFunctionArn".to_owned()])
    );
    assert!(contract::put_in("const others = {}").is_empty());
}
