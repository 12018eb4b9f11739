//! What an answer has to be, compared with what it is.

use std::fmt;
use std::time::Duration;

use serde_json::{Number, Value};

use super::{HttpExpectation, JsonExpectation, LambdaExpectation};
use crate::harmless::harmless;

/// The most characters of a path or of what was expected that a mismatch shows.
const SHOWN: usize = 50;

/// An HTTP answer, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// Its status.
    pub status: u16,
    /// Its headers, by lower-case name, as often as they came.
    pub headers: Vec<(String, String)>,
    /// Its body, at most [`super::LONGEST_REPLY`] bytes.
    pub body: Vec<u8>,
    /// Whether the body goes on behind what was read.
    pub truncated: bool,
    /// How long it took to its last byte.
    pub took: Duration,
}

/// What a Lambda function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaReply {
    /// `Handled` or `Unhandled`, where the function ended in an error.
    pub error: Option<String>,
    /// The answer, or the error's description.
    pub payload: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

/// One thing that is not as it should be. Its text holds what others sent: it is for [`super::CheckResult::new`] only.
#[derive(Debug, Clone, PartialEq)]
pub enum Mismatch {
    /// The status is another.
    Status {
        /// Those that would do.
        expected: Vec<u16>,
        /// The one that came.
        got: u16,
    },
    /// A header is missing or has another value.
    Header {
        /// Its name.
        name: String,
        /// The value it should have.
        expected: String,
        /// The values that came.
        got: Vec<String>,
    },
    /// The body is no JSON, and a value in it was asked for.
    NotJson,
    /// The path names no value, or several.
    NotOne {
        /// The path.
        path: String,
        /// How many there are.
        found: usize,
    },
    /// The value is another.
    Json {
        /// The path.
        path: String,
        /// The value it should be.
        expected: Value,
        /// The value that came.
        got: Value,
    },
    /// The text is not in the body.
    NotInBody {
        /// The text.
        expected: String,
    },
    /// The reply was not read to its end.
    TooLong {
        /// How much of it was read.
        read: usize,
    },
    /// The answer took too long.
    TooSlow {
        /// How long it may take.
        within: Duration,
        /// How long it took.
        took: Duration,
    },
    /// The function ended in an error.
    FunctionError {
        /// Its description.
        message: String,
    },
}

impl fmt::Display for Mismatch {
    /// One sentence without its stop. What came stands last and is not cut: the report cuts it, after blanking.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { expected, got } => {
                let expected: Vec<String> = expected.iter().map(u16::to_string).collect();
                write!(f, "the status should be {} and is {got}", expected.join(" or "))
            }
            Self::Header { name, expected, got } => {
                write!(f, "the header {name} should be {:?} and is ", harmless(expected, SHOWN))?;
                if got.is_empty() {
                    f.write_str("missing")
                } else {
                    write!(f, "\"{}\"", got.join(", "))
                }
            }
            Self::NotJson => f.write_str("the answer is no JSON"),
            Self::NotOne { path, found: 0 } => write!(f, "there is nothing at {}", harmless(path, SHOWN)),
            Self::NotOne { path, found } => {
                write!(
                    f,
                    "there should be one value at {} and there are {found}",
                    harmless(path, SHOWN)
                )
            }
            Self::Json { path, expected, got } => {
                let (path, expected) = (harmless(path, SHOWN), harmless(&expected.to_string(), SHOWN));
                write!(f, "{path} should be {expected} and is {got}")
            }
            Self::NotInBody { expected } => write!(f, "the body does not contain {:?}", harmless(expected, SHOWN)),
            Self::TooLong { read } => write!(f, "the answer is longer than {read} bytes"),
            Self::TooSlow { within, took } => {
                write!(
                    f,
                    "the answer may take {} ms and took {} ms",
                    within.as_millis(),
                    took.as_millis()
                )
            }
            Self::FunctionError { message } => write!(f, "the function failed: {message}"),
        }
    }
}

