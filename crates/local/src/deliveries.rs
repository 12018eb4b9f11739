//! Deliveries as GitHub sends them: the example payloads of `@octokit/webhooks-examples`, signed.

use domain::names::CommitSha;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{Trouble, workspace};

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
        let mut payload = example("push")?;
        let (owner, name) = self.repository.split_once('/').unwrap_or(("", &self.repository));
        payload["ref"] = json!(format!("refs/heads/{}", self.branch));
        payload["before"] = json!(self.before);
        payload["after"] = json!(self.after);
        payload["created"] = json!(false);
        payload["deleted"] = json!(false);
        payload["forced"] = json!(false);
        payload["repository"]["name"] = json!(name);
        payload["repository"]["full_name"] = json!(self.repository);
        payload["repository"]["owner"]["login"] = json!(owner);
        payload["repository"]["owner"]["name"] = json!(owner);
        payload["repository"]["fork"] = json!(false);
        payload["repository"]["pushed_at"] = json!(self.pushed_at);
        payload["head_commit"] = json!({
            "id": self.after,
            "message": self.title,
            "timestamp": "2026-11-23T12:00:00Z",
            "author": { "name": "Ada", "email": "ada@acme.example", "username": "ada" },
            "committer": { "name": "Ada", "email": "ada@acme.example", "username": "ada" },
        });
        let body = serde_json::to_vec(&payload).map_err(Trouble::during("writing a payload"))?;
        Ok(Delivery::sign(&fresh_id(&body), "push", body))
    }
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

/// The first example payload of an event that GitHub's own collection has.
pub fn example(event: &str) -> Result<Value, Trouble> {
    let path = workspace().join("tests/payloads/node_modules/@octokit/webhooks-examples/api.github.com/index.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|_| Trouble(format!("{} is missing: run npm ci in tests/payloads", path.display())))?;
    let mut collection: Vec<Value> =
        serde_json::from_str(&text).map_err(Trouble::during("reading example payloads"))?;
    let examples = collection
        .iter_mut()
        .find(|entry| entry["name"] == event)
        .map(|entry| entry["examples"][0].take());
    examples.ok_or_else(|| Trouble(format!("there is no example payload of {event}")))
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
