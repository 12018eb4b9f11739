//! What GitHub is told of a deployment: all of it follows from the ledger's entries, so that whoever tells it, and however
//! often, tells the same.
//!
//! Three things show it there: GitHub's own deployment with its statuses, a check run on the commit, and, where a GitHub
//! release asked for it, a section of that release's page. [`Outbox`] keeps what was told.

mod check;
mod markdown;
mod outbox;
mod release_page;
mod status;

pub use self::check::{Check, Conclusion, Progress};
pub use self::outbox::{Act, Active, Done, Made, Outbox, Place, Turn};
pub use self::release_page::{Line, with_line};
pub use self::status::{State, Status, statuses};

use crate::deployment::{Cause, Deployment};
use crate::ledger::Entry;
use crate::life::{Ending, Event};

/// What is to be seen at GitHub of one deployment, by now.
#[derive(Debug, Clone, PartialEq)]
pub struct News<'e> {
    /// The deployment.
    pub deployment: &'e Deployment,
    /// Its statuses, in the order in which they are told; later news begin with the same ones. None, where GitHub has no
    /// deployment of it: what only shows a pull request what it would change is a check run, and nothing else.
    pub statuses: Vec<Status>,
    /// Its check run.
    pub check: Check,
    /// What the release's page says of its environment; nothing, where that page has nothing of it yet.
    pub line: Option<Line>,
    /// Whether its environment now runs what it brought, and since when.
    pub in_place_since: Option<jiff::Timestamp>,
}

impl<'e> News<'e> {
    /// What is to be seen of a deployment with these entries; nothing of one that nobody asked for yet, or that only said to
    /// an operator what it would change.
    pub fn of(entries: &'e [Entry], console: &str) -> Option<Self> {
        let requested = entries.iter().find_map(|entry| match &entry.what {
            Event::Requested { deployment } => Some(&**deployment),
            _ => None,
        });
        let deployment = requested.filter(|deployment| !deployment.plans || deployment.previews())?;
        let ended = entries.iter().rev().find_map(|entry| match &entry.what {
            Event::Ended(ending) => Some((entry.at, ending)),
            _ => None,
        });
        Some(Self {
            deployment,
            statuses: if deployment.plans {
                Vec::new()
            } else {
                statuses(entries)
            },
            check: Check::of(deployment, entries, console),
            line: Line::of(deployment, entries).or_else(|| Line::of_way_back(deployment, entries)),
            in_place_since: ended
                .filter(|(_, ending)| {
                    matches!(
                        ending,
                        Ending::Deployed | Ending::NothingToDeploy | Ending::RolledBack { .. }
                    )
                })
                .map(|(at, _)| at),
        })
    }
}

/// Whether GitHub is to show an environment among those that customers use: what a release starts, or what is watched.
pub fn is_production(deployment: &Deployment) -> bool {
    let environment = &deployment.environment;
    environment.on.contains(&Cause::Release) || environment.bake.is_some()
}

/// The name of the check run of an environment: one of what was deployed there, another of what merging would change.
pub fn check_name(deployment: &Deployment) -> String {
    let what = if deployment.plans { "Lockgate plan" } else { "Lockgate" };
    format!("{what} / {}", deployment.environment.name)
}

#[cfg(test)]
mod tests;
