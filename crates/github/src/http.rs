//! One GET after another, over the HTTP and TLS stack that the AWS SDK brings into every function.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use domain::causes::with_causes;
use domain::harmless::harmless;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Address;
use crate::{Error, Patience, Token};

/// The longest answer that is read. A hundred commits with ordinary messages take half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// How often a call is made, at most.
const ATTEMPTS: u32 = 4;
/// How many redirects are followed: a renamed repository takes one.
const REDIRECTS: usize = 3;
/// How long GitHub asks to wait where it limits calls and does not say how long (its documentation, "Rate limits for the
/// REST API").
const UNTOLD_LIMIT: Duration = Duration::from_mins(1);

/// A question, which may take several calls.
#[derive(Debug)]
pub(crate) struct Asking {
    /// What is asked for, for people.
    what: String,
    until: Instant,
}

impl Asking {
    pub(crate) fn new(what: String, until: Instant) -> Self {
        Self { what, until }
    }

    pub(crate) fn unavailable(&self, why: impl Into<String>, until: Option<Timestamp>) -> Error {
        Error::Unavailable {
            what: self.what.clone(),
            why: why.into(),
            until,
        }
    }

    fn too_long(&self) -> Error {
        Error::TooLong {
            what: self.what.clone(),
            limit_mb: BODY_LIMIT / 1024 / 1024,
        }
    }

    pub(crate) fn denied(&self, why: impl Into<String>) -> Error {
        Error::Denied {
            what: self.what.clone(),
            why: why.into(),
        }
    }
}

/// An answer that says what was asked for.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Vec<u8>,
    /// Whether there is another page.
    pub(crate) has_next: bool,
}

/// The API.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    address: Address,
    pub(crate) token: Option<Token>,
    pub(crate) patience: Patience,
    /// When all questions together have to be answered.
    pub(crate) until: Option<Instant>,
    /// Made when it is needed: reading the system's certificates takes longer than most functions run.
    connector: Arc<OnceLock<SharedHttpConnector>>,
}

impl Http {
    pub(crate) fn new(address: Address, token: Option<Token>) -> Self {
        Self {
            address,
            token,
            patience: Patience::default(),
            until: None,
            connector: Arc::default(),
        }
    }

    pub(crate) fn use_connector(&mut self, connector: impl HttpConnector + 'static) {
        self.connector = Arc::new(OnceLock::from(SharedHttpConnector::new(connector)));
    }

    /// What is at a path, which carries its query; nothing, where GitHub says that there is nothing.
    pub(crate) async fn get(&self, asking: &Asking, path: &str) -> Result<Option<Reply>, Error> {
        let mut pause = self.patience.pause;
        let mut attempt = 1;
        loop {
            let until = asking.until.min(Instant::now() + self.patience.call);
            // A timer that has run out would still let the call begin, and a quick answer win.
            let verdict = if Instant::now() < until {
                timeout_at(until, self.call(path)).await.ok()
            } else {
                None
            };
            let (why, after) = match verdict.unwrap_or_else(|| Verdict::again("it did not answer in time")) {
                Verdict::Answer(reply) => return Ok(Some(reply)),
                Verdict::Missing => return Ok(None),
                Verdict::Denied(why) => return Err(asking.denied(why)),
                Verdict::Useless(why) => return Err(asking.unavailable(why, None)),
                Verdict::TooLong => return Err(asking.too_long()),
                Verdict::Again { why, after } => (why, after),
            };
            let wait = after.unwrap_or(pause);
            let is_too_late = |at: Instant| at >= asking.until;
            if attempt == ATTEMPTS || Instant::now().checked_add(wait).is_none_or(is_too_late) {
                return Err(asking.unavailable(why, after.and_then(from_now)));
            }
            tracing::warn!(github.asked = asking.what, why, wait = ?wait, "GitHub is asked again");
            sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    /// One call, with the redirects that it takes.
    async fn call(&self, path: &str) -> Verdict {
        let mut url = self.address.of(path);
        for _ in 0..=REDIRECTS {
            let answered = match self.once(&url).await {
                Ok(answered) => answered,
                Err(why) => return why,
            };
            let Some(location) = answered.redirects_to() else {
                return answered.verdict(Timestamp::now());
            };
            match self.address.redirected(location) {
                Some(target) => url = target,
                None => return Verdict::Useless("it redirects to another host, which is not followed".to_owned()),
            }
        }
        Verdict::Useless(format!("it redirects more than {REDIRECTS} times"))
    }

    async fn once(&self, url: &str) -> Result<Answered, Verdict> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(url).map_err(|error| Verdict::Useless(why(&error)))?;
        let headers = request.headers_mut();
        headers.insert("accept", "application/vnd.github+json");
        headers.insert("x-github-api-version", "2022-11-28");
        headers.insert("user-agent", concat!("lockgate/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            headers.insert("authorization", format!("Bearer {}", token.expose()));
        }
        let response = self.connector().call(request).await;
        let response = response.map_err(|error| Verdict::again(why(&error)))?;
        Answered::read(response).await
    }

    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            SharedHttpConnector::new(
                Connector::builder()
                    .tls_provider(Provider::Rustls(CryptoMode::Ring))
                    .build(),
            )
        })
    }
}

