//! Our own functions, woken by the sweep, and how many may run.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Serialize;

use crate::error::{Error, Kind, during};

/// Lambda, as far as our own functions go.
#[derive(Debug, Clone)]
pub struct Functions {
    client: aws_sdk_lambda::Client,
}

impl Functions {
    /// The functions of this account.
    pub fn new(client: aws_sdk_lambda::Client) -> Self {
        Self { client }
    }

    /// Hands a function this input and does not wait: Lambda keeps it, tries it again, and puts it into the function's
    /// dead-letter queue in the end.
    pub async fn wake(&self, function: &str, input: &impl Serialize) -> Result<(), Error> {
        let operation = "lambda:InvokeFunction";
        let payload = serde_json::to_vec(input).map_err(|error| Error::unexpected(operation, error.to_string()))?;
        self.client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await
            .map_err(during(operation))?;
        Ok(())
    }

    /// A variable of a function's environment; nothing, where there is no such function or variable.
    pub async fn variable(&self, function: &str, name: &str) -> Result<Option<String>, Error> {
        let request = self.client.get_function_configuration().function_name(function);
        let configuration = match request.send().await.map_err(during("lambda:GetFunctionConfiguration")) {
            Ok(configuration) => configuration,
            Err(error) if error.is(Kind::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let variables = configuration.environment.and_then(|environment| environment.variables);
        Ok(variables.and_then(|mut variables| variables.remove(name)))
    }

    /// How many functions of the account may run at once in this region, all of them together.
    pub async fn may_run_at_once(&self) -> Result<i32, Error> {
        let operation = "lambda:GetAccountSettings";
        let settings = self
            .client
            .get_account_settings()
            .send()
            .await
            .map_err(during(operation))?;
        let limit = settings.account_limit.map(|limit| limit.concurrent_executions);
        limit.ok_or_else(|| Error::unexpected(operation, "the answer names no limit"))
    }
}
