//! Executions of the state machine: one a deployment, and named like it.

use aws_sdk_sfn::types::{ExecutionStatus, StateMachineStatus};
use domain::deployment::Deployment;
use domain::names::DeploymentId;
use domain::way_back::Ask;
use jiff::Timestamp;

use crate::error::{Error, Kind, during};

const DESCRIBE: &str = "states:DescribeExecution";

/// The state machine.
#[derive(Debug, Clone)]
pub struct Executions {
    client: aws_sdk_sfn::Client,
    machine: String,
}

/// Whether asking for an execution made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It did.
    Now,
    /// There was one of this name already.
    Before,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Running,
    /// It is over.
    Over {
        /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
        how: String,
        /// Since when.
        at: Timestamp,
    },
    /// There never was one, or its history is gone (90 days).
    Unknown,
}

/// How a request to go back stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is being looked at.
    Running,
    /// A deployment goes back; this is what the execution put out.
    Started(String),
    /// It was refused.
    Refused {
        /// The failure's name, or Step Functions' own.
        error: String,
        /// Why.
        cause: String,
    },
}

impl Executions {
    /// Asks for an environment to be taken back: starts an execution of the machine that does that, and returns its ARN.
    pub async fn ask(&self, ask: &Ask) -> Result<String, Error> {
        let operation = "states:StartExecution";
        let input = serde_json::to_string(ask).map_err(|error| Error::unexpected(operation, error.to_string()))?;
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .input(input);
        let started = started.send().await.map_err(during(operation))?;
        Ok(started.execution_arn)
    }

    /// What became of such a request.
    pub async fn asked(&self, execution: &str) -> Result<Asked, Error> {
        let described = self.client.describe_execution().execution_arn(execution).send().await;
        let described = described.map_err(during(DESCRIBE))?;
        Ok(match described.status() {
            ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Asked::Running,
            ExecutionStatus::Succeeded => Asked::Started(described.output.unwrap_or_default()),
            _ => Asked::Refused {
                error: described.error.unwrap_or_default(),
                cause: described.cause.unwrap_or_default(),
            },
        })
    }

    /// The executions of this machine, given by its ARN.
    pub fn new(client: aws_sdk_sfn::Client, machine: impl Into<String>) -> Self {
        Self {
            client,
            machine: machine.into(),
        }
    }

    /// Whether there is such a machine, and it is not being deleted.
    pub async fn is_active(&self) -> Result<bool, Error> {
        let described = self.client.describe_state_machine().state_machine_arn(&self.machine);
        match described.send().await.map_err(during("states:DescribeStateMachine")) {
            Ok(described) => Ok(described.status == Some(StateMachineStatus::Active)),
            Err(error) if error.is(Kind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts a deployment. An execution of that name, running or over, is the same deployment.
    pub async fn start(&self, deployment: &Deployment) -> Result<Started, Error> {
        let operation = "states:StartExecution";
        let input =
            serde_json::to_string(deployment).map_err(|error| Error::unexpected(operation, error.to_string()))?;
        let started = self
            .client
            .start_execution()
            .state_machine_arn(&self.machine)
            .name(deployment.id.as_str())
            .input(input)
            .send()
            .await
            .map_err(during(operation));
        match started {
            Ok(_) => Ok(Started::Now),
            Err(error) if error.code == "ExecutionAlreadyExists" => Ok(Started::Before),
            Err(error) => Err(error),
        }
    }

    /// How a deployment's execution stands.
    pub async fn standing(&self, deployment: &DeploymentId) -> Result<Standing, Error> {
        let arn = self.arn_of(deployment);
        let answer = self
            .client
            .describe_execution()
            .execution_arn(arn)
            .send()
            .await
            .map_err(during(DESCRIBE));
        match answer {
            Ok(execution) => Ok(match execution.status() {
                ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Standing::Running,
                over => Standing::Over {
                    how: over.as_str().to_owned(),
                    at: execution
                        .stop_date()
                        .and_then(|at| Timestamp::from_second(at.secs()).ok())
                        .ok_or_else(|| Error::unexpected(DESCRIBE, "it is over, and does not say since when"))?,
                },
            }),
            Err(error) if error.is(Kind::NotFound) => Ok(Standing::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The ARN of a deployment's execution.
    pub fn arn_of(&self, deployment: &DeploymentId) -> String {
        format!(
            "{}:{deployment}",
            self.machine.replacen(":stateMachine:", ":execution:", 1)
        )
    }
}
