//! `lockgate approve`, `lockgate reject`, `lockgate pending`: people answer without a mail, under their AWS identity.

use aws::Aws;
use comfy_table::Table;
use domain::approval::{ApprovalId, COMMENT_LIMIT, Choice, Duty, Listing, Outcome, Waiting, When};
use domain::harmless::harmless;
use domain::message::duration;
use domain::names::DeploymentId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::{Api, ApiError, Place};
use crate::table;

/// Accepts a release that waits for people.
///
/// It is you who accepts: AWS tells the pipeline whose credentials these are, and lockgate.toml says which of the people
/// asked that is (`aws` in the table `people`). IAM lets in whoever has the policy `lockgate-approver`.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// The deployment, as `lockgate pending` lists it.
    deployment: DeploymentId,
    /// What you looked at, or whatever else should be kept beside your name.
    #[arg(long, default_value = "", value_parser = comment)]
    comment: String,
    /// Which changes, where they are not made yet: the beginning of what `lockgate pending` shows beside the version.
    #[arg(long, value_name = "CHANGES")]
    changes: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: table::Output,
    #[command(flatten)]
    place: Place,
}

/// Rejects a release that waits for people. One rejection ends it.
#[derive(Debug, clap::Args)]
pub struct Reject {
    /// The deployment, as `lockgate pending` lists it.
    deployment: DeploymentId,
    /// Why: it is in the report of the deployment, and kept beside your name.
    #[arg(long, value_parser = reason)]
    comment: String,
    /// Which changes, where they are not made yet: the beginning of what `lockgate pending` shows beside the version.
    #[arg(long, value_name = "CHANGES")]
    changes: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: table::Output,
    #[command(flatten)]
    place: Place,
}

/// Lists what waits for whom, since when and until when.
#[derive(Debug, clap::Args)]
pub struct Pending {
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    output: table::Output,
    #[command(flatten)]
    place: Place,
}

/// The fewest digits that changes are named by.
const SHORTEST: usize = 8;

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The pipeline does not take it.
    #[error("not recorded: {0}")]
    Refused(String),
    /// The pipeline may have taken it, and could not say so.
    #[error("{0}; send your answer again: it is counted only once")]
    Unanswered(ApiError),
    /// The same, in the pipeline's own words.
    #[error("{0}")]
    Unknown(String),
    /// The pipeline could not be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// What the pipeline answers.
#[derive(Debug, Deserialize)]
struct Told {
    outcome: String,
    sentence: String,
    approval: Option<Standing>,
}

/// Of an approval, what decides what is said.
#[derive(Debug, Deserialize)]
struct Standing {
    outcome: Option<Outcome>,
}

/// An answer that counts, for programs.
#[derive(Debug, Serialize)]
struct Answered<'a> {
    deployment: &'a DeploymentId,
    decision: Choice,
    /// How the approval ended; nothing, where others are still asked.
    approval: Option<Outcome>,
}

/// Accepts.
pub async fn approve(options: &Approve, aws: Aws) -> Result<String, AnswerError> {
    let api = Api::find(&options.place, aws).await?;
    let about = (&options.deployment, options.changes.as_deref());
    let answered = answer(&api, about, Choice::Accept, &options.comment).await?;
    Ok(options.output.print(&answered, || answered.text()))
}

/// Rejects.
pub async fn reject(options: &Reject, aws: Aws) -> Result<String, AnswerError> {
    let api = Api::find(&options.place, aws).await?;
    let about = (&options.deployment, options.changes.as_deref());
    let answered = answer(&api, about, Choice::Reject, &options.comment).await?;
    Ok(options.output.print(&answered, || answered.text()))
}

/// What the pipeline takes, and as it keeps it.
fn comment(text: &str) -> Result<String, String> {
    let comment = harmless(text, COMMENT_LIMIT + 1);
    if comment.chars().count() > COMMENT_LIMIT {
        return Err(format!("say it in at most {COMMENT_LIMIT} characters"));
    }
    Ok(comment)
}

fn reason(text: &str) -> Result<String, String> {
    let comment = comment(text)?;
    if comment.is_empty() {
        return Err("say why".to_owned());
    }
    Ok(comment)
}

async fn answer<'a>(
    api: &Api,
    (deployment, changes): (&'a DeploymentId, Option<&str>),
    decision: Choice,
    comment: &str,
) -> Result<Answered<'a>, AnswerError> {
    let approval = match changes {
        None => ApprovalId::of(deployment, When::After),
        Some(changes) => asked_about(api, deployment, changes).await?,
    };
    let path = format!("/approvals/{approval}/ballots");
    let body = json!({ "decision": decision, "comment": comment });
    let told = api
        .call::<Told>(&path, Some(&body))
        .await
        .map_err(|error| match error {
            error @ ApiError::Unreachable(..) => AnswerError::Unanswered(error),
            error => error.into(),
        })?;
    match told.outcome.as_str() {
        "counted" => {}
        "unknown" if changes.is_none() => return Err(unknown(api, deployment, &told.sentence).await),
        "unavailable" => return Err(AnswerError::Unknown(harmless(&told.sentence, 500))),
        _ => return Err(AnswerError::Refused(harmless(&told.sentence, 500))),
    }
    Ok(Answered {
        deployment,
        decision,
        approval: told.approval.and_then(|approval| approval.outcome),
    })
}

