//! How fast an environment goes back: from an alarm that goes off while a release bakes to CloudFormation's first call, on
//! the local AWS with the real functions.
//!
//! It asserts that every release went back and never how long that took. `cargo run --package xtask -- setup` builds
//! what it needs.

use domain::deployment::Leg;
use domain::life::Event;
use domain::names::DeploymentId;
use end_to_end::outcome::{deployed, failed_clean};
use end_to_end::{Plan, Scenario, Setting, alarms, in_a_laboratory};
use jiff::Timestamp;

static PLAN: Plan = Plan {
    name: "way-back",
    settings: &[Setting::watched(
        "measured",
        "bake = { for = \"1 hour\", alarms = [\"errors\"] }\nhold = false",
    )],
    share_accounts: false,
    unconfirmed: &[],
    logins: &[("ada@acme.example", "ada")],
};

/// How often, where nothing else is said.
const ROUNDS: usize = 100;

/// One way back, in milliseconds from the alarm.
struct WayBack {
    /// Until it was decided.
    decided: f64,
    /// Until CloudFormation was asked for the first change set.
    called: f64,
}

#[expect(clippy::print_stdout, reason = "a command's results")]
fn main() {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS);
    in_a_laboratory(&PLAN, async |laboratory| {
        let mut scenario = laboratory.scenario("measured").await;
        alarms::make(&scenario.account, "errors").await;
        "good".clone_into(&mut scenario.application.description);
        let good = bakes(&scenario, "Sell tea").await;
        scenario.bake_is_over(&good).await;
        deployed(&scenario.end_of(&good).await);
        let mut measured = Vec::with_capacity(rounds);
        for round in 0..rounds {
            // Each is another release: none that went back comes again.
            scenario.application.description = format!("bad {round}");
            measured.push(goes_back(&scenario, &format!("Raise prices {round}")).await);
        }
        println!("{rounds} ways back, in milliseconds from the alarm's change of state");
        println!("{:30} {:>8} {:>8} {:>8} {:>8}", "", "p50", "p95", "p99", "most");
        print("to the decision", measured.iter().map(|way| way.decided));
        print("to CloudFormation's first call", measured.iter().map(|way| way.called));
    });
}

/// Pushes, and waits until it bakes.
async fn bakes(scenario: &Scenario, message: &str) -> DeploymentId {
    let deployment = scenario.push(message).await;
    scenario
        .eventually("it bakes", async || {
            let entries = scenario.entries(&deployment).await;
            entries.iter().any(|entry| matches!(entry.what, Event::Baking { .. }))
        })
        .await;
    deployment
}

async fn goes_back(scenario: &Scenario, message: &str) -> WayBack {
    scenario.set_alarm("errors", "OK").await;
    let bad = bakes(scenario, message).await;
    let before = Timestamp::now();
    scenario.set_alarm("errors", "ALARM").await;
    let ended = scenario.end_of(&bad).await;
    assert_eq!(failed_clean(&ended).0, "Failed.AlarmRaised");
    assert_eq!(scenario.description("web").await, "good");
    let decided = ended
        .entries
        .iter()
        .find(|entry| matches!(entry.what, Event::GoingBack { .. }));
    let decided = decided.expect("it is told").at;
    let change_set = ended.entries.iter().find_map(|entry| match &entry.what {
        Event::Executing {
            leg: Leg::Back,
            change_set,
            ..
        } => Some(change_set),
        _ => None,
    });
    let change_set = change_set.expect("something was changed on the way back");
    let called = scenario.account.change_set_asked(change_set).await;
    let since = |at: Timestamp| at.duration_since(before).as_secs_f64() * 1000.0;
    WayBack {
        decided: since(decided),
        called: since(called.expect("CloudFormation knows when it was asked")),
    }
}

#[expect(clippy::print_stdout, reason = "a command's results")]
fn print(what: &str, times: impl Iterator<Item = f64>) {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
    let shown = [rank(50), rank(95), rank(99), times.last()].map(|time| time.map_or(f64::NAN, |time| *time));
    println!(
        "{what:30} {:8.0} {:8.0} {:8.0} {:8.0}",
        shown[0], shown[1], shown[2], shown[3]
    );
}
