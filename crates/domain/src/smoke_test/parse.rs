//! Reading `lockgate.smoke.toml`: everything that is wrong with it at once, with line and key.

mod http;
mod lambda;
mod reader;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use self::reader::{Entry, Reader, below, find};
use super::{Ask, Check, MOST_CHECKS, SmokeTests};
use crate::harmless::harmless;

const LONGEST_FILE: usize = 256 * 1024;
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 64 * 1024;
const LONGEST_HEADER: usize = 4096;
const LONGEST_WITHIN: Duration = Duration::from_mins(10);
const USUAL_WITHIN: Duration = Duration::from_secs(30);

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
        let mut reader = Reader::new(text);
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

impl Reader<'_> {
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
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::smoke_test::Method;

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
