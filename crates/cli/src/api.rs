//! The pipeline's own HTTP API, called with the operator's AWS identity.

use std::time::{Duration, SystemTime};

use aws::{Aws, stacks};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use domain::causes::with_causes;
use domain::harmless::harmless;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::access::{AccessError, identity};

/// How long the API may take; a function behind it may have to start first.
const PATIENCE: Duration = Duration::from_secs(29);

/// Where the API is.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The base URL of the pipeline's API [default: what the stack says].
    #[arg(long, value_name = "URL", env = "LOCKGATE_API")]
    api: Option<String>,
    /// The pipeline's stack, whose output `ApiUrl` names the API.
    #[arg(long, value_name = "STACK", default_value = "lockgate-pipeline")]
    stack: String,
}

/// Why the API could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The pipeline's stack does not say where it is.
    #[error(
        "the stack {0} is not in this account and region, or has no output ApiUrl; name the API with --api, or sign in \
         to the account of the pipeline"
    )]
    NoApi(String),
    /// AWS cannot be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// API Gateway or IAM refused.
    #[error("AWS does not let this identity in ({0}); it needs the policy lockgate-approver")]
    Denied(String),
    /// It was not reached, or said something else than it should.
    #[error("the pipeline's API at {0} could not be asked: {1}")]
    Unreachable(String, String),
    /// AWS does not say where it is. The policy for approvers does not let them ask.
    #[error(
        "the pipeline's API is not known ({0}); name it with --api or LOCKGATE_API, whoever operates Lockgate knows it"
    )]
    NotTold(#[from] aws::Error),
}

/// The API, and who calls.
pub struct Api {
    aws: Aws,
    base: String,
    http: reqwest::Client,
}

/// What calls the pipeline's addresses. It follows no redirects: there are none.
pub fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // The only provider in the program (reqwest is built without one); a second call finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// What API Gateway says itself, or the pipeline where it cannot answer.
#[derive(Debug, Default, Deserialize)]
struct Gateway {
    #[serde(alias = "sentence")]
    message: String,
}

impl Api {
    /// Finds the API.
    pub async fn find(place: &Place, aws: Aws) -> Result<Self, ApiError> {
        let base = match &place.api {
            Some(api) => api.clone(),
            None => stacks::outputs(&aws, &place.stack)
                .await?
                .and_then(|mut outputs| outputs.remove("ApiUrl"))
                .ok_or_else(|| ApiError::NoApi(place.stack.clone()))?,
        };
        Self::at(aws, &base)
    }

    /// The API at this base URL.
    fn at(aws: Aws, base: &str) -> Result<Self, ApiError> {
        let base = base.trim_end_matches('/').to_owned();
        let http = http_client().map_err(|error| ApiError::Unreachable(base.clone(), error.to_string()))?;
        Ok(Self { aws, base, http })
    }

    /// Calls a route; `body` makes it a `POST`. Whatever the pipeline answers in JSON is an answer, refusals too.
    pub async fn call<Said: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Said, ApiError> {
        let url = format!("{}{path}", self.base);
        let unreachable = |error: &dyn std::fmt::Display| ApiError::Unreachable(url.clone(), error.to_string());
        let method = if body.is_some() { "POST" } else { "GET" };
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut request = http::Request::builder()
            .method(method)
            .uri(&url)
            .header("content-type", "application/json")
            .body(bytes)
            .map_err(|error| unreachable(&error))?;
        self.sign(&mut request).await?;
        let request = reqwest::Request::try_from(request).map_err(|error| unreachable(&error))?;
        let answer = self
            .http
            .execute(request)
            .await
            .map_err(|error| unreachable(&with_causes(&error.without_url())))?;
        let status = answer.status().as_u16();
        let text = answer.text().await;
        let text = text.map_err(|error| unreachable(&with_causes(&error.without_url())))?;
        match serde_json::from_str(&text) {
            Ok(said) => Ok(said),
            Err(error) if status == 200 => Err(unreachable(&format!("what it says is not understood: {error}"))),
            Err(_) => {
                // A sentence, where there is no answer; a page is for browsers.
                let gateway = serde_json::from_str::<Gateway>(&text).unwrap_or_default();
                let why = format!("HTTP status {status} {}", harmless(&gateway.message, 200));
                Err(if status == 403 {
                    ApiError::Denied(why.trim_end().to_owned())
                } else {
                    unreachable(&why.trim_end())
                })
            }
        }
    }

    async fn sign(&self, request: &mut http::Request<Vec<u8>>) -> Result<(), ApiError> {
        let identity = identity(&self.aws).await?;
        let region = self.aws.config().region().ok_or(AccessError::Region)?.to_string();
        let failed = |error: &dyn std::fmt::Display| AccessError::Credentials(error.to_string());
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("execute-api")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers,
            SignableBody::Bytes(request.body()),
        )
        .map_err(|error| failed(&error))?;
        let (instructions, _) = sign(signable, &parameters)
            .map_err(|error| failed(&error))?
            .into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
