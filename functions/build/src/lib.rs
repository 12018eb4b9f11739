//! **build** has CodeBuild build, test and synthesise a commit, once, however many deployments ask for it.

mod ask;
mod integrate;
mod wake;

use aws::artifacts::{ArtifactError, Artifacts};
use aws::builds::Builds;
use aws::tasks::Tasks;
use aws::{Aws, Ledger};
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::names::{Digest, TaskToken};
use domain::parking::Key;
use domain::smoke_test::Outputs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What build is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Input {
    /// Bring the release of the deployment's commit.
    Build {
        /// The deployment.
        deployment: Box<Deployment>,
        /// Answers for the state that waits.
        token: TaskToken,
    },
    /// Run the release's integration tests against the environment.
    Integrate {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release that is in the environment.
        release: Digest,
        /// The outputs of the environment's stacks.
        outputs: Outputs,
        /// Answers for the state that waits.
        token: TaskToken,
    },
    /// Look at a build: it ended, or nothing was heard of it for long.
    Wake(Wake),
}

/// What to look at.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Wake {
    /// A build, by its id or ARN, from CodeBuild's event.
    Build {
        /// The id or ARN.
        build: String,
    },
    /// Those who wait for a commit's build, from the sweep.
    Parked {
        /// Under which they are parked.
        key: Key,
    },
}

/// What build answers at once.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Output {
    /// The task was parked; its answer goes to its token.
    Parked,
    /// So many that waited were answered.
    Woken {
        /// How many.
        answered: usize,
    },
}

/// What build answers to a task that waits.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Built {
    /// The release is there.
    Built {
        /// Its digest.
        release: Digest,
    },
}

/// What build answers to a task that waits for integration tests.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Integrated {
    /// They passed, or there are none.
    Passed,
    /// They did not.
    Failed {
        /// Why, and where the log is.
        cause: String,
    },
}

/// Why build could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// The release cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// The failures build raises, itself or through a task's token.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::BuildFailed,
    Name::BuildStopped,
    Name::BuildTimedOut,
    Name::NoRelease,
    Name::ReleaseMissing,
    Name::ReleaseAltered,
    Name::UnsupportedAssembly,
    Name::NotStableBefore,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.failure(),
            Error::Artifact(error) => error.failure(),
        }
    }
}

/// What build works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    tasks: Tasks,
    builds: Builds,
    integration: Builds,
    artifacts: Artifacts,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            tasks: Tasks::new(aws.step_functions()),
            builds: Builds::new(aws.codebuild(), lambda::setting("LOCKGATE_BUILD_PROJECT")?),
            integration: Builds::new(aws.codebuild(), lambda::setting("LOCKGATE_INTEGRATION_PROJECT")?),
            artifacts: Artifacts::new(&aws, lambda::setting("LOCKGATE_ARTIFACTS")?),
        })
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    let now = Timestamp::now();
    match input {
        Input::Build { deployment, token } => ask::ask(context, &deployment, token, now).await,
        Input::Integrate {
            deployment,
            release,
            outputs,
            token,
        } => integrate::integrate(context, &deployment, &release, &outputs, token, now).await,
        Input::Wake(Wake::Build { build }) => wake::ended(context, &build, now).await,
        Input::Wake(Wake::Parked { key }) => wake::look(context, &key, now).await,
    }
}

#[cfg(test)]
mod tests;
