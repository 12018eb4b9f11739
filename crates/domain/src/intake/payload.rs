//! GitHub's payloads, reduced to the fields that are used.
//!
//! The fields are those of GitHub's documentation, "Webhook events and payloads". What is not used is checked to be
//! JSON and otherwise not looked at: GitHub adds fields at any time.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{ByHand, Event, Malformed, PullRequest, PullRequestAction, Push, Release, ReleaseAction, TITLE_LIMIT};
use crate::harmless::{first_line, harmless};
use crate::names::{CommitSha, RepositoryName};

/// How many characters of a login are kept. GitHub's have at most 39, those of enterprises and apps a suffix.
const LOGIN_LIMIT: usize = 80;
/// The commit that GitHub writes where there is none.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

pub(super) fn read(event: &str, body: &[u8]) -> Result<Event, Malformed> {
    let Json = parse(body)?;
    match event {
        "ping" => Ok(Event::Ping),
        "push" => parse::<WebhookPush<'_>>(body)?.event(),
        "release" => parse::<WebhookRelease<'_>>(body)?.event(),
        "pull_request" => parse::<WebhookPull<'_>>(body)?.event(),
        "deployment" => parse::<WebhookDeployment<'_>>(body)?.event(),
        "repository_dispatch" => parse::<WebhookDispatch<'_>>(body)?.event(),
        _ => Ok(Event::Other),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own words can quote the body, which has no place in a log.
        let what = if error.is_data() {
            "it is not the JSON that GitHub sends"
        } else {
            "it is not JSON"
        };
        Malformed(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

#[derive(Deserialize)]
struct WebhookPush<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    before: Cow<'a, str>,
    #[serde(borrow)]
    after: Cow<'a, str>,
    #[serde(default)]
    deleted: bool,
    #[serde(borrow)]
    repository: WebhookRepository<'a>,
    #[serde(borrow)]
    pusher: Option<WebhookPusher<'a>>,
    #[serde(borrow)]
    sender: Option<WebhookSender<'a>>,
    /// `null` where a branch was deleted.
    #[serde(borrow)]
    head_commit: Option<WebhookCommit<'a>>,
}

#[derive(Deserialize)]
struct WebhookRelease<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    release: WebhookReleaseItself<'a>,
    #[serde(borrow)]
    repository: WebhookRepository<'a>,
    #[serde(borrow)]
    sender: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookReleaseItself<'a> {
    id: u64,
    #[serde(borrow)]
    tag_name: Cow<'a, str>,
    draft: bool,
    prerelease: bool,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    /// `null` in a draft.
    published_at: Option<WholeSeconds>,
    created_at: Option<WholeSeconds>,
    #[serde(borrow)]
    author: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookRepository<'a> {
    #[serde(borrow)]
    full_name: Cow<'a, str>,
    fork: Option<bool>,
    pushed_at: Option<WholeSeconds>,
}

#[derive(Deserialize)]
struct WebhookPusher<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WebhookSender<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    /// `User`, `Bot`, `Organization` or `Mannequin`.
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl WebhookSender<'_> {
    fn is_person(&self) -> bool {
        self.kind.as_deref() == Some("User")
    }
}

#[derive(Deserialize)]
struct WebhookPull<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    number: u64,
    #[serde(borrow)]
    pull_request: WebhookPullItself<'a>,
    /// The one that was put on, of `labeled`.
    #[serde(borrow)]
    label: Option<WebhookLabel<'a>>,
    #[serde(borrow)]
    repository: WebhookRepository<'a>,
    #[serde(borrow)]
    sender: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookPullItself<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    updated_at: Option<WholeSeconds>,
    #[serde(borrow)]
    head: WebhookEnd<'a>,
    #[serde(borrow)]
    base: WebhookEnd<'a>,
}

#[derive(Deserialize)]
struct WebhookEnd<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    sha: Cow<'a, str>,
    /// `null` where the repository is gone.
    #[serde(borrow)]
    repo: Option<WebhookRepository<'a>>,
}