/// Everything in which an HTTP answer is not as it should be; nothing means that the check passes.
///
/// An answer longer than was read never passes: what it holds is not known.
pub fn evaluate(expect: &HttpExpectation, reply: &HttpReply) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    if !expect.status.contains(&reply.status) {
        mismatches.push(Mismatch::Status {
            expected: expect.status.clone(),
            got: reply.status,
        });
    }
    for (name, expected) in &expect.headers {
        let got: Vec<&str> = reply
            .headers
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, value)| value.trim())
            .collect();
        if !got.iter().any(|got| header_matches(expected, got)) {
            let got = got.into_iter().map(str::to_owned).collect();
            mismatches.push(Mismatch::Header {
                name: name.clone(),
                expected: expected.clone(),
                got,
            });
        }
    }
    if reply.truncated {
        mismatches.push(Mismatch::TooLong { read: reply.body.len() });
    } else {
        compare_json(&expect.json, &reply.body, &mut mismatches);
        if let Some(expected) = &expect.body_contains
            && !String::from_utf8_lossy(&reply.body).contains(expected)
        {
            mismatches.push(Mismatch::NotInBody {
                expected: expected.clone(),
            });
        }
    }
    too_slow(expect.within, reply.took, &mut mismatches);
    mismatches
}

/// Everything in which a Lambda function's answer is not as it should be; nothing means that the check passes.
pub fn evaluate_lambda(expect: &LambdaExpectation, reply: &LambdaReply) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    let is_too_long = reply.payload.len() > super::LONGEST_REPLY;
    if let Some(error) = &reply.error {
        let described: Option<Value> = (!is_too_long)
            .then(|| serde_json::from_slice(&reply.payload).ok())
            .flatten();
        let message = described
            .as_ref()
            .and_then(|value| value.get("errorMessage"))
            .and_then(Value::as_str);
        mismatches.push(Mismatch::FunctionError {
            message: message.unwrap_or(error).to_owned(),
        });
    } else if is_too_long {
        mismatches.push(Mismatch::TooLong {
            read: super::LONGEST_REPLY,
        });
    } else {
        compare_json(&expect.json, &reply.payload, &mut mismatches);
    }
    too_slow(expect.within, reply.took, &mut mismatches);
    mismatches
}

/// The same, or the same up to the first `;` where none is expected.
fn header_matches(expected: &str, got: &str) -> bool {
    got == expected || (!expected.contains(';') && got.split(';').next().map(str::trim) == Some(expected))
}

fn too_slow(within: Duration, took: Duration, mismatches: &mut Vec<Mismatch>) {
    if took > within {
        mismatches.push(Mismatch::TooSlow { within, took });
    }
}

fn compare_json(expect: &[JsonExpectation], body: &[u8], mismatches: &mut Vec<Mismatch>) {
    if expect.is_empty() {
        return;
    }
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        mismatches.push(Mismatch::NotJson);
        return;
    };
    for JsonExpectation { path, value: expected } in expect {
        match path.query(&document).all().as_slice() {
            [got] if same(expected, got) => {}
            [got] => mismatches.push(Mismatch::Json {
                path: path.to_string(),
                expected: expected.clone(),
                got: (*got).clone(),
            }),
            several => mismatches.push(Mismatch::NotOne {
                path: path.to_string(),
                found: several.len(),
            }),
        }
    }
}

