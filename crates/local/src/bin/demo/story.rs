//! The story that the demo tells, and what came of it.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use domain::ledger::Entry;
use domain::life::{End, Event};
use domain::message;
use domain::names::DeploymentId;
use jiff::Timestamp;
use local::deliveries::Push;
use local::emulator::{EnteredState, Transitions};
use local::executions::Ended;
use local::{Emulator, Pipeline, REGION, Repository, TOOLS, Trouble, pipeline, workspace};
use serde_json::{Value, json};

use crate::screen::Screen;

const DEV: &str = "222222222222";
/// A first build installs the application's packages.
const PATIENCE: Duration = Duration::from_mins(10);

/// What came of it.
pub struct Summary {
    pipeline: Pipeline,
    shop: Option<String>,
    deployments: Vec<Told>,
}

/// One deployment, and how long its parts took.
struct Told {
    environment: &'static str,
    push: Push,
    accepted: Timestamp,
    ended: Ended,
    transitions: Transitions,
}

/// Sets Lockgate up, merges the example to `main`, and waits until it stands in dev.
pub async fn tell(emulator: &Emulator, screen: &Screen) -> Result<Summary, Trouble> {
    let resolved = pipeline::resolve(emulator, &configuration())?;
    screen
        .act("Bootstrapping the accounts tools and dev", async {
            tokio::try_join!(pipeline::bootstrap(emulator, TOOLS), pipeline::bootstrap(emulator, DEV)).map(drop)
        })
        .await?;
    let deployed = Box::pin(Pipeline::deploy(emulator, &resolved, &["--all"]));
    let pipeline = screen.act("Deploying Lockgate with the CDK", deployed).await?;
    let repository = Repository::create(emulator, "acme/shop").await?;
    repository.copy_from(&workspace().join("examples/shop"))?;
    let commit = repository.commit("Open the shop").await?;
    let push = Push::of("acme/shop", &commit, "Open the shop");
    let told = bring(emulator, &pipeline, screen, push).await?;
    let shop = emulator
        .account(DEV)
        .await
        .outputs("shop-dev-web")
        .await
        .ok()
        .and_then(|mut outputs| outputs.remove("Url"));
    Ok(Summary {
        pipeline,
        shop,
        deployments: vec![told],
    })
}