#[derive(Deserialize)]
struct WebhookLabel<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WebhookDeployment<'a> {
    /// GitHub Enterprise Server did not say it up to version 3.5, where there was but one.
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    deployment: WebhookDeploymentItself<'a>,
    /// The run of a workflow that asked, where one did.
    #[serde(borrow)]
    workflow_run: Option<WebhookRun<'a>>,
    #[serde(borrow)]
    repository: WebhookRepository<'a>,
    #[serde(borrow)]
    sender: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookDeploymentItself<'a> {
    id: u64,
    #[serde(borrow, rename = "ref")]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    sha: Cow<'a, str>,
    #[serde(borrow)]
    task: Cow<'a, str>,
    #[serde(borrow)]
    environment: Cow<'a, str>,
    created_at: Option<WholeSeconds>,
}

#[derive(Deserialize)]
struct WebhookRun<'a> {
    #[serde(borrow)]
    actor: Option<WebhookSender<'a>>,
    #[serde(borrow)]
    triggering_actor: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookDispatch<'a> {
    /// What the sender called the event.
    #[serde(borrow)]
    action: Cow<'a, str>,
    /// Whatever the sender wrote, or `null`.
    #[serde(default)]
    client_payload: serde_json::Value,
    #[serde(borrow)]
    repository: WebhookRepository<'a>,
    #[serde(borrow)]
    sender: Option<WebhookSender<'a>>,
}

#[derive(Deserialize)]
struct WebhookCommit<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl WebhookPush<'_> {
    fn event(self) -> Result<Event, Malformed> {
        let after = commit("after", &self.after)?;
        // The sender is the account that acted; the pusher may be a deploy key.
        let by = self
            .sender
            .map(|sender| sender.login)
            .or(self.pusher.map(|pusher| pusher.name))
            .unwrap_or_default();
        Ok(Event::Push(Push {
            repository: self.repository.full_name()?,
            fork: self.repository.fork.unwrap_or(false),
            before: commit("before", &self.before)?,
            after: after.filter(|_| !self.deleted),
            pushed_at: self.repository.pushed_at.map(|WholeSeconds(at)| at),
            by: harmless(&by, LOGIN_LIMIT),
            title: self
                .head_commit
                .map(|commit| first_line(&commit.message, TITLE_LIMIT))
                .unwrap_or_default(),
            reference: self.reference.into_owned(),
        }))
    }
}

impl WebhookRelease<'_> {
    fn event(self) -> Result<Event, Malformed> {
        let release = self.release;
        // The sender is the account that acted; the author made the release, perhaps as a draft and long ago.
        let by = self.sender.or(release.author).map(|sender| sender.login);
        Ok(Event::Release(Release {
            repository: self.repository.full_name()?,
            fork: self.repository.fork.unwrap_or(false),
            id: release.id,
            draft: release.draft,
            prerelease: release.prerelease,
            action: action(&self.action),
            by: harmless(&by.unwrap_or_default(), LOGIN_LIMIT),
            name: harmless(&release.name.unwrap_or_default(), TITLE_LIMIT),
            at: release.published_at.or(release.created_at).map(|WholeSeconds(at)| at),
            tag: release.tag_name.into_owned(),
        }))
    }
}

impl WebhookPull<'_> {
    fn event(self) -> Result<Event, Malformed> {
        let login = self.sender.map(|sender| sender.login).unwrap_or_default();
        let WebhookPullItself {
            title,
            updated_at,
            head,
            base,
        } = self.pull_request;
        let action = match (&*self.action, self.label) {
            ("opened" | "reopened" | "synchronize", _) => PullRequestAction::Brought,
            ("labeled", Some(label)) => PullRequestAction::Labelled(label.name.into_owned()),
            _ => PullRequestAction::Other,
        };
        Ok(Event::PullRequest(PullRequest {
            repository: self.repository.full_name()?,
            fork: self.repository.fork.unwrap_or(false),
            number: self.number,
            action,
            base: base.reference.into_owned(),
            head: commit("pull_request.head.sha", &head.sha)?
                .ok_or_else(|| Malformed("pull_request.head.sha is no commit".to_owned()))?,
            from: head.repo.map(|repo| repo.full_name()).transpose()?,
            by: harmless(&login, LOGIN_LIMIT),
            login: login.into_owned(),
            title: first_line(&title, TITLE_LIMIT),
            at: updated_at.map(|WholeSeconds(at)| at),
        }))
    }
}

