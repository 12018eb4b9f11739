//! The check run on the commit: what a deployment changed, how it was tested, who accepted it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::check_name;
use super::markdown::{block, code, codes};
use crate::approval::{Approver, Choice, StackFacts, compared};
use crate::change_set::{How, Loss, Summary};
use crate::deployment::{Deployment, Leg};
use crate::failure::Name;
use crate::ledger::Entry;
use crate::life::{Ending, Event, WayBack};
use crate::message;
use crate::smoke_test::Report;

/// How many characters a check run's summary may have (GitHub's documentation, "Create a check run": 65535), with room for
/// the sentence that says where the rest is.
const SUMMARY_LIMIT: usize = 60_000;
/// How many characters of a text of others are shown in it.
const TEXT_LIMIT: usize = 300;
/// How many resources are listed one by one.
const RESOURCES: usize = 60;

/// A check run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Check {
    /// What it is called on the commit.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// When the deployment was asked for.
    pub started_at: Timestamp,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    InProgress,
    /// It is over.
    Completed {
        /// How it ended.
        conclusion: Conclusion,
        /// When.
        at: Timestamp,
    },
}

/// How a check run ended, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Conclusion {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// Badly, and a person has to look.
    ActionRequired,
    /// Another took its place.
    Skipped,
    /// Nobody knows: what kept it from ending has nothing to do with the commit.
    Neutral,
}

impl Check {
    /// The check run of a deployment with these entries.
    pub(super) fn of(deployment: &Deployment, entries: &[Entry], console: &str) -> Self {
        let ending = entries.iter().rev().find_map(|entry| match &entry.what {
            Event::Ended(ending) => Some((entry.at, ending)),
            _ => None,
        });
        let is_admitted = entries.iter().any(|entry| matches!(entry.what, Event::Admitted { .. }));
        let progress = match ending {
            Some((at, ending)) => Progress::Completed {
                conclusion: if deployment.plans {
                    conclusion_of_plan(ending)
                } else {
                    conclusion(ending)
                },
                at,
            },
            None if is_admitted => Progress::InProgress,
            None => Progress::Queued,
        };
        Self {
            name: check_name(deployment),
            progress,
            started_at: deployment.requested.at,
            title: title(deployment, ending.map(|(_, ending)| ending), entries),
            summary: summary(deployment, ending.map(|(_, ending)| ending), entries, console),
        }
    }
}

fn conclusion(ending: &Ending) -> Conclusion {
    match ending {
        Ending::Deployed | Ending::NothingToDeploy | Ending::RolledBack { .. } | Ending::Planned => Conclusion::Success,
        Ending::Superseded { .. } => Conclusion::Skipped,
        Ending::FailedClean { .. } => Conclusion::Failure,
        Ending::OperatorNeeded { .. } => Conclusion::ActionRequired,
    }
}

/// What a pull request is told. Only what its own commits bring about speaks against it; that an environment is held, or AWS
/// down, would otherwise keep it from being merged where the check is a required one.
fn conclusion_of_plan(ending: &Ending) -> Conclusion {
    match ending {
        Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure } => match failure.name {
            Name::BuildFailed
            | Name::BuildTimedOut
            | Name::NoRelease
            | Name::UnsupportedAssembly
            | Name::MissingContext
            | Name::NoStacks
            | Name::ChangeSetRefused => Conclusion::Failure,
            _ => Conclusion::Neutral,
        },
        Ending::Superseded { .. } => Conclusion::Skipped,
        Ending::Deployed | Ending::NothingToDeploy | Ending::RolledBack { .. } | Ending::Planned => Conclusion::Success,
    }
}