impl Answered<'_> {
    fn text(&self) -> String {
        format!("Your answer is recorded. {}", follows(self.approval.as_ref()))
    }
}

/// The approval that asks about these changes.
async fn asked_about(api: &Api, deployment: &DeploymentId, changes: &str) -> Result<ApprovalId, AnswerError> {
    if changes.len() < SHORTEST {
        return Err(AnswerError::Refused(format!(
            "name at least {SHORTEST} digits of the changes"
        )));
    }
    let waiting = api.call::<Listing>("/approvals", None).await?.waiting;
    let of_it = waiting.into_iter().filter(|waiting| waiting.deployment == *deployment);
    let found = of_it
        .filter_map(|waiting| waiting.prepared)
        .find(|prepared| prepared.as_str().starts_with(changes));
    found.map(|prepared| ApprovalId::of_change_sets(deployment, &prepared)).ok_or_else(|| {
        let why = format!(
            "nobody is asked about the changes {} of {deployment}; if others are listed by `lockgate pending`, read them \
             first",
            harmless(changes, 64)
        );
        AnswerError::Refused(why)
    })
}

/// What is said to somebody who named no changes, where nobody is asked about the deployment otherwise.
async fn unknown(api: &Api, deployment: &DeploymentId, sentence: &str) -> AnswerError {
    // Where even that cannot be had, what the pipeline said is said.
    let listing = api.call::<Listing>("/approvals", None).await;
    let waiting = listing.map(|listing| listing.waiting).unwrap_or_default();
    let asks_before = |waiting: &Waiting| waiting.deployment == *deployment && waiting.prepared.is_some();
    AnswerError::Refused(if waiting.iter().any(asks_before) {
        "people are asked about changes that are not made yet; read them on the page that their mail links to, and name \
         them with --changes, as `lockgate pending` shows them"
            .to_owned()
    } else {
        harmless(sentence, 500)
    })
}

fn follows(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "Others are still asked.",
        Some(Outcome::Accepted { .. }) => "With it, the release is accepted.",
        Some(Outcome::Rejected { .. }) => "With it, the release is rejected.",
        Some(
            Outcome::Expired { .. }
            | Outcome::Superseded { .. }
            | Outcome::Unreachable { .. }
            | Outcome::Withdrawn { .. },
        ) => "The approval has ended.",
    }
}

/// Lists.
pub async fn pending(options: &Pending, aws: Aws) -> Result<String, AnswerError> {
    let api = Api::find(&options.place, aws).await?;
    let listing = api.call::<Listing>("/approvals", None).await?;
    let listed = || listed(&listing, Timestamp::now());
    Ok(options.output.print(&listing.waiting, listed))
}

fn listed(listing: &Listing, now: Timestamp) -> String {
    if listing.waiting.is_empty() {
        return "No approvals are waiting.".to_owned();
    }
    let table = table(&listing.waiting, now).trim_fmt();
    match listing.more {
        0 => table,
        more => format!("{table}\nand {more} more, which have not waited as long"),
    }
}

fn table(waiting: &[Waiting], now: Timestamp) -> Table {
    let mut table = table::new(&["deployment", "version", "environment", "waits for", "since", "until"]);
    for approval in waiting {
        let left = approval.deadline.duration_since(now);
        table.add_row([
            approval.deployment.to_string(),
            version(approval),
            format!("{} of {}", approval.environment, approval.application),
            awaited(approval),
            format!("{} ago", duration(now.duration_since(approval.asked_at))),
            if left.is_positive() {
                format!("{} left", duration(left))
            } else {
                "over".to_owned()
            },
        ]);
    }
    table
}

fn version(approval: &Waiting) -> String {
    let version = harmless(&approval.version, 100);
    match &approval.prepared {
        Some(prepared) => format!("{version}\nchanges {}", prepared.short()),
        None => version,
    }
}

/// Whose answers are needed, duty by duty: who has accepted, who may still, and whom no mail reaches.
fn awaited(approval: &Waiting) -> String {
    let (accepted, awaited) = (&approval.accepted, &approval.awaited);
    let duty = |duty: &Duty| {
        let people: Vec<String> = duty
            .people
            .iter()
            .filter(|person| accepted.contains(person) || awaited.contains(person))
            .map(|person| {
                let note = if accepted.contains(person) {
                    " (accepted)"
                } else if approval.unconfirmed.contains(person) {
                    " (gets no mail yet)"
                } else {
                    ""
                };
                format!("{person}{note}")
            })
            .collect();
        let group = duty
            .group
            .as_ref()
            .map(|group| format!("{group}: "))
            .unwrap_or_default();
        format!("{} of {group}{}", duty.need, people.join(",\n"))
    };
    approval.duties.iter().map(duty).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
