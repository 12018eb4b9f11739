//! `lockgate approve`, `lockgate reject`, `lockgate pending`: people answer without a mail, under their AWS identity.

use domain::approval::{Approval, ApprovalId, Outcome, When};
use domain::message::duration;
use domain::names::DeploymentId;
use jiff::Timestamp;
use serde::Deserialize;
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
    #[arg(long, default_value = "")]
    comment: String,
    #[command(flatten)]
    place: Place,
}

/// Rejects a release that waits for people. One rejection ends it.
#[derive(Debug, clap::Args)]
pub struct Reject {
    /// The deployment, as `lockgate pending` lists it.
    deployment: DeploymentId,
    /// Why: it goes to everybody who was asked, and is kept beside your name.
    #[arg(long)]
    comment: String,
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

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The pipeline does not take it.
    #[error("not recorded: {0}")]
    Refused(String),
    /// The pipeline could not be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// What the pipeline answers.
#[derive(Debug, Deserialize)]
struct Told {
    outcome: String,
    sentence: String,
    approval: Option<Approval>,
}

/// Accepts.
pub async fn approve(options: &Approve) -> Result<String, AnswerError> {
    answer(&options.place, &options.deployment, "accept", &options.comment).await
}

/// Rejects.
pub async fn reject(options: &Reject) -> Result<String, AnswerError> {
    answer(&options.place, &options.deployment, "reject", &options.comment).await
}

async fn answer(
    place: &Place,
    deployment: &DeploymentId,
    decision: &str,
    comment: &str,
) -> Result<String, AnswerError> {
    let api = Api::find(place).await?;
    let path = format!("/approvals/{}/ballots", ApprovalId::of(deployment, When::After));
    let body = json!({ "decision": decision, "comment": comment });
    let told = api.call::<Told>(&path, Some(&body)).await?;
    if told.outcome != "counted" {
        return Err(AnswerError::Refused(told.sentence));
    }
    let outcome = told.approval.and_then(|approval| approval.outcome);
    Ok(format!("Your answer counts. {}", follows(outcome.as_ref())))
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
        ) => "It is over.",
    }
}

/// Lists.
pub async fn pending(options: &Pending) -> Result<String, AnswerError> {
    let api = Api::find(&options.place).await?;
    let waiting = api.call::<Vec<Approval>>("/approvals", None).await?;
    Ok(options.output.print(&waiting, || listed(&waiting, Timestamp::now())))
}

fn listed(waiting: &[Approval], now: Timestamp) -> String {
    if waiting.is_empty() {
        return "Nothing waits for anybody.".to_owned();
    }
    let mut table = table::new(&["deployment", "version", "environment", "waits for", "since", "until"]);
    for approval in waiting {
        table.add_row([
            approval.deployment.to_string(),
            approval.version.clone(),
            format!("{} of {}", approval.environment, approval.application),
            missing(approval),
            format!("{} ago", duration(now.duration_since(approval.asked_at))),
            format!("{} left", duration(approval.deadline.duration_since(now))),
        ]);
    }
    table.to_string()
}

/// Whose answer is missing, duty by duty.
fn missing(approval: &Approval) -> String {
    let open = |duty: &domain::approval::Duty| {
        let people: Vec<String> = duty
            .people
            .iter()
            .filter(|person| approval.may_answer(person, approval.asked_at).is_ok())
            .map(ToString::to_string)
            .collect();
        format!("{} of {}", duty.need, people.join(", "))
    };
    approval.policy.duties.iter().map(open).collect::<Vec<_>>().join("\n")
}
