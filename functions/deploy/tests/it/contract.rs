//! What the state machine and this function say to each other.

use std::collections::BTreeSet;

use lockgate_deploy::RAISES;
use serde_json::Value;

/// Every state of a machine, those inside its maps too.
fn states(machine: &Value) -> Vec<(&String, &Value)> {
    let own = machine["States"].as_object().unwrap();
    let inner = own
        .values()
        .filter_map(|state| state.get("ItemProcessor"))
        .flat_map(states);
    own.iter().chain(inner).collect()
}

#[test]
fn the_deploy_states_catch_exactly_what_this_function_raises() {
    let text = include_str!("../../../../statemachine/deployment.asl.json");
    let machine: Value = serde_json::from_str(text).unwrap();
    let raised: BTreeSet<&str> = RAISES.iter().map(|name| name.as_str()).collect();
    let mut compared = 0;
    for (name, state) in states(&machine) {
        let deploy = state["Arguments"]["FunctionName"] == "${DeployFunctionArn}" || name == "Deploy waves";
        let Some(catch) = state.get("Catch").filter(|_| deploy) else {
            continue;
        };
        let errors = catch[0]["ErrorEquals"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        let of_others = ["States.", "Lambda.", "Sandbox.", "Runtime."];
        let caught: BTreeSet<&str> = errors
            .filter(|error| !of_others.iter().any(|prefix| error.starts_with(prefix)))
            .collect();
        assert_eq!(caught, raised, "{name}");
        compared += 1;
    }
    assert_eq!(
        compared, 5,
        "Plan, Publish assets, Create change set, Execute change set, Deploy waves"
    );
}
