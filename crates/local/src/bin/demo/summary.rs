//! What came of the story.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use domain::approval::{Approval, Ballot, Choice, Outcome};
use domain::deployment::Leg;
use domain::failure::Name;
use domain::ledger::Entry;
use domain::life::{End, Ending, Event, WayBack};
use domain::message;
use domain::names::CommitSha;
use jiff::Timestamp;
use local::emulator::{EnteredState, Transitions};
use local::executions::Ended;
use local::{Emulator, Pipeline, REGION, TOOLS, Trouble};
use serde_json::{Value, json};

use crate::customers::Orders;
use crate::on_github::OnGitHub;

/// What came of it.
pub struct Summary {
    pub pipeline: Pipeline,
    /// What GitHub shows.
    pub github: OnGitHub,
    pub shops: Vec<Shop>,
    pub deployments: Vec<Told>,
    /// What customers in production ordered.
    pub customers: Option<Orders>,
    /// When the alarm in production went off.
    pub alarm: Option<Timestamp>,
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
    /// When the delivery was sent to the webhook.
    pub sent: Timestamp,
    /// What CloudFormation says of the stacks that were changed, in the order in which they were.
    pub stacks: Vec<StackTimes>,
    pub ended: Ended,
    pub transitions: Transitions,
    /// What people were asked.
    pub approval: Option<Approval>,
    /// Where one of them answered.
    pub page: Option<String>,
}

/// What CloudFormation says of a stack that was changed.
pub struct StackTimes {
    /// Which way.
    pub leg: Leg,
    /// When it was asked for the change set.
    pub change_set_asked: Option<Timestamp>,
    /// When the change was over.
    pub settled: Timestamp,
}

/// What happened and when, for programs; beside it what was measured before, with the commit that it was measured of.
fn json(
    deployments: &[Told],
    (customers, alarm): (Option<&Orders>, Option<Timestamp>),
    github: Option<&OnGitHub>,
    figures: Option<&Value>,
) -> Value {
    let back = Rollback::of(deployments, alarm);
    let outcome = if deployments.iter().all(Told::ended_as_told) {
        "ok"
    } else if deployments.iter().all(Told::is_as_wanted) {
        "rejected"
    } else {
        "failed"
    };
    let deployments: Vec<Value> = deployments.iter().map(Told::json).collect();
    json!({
        "outcome": outcome,
        "deployments": deployments,
        "rollback": back.map(|back| json!({
            "alarm_to_going_back_ms": back.decision,
            "alarm_to_first_cloudformation_call_ms": back.first_call,
            "alarm_to_healthy_ms": back.healthy,
        })),
        "github": github.map(OnGitHub::json),
        "customers": customers.map(|orders| json!({ "orders": orders.count(), "failed": orders.failed() })),
        "figures": figures,
    })
}

/// How fast the environment went back, in milliseconds from the alarm: until that was decided, until CloudFormation was called
/// first, and until the environment was found to work.
struct Rollback {
    decision: Option<f64>,
    first_call: Option<f64>,
    healthy: Option<f64>,
}

/// The same for a story that did not come to its end.
pub fn json_of_trouble(trouble: &Trouble) -> Value {
    json!({ "outcome": "failed", "why": trouble.to_string(), "deployments": [] })
}

impl Rollback {
    /// Of the last deployment, if that went back because of this alarm.
    fn of(deployments: &[Told], alarm: Option<Timestamp>) -> Option<Self> {
        let alarm = milliseconds_of(alarm?);
        let told = deployments.last().filter(|told| told.went_back())?;
        let since = |at: Option<Timestamp>| at.map(|at| milliseconds_of(at) - alarm);
        let calls = told.stacks.iter().filter(|stack| stack.leg == Leg::Back);
        Some(Self {
            decision: since(told.moment(|event| matches!(event, Event::GoingBack { .. }))),
            first_call: since(calls.filter_map(|stack| stack.change_set_asked).min()),
            healthy: since(told.moment(|event| matches!(event, Event::SmokeTested { leg: Leg::Back, .. }))),
        })
    }
}

impl Summary {
    /// Whether everything ended as it should, or as a person wanted it.
    pub fn went_well(&self) -> bool {
        self.deployments.iter().all(Told::is_as_wanted)
    }

