//! The webhook function: verifies a GitHub delivery and starts what it asks for.
//!
//! The order is what makes it safe. The signature is verified over the raw bytes before anything is parsed. A delivery
//! is claimed in the ledger, with what was decided, before anything is started, so that a redelivery or the sweep can
//! finish what failed half-way. Executions are named by what is asked for, so that starting one twice starts it once.
//! What a tag or a branch stands for, and who may write, is asked before the claim, so that a delivery for which GitHub does
//! not answer, or does not know the tag yet, can come again; what a tag stands for is pinned, so that all the release's
//! deliveries mean one commit.

pub mod applications;
mod http;
pub mod questions;
pub mod secrets;

use std::time::Duration;

use aws::Ledger;
use aws::deliveries::Claim;
use aws::executions::Executions;
use domain::deployment::Deployment;
use domain::failure::Name;
use domain::harmless::harmless;
use domain::intake::{Decision, Delivery, DeliveryId, Event, LeftToDo, Reason, asks};
use domain::signature::Which;
use github::NoAccess;
use jiff::Timestamp;

pub use http::{Answer, Input, Output};

use applications::Applications;
use questions::Questions;
use secrets::{Refused, SecretStore};

/// The longest body that is taken. Lambda takes 6 MB with everything that API Gateway puts around it, and writes a body
/// into JSON again, which makes it longer. What is longer still never gets here (docs/decisions, 37).
pub const BODY_LIMIT: usize = 5 * 1024 * 1024;

/// GitHub gives up after ten seconds. What was claimed by then is finished by the sweep.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// What the function works with.
#[derive(Debug)]
pub struct Webhook {
    /// The webhook secrets.
    pub secrets: SecretStore,
    /// The applications.
    pub applications: Applications,
    /// What GitHub is asked.
    pub questions: Questions,
    /// The ledger.
    pub ledger: Ledger,
    /// The state machine's executions.
    pub executions: Executions,
}

/// Why a delivery was not carried out. All of it may be over when it comes again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// GitHub did not say what it was asked.
    #[error(transparent)]
    GitHub(#[from] github::Error),
    /// What is stored for asking GitHub cannot be used.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// GitHub told of a release and knows no such tag, or does not know it yet.
    #[error("GitHub does not know the tag {tag} of a release that it told of; redeliver it when GitHub shows the tag")]
    TagMissing {
        /// The tag, made harmless.
        tag: String,
    },
}

impl Error {
    /// The failure's name.
    pub fn name(&self) -> Name {
        match self {
            Self::Aws(error) => error.name(),
            Self::GitHub(error) => error.name(),
            Self::NoAccess(_) => Name::GitHubDenied,
            Self::TagMissing { .. } => Name::GitHubUnavailable,
        }
    }
}

/// Answers one delivery. Whatever happens has an answer: the function itself never fails.
pub async fn handle(webhook: &Webhook, input: Input, now: Timestamp) -> Output {
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer(webhook, &input, now)).await;
    answer
        .unwrap_or_else(|_| {
            // As it says itself: it may not have come to its signature.
            let id = harmless(&input.header("x-github-delivery").unwrap_or_default(), 80);
            tracing::error!(
                delivery.id = id,
                "AWS or GitHub took too long; the delivery has to come again"
            );
            Answer::Unavailable
        })
        .into()
}

async fn answer(webhook: &Webhook, input: &Input, now: Timestamp) -> Answer {
    if input.size() > BODY_LIMIT {
        tracing::warn!(body.bytes = input.size(), "a delivery is longer than Lambda takes");
        return Answer::TooLarge;
    }
    let Ok(body) = input.bytes() else {
        tracing::warn!("a body that was said to be base64 is not");
        return Answer::Unauthorised;
    };
    let signature = input.header("x-hub-signature-256");
    match webhook.secrets.verify(signature.as_deref(), &body, now).await {
        Ok(Which::Current) => {}
        // The metric filter in infra's WebhookIntake counts this field. Its name has no dot, because in a filter pattern a
        // dot leads into an object.
        Ok(Which::Previous) => tracing::warn!(signed_with = "previous", "GitHub signs with the previous secret"),
        Err(Refused::BadSignature) => {
            tracing::warn!("a signature is missing or wrong");
            return Answer::Unauthorised;
        }
        Err(Refused::NoSecret) => return Answer::Unavailable,
    }
    let delivery = match signed_delivery(input, &body) {
        Ok(delivery) => delivery,
        Err(why) => {
            tracing::warn!(why, "a delivery is malformed");
            return Answer::Malformed { why };
        }
    };
    if delivery.event == Event::Ping {
        tracing::info!(delivery.id = %delivery.id, "pong");
        return Answer::Pong;
    }
    match carry_out(webhook, &delivery, now).await {
        Ok(answer) => {
            let outcome = serde_json::to_string(&answer).unwrap_or_default();
            tracing::info!(delivery.id = %delivery.id, delivery.event = %delivery.kind, outcome, "answered");
            answer
        }
        Err(error) => {
            tracing::error!(
                delivery.id = %delivery.id,
                delivery.event = %delivery.kind,
                error.name = %error.name(),
                error.cause = %error,
                "the delivery has to come again",
            );
            Answer::Unavailable
        }
    }
}

