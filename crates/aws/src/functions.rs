//! Our own functions, woken by the sweep.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Serialize;

use crate::error::{Error, during};

/// Lambda, as far as waking our own functions goes.
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
}