    /// The same, for programs.
    pub fn json(&self, figures: Option<&Value>) -> Value {
        let customers = (self.customers.as_ref(), self.alarm);
        json(&self.deployments, customers, Some(&self.github), figures)
    }

    /// What happened and when, for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for told in &self.deployments {
            let _ = write!(text, "\n{}  {}\n\n", told.repository(), told.headline);
            let _ = write!(text, "{}\n\n{}", timeline(&told.ended.entries), told.figures());
        }
        text.push_str(&self.customers_in_production());
        let _ = write!(text, "\n{}\n", self.overview());
        text.push_str(&self.github.text());
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

    /// How customers fared, and how fast they were helped.
    fn customers_in_production(&self) -> String {
        let Some(orders) = &self.customers else {
            return String::new();
        };
        let mut text = format!(
            "\nCustomers in production: {} orders, {} failed\n\n",
            orders.count(),
            orders.failed()
        );
        let mut marks = Vec::new();
        let last = self.deployments.last().filter(|told| told.went_back());
        if let Some(told) = last {
            let arrived = told.moment(|event| matches!(event, Event::Updated { leg: Leg::Forward, .. }));
            let healthy = told.moment(|event| matches!(event, Event::SmokeTested { leg: Leg::Back, .. }));
            marks.extend(arrived.map(|at| (at, "the new version is there")));
            marks.extend(self.alarm.map(|at| (at, "the alarm goes off")));
            marks.extend(healthy.map(|at| (at, "the old version is back, and tested")));
        }
        text.push_str(&orders.chart(&marks));
        if let Some(back) = Rollback::of(&self.deployments, self.alarm) {
            let _ = writeln!(
                text,
                "\n  from the alarm: {} to the decision to go back, {} to CloudFormation's first call, {} to healthy",
                seconds(back.decision),
                seconds(back.first_call),
                seconds(back.healthy)
            );
        }
        text
    }

    /// Every deployment in one line.
    fn overview(&self) -> String {
        let mut rows = Table::new();
        rows.load_style(NOTHING);
        rows.set_header([
            "ENVIRONMENT",
            "WHAT",
            "ENDED AS",
            "TOOK",
            "OF IT, PEOPLE",
            "TRANSITIONS",
        ]);
        for told in &self.deployments {
            rows.add_row([
                told.environment.to_owned(),
                told.headline.clone(),
                told.in_words(),
                seconds(Some(told.webhook_to_deployed())),
                told.waiting_for_people()
                    .map_or_else(String::new, |took| seconds(Some(took))),
                told.transitions.transitions.to_string(),
            ]);
        }
        rows.trim_fmt()
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
        rows.add_row(["GitHub's API", &format!("{}/repos/acme/shop/commits", self.github.url)]);
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
}

impl Told {
    /// Whether the release is where it was to go.
    pub fn went_well(&self) -> bool {
        self.end() == Some(End::Deployed)
    }

    /// Whether the environment went back by itself, because of an alarm.
    fn went_back(&self) -> bool {
        matches!(
            &self.ended.head.status.ending,
            Some(Ending::FailedClean { failure, way_back: WayBack::WentBack { .. } }) if failure.name == Name::AlarmRaised
        )
    }

    /// Whether it went well, or went back as the story has it.
    fn ended_as_told(&self) -> bool {
        self.went_well() || self.went_back()
    }

    /// The same, or it failed because a person said so.
    fn is_as_wanted(&self) -> bool {
        let rejected = matches!(self.ended.head.status.decided, Some(Outcome::Rejected { .. }));
        self.ended_as_told() || rejected && self.end() == Some(End::FailedClean)
    }

    /// When something happened first.
    fn moment(&self, is: impl Fn(&Event) -> bool) -> Option<Timestamp> {
        let mut entries = self.ended.entries.iter();
        entries.find(|entry| is(&entry.what)).map(|entry| entry.at)
    }

    /// How it ended, in few words.
    fn in_words(&self) -> String {
        if self.went_back() {
            return "went back".to_owned();
        }
        self.end()
            .map_or("no end".to_owned(), |end| end.to_string().replace('_', " "))
    }