/// A delivery that GitHub signed, read.
struct SignedDelivery {
    id: DeliveryId,
    /// GitHub's name for the kind of event.
    kind: String,
    event: Event,
}

fn signed_delivery(input: &Input, body: &[u8]) -> Result<SignedDelivery, String> {
    let content_type = input.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err("the content type has to be application/json; choose it in the webhook's settings".to_owned());
    }
    let kind = input.header("x-github-event").ok_or("X-GitHub-Event is missing")?;
    let id = input
        .header("x-github-delivery")
        .ok_or("X-GitHub-Delivery is missing")?;
    let id = id.parse::<DeliveryId>().map_err(|error| error.to_string())?;
    let event = Event::read(&kind, body).map_err(|error| error.to_string())?;
    Ok(SignedDelivery {
        id,
        kind: harmless(&kind, 80),
        event,
    })
}

/// Decides, claims, starts.
async fn carry_out(webhook: &Webhook, delivery: &SignedDelivery, now: Timestamp) -> Result<Answer, Error> {
    let application = match delivery.event.needs_configuration_of() {
        Ok(repository) => webhook.applications.find(repository, now).await?,
        Err(_) => None,
    };
    let found = webhook
        .questions
        .find(&webhook.ledger, &delivery.event, application.as_deref(), now)
        .await?;
    let decision = asks(&delivery.event, application.as_deref(), &delivery.id, &found, now);
    let decision = match (&delivery.event, decision) {
        (Event::Push(push), Decision::Ask(_))
            if webhook
                .ledger
                .watched_branch(&push.repository)
                .await?
                .was_recovered(push) =>
        {
            Decision::Ignored(Reason::Recovered)
        }
        (_, decision) => decision,
    };
    let record = Delivery::new(delivery.id.clone(), &delivery.kind, decision, now);
    let before = match webhook.ledger.claim_delivery(&record).await? {
        Claim::New => None,
        Claim::Before(record) => Some(record),
    };
    match record.left_to_do(before) {
        LeftToDo::Start(deployments) => start(webhook, &delivery.id, &deployments).await,
        LeftToDo::SayWhyNot(reason) => {
            if let (Event::ByHand(asked), Some(_)) = (&delivery.event, application) {
                webhook.questions.refuse(asked, reason).await;
            }
            Ok(Answer::Ignored {
                reason,
                sentence: reason.sentence(),
            })
        }
        LeftToDo::Nothing => Ok(Answer::AlreadyKnown),
    }
}

/// Starts every deployment of a claimed delivery, and records that.
async fn start(webhook: &Webhook, delivery: &DeliveryId, deployments: &[Deployment]) -> Result<Answer, Error> {
    webhook.ledger.note_pushes(deployments).await?;
    for deployment in deployments {
        let started = webhook.executions.start(deployment).await?;
        tracing::info!(
            delivery.id = %delivery,
            deployment.id = %deployment.id,
            environment.name = %deployment.environment.name,
            commit = %deployment.commit,
            started = ?started,
            "asked for a deployment",
        );
    }
    if let Err(error) = webhook.ledger.finish_delivery(delivery).await {
        // Everything runs; the sweep puts the record right by starting what is started already.
        tracing::error!(delivery.id = %delivery, error.cause = %error, "a delivery's record stays half-way");
    }
    Ok(Answer::Accepted {
        deployments: deployments.iter().map(|deployment| deployment.id.clone()).collect(),
    })
}

#[cfg(test)]
mod tests;
