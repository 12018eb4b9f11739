//! How the checks went, as the ledger keeps it and people read it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Ask, Check};
use crate::harmless::harmless;
use crate::names::EnvironmentName;

/// The most reasons a result keeps.
const MOST_REASONS: usize = 5;

/// The most characters of one reason. 100 results with 5 such reasons in four-byte characters and their names are
/// 340 KB, and a ledger item holds 400 KB.
const LONGEST_REASON: usize = 150;

/// The shortest text that is taken for a secret.
const SHORTEST_SECRET: usize = 4;

/// Request headers whose values are no secrets, and which words of a reason may well repeat.
const NO_SECRETS: [&str; 6] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-type",
    "user-agent",
];

/// How all checks of a deployment went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Whether every check passed.
    pub passed: bool,
    /// The checks, in the file's order; none where the release has no smoke tests.
    pub checks: Vec<CheckResult>,
    /// Where people find the environment, by the output that its policy names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// What it asked.
    pub kind: Kind,
    /// Whether it passed, in the end.
    pub passed: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// How long the last attempt took.
    pub took_ms: u64,
    /// Why the last attempt failed; nothing where it passed.
    pub reasons: Vec<String>,
}

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// An HTTP request.
    Http,
    /// An invocation of a Lambda function.
    Lambda,
}

impl CheckResult {
    /// How a check went: it passed when there is no reason against it.
    ///
    /// What a reason repeats of the request's header values is blanked: a server that echoes them would put an API key
    /// into the ledger and into mail. It is blanked before anything is cut, so that no half of a key is left.
    pub fn new(
        check: &Check,
        environment: &EnvironmentName,
        attempts: u32,
        took: Duration,
        reasons: &[String],
    ) -> Self {
        let secrets = secrets(check, environment);
        let mut kept: Vec<String> = reasons
            .iter()
            .take(MOST_REASONS)
            .map(|reason| harmless(&blanked(reason, &secrets), LONGEST_REASON))
            .collect();
        if reasons.len() > MOST_REASONS {
            kept[MOST_REASONS - 1] = format!("{} more reasons", reasons.len() - MOST_REASONS + 1);
        }
        Self {
            name: check.name.clone(),
            kind: match check.ask {
                Ask::Http(_) => Kind::Http,
                Ask::Lambda(_) => Kind::Lambda,
            },
            passed: reasons.is_empty(),
            attempts,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            reasons: kept,
        }
    }
}

impl Report {
    /// The report of these checks.
    pub fn new(checks: Vec<CheckResult>) -> Self {
        Self {
            passed: checks.iter().all(|check| check.passed),
            url: None,
            checks,
        }
    }

    /// Which check failed and why, in one sentence; `None` where all passed.
    pub fn cause(&self) -> Option<String> {
        let failed: Vec<&CheckResult> = self.checks.iter().filter(|check| !check.passed).collect();
        let first = failed.first()?;
        let why = first.reasons.join(", and ");
        let tried = if first.attempts == 1 {
            String::new()
        } else {
            format!(" (tried {} times)", first.attempts)
        };
        Some(match failed.len() {
            1 => format!("the check {:?} failed: {why}{tried}", first.name),
            count => format!(
                "{count} of {} checks failed; the first, {:?}: {why}{tried}",
                self.checks.len(),
                first.name
            ),
        })
    }
}

/// The texts of a check that no report may show: header values, and the words in them (`Bearer …`), as they are and as
/// JSON writes them.
fn secrets(check: &Check, environment: &EnvironmentName) -> Vec<String> {
    let Ask::Http(http) = &check.ask else { return Vec::new() };
    let mut secrets = BTreeSet::new();
    for (_, value) in http
        .headers
        .iter()
        .filter(|(name, _)| !NO_SECRETS.contains(&name.as_str()))
    {
        let value = value.replace(super::template::ENVIRONMENT, environment.as_str());
        for text in std::iter::once(value.as_str()).chain(value.split_whitespace()) {
            let quoted = serde_json::Value::from(text).to_string();
            secrets.insert(quoted[1..quoted.len() - 1].to_owned());
            secrets.insert(text.to_owned());
        }
    }
    let mut secrets: Vec<String> = secrets
        .into_iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
        .collect();
    // The longest first, so that a part does not keep the whole from being found.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn blanked(reason: &str, secrets: &[String]) -> String {
    secrets
        .iter()
        .fold(reason.to_owned(), |reason, secret| reason.replace(secret, "[…]"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::super::SmokeTests;
    use super::*;

    fn check(headers: &str) -> Check {
        let file = format!("[[http]]\nname = \"open\"\nurl = \"${{a.Url}}\"\nheaders = {headers}");
        file.parse::<SmokeTests>().unwrap().checks.remove(0)
    }

    fn result(name: &str, attempts: u32, reasons: &[&str]) -> CheckResult {
        let reasons: Vec<String> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let check = Check {
            name: name.to_owned(),
            ..check("{}")
        };
        CheckResult::new(
            &check,
            &"dev".parse().unwrap(),
            attempts,
            Duration::from_millis(7),
            &reasons,
        )
    }

    #[test]
    fn a_secret_that_a_server_echoes_is_blanked_before_it_is_cut() {
        let check = check(
            r#"{ authorization = "Bearer k3y-{environment}-\"quoted\"", x-key = "canary", accept = "text/html" }"#,
        );
        let reasons = [
            r#"$.you should be 1 and is {"authorization":"Bearer k3y-dev-\"quoted\"","x":"canary"}"#.to_owned(),
            "the header content-type should be \"a\" and is \"text/html\"".to_owned(),
            format!("{}canary", "x".repeat(LONGEST_REASON - 4)),
        ];
        let result = CheckResult::new(&check, &"dev".parse().unwrap(), 1, Duration::ZERO, &reasons);
        let text = result.reasons.join("\n");
        assert!(
            !text.contains("k3y") && !text.contains("Bearer") && !text.contains("can"),
            "{text}"
        );
        assert!(text.contains("text/html"), "{text}");
    }

    #[test]
    fn the_cause_names_the_check_and_why() {
        let passed = result("open", 1, &[]);
        assert_eq!(Report::new(vec![]).cause(), None);
        assert_eq!(Report::new(vec![passed.clone()]).cause(), None);
        insta::assert_snapshot!(
            Report::new(vec![passed.clone(), result("prices", 1, &["a", "b"])]).cause().unwrap(),
            @r#"the check "prices" failed: a, and b"#
        );
        insta::assert_snapshot!(
            Report::new(vec![passed, result("prices", 7, &["a"]), result("orders", 7, &["c"])]).cause().unwrap(),
            @r#"2 of 3 checks failed; the first, "prices": a (tried 7 times)"#
        );
    }

    #[test]
    fn the_largest_report_fits_into_a_ledger_item() {
        let name = "\u{1f375}".repeat(100);
        let reasons = vec!["\u{1f375}".repeat(1_000_000); 50];
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let report = Report::new(vec![result(&name, u32::MAX, &reasons); super::super::MOST_CHECKS]);
        let size = serde_json::to_vec(&report).unwrap().len();
        assert!(size < 350_000, "{size}");
        assert!(report.checks[0].reasons[4].ends_with("more reasons"));
    }

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        let report = Report::new(vec![result("open", 2, &["a\r\nb\u{202e}"])]);
        let text = serde_json::to_string(&report).unwrap();
        insta::assert_snapshot!(text, @r#"{"passed":false,"checks":[{"name":"open","kind":"http","passed":false,"attempts":2,"took_ms":7,"reasons":["a b"]}]}"#);
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
