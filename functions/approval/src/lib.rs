//! **approval** asks people whether a release is to be accepted, shows them what they are asked, and takes their answer.
//!
//! A decision is one write to the approval's record, and everything after it (the ledger's entries, the waiting task)
//! can be done again by whoever finds it half done.

mod answer;
mod ask;
mod http;
mod keys;
mod look;
mod page;
mod routes;

use std::time::Duration;

use aws::artifacts::Artifacts;
use aws::executions::Executions;
use aws::notifications::{Approvers, Notifications};
use aws::parameters::Parameters;
use aws::tasks::Tasks;
use aws::{Aws, Ledger};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::names::{DeploymentId, TaskToken};
use domain::parking::Key;
use github::{Access, Credentials, GitHub, NoAccess, Patience};
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use http::{Request, Response};
use keys::KeyStore;

/// What approval is given: a task of ours, or a person's request.
#[derive(Debug)]
pub enum Input {
    /// From the state machine or the sweep.
    Task(Task),
    /// From a browser or the command, through API Gateway.
    Request(Box<Request>),
}

/// What approval is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Task {
    /// Ask the people whom the environment names.
    Ask {
        /// The deployment.
        deployment: Box<Deployment>,
        /// Answers for the state that waits.
        token: TaskToken,
    },
    /// Look at an approval that waits: a reminder, the deadline, a newer candidate, a mail that was not sent.
    Wake {
        /// Under which it is parked.
        key: Key,
    },
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.get("do").is_some() {
            serde_json::from_value(value).map(Self::Task).map_err(D::Error::custom)
        } else {
            serde_json::from_value(value)
                .map(Self::Request)
                .map_err(D::Error::custom)
        }
    }
}

/// What approval answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// To a task.
    Task(TaskOutput),
    /// To a person.
    Response(Response),
}

/// What approval answers to a task at once.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TaskOutput {
    /// The task was parked; its answer goes to its token.
    Parked,
    /// So many that waited were answered.
    Woken {
        /// How many.
        answered: usize,
    },
}

/// What approval answers to a task that waits.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Decision {
    /// Enough of the people asked accept it.
    Accepted,
    /// Somebody rejects it.
    Rejected {
        /// Who and why.
        cause: String,
    },
    /// Too few answered in time.
    Expired {
        /// Who did not.
        cause: String,
    },
    /// Too few are left who may accept it.
    Unreachable {
        /// Why.
        cause: String,
    },
    /// A newer candidate took its place.
    Superseded {
        /// The newer one.
        by: DeploymentId,
    },
}

/// Why approval could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// The release cannot be read.
    #[error(transparent)]
    Artifact(#[from] aws::artifacts::ArtifactError),
    /// GitHub refused, or was not there.
    #[error(transparent)]
    GitHub(#[from] github::Error),
    /// What is stored for asking GitHub cannot be used.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// With its name already.
    #[error("{0}")]
    Named(Failure),
}

/// The failures approval raises, itself or through a task's token.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::GitHubDenied,
    Name::TooMuchToRead,
    Name::ReleaseMissing,
    Name::ReleaseAltered,
    Name::UnsupportedAssembly,
    Name::InvalidChecklist,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.failure(),
            Error::Artifact(error) => error.failure(),
            Error::GitHub(error) => error.failure(),
            Error::NoAccess(error) => Failure::new(Name::GitHubDenied, error.to_string()),
            Error::Named(failure) => failure,
        }
    }
}

/// How long GitHub has for everything that it is asked about one release.
const GITHUB_WITHIN: Duration = Duration::from_secs(20);

/// How long a state that asks may take, of the function's 30 seconds, before the rest is left to the next look: what was
/// not found out, and mails for which there was no time.
const ASKS_WITHIN: Duration = Duration::from_secs(25);

/// What approval works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    tasks: Tasks,
    executions: Executions,
    artifacts: Artifacts,
    approvers: Approvers,
    operators: Notifications,
    parameters: Parameters,
    keys: KeyStore,
    github: Access,
    github_api: String,
    /// Where the pages are, without a slash at the end.
    pages: String,
    asks_within: Duration,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        let parameters = Parameters::new(aws.ssm());
        let github_api = lambda::setting("LOCKGATE_GITHUB_API")?;
        let patience = Patience {
            call: Duration::from_secs(10),
            question: GITHUB_WITHIN,
            ..Patience::default()
        };
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            tasks: Tasks::new(aws.step_functions()),
            executions: Executions::new(aws.step_functions(), lambda::setting("LOCKGATE_STATE_MACHINE")?),
            artifacts: Artifacts::new(&aws, lambda::setting("LOCKGATE_ARTIFACTS")?),
            approvers: Approvers::new(aws.sns(), lambda::setting("LOCKGATE_APPROVERS_TOPIC")?),
            operators: Notifications::new(aws.sns(), lambda::setting("LOCKGATE_TOPIC")?),
            keys: KeyStore::new(parameters.clone(), lambda::setting("LOCKGATE_APPROVAL_KEYS")?),
            parameters,
            github: Access::new(
                GitHub::new(&github_api, Credentials::None)?.patient(patience),
                &lambda::setting("LOCKGATE_GITHUB")?,
            ),
            github_api,
            pages: lambda::setting("LOCKGATE_PAGES")?.trim_end_matches('/').to_owned(),
            asks_within: ASKS_WITHIN,
        })
    }

    /// GitHub, as whoever operators stored, where they did.
    async fn github(&self) -> Result<GitHub, Error> {
        let stored = self.parameters.values(&self.github.names()).await?;
        Ok(self.github.by(stored)?.within(GITHUB_WITHIN))
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    handle_at(context, input, Timestamp::now()).await
}

async fn handle_at(context: &Context, input: Input, now: Timestamp) -> Result<Output, Error> {
    match input {
        Input::Task(Task::Ask { deployment, token }) => {
            ask::ask(context, &deployment, token, now).await.map(Output::Task)
        }
        Input::Task(Task::Wake { key }) => look::wake(context, &key, now).await.map(Output::Task),
        Input::Request(request) => Ok(Output::Response(routes::respond(context, &request, now).await)),
    }
}

#[cfg(test)]
mod tests;
