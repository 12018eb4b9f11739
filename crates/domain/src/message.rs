//! Every text that people get from Lockgate, in one place.
//!
//! Plain text: SNS mail cannot be styled. Texts of others were made harmless where they came in.

mod approval;
mod bake;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

pub use self::approval::{LATER, asked, author, changes, counted, reminder, still_earlier, tense, unconfirmed};
pub use self::bake::{alarm_told, bake_asks};

use crate::approval::{Approver, Choice, Outcome};
use crate::deployment::{Cause, Deployment, Leg};
use crate::failure::Failure;
use crate::harmless::harmless;
use crate::ledger::Entry;
use crate::life::{Ending, Event, WayBack};
use crate::names::{Digest, StackName};
use crate::smoke_test::Report;

/// A text with its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line, ASCII, below SNS's 100 characters.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// A deployment has begun.
pub fn started(deployment: &Deployment, console: &str) -> Message {
    let mut body = what(deployment);
    let _ = writeln!(body, "\nFollow it: {console}");
    Message {
        subject: subject(deployment, "has begun"),
        body,
    }
}

/// A deployment has ended; `entries` is its whole record.
pub fn ended(deployment: &Deployment, ending: &Ending, entries: &[Entry], console: &str) -> Message {
    let (short, sentence) = match ending {
        Ending::Deployed => (
            "is deployed",
            "The release is in the environment and answers its smoke tests.".to_owned(),
        ),
        Ending::NothingToDeploy => (
            "changed nothing",
            "The environment had this release already.".to_owned(),
        ),
        Ending::RolledBack { to, left } => ("was taken back", taken_back(deployment, &back(to, left))),
        Ending::Planned => ("was planned", "Nothing was changed in the environment.".to_owned()),
        Ending::Superseded { by } => ("was superseded", format!("A newer deployment took its place: {by}.")),
        Ending::FailedClean { failure, way_back } => ("FAILED", failed(failure, &way(way_back))),
        Ending::OperatorNeeded { failure } => (
            "FAILED, an operator is needed",
            failed(
                failure,
                "The environment's lock is kept: nothing else is deployed there until an operator has looked.",
            ),
        ),
    };
    let mut body = format!("{sentence}\n\n{}", what(deployment));
    if let Ending::RolledBack { to, .. }
    | Ending::FailedClean {
        way_back: WayBack::WentBack { to, .. },
        ..
    } = ending
    {
        body.push_str(&there_and_back(deployment, to, entries));
    }
    let timeline = timeline(entries);
    if !timeline.is_empty() {
        let _ = write!(body, "\nWhat happened (times in UTC)\n{timeline}");
    }
    let _ = writeln!(body, "\nThe execution: {console}");
    Message {
        subject: subject(deployment, short),
        body,
    }
}

fn subject(deployment: &Deployment, what: &str) -> String {
    let name = format!("{} {}", deployment.application, deployment.commit.short());
    // SNS takes subjects below 100 characters: a long name gives way, what happened does not.
    let room = 98_usize.saturating_sub(deployment.environment.name.as_str().len() + what.len() + 5);
    format!(
        "[{}] {} {what}",
        deployment.environment.name,
        name.chars().take(room).collect::<String>()
    )
}

fn failed(failure: &Failure, then: &str) -> String {
    format!(
        "{}\n{}\n\nWhat to do: {}\n{then}",
        failure.name.meaning(),
        failure,
        failure.name.remedy()
    )
}

fn way(way_back: &WayBack) -> String {
    match way_back {
        WayBack::NothingChanged => "Nothing was changed in the environment.".to_owned(),
        WayBack::WentBack { to, left } => back(to, left),
        WayBack::Stays => {
            "The environment keeps the release that was not accepted; the next one takes its place.".to_owned()
        }
        WayBack::NoStableRelease => {
            "The environment has no stable release yet to go back to, so it was left as it is; the next deployment may mend it."
                .to_owned()
        }
    }
}

fn back(to: &Digest, left: &BTreeSet<StackName>) -> String {
    let back = format!("The environment went back to the stable release {}.", to.short());
    if left.is_empty() {
        return back;
    }
    let left: Vec<&str> = left.iter().map(StackName::as_str).collect();
    format!(
        "{back} These stacks are not part of it, and are there still: {}. Delete them, or deploy a release that has \
         them.",
        left.join(", ")
    )
}

/// Why somebody had it taken back, and what is there now.
fn taken_back(deployment: &Deployment, then: &str) -> String {
    match &deployment.rollback {
        Some(rollback) => format!("{}\n{then}", rollback.because),
        None => then.to_owned(),
    }
}

