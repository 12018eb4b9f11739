//! The section of a GitHub release's page: one line for each environment that it reached.

use super::markdown::{code, codes};
use crate::approval::Approver;
use crate::deployment::{Cause, Deployment};
use crate::environment_state::StableRelease;
use crate::failure::Failure;
use crate::ledger::Entry;
use crate::life::{Ending, Event, WayBack};
use crate::message;
use crate::names::EnvironmentName;

/// How many characters of a text of others are shown.
const TEXT_LIMIT: usize = 200;
const BEGIN: &str = "<!-- lockgate: kept up to date by Lockgate, see `lockgate show` -->";
const END: &str = "<!-- /lockgate -->";
const HEADING: &str = "### Where it is";

/// What the page says of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The environment.
    pub environment: EnvironmentName,
    /// Markdown, one line.
    pub text: String,
}

impl Line {
    /// What the page of a release says of the deployment that it asked for; nothing before there is anything to say, and
    /// nothing where no GitHub release asked.
    pub(super) fn of(deployment: &Deployment, entries: &[Entry]) -> Option<Self> {
        if !matches!(deployment.requested.because, Cause::Prerelease | Cause::Release) {
            return None;
        }
        let mut parts: Vec<String> = Vec::new();
        let mut is_said_why = false;
        for entry in entries {
            let at = entry.at.strftime("%Y-%m-%d %H:%M UTC");
            match &entry.what {
                Event::Admitted { .. } => parts.push(format!("on its way since {at}")),
                Event::ApprovalAsked { people, .. } => {
                    parts.push(format!("{} asked since {at}", counted(people.len())));
                }
                Event::Voted { ballot } => parts.push(message::sentence(&Event::Voted {
                    ballot: crate::approval::Ballot {
                        comment: String::new(),
                        ..ballot.clone()
                    },
                })),
                Event::Baking { until, .. } => {
                    parts.push(format!("bakes until {}", until.strftime("%Y-%m-%d %H:%M UTC")));
                }
                Event::Baked { how } => parts.push(format!("baked: {}", code(how, TEXT_LIMIT))),
                Event::GoingBack { because, .. } => {
                    is_said_why = true;
                    parts.push(format!(
                        "sent back at {at} by {}",
                        code(&because.to_string(), TEXT_LIMIT)
                    ));
                }
                Event::Ended(ending) => parts.push(ended(ending, &at.to_string(), is_said_why)),
                _ => {}
            }
        }
        Self::in_words(&deployment.environment.name, &parts)
    }

    /// What the page of a release says of an environment that it came through before, and that another page tells of.
    pub fn of_stable(environment: &EnvironmentName, stable: &StableRelease) -> Option<Self> {
        let mut parts = vec![format!("stable since {}", stable.since.strftime("%Y-%m-%d %H:%M UTC"))];
        if let Some(accepted) = &stable.accepted {
            parts.push(format!(
                "accepted at {} by {}",
                accepted.at.strftime("%Y-%m-%d %H:%M UTC"),
                codes(accepted.by.iter().map(Approver::as_str), TEXT_LIMIT)
            ));
        }
        Self::in_words(environment, &parts)
    }

    /// What the page of a release says that a later deployment took back.
    pub fn of_way_back(back: &Deployment, entries: &[Entry]) -> Option<Self> {
        let rollback = back.rollback.as_ref()?;
        let went = entries.iter().rev().find_map(|entry| match &entry.what {
            Event::Ended(Ending::RolledBack { to, .. }) => Some((entry.at, to)),
            _ => None,
        });
        let (at, to) = went?;
        Self::in_words(
            &back.environment.name,
            &[format!(
                "taken back to {} at {}: {}",
                to.short(),
                at.strftime("%Y-%m-%d %H:%M UTC"),
                code(&rollback.because.to_string(), TEXT_LIMIT)
            )],
        )
    }

    fn in_words(environment: &EnvironmentName, parts: &[String]) -> Option<Self> {
        (!parts.is_empty()).then(|| Self {
            environment: environment.clone(),
            text: parts.join("; "),
        })
    }

    fn bullet(&self) -> String {
        format!("{}{}", self.begins(), self.text)
    }

    fn begins(&self) -> String {
        format!("- **{}**: ", self.environment)
    }
}

fn counted(people: usize) -> String {
    if people == 1 {
        "one person".to_owned()
    } else {
        format!("{people} people")
    }
}

fn ended(ending: &Ending, at: &str, is_said_why: bool) -> String {
    let why = |failure: &Failure| {
        if is_said_why {
            String::new()
        } else {
            format!(": {}", code(&failure.to_string(), TEXT_LIMIT))
        }
    };
    match ending {
        Ending::Deployed => format!("**deployed** at {at}"),
        Ending::NothingToDeploy => format!("**there already** at {at}"),
        Ending::RolledBack { to, .. } => format!("taken back to {} at {at}", to.short()),
        Ending::Planned => format!("planned at {at}"),
        Ending::Superseded { .. } => format!("superseded by a newer one at {at}"),
        Ending::FailedClean { failure, way_back } => {
            let then = match way_back {
                WayBack::NothingChanged => "nothing was changed".to_owned(),
                WayBack::WentBack { to, .. } => format!("back at {}", to.short()),
                WayBack::NoStableRelease => "left as it is".to_owned(),
                WayBack::Stays => "still there".to_owned(),
            };
            format!("**failed** at {at}, {then}{}", why(failure))
        }
        Ending::OperatorNeeded { failure } => {
            // What needs an operator may be another failure than the one that it went back for.
            let why = code(&failure.to_string(), TEXT_LIMIT);
            format!("**failed** at {at}, an operator is needed: {why}")
        }
    }
}

/// A page with these lines in its section: made where there is none, at the end. Everything else on the page, and the lines
/// of other environments, stay as they are.
pub fn with_line(page: &str, line: &Line) -> String {
    let Some((before, section, after)) = parted(page) else {
        let page = page.trim_end();
        let gap = if page.is_empty() { "" } else { "\n\n" };
        return format!("{page}{gap}{BEGIN}\n{HEADING}\n\n{}\n{END}\n", line.bullet());
    };
    let begins = line.begins();
    let mut found = false;
    let mut lines: Vec<String> = section
        .lines()
        .map(|old| {
            if old.starts_with(&begins) {
                found = true;
                line.bullet()
            } else {
                old.to_owned()
            }
        })
        .collect();
    if !found {
        lines.push(line.bullet());
    }
    format!("{before}{BEGIN}\n{}\n{END}{after}", lines.join("\n").trim_matches('\n'))
}

/// What stands before our section, in it, and after it.
fn parted(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (section, after) = rest.split_once(END)?;
    Some((before, section, after))
}
