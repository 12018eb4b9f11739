//! What GitHub shows, compared with what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use domain::intake::lost::Watched;
use domain::names::RepositoryName;

use super::*;

const HEAD: &str = "/repos/acme/shop/branches/main";
const RELEASES: &str = "/repos/acme/shop/releases?per_page=30";
const DELIVERIES: &str = "/app/hook/deliveries?per_page=100";

/// GitHub, as far as it shows anything.
#[derive(Clone, Default)]
pub(super) struct Hub(Arc<Mutex<Shown>>);

#[derive(Default)]
pub(super) struct Shown {
    documents: BTreeMap<String, Value>,
    asked: Vec<String>,
    /// The statuses of the next answers, before everything else.
    fails: VecDeque<u16>,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap()
    }

    fn shows(&self, path: &str, document: Value) {
        self.state().documents.insert(path.to_owned(), document);
    }

    fn head(&self, commit: &str) {
        self.shows(HEAD, json!({ "name": "main", "commit": { "sha": commit } }));
        let person = json!({ "name": "Ada", "email": "ada@acme.example" });
        self.shows(
            &format!("/repos/acme/shop/commits/{commit}?per_page=1"),
            json!({
                "sha": commit, "parents": [], "author": { "login": "ada" }, "committer": null,
                "commit": { "message": "Sell tea", "author": person, "committer": person },
            }),
        );
    }

    fn posted(&self) -> Vec<String> {
        let state = self.state();
        state
            .asked
            .iter()
            .filter(|asked| asked.starts_with("POST"))
            .cloned()
            .collect()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}

impl HttpConnector for Hub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().strip_prefix(::github::API).unwrap().to_owned();
        let mut state = self.state();
        state.asked.push(format!("{} {path}", request.method()));
        let (status, document) = match (state.fails.pop_front(), state.documents.get(&path)) {
            (Some(status), _) => (status, json!({})),
            (None, Some(document)) => (200, document.clone()),
            (None, None) if request.method() == "POST" => (202, json!({})),
            (None, None) => (404, json!({ "message": "Not Found" })),
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            status.try_into().unwrap(),
            SdkBody::from(document.to_string()),
        )))
    }
}

fn shop() -> RepositoryName {
    deployment(1).application
}

fn commit(number: u8) -> String {
    format!("{number:02x}").repeat(20)
}