/// From where to where, for how long customers had the release that failed, and what is to be done before the next.
fn there_and_back(deployment: &Deployment, to: &Digest, entries: &[Entry]) -> String {
    let from = match &deployment.rollback {
        Some(rollback) => Some(&rollback.from),
        None => entries.iter().find_map(|entry| match &entry.what {
            Event::Released { release } => Some(release),
            _ => None,
        }),
    };
    let mut text = String::new();
    if let Some(from) = from {
        let _ = writeln!(text, "From, to     {} to {}", from.short(), to.short());
    }
    if let Some(affected) = affected(deployment, entries) {
        let _ = writeln!(text, "Affected     customers, for at most {affected}");
    }
    if deployment.environment.holds {
        let _ = writeln!(
            text,
            "\nNothing goes forward there until somebody has looked:\n  lockgate release {} {} --why \"…\"",
            deployment.application, deployment.environment.name
        );
    }
    text
}

/// For how long customers may have had the release that failed: from its first change, or where an earlier deployment had
/// brought it, from when it was to be taken back, until the earlier release was found to work.
fn affected(deployment: &Deployment, entries: &[Entry]) -> Option<String> {
    let first_change = |entry: &Entry| match &entry.what {
        Event::Executing { leg: Leg::Forward, .. } => Some(entry.at),
        _ => None,
    };
    let from = match &deployment.rollback {
        Some(_) => deployment.requested.at,
        None => entries.iter().find_map(first_change)?,
    };
    let to = entries.iter().rev().find_map(|entry| match &entry.what {
        Event::SmokeTested { leg: Leg::Back, report } if report.passed => Some(entry.at),
        _ => None,
    })?;
    Some(format!(
        "{}, from {} to {} UTC",
        duration(to.duration_since(from)),
        from.strftime("%H:%M:%S"),
        to.strftime("%H:%M:%S")
    ))
}

/// What a deployment was asked from: an event, and the branch or tag.
pub fn asked_from(deployment: &Deployment) -> String {
    let because = match deployment.requested.because {
        Cause::Alarm => "an alarm of",
        Cause::Push => "a push to",
        Cause::Prerelease => "the pre-release",
        Cause::Release => "the release",
        Cause::Manual => "by hand, from",
        Cause::PullRequest => "a pull request,",
    };
    format!("{because} {}", deployment.reference)
}

/// What a deployment brings where, and who asked for it.
pub fn what(deployment: &Deployment) -> String {
    format!(
        "Application  {}\nEnvironment  {} (account {}, {})\nCommit       {}\nAsked by     {}, {}\nDeployment   {}\n",
        deployment.application,
        deployment.environment.name,
        deployment.environment.account,
        deployment.environment.region,
        // A push can have a commit without a message.
        format!("{} {}", deployment.commit.short(), deployment.requested.title).trim_end(),
        deployment.requested.by,
        asked_from(deployment),
        deployment.id,
    )
}

/// What happened and when, a line each, with the time since the one before.
pub fn timeline(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut before: Option<Timestamp> = None;
    for entry in entries {
        let since = before.map_or_else(String::new, |before| {
            format!("+{}", duration(entry.at.duration_since(before)))
        });
        let _ = writeln!(
            text,
            "{}  {since:>12}  {}",
            entry.at.strftime("%H:%M:%S"),
            sentence(&entry.what)
        );
        before = Some(entry.at);
    }
    text
}

/// A duration as people read it.
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        ..60 => format!("{seconds}.{} s", duration.subsec_millis().abs() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A moment as people read it, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn names(approvers: &[Approver]) -> String {
    approvers.iter().map(Approver::as_str).collect::<Vec<_>>().join(", ")
}

/// How smoke tests went; of some, all that is known may be how many they are.
fn smoke_tests(report: &Report, unlisted: u32) -> String {
    let failed: Vec<&str> = report
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.name.as_str())
        .collect();
    match failed.as_slice() {
        [] if report.checks.is_empty() && unlisted == 0 => "no smoke tests".to_owned(),
        [] if !report.passed => "smoke tests failed".to_owned(),
        [] => format!("smoke tests passed: {}", report.checks.len() + unlisted as usize),
        failed => format!("smoke tests failed: {}", failed.join(", ")),
    }
}