/// Delivers a push and watches its deployment.
async fn bring(emulator: &Emulator, pipeline: &Pipeline, screen: &Screen, push: Push) -> Result<Told, Trouble> {
    let (status, answer) = push.delivery()?.send(emulator.http(), &pipeline.webhook).await?;
    let accepted = Timestamp::now();
    let id: DeploymentId = answer["deployments"][0]
        .as_str()
        .ok_or_else(|| Trouble(format!("the webhook answered {status}: {answer}")))?
        .parse()
        .map_err(Trouble::during("reading the deployment's id"))?;
    screen.say(&format!(
        "\n  {} was merged to main: deployment {id}",
        push.after.short()
    ));
    let bar = screen.begin("Deploying");
    let watching = async {
        let mut shown = 0;
        loop {
            for entry in pipeline
                .ledger
                .entries(&id)
                .await
                .unwrap_or_default()
                .iter()
                .skip(shown)
            {
                shown += 1;
                bar.set_message(message::sentence(&entry.what));
                let line = format!(
                    "  {}  {}",
                    entry.at.strftime("%H:%M:%S"),
                    message::sentence(&entry.what)
                );
                bar.suspend(|| screen.say(&line));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let ended = tokio::select! {
        ended = pipeline.end_of(&id, PATIENCE) => ended,
        () = watching => Err(Trouble("watching came to an end".to_owned())),
    };
    bar.finish_and_clear();
    let ended = ended?;
    let transitions = emulator.transitions(&pipeline.execution_arn(&id)).await?;
    Ok(Told {
        environment: "dev",
        push,
        accepted,
        ended,
        transitions,
    })
}

impl Summary {
    /// Whether everything ended as it should.
    pub fn went_well(&self) -> bool {
        self.deployments.iter().all(|told| told.end() == Some(End::Deployed))
    }

    /// What happened and when, for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for told in &self.deployments {
            let _ = write!(
                text,
                "\n{}  {}  {}\n\n{}",
                told.push.repository,
                told.push.after.short(),
                told.push.title,
                timeline(&told.ended.entries)
            );
            let ending = told
                .end()
                .map_or("no end".to_owned(), |end| end.to_string().replace('_', " "));
            let _ = write!(
                text,
                "\n\n{}: {ending}; {} state transitions; {} from the webhook to the first change set, the build not counted; {} in all\n",
                told.environment,
                told.transitions.transitions,
                milliseconds(told.webhook_to_change_set()),
                milliseconds(Some(told.webhook_to_deployed())),
            );
        }
        if let Some(shop) = &self.shop {
            let _ = writeln!(text, "The shop answered at {shop}/items");
        }
        text.push_str(
            "\nWhat builds and functions wrote is in target/lockgate/demo. `cargo demo --keep` leaves it all running.",
        );
        text
    }

    /// Where each thing can be looked at.
    pub fn places(&self, emulator: &Emulator) -> String {
        let mut rows = Table::new();
        rows.load_style(NOTHING);
        rows.add_row(["The local AWS", &emulator.endpoint]);
        rows.add_row([
            "  as tools",
            &format!(
                "AWS_ENDPOINT_URL={} AWS_ACCESS_KEY_ID={TOOLS} AWS_SECRET_ACCESS_KEY=local AWS_REGION={REGION}",
                emulator.endpoint
            ),
        ]);
        rows.add_row(["Webhook", &self.pipeline.webhook]);
        if let Some(shop) = &self.shop {
            rows.add_row(["The shop", &format!("{shop}/items")]);
        }
        rows.add_row(["Mail", &format!("{}/_local/inbox?account={TOOLS}", emulator.endpoint)]);
        rows.add_row(["Builds", &format!("{}/_local/builds", emulator.endpoint)]);
        for told in &self.deployments {
            let execution = self.pipeline.execution_arn(&told.ended.deployment);
            rows.add_row([
                "Execution",
                &format!("{}/_local/transitions?execution={execution}", emulator.endpoint),
            ]);
        }
        rows.to_string()
    }

    /// What happened and when, for programs.
    pub fn json(&self) -> Value {
        let deployments: Vec<Value> = self.deployments.iter().map(Told::json).collect();
        json!({ "outcome": if self.went_well() { "ok" } else { "failed" }, "deployments": deployments })
    }
}

impl Told {
    fn end(&self) -> Option<End> {
        self.ended.head.status.ending.as_ref().map(domain::life::Ending::end)
    }

    fn json(&self) -> Value {
        let status = &self.ended.head.status;
        json!({
            "environment": self.environment,
            "deployment": self.ended.deployment,
            "commit": self.push.after,
            "release": status.release,
            "ending": self.end(),
            "stacks": status.stacks.iter().map(|(name, progress)| json!({ "name": name, "progress": progress })).collect::<Vec<_>>(),
            "transitions": self.transitions.transitions,
            "durations_ms": {
                "webhook_to_change_set": self.webhook_to_change_set(),
                "webhook_to_deployed": self.webhook_to_deployed(),
                "stack_end_to_next_state": self.stack_end_to_next_state(),
                "states": self.transitions.states.iter().map(|state| json!({ "state": state.state, "ms": state.milliseconds() })).collect::<Vec<_>>(),
            },
        })
    }

    fn state(&self, name: &str) -> Option<&EnteredState> {
        self.transitions.states.iter().find(|state| state.state == name)
    }

    /// From the webhook's answer to the first change set that was asked for, without the time of the build.
    fn webhook_to_change_set(&self) -> Option<f64> {
        let first = self.state("Create change set")?.entered_at_ms;
        Some(first - milliseconds_of(self.accepted) - self.state("Build")?.milliseconds()?)
    }

    fn webhook_to_deployed(&self) -> f64 {
        let last = self
            .transitions
            .states
            .iter()
            .map(|state| state.entered_at_ms)
            .fold(0.0, f64::max);
        last - milliseconds_of(self.accepted)
    }

    /// From the moment a stack's update is recorded as over to the state that comes next; the longest of all stacks.
    fn stack_end_to_next_state(&self) -> Option<f64> {
        let ends = self
            .ended
            .entries
            .iter()
            .filter(|entry| matches!(entry.what, Event::Updated { .. }));
        ends.filter_map(|entry| {
            let end = milliseconds_of(entry.at);
            let next = self
                .transitions
                .states
                .iter()
                .map(|state| state.entered_at_ms)
                .filter(|entered| *entered >= end);
            next.reduce(f64::min).map(|next| next - end)
        })
        .reduce(f64::max)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double for 285,000 years"
)]
fn milliseconds_of(at: Timestamp) -> f64 {
    at.as_millisecond() as f64
}

fn milliseconds(duration: Option<f64>) -> String {
    duration.map_or_else(|| "?".to_owned(), |duration| format!("{:.1} s", duration / 1000.0))
}

fn timeline(entries: &[Entry]) -> Table {
    let mut rows = Table::new();
    rows.load_style(NOTHING);
    let mut before: Option<Timestamp> = None;
    for entry in entries {
        let since = before.map_or_else(String::new, |before| {
            format!("+{}", message::duration(entry.at.duration_since(before)))
        });
        rows.add_row([
            entry.at.strftime("%H:%M:%S").to_string(),
            since,
            message::sentence(&entry.what),
        ]);
        before = Some(entry.at);
    }
    if let Some(column) = rows.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    rows
}

fn configuration() -> String {
    format!(
        r#"[pipeline]
account              = "{TOOLS}"
region               = "{REGION}"
external_id          = "an-external-id-of-the-local-aws"
notify               = ["developers@acme.example"]
smoke_test_addresses = ["127.0.0.0/8"]

[application."acme/shop"]
branch = "main"

[application."acme/shop".environment.dev]
account = "{DEV}"
on      = "push"
"#
    )
}
