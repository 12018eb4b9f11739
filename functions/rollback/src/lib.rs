//! **rollback** watches the alarms of what was deployed. While a release bakes, an alarm ends its bake, and the same
//! execution goes back; afterwards an alarm starts an execution that takes the environment back. People can ask for that too.

mod bake;
mod go_back;
mod look;

use aws::alarms::Alarms;
use aws::artifacts::{ArtifactError, Artifacts};
use aws::clients::observer_role;
use aws::executions::Executions;
use aws::notifications::Notifications;
use aws::parameters::Parameters;
use aws::tasks::Tasks;
use aws::{Aws, Ledger};
use domain::bake::Guard;
use domain::deployment::Deployment;
use domain::failure::{Failure, Name};
use domain::names::{AccountId, DeploymentId, Digest, Region, TaskToken};
use domain::parking::Key;
use domain::way_back::Ask;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What rollback is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Input {
    /// Say whether the alarms that are to watch a release let it begin.
    Check {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Watch a release until it is known to be good, or not.
    Bake {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release.
        release: Digest,
        /// Answers for the state that waits.
        token: TaskToken,
    },
    /// An alarm went off: look at whatever it may watch.
    Alarm {
        /// In this account.
        account: AccountId,
        /// In this region.
        region: Region,
        /// The alarm's name, for the log.
        alarm: String,
    },
    /// Look at what is watched, as if an alarm had gone off.
    Wake {
        /// Under which it is watched.
        key: Key,
    },
    /// Start a deployment that takes an environment back.
    GoBack(Box<GoBack>),
}

/// What somebody asks who wants an environment taken back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GoBack {
    /// The name of the execution that asks: whoever asks twice in one execution asks once.
    pub execution: String,
    /// What was asked.
    pub ask: Ask,
}

/// What rollback answers.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Output {
    /// No alarm stands in its way.
    Clear {
        /// Those by which CloudFormation itself turns back while it changes a stack.
        guards: Vec<Guard>,
    },
    /// The task was parked; its answer goes to its token.
    Parked,
    /// What is watched was looked at.
    Looked {
        /// How much that was.
        watched: usize,
    },
    /// A deployment takes the environment back.
    Started {
        /// Its id, which is the name of its execution too.
        deployment: DeploymentId,
    },
}

/// What rollback answers to a task that waits for a bake.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Baked {
    /// The release is good.
    Passed,
    /// An alarm went off.
    AlarmRaised {
        /// Which, when and why.
        cause: String,
    },
    /// A person has it taken back.
    TakenBack {
        /// Who and why.
        cause: String,
    },
}

/// Why rollback could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// Something of the release cannot be had.
    #[error(transparent)]
    Release(#[from] ArtifactError),
    /// It has a name already.
    #[error("{0}")]
    Named(Failure),
}

/// The failures rollback raises, itself or through a task's token.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::AlarmAlreadyRaised,
    Name::AlarmMissing,
    Name::NoWayBack,
    Name::ReleaseMissing,
    Name::ReleaseAltered,
    Name::UnsupportedAssembly,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl Error {
    fn new(name: Name, cause: impl AsRef<str>) -> Self {
        Self::Named(Failure::new(name, cause))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.failure(),
            Error::Release(error) => Self::new(error.name(), error.to_string()),
            Error::Named(failure) => failure,
        }
    }
}

/// What rollback works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    aws: Aws,
    ledger: Ledger,
    artifacts: Artifacts,
    tasks: Tasks,
    executions: Executions,
    notifications: Notifications,
    parameters: Parameters,
    external_id: String,
    /// Below which the applications' parameters are.
    applications: String,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            artifacts: Artifacts::new(&aws, lambda::setting("LOCKGATE_ARTIFACTS")?),
            tasks: Tasks::new(aws.step_functions()),
            executions: Executions::new(aws.step_functions(), lambda::setting("LOCKGATE_STATE_MACHINE")?),
            notifications: Notifications::new(aws.sns(), lambda::setting("LOCKGATE_TOPIC")?),
            parameters: Parameters::new(aws.ssm()),
            external_id: lambda::setting("LOCKGATE_EXTERNAL_ID")?,
            applications: lambda::setting("LOCKGATE_APPLICATIONS")?,
            aws,
        })
    }

    /// The alarms of an account and region, seen by the observer's role.
    fn alarms(&self, deployment: &DeploymentId, account: &AccountId, region: &Region) -> Alarms {
        let role = observer_role(account, region);
        Alarms::new(&self.aws.acting_as(&role, deployment, region, Some(&self.external_id)))
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    let now = Timestamp::now();
    match input {
        Input::Check { deployment } => look::check(context, &deployment, now).await,
        Input::Bake {
            deployment,
            release,
            token,
        } => Box::pin(bake::bake(context, &deployment, release, token, now)).await,
        Input::Alarm { account, region, alarm } => {
            tracing::info!(account = %account, region = %region, alarm, "an alarm went off");
            Box::pin(look::look(context, &account, &region, true, now)).await
        }
        Input::Wake { key } => match key.account_and_region() {
            Some((account, region)) => Box::pin(look::look(context, &account, &region, false, now)).await,
            None => Err(Error::new(
                Name::InvalidInput,
                format!("{} is no key of alarms", key.as_str()),
            )),
        },
        Input::GoBack(ask) => Box::pin(go_back::go_back(context, &ask, now)).await,
    }
}

#[cfg(test)]
mod tests;
