//! What API Gateway brings and takes back.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::intake::Reason;
use domain::names::DeploymentId;
use serde::{Deserialize, Serialize};

/// A request, as an HTTP API hands it to a function: the parts of the payload's format 2.0 that are used.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// A body that was said to be base64 and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotBase64;

impl Input {
    /// A header by its lower-case name. An HTTP API writes names in lower case and joins headers of one name by commas;
    /// the same is done here for whoever does not.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let first = values.next()?;
        let rest: Vec<&str> = values.collect();
        Some(if rest.is_empty() {
            Cow::Borrowed(first)
        } else {
            Cow::Owned(format!("{first},{}", rest.join(",")))
        })
    }

    /// How many bytes the body takes on its way through Lambda.
    pub(crate) fn size(&self) -> usize {
        self.body.as_ref().map_or(0, String::len)
    }

    /// The bytes that GitHub sent.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, NotBase64> {
        let body = self.body.as_deref().unwrap_or_default();
        if self.is_base64_encoded {
            STANDARD.decode(body).map(Cow::Owned).map_err(|_| NotBase64)
        } else {
            Ok(Cow::Borrowed(body.as_bytes()))
        }
    }
}

/// What is answered. GitHub shows it to whoever looks at the delivery, and nobody acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answer {
    /// The webhook works.
    Pong,
    /// These deployments were started, by this copy of the delivery or by another one.
    Accepted {
        /// Their ids.
        deployments: Vec<DeploymentId>,
    },
    /// It asks for nothing.
    Ignored {
        /// The reason's code.
        reason: Reason,
        /// The reason for people.
        sentence: &'static str,
    },
    /// This delivery was dealt with before.
    AlreadyKnown,
    /// It cannot have come from our GitHub webhook.
    Unauthorised,
    /// It is not what GitHub sends.
    Malformed {
        /// What is wrong.
        why: String,
    },
    /// It is longer than Lambda takes.
    TooLarge,
    /// AWS or GitHub did not do its part; delivering it again is right.
    Unavailable,
}

impl Answer {
    /// Its HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Pong | Self::AlreadyKnown => 200,
            Self::Accepted { .. } | Self::Ignored { .. } => 202,
            Self::Malformed { .. } => 400,
            Self::Unauthorised => 401,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }
}

/// A response, as an HTTP API takes it from a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers.
    pub headers: HashMap<&'static str, &'static str>,
    /// The body: one JSON object.
    pub body: String,
}

impl From<Answer> for Output {
    fn from(answer: Answer) -> Self {
        Self {
            status_code: answer.status(),
            headers: HashMap::from([("content-type", "application/json")]),
            // An enum of names and texts always has a JSON form.
            body: serde_json::to_string(&answer).unwrap_or_default(),
        }
    }
}
