//! Deliveries as GitHub sends them: the example payloads of `@octokit/webhooks-examples`, signed.

use domain::names::CommitSha;
use hmac::{Hmac, KeyInit as _, Mac as _};
use payloads::GITHUB_COM;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::Trouble;

/// The secret that the local webhook is signed with.
pub const SECRET: &str = "a-webhook-secret-of-the-local-aws";

/// A push, before it is signed.
#[derive(Debug, Clone)]
pub struct Push {
    /// `owner/name`.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit before.
    pub before: String,
    /// The commit after.
    pub after: CommitSha,
    /// GitHub's time of the push, in seconds since 1970.
    pub pushed_at: i64,
    /// The first line of the commit message.
    pub title: String,
}

/// What happened to a GitHub release, before it is signed.
#[derive(Debug, Clone)]
pub struct Release {
    /// `owner/name`.
    pub repository: String,
    /// GitHub's number of the release.
    pub id: u64,
    /// What happened: `published`, `prereleased`, `released`, `created`, `edited`, `unpublished` or `deleted`.
    pub action: String,
    /// The tag.
    pub tag: String,
    /// The release's title.
    pub name: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is a pre-release.
    pub prerelease: bool,
    /// The branch that GitHub made the tag on, or a commit. Where the tag was there before, it says nothing.
    pub target_commitish: String,
    /// The login of who did it.
    pub by: String,
    /// When it was published; nothing in a draft.
    pub published_at: Option<jiff::Timestamp>,
}

/// What happened to a pull request, before it is signed.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// `owner/name` of the repository that it is to be merged into.
    pub repository: String,
    /// GitHub's number of it.
    pub number: u64,
    /// What happened: `opened`, `synchronize`, `labeled` and others.
    pub action: String,
    /// Its newest commit.
    pub head: CommitSha,
    /// `owner/name` of the repository that its branch is in.
    pub from: String,
    /// The label that it got.
    pub label: Option<String>,
    /// Its title.
    pub title: String,
    /// The login of who did it.
    pub by: String,
}

/// A deployment that a person asks GitHub for, before it is signed.
#[derive(Debug, Clone)]
pub struct AskedDeployment {
    /// `owner/name`.
    pub repository: String,
    /// GitHub's number of it.
    pub number: u64,
    /// The environment.
    pub environment: String,
    /// A branch, a tag or a commit.
    pub reference: String,
    /// The commit that it stands for.
    pub commit: CommitSha,
    /// The login of who asks.
    pub by: String,
}

/// A delivery, signed.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// GitHub's id of it.
    pub id: String,
    /// The event.
    pub event: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// The signature over the bytes.
    pub signature: String,
}

impl Push {
    /// A push of a commit to `main`, now, on top of nothing that anybody knows.
    pub fn of(repository: &str, after: &CommitSha, title: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            branch: "main".to_owned(),
            before: "0".repeat(39) + "1",
            after: after.clone(),
            pushed_at: jiff::Timestamp::now().as_second(),
            title: title.to_owned(),
        }
    }

    /// The example payload of a push, with what this push has of its own.
    pub fn delivery(&self) -> Result<Delivery, Trouble> {
        let mut payload = example("push", None)?;
        name_repository(&mut payload, &self.repository);
        payload["ref"] = json!(format!("refs/heads/{}", self.branch));
        payload["before"] = json!(self.before);
        payload["after"] = json!(self.after);
        payload["created"] = json!(false);
        payload["deleted"] = json!(false);
        payload["forced"] = json!(false);
        payload["repository"]["owner"]["name"] = payload["repository"]["owner"]["login"].clone();
        payload["repository"]["pushed_at"] = json!(self.pushed_at);
        payload["head_commit"] = json!({
            "id": self.after,
            "message": self.title,
            "timestamp": "2026-11-23T12:00:00Z",
            "author": { "name": "Ada", "email": "ada@acme.example", "username": "ada" },
            "committer": { "name": "Ada", "email": "ada@acme.example", "username": "ada" },
        });
        payload["sender"]["login"] = json!("ada");
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "push", body))
    }
}

