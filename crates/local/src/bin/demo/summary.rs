//! What came of the story.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use domain::approval::{Approval, Ballot, Choice, Outcome};
use domain::ledger::Entry;
use domain::life::{End, Event};
use domain::message;
use domain::names::CommitSha;
use jiff::Timestamp;
use local::emulator::{EnteredState, Transitions};
use local::executions::Ended;
use local::{Emulator, Pipeline, REGION, TOOLS};
use serde_json::{Value, json};

/// What came of it.
pub struct Summary {
    pub pipeline: Pipeline,
    /// Where GitHub's API is.
    pub github: String,
    pub shops: Vec<Shop>,
    pub deployments: Vec<Told>,
}

/// The application in one environment.
pub struct Shop {
    pub environment: &'static str,
    pub url: String,
}

/// One deployment, and how long its parts took.
pub struct Told {
    pub environment: &'static str,
    pub headline: String,
    pub commit: CommitSha,
    /// When the webhook had answered.
    pub accepted: Timestamp,
    pub ended: Ended,
    pub transitions: Transitions,
    /// What people were asked.
    pub approval: Option<Approval>,
    /// Where one of them answered.
    pub page: Option<String>,
}

impl Summary {
    /// Whether everything ended as it should, or as a person wanted it.
    pub fn went_well(&self) -> bool {
        self.deployments
            .iter()
            .all(|told| told.went_well() || told.is_rejected())
    }

    /// What happened and when, for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for told in &self.deployments {
            let _ = write!(text, "\n{}  {}\n\n", told.repository(), told.headline);
            let _ = write!(text, "{}\n\n{}", timeline(&told.ended.entries), told.figures());
        }
        for shop in &self.shops {
            let _ = write!(
                text,
                "\nThe shop in {} answered at {}/items",
                shop.environment, shop.url
            );
        }
        text.push_str(
            "\nWhat builds and functions wrote is in target/lockgate/demo.\n`cargo demo --keep` leaves it all running.",
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
        rows.add_row(["GitHub's API", &format!("{}/repos/acme/shop/commits", self.github)]);
        for shop in &self.shops {
            rows.add_row([&format!("Shop in {}", shop.environment), &format!("{}/items", shop.url)]);
        }
        rows.add_row(["Mail", &format!("{}/_local/inbox?account={TOOLS}", emulator.endpoint)]);
        rows.add_row(["Builds", &format!("{}/_local/builds", emulator.endpoint)]);
        for told in &self.deployments {
            let execution = self.pipeline.execution_arn(&told.ended.deployment);
            if let Some(page) = &told.page {
                rows.add_row([&format!("Approval in {}", told.environment), page]);
            }
            rows.add_row([
                &format!("Execution in {}", told.environment),
                &format!("{}/_local/transitions?execution={execution}", emulator.endpoint),
            ]);
        }
        rows.trim_fmt()
    }

    /// What happened and when, for programs.
    pub fn json(&self) -> Value {
        let deployments: Vec<Value> = self.deployments.iter().map(Told::json).collect();
        let outcome = if self.deployments.iter().all(Told::went_well) {
            "ok"
        } else if self.went_well() {
            "rejected"
        } else {
            "failed"
        };
        json!({ "outcome": outcome, "deployments": deployments })
    }
}

impl Told {
    /// Whether the release is where it was to go.
    pub fn went_well(&self) -> bool {
        self.end() == Some(End::Deployed)
    }

    /// Whether it failed because a person said so.
    fn is_rejected(&self) -> bool {
        matches!(self.ended.head.status.decided, Some(Outcome::Rejected { .. })) && self.end() == Some(End::FailedClean)
    }

    fn end(&self) -> Option<End> {
        self.ended.head.status.ending.as_ref().map(domain::life::Ending::end)
    }

    fn repository(&self) -> &str {
        let requested = self.ended.entries.iter().find_map(|entry| match &entry.what {
            Event::Requested { deployment } => Some(deployment.application.as_str()),
            _ => None,
        });
        requested.unwrap_or_default()
    }

