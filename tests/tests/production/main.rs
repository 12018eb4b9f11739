//! A release bakes, and an environment goes back by itself, or because a person says so.

mod alarms;
mod baking;
mod before;
mod by_hand;
mod watching;

use domain::life::Event;
use domain::names::DeploymentId;
use end_to_end::outcome::deployed;
use end_to_end::{Laboratory, Plan, Scenario, Setting, in_a_laboratory};

const SHORT: &str = r#"bake = { for = "3 seconds", alarms = ["errors"] }"#;
const LONG: &str = r#"bake = { for = "10 minutes", alarms = ["errors"] }"#;
const WATCHED: &str = "bake = { for = \"1 second\", alarms = [\"errors\"] }\nwatch = \"1 hours\"";

const ASKING: &str = r#"bake = { for = "1 second", alarms = ["errors"] }
watch = "1 hours"
approval = { when = "before", by = ["qa@acme.example"], within = "3 days" }

[application."acme/asking".people]
"qa@acme.example" = { github = [] }"#;

static PLAN: Plan = Plan {
    name: "production",
    settings: &[
        Setting::watched(
            "healthy",
            r#"bake = { for = "3 seconds", alarms = ["errors"], evidence = { namespace = "Shop", metric = "orders", at_least = 3 } }"#,
        ),
        Setting::watched(
            "silent",
            r#"bake = { for = "1 second", alarms = ["errors"], evidence = { namespace = "Shop", metric = "orders", at_least = 3 } }"#,
        ),
        Setting::watched("alarmed", LONG),
        Setting::watched("first", LONG),
        Setting::watched("flapping", LONG),
        Setting::watched("at-risk", LONG),
        Setting::watched("stopped", LONG),
        Setting::watched("quiet", SHORT),
        Setting::watched("raised", SHORT),
        Setting::watched("held", SHORT),
        Setting::watched(
            "frozen",
            r#"freeze = [{ from = "2020-01-01 00:00", to = "2099-01-01 00:00", zone = "Europe/Berlin", why = "the big sale" }]"#,
        ),
        Setting::watched("watched", WATCHED),
        Setting::watched("asking", ASKING),
        Setting::watched("told", SHORT),
        Setting::watched("by-hand", SHORT),
        Setting::watched("by-word", LONG),
        Setting::watched("console", "hold = true"),
    ],
    share_accounts: false,
    unconfirmed: &[],
    logins: &[("ada@acme.example", "ada")],
};

fn in_the_laboratory<Test: Future<Output = ()>>(test: impl FnOnce(&'static Laboratory) -> Test) {
    in_a_laboratory(&PLAN, test);
}

/// Waits until a deployment's record tells something.
async fn until(scenario: &Scenario, deployment: &DeploymentId, what: &str, tells: impl Fn(&Event) -> bool) {
    scenario
        .eventually(what, async || {
            let entries = scenario.entries(deployment).await;
            entries.iter().any(|entry| tells(&entry.what))
        })
        .await;
}

/// Waits until it bakes.
async fn bakes(scenario: &Scenario, deployment: &DeploymentId) {
    until(scenario, deployment, "it bakes", |event| {
        matches!(event, Event::Baking { .. })
    })
    .await;
}

/// Pushes what is stable as soon as its bake, which is cut short, is over.
async fn bakes_to_the_end(scenario: &Scenario, message: &str) {
    let deployment = scenario.push(message).await;
    bakes(scenario, &deployment).await;
    scenario.bake_is_over(&deployment).await;
    deployed(&scenario.end_of(&deployment).await);
}

/// Runs the command as an operator, on the environment of the scenario.
async fn operator(scenario: &Scenario, command: &str, more: &[&str]) -> Result<String, String> {
    let (application, dev) = scenario.place();
    let arguments = [&[command, application.as_str(), dev.as_str()], more].concat();
    let laboratory = scenario.laboratory;
    laboratory
        .lockgate(&laboratory.pipeline.tools.identity(), &arguments)
        .await
}
