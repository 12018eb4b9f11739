//! What API Gateway brings and takes back.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The most bytes of a form or of the command's JSON. A comment has 2,000 characters; the rest is room for its encoding.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A request, as an HTTP API hands it to a function: the parts of the payload's format 2.0 that are used (API Gateway
/// developer guide, "Create AWS Lambda proxy integrations for HTTP APIs").
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    route_key: String,
    path_parameters: Option<HashMap<String, String>>,
    query_string_parameters: Option<HashMap<String, String>>,
    headers: HashMap<String, String>,
    body: Option<String>,
    is_base64_encoded: bool,
    #[serde(rename = "requestContext")]
    context: Context,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    authorizer: Option<Authorizer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Authorizer {
    iam: Option<Iam>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Iam {
    user_arn: Option<String>,
}

/// Why a body cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// It has more than [`BODY_LIMIT`] bytes.
    TooLarge,
    /// It is not what it was said to be.
    Malformed,
}

impl Request {
    /// The route that API Gateway matched, such as `GET /approvals/{id}`.
    pub fn route(&self) -> &str {
        &self.route_key
    }

    /// The approval that the path names.
    pub fn approval(&self) -> &str {
        value(self.path_parameters.as_ref(), "id")
    }

    /// A parameter of the query; API Gateway has decoded it.
    pub fn query(&self, name: &str) -> &str {
        value(self.query_string_parameters.as_ref(), name)
    }

    /// A header by its lower-case name, which is how an HTTP API writes it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whom IAM let in, on a route that asks IAM.
    pub fn caller(&self) -> Option<&str> {
        self.context.authorizer.as_ref()?.iam.as_ref()?.user_arn.as_deref()
    }

    /// The body as text.
    pub fn text(&self) -> Result<String, BodyFault> {
        let body = self.body.as_deref().unwrap_or_default();
        // Base64 is longer by a third.
        if body.len() > BODY_LIMIT / 3 * 4 + 4 {
            return Err(BodyFault::TooLarge);
        }
        let bytes = if self.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| BodyFault::Malformed)?
        } else {
            body.as_bytes().to_vec()
        };
        if bytes.len() > BODY_LIMIT {
            return Err(BodyFault::TooLarge);
        }
        String::from_utf8(bytes).map_err(|_| BodyFault::Malformed)
    }
}

/// Query and body carry a link's token.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}, …)", self.route_key)
    }
}

fn value<'map>(map: Option<&'map HashMap<String, String>>, name: &str) -> &'map str {
    map.and_then(|map| map.get(name)).map_or("", String::as_str)
}

/// A response, as an HTTP API takes it from a function.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers.
    pub headers: HashMap<&'static str, String>,
    /// The body.
    pub body: String,
}

/// A page's form carries its link's token.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, …)", self.status_code)
    }
}

impl Response {
    /// A page. It is nobody's but the reader's: not kept, not framed, not told to other sites.
    pub fn page(status_code: u16, html: String, content_security_policy: String) -> Self {
        let headers = [
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", content_security_policy),
            ("x-frame-options", "DENY".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("cross-origin-opener-policy", "same-origin".to_owned()),
        ];
        Self {
            status_code,
            headers: headers.into_iter().chain(common()).collect(),
            body: html,
        }
    }

    /// An answer to the command.
    pub fn json(status_code: u16, content: &impl Serialize) -> Self {
        let headers = [("content-type", "application/json".to_owned())];
        Self {
            status_code,
            headers: headers.into_iter().chain(common()).collect(),
            // What is given here are structures of names and texts, which always have a JSON form.
            body: serde_json::to_string(content).unwrap_or_default(),
        }
    }
}

fn common() -> [(&'static str, String); 3] {
    [
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("strict-transport-security", "max-age=31536000".to_owned()),
    ]
}