impl Release {
    /// A pre-release that is published now from a draft, of which GitHub sends this one event.
    pub fn prereleased(repository: &str, tag: &str, by: &str) -> Self {
        let now = jiff::Timestamp::now();
        Self {
            repository: repository.to_owned(),
            // Greater for a later one, as GitHub's are.
            id: u64::try_from(now.as_millisecond()).unwrap_or_default(),
            action: "published".to_owned(),
            tag: tag.to_owned(),
            name: tag.to_owned(),
            draft: false,
            prerelease: true,
            target_commitish: "main".to_owned(),
            by: by.to_owned(),
            published_at: Some(now),
        }
    }

    /// A release that is published now.
    pub fn released(repository: &str, tag: &str, by: &str) -> Self {
        Self {
            action: "released".to_owned(),
            prerelease: false,
            ..Self::prereleased(repository, tag, by)
        }
    }

    /// The same release, of which something else is told.
    #[must_use]
    pub fn told_as(&self, action: &str) -> Self {
        Self {
            action: action.to_owned(),
            ..self.clone()
        }
    }

    /// The example payload of such an event, with what this release has of its own.
    pub fn delivery(&self) -> Result<Delivery, Trouble> {
        let mut payload = example("release", Some(&self.action))?;
        name_repository(&mut payload, &self.repository);
        payload["action"] = json!(self.action);
        let page = format!(
            "{}/releases/tag/{}",
            payload["repository"]["html_url"].as_str().unwrap_or_default(),
            self.tag
        );
        let release = &mut payload["release"];
        release["id"] = json!(self.id);
        release["tag_name"] = json!(self.tag);
        release["name"] = json!(self.name);
        release["draft"] = json!(self.draft);
        release["prerelease"] = json!(self.prerelease);
        release["target_commitish"] = json!(self.target_commitish);
        release["html_url"] = json!(page);
        release["published_at"] = json!(self.published_at.map(whole_seconds));
        release["created_at"] = json!(whole_seconds(self.published_at.unwrap_or_else(jiff::Timestamp::now)));
        release["author"]["login"] = json!(self.by);
        payload["sender"]["login"] = json!(self.by);
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "release", body))
    }
}

impl PullRequest {
    /// The example payload of such an event, with what this one has of its own.
    pub fn delivery(&self) -> Result<Delivery, Trouble> {
        let mut payload = example("pull_request", Some(&self.action))?;
        name_repository(&mut payload, &self.repository);
        payload["action"] = json!(self.action);
        payload["number"] = json!(self.number);
        payload["label"] = self.label.as_ref().map_or(Value::Null, |name| json!({ "name": name }));
        payload["sender"]["login"] = json!(self.by);
        let pull = &mut payload["pull_request"];
        pull["number"] = json!(self.number);
        pull["title"] = json!(self.title);
        pull["updated_at"] = json!(whole_seconds(jiff::Timestamp::now()));
        pull["base"]["ref"] = json!("main");
        pull["base"]["repo"]["full_name"] = json!(self.repository);
        pull["head"]["ref"] = json!("change");
        pull["head"]["sha"] = json!(self.head);
        pull["head"]["repo"]["full_name"] = json!(self.from);
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "pull_request", body))
    }
}

impl AskedDeployment {
    /// The example payload of such an event, with what this one has of its own.
    pub fn delivery(&self) -> Result<Delivery, Trouble> {
        let mut payload = example("deployment", Some("created"))?;
        name_repository(&mut payload, &self.repository);
        let deployment = &mut payload["deployment"];
        deployment["id"] = json!(self.number);
        deployment["task"] = json!(domain::intake::TASK);
        deployment["environment"] = json!(self.environment);
        deployment["ref"] = json!(self.reference);
        deployment["sha"] = json!(self.commit);
        deployment["created_at"] = json!(whole_seconds(jiff::Timestamp::now()));
        payload["sender"]["login"] = json!(self.by);
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "deployment", body))
    }

    /// The same asked by a `repository_dispatch`, of which GitHub keeps no number.
    pub fn dispatch(&self) -> Result<Delivery, Trouble> {
        let mut payload = example("repository_dispatch", None)?;
        name_repository(&mut payload, &self.repository);
        payload["action"] = json!(domain::intake::TASK);
        payload["client_payload"] = json!({ "environment": self.environment, "ref": self.reference });
        payload["sender"]["login"] = json!(self.by);
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "repository_dispatch", body))
    }
}

