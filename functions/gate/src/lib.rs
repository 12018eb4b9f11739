//! **gate** opens and closes an environment: it admits a deployment or lets it wait, decides what follows from a failure,
//! closes, and puts right what a dead execution left behind.

mod admit;
mod assess;
mod close;
mod tidy;

use aws::executions::Executions;
use aws::functions::Functions;
use aws::tasks::Tasks;
use aws::{Aws, Ledger};
use domain::deployment::{Deployment, Leg};
use domain::failure::{Failure, Name, ReportedError};
use domain::life::End;
use domain::names::{Digest, TaskToken};
use domain::parking::Key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What gate is asked to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Input {
    /// Take the environment's lock, or wait for it.
    Admit {
        /// The deployment.
        deployment: Box<Deployment>,
        /// Answers for the state that waits.
        token: TaskToken,
    },
    /// Say whether a deployment that has the lock might still come in: people may have taken long to let it change something.
    CheckAdmission {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Decide what follows from a failure.
    Assess {
        /// The deployment.
        deployment: Box<Deployment>,
        /// Which way it was going.
        leg: Leg,
        /// What failed.
        failure: ReportedError,
    },
    /// Write how it ended and give the lock back.
    Close {
        /// The deployment.
        deployment: Box<Deployment>,
        /// What failed, if anything did.
        failure: ReportedError,
    },
    /// Keep the lock: a person has to look.
    CallOperator {
        /// The deployment.
        deployment: Box<Deployment>,
        /// What failed.
        failure: ReportedError,
    },
    /// Look at a deployment that waits for a lock.
    Wake {
        /// Under which it is parked.
        key: Key,
    },
    /// Put right what an execution left behind that is over.
    Tidy {
        /// The execution's ARN.
        execution: String,
    },
}

/// What gate answers.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Output {
    /// The task was parked; its answer goes to its token.
    Parked,
    /// Nothing keeps it out by now.
    StillAdmitted,
    /// End here; nobody has to do anything.
    GiveUp,
    /// Go back to this release.
    GoBack {
        /// The release.
        release: Digest,
    },
    /// A person has to look.
    CallOperator {
        /// At this.
        failure: ReportedError,
    },
    /// It ended with the release in the environment.
    Deployed,
    /// It ended without a change.
    NothingToDeploy,
    /// It ended red and clean.
    FailedClean,
    /// It ended red, and the lock is kept.
    OperatorNeeded,
    /// Nothing is left to be put right.
    Tidy,
    /// Something is still in flight; the sweep comes again.
    InFlight,
}

/// What gate answers to a task that waits for a lock.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Admission {
    /// The lock is there.
    Admitted {
        /// Under this fence.
        fence: u64,
        /// Which way it goes.
        leg: Leg,
        /// Why it goes back.
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<ReportedError>,
    },
    /// It only plans, and its commit was not built yet: whatever others wait for does not wait for that.
    NotBuilt,
    /// A newer deployment made it superfluous, or it has ended already.
    Superseded {
        /// The newer one; itself, where it has ended.
        by: domain::names::DeploymentId,
    },
}

/// Why gate could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// Our records contradict each other.
    #[error("{0}")]
    Contradiction(String),
    /// It has a name already.
    #[error("{0}")]
    Named(Failure),
}

/// The failures gate raises, itself or through a task's token.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::Quarantined,
    Name::Held,
    Name::Frozen,
    Name::TakenBackBefore,
    Name::NoWayBack,
    Name::QueueFull,
    Name::NotStableBefore,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.failure(),
            Error::Contradiction(sentence) => Self::new(Name::Unexpected, sentence),
            Error::Named(failure) => failure,
        }
    }
}

impl From<End> for Output {
    fn from(end: End) -> Self {
        match end {
            End::Deployed => Self::Deployed,
            End::NothingToDeploy => Self::NothingToDeploy,
            End::FailedClean => Self::FailedClean,
            End::OperatorNeeded => Self::OperatorNeeded,
        }
    }
}

/// What gate works with, made once when it starts.
#[derive(Debug)]
pub struct Context {
    ledger: Ledger,
    tasks: Tasks,
    executions: Executions,
    functions: Functions,
    /// The function that asks people, by ARN.
    approval: String,
}

impl Context {
    /// Reads the function's settings.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            tasks: Tasks::new(aws.step_functions()),
            executions: Executions::new(aws.step_functions(), lambda::setting("LOCKGATE_STATE_MACHINE")?),
            functions: Functions::new(aws.lambda()),
            approval: lambda::setting("LOCKGATE_WAKE_APPROVAL")?,
        })
    }
}

/// Does what is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    let now = Timestamp::now();
    match input {
        Input::Admit { deployment, token } => Box::pin(admit::admit(context, &deployment, token, now)).await,
        Input::CheckAdmission { deployment } => Box::pin(admit::check(context, &deployment, now)).await,
        Input::Wake { key } => Box::pin(admit::wake(context, &key, now)).await,
        Input::Assess {
            deployment,
            leg,
            failure,
        } => Box::pin(assess::assess(context, &deployment, leg, &failure, now)).await,
        Input::Close { deployment, failure } => Box::pin(close::close(context, &deployment, &failure, now)).await,
        Input::CallOperator { deployment, failure } => {
            Box::pin(close::call_operator(context, &deployment, &failure, now)).await
        }
        Input::Tidy { execution } => Box::pin(tidy::tidy(context, &execution, now)).await,
    }
}

#[cfg(test)]
mod tests;
