//! `lockgate.smoke.toml`: how an environment is asked whether it works.
//!
//! The file belongs to the code and travels in the release. It lists checks; all of them have to pass:
//!
//! ```toml
//! within = "30 seconds"                  # how long what fails is tried again; at most 10 minutes
//!
//! [[http]]
//! name   = "the shop is open"
//! url    = "${shop-{environment}-web.Url}/health"       # ${<stack>.<output>}
//! expect = { json = { "$.status" = "ok", "$.environment" = "{environment}" } }
//!
//! [[lambda]]
//! name     = "an order can be priced"
//! function = "${shop-{environment}-web.FunctionName}"
//! payload  = { items = [{ sku = "tea", count = 2 }] }
//! expect   = { json = { "$.total" = 42 } }
//! ```
//!
//! `{environment}` stands for the environment's name in every text below a check, except in the check's name. What a
//! check speaks to comes from an output of a stack and from nowhere else: see [`HttpCheck::resolve`].

mod address;
mod evaluate;
mod handing_over;
mod parse;
mod report;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use serde_json_path::JsonPath;

pub use self::address::{Allowed, Cidr, Denied, InvalidCidr};
pub use self::evaluate::{HttpReply, LambdaReply, Mismatch, evaluate, evaluate_lambda};
pub use self::handing_over::{OUTPUTS_LIMIT, TooManyOutputs, handed_over};
pub use self::parse::{Invalid, Problem};
pub use self::report::{CheckResult, Kind, Report};
pub use self::template::{Outputs, Template, Unresolved};

/// The most checks a file may hold.
pub const MOST_CHECKS: usize = 100;

/// The longest an answer may take, and what a check allows that says nothing else.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// The most bytes of a reply that are read.
pub const LONGEST_REPLY: usize = 1024 * 1024;

/// A release's smoke tests.
#[derive(Debug, Clone, PartialEq)]
pub struct SmokeTests {
    /// How long checks that fail are tried again, counted from the first check's start.
    pub within: Duration,
    /// The checks, HTTP first, each kind in the file's order.
    pub checks: Vec<Check>,
}

/// One question to the environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What people know it by; harmless, and its own in the file.
    pub name: String,
    /// What is asked.
    pub ask: Ask,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// An HTTP request.
    Http(HttpCheck),
    /// An invocation of a Lambda function.
    Lambda(LambdaCheck),
}

/// An HTTP request and what its answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    /// Where to.
    pub url: Template,
    /// The method.
    pub method: Method,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Option<String>,
    /// What the answer has to be.
    pub expect: HttpExpectation,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::Display, strum::VariantNames)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
}

/// What an HTTP answer has to be. Everything that is named has to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpExpectation {
    /// The statuses that will do; 200 where the file names none.
    pub status: Vec<u16>,
    /// Headers, by lower-case name. A value matches when it is the same, or the same up to the first `;`, so that
    /// `application/json` matches `application/json; charset=utf-8`.
    pub headers: BTreeMap<String, String>,
    /// Values in the JSON body.
    pub json: Vec<JsonExpectation>,
    /// A text in the body.
    pub body_contains: Option<String>,
    /// How long the answer may take, to its last byte.
    pub within: Duration,
}

/// A value that has to be at a place of a JSON document.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonExpectation {
    /// The place (RFC 9535); it has to name exactly one value.
    pub path: JsonPath,
    /// The value. Numbers compare by what they are worth: 42 is 42.0.
    pub value: Value,
}

/// An invocation of a Lambda function and what its answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct LambdaCheck {
    /// The function: its name or ARN.
    pub function: Template,
    /// What it is called with.
    pub payload: Value,
    /// What it has to answer.
    pub expect: LambdaExpectation,
}

/// What a Lambda function has to answer. An error of the function never passes.
#[derive(Debug, Clone, PartialEq)]
pub struct LambdaExpectation {
    /// Values in the answer.
    pub json: Vec<JsonExpectation>,
    /// How long the answer may take.
    pub within: Duration,
}

/// An HTTP request with everything filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// The URL, beginning with `http://` or `https://` and free of user names and passwords.
    pub url: String,
    /// The URL's host as the stack's output wrote it, in lower case, IPv6 addresses in brackets.
    pub host: String,
    /// The method.
    pub method: Method,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Option<String>,
    /// What the answer has to be.
    pub expect: HttpExpectation,
}

/// An invocation with everything filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct LambdaRequest {
    /// The function's name or ARN.
    pub function: String,
    /// What it is called with.
    pub payload: Value,
    /// What it has to answer.
    pub expect: LambdaExpectation,
}