/// What happened, as one line.
pub fn sentence(event: &Event) -> String {
    match event {
        Event::Requested { .. } => "requested".to_owned(),
        Event::Queued { before } => format!("waits for the environment, {before} before it"),
        Event::LetIn { frozen, words } => bake::let_in(frozen, words),
        Event::Admitted { .. } => "admitted".to_owned(),
        Event::AlarmsChecked { guards, others } => bake::checked(guards, others),
        Event::Building { build, .. } => format!("building: {build}"),
        Event::Released { release } => format!("release {}", release.short()),
        Event::Planned { waves, .. } => {
            let waves: Vec<String> = waves
                .iter()
                .map(|wave| wave.iter().map(StackName::as_str).collect::<Vec<_>>().join(" + "))
                .collect();
            format!("planned: {}", waves.join(", then "))
        }
        Event::Published { copied, present, .. } => {
            format!("assets published: {copied} copied, {present} there already")
        }
        Event::Compared {
            stack, summary: None, ..
        } => format!("{stack}: no changes"),
        Event::Compared {
            stack,
            summary: Some(summary),
            ..
        } => {
            format!(
                "{stack}: {} to add, {} to change, {} to remove",
                summary.add, summary.modify, summary.remove
            )
        }
        Event::Prepared { sets } => {
            let stacks: Vec<&str> = sets.iter().map(|prepared| prepared.stack.as_str()).collect();
            format!("compared before anything is executed: {}", stacks.join(", "))
        }
        Event::Voided { why } => format!("the approval is void, and people are asked anew: {why}"),
        Event::Executing { stack, .. } => format!("{stack}: updating"),
        Event::Updated { stack, .. } => format!("{stack}: updated"),
        Event::NotUpdated { stack, failure, .. } => format!("{stack}: not updated. {failure}"),
        Event::SmokeTested { report, .. } => smoke_tests(report, 0),
        Event::IntegrationTesting { build, .. } => format!("integration tests run: {build}"),
        Event::IntegrationTested { passed: true, log, .. } if log.is_empty() => "no integration tests".to_owned(),
        Event::IntegrationTested { passed: true, .. } => "integration tests passed".to_owned(),
        Event::IntegrationTested { cause, .. } => format!(
            "integration tests failed: {}",
            cause.as_deref().unwrap_or("nobody says why")
        ),
        Event::ApprovalAsked {
            people,
            deadline,
            unconfirmed,
            excluded,
            ..
        } => {
            let mut text = format!("asked until {}: {}", minute(*deadline), names(people));
            if !excluded.is_empty() {
                let _ = write!(text, "; {} may not answer, having had a part in it", names(excluded));
            }
            if !unconfirmed.is_empty() {
                let _ = write!(text, "; no mail reaches {}", names(unconfirmed));
            }
            text
        }
        Event::Voted { ballot } => {
            let did = match ballot.decision {
                Choice::Accept => "accepts",
                Choice::Reject => "rejects",
            };
            match harmless(&ballot.comment, approval::COMMENT).as_str() {
                "" => format!("{} {did}", ballot.by),
                comment => format!("{} {did}: {comment}", ballot.by),
            }
        }
        Event::Decided { outcome } => match outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Rejected { by, .. } => format!("rejected by {by}"),
            Outcome::Expired { .. } => "not accepted in time".to_owned(),
            Outcome::Superseded { by, .. } => format!("superseded by {by} while people were asked"),
            Outcome::Unreachable { .. } => "too few are left who may accept".to_owned(),
            Outcome::Withdrawn { .. } => "no longer asked, as the deployment was over".to_owned(),
        },
        Event::Baking { until, alarms } => bake::baking(*until, alarms),
        Event::BakeAsked { question } => format!("holds, a person has to say how it goes on: {}", question.why()),
        Event::BakeAnswered { word } => bake::answered(word),
        Event::Baked { how } => format!("baked: {how}"),
        Event::GoingBack { to, because } => format!("going back to {}: {because}", to.short()),
        Event::Ended(Ending::Deployed) => "deployed".to_owned(),
        Event::Ended(Ending::NothingToDeploy) => "nothing to deploy".to_owned(),
        Event::Ended(Ending::RolledBack { to, .. }) => format!("taken back to {}", to.short()),
        Event::Ended(Ending::Planned) => "planned, and nothing changed".to_owned(),
        Event::Ended(Ending::Superseded { by }) => format!("superseded by {by}"),
        Event::Ended(Ending::FailedClean { failure, .. }) => format!("failed, environment clean: {failure}"),
        Event::Ended(Ending::OperatorNeeded { failure }) => format!("failed, operator needed: {failure}"),
    }
}

#[cfg(test)]
mod tests;
