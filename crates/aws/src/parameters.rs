//! Parameters of SSM Parameter Store: applications as the CDK app stored them, secrets as the operator did.

use crate::error::{Error, Kind, during};

/// The parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    client: aws_sdk_ssm::Client,
}

impl Parameters {
    /// All parameters that the function's role may read.
    pub fn new(client: aws_sdk_ssm::Client) -> Self {
        Self { client }
    }

    /// The value of a parameter, decrypted where it is a `SecureString`; nothing, where there is no such parameter.
    pub async fn value(&self, name: &str) -> Result<Option<String>, Error> {
        let answer = self
            .client
            .get_parameter()
            .name(name)
            .with_decryption(true)
            .send()
            .await
            .map_err(during("ssm:GetParameter"));
        match answer {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
            Err(error) if error.is(Kind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
