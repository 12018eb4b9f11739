//! Reading `lockgate.smoke.toml`: everything that is wrong with it at once, with line and key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Number, Value};
use serde_json_path::JsonPath;
use strum::VariantNames as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Ask, Check, HttpCheck, HttpExpectation, JsonExpectation, LONGEST_ANSWER, LambdaCheck, LambdaExpectation,
    MOST_CHECKS, Method, SmokeTests, Template,
};
use crate::harmless::harmless;
use crate::toml_kind::kind;

const LONGEST_FILE: usize = 256 * 1024;
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_HEADER: usize = 4096;
const LONGEST_PATH: usize = 500;
const MOST_ENTRIES: usize = 50;
const LONGEST_WITHIN: Duration = Duration::from_mins(10);
const USUAL_WITHIN: Duration = Duration::from_secs(30);

/// Headers that say how a request is carried; they are the HTTP client's own.
const CLIENTS_OWN: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Everything that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalid {
    /// The problems, in the file's order.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it is on, counted from 1.
    pub line: usize,
    /// The key it is at, such as `http[0].expect.status`; empty where no key could be read.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl FromStr for SmokeTests {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > LONGEST_FILE {
            let message = format!("the file is longer than {LONGEST_FILE} bytes");
            return Err(Invalid {
                problems: vec![Problem {
                    line: 1,
                    key: String::new(),
                    message,
                }],
            });
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            text,
            problems: Vec::new(),
        };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.report(at, "", harmless(error.message(), 200));
        }
        // What a broken text seems to say is not worth judging.
        let tests = if reader.problems.is_empty() {
            reader.document(&document)
        } else {
            None
        };
        match tests {
            Some(tests) if reader.problems.is_empty() => Ok(tests),
            _ => {
                let mut problems = reader.problems;
                problems.sort_by_key(|problem| problem.line);
                Err(Invalid { problems })
            }
        }
    }
}

/// A value of the file and where it stands.
#[derive(Clone, Copy)]
struct Entry<'d, 'i> {
    at: usize,
    value: &'d DeValue<'i>,
}