    /// How it ended, and what it took.
    fn figures(&self) -> String {
        let ending = self
            .end()
            .map_or("no end".to_owned(), |end| end.to_string().replace('_', " "));
        let first = format!("{}: ", self.environment);
        let indent = " ".repeat(first.len());
        let people = match self.waiting_for_people() {
            Some(_) => ", the people not counted",
            None => "",
        };
        let mut lines = vec![
            format!("{ending}; {} state transitions", self.transitions.transitions),
            format!(
                "{} from the webhook to the first change set, the build not counted",
                seconds(self.webhook_to_change_set())
            ),
            format!("{} in all{people}", seconds(Some(self.webhook_to_deployed()))),
        ];
        lines.extend(self.approval.iter().flat_map(answers));
        format!("{first}{}\n", lines.join(&format!("\n{indent}")))
    }

    fn json(&self) -> Value {
        let status = &self.ended.head.status;
        let mut told = json!({
            "environment": self.environment,
            "deployment": self.ended.deployment,
            "commit": self.commit,
            "release": status.release,
            "ending": self.end(),
            "stacks": status.stacks.iter().map(|(name, progress)| json!({ "name": name, "progress": progress })).collect::<Vec<_>>(),
            "transitions": self.transitions.transitions,
            "durations_ms": {
                "webhook_to_change_set": self.webhook_to_change_set(),
                "webhook_to_deployed": self.webhook_to_deployed(),
                "waiting_for_people": self.waiting_for_people(),
                "stack_end_to_next_state": self.stack_end_to_next_state(),
                "states": self.transitions.states.iter().map(|state| json!({ "state": state.state, "ms": state.milliseconds() })).collect::<Vec<_>>(),
            },
        });
        if let Some(approval) = &self.approval {
            told["approval"] = approval_json(approval);
        }
        told
    }

    fn state(&self, name: &str) -> Option<&EnteredState> {
        self.transitions.states.iter().find(|state| state.state == name)
    }

    /// From the webhook's answer to the first change set that was asked for, without the time of the build.
    fn webhook_to_change_set(&self) -> Option<f64> {
        let first = self.state("Create change set")?.entered_at_ms;
        Some(first - milliseconds_of(self.accepted) - self.state("Build")?.milliseconds()?)
    }

    /// From the webhook's answer to the end, without the time that people took.
    fn webhook_to_deployed(&self) -> f64 {
        let last = self
            .transitions
            .states
            .iter()
            .map(|state| state.entered_at_ms)
            .fold(0.0, f64::max);
        last - milliseconds_of(self.accepted) - self.waiting_for_people().unwrap_or_default()
    }

    fn waiting_for_people(&self) -> Option<f64> {
        self.state("Wait for approval")?.milliseconds()
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

/// Who answered what, and when.
fn answers(approval: &Approval) -> Vec<String> {
    let answer = |ballot: &Ballot| {
        let did = match ballot.decision {
            Choice::Accept => "accepted",
            Choice::Reject => "rejected",
        };
        format!(
            "{did} by {} at {}, {} after the question, {} of {} items ticked",
            ballot.by,
            ballot.at.strftime("%H:%M:%S"),
            message::duration(ballot.at.duration_since(approval.asked_at)),
            ballot.ticked.len(),
            approval.checklist.len(),
        )
    };
    approval.ballots.iter().map(answer).collect()
}

fn approval_json(approval: &Approval) -> Value {
    // The answer that decided is the last that counts.
    let decided_at = approval.ballots.last().map(|ballot| ballot.at);
    let ticked = approval.checklist.iter().enumerate();
    let ticked = ticked.filter(|(place, _)| approval.ballots.iter().any(|ballot| ballot.ticked.contains(place)));
    json!({
        "outcome": json!(approval.outcome)["outcome"],
        "who": approval.ballots.iter().map(|ballot| &ballot.by).collect::<Vec<_>>(),
        "when": decided_at,
        "waited_ms": decided_at.map(|at| at.duration_since(approval.asked_at).as_millis()),
        "digest": approval.release,
        "ticked": ticked.map(|(_, item)| &item.text).collect::<Vec<_>>(),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double for 285,000 years"
)]
fn milliseconds_of(at: Timestamp) -> f64 {
    at.as_millisecond() as f64
}

fn seconds(milliseconds: Option<f64>) -> String {
    milliseconds.map_or_else(|| "?".to_owned(), |duration| format!("{:.1} s", duration / 1000.0))
}

fn timeline(entries: &[Entry]) -> String {
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
    rows.trim_fmt()
}
