//! **deploy**: brings the stacks of a release into an environment.
//!
//! It plans the waves of stacks, copies what they need, and for each stack has a change set made, executed, and finds
//! out how that ended. Nothing here waits for CloudFormation: a task parks, and events or the sweep wake it.

pub mod clean_up;
pub mod confirm;
pub mod create_change_set;
pub mod execute_change_set;
pub mod plan;
pub mod prepared;
pub mod publish;
pub mod release;
pub mod review_preparation;
pub mod review_wave;
pub mod wake;

use std::time::Duration;

use aws::artifacts::{ArtifactError, Artifacts};
use aws::clients::{deploy_role, execution_role};
use aws::stacks::Stacks;
use aws::tasks::{Delivered, Tasks};
use aws::{Aws, Error as AwsError, Kind, Ledger};
use domain::assembly;
use domain::bake::Guard;
use domain::change_set::Prepared;
use domain::deployment::{Deployment, Leg};
use domain::environment_state::{Fence, Refusal};
use domain::failure::{Class, Failure, Name};
use domain::life::Event;
use domain::names::{DeploymentId, Digest, StackName, TaskToken};
use domain::parking::{Key, Parked, StackChange};
use domain::waves::Cycle;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::plan::Wave;
use self::review_wave::StackResult;

/// What this function is asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Say which stacks are deployed in which order.
    Plan {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release.
        release: Digest,
        /// Which way.
        leg: Leg,
    },
    /// Copy what the stacks need to where CloudFormation finds it.
    Publish {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release.
        release: Digest,
        /// Which way.
        leg: Leg,
    },
    /// Compare a stack with the release.
    CreateChangeSet {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release.
        release: Digest,
        /// Which way.
        leg: Leg,
        /// The fence under which the environment's lock is held.
        fence: Fence,
        /// The stack.
        stack: StackName,
        /// The alarms by which CloudFormation turns back while it changes the stack; none on the way back, where they may
        /// be what it goes back for.
        #[serde(default)]
        guards: Vec<Guard>,
        /// Whether people are to decide on the change set, or to look at it only, before it is executed.
        #[serde(default)]
        prepares: bool,
        /// Answers for the task.
        token: TaskToken,
    },
    /// Say how it went to make the change sets that people are to decide on, or to look at.
    ReviewPreparation {
        /// The deployment.
        deployment: Box<Deployment>,
        /// How it went for each stack.
        results: Vec<review_preparation::StackResult>,
    },
    /// Say whether what people approved is still what would be executed.
    Confirm {
        /// The deployment.
        deployment: Box<Deployment>,
    },
    /// Change a stack.
    ExecuteChangeSet {
        /// The deployment.
        deployment: Box<Deployment>,
        /// The release.
        release: Digest,
        /// Which way.
        leg: Leg,
        /// The fence under which the environment's lock is held.
        fence: Fence,
        /// The stack.
        stack: StackName,
        /// The change set's ARN.
        change_set: String,
        /// Whether it makes the stack.
        creates: bool,
        /// Answers for the task.
        token: TaskToken,
    },
    /// Say how a wave went, all of whose stacks have ended.
    ReviewWave {
        /// The deployment.
        deployment: Box<Deployment>,
        /// Which way.
        leg: Leg,
        /// How each stack ended.
        results: Vec<StackResult>,
    },
    /// Find out what has become of what is parked.
    Wake {
        /// The ARN of the stack that an event tells of.
        #[serde(default)]
        stack: Option<String>,
        /// The key that the sweep found overdue.
        #[serde(default)]
        key: Option<Key>,
    },
}

/// What this function answers.
#[derive(Debug, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Output {
    /// These stacks, in this order.
    Planned {
        /// One wave after the other.
        waves: Vec<Wave>,
        /// The stacks whose change sets are made before anything is executed.
        prepares: Vec<StackName>,
    },
    /// Everything is where CloudFormation finds it.
    Published {
        /// How many files were copied.
        copied: usize,
        /// How many were there.
        present: usize,
    },
    /// The same, and change sets are to be made before anything is executed.
    ToPrepare {
        /// How many files were copied.
        copied: usize,
        /// How many were there.
        present: usize,
    },
    /// The task waits, or was answered meanwhile: see [`Answer`].
    Parked,
    /// The change sets are there, for people to decide on.
    Prepared,
    /// The change sets are there, and that is all that was wanted.
    OnlyPlanned,
    /// What people approved is what would be executed.
    Confirmed,
    /// It is not: people have to be asked anew.
    Void,
    /// Every stack of the wave is as the release wants it.
    Settled {
        /// How many were changed.
        updated: usize,
        /// How many had no changes.
        unchanged: usize,
    },
    /// What was parked was looked at.
    Woken {
        /// How many tasks waited under the key.
        waiting: usize,
    },
}

/// What a parked task is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, strum::VariantNames)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Answer {
    /// There is something to change.
    Changes {
        /// The stack.
        stack: StackName,
        /// The change set's ARN.
        change_set: String,
        /// Whether it makes the stack.
        creates: bool,
    },
    /// The stack is as the release wants it.
    NoChanges {
        /// The stack.
        stack: StackName,
    },
    /// The stack was compared, for people to decide on it.
    Prepared(Prepared),
    /// The stack was changed.
    Updated {
        /// The stack.
        stack: StackName,
    },
}

