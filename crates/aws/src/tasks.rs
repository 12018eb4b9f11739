//! Answers to tasks that wait.

use domain::failure::Failure;
use domain::names::TaskToken;
use serde::Serialize;

use crate::error::{Error, Kind, during};

/// Step Functions, as far as waiting tasks go.
#[derive(Debug, Clone)]
pub struct Tasks {
    client: aws_sdk_sfn::Client,
}

/// Whether a task was still there to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It was, and goes on.
    Yes,
    /// Its execution ended, its time ran out, or somebody answered before.
    Gone,
}

impl Tasks {
    /// The tasks of all executions.
    pub fn new(client: aws_sdk_sfn::Client) -> Self {
        Self { client }
    }

    /// Lets a task succeed with this output.
    pub async fn succeed(&self, token: &TaskToken, output: &impl Serialize) -> Result<Delivered, Error> {
        let operation = "states:SendTaskSuccess";
        let output = serde_json::to_string(output).map_err(|error| Error::unexpected(operation, error.to_string()))?;
        let sent = self
            .client
            .send_task_success()
            .task_token(token.expose())
            .output(output)
            .send()
            .await;
        delivered(sent.map(drop).map_err(during(operation)))
    }

    /// Whether a task is still there to be answered. Asking changes nothing where no heartbeat is demanded, as with ours.
    pub async fn still_waits(&self, token: &TaskToken) -> Result<Delivered, Error> {
        let request = self.client.send_task_heartbeat().task_token(token.expose());
        let sent = request.send().await;
        delivered(sent.map(drop).map_err(during("states:SendTaskHeartbeat")))
    }

    /// Lets a task fail under the failure's name.
    pub async fn fail(&self, token: &TaskToken, failure: &Failure) -> Result<Delivered, Error> {
        let sent = self
            .client
            .send_task_failure()
            .task_token(token.expose())
            .error(failure.name.as_str())
            .cause(&failure.cause)
            .send()
            .await;
        delivered(sent.map(drop).map_err(during("states:SendTaskFailure")))
    }
}

fn delivered(sent: Result<(), Error>) -> Result<Delivered, Error> {
    match sent {
        Ok(()) => Ok(Delivered::Yes),
        Err(error) if error.is(Kind::NotFound) || error.is(Kind::Conflict) => Ok(Delivered::Gone),
        Err(error) if error.code == "InvalidToken" => Ok(Delivered::Gone),
        Err(error) => Err(error),
    }
}