impl<'d, 'i> From<&'d Spanned<DeValue<'i>>> for Entry<'d, 'i> {
    fn from(value: &'d Spanned<DeValue<'i>>) -> Self {
        Self {
            at: value.span().start,
            value: value.get_ref(),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn report(&mut self, at: usize, key: &str, message: impl Into<String>) {
        let line = self
            .text
            .as_bytes()
            .iter()
            .take(at)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        self.problems.push(Problem {
            line,
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// Reports every key that is not known.
    fn only(&mut self, path: &str, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let path = below(path, &harmless(key.get_ref(), 80));
            self.report(
                key.span().start,
                &path,
                format!("is not known; there are {}", known.join(", ")),
            );
        }
    }

    fn document(&mut self, document: &Spanned<DeTable<'_>>) -> Option<SmokeTests> {
        let table = document.get_ref();
        self.only("", table, &["within", "http", "lambda"]);
        let within = self.duration("within", find(table, "within"), USUAL_WITHIN, LONGEST_WITHIN);
        let (https, lambdas) = (
            self.list("http", find(table, "http")),
            self.list("lambda", find(table, "lambda")),
        );
        if https.len() + lambdas.len() > MOST_CHECKS {
            self.report(0, "", format!("there are more than {MOST_CHECKS} checks"));
            return None;
        }
        if https.is_empty() && lambdas.is_empty() && self.problems.is_empty() {
            self.report(0, "", "there is no check; remove the file if none is wanted");
        }
        let mut names = BTreeSet::new();
        let mut checks = Vec::new();
        for (path, entry) in https {
            checks.push(self.check(&path, entry, &mut names, |reader, path, entry, table| {
                reader.http(path, entry, table).map(Ask::Http)
            }));
        }
        for (path, entry) in lambdas {
            checks.push(self.check(&path, entry, &mut names, |reader, path, entry, table| {
                reader.lambda(path, entry, table).map(Ask::Lambda)
            }));
        }
        Some(SmokeTests {
            within,
            checks: checks.into_iter().collect::<Option<_>>()?,
        })
    }

    fn check<'d, 'i>(
        &mut self,
        path: &str,
        entry: Entry<'d, 'i>,
        names: &mut BTreeSet<String>,
        ask: impl FnOnce(&mut Self, &str, Entry<'d, 'i>, &'d DeTable<'i>) -> Option<Ask>,
    ) -> Option<Check> {
        let table = self.table(path, entry)?;
        let ask = ask(self, path, entry, table);
        let path = below(path, "name");
        let Some(found) = find(table, "name") else {
            self.report(entry.at, &path, "is missing");
            return None;
        };
        let name = self.string(&path, found, LONGEST_NAME)?;
        if name.is_empty() || harmless(name, LONGEST_NAME) != name {
            self.report(
                found.at,
                &path,
                format!("is not 1 to {LONGEST_NAME} visible characters on one line"),
            );
            return None;
        }
        if !names.insert(name.to_owned()) {
            self.report(found.at, &path, format!("{name:?} is the name of an earlier check too"));
            return None;
        }
        Some(Check {
            name: name.to_owned(),
            ask: ask?,
        })
    }

    fn http<'d, 'i>(&mut self, path: &str, entry: Entry<'d, 'i>, table: &'d DeTable<'i>) -> Option<HttpCheck> {
        self.only(path, table, &["name", "url", "method", "headers", "body", "expect"]);
        let url = self.template(&below(path, "url"), entry, find(table, "url"));
        let url = url.filter(|(at, url)| {
            let right = url.takes_host_from_output();
            if !right {
                let message = "does not begin with a stack's output, such as ${shop-{environment}-web.Url}";
                self.report(*at, &below(path, "url"), message);
            }
            right
        });
        let method = match find(table, "method") {
            None => Some(Method::Get),
            Some(found) => self
                .string(&below(path, "method"), found, LONGEST_NAME)
                .and_then(|text| {
                    let method = text.parse().ok();
                    if method.is_none() {
                        let message = format!("is none of {}", Method::VARIANTS.join(", "));
                        self.report(found.at, &below(path, "method"), message);
                    }
                    method
                }),
        };
        let headers = self.headers(&below(path, "headers"), find(table, "headers"));
        for own in headers.keys().filter(|name| CLIENTS_OWN.contains(&name.as_str())) {
            let at = find(table, "headers").map_or(entry.at, |found| found.at);
            self.report(
                at,
                &below(&below(path, "headers"), own),
                "is set by the HTTP client and by nobody else",
            );
        }
        let body = find(table, "body").map(|found| self.string(&below(path, "body"), found, LONGEST_TEXT));
        let expect = self.http_expectation(&below(path, "expect"), find(table, "expect"));
        Some(HttpCheck {
            url: url?.1,
            method: method?,
            headers,
            body: body.flatten().map(str::to_owned),
            expect: expect?,
        })
    }

    fn http_expectation(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Option<HttpExpectation> {
        let empty = DeTable::new();
        let table = match found {
            Some(found) => self.table(path, found)?,
            None => &empty,
        };
        self.only(path, table, &["status", "header", "json", "body_contains", "within"]);
        let body_contains = find(table, "body_contains").map(|found| {
            let path = below(path, "body_contains");
            let text = self.string(&path, found, LONGEST_TEXT);
            if text == Some("") {
                self.report(found.at, &path, "is empty, which every body contains");
            }
            text.map(str::to_owned)
        });
        Some(HttpExpectation {
            status: self.statuses(&below(path, "status"), find(table, "status")),
            headers: self.headers(&below(path, "header"), find(table, "header")),
            json: self.json_expectations(&below(path, "json"), find(table, "json")),
            body_contains: body_contains.flatten(),
            within: self.duration(
                &below(path, "within"),
                find(table, "within"),
                LONGEST_ANSWER,
                LONGEST_ANSWER,
            ),
        })
    }

    fn lambda<'d, 'i>(&mut self, path: &str, entry: Entry<'d, 'i>, table: &'d DeTable<'i>) -> Option<LambdaCheck> {
        self.only(path, table, &["name", "function", "payload", "expect"]);
        let function = self.template(&below(path, "function"), entry, find(table, "function"));
        let function = function.filter(|(at, function)| {
            let right = function.begins_with_output();
            if !right {
                let message = "does not begin with a stack's output, such as ${shop-{environment}-web.FunctionName}";
                self.report(*at, &below(path, "function"), message);
            }
            right
        });
        let payload = match find(table, "payload") {
            None => Value::Object(serde_json::Map::new()),
            Some(found) => {
                let path = below(path, "payload");
                let payload = self.json(&path, found)?;
                if payload.to_string().len() > LONGEST_TEXT {
                    self.report(found.at, &path, format!("is longer than {LONGEST_TEXT} bytes"));
                }
                payload
            }
        };
        let path = below(path, "expect");
        let empty = DeTable::new();
        let expect = match find(table, "expect") {
            Some(found) => self.table(&path, found)?,
            None => &empty,
        };
        self.only(&path, expect, &["json", "within"]);
        let json = self.json_expectations(&below(&path, "json"), find(expect, "json"));
        let within = self.duration(
            &below(&path, "within"),
            find(expect, "within"),
            LONGEST_ANSWER,
            LONGEST_ANSWER,
        );
        Some(LambdaCheck {
            function: function?.1,
            payload,
            expect: LambdaExpectation { json, within },
        })
    }

    fn template(
        &mut self,
        path: &str,
        check: Entry<'_, '_>,
        found: Option<Entry<'_, '_>>,
    ) -> Option<(usize, Template)> {
        let Some(found) = found else {
            self.report(check.at, path, "is missing");
            return None;
        };
        let text = self.string(path, found, LONGEST_HEADER)?;
        Template::parse(text)
            .map(|template| (found.at, template))
            .map_err(|why| self.report(found.at, path, why))
            .ok()
    }

    fn statuses(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Vec<u16> {
        let Some(found) = found else { return vec![200] };
        let wanted: Vec<Entry<'_, '_>> = match found.value {
            DeValue::Array(values) if !values.is_empty() => values.iter().map(Entry::from).collect(),
            _ => vec![found],
        };
        let status = |entry: &Entry<'_, '_>| match entry.value {
            DeValue::Integer(number) => number
                .to_string()
                .parse()
                .ok()
                .filter(|status| (100..600).contains(status)),
            _ => None,
        };
        let statuses: Option<Vec<u16>> = wanted.iter().map(status).collect();
        statuses.unwrap_or_else(|| {
            self.report(found.at, path, "is neither a status from 100 to 599 nor a list of such");
            Vec::new()
        })
    }

    fn headers(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        for (name, entry) in self.entries(path, found) {
            let path = below(path, &harmless(name, 80));
            // RFC 9110, 5.6.2 (token) and 5.5 (field values).
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_token) {
                self.report(entry.at, &path, "is no header's name");
            }
            let Some(value) = self.string(&path, entry, LONGEST_HEADER) else {
                continue;
            };
            if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) || value.trim() != value {
                self.report(
                    entry.at,
                    &path,
                    "is not a value of visible ASCII characters with single blanks between",
                );
            }
            if headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_some() {
                self.report(entry.at, &path, "is there twice, in upper and lower case");
            }
        }
        headers
    }

    fn json_expectations(&mut self, path: &str, found: Option<Entry<'_, '_>>) -> Vec<JsonExpectation> {
        let mut all = Vec::new();
        for (place, entry) in self.entries(path, found) {
            let path = below(path, &format!("{:?}", harmless(place, 80)));
            if place.len() > LONGEST_PATH {
                self.report(
                    entry.at,
                    &path,
                    format!("is a path longer than {LONGEST_PATH} characters"),
                );
                continue;
            }
            match JsonPath::parse(place) {
                Ok(place) => {
                    all.extend(
                        self.json(&path, entry)
                            .map(|value| JsonExpectation { path: place, value }),
                    );
                }
                Err(_) => self.report(entry.at, &path, "is no JSON path, such as $.items[0].name"),
            }
        }
        all
    }

    /// The entries of a table, by key; none where there is no table.
    fn entries<'d, 'i>(&mut self, path: &str, found: Option<Entry<'d, 'i>>) -> Vec<(&'d str, Entry<'d, 'i>)> {
        let Some(found) = found else { return Vec::new() };
        let Some(table) = self.table(path, found) else {
            return Vec::new();
        };
        if table.len() > MOST_ENTRIES {
            self.report(found.at, path, format!("has more than {MOST_ENTRIES} entries"));
        }
        table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), Entry::from(value)))
            .collect()
    }

    fn list<'d, 'i>(&mut self, path: &str, found: Option<Entry<'d, 'i>>) -> Vec<(String, Entry<'d, 'i>)> {
        match found.map(|found| (found.at, found.value)) {
            None => Vec::new(),
            Some((_, DeValue::Array(values))) => values
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("{path}[{n}]"), Entry::from(value)))
                .collect(),
            Some((at, _)) => {
                self.report(at, path, format!("is no list: each check begins with [[{path}]]"));
                Vec::new()
            }
        }
    }

    fn table<'d, 'i>(&mut self, path: &str, entry: Entry<'d, 'i>) -> Option<&'d DeTable<'i>> {
        if let DeValue::Table(table) = entry.value {
            return Some(table);
        }
        self.report(entry.at, path, format!("is {} and not a table", kind(entry.value)));
        None
    }

    fn string<'d>(&mut self, path: &str, entry: Entry<'d, '_>, longest: usize) -> Option<&'d str> {
        match entry.value {
            DeValue::String(text) if text.len() <= longest => Some(text),
            DeValue::String(_) => {
                self.report(entry.at, path, format!("is longer than {longest} bytes"));
                None
            }
            other => {
                self.report(entry.at, path, format!("is {} and not a text", kind(other)));
                None
            }
        }
    }

    fn duration(&mut self, path: &str, found: Option<Entry<'_, '_>>, usual: Duration, longest: Duration) -> Duration {
        let Some(found) = found else { return usual };
        let Some(text) = self.string(path, found, LONGEST_NAME) else {
            return usual;
        };
        match duration(text) {
            Some(duration) if duration <= longest => duration,
            Some(_) => {
                self.report(found.at, path, format!("is more than {} seconds", longest.as_secs()));
                usual
            }
            None => {
                self.report(
                    found.at,
                    path,
                    "is not written such as \"500 milliseconds\", \"30 seconds\", \"2 minutes\"",
                );
                usual
            }
        }
    }

    fn json(&mut self, path: &str, entry: Entry<'_, '_>) -> Option<Value> {
        match entry.value {
            DeValue::String(text) => Some(Value::String(text.clone().into_owned())),
            DeValue::Boolean(value) => Some(Value::Bool(*value)),
            DeValue::Integer(number) => {
                let value = i64::from_str_radix(number.as_str(), number.radix())
                    .ok()
                    .map(Value::from);
                if value.is_none() {
                    self.report(entry.at, path, "is a number of more than 64 bits");
                }
                value
            }
            DeValue::Float(number) => {
                let value = number
                    .as_str()
                    .parse()
                    .ok()
                    .and_then(Number::from_f64)
                    .map(Value::Number);
                if value.is_none() {
                    self.report(entry.at, path, "is a number that JSON cannot write");
                }
                value
            }
            DeValue::Datetime(_) => {
                self.report(
                    entry.at,
                    path,
                    "is a date, which JSON does not have: put it into quotes",
                );
                None
            }
            DeValue::Array(values) => {
                let values: Vec<Option<Value>> = values
                    .iter()
                    .enumerate()
                    .map(|(n, value)| self.json(&format!("{path}[{n}]"), value.into()))
                    .collect();
                values.into_iter().collect()
            }
            DeValue::Table(table) => {
                let fields: Vec<Option<(String, Value)>> = table
                    .iter()
                    .map(|(key, value)| {
                        let value = self.json(&below(path, &harmless(key.get_ref(), 80)), value.into())?;
                        Some((key.get_ref().clone().into_owned(), value))
                    })
                    .collect();
                fields.into_iter().collect()
            }
        }
    }
}