/// What merging would change, in one line.
fn planned(deployment: &Deployment, entries: &[Entry]) -> String {
    let environment = &deployment.environment.name;
    let stacks = compared(entries.iter().map(|entry| &entry.what), Leg::Forward);
    let summaries = || stacks.iter().filter_map(|facts| facts.summary.as_ref());
    let sum = |count: fn(&Summary) -> usize| summaries().map(count).sum::<usize>();
    let (add, modify, remove) = (
        sum(|summary| summary.add as usize),
        sum(|summary| summary.modify as usize),
        sum(|summary| summary.remove as usize),
    );
    if add + modify + remove == 0 {
        return format!("{environment} would not change");
    }
    let at_risk = sum(|summary| at_risk(summary).count());
    let risk = match at_risk {
        0 => String::new(),
        1 => "; the data of 1 resource at risk".to_owned(),
        more => format!("; the data of {more} resources at risk"),
    };
    format!("{environment}: {add} to add, {modify} to change, {remove} to remove{risk}")
}

fn title(deployment: &Deployment, ending: Option<&Ending>, entries: &[Entry]) -> String {
    let environment = &deployment.environment.name;
    match ending {
        Some(Ending::Planned) => planned(deployment, entries),
        Some(Ending::FailedClean { failure, .. }) if deployment.plans => {
            format!("{}: not compared with {environment}", failure.name)
        }
        Some(Ending::Deployed) => format!("Deployed to {environment}"),
        Some(Ending::NothingToDeploy) => format!("{environment} had this already"),
        Some(Ending::RolledBack { to, .. }) => format!("{environment} was taken back to {}", to.short()),
        Some(Ending::Superseded { .. }) => format!("Superseded by a newer deployment to {environment}"),
        Some(Ending::FailedClean { failure, way_back }) => match way_back {
            WayBack::WentBack { to, .. } => format!("{}: {environment} went back to {}", failure.name, to.short()),
            _ => format!("{}: not deployed to {environment}", failure.name),
        },
        Some(Ending::OperatorNeeded { failure }) => format!("{}: an operator is needed in {environment}", failure.name),
        None => {
            let now = entries.iter().rev().map(|entry| message::sentence(&entry.what)).next();
            crate::harmless::harmless(&format!("{environment}: {}", now.unwrap_or_default()), 140)
        }
    }
}

fn summary(deployment: &Deployment, ending: Option<&Ending>, entries: &[Entry], console: &str) -> String {
    let mut text = String::new();
    if let Some(Ending::FailedClean { failure, .. } | Ending::OperatorNeeded { failure }) = ending {
        let _ = writeln!(
            text,
            "**{}** {}\n\n{}\n\nWhat to do: {}\n",
            failure.name,
            failure.name.meaning(),
            code(&failure.cause, TEXT_LIMIT),
            failure.name.remedy()
        );
    }
    for (leg, heading) in [
        (
            Leg::Forward,
            if deployment.plans {
                "What merging would change"
            } else {
                "What changes"
            },
        ),
        (Leg::Back, "What changes on the way back"),
    ] {
        let stacks = compared(entries.iter().map(|entry| &entry.what), leg);
        if !stacks.is_empty() {
            let _ = writeln!(text, "### {heading}\n\n{}", table(&stacks));
        }
    }
    let tests = tests(entries);
    if !tests.is_empty() {
        let _ = writeln!(text, "### Tests\n\n{tests}");
    }
    let people = people(entries);
    if !people.is_empty() {
        let _ = writeln!(text, "### People\n\n{people}");
    }
    let _ = writeln!(
        text,
        "### What happened\n\n{}\nAsked for by {}. [The execution]({console}) has the details; \
         `lockgate show {}` shows them in a terminal.",
        block(&message::timeline(entries)),
        code(&deployment.requested.by, TEXT_LIMIT),
        deployment.id
    );
    if text.chars().count() > SUMMARY_LIMIT {
        text = text.chars().take(SUMMARY_LIMIT).collect();
        let _ = write!(text, "\n\n… and more: [the execution]({console}).");
    }
    text
}