/// What stops this function, or fails a task that it answers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// AWS refused a call.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// Something of the release cannot be had.
    #[error(transparent)]
    Release(#[from] ArtifactError),
    /// The release cannot be deployed here.
    #[error(transparent)]
    Assembly(#[from] assembly::Refusal),
    /// Its stacks wait for one another.
    #[error(transparent)]
    Cycle(#[from] Cycle),
    /// The environment's lock does not allow it.
    #[error("{0}")]
    Lock(#[from] Refusal),
    /// Anything else, by its name.
    #[error("{0}")]
    Failed(Failure),
}

/// The names under which the deploy states of the state machine catch what this function raises.
pub const RAISES: &[Name] = &[
    Name::Throttled,
    Name::Unavailable,
    Name::AccessDenied,
    Name::ReleaseMissing,
    Name::ReleaseAltered,
    Name::UnsupportedAssembly,
    Name::MissingContext,
    Name::NoStacks,
    Name::BootstrapMissing,
    Name::ChangeSetRefused,
    Name::StackBlocked,
    Name::StackBusy,
    Name::LostLock,
    Name::ApprovalVoid,
    Name::TakenBackBefore,
    Name::Quarantined,
    Name::StackRolledBack,
    Name::RollbackFailed,
    Name::StackUnknown,
    Name::TimedOut,
    Name::InvalidInput,
    Name::Panicked,
    Name::Unexpected,
];

impl Error {
    /// A failure of this name.
    pub fn new(name: Name, cause: impl AsRef<str>) -> Self {
        Self::Failed(Failure::new(name, cause))
    }

    /// The failure's name.
    pub fn name(&self) -> Name {
        match self {
            Self::Aws(error) => error.name(),
            Self::Release(error) => error.name(),
            Self::Assembly(refusal) => refusal.name(),
            Self::Cycle(_) => Name::UnsupportedAssembly,
            Self::Lock(Refusal::Quarantined(_)) => Name::Quarantined,
            Self::Lock(_) => Name::LostLock,
            Self::Failed(failure) => failure.name,
        }
    }

    /// Whether nothing happened and the same call is safe.
    pub fn is_transient(&self) -> bool {
        self.name().class() == Class::Transient
    }

    /// The same failure, its cause beginning with the stack that it is about: a wave has many.
    fn of(self, stack: &StackName) -> Self {
        let Failure { name, cause } = self.into();
        if cause.starts_with(&format!("{stack}: ")) {
            return Self::new(name, cause);
        }
        Self::new(name, format!("{stack}: {cause}"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Failed(failure) => failure,
            error => Self::new(error.name(), error.to_string()),
        }
    }
}

/// How long to wait between looks, each entry one more look.
#[derive(Debug, Clone)]
pub struct Pace {
    /// At a change set in the making: CloudFormation sends no event when it is ready, and most are within a minute.
    pub change_set: Vec<Duration>,
    /// At a stack whose event came before what the other calls say: they are eventually consistent.
    pub settled: Vec<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        let millis = |all: &[u64]| all.iter().copied().map(Duration::from_millis).collect();
        Self {
            change_set: millis(&[200, 500, 1000, 2000, 3000, 5000, 7000, 8000, 9000, 9000]),
            settled: millis(&[1000, 3000]),
        }
    }
}

/// What this function works with, made once.
pub struct Context {
    /// The way into AWS, with the function's own role.
    pub aws: Aws,
    /// Where everything is recorded.
    pub ledger: Ledger,
    /// Where releases are.
    pub artifacts: Artifacts,
    /// The tasks that wait.
    pub tasks: Tasks,
    /// What the publisher's role wants to be told.
    pub external_id: String,
    /// How often to look.
    pub pace: Pace,
}

impl Context {
    /// From the function's environment.
    pub fn from_environment() -> Result<Self, lambda::StartError> {
        let aws = Aws::in_lambda();
        Ok(Self {
            ledger: Ledger::new(aws.dynamodb(), lambda::setting("LOCKGATE_LEDGER")?),
            artifacts: Artifacts::new(&aws, lambda::setting("LOCKGATE_ARTIFACTS")?),
            tasks: Tasks::new(aws.step_functions()),
            external_id: lambda::setting("LOCKGATE_EXTERNAL_ID")?,
            pace: Pace::default(),
            aws,
        })
    }

    /// The environment's account, acting as the CDK bootstrap's deploy role.
    ///
    /// Account, region and bootstrap are the environment's own: what an assembly says of roles is a commit's wish.
    pub(crate) fn target(&self, deployment: &DeploymentId, change: &StackChange) -> Target {
        let role = deploy_role(&change.account, &change.region, &change.qualifier);
        let aws = self.aws.acting_as(&role, deployment, &change.region, None);
        Target {
            stacks: Stacks::new(&aws, &change.region),
            execution_role: execution_role(&change.account, &change.region, &change.qualifier),
            aws,
        }
    }

    /// Records what happened, unless the deployment is over: what a late wake finds then changes no record.
    pub(crate) async fn record_if_alive(&self, deployment: &DeploymentId, what: Event) -> Result<(), Error> {
        match self.ledger.record(deployment, what, Timestamp::now()).await {
            Err(error) if error.is(Kind::Conflict) => {
                tracing::warn!(cause = %error, "not recorded, the deployment is over");
                Ok(())
            }
            recorded => Ok(recorded.map(drop)?),
        }
    }

    /// Answers a task, and takes it away.
    pub(crate) async fn answer(&self, parked: &Parked, answer: Result<Answer, Failure>) -> Result<Delivered, Error> {
        let delivered = self.tell(parked, &answer).await?;
        self.ledger.unpark(parked).await?;
        Ok(delivered)
    }

    /// Answers a task.
    pub(crate) async fn tell(&self, parked: &Parked, answer: &Result<Answer, Failure>) -> Result<Delivered, Error> {
        let delivered = match answer {
            Ok(answer) => self.tasks.succeed(&parked.token, answer).await?,
            Err(failure) => self.tasks.fail(&parked.token, failure).await?,
        };
        tracing::info!(?delivered, ?answer, "answered");
        Ok(delivered)
    }

    /// Puts off the sweep's next look.
    pub(crate) async fn look_again(&self, parked: &Parked) -> Result<(), Error> {
        Ok(self.ledger.wait_on(parked, Timestamp::now()).await?)
    }

    /// Clears an operation of ours from the lock, after its end was seen.
    pub(crate) async fn finish(
        &self,
        deployment: &DeploymentId,
        change: &StackChange,
        operations: &[&str],
    ) -> Result<(), Error> {
        let finish = |state: &mut domain::environment_state::EnvironmentState| {
            for operation in operations {
                state.finish(deployment, &change.stack, operation);
            }
        };
        let (application, environment) = (&change.application, &change.environment);
        Ok(self.ledger.change_environment(application, environment, finish).await?)
    }
}

/// An environment's account.
pub(crate) struct Target {
    pub(crate) aws: Aws,
    pub(crate) stacks: Stacks,
    pub(crate) execution_role: String,
}

/// What a deployment does to a stack, before there is a change set.
pub(crate) fn stack_change(
    deployment: &Deployment,
    release: Digest,
    leg: Leg,
    fence: Fence,
    stack: StackName,
) -> StackChange {
    let environment = &deployment.environment;
    StackChange {
        application: deployment.application.clone(),
        environment: environment.name.clone(),
        account: environment.account.clone(),
        region: environment.region.clone(),
        qualifier: environment.qualifier.clone(),
        change_set: domain::change_set::change_set_name(&deployment.id, leg, &stack),
        stack,
        release,
        leg,
        fence,
        creates: false,
        guards: Vec::new(),
        prepares: false,
    }
}

/// Whether CloudFormation refuses a call because it is at work on the stack, or because this very call came before:
/// either way the stack says what has become of it, at the next look.
pub(crate) fn is_at_work(error: &AwsError) -> bool {
    error.is(Kind::AlreadyAsked) || (error.is(Kind::Invalid) && error.detail.contains("_IN_PROGRESS state"))
}

/// How long ago it was parked.
pub(crate) fn waited(parked: &Parked) -> SignedDuration {
    Timestamp::now().duration_since(parked.since)
}

/// Does what it is asked.
pub async fn handle(context: &Context, input: Input) -> Result<Output, Error> {
    match input {
        Input::Plan {
            deployment,
            release,
            leg,
        } => plan::plan(context, &deployment, &release, leg).await,
        Input::Publish {
            deployment,
            release,
            leg,
        } => Box::pin(publish::publish(context, &deployment, &release, leg)).await,
        Input::CreateChangeSet {
            deployment,
            release,
            leg,
            fence,
            stack,
            guards,
            prepares,
            token,
        } => {
            let change = StackChange {
                guards: if leg == Leg::Forward { guards } else { Vec::new() },
                prepares,
                ..stack_change(&deployment, release, leg, fence, stack)
            };
            Box::pin(create_change_set::create_change_set(
                context,
                &deployment,
                change,
                token,
            ))
            .await
        }
        Input::ExecuteChangeSet {
            deployment,
            release,
            leg,
            fence,
            stack,
            change_set,
            creates,
            token,
        } => {
            let change = StackChange {
                change_set,
                creates,
                ..stack_change(&deployment, release, leg, fence, stack)
            };
            Box::pin(execute_change_set::execute_change_set(
                context,
                &deployment,
                change,
                token,
            ))
            .await
        }
        Input::ReviewPreparation { deployment, results } => {
            review_preparation::review_preparation(context, &deployment, results).await
        }
        Input::Confirm { deployment } => Box::pin(confirm::confirm(context, &deployment)).await,
        Input::ReviewWave { results, .. } => review_wave::review_wave(results),
        Input::Wake { stack, key } => Box::pin(wake::wake(context, stack, key)).await,
    }
}
