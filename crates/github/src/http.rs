//! One call after another, over the HTTP and TLS stack that the AWS SDK brings into every function.

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
use domain::names::RepositoryName;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::address::Address;
use crate::{Credentials, Error, Patience, Token};

/// The longest answer that is read. A hundred commits with ordinary messages take half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// How often a call is made, at most.
const ATTEMPTS: u32 = 4;
/// How many redirects are followed: a renamed repository takes one.
const REDIRECTS: usize = 3;
/// How long GitHub asks to wait where it limits calls and does not say how long (its documentation, "Rate limits for the
/// REST API").
const UNTOLD_LIMIT: Duration = Duration::from_mins(1);

/// Something that is asked of GitHub, which may take several calls.
#[derive(Debug)]
pub(crate) struct Asking {
    /// What is asked for, for people.
    what: String,
    /// Whose credentials it takes.
    pub(crate) bearer: Bearer,
    until: Instant,
}

/// As whom GitHub is asked.
#[derive(Debug)]
pub(crate) enum Bearer {
    /// As whoever may see this repository.
    Of(RepositoryName),
    /// By this very token.
    Token(Token),
}

impl Asking {
    pub(crate) fn new(what: String, bearer: Bearer, until: Instant) -> Self {
        Self { what, bearer, until }
    }

