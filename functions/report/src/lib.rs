//! **report** tells people how a deployment goes. Telling is never on the critical path: the state machine goes on whatever
//! happens here, and what could not be told is told by the sweep.

use aws::notifications::Notifications;
use aws::{Aws, Ledger};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::life::Event;
use domain::message;
use domain::names::DeploymentId;
use serde::{Deserialize, Serialize};

/// What report is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Input {
    /// Tell that a deployment has begun.
    Started {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Tell how a deployment ended.
    Ended {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Tell how a deployment ended that nobody told of in time.
    Owed {
        /// The deployment's id.
        id: DeploymentId,
    },
}

/// What report answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Output {
    /// People were told.
    Told,
    /// There is no end to tell of, or it was told.
    NothingToTell,
}

/// Why report could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
}

/// The failures report raises; the state machine goes on whichever it is.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::Aws(error) = error;
        error.failure()
    }
}

/// What report works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    notifications: Notifications,
    region: String,
    machine: String,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            notifications: Notifications::new(aws.sns(), lambda::setting("LOCKGATE_TOPIC")?),
            region: aws.config().region().map(ToString::to_string).unwrap_or_default(),
            machine: lambda::setting("LOCKGATE_STATE_MACHINE")?,
        })
    }

    /// Where a person sees the execution in the Step Functions console.
    fn console(&self, deployment: &DeploymentId) -> String {
        let execution = self.machine.replacen(":stateMachine:", ":execution:", 1);
        format!(
            "https://{0}.console.aws.amazon.com/states/home?region={0}#/v2/executions/details/{execution}:{deployment}",
            self.region
        )
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    match input {
        // Whoever wanted to know what would be changed is told so by the command.
        Input::Started { deployment } if deployment.plans => Ok(Output::NothingToTell),
        Input::Started { deployment } => {
            let message = message::started(&deployment, &context.console(&deployment.id));
            context.notifications.tell(&message.subject, &message.body).await?;
            Ok(Output::Told)
        }
        // One that was asked for again long after it had ended was told of then.
        Input::Ended { deployment } if !context.ledger.is_report_owed(&deployment.id).await? => {
            Ok(Output::NothingToTell)
        }
        Input::Ended { deployment } => ended(context, &deployment.id).await,
        Input::Owed { id } => ended(context, &id).await,
    }
}

/// Tells the end that the ledger knows, and that alone.
async fn ended(context: &Context, id: &DeploymentId) -> Result<Output, Error> {
    let entries = context.ledger.entries(id).await?;
    let requested = entries.iter().find_map(|entry| match &entry.what {
        Event::Requested { deployment } => Some(deployment),
        _ => None,
    });
    let ending = entries.iter().rev().find_map(|entry| match &entry.what {
        Event::Ended(ending) => Some(ending),
        _ => None,
    });
    let (Some(deployment), Some(ending)) = (requested, ending) else {
        return Ok(Output::NothingToTell);
    };
    let message = message::ended(deployment, ending, &entries, &context.console(id));
    context.notifications.tell(&message.subject, &message.body).await?;
    context.ledger.report_given(id).await?;
    Ok(Output::Told)
}

#[cfg(test)]
mod tests;
