//! GitHub, as far as approval asks it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use domain::names::CommitSha;
use serde_json::{Value, json};

/// A GitHub of one's own. Copies of it are the same one.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hub")
    }
}

/// What GitHub holds, and what it was asked.
#[derive(Debug)]
pub struct State {
    /// The commits after the base, newest first.
    pub commits: Vec<Value>,
    /// How many there are in all, where it is more than those.
    pub total: Option<usize>,
    /// Whether it finds nothing in common with the base.
    pub unrelated: bool,
    /// What it answers to everything instead.
    pub refuses: Option<(u16, &'static str)>,
    /// The path of every question, and who asked.
    pub asked: Vec<(String, Option<String>)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            commits: vec![commit(
                &super::sha(1),
                "Sell tea by the pound",
                ("Ada", "ada@acme.example", "ada"),
            )],
            total: None,
            unrelated: false,
            refuses: None,
            asked: Vec::new(),
        }
    }
}

/// A commit by somebody (name, mail address, login), as GitHub writes it.
pub fn commit(sha: &CommitSha, message: &str, (name, mail, login): (&str, &str, &str)) -> Value {
    json!({
        "sha": sha,
        "commit": {
            "author": { "name": name, "email": mail },
            "committer": { "name": "GitHub", "email": "noreply@github.com" },
            "message": message,
        },
        "author": { "login": login },
        "committer": { "login": "web-flow" },
        "parents": [],
    })
}

impl Hub {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer(&self, path: &str) -> (u16, Value) {
        let state = self.state();
        if let Some((status, message)) = state.refuses {
            return (status, json!({ "message": message }));
        }
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        match path.strip_prefix("/repos/acme/shop/").unwrap_or_default() {
            compare if compare.starts_with("compare/") && state.unrelated => {
                (404, json!({ "message": "No common ancestor" }))
            }
            compare if compare.starts_with("compare/") => {
                let total = state.total.unwrap_or(state.commits.len());
                (
                    200,
                    json!({ "total_commits": total, "merge_base_commit": { "sha": super::sha(9) }, "commits": [] }),
                )
            }
            "commits" => (200, json!(state.commits)),
            other => {
                let sha = other
                    .strip_prefix("commits/")
                    .unwrap_or_else(|| panic!("GitHub was asked for {path}"));
                let message = "An older one\n\nCo-authored-by: Lead <LEAD+git@acme.example>";
                let sha = sha.parse().unwrap();
                (200, commit(&sha, message, ("Ada", "ada@acme.example", "ada")))
            }
        }
    }
}

impl HttpConnector for Hub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().strip_prefix("https://api.github.com").unwrap().to_owned();
        let by = request.headers().get("authorization").map(str::to_owned);
        let (status, body) = self.answer(&path);
        self.state().asked.push((path, by));
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
        HttpConnectorFuture::ready(Ok(response))
    }
}