fn find<'d, 'i>(table: &'d DeTable<'i>, key: &str) -> Option<Entry<'d, 'i>> {
    table.get(key).map(Entry::from)
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Reads a length of time such as `30 seconds`.
fn duration(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_once(' ')?;
    let milliseconds: u64 = match unit {
        "millisecond" | "milliseconds" => 1,
        "second" | "seconds" => 1_000,
        "minute" | "minutes" => 60_000,
        _ => return None,
    };
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    count
        .parse::<u64>()
        .ok()?
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn problems(text: &str) -> String {
        let problems = text.parse::<SmokeTests>().unwrap_err().problems;
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_file_is_read() {
        let tests: SmokeTests = r#"
            within = "2 minutes"
            [[lambda]]
            name = "an order can be priced"
            function = "${shop-{environment}-web.FunctionName}"
            payload = { items = [{ sku = "tea", count = 2, weight = 0.5 }], rush = false }
            expect = { json = { "$.total" = 42 }, within = "500 milliseconds" }
            [[http]]
            name = "the shop is open"
            url = "${shop-{environment}-web.Url}/health"
            method = "POST"
            headers = { Accept = "application/json" }
            body = "{}"
            [http.expect]
            status = [200, 204]
            json = { "$.status" = "ok" }
            header = { content-type = "application/json" }
            body_contains = "ok"
            within = "3 seconds"
        "#
        .parse()
        .unwrap();
        assert_eq!(tests.within, Duration::from_mins(2));
        let [
            Check {
                name,
                ask: Ask::Http(http),
            },
            Check {
                ask: Ask::Lambda(lambda),
                ..
            },
        ] = tests.checks.as_slice()
        else {
            unreachable!("HTTP checks come first: {tests:?}")
        };
        assert_eq!(name, "the shop is open");
        assert_eq!((http.method, http.body.as_deref()), (Method::Post, Some("{}")));
        assert_eq!(http.headers.get("accept").unwrap(), "application/json");
        assert_eq!(
            (http.expect.status.as_slice(), http.expect.within),
            ([200, 204].as_slice(), Duration::from_secs(3))
        );
        assert_eq!(
            lambda.payload,
            json!({ "items": [{ "sku": "tea", "count": 2, "weight": 0.5 }], "rush": false })
        );
        assert_eq!(
            (lambda.expect.json.len(), lambda.expect.within),
            (1, Duration::from_millis(500))
        );
        let stacks: Vec<String> = tests
            .stacks(&"dev".parse().unwrap())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(stacks, ["shop-dev-web"]);
    }

    #[test]
    fn the_file_of_the_example_is_read() {
        let tests: SmokeTests = include_str!("../../../../examples/shop/lockgate.smoke.toml")
            .parse()
            .unwrap();
        let kinds = |http: bool| {
            tests
                .checks
                .iter()
                .filter(|check| matches!(check.ask, Ask::Http(_)) == http)
                .count()
        };
        assert!(kinds(true) > 0 && kinds(false) > 0);
    }

    #[test]
    fn what_is_not_said_is_usual() {
        let tests: SmokeTests = "[[http]]\nname = \"x\"\nurl = \"${a.Url}\"".parse().unwrap();
        let Ask::Http(http) = &tests.checks[0].ask else {
            unreachable!("it is an HTTP check")
        };
        assert_eq!(
            (tests.within, http.method, http.body.as_deref()),
            (Duration::from_secs(30), Method::Get, None)
        );
        assert_eq!(
            (http.expect.status.as_slice(), http.expect.within),
            ([200].as_slice(), Duration::from_secs(10))
        );
    }

    #[test]
    fn every_problem_is_told_at_once_with_line_and_key() {
        insta::assert_snapshot!(problems(r#"within = "11 minutes"
witin = "1 minute"
[[http]]
name = "a"
url = "https://evil.example/${a.Url}"
method = "get"
headers = { Host = "evil", "x y" = "1", x = "a\r\nb" }
body = 1
timeout = 3
[http.expect]
status = [200, 42]
json = { "total" = 1, "$.a" = 1979-05-27, "$.b" = nan }
body_contains = ""
within = "a while"
[[http]]
name = "a"
url = "${a}/x"
expect = "200"
[[http]]
[[lambda]]
name = "line\nbreak"
function = "shop"
expect = { status = 200 }
"#), @r#"
        line 1: within: is more than 600 seconds
        line 2: witin: is not known; there are within, http, lambda
        line 5: http[0].url: does not begin with a stack's output, such as ${shop-{environment}-web.Url}
        line 6: http[0].method: is none of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
        line 7: http[0].headers.x: is not a value of visible ASCII characters with single blanks between
        line 7: http[0].headers.x y: is no header's name
        line 7: http[0].headers.host: is set by the HTTP client and by nobody else
        line 8: http[0].body: is a number and not a text
        line 9: http[0].timeout: is not known; there are name, url, method, headers, body, expect
        line 11: http[0].expect.status: is neither a status from 100 to 599 nor a list of such
        line 12: http[0].expect.json."$.a": is a date, which JSON does not have: put it into quotes
        line 12: http[0].expect.json."$.b": is a number that JSON cannot write
        line 12: http[0].expect.json."total": is no JSON path, such as $.items[0].name
        line 13: http[0].expect.body_contains: is empty, which every body contains
        line 14: http[0].expect.within: is not written such as "500 milliseconds", "30 seconds", "2 minutes"
        line 16: http[1].name: "a" is the name of an earlier check too
        line 17: http[1].url: has "a", which is not written ${<stack>.<output>}
        line 18: http[1].expect: is a text and not a table
        line 19: http[2].url: is missing
        line 19: http[2].name: is missing
        line 21: lambda[0].name: is not 1 to 100 visible characters on one line
        line 22: lambda[0].function: does not begin with a stack's output, such as ${shop-{environment}-web.FunctionName}
        line 23: lambda[0].expect.status: is not known; there are json, within
        "#);
    }

    #[test]
    fn a_file_without_checks_or_with_too_many_is_refused() {
        insta::assert_snapshot!(problems(""), @"line 1: there is no check; remove the file if none is wanted");
        insta::assert_snapshot!(problems("http = 3"), @"line 1: http: is no list: each check begins with [[http]]");
        insta::assert_snapshot!(problems("http = [3]"), @"line 1: http[0]: is a number and not a table");
        let check = |n: usize| format!("[[http]]\nname = \"{n}\"\nurl = \"${{a.Url}}\"\n");
        let files: Vec<String> = (0..=MOST_CHECKS).map(check).collect();
        assert!(files[1..].concat().parse::<SmokeTests>().is_ok());
        insta::assert_snapshot!(problems(&files.concat()), @"line 1: there are more than 100 checks");
        insta::assert_snapshot!(problems(&" ".repeat(LONGEST_FILE + 1)), @"line 1: the file is longer than 262144 bytes");
    }

    #[test]
    fn what_is_no_toml_says_where() {
        insta::assert_snapshot!(problems("within = \"1 minute\"\n[[http]\nname = 'x"), @"line 2: unclosed array table, expected `]`");
    }

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("1 second", 1_000),
            ("30 seconds", 30_000),
            ("2 minutes", 120_000),
            ("0 milliseconds", 0),
            ("1 minute", 60_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in [
            "",
            "30",
            "30s",
            "seconds",
            "-1 seconds",
            "+1 second",
            "1.5 seconds",
            "1  second",
            "1 hour",
            "99999999999999999999 seconds",
            "18446744073709551615 minutes",
            " 1 second",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text: String) {
            let _ = text.parse::<SmokeTests>();
        }

        #[test]
        fn no_value_makes_the_reader_fall_over(
            key in "(within|http|lambda|http\\.(name|url|expect|headers)|lambda\\.(payload|function|expect))",
            value in "(1|-1|1\\.5|\"[a-z${}. ]{0,8}\"|\\[\\]|\\[1\\]|\\{\\}|\\{ a = 1 \\}|true|07:32:00|inf|0xff)",
        ) {
            let _ = format!("{key} = {value}").parse::<SmokeTests>();
            let _ = format!("[[http]]\n{key} = {value}\n[[lambda]]\n{key} = {value}").parse::<SmokeTests>();
        }
    }
}
