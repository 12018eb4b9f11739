//! Releases: tags are resolved before anything is claimed, and pinned.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use github::{Credentials, GitHub, Patience};

use super::*;

const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";
const TAG: &str = "/repos/acme/shop/git/ref/tags/v1";
const PIN: (&str, &str) = ("pin#acme/shop", "7#v1");
/// Those between questions for a tag that is not there.
pub(super) const PAUSES: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(2)];

/// GitHub, with documents at paths, and nothing else. Copies of it are the same one.
#[derive(Clone, Default)]
pub(super) struct FakeGitHub(Arc<Mutex<State>>);

type Meanwhile = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    documents: BTreeMap<String, (u16, String)>,
    /// It never answers.
    is_silent: bool,
    /// Every tag is on the first commit.
    has_every_tag: bool,
    /// What happens while it is asked.
    meanwhile: Option<Meanwhile>,
    /// The path and the authorization of every request.
    asked: Vec<(String, Option<String>)>,
}

impl FakeGitHub {
    pub(super) fn github(&self) -> GitHub {
        let patience = Patience {
            call: Duration::from_millis(20),
            question: Duration::from_secs(5),
            pause: Duration::from_millis(1),
        };
        let github = GitHub::new("https://github.test", Credentials::None).unwrap();
        github.patient(patience).through(self.clone())
    }

    /// Has a repository with a tag on a commit.
    fn with_tag(commit: &str) -> Self {
        let github = Self::default();
        github.has("/repos/acme/shop", 200, &json!({ "id": 1 }));
        github.tag(commit);
        github
    }

    /// The same, whatever the tag is called.
    pub(super) fn with_every_tag() -> Self {
        let github = Self::with_tag(FIRST);
        github.state().has_every_tag = true;
        github
    }

    fn tag(&self, commit: &str) {
        self.has(TAG, 200, &json!({ "object": { "type": "commit", "sha": commit } }));
        let document = json!({
            "sha": commit,
            "commit": { "message": "Add prices\n\nin euros" },
            "parents": [],
            "author": null,
            "committer": null,
        });
        self.has(&title_of(commit), 200, &document);
    }

    pub(super) fn has(&self, path: &str, status: u16, document: &Value) {
        self.state()
            .documents
            .insert(path.to_owned(), (status, document.to_string()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.state().asked.iter().map(|(path, _)| path.clone()).collect()
    }
}

impl fmt::Debug for FakeGitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeGitHub")
    }
}

impl HttpConnector for FakeGitHub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().strip_prefix("https://github.test").unwrap().to_owned();
        let authorization = request.headers().get("authorization").map(str::to_owned);
        let mut state = self.state();
        state.asked.push((path.clone(), authorization));
        if state.is_silent {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let is_some_tag = state.has_every_tag && path.starts_with("/repos/acme/shop/git/ref/tags/");
        let document = if is_some_tag { TAG } else { &path };
        let found = state.documents.get(document).cloned();
        let (status, body) = found.unwrap_or_else(|| (404, json!({ "message": "Not Found" }).to_string()));
        if let Some(meanwhile) = state.meanwhile.take() {
            drop(state);
            meanwhile();
        }
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

fn title_of(commit: &str) -> String {
    format!("/repos/acme/shop/commits/{commit}?per_page=1")
}

fn release(action: &str) -> Value {
    json!({
        "action": action,
        "release": {
            "id": 7, "tag_name": "v1", "target_commitish": "main", "name": "Winter", "draft": false, "prerelease": true,
            "created_at": "2026-11-23T11:00:00Z", "published_at": "2026-11-23T11:59:00Z", "author": { "login": "ada" },
        },
        "repository": { "full_name": "acme/shop", "fork": false, "pushed_at": "2026-11-23T11:00:00Z" },
        "sender": { "login": "ann" },
    })
}

/// The body of a pre-release whose texts are all the same.
pub(super) fn named(text: &str) -> String {
    let mut body = release("published");
    for pointer in ["/release/tag_name", "/release/name", "/sender/login"] {
        *body.pointer_mut(pointer).unwrap() = json!(text);
    }
    body.to_string()
}

/// A delivery of its own for each of a release's events.
fn told(delivery: &str, body: &Value) -> Input {
    request("release", &body.to_string(), |input| {
        input["headers"]["x-github-delivery"] = json!(delivery);
    })
}

fn published() -> Input {
    told(DELIVERY, &release("published"))
}

#[tokio::test]
async fn a_prerelease_is_resolved_pinned_claimed_and_started() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
    let (status, body) = answered(&webhook_with(&fake, &github).await, published()).await;
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")));
    assert_eq!(
        fake.operations(),
        [
            "GetParameter",
            "GetItem",
            // An App's id and key, or a token.
            "GetParameter",
            "GetParameter",
            "GetParameter",
            "PutItem",
            "PutItem",
            "StartExecution",
            "UpdateItem"
        ]
    );
    let state = fake.state();
    assert_eq!(held(&state, PIN)["commit"]["S"], FIRST);
    assert_eq!(held(&state, RECORD)["state"]["S"], "started");
    let (name, execution) = state.executions.iter().next().unwrap();
    let input = &execution.input;
    assert_eq!((state.executions.len(), &body["deployments"]), (1, &json!([name])));
    assert_eq!(input["environment"]["name"], "test");
    assert_eq!((&input["commit"], &input["reference"]), (&json!(FIRST), &json!("v1")));
    assert_eq!(input["requested"]["because"], "prerelease");
    assert_eq!(input["requested"]["by"], "ann");
    assert_eq!(input["requested"]["title"], "Add prices");
    assert_eq!(github.asked(), [TAG.to_owned(), title_of(FIRST)]);
}