/// A time as GitHub writes it.
fn whole_seconds(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn name_repository(payload: &mut Value, repository: &str) {
    let (owner, name) = repository.split_once('/').unwrap_or(("", repository));
    let document = &mut payload["repository"];
    document["name"] = json!(name);
    document["full_name"] = json!(repository);
    document["owner"]["login"] = json!(owner);
    document["html_url"] = json!(format!("https://github.com/{repository}"));
    document["fork"] = json!(false);
}

impl Delivery {
    /// Signs a body as GitHub does.
    pub fn sign(id: &str, event: &str, body: Vec<u8>) -> Self {
        let signature = signature(SECRET, &body);
        Self {
            id: id.to_owned(),
            event: event.to_owned(),
            body,
            signature,
        }
    }

    /// Sends it, and returns the status and the answer.
    pub async fn send(&self, http: &reqwest::Client, url: &str) -> Result<(u16, Value), Trouble> {
        let answer = http
            .post(url)
            .header("content-type", "application/json")
            .header("user-agent", "GitHub-Hookshot/local")
            .header("x-github-event", &self.event)
            .header("x-github-delivery", &self.id)
            .header("x-hub-signature-256", &self.signature)
            .body(self.body.clone())
            .send()
            .await
            .map_err(Trouble::during("sending a delivery"))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(Trouble::during("reading an answer"))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// GitHub's signature over a body.
pub fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The first example payload of an event with this action, or with another one where GitHub's collection has none.
fn example(event: &str, action: Option<&str>) -> Result<Value, Trouble> {
    let examples = payloads::examples(GITHUB_COM).map_err(|missing| Trouble(missing.to_string()))?;
    let of_event = examples.iter().filter(|example| example.event == event);
    let bodies: Result<Vec<Value>, _> = of_event.map(|example| serde_json::from_str(&example.body)).collect();
    let mut bodies = bodies.map_err(Trouble::during("reading example payloads"))?;
    bodies.sort_by_key(|body| action.is_some_and(|action| body["action"] != action));
    let first = bodies.into_iter().next();
    first.ok_or_else(|| Trouble(format!("there is no example payload of {event}")))
}

/// An id as GitHub makes them, from the body and the time.
fn fresh_id(body: &[u8]) -> String {
    let now = jiff::Timestamp::now().as_nanosecond().to_be_bytes();
    let digest = domain::names::Digest::of(&[body, &now].concat());
    let hex = digest.as_str();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]
mod tests {
    use domain::intake::{Event, ReleaseAction};
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_release_is_told_as_github_tells_it() {
        let told = Release::prereleased("acme/shop", "release/v1", "ada");
        for (action, read) in [
            ("published", ReleaseAction::Published),
            ("prereleased", ReleaseAction::Prereleased),
            ("edited", ReleaseAction::Edited),
            // GitHub's collection has no example of it.
            ("unpublished", ReleaseAction::Unpublished),
        ] {
            let delivery = told.told_as(action).delivery().unwrap();
            assert_eq!(delivery.signature, signature(SECRET, &delivery.body));
            let Event::Release(release) = Event::read(&delivery.event, &delivery.body).unwrap() else {
                panic!("{action} is no release");
            };
            assert_eq!(release.action, read);
            assert_eq!((release.repository.as_str(), release.fork), ("acme/shop", false));
            assert_eq!((release.id, release.tag.as_str()), (told.id, "release/v1"));
            assert_eq!((release.prerelease, release.draft), (true, false));
            assert_eq!((release.by.as_str(), release.name.as_str()), ("ada", "release/v1"));
            assert_eq!(
                release.at.map(Timestamp::as_second),
                told.published_at.map(Timestamp::as_second)
            );
        }
        let release = Release::released("acme/shop", "v1", "ada");
        assert_eq!((release.action.as_str(), release.prerelease), ("released", false));
    }
}
