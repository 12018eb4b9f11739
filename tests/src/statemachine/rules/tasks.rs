//! What every task has.

use serde_json::{Value, json};

use super::FILE;
use crate::statemachine::contract::{self, BUSY_FOR, OUTLAST_PEOPLE, TOO_MANY_REQUESTS};
use crate::statemachine::definition::{Kind, PARKED, Placed, Retrier};
use crate::statemachine::{Definition, Finding, Rule};

const INVOKE: &str = "arn:aws:states:::lambda:invoke";
const TOKEN: &str = "{% $states.context.Task.Token %}";

fn tasks(definition: &Definition) -> impl Iterator<Item = Placed<'_>> {
    let all = definition.all().into_iter();
    all.filter(|placed| placed.state.kind == Kind::Task)
}

pub(super) fn comments(definition: &Definition) -> Vec<Finding> {
    let is_sentence = |text: &str| text.starts_with(char::is_uppercase) && text.ends_with('.');
    definition
        .all()
        .into_iter()
        .filter(|placed| !placed.state.comment.as_deref().is_some_and(is_sentence))
        .map(|placed| Finding::new(placed.name, Rule::Comments, "its Comment is no sentence"))
        .collect()
}

pub(super) fn limits(definition: &Definition) -> Vec<Finding> {
    let limited = |limit: &Option<Value>| {
        limit
            .as_ref()
            .and_then(Value::as_u64)
            .is_some_and(|seconds| seconds > 0)
    };
    let machine = [(FILE, &definition.machine.timeout_seconds)];
    let unlimited = tasks(definition)
        .map(|task| (task.name, &task.state.timeout_seconds))
        .chain(machine)
        .filter(|(_, limit)| !limited(limit))
        .map(|(name, _)| Finding::new(name, Rule::Limits, "its TimeoutSeconds is no number above 0"));
    let seconds = |limit: &Option<Value>| limit.as_ref().and_then(Value::as_u64).unwrap_or_default();
    let waiting = || {
        tasks(definition).filter_map(|task| {
            let (_, longest) = OUTLAST_PEOPLE.iter().find(|(name, _)| *name == task.name)?;
            Some((task, *longest))
        })
    };
    let too_short = waiting()
        .filter(|(task, longest)| seconds(&task.state.timeout_seconds) < *longest)
        .map(|(task, _)| {
            let sentence = "it may end while people still have time to answer";
            Finding::new(task.name, Rule::Limits, sentence)
        });
    let waits: u64 = waiting().map(|(task, _)| seconds(&task.state.timeout_seconds)).sum();
    let over = (seconds(&definition.machine.timeout_seconds) <= waits).then(|| {
        Finding::new(
            FILE,
            Rule::Limits,
            "it ends before its states have waited as long as they may",
        )
    });
    unlimited.chain(too_short).chain(over).collect()
}

pub(super) fn calls(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for Placed { name, state, .. } in tasks(definition) {
        let mut finds = |sentence: &str| found.push(Finding::new(name, Rule::Calls, sentence));
        let resource = state.resource.as_deref().unwrap_or_default();
        if resource.strip_suffix(PARKED).unwrap_or(resource) != INVOKE {
            finds("it does not invoke a function");
        }
        if state.calls().and_then(contract::function).is_none() {
            finds("its FunctionName is the token of no function");
        }
        let payload = state.arguments.as_ref().and_then(|arguments| arguments.get("Payload"));
        let Some(payload) = payload.and_then(Value::as_object) else {
            finds("its Payload is not written out");
            continue;
        };
        let asked = payload.get("do").and_then(Value::as_str);
        if asked.is_none_or(|asked| asked.is_empty() || asked.contains("{%")) {
            finds("its Payload does not say what to do");
        }
        let passes = payload.get("token") == Some(&json!(TOKEN));
        if state.parks() && !passes {
            finds("it waits for a token that it does not pass");
        }
        let passes_any = payload.values().any(|value| value == &json!(TOKEN)) || payload.contains_key("token");
        if !state.parks() && passes_any {
            finds("it passes a token that nobody waits for");
        }
    }
    found
}

pub(super) fn retries(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for Placed { name, state, .. } in definition.all() {
        let mut finds = |sentence: String| found.push(Finding::new(name, Rule::Retries, sentence));
        if state.kind != Kind::Task {
            if !state.retry.is_empty() {
                finds("only a task may be retried".to_owned());
            }
            continue;
        }
        let retried: Vec<&str> = state
            .retry
            .iter()
            .flat_map(|retrier| retrier.error_equals.iter().map(String::as_str))
            .collect();
        for error in &retried {
            if !contract::may_be_retried(state, error) {
                finds(format!("it retries {error}, which is not known to be safe"));
            }
        }
        for error in contract::raised_by(state).filter(|error| contract::may_be_retried(state, error)) {
            if !retried.contains(&error) {
                finds(format!("it does not retry {error}"));
            }
        }
        let busy = state
            .retry
            .iter()
            .find(|retrier| retrier.error_equals == [TOO_MANY_REQUESTS]);
        if busy.is_none_or(|retrier| lasts(retrier) < BUSY_FOR) {
            finds(format!(
                "{TOO_MANY_REQUESTS} has no Retry of its own that waits until others have ended"
            ));
        }
        for retrier in &state.retry {
            let jittered = retrier.jitter_strategy.as_deref() == Some("FULL");
            let capped = retrier.max_delay_seconds.is_some() && retrier.max_attempts.is_some_and(|most| most > 0);
            let paced = retrier.interval_seconds.is_some() && retrier.backoff_rate.is_some_and(|rate| rate > 1.0);
            if !(jittered && capped && paced) {
                finds("it does not retry ever more slowly, up to a cap, and with full jitter".to_owned());
            }
        }
    }
    found
}

/// How long a retrier goes on at most, in seconds.
fn lasts(retrier: &Retrier) -> f64 {
    let (Some(first), Some(rate), Some(most), Some(attempts)) = (
        retrier.interval_seconds,
        retrier.backoff_rate,
        retrier.max_delay_seconds,
        retrier.max_attempts,
    ) else {
        return 0.0;
    };
    let pauses = std::iter::successors(Some(first), |pause| Some(pause * rate));
    let attempts = usize::try_from(attempts).unwrap_or_default();
    pauses.take(attempts).map(|pause| pause.min(most)).sum()
}

pub(super) fn reports(definition: &Definition) -> Vec<Finding> {
    let mut found = Vec::new();
    for Placed { name, state, .. } in tasks(definition) {
        let function = state.calls().and_then(contract::function);
        if function.is_none_or(|function| function.on_the_path) {
            continue;
        }
        let [catcher] = &state.catch[..] else {
            found.push(Finding::new(name, Rule::Reports, "it has not exactly one catcher"));
            continue;
        };
        if catcher.error_equals != ["States.ALL"] {
            found.push(Finding::new(name, Rule::Reports, "it does not catch States.ALL"));
        }
        if state.next.as_ref() != Some(&catcher.next) {
            found.push(Finding::new(
                name,
                Rule::Reports,
                "it does not lead to the same state when it fails",
            ));
        }
        let sets = !state.assign.is_empty() || !catcher.assign.is_empty();
        if sets || state.output.is_some() || catcher.output.is_some() {
            found.push(Finding::new(
                name,
                Rule::Reports,
                "what comes after it depends on whether people were told",
            ));
        }
    }
    found
}