#[tokio::test]
async fn all_events_of_a_release_are_one_deployment_wherever_its_tag_goes() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
    let webhook = webhook_with(&fake, &github).await;
    let first = answered(&webhook, published()).await;
    github.tag(SECOND);
    let asked = github.asked().len();
    for (delivery, action) in [("0-1", "prereleased"), ("0-2", "published"), ("0-3", "released")] {
        assert_eq!(
            answered(&webhook, told(delivery, &release(action))).await,
            first,
            "{action}"
        );
    }
    // A redelivery of what was started.
    assert_eq!(answered(&webhook, published()).await.1["outcome"], "already_known");
    assert_eq!(fake.state().executions.len(), 1);
    assert_eq!(held(&fake.state(), PIN)["commit"]["S"], FIRST);
    assert_eq!(github.asked().len(), asked, "what is pinned is not asked again");

    // Another release of the same tag is another one.
    let mut other = release("published");
    other["release"]["id"] = json!(8);
    assert_eq!(answered(&webhook, told("0-4", &other)).await.0, 202);
    let commits: Vec<Value> = fake
        .state()
        .executions
        .values()
        .map(|execution| execution.input["commit"].clone())
        .collect();
    assert_eq!(commits.len(), 2);
    assert!(commits.contains(&json!(SECOND)), "{commits:?}");
}

#[tokio::test]
async fn a_tag_that_moves_while_two_deliveries_ask_is_pinned_once() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(SECOND));
    let webhook = webhook_with(&fake, &github).await;
    // Between our question and our pin the other delivery pins what it was told before the tag moved.
    let other = fake.clone();
    github.state().meanwhile = Some(Box::new(move || {
        let pin = json!({
            "pk": { "S": "pin#acme/shop" }, "sk": { "S": "7#v1" }, "commit": { "S": FIRST },
            "title": { "S": "Add prices" }, "at": { "S": "2026-11-23T12:00:00Z" },
        });
        let key = (PIN.0.to_owned(), PIN.1.to_owned());
        other.state().table.items.insert(key, pin.as_object().unwrap().clone());
    }));
    assert_eq!(answered(&webhook, published()).await.0, 202);
    let state = fake.state();
    let commits: Vec<&Value> = state
        .executions
        .values()
        .map(|execution| &execution.input["commit"])
        .collect();
    assert_eq!(commits, [FIRST]);
}