/// What a call means.
#[derive(Debug)]
enum Verdict {
    Answer(Reply),
    Missing,
    Denied(String),
    /// Nothing that asking again would change.
    Useless(String),
    TooLong,
    Again {
        why: String,
        /// How long GitHub asks to wait.
        after: Option<Duration>,
    },
}

impl Verdict {
    fn again(why: impl Into<String>) -> Self {
        Self::Again {
            why: why.into(),
            after: None,
        }
    }
}

/// An answer, read to its end.
#[derive(Debug, Default)]
struct Answered {
    status: u16,
    location: Option<String>,
    link: Option<String>,
    date: Option<String>,
    retry_after: Option<String>,
    /// How many calls are left, and when there are new ones, in seconds since 1970.
    remaining: Option<String>,
    reset: Option<String>,
    body: Vec<u8>,
}

impl Answered {
    async fn read(mut response: HttpResponse) -> Result<Self, Verdict> {
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let mut answered = Self {
            status: response.status().as_u16(),
            location: header("location"),
            link: header("link"),
            date: header("date"),
            retry_after: header("retry-after"),
            remaining: header("x-ratelimit-remaining"),
            reset: header("x-ratelimit-reset"),
            body: Vec::new(),
        };
        let mut body = ByteStream::new(response.take_body());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Verdict::again(why(&error)))?;
            if answered.body.len() + chunk.len() > BODY_LIMIT {
                return Err(Verdict::TooLong);
            }
            answered.body.extend_from_slice(&chunk);
        }
        Ok(answered)
    }

    fn redirects_to(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 307 | 308)
            .then_some(self.location.as_deref())
            .flatten()
    }

    fn verdict(self, now: Timestamp) -> Verdict {
        match self.status {
            200 => Verdict::Answer(Reply {
                has_next: self.link.is_some_and(|link| has_next(&link)),
                body: self.body,
            }),
            // 409 is what an empty repository answers, 422 what a commit does that GitHub has never seen.
            404 | 409 | 422 => Verdict::Missing,
            403 | 429 if self.is_limited() => Verdict::Again {
                why: "it asks to be called less often".to_owned(),
                after: Some(self.pause(now).unwrap_or(UNTOLD_LIMIT)),
            },
            401 => Verdict::Denied(format!("the token is not valid (401 {})", self.message())),
            408 | 500..=599 => Verdict::Again {
                why: format!("it answers {}", self.status),
                after: seconds(self.retry_after.as_deref()),
            },
            400..=499 => Verdict::Denied(format!("{} {}", self.status, self.message()).trim().to_owned()),
            other => Verdict::Useless(format!("it answers {other}")),
        }
    }

    /// GitHub counts calls by the hour, and says so in headers; and by the minute, and says so in words.
    fn is_limited(&self) -> bool {
        self.status == 429
            || self.retry_after.is_some()
            || self.remaining.as_deref() == Some("0")
            || self.message().to_ascii_lowercase().contains("rate limit")
    }

    fn pause(&self, now: Timestamp) -> Option<Duration> {
        if let Some(told) = seconds(self.retry_after.as_deref()) {
            return Some(told);
        }
        if self.remaining.as_deref() != Some("0") {
            return None;
        }
        let reset = self.reset.as_deref()?.parse().ok()?;
        let reset = Timestamp::from_second(reset).ok()?;
        // GitHub's clock and ours may differ.
        let date = self.date.as_deref().and_then(|date| rfc2822::parse(date).ok());
        let now = date.map_or(now, |date| date.timestamp());
        Some(reset.duration_since(now).try_into().unwrap_or(Duration::ZERO))
    }

    /// GitHub's own words.
    fn message(&self) -> String {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let said = serde_json::from_slice::<Refusal>(&self.body).map(|refusal| harmless(&refusal.message, 200));
        said.unwrap_or_default()
    }
}

fn seconds(header: Option<&str>) -> Option<Duration> {
    header?.trim().parse().ok().map(Duration::from_secs)
}

fn from_now(wait: Duration) -> Option<Timestamp> {
    let at = Timestamp::now()
        .checked_add(SignedDuration::try_from(wait).ok()?)
        .ok()?;
    Timestamp::from_second(at.as_second()).ok()
}