    /// Another question on the way to this one, as somebody else.
    pub(crate) fn first(&self, what: String, bearer: Bearer) -> Self {
        Self::new(what, bearer, self.until)
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

    fn refused(&self, why: impl Into<String>) -> Error {
        Error::Refused {
            what: self.what.clone(),
            why: why.into(),
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
    /// Where it begins, in lists that have no numbered pages.
    pub(crate) next_cursor: Option<String>,
    /// What is said of the token that it was asked by.
    pub(crate) of_token: OfToken,
}

/// What GitHub says of a token beside whatever it is asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfToken {
    /// Its scopes, separated by commas; only of a classic one ("Scopes for OAuth apps" in GitHub's documentation).
    pub(crate) scopes: Option<String>,
    /// When it ends, where it does.
    pub(crate) expires: Option<String>,
}

/// The API.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    address: Address,
    pub(crate) credentials: Credentials,
    pub(crate) patience: Patience,
    /// When all questions together have to be answered.
    pub(crate) until: Option<Instant>,
    /// Made when it is needed: reading the system's certificates takes longer than most functions run.
    connector: Arc<OnceLock<SharedHttpConnector>>,
}

impl Http {
    pub(crate) fn new(address: Address, credentials: Credentials) -> Self {
        Self {
            address,
            credentials,
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
        self.repeat(asking, Call::question(path)).await
    }

    /// Has GitHub do something, and returns its answer.
    ///
    /// Nothing is done twice: only what GitHub turned away for being asked too often is asked again. Whatever else went
    /// wrong may have been done all the same where the error is [`Error::Unavailable`].
    pub(crate) async fn act(
        &self,
        asking: &Asking,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Error> {
        let body = body.map(Value::to_string);
        let call = Call { method, path, body };
        let reply = self.repeat(asking, call).await?;
        reply.ok_or_else(|| asking.refused("GitHub has nothing there, or the token may not write it"))
    }

    async fn repeat(&self, asking: &Asking, call: Call<'_>) -> Result<Option<Reply>, Error> {
        let token = match &asking.bearer {
            Bearer::Token(token) => Some(token.clone()),
            // Getting one asks GitHub as well, by a token of its own.
            Bearer::Of(repository) => Box::pin(self.token(asking, repository)).await?,
        };
        let mut pause = self.patience.pause;
        let mut attempt = 1;
        loop {
            let until = asking.until.min(Instant::now() + self.patience.call);
            // A timer that has run out would still let the call begin, and a quick answer win.
            let verdict = if Instant::now() < until {
                timeout_at(until, self.call(&call, token.as_ref())).await.ok()
            } else {
                None
            };
            let (why, after) = match verdict.unwrap_or_else(|| Verdict::again("it did not answer in time")) {
                Verdict::Answer(reply) => return Ok(Some(reply)),
                Verdict::Missing => return Ok(None),
                Verdict::Denied(why) => {
                    // A token can be taken back before its hour is over; the next question gets another.
                    if let (Credentials::App(app), Bearer::Of(repository)) = (&self.credentials, &asking.bearer) {
                        app.forget(repository);
                    }
                    return Err(asking.denied(why));
                }
                Verdict::Refused(why) => return Err(asking.refused(why)),
                Verdict::Useless(why) => return Err(asking.unavailable(why, None)),
                Verdict::TooLong => return Err(asking.too_long()),
                // What was turned away was not done; of everything else nobody knows.
                Verdict::Again { why, after } if !call.is_question() && !matches!(after, Some((_, Turned::Away))) => {
                    return Err(asking.unavailable(why, after.and_then(|(after, _)| from_now(after))));
                }
                Verdict::Again { why, after } => (why, after.map(|(after, _)| after)),
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

    /// The token for a repository, where there is any.
    async fn token(&self, asking: &Asking, repository: &RepositoryName) -> Result<Option<Token>, Error> {
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Token(token) => Ok(Some(token.clone())),
            Credentials::App(app) => app.token_for(self, asking, repository).await.map(Some),
        }
    }

    /// One call, with the redirects that it takes.
    async fn call(&self, call: &Call<'_>, token: Option<&Token>) -> Verdict {
        let mut url = self.address.of(call.path);
        for _ in 0..=REDIRECTS {
            let answered = match self.once(call, &url, token).await {
                Ok(answered) => answered,
                Err(why) => return why,
            };
            let Some(location) = answered.redirects_to(call) else {
                return answered.verdict(call, Timestamp::now());
            };
            match self.address.redirected(location) {
                Some(target) => url = target,
                None => return Verdict::Useless("it redirects to another host, which is not followed".to_owned()),
            }
        }
        Verdict::Useless(format!("it redirects more than {REDIRECTS} times"))
    }

    async fn once(&self, call: &Call<'_>, url: &str, token: Option<&Token>) -> Result<Answered, Verdict> {
        let body = call.body.as_deref().map_or_else(SdkBody::empty, SdkBody::from);
        let mut request = HttpRequest::new(body);
        request.set_uri(url).map_err(|error| Verdict::Useless(why(&error)))?;
        request
            .set_method(call.method)
            .map_err(|error| Verdict::Useless(why(&error)))?;
        let headers = request.headers_mut();
        headers.insert("accept", "application/vnd.github+json");
        headers.insert("x-github-api-version", "2022-11-28");
        headers.insert("user-agent", concat!("lockgate/", env!("CARGO_PKG_VERSION")));
        if let Some(body) = &call.body {
            headers.insert("content-type", "application/json");
            headers.insert("content-length", body.len().to_string());
        } else if !call.is_question() {
            headers.insert("content-length", "0");
        }
        if let Some(token) = token {
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

/// One call.
struct Call<'a> {
    method: &'static str,
    path: &'a str,
    body: Option<String>,
}

impl<'a> Call<'a> {
    fn question(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            body: None,
        }
    }

    /// Whether it changes nothing, so that it can be made again whatever happened.
    fn is_question(&self) -> bool {
        self.method == "GET"
    }
}

/// What became of a call that may be made again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turned {
    /// Nothing was done.
    Away,
    /// Nobody knows.
    Somehow,
}

/// What a call means.
#[derive(Debug)]
enum Verdict {
    Answer(Reply),
    Missing,
    Denied(String),
    /// What was to be done cannot be done, whoever asks.
    Refused(String),
    /// Nothing that asking again would change.
    Useless(String),
    TooLong,
    Again {
        why: String,
        /// How long GitHub asks to wait, and whether it said so instead of doing anything.
        after: Option<(Duration, Turned)>,
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
    of_token: OfToken,
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
            of_token: OfToken {
                scopes: header("x-oauth-scopes"),
                expires: header("github-authentication-token-expiration"),
            },
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

    /// Of what changes something, only those redirects are followed that keep method and body.
    fn redirects_to(&self, call: &Call<'_>) -> Option<&str> {
        let follows = match self.status {
            301 | 302 => call.is_question(),
            307 | 308 => true,
            _ => false,
        };
        follows.then_some(self.location.as_deref()).flatten()
    }

    fn verdict(self, call: &Call<'_>, now: Timestamp) -> Verdict {
        match self.status {
            200 => Verdict::Answer(Reply {
                has_next: self.link.as_deref().is_some_and(has_next),
                next_cursor: self.link.as_deref().and_then(next_cursor),
                body: self.body,
                of_token: self.of_token,
            }),
            201 | 202 | 204 if !call.is_question() => Verdict::Answer(Reply {
                has_next: false,
                next_cursor: None,
                body: self.body,
                of_token: self.of_token,
            }),
            // 409 is what an empty repository answers, 422 what a commit does that GitHub has never seen.
            404 => Verdict::Missing,
            409 | 422 if call.is_question() => Verdict::Missing,
            409 | 410 | 422 => Verdict::Refused(format!("{} {}", self.status, self.message())),
            403 | 429 if self.is_limited() => Verdict::Again {
                why: "it asks to be called less often".to_owned(),
                after: Some((self.pause(now).unwrap_or(UNTOLD_LIMIT), Turned::Away)),
            },
            401 => Verdict::Denied(format!("the token is not valid (401 {})", self.message())),
            408 | 500..=599 => Verdict::Again {
                why: format!("it answers {}", self.status),
                after: seconds(self.retry_after.as_deref()).map(|after| (after, Turned::Somehow)),
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

/// The `cursor` of the next page that a `Link` header names.
fn next_cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|link| has_next(link))?;
    let (_, query) = next
        .split(';')
        .next()?
        .trim()
        .trim_matches(['<', '>'])
        .split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, cursor) = pairs.find(|(name, _)| *name == "cursor")?;
    // It goes into an address as it came.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~%".contains(&byte);
    cursor.bytes().all(is_plain).then(|| cursor.to_owned())
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
            of_token: OfToken::default(),
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
            let verdict = answered(status, &headers, body).verdict(&Call::question("/"), now());
            assert!(
                matches!(
                    verdict,
                    Verdict::Again { after: Some((after, Turned::Away)), .. } if after == Duration::from_secs(wait)
                ),
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
            assert_eq!(
                shown(answered(status, &[], body).verdict(&Call::question("/"), now())),
                meaning
            );
        }
    }

    fn shown(verdict: Verdict) -> String {
        match verdict {
            Verdict::Answer(_) => "Answer".to_owned(),
            Verdict::Missing => "Missing".to_owned(),
            Verdict::Denied(why) => format!("Denied: {why}"),
            Verdict::Refused(why) => format!("Refused: {why}"),
            Verdict::Useless(why) => format!("Useless: {why}"),
            Verdict::TooLong => "TooLong".to_owned(),
            Verdict::Again { why, after: None } => format!("Again: {why}"),
            Verdict::Again { after, .. } => format!("Again after {after:?}"),
        }
    }

    #[test]
    fn what_was_to_be_done_was_done_or_refused_or_nobody_knows() {
        let said = r#"{"message":"Validation Failed"}"#;
        for (status, headers, body, meaning) in [
            (200, vec![], "{}", "Answer"),
            (201, vec![], "{}", "Answer"),
            (202, vec![], "{}", "Answer"),
            (204, vec![], "", "Answer"),
            (404, vec![], said, "Missing"),
            (403, vec![], said, "Denied: 403 Validation Failed"),
            (409, vec![], said, "Refused: 409 Validation Failed"),
            (410, vec![], said, "Refused: 410 Validation Failed"),
            (422, vec![], said, "Refused: 422 Validation Failed"),
            (502, vec![], "", "Again: it answers 502"),
            (503, vec![("retry-after", "9")], "", "Again after Some((9s, Somehow))"),
            (429, vec![("retry-after", "9")], "", "Again after Some((9s, Away))"),
            (302, vec![("location", "/elsewhere")], "", "Useless: it answers 302"),
        ] {
            let call = Call {
                method: "POST",
                path: "/",
                body: Some("{}".to_owned()),
            };
            let answered = answered(status, &headers, body);
            assert_eq!(answered.redirects_to(&call), None, "{status}");
            assert_eq!(shown(answered.verdict(&call, now())), meaning);
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
    fn a_next_page_without_a_number_is_named_by_its_cursor() {
        let link = "<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_17%3D>; rel=\"next\"";
        assert_eq!(next_cursor(link).as_deref(), Some("v1_17%3D"));
        for link in [
            "",
            "<https://api.github.com/x?page=3>; rel=\"next\"",
            "<https://api.github.com/x?cursor=1>; rel=\"prev\"",
            "<https://api.github.com/x?cursor=1/../2>; rel=\"next\"",
        ] {
            assert_eq!(next_cursor(link), None, "{link}");
        }
    }

    #[test]
    fn a_wait_without_end_has_no_time_at_its_end() {
        assert_eq!(from_now(Duration::MAX), None);
        assert_eq!(from_now(Duration::from_secs(u64::MAX)), None);
        assert!(from_now(Duration::from_secs(1)).is_some());
    }
}