#[tokio::test]
async fn where_github_does_not_answer_nothing_is_claimed_and_the_redelivery_does() {
    let limited = r#"{"message":"API rate limit exceeded"}"#;
    let answers = [
        Some((503, "<html>")),
        Some((500, "{}")),
        Some((200, "<html>It works!</html>")),
        Some((200, "{}")),
        Some((302, "")),
        Some((401, r#"{"message":"Bad credentials"}"#)),
        Some((403, r#"{"message":"Resource not accessible"}"#)),
        Some((429, limited)),
        Some((403, limited)),
        None,
    ];
    for answer in answers {
        let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
        let webhook = webhook_with(&fake, &github).await;
        match answer {
            Some((status, text)) => {
                let broken = (status, text.to_owned());
                github.state().documents.insert(TAG.to_owned(), broken);
            }
            None => github.state().is_silent = true,
        }
        assert_eq!(
            answered(&webhook, published()).await,
            (503, json!({ "outcome": "unavailable" })),
            "{answer:?}"
        );
        assert!(
            fake.state().table.items.is_empty() && fake.state().executions.is_empty(),
            "{answer:?}"
        );
        github.state().is_silent = false;
        github.tag(FIRST);
        assert_eq!(answered(&webhook, published()).await.0, 202, "{answer:?}");
        assert_eq!(fake.state().executions.len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn what_people_accepted_as_a_pre_release_is_what_goes_on_as_a_release_wherever_its_tag_goes() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
    let mut application: Value = serde_json::from_str(&application()).unwrap();
    let environments = application["environments"].as_array_mut().unwrap();
    let mut production = environments.last().unwrap().clone();
    production["name"] = json!("production");
    production["on"] = json!(["release"]);
    environments.push(production);
    let name = "/lockgate/applications/acme/shop".to_owned();
    fake.state().parameters.insert(name, application.to_string());
    let webhook = webhook_with(&fake, &github).await;
    assert_eq!(answered(&webhook, published()).await.0, 202);

    github.tag(SECOND);
    let mut promoted = release("released");
    promoted["release"]["prerelease"] = json!(false);
    let (status, body) = answered(&webhook, told("0-1", &promoted)).await;
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")));
    let state = fake.state();
    let asked: BTreeMap<String, &Value> = state
        .executions
        .values()
        .map(|execution| {
            (
                execution.input["environment"]["name"].to_string(),
                &execution.input["commit"],
            )
        })
        .collect();
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["\"production\"", "\"test\""]);
    assert!(asked.values().all(|commit| **commit == FIRST), "{asked:?}");
}

#[tokio::test]
async fn a_repository_that_is_not_shown_and_a_tag_of_no_commit() {
    let (fake, github) = (fake(), FakeGitHub::default());
    let webhook = webhook_with(&fake, &github).await;
    // Without a token that may read it, GitHub shows no private repository.
    assert_eq!(answered(&webhook, published()).await.0, 503);
    assert!(fake.state().table.items.is_empty());

    github.has("/repos/acme/shop", 200, &json!({ "id": 1 }));
    github.has(TAG, 200, &json!({ "object": { "type": "tree", "sha": FIRST } }));
    let (status, body) = answered(&webhook, published()).await;
    assert_eq!((status, &body["reason"]), (202, &json!("tag_missing")));
    assert_eq!(held(&fake.state(), RECORD)["reason"]["S"], "tag_missing");
    assert_eq!(fake.state().table.items.len(), 1);
    assert!(fake.state().executions.is_empty());
}

#[tokio::test]
async fn a_tag_that_github_does_not_know_yet_is_asked_for_again() {
    let (fake, github) = (fake(), FakeGitHub::default());
    github.has("/repos/acme/shop", 200, &json!({ "id": 1 }));
    // The first question comes too early.
    let late = github.clone();
    github.state().meanwhile = Some(Box::new(move || late.tag(FIRST)));
    let (status, body) = answered(&webhook_with(&fake, &github).await, published()).await;
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")));
    assert_eq!(
        github.asked(),
        [TAG, "/repos/acme/shop", TAG, &title_of(FIRST)].map(str::to_owned)
    );
}

#[tokio::test]
async fn where_a_tag_stays_missing_nothing_is_claimed_and_the_redelivery_decides_anew() {
    let (fake, github) = (fake(), FakeGitHub::default());
    github.has("/repos/acme/shop", 200, &json!({ "id": 1 }));
    let webhook = webhook_with(&fake, &github).await;
    assert_eq!(
        answered(&webhook, published()).await,
        (503, json!({ "outcome": "unavailable" }))
    );
    let questions = github.asked().iter().filter(|path| *path == TAG).count();
    assert_eq!(questions, PAUSES.len() + 1);
    assert!(fake.state().table.items.is_empty());

    github.tag(FIRST);
    assert_eq!(answered(&webhook, published()).await.0, 202);
    assert_eq!(fake.state().executions.len(), 1);
}

#[test]
fn a_tag_is_asked_for_again_while_github_still_waits_for_our_answer() {
    let pauses: Duration = questions::PAUSES.iter().sum();
    // The questions themselves take part of a second each.
    let questions = u32::try_from(questions::PAUSES.len()).unwrap() + 1;
    assert!(pauses + Duration::from_secs(1) * questions <= ANSWER_WITHIN);
}

#[tokio::test]
async fn github_is_asked_with_the_token_that_is_stored_at_that_time() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
    let webhook = webhook_with(&fake, &github).await;
    let store = |token: &str| {
        let name = "/lockgate/github/token".to_owned();
        fake.state().parameters.insert(name, token.to_owned());
    };
    // What cannot be a token goes nowhere.
    store("two words");
    assert_eq!(answered(&webhook, published()).await.0, 503);
    assert!(github.asked().is_empty() && fake.state().table.items.is_empty());

    store("github_pat_1\n");
    assert_eq!(answered(&webhook, published()).await.0, 202);
    let bearers = |state: &State| state.asked.iter().map(|(_, bearer)| bearer.clone()).collect::<Vec<_>>();
    assert_eq!(
        bearers(&github.state()),
        [(); 2].map(|()| Some("Bearer github_pat_1".to_owned()))
    );
    assert!(
        !fake
            .state()
            .table
            .items
            .values()
            .any(|item| json!(item).to_string().contains("github_pat"))
    );
    assert!(!format!("{webhook:?}").contains("github_pat"));

    fake.state().parameters.remove("/lockgate/github/token");
    let mut other = release("published");
    other["release"]["id"] = json!(8);
    github.state().asked.clear();
    assert_eq!(answered(&webhook, told("0-1", &other)).await.0, 202);
    assert_eq!(bearers(&github.state()), [None, None]);
}

#[tokio::test]
async fn what_asks_for_nothing_asks_github_nothing() {
    let mut bodies = vec![
        release("edited"),
        release("created"),
        release("deleted"),
        release("unpublished"),
    ];
    for (pointer, value) in [
        ("/release/draft", json!(true)),
        ("/release/prerelease", json!(false)),
        ("/release/tag_name", json!("")),
        ("/repository/fork", json!(true)),
        ("/repository/full_name", json!("acme/unknown")),
    ] {
        let mut body = release("published");
        *body.pointer_mut(pointer).unwrap() = value;
        bodies.push(body);
    }
    for body in bodies {
        let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
        let (status, answer) = answered(&webhook_with(&fake, &github).await, told(DELIVERY, &body)).await;
        assert_eq!((status, &answer["outcome"]), (202, &json!("ignored")), "{body}");
        assert!(github.asked().is_empty(), "{body}");
        assert!(fake.state().executions.is_empty());
    }
}

#[tokio::test]
async fn a_title_that_is_not_known_is_no_obstacle() {
    let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
    github.has(&title_of(FIRST), 503, &json!({}));
    assert_eq!(answered(&webhook_with(&fake, &github).await, published()).await.0, 202);
    let state = fake.state();
    let input = &state.executions.values().next().unwrap().input;
    assert_eq!(input["requested"]["title"], "Winter");
}

#[tokio::test]
async fn a_pin_that_cannot_be_read_or_written_is_no_reason_to_go_on() {
    for operation in ["GetItem", "PutItem"] {
        let (fake, github) = (fake(), FakeGitHub::with_tag(FIRST));
        let webhook = webhook_with(&fake, &github).await;
        fake.fates(operation, [fault(false)]);
        assert_eq!(answered(&webhook, published()).await.0, 503, "{operation}");
        assert!(fake.state().executions.is_empty() && fake.state().table.items.is_empty());
        assert_eq!(answered(&webhook, published()).await.0, 202, "{operation}");
    }
}