/// Whether a `Link` header (RFC 8288) names a next page.
fn has_next(link: &str) -> bool {
    link.split(',').any(|link| {
        link.split(';')
            .skip(1)
            .any(|parameter| parameter.trim() == "rel=\"next\"")
    })
}

/// Why there is no answer, from the error and all its causes.
fn why(error: &(dyn std::error::Error + 'static)) -> String {
    harmless(&with_causes(error), 300)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Answered {
        let header = |name: &str| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Answered {
            status,
            location: header("location"),
            link: header("link"),
            date: header("date"),
            retry_after: header("retry-after"),
            remaining: header("x-ratelimit-remaining"),
            reset: header("x-ratelimit-reset"),
            body: body.as_bytes().to_vec(),
        }
    }

    /// 12:10 of that day.
    const RESET: &str = "1795435800";

    #[test]
    fn a_limit_is_told_from_a_refusal_and_waited_for_as_long_as_github_asks() {
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
        for (status, headers, body, wait) in [
            (429, vec![("retry-after", "7")], "", 7),
            (403, vec![("retry-after", "7")], "{}", 7),
            (
                403,
                vec![
                    ("retry-after", "7"),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", RESET),
                ],
                "{}",
                7,
            ),
            (
                403,
                vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", RESET)],
                "{}",
                600,
            ),
            // By GitHub's own clock, nine minutes ahead of ours.
            (
                403,
                vec![
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", RESET),
                    ("date", "Mon, 23 Nov 2026 12:09:00 GMT"),
                ],
                "{}",
                60,
            ),
            (
                429,
                vec![
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", RESET),
                    ("date", "Mon, 23 Nov 2026 12:11:00 GMT"),
                ],
                "{}",
                0,
            ),
            (
                403,
                vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "soon")],
                "{}",
                60,
            ),
            (
                403,
                vec![
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "99999999999999999"),
                ],
                "{}",
                60,
            ),
            (
                403,
                vec![("x-ratelimit-remaining", "4000"), ("x-ratelimit-reset", RESET)],
                secondary,
                60,
            ),
            (429, vec![], "", 60),
            (429, vec![("retry-after", "Mon, 23 Nov 2026 12:10:00 GMT")], "", 60),
        ] {
            let verdict = answered(status, &headers, body).verdict(now());
            assert!(
                matches!(verdict, Verdict::Again { after: Some(after), .. } if after == Duration::from_secs(wait)),
                "{status} {headers:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn every_status_has_one_meaning() {
        let said = r#"{"message":"Resource not accessible by personal\u001b access token"}"#;
        for (status, body, meaning) in [
            (200, "[]", "Answer"),
            (404, said, "Missing"),
            (409, said, "Missing"),
            (422, said, "Missing"),
            (
                401,
                r#"{"message":"Bad credentials"}"#,
                "Denied: the token is not valid (401 Bad credentials)",
            ),
            (
                403,
                said,
                "Denied: 403 Resource not accessible by personal access token",
            ),
            (403, "<html>", "Denied: 403"),
            (451, "", "Denied: 451"),
            (400, "", "Denied: 400"),
            (500, "", "Again: it answers 500"),
            (502, "<html>", "Again: it answers 502"),
            (408, "", "Again: it answers 408"),
            (204, "", "Useless: it answers 204"),
            (301, "", "Useless: it answers 301"),
            (101, "", "Useless: it answers 101"),
        ] {
            let shown = match answered(status, &[], body).verdict(now()) {
                Verdict::Answer(_) => "Answer".to_owned(),
                Verdict::Missing => "Missing".to_owned(),
                Verdict::Denied(why) => format!("Denied: {why}"),
                Verdict::Useless(why) => format!("Useless: {why}"),
                Verdict::TooLong => "TooLong".to_owned(),
                Verdict::Again { why, after: None } => format!("Again: {why}"),
                Verdict::Again { after, .. } => format!("Again after {after:?}"),
            };
            assert_eq!(shown, meaning);
        }
    }

    #[test]
    fn a_next_page_is_named_by_its_relation() {
        let github = "<https://api.github.com/repositories/1/commits?page=1>; rel=\"prev\", \
                      <https://api.github.com/repositories/1/commits?page=3>; rel=\"next\", \
                      <https://api.github.com/repositories/1/commits?page=9>; rel=\"last\"";
        assert!(has_next(github));
        for link in [
            "",
            "<https://x/?rel=\"next\">; rel=\"last\"",
            "rel=\"next\"",
            "<https://x>; rel=\"prev\"",
        ] {
            assert!(!has_next(link), "{link}");
        }
    }

    #[test]
    fn a_wait_without_end_has_no_time_at_its_end() {
        assert_eq!(from_now(Duration::MAX), None);
        assert_eq!(from_now(Duration::from_secs(u64::MAX)), None);
        assert!(from_now(Duration::from_secs(1)).is_some());
    }
}
