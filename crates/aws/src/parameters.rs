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

    /// The names and values of all parameters below a path, every page of them.
    pub async fn below(&self, path: &str) -> Result<Vec<(String, String)>, Error> {
        let request = self.client.get_parameters_by_path().path(path).recursive(true);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(during("ssm:GetParametersByPath"))?;
            let parameters = page.parameters.unwrap_or_default().into_iter();
            found.extend(parameters.filter_map(|parameter| Some((parameter.name?, parameter.value?))));
        }
        Ok(found)
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

    /// The values of these, in their order; see [`Self::value`].
    pub async fn values<const N: usize>(&self, names: &[String; N]) -> Result<[Option<String>; N], Error> {
        let mut values = [const { None }; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = self.value(name).await?;
        }
        Ok(values)
    }
}