fn ago(minutes: i64) -> String {
    let at = Timestamp::now() - SignedDuration::from_mins(minutes);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A round that asks GitHub by a token about an application whose dev is started by pushes, and test by pre-releases.
async fn round() -> Round {
    let round = Round::new().await;
    let dev = deployment(1).environment;
    let mut test = dev.clone();
    test.name = "test".parse().unwrap();
    test.on = vec![domain::deployment::Cause::Prerelease];
    let application = json!({ "repository": shop(), "branch": "main", "environments": [dev, test] });
    let parameters = [
        ("/lockgate/applications/acme/shop", application.to_string()),
        ("/lockgate/github/token", "github_pat_1".to_owned()),
    ];
    for (name, value) in parameters {
        round.aws.state().parameters.insert(name.to_owned(), value);
    }
    round.hub.shows(RELEASES, json!([]));
    round.hub.head(&commit(1));
    round
}

impl Round {
    async fn compare(&self) -> Compared {
        match handle(&self.context, Input::Compare).await.unwrap() {
            Output::Compared(compared) => compared,
            Output::Swept(swept) => panic!("{swept:?}"),
        }
    }

    async fn watched(&self) -> Watched {
        self.context.ledger.watched_branch(&shop()).await.unwrap()
    }

    /// Lets the time pass in which a delivery may come.
    async fn time_passes(&self) {
        let pass = |watched: &mut Watched| {
            if let Some(missing) = &mut watched.missing {
                missing.since = Timestamp::UNIX_EPOCH;
            }
            watched.since = watched.since.map(|_| Timestamp::UNIX_EPOCH);
        };
        self.context.ledger.change_watched_branch(&shop(), pass).await.unwrap();
    }

    fn started(&self) -> usize {
        self.aws.state().executions.len()
    }
}

fn compared(redelivered: usize, recovered: usize, failed: usize) -> Compared {
    Compared {
        redelivered,
        recovered,
        failed,
    }
}

#[tokio::test]
async fn f10_a_commit_that_github_shows_twice_and_nobody_asked_for_is_asked_for_once() {
    let round = round().await;
    assert_eq!(
        round.compare().await,
        compared(0, 0, 0),
        "what is there was there before"
    );
    round.hub.head(&commit(2));
    assert_eq!(
        round.compare().await,
        compared(0, 0, 0),
        "its delivery may be on the way"
    );
    round.time_passes().await;
    assert_eq!(round.compare().await, compared(0, 1, 0));
    assert_eq!(round.compare().await, compared(0, 0, 0));
    assert_eq!(round.started(), 1);
    let state = round.aws.state();
    let input = &state.executions.values().next().unwrap().input;
    let requested = &input["requested"];
    assert_eq!(
        (
            &input["commit"],
            &requested["by"],
            &requested["title"],
            &requested["because"]
        ),
        (&json!(commit(2)), &json!("ada"), &json!("Sell tea"), &json!("push"))
    );
}

#[tokio::test]
async fn f12_whoever_dies_while_it_asks_is_followed_by_the_next_look_which_asks_for_the_same() {
    for operation in ["PutItem", "TransactWriteItems", "StartExecution", "UpdateItem"] {
        let round = round().await;
        round.compare().await;
        round.hub.head(&commit(2));
        round.compare().await;
        round.time_passes().await;
        round
            .aws
            .fates(operation, (0..4).map(|_| Fate::Refused("InternalServerError")));
        let first = round.compare().await;
        for _ in 0..4 {
            round.compare().await;
        }
        round.sweeps_later().await;
        assert_eq!(round.started(), 1, "{operation}: {first:?}");
        assert!(
            round
                .watched()
                .await
                .asked
                .iter()
                .any(|asked| asked.recovered_at.is_some()),
            "{operation}"
        );
    }
}

impl Round {
    /// What was claimed and stopped half-way is completed by a sweep, however often AWS still fails.
    async fn sweeps_later(&self) {
        let later = Timestamp::now() + SignedDuration::from_mins(5);
        let ledger = &self.context.ledger;
        for _ in 0..5 {
            for delivery in ledger.unfinished_deliveries(later).await.unwrap() {
                let _ = ledger
                    .complete_delivery(&self.context.executions, &delivery.unwrap(), later)
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn a_release_of_which_no_event_came_is_asked_for_once_and_older_ones_never() {
    let round = round().await;
    round.compare().await;
    let release = |id: u64, tag: &str, published: String, draft: bool| {
        json!({
            "id": id, "tag_name": tag, "name": tag, "draft": draft, "prerelease": true, "published_at": published,
            "author": { "login": "ada" },
        })
    };
    let listed = json!([
        release(4, "v4", ago(0), false),
        release(3, "v3", ago(5), true),
        release(2, "v2", ago(5), false),
        release(1, "v1", ago(60 * 24 * 4), false),
    ]);
    round.hub.shows(RELEASES, listed);
    let tag = |name: &str| format!("/repos/acme/shop/git/ref/tags/{name}");
    for name in ["v1", "v2", "v3", "v4"] {
        round
            .hub
            .shows(&tag(name), json!({ "object": { "type": "commit", "sha": commit(1) } }));
    }
    assert_eq!(
        round.compare().await,
        compared(0, 0, 0),
        "all of them are older than the first look"
    );
    round.time_passes().await;
    assert_eq!(round.compare().await, compared(0, 1, 0));
    assert_eq!(round.compare().await, compared(0, 0, 0));
    let state = round.aws.state();
    let inputs: Vec<&Value> = state
        .executions
        .values()
        .map(|execution| &execution.input["reference"])
        .collect();
    assert_eq!(inputs, [&json!("v2")]);
}

#[tokio::test]
async fn a_github_that_cannot_be_asked_is_asked_again_at_the_next_look() {
    let round = round().await;
    round.compare().await;
    round.hub.state().fails.extend([401]);
    assert_eq!(round.compare().await, compared(0, 0, 1));
    assert_eq!(round.compare().await, compared(0, 0, 0));

    round
        .aws
        .state()
        .parameters
        .insert("/lockgate/applications/acme/broken".to_owned(), "{}".to_owned());
    assert_eq!(
        round.compare().await,
        compared(0, 0, 1),
        "the others are looked at all the same"
    );
}

#[tokio::test]
async fn without_credentials_nothing_is_compared() {
    let round = round().await;
    round.aws.state().parameters.remove("/lockgate/github/token");
    assert_eq!(round.compare().await, compared(0, 0, 0));
    assert!(round.hub.state().asked.is_empty());
}

#[tokio::test]
async fn an_app_has_what_did_not_get_through_delivered_again() {
    let round = round().await;
    let key = include_str!("../../../../crates/local/src/github/app.pem");
    for (name, value) in [("app", "Iv23liLocalAws"), ("app-key", key)] {
        let name = format!("/lockgate/github/{name}");
        round.aws.state().parameters.insert(name, value.to_owned());
    }
    let token = json!({ "token": "ghs_1", "expires_at": "2099-01-01T00:00:00Z" });
    round.hub.shows("/repos/acme/shop/installation", json!({ "id": 7 }));
    round.hub.shows("/app/installations/7/access_tokens", token);
    let attempt = |id: u64, guid: &str, status: u16, minutes: i64| json!({ "id": id, "guid": guid, "delivered_at": ago(minutes), "status_code": status, "event": "push" });
    let attempts = json!([
        attempt(3, "b", 202, 1),
        attempt(2, "b", 503, 10),
        attempt(1, "a", 503, 10)
    ]);
    round.hub.shows(DELIVERIES, attempts);
    assert_eq!(round.compare().await, compared(1, 0, 0));
    assert_eq!(
        round.hub.posted(),
        [
            "POST /app/hook/deliveries/1/attempts",
            "POST /app/installations/7/access_tokens",
        ]
    );
}
