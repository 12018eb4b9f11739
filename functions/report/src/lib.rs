//! **report** tells people and GitHub how a deployment goes. Telling is never on the critical path: the state machine goes on
//! whatever happens here, and what could not be told is told by the sweep.
//!
//! People get mail at the start and at the end, when the state machine says so. GitHub is told whatever the ledger records,
//! as the ledger's stream brings it: see [`github`].

mod github;
mod mail;

use std::collections::BTreeSet;

use ::github::{Access, Credentials, GitHub, NoAccess};
use aws::notifications::Notifications;
use aws::parameters::Parameters;
use aws::{Aws, Ledger};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::names::DeploymentId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What report is given.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// The state machine, or the sweep, wants something told.
    Asked(Asked),
    /// The ledger has grown.
    Appended(Appended),
}

/// What report is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Asked {
    /// Tell people that a deployment has begun.
    Started {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Tell people how a deployment ended.
    Ended {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Tell people how a deployment ended that nobody told of in time.
    Owed {
        /// The deployment's id.
        id: DeploymentId,
    },
    /// Tell GitHub what it was not told in time.
    #[serde(rename = "github")]
    GitHub {
        /// The deployment's id.
        id: DeploymentId,
    },
}

/// Records of the ledger's stream, of which only the keys are looked at: what there is to tell is read from the ledger itself
/// (Amazon DynamoDB developer guide, "DynamoDB Streams and AWS Lambda triggers").
#[derive(Debug, Deserialize)]
pub struct Appended {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(rename = "Keys")]
    keys: Keys,
}

#[derive(Debug, Deserialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Appended {
    /// The deployments to which something happened.
    fn deployments(&self) -> BTreeSet<DeploymentId> {
        let keys = self.records.iter().map(|record| &record.dynamodb.keys);
        keys.filter(|keys| keys.sk.text.starts_with("entry#"))
            .filter_map(|keys| keys.pk.text.strip_prefix("deployment#")?.parse().ok())
            .collect()
    }
}

/// What report answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Output {
    /// It was told.
    Told,
    /// There is nothing to tell, or it was told.
    NothingToTell,
}

/// Why report could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// What is stored for asking GitHub cannot be used.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
}

/// The failures report raises; the state machine goes on whichever it is.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::GitHubDenied,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.failure(),
            Error::NoAccess(error) => Self::new(Name::GitHubDenied, error.to_string()),
        }
    }
}

/// What report works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    notifications: Notifications,
    parameters: Parameters,
    github: Access,
    region: String,
    machine: String,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        let github = GitHub::new(&lambda::setting("LOCKGATE_GITHUB_API")?, Credentials::None)?;
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            notifications: Notifications::new(aws.sns(), lambda::setting("LOCKGATE_TOPIC")?),
            parameters: Parameters::new(aws.ssm()),
            github: Access::new(github.patient(github::PATIENCE), &lambda::setting("LOCKGATE_GITHUB")?),
            region: aws.config().region().map(ToString::to_string).unwrap_or_default(),
            machine: lambda::setting("LOCKGATE_STATE_MACHINE")?,
        })
    }

    /// Where a person sees the execution in the Step Functions console.
    fn console(&self, deployment: &DeploymentId) -> String {
        domain::addresses::execution(&self.machine, &self.region, deployment)
    }

    /// GitHub, as whoever operators stored; nothing, where they stored nobody: what nobody may write is not owed.
    async fn github(&self) -> Result<Option<GitHub>, Error> {
        let github = self.github.by(self.parameters.values(&self.github.names()).await?)?;
        Ok((!matches!(github.credentials(), Credentials::None)).then_some(github))
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    match input {
        Input::Asked(Asked::Started { deployment }) => mail::started(context, &deployment).await,
        Input::Asked(Asked::Ended { deployment }) => {
            let told = mail::ended(context, &deployment).await;
            // The stream has brought it long since; where it did not, the sweep finds this.
            github::notice(context, [&deployment.id], Timestamp::now()).await?;
            told
        }
        Input::Asked(Asked::Owed { id }) => mail::owed(context, &id).await,
        Input::Asked(Asked::GitHub { id }) => github::tell(context, &[id].into()).await,
        Input::Appended(appended) => github::tell(context, &appended.deployments()).await,
    }
}

#[cfg(test)]
mod tests;
