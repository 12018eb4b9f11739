//! The statuses of GitHub's deployment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::harmless::harmless;
use crate::ledger::Entry;
use crate::life::{Ending, Event};
use crate::message;

/// How many characters a status may say (GitHub's documentation, "Create a deployment status").
const DESCRIPTION_LIMIT: usize = 140;

/// What a deployment is, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It has the environment.
    InProgress,
    /// The environment runs what it brought.
    Success,
    /// It failed, and nobody has to do anything.
    Failure,
    /// It failed, and a person has to look.
    Error,
    /// Something else is there by now, or it never began.
    Inactive,
}

/// A status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub state: State,
    /// What happened: one line of at most 140 characters.
    pub description: String,
    /// When it happened.
    pub at: Timestamp,
    /// Where people find the environment, once it works.
    pub url: Option<String>,
}

/// All statuses of a deployment with these entries, in order. Further entries only add to them.
pub fn statuses(entries: &[Entry]) -> Vec<Status> {
    let mut url: Option<&String> = None;
    let told = entries.iter().filter_map(|entry| {
        if let Event::SmokeTested { report, .. } = &entry.what {
            url = report.url.as_ref();
        }
        Some(Status {
            state: state(&entry.what)?,
            description: harmless(&message::sentence(&entry.what), DESCRIPTION_LIMIT),
            at: entry.at,
            url: url.cloned(),
        })
    });
    told.collect()
}

/// The state that an event leads to; nothing, where it is a detail of the one before.
fn state(event: &Event) -> Option<State> {
    match event {
        Event::Requested { .. } | Event::Queued { .. } => Some(State::Queued),
        Event::Admitted { .. }
        | Event::Building { .. }
        | Event::Planned { .. }
        | Event::ApprovalAsked { .. }
        | Event::Voided { .. }
        | Event::Decided { .. }
        | Event::Baking { .. }
        | Event::BakeAsked { .. }
        | Event::BakeAnswered { .. }
        | Event::GoingBack { .. } => Some(State::InProgress),
        Event::Ended(ending) => Some(match ending {
            Ending::Deployed | Ending::NothingToDeploy | Ending::RolledBack { .. } => State::Success,
            Ending::Planned | Ending::Superseded { .. } => State::Inactive,
            Ending::FailedClean { .. } => State::Failure,
            Ending::OperatorNeeded { .. } => State::Error,
        }),
        Event::LetIn { .. }
        | Event::AlarmsChecked { .. }
        | Event::Released { .. }
        | Event::Published { .. }
        | Event::Compared { .. }
        | Event::Prepared { .. }
        | Event::Executing { .. }
        | Event::Updated { .. }
        | Event::NotUpdated { .. }
        | Event::SmokeTested { .. }
        | Event::IntegrationTesting { .. }
        | Event::IntegrationTested { .. }
        | Event::Voted { .. }
        | Event::Baked { .. } => None,
    }
}