impl WebhookDeployment<'_> {
    fn event(self) -> Result<Event, Malformed> {
        let deployment = self.deployment;
        // A workflow's own token asks as a bot; then it is the person who had the workflow run.
        let run = self.workflow_run;
        let person = self.sender.filter(WebhookSender::is_person).or_else(|| {
            run.and_then(|run| run.triggering_actor.or(run.actor))
                .filter(WebhookSender::is_person)
        });
        let login = person.map(|person| person.login.into_owned());
        Ok(Event::ByHand(ByHand {
            repository: self.repository.full_name()?,
            fork: self.repository.fork.unwrap_or(false),
            is_new: self.action.is_none_or(|action| action == "created"),
            task: deployment.task.into_owned(),
            deployment: Some(deployment.id),
            environment: deployment.environment.into_owned(),
            reference: Some(deployment.reference.into_owned()),
            commit: commit("deployment.sha", &deployment.sha)?,
            by: harmless(login.as_deref().unwrap_or_default(), LOGIN_LIMIT),
            login,
            at: deployment.created_at.map(|WholeSeconds(at)| at),
        }))
    }
}

impl WebhookDispatch<'_> {
    fn event(self) -> Result<Event, Malformed> {
        let text = |name: &str| self.client_payload[name].as_str().map(str::to_owned);
        let person = self.sender.filter(WebhookSender::is_person);
        let login = person.map(|person| person.login.into_owned());
        Ok(Event::ByHand(ByHand {
            repository: self.repository.full_name()?,
            fork: self.repository.fork.unwrap_or(false),
            is_new: true,
            task: self.action.into_owned(),
            deployment: None,
            environment: text("environment").unwrap_or_default(),
            reference: text("ref"),
            commit: None,
            by: harmless(login.as_deref().unwrap_or_default(), LOGIN_LIMIT),
            login,
            at: None,
        }))
    }
}

fn action(word: &str) -> ReleaseAction {
    match word {
        "created" => ReleaseAction::Created,
        "published" => ReleaseAction::Published,
        "prereleased" => ReleaseAction::Prereleased,
        "released" => ReleaseAction::Released,
        "edited" => ReleaseAction::Edited,
        "unpublished" => ReleaseAction::Unpublished,
        "deleted" => ReleaseAction::Deleted,
        _ => ReleaseAction::Other,
    }
}

impl WebhookRepository<'_> {
    fn full_name(&self) -> Result<RepositoryName, Malformed> {
        self.full_name
            .parse()
            .map_err(|_| Malformed("repository.full_name is not a repository's name".to_owned()))
    }
}

fn commit(field: &str, text: &str) -> Result<Option<CommitSha>, Malformed> {
    if text == NO_COMMIT {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| Malformed(format!("{field} is not a commit")))
}

/// A time. `repository.pushed_at` counts seconds in push events and is a date in all others (the examples of
/// `@octokit/webhooks-examples`); kept in whole seconds, so that both say the same.
struct WholeSeconds(Timestamp);

impl<'de> Deserialize<'de> for WholeSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl Visitor<'_> for Visit {
            type Value = WholeSeconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970 or a date")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<WholeSeconds, E> {
                Timestamp::from_second(seconds)
                    .map(WholeSeconds)
                    .map_err(|_| E::custom("the time is out of range"))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<WholeSeconds, E> {
                i64::try_from(seconds)
                    .map_err(|_| E::custom("the time is out of range"))
                    .and_then(|s| self.visit_i64(s))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<WholeSeconds, E> {
                let at: Timestamp = text.parse().map_err(|_| E::custom("the time is not a date"))?;
                self.visit_i64(at.as_second())
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

/// Any JSON, looked at down to its leaves and not kept.
///
/// Skipping what is not used would let pass what is no JSON in a strict sense (numbers out of range, half surrogate
/// pairs) and any depth: `serde_json` counts the depth only of what it visits.
struct Json;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_str<E>(self, _: &str) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                while let Some(Json) = items.next_element()? {}
                Ok(Json)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
                while let Some((Json, Json)) = entries.next_entry()? {}
                Ok(Json)
            }
        }

        deserializer.deserialize_any(Visit)
    }
}
