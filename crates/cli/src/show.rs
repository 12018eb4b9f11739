//! `lockgate show`: everything that is recorded of a deployment.

use aws::{Aws, Ledger};
use domain::approval::{StackFacts, compared};
use domain::change_set::Tense;
use domain::deployment::{Deployment, Leg};
use domain::ledger::{Entry, verify};
use domain::life::Event;
use domain::message;
use domain::names::DeploymentId;
use serde::Serialize;

use crate::records::{Pipeline, RecordsError};
use crate::table::Output;

/// Shows a deployment: what it brings where, what happened and how long that took, what changed, and how it ended.
///
/// The record is a chain of entries, each with the hash of the one before; whether it is whole is checked, and said.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The deployment: the execution's name.
    deployment: DeploymentId,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    pipeline: Pipeline,
}

/// What is said above the changes of each way.
pub(crate) const CHANGED: [(Leg, &str); 2] = [
    (Leg::Forward, "What changed"),
    (Leg::Back, "What changed on the way back"),
];

/// What is said above the changes that were not made.
pub(crate) const NOT_CHANGED: &str = "What would have changed, or will";

/// A deployment's record, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Shown<'r> {
    pub(crate) deployment: &'r DeploymentId,
    /// What was asked.
    pub(crate) requested: Option<&'r Deployment>,
    pub(crate) entries: &'r [Entry],
    /// Why the record is not as it was written; nothing, where it is whole.
    pub(crate) broken: Option<String>,
}

/// Reads it.
pub async fn run(options: &Options, aws: &Aws) -> Result<String, RecordsError> {
    let ledger = options.pipeline.ledger(aws).await?;
    let entries = read(&ledger, &options.deployment).await?;
    let shown = Shown::of(&options.deployment, &entries);
    Ok(options.output.print(&shown, || shown.text()))
}

/// Everything that is recorded of a deployment.
pub(crate) async fn read(ledger: &Ledger, deployment: &DeploymentId) -> Result<Vec<Entry>, RecordsError> {
    let entries = ledger.entries(deployment).await?;
    if entries.is_empty() {
        return Err(RecordsError::NoDeployment(deployment.clone()));
    }
    Ok(entries)
}

impl<'r> Shown<'r> {
    pub(crate) fn of(deployment: &'r DeploymentId, entries: &'r [Entry]) -> Self {
        let requested = entries.iter().find_map(|entry| match &entry.what {
            Event::Requested { deployment } => Some(&**deployment),
            _ => None,
        });
        Self {
            deployment,
            requested,
            entries,
            broken: verify(deployment, entries).err().map(|broken| broken.to_string()),
        }
    }

    fn text(&self) -> String {
        let mut parts = vec![
            self.requested.map(message::what).unwrap_or_default(),
            format!("What happened (times in UTC)\n{}", message::timeline(self.entries)),
        ];
        for (leg, heading) in CHANGED {
            let (done, not_done) = self.changes(leg);
            if !done.is_empty() {
                parts.push(format!("{heading}\n{}", message::changes(&done, Tense::Done)));
            }
            if !not_done.is_empty() {
                let would = message::changes(&not_done, Tense::Planned);
                parts.push(format!("{NOT_CHANGED}\n{would}"));
            }
        }
        parts.push(match &self.broken {
            None => "The record is whole.".to_owned(),
            Some(why) => format!("THE RECORD IS NOT AS IT WAS WRITTEN: {why}"),
        });
        parts.join("\n")
    }

    /// The stacks that a way changed, or had nothing to change, and those that it compared and did not change.
    pub(crate) fn changes(&self, way: Leg) -> (Vec<StackFacts>, Vec<StackFacts>) {
        let compared = compared(self.events(), way).into_iter();
        compared.partition(|facts| facts.summary.is_none() || self.was_changed(facts, way))
    }

    fn events(&self) -> impl Iterator<Item = &'r Event> {
        self.entries.iter().map(|entry| &entry.what)
    }

    fn was_changed(&self, facts: &StackFacts, way: Leg) -> bool {
        let updated =
            |event: &Event| matches!(event, Event::Updated { leg, stack } if *leg == way && *stack == facts.stack);
        self.events().any(updated)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::ledger::Head;
    use fake_aws::sample;
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::*;

    /// A record of a deployment that changed one stack of two.
    fn record() -> (DeploymentId, Vec<Entry>) {
        let deployment = sample::deployment(1);
        let stack = |name: &str, summary: serde_json::Value| json!({ "event": "compared", "leg": "forward", "stack": name, "summary": summary });
        let summary = json!({
            "add": 1, "modify": 1, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 1, "truncated": 0,
            "losses": [{
                "logical_id": "Orders", "resource_type": "AWS::DynamoDB::Table", "how": "replaced",
                "stateful": true, "kept": false,
            }],
            "changes": [{ "logical_id": "Basket", "resource_type": "AWS::SQS::Queue", "action": "add" }],
        });
        let release = sample::stable(&deployment).release;
        let events = [
            json!({ "event": "requested", "deployment": deployment }),
            json!({ "event": "admitted", "fence": 1 }),
            json!({ "event": "released", "release": release }),
            json!({ "event": "planned", "leg": "forward", "release": release, "waves": [["shop-dev"], ["shop-dev-web"]] }),
            stack("shop-dev", summary.clone()),
            json!({ "event": "executing", "leg": "forward", "stack": "shop-dev", "change_set": "arn:set" }),
            json!({ "event": "updated", "leg": "forward", "stack": "shop-dev" }),
            stack("shop-dev-web", summary),
        ];
        let mut head = Head::empty(deployment.id.clone());
        let mut entries = Vec::new();
        for (second, event) in events.into_iter().enumerate() {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(second).unwrap());
            let (entry, next) = head
                .append(serde_json::from_value(event).unwrap(), at)
                .unwrap()
                .unwrap();
            entries.push(entry);
            head = next;
        }
        (deployment.id, entries)
    }

    #[test]
    fn people_read_what_was_asked_what_happened_and_what_changed() {
        let (deployment, entries) = record();
        insta::assert_snapshot!(Shown::of(&deployment, &entries).text());
    }

    #[test]
    fn programs_get_the_whole_record() {
        let (deployment, entries) = record();
        insta::assert_snapshot!(Output::Json.print(&Shown::of(&deployment, &entries), String::new));
    }

    #[test]
    fn a_record_that_somebody_changed_is_said_to_be_broken() {
        let (deployment, mut entries) = record();
        assert_eq!(Shown::of(&deployment, &entries).broken, None);
        entries.remove(2);
        let shown = Shown::of(&deployment, &entries);
        assert!(shown.broken.is_some());
        assert!(
            shown.text().contains("THE RECORD IS NOT AS IT WAS WRITTEN"),
            "{}",
            shown.text()
        );
        let json: serde_json::Value = serde_json::from_str(&Output::Json.print(&shown, String::new)).unwrap();
        assert_eq!(json["requested"]["id"], deployment.as_str());
        assert_eq!(json["entries"].as_array().unwrap().len(), entries.len());
    }
}