/// Equality of JSON values in which a number is what it is worth.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|found| same(value, found)))
        }
        _ => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.as_f64() == other.as_f64(),
        (Some(whole), None) => other.as_f64().is_some_and(|float| is_whole(float, whole)),
        (None, Some(whole)) => one.as_f64().is_some_and(|float| is_whole(float, whole)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates, and no i64 or u64 is that large"
)]
fn is_whole(float: f64, whole: i128) -> bool {
    float.fract() == 0.0 && float as i128 == whole
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Ask, SmokeTests};
    use super::*;

    fn http(expect: &str) -> HttpExpectation {
        let file = format!("[[http]]\nname = \"x\"\nurl = \"${{a.Url}}\"\nexpect = {expect}");
        match file.parse::<SmokeTests>().unwrap().checks.remove(0).ask {
            Ask::Http(http) => http.expect,
            Ask::Lambda(_) => unreachable!("the file holds an HTTP check"),
        }
    }

    fn lambda(expect: &str) -> LambdaExpectation {
        let file = format!("[[lambda]]\nname = \"x\"\nfunction = \"${{a.Name}}\"\nexpect = {expect}");
        match file.parse::<SmokeTests>().unwrap().checks.remove(0).ask {
            Ask::Lambda(lambda) => lambda.expect,
            Ask::Http(_) => unreachable!("the file holds a Lambda check"),
        }
    }

    fn reply(status: u16, body: &str) -> HttpReply {
        HttpReply {
            status,
            headers: vec![
                ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
                ("vary".to_owned(), "accept".to_owned()),
                ("vary".to_owned(), "origin".to_owned()),
            ],
            body: body.as_bytes().to_vec(),
            truncated: false,
            took: Duration::from_millis(120),
        }
    }

    fn texts(mismatches: &[Mismatch]) -> String {
        mismatches
            .iter()
            .map(Mismatch::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn an_answer_is_compared_in_everything_that_is_named() {
        let body = r#"{"status":"ok","total":42,"items":[{"n":1},{"n":2}],"none":null}"#;
        for (expect, wanted) in [
            ("{}", ""),
            ("{ status = 201 }", "the status should be 201 and is 200"),
            ("{ status = [204, 200] }", ""),
            ("{ status = [204, 301] }", "the status should be 204 or 301 and is 200"),
            (r#"{ header = { Content-Type = "application/json" } }"#, ""),
            (
                r#"{ header = { content-type = "application/json; charset=utf-8" } }"#,
                "",
            ),
            (
                r#"{ header = { content-type = "application/js" } }"#,
                r#"the header content-type should be "application/js" and is "application/json; charset=utf-8""#,
            ),
            (
                r#"{ header = { content-type = "application/json; charset=latin1" } }"#,
                r#"the header content-type should be "application/json; charset=latin1" and is "application/json; charset=utf-8""#,
            ),
            (r#"{ header = { vary = "origin" } }"#, ""),
            (
                r#"{ header = { vary = "cookie" } }"#,
                r#"the header vary should be "cookie" and is "accept, origin""#,
            ),
            (
                r#"{ header = { etag = "1" } }"#,
                r#"the header etag should be "1" and is missing"#,
            ),
            (
                r#"{ json = { "$.status" = "ok", "$.total" = 42.0, "$.items[1].n" = 2 } }"#,
                "",
            ),
            (r#"{ json = { "$.items[?@.n == 2].n" = 2 } }"#, ""),
            (
                r#"{ json = { "$.total" = "42" } }"#,
                r#"$.total should be "42" and is 42"#,
            ),
            (
                r#"{ json = { "$.none" = false } }"#,
                "$.none should be false and is null",
            ),
            (r#"{ json = { "$.sum" = 1 } }"#, "there is nothing at $.sum"),
            (
                r#"{ json = { "$.items[*].n" = 1 } }"#,
                "there should be one value at $.items[*].n and there are 2",
            ),
            (r#"{ body_contains = '"total":42' }"#, ""),
            (
                r#"{ body_contains = "total: 42" }"#,
                r#"the body does not contain "total: 42""#,
            ),
            (r#"{ within = "120 milliseconds" }"#, ""),
            (
                r#"{ within = "119 milliseconds" }"#,
                "the answer may take 119 ms and took 120 ms",
            ),
            (
                r#"{ status = 500, json = { "$.a" = 1 }, body_contains = "down", within = "1 millisecond" }"#,
                "the status should be 500 and is 200\nthere is nothing at $.a\nthe body does not contain \"down\"\n\
                 the answer may take 1 ms and took 120 ms",
            ),
        ] {
            assert_eq!(texts(&evaluate(&http(expect), &reply(200, body))), wanted, "{expect}");
        }
    }

    #[test]
    fn what_is_no_json_is_said_once() {
        let expect = http(r#"{ json = { "$.a" = 1, "$.b" = 2 } }"#);
        for body in ["", "<html>", "{\"a\":1", &"[".repeat(100_000)] {
            assert_eq!(texts(&evaluate(&expect, &reply(200, body))), "the answer is no JSON");
        }
    }

    #[test]
    fn an_answer_that_was_not_read_to_its_end_never_passes() {
        let reply = HttpReply {
            truncated: true,
            ..reply(200, "ok")
        };
        assert_eq!(
            texts(&evaluate(&http(r#"{ body_contains = "ok" }"#), &reply)),
            "the answer is longer than 2 bytes"
        );
    }

    #[test]
    fn an_error_of_a_function_never_passes() {
        let reply = |error: Option<&str>, payload: &str| LambdaReply {
            error: error.map(str::to_owned),
            payload: payload.as_bytes().to_vec(),
            took: Duration::from_millis(5),
        };
        for (expect, reply, wanted) in [
            ("{}", reply(None, "null"), ""),
            (r#"{ json = { "$.total" = 42 } }"#, reply(None, r#"{"total":42}"#), ""),
            (
                r#"{ json = { "$.total" = 42 } }"#,
                reply(None, r#"{"total":41}"#),
                "$.total should be 42 and is 41",
            ),
            (
                "{}",
                reply(Some("Unhandled"), r#"{"errorMessage":"no table"}"#),
                "the function failed: no table",
            ),
            ("{}", reply(Some("Unhandled"), "{"), "the function failed: Unhandled"),
            (
                r#"{ within = "4 milliseconds" }"#,
                reply(None, "1"),
                "the answer may take 4 ms and took 5 ms",
            ),
        ] {
            assert_eq!(texts(&evaluate_lambda(&lambda(expect), &reply)), wanted);
        }
    }

    #[test]
    fn numbers_compare_by_what_they_are_worth() {
        for (one, other, equal) in [
            (json!(42), json!(42.0), true),
            (json!([{ "a": 0 }]), json!([{ "a": -0.0 }]), true),
            (json!(42), json!(42.5), false),
            (json!(42), json!("42"), false),
            (json!(1), json!(true), false),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), false),
            (json!(u64::MAX), json!(1.8e19), false),
            (json!(u64::MAX), json!(-1), false),
            (json!([1, 2]), json!([2, 1]), false),
            (json!([1]), json!([1, 2]), false),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1 }), true),
            (json!({ "a": 1 }), json!({ "a": 1, "b": null }), false),
        ] {
            assert_eq!(
                (same(&one, &other), same(&other, &one)),
                (equal, equal),
                "{one} {other}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_comparison_fall_over(status: u16, body: Vec<u8>, took in 0u64..20_000, truncated: bool) {
            let expect = http(r#"{ json = { "$..a" = 1 }, body_contains = "x", header = { vary = "x" } }"#);
            let reply = HttpReply { body, truncated, took: Duration::from_millis(took), ..reply(status, "") };
            prop_assert!(!evaluate(&expect, &reply).is_empty());
        }

        #[test]
        fn an_integer_is_the_float_of_its_worth_and_of_no_other(number in -1_000_000_i32..1_000_000, off in 1_i32..1000) {
            prop_assert!(same(&json!(number), &json!(f64::from(number))));
            prop_assert!(!same(&json!(number), &json!(f64::from(number) + f64::from(off) / 1000.5)));
        }
    }
}