    fn end(&self) -> Option<End> {
        self.ended.head.status.ending.as_ref().map(Ending::end)
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
        let ending = self.in_words();
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

    /// From sending the delivery to the first change set that CloudFormation was asked for, without the time of the build.
    fn webhook_to_change_set(&self) -> Option<f64> {
        let first = milliseconds_of(self.stacks.first()?.change_set_asked?);
        Some(first - milliseconds_of(self.sent) - self.state("Build")?.milliseconds()?)
    }

    /// From sending the delivery to the end, without the time that people took.
    fn webhook_to_deployed(&self) -> f64 {
        let last = self
            .transitions
            .states
            .iter()
            .map(|state| state.entered_at_ms)
            .fold(0.0, f64::max);
        last - milliseconds_of(self.sent) - self.waiting_for_people().unwrap_or_default()
    }

    fn waiting_for_people(&self) -> Option<f64> {
        self.state("Wait for approval")?.milliseconds()
    }

    /// From a stack's own last event to the state that comes next, with everything between them: the event's way through
    /// EventBridge, and the function that it wakes; the longest of all stacks.
    fn stack_end_to_next_state(&self) -> Option<f64> {
        let ends = self.stacks.iter().map(|stack| milliseconds_of(stack.settled));
        ends.filter_map(|end| {
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
    let decided_at = approval.outcome.as_ref().map(decided_at);
    let answer = |ballot: &Ballot| {
        json!({
            "by": ballot.by,
            "decision": ballot.decision,
            "at": ballot.at,
            "via": json!(ballot.via)["via"],
        })
    };
    let ticked = approval.checklist.iter().enumerate();
    let ticked = ticked.filter(|(place, _)| approval.ballots.iter().any(|ballot| ballot.ticked.contains(place)));
    json!({
        "outcome": json!(approval.outcome)["outcome"],
        "who": approval.ballots.iter().map(answer).collect::<Vec<_>>(),
        "when": decided_at,
        "waited_ms": decided_at.map(|at| at.duration_since(approval.asked_at).as_millis()),
        "digest": approval.release,
        "ticked": ticked.map(|(_, item)| &item.text).collect::<Vec<_>>(),
    })
}

const fn decided_at(outcome: &Outcome) -> Timestamp {
    match outcome {
        Outcome::Accepted { at }
        | Outcome::Rejected { at, .. }
        | Outcome::Expired { at }
        | Outcome::Superseded { at, .. }
        | Outcome::Unreachable { at }
        | Outcome::Withdrawn { at } => *at,
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::ledger::Head;

    use super::*;

    /// Milliseconds after an arbitrary moment.
    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_435_200_000 + milliseconds).unwrap()
    }

    fn told(environment: &'static str, ending: &Value, approval: Option<Approval>) -> Told {
        let mut head = Head::empty(format!("shop-{environment}-1").parse().unwrap());
        head.status.release = Some("d".repeat(64).parse().unwrap());
        head.status.stacks =
            serde_json::from_value(json!({ "shop-data": "updated", "shop-web": "unchanged" })).unwrap();
        head.status.ending = serde_json::from_value(ending.clone()).unwrap();
        head.status.decided = approval.as_ref().and_then(|approval| approval.outcome.clone());
        let state = |name: &str, from: i64, to: i64| EnteredState {
            state: name.to_owned(),
            entered_at_ms: milliseconds_of(at(from)),
            exited_at_ms: Some(milliseconds_of(at(to))),
        };
        Told {
            environment,
            headline: "ccccccc  Add prices".to_owned(),
            commit: "c".repeat(40).parse().unwrap(),
            sent: at(0),
            stacks: vec![StackTimes {
                leg: Leg::Forward,
                change_set_asked: Some(at(2_300)),
                settled: at(2_900),
            }],
            ended: Ended {
                deployment: head.deployment.clone(),
                status: "SUCCEEDED".to_owned(),
                error: None,
                entries: vec![],
                head,
            },
            transitions: Transitions {
                transitions: 19,
                states: vec![
                    state("Build", 100, 2_100),
                    state("Create change set", 2_200, 2_400),
                    state("Execute change set", 2_401, 2_990),
                    state("Run smoke tests", 3_000, 3_500),
                    state("Wait for approval", 3_500, 63_500),
                    state("Deployed", 64_000, 64_000),
                ],
            },
            approval,
            page: None,
        }
    }

    fn asked(outcome: &Value) -> Approval {
        let ballot = |by: &str, decision: &str, via: &Value, when: i64| json!({ "by": by, "decision": decision, "via": via, "comment": "", "ticked": [0], "at": at(when) });
        serde_json::from_value(json!({
            "id": "0".repeat(32), "deployment": "shop-test-1", "application": "acme/shop", "environment": "test",
            "account": "333333333333", "region": "eu-west-1", "release": "d".repeat(64), "commit": "c".repeat(40),
            "version": "v1.0.0-rc.1", "title": "Add prices", "requested_by": "ada",
            "policy": { "when": "after", "people": [], "duties": [], "within_seconds": 60, "on_reject": "stay" },
            "contributors": [],
            "facts": {
                "since": null, "compare_url": null, "commits": [], "more_commits": 0, "stacks": [],
                "smoke_tests": null, "integration_tests": null,
            },
            "checklist": [{ "heading": null, "text": "Buy tea" }, { "heading": null, "text": "Count the cups" }],
            "asked_at": at(3_500), "remind_at": at(30_000), "deadline": at(60_000), "unconfirmed": [], "mails": {},
            "ballots": [
                ballot("qa@acme.example", "accept", &json!({ "via": "link", "key": "0123abcd" }), 20_000),
                ballot(
                    "lead@acme.example",
                    "reject",
                    &json!({ "via": "command", "arn": "arn:aws:iam::111111111111:user/lead" }),
                    40_000,
                ),
            ],
            "outcome": outcome,
        }))
        .unwrap()
    }

    fn clean_failure() -> Value {
        json!({
            "ending": "failed_clean",
            "failure": { "name": "Failed.NotAccepted", "cause": "rejected" },
            "way_back": { "way_back": "stays" },
        })
    }

    #[test]
    fn programs_are_told_every_name_that_they_were_promised() {
        let accepted = asked(&json!({ "outcome": "accepted", "at": at(40_000) }));
        let deployed = json!({ "ending": "deployed" });
        let deployments = [told("dev", &deployed, None), told("test", &deployed, Some(accepted))];
        insta::assert_json_snapshot!(json(
            &deployments,
            (None, None),
            None,
            Some(&json!({ "commit": "c", "functions": {} }))
        ));
    }

    #[test]
    fn durations_begin_with_the_delivery_and_end_with_what_cloudformation_says() {
        let of = told("dev", &json!({ "ending": "deployed" }), None);
        assert_eq!(of.webhook_to_change_set(), Some(300.0), "2.3 s without the build's 2");
        assert_eq!(of.stack_end_to_next_state(), Some(100.0));
        assert_eq!(
            of.webhook_to_deployed().to_bits(),
            4_000_f64.to_bits(),
            "64 s without people's 60"
        );
    }

    #[test]
    fn a_decision_is_as_old_as_its_outcome_whoever_answered_before() {
        for (outcome, name) in [
            (json!({ "outcome": "expired", "at": at(60_500) }), "expired"),
            (
                json!({ "outcome": "superseded", "by": "shop-test-2", "at": at(60_500) }),
                "superseded",
            ),
        ] {
            let told = approval_json(&asked(&outcome));
            assert_eq!((&told["outcome"], &told["waited_ms"]), (&json!(name), &json!(57_000)));
            assert_eq!(told["when"], json!(at(60_500)));
        }
        let waiting = approval_json(&asked(&Value::Null));
        assert_eq!((&waiting["when"], &waiting["waited_ms"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn what_people_rejected_is_no_failure_of_the_demo_and_everything_else_is() {
        let rejected = json!({ "outcome": "rejected", "by": "lead@acme.example", "comment": "no", "at": at(40_000) });
        let deployed = told("dev", &json!({ "ending": "deployed" }), None);
        let deployments = [deployed, told("test", &clean_failure(), Some(asked(&rejected)))];
        assert_eq!(json(&deployments, (None, None), None, None)["outcome"], "rejected");
        let deployments = [told("dev", &clean_failure(), None)];
        assert_eq!(json(&deployments, (None, None), None, None)["outcome"], "failed");
        let given_up = json_of_trouble(&Trouble("Stopped by Ctrl-C.".to_owned()));
        assert_eq!(
            given_up,
            json!({ "outcome": "failed", "why": "Stopped by Ctrl-C.", "deployments": [] })
        );
    }
}