/// A line for each stack, and what of it people have to see.
fn table(stacks: &[StackFacts]) -> String {
    let mut text = "| Stack | Added | Changed | Replaced | Removed |\n|---|---:|---:|---:|---:|\n".to_owned();
    for StackFacts { stack, summary } in stacks {
        let _ = match summary {
            None => writeln!(text, "| {} | no changes | | | |", code(stack.as_str(), TEXT_LIMIT)),
            Some(summary) => writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                code(stack.as_str(), TEXT_LIMIT),
                summary.add,
                summary.modify,
                summary.losses.iter().filter(|loss| loss.how != How::Removed).count(),
                summary.remove
            ),
        };
    }
    text.push('\n');
    let summaries = || {
        stacks
            .iter()
            .filter_map(|facts| Some((&facts.stack, facts.summary.as_ref()?)))
    };
    for (stack, summary) in summaries() {
        for loss in at_risk(summary) {
            let how = match loss.how {
                How::Removed => "is removed",
                How::Replaced => "is replaced",
                How::MayBeReplaced => "may be replaced",
            };
            let _ = writeln!(
                text,
                "- **Data at risk**: {} {} of {} {how}.",
                loss.resource_type,
                code(&loss.logical_id, TEXT_LIMIT),
                code(stack.as_str(), TEXT_LIMIT)
            );
        }
    }
    let access: Vec<String> = summaries()
        .flat_map(|(_, summary)| access(summary))
        .take(RESOURCES)
        .collect();
    if !access.is_empty() {
        let _ = writeln!(
            text,
            "- **Who may do what, and from where, changes**: {}.",
            access.join(", ")
        );
    }
    text
}

/// The resources whose data would be lost.
fn at_risk(summary: &Summary) -> impl Iterator<Item = &Loss> {
    summary.losses.iter().filter(|loss| loss.stateful && !loss.kept)
}

/// Resources that decide who may do what, or who reaches what. A change set names them, and does not say whether they allow
/// more or less than before.
fn access(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    const DECIDE: &[&str] = &[
        "AWS::IAM::",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::NetworkAcl",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::S3::AccessPoint",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::KMS::Key",
        "AWS::SecretsManager::ResourcePolicy",
    ];
    let decides = |kind: &str| DECIDE.iter().any(|prefix| kind.starts_with(prefix));
    summary
        .changes
        .iter()
        .filter(move |change| decides(&change.resource_type))
        .map(|change| format!("{} {}", change.resource_type, code(&change.logical_id, TEXT_LIMIT)))
}

fn tests(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        match &entry.what {
            Event::SmokeTested { report, .. } => text.push_str(&smoke(report)),
            Event::IntegrationTested { log, passed, .. } if !log.is_empty() => {
                let how = if *passed { "passed" } else { "**failed**" };
                let _ = writeln!(text, "- Integration tests {how}: [log]({log})");
            }
            _ => {}
        }
    }
    text
}

fn smoke(report: &Report) -> String {
    let failed = || report.checks.iter().filter(|check| !check.passed);
    if report.checks.is_empty() {
        return String::new();
    }
    if report.passed {
        return format!("- Smoke tests passed: {}\n", report.checks.len());
    }
    format!(
        "- Smoke tests **failed**: {}\n",
        codes(failed().map(|check| check.name.as_str()), TEXT_LIMIT)
    )
}

fn people(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        match &entry.what {
            Event::ApprovalAsked { people, deadline, .. } => {
                let _ = writeln!(
                    text,
                    "- Asked until {}: {}",
                    deadline.strftime("%Y-%m-%d %H:%M UTC"),
                    codes(people.iter().map(Approver::as_str), TEXT_LIMIT)
                );
            }
            Event::Voted { ballot } => {
                let did = match ballot.decision {
                    Choice::Accept => "accepts",
                    Choice::Reject => "**rejects**",
                };
                let comment = code(&ballot.comment, TEXT_LIMIT);
                let _ = writeln!(
                    text,
                    "- {} {did}{}{comment}",
                    code(ballot.by.as_str(), TEXT_LIMIT),
                    if comment.is_empty() { "" } else { ": " }
                );
            }
            _ => {}
        }
    }
    text
}
