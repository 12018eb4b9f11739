//! What `cargo demo --json` promises to programs: names that have to be there, whatever else is.

use serde_json::Value;

const DEPLOYMENT: [&str; 11] = [
    "/environment",
    "/deployment",
    "/commit",
    "/release",
    "/ending",
    "/stacks/0/name",
    "/transitions",
    "/durations_ms/webhook_to_change_set",
    "/durations_ms/webhook_to_deployed",
    "/durations_ms/stack_end_to_next_state",
    "/durations_ms/states/0/state",
];

/// Of a deployment that people were asked about.
const APPROVAL: [&str; 7] = [
    "/approval/outcome",
    "/approval/who/0/by",
    "/approval/who/0/decision",
    "/approval/who/0/at",
    "/approval/when",
    "/approval/waited_ms",
    "/approval/digest",
];

/// Checks what a demo printed that went well.
pub fn check(told: &Value) -> Result<(), String> {
    let missing = missing(told);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("The demo's JSON lacks {}.", missing.join(", ")))
    }
}

fn missing(told: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    if told["outcome"] != "ok" {
        missing.push("the outcome ok".to_owned());
    }
    for (place, environment) in ["dev", "test"].into_iter().enumerate() {
        let deployment = &told["deployments"][place];
        if deployment["environment"] != environment || deployment["ending"] != "deployed" {
            missing.push(format!("a deployment into {environment}"));
        }
        let approval: &[&str] = if environment == "test" { &APPROVAL } else { &[] };
        let names = DEPLOYMENT.iter().chain(approval);
        if told["github"]["deployments"][place]["states"][0] != "queued" {
            missing.push(format!("/github/deployments/{place}/states"));
        }
        missing.extend(
            names
                .filter(|name| deployment.pointer(name).is_none_or(Value::is_null))
                .map(|name| format!("/deployments/{place}{name}")),
        );
    }
    missing
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told() -> Value {
        let of = |environment: &str| {
            json!({
                "environment": environment, "deployment": "d", "commit": "c", "release": "r", "ending": "deployed",
                "stacks": [{ "name": "shop", "progress": "updated" }], "transitions": 24,
                "durations_ms": {
                    "webhook_to_change_set": 1, "webhook_to_deployed": 2, "stack_end_to_next_state": 3,
                    "states": [{ "state": "Plan", "ms": 1 }],
                },
                "approval": {
                    "outcome": "accepted", "who": [{ "by": "qa", "decision": "accept", "at": "t" }], "when": "t",
                    "waited_ms": 1, "digest": "r",
                },
            })
        };
        let shown = json!({ "states": ["queued", "in_progress", "success"] });
        json!({
            "outcome": "ok", "deployments": [of("dev"), of("test")], "github": { "deployments": [shown, shown] },
        })
    }

    #[test]
    fn what_is_promised_is_missed_when_it_is_not_there_or_is_null() {
        assert_eq!(missing(&told()), Vec::<String>::new());
        for name in DEPLOYMENT.iter().chain(&APPROVAL) {
            let mut without = told();
            *without["deployments"][1].pointer_mut(name).unwrap_or(&mut Value::Null) = Value::Null;
            let expected = format!("/deployments/1{name}");
            assert!(missing(&without).contains(&expected), "{name}");
        }
        let mut untold = told();
        untold["github"]["deployments"][1]["states"] = json!([]);
        assert_eq!(missing(&untold), ["/github/deployments/1/states"]);
        let mut without = told();
        without["outcome"] = json!("failed");
        assert_eq!(missing(&without), ["the outcome ok"]);
        assert!(!missing(&Value::Null).is_empty());
    }
}
