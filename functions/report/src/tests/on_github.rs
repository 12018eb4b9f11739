//! What GitHub is told, by a GitHub that keeps what it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use domain::names::Digest;

use super::*;

/// GitHub, as far as it is told anything.
#[derive(Clone, Default)]
pub(super) struct Hub(Arc<Mutex<Told>>);

#[derive(Default)]
pub(super) struct Told {
    /// Method, path and body of every call.
    calls: Vec<(String, String, Value)>,
    /// What the next calls are answered by, before everything else: a status, and headers.
    answers: VecDeque<(u16, &'static [(&'static str, &'static str)])>,
    /// GitHub's deployments of the commit, as it lists them.
    deployments: Vec<Value>,
    page: Option<String>,
}

impl Hub {
    pub(super) fn state(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    /// What was done, in short, and forgotten then.
    fn take_done(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.state().calls);
        let done = calls
            .iter()
            .filter(|(method, ..)| method != "GET")
            .map(|(method, path, body)| {
                let path = path.trim_start_matches("/repos/acme/shop");
                let state = body["state"].as_str().or_else(|| body["status"].as_str());
                format!("{method} {path} {}", state.unwrap_or_default())
                    .trim_end()
                    .to_owned()
            });
        done.collect()
    }

    fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, &'static [(&'static str, &'static str)], Value) {
        let mut state = self.state();
        state.calls.push((method.to_owned(), path.to_owned(), body.clone()));
        if let Some((status, headers)) = state.answers.pop_front() {
            return (status, headers, json!({ "message": "no" }));
        }
        let (status, document) = match (method, path) {
            ("GET", path) if path.contains("/deployments?") => (200, json!(state.deployments)),
            ("POST", "/repos/acme/shop/deployments") => {
                let number = 7 + state.deployments.len();
                state
                    .deployments
                    .push(json!({ "id": number, "payload": body["payload"] }));
                (201, json!({ "id": number }))
            }
            ("GET", path) if path.contains("/check-runs?") => (200, json!({ "total_count": 0, "check_runs": [] })),
            ("POST", "/repos/acme/shop/check-runs") => {
                (403, json!({ "message": "You must authenticate via a GitHub App." }))
            }
            ("POST", _) => (201, json!({ "id": 8 })),
            ("GET", path) if path.contains("/releases/tags/") => match &state.page {
                Some(page) => (200, json!({ "id": 9, "body": page })),
                None => (404, json!({ "message": "Not Found" })),
            },
            ("PATCH", "/repos/acme/shop/releases/9") => {
                state.page = body["body"].as_str().map(str::to_owned);
                (200, json!({ "id": 9 }))
            }
            _ => (404, json!({ "message": "Not Found" })),
        };
        (status, &[], document)
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
        let body = request
            .body()
            .bytes()
            .map(|bytes| serde_json::from_slice(bytes).unwrap_or_default());
        let (status, headers, document) = self.answer(request.method(), &path, &body.unwrap_or_default());
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(document.to_string()));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// What the ledger's stream brings: entries of these deployments, and something that is none.
fn appended(numbers: &[u8]) -> Value {
    let record = |pk: &str, sk: &str| json!({ "eventName": "INSERT", "dynamodb": { "Keys": { "pk": { "S": pk }, "sk": { "S": sk } }, "SizeBytes": 50 } });
    let entries = numbers
        .iter()
        .map(|number| record(&format!("deployment#{}", deployment(*number).id), "entry#000001"));
    let records: Vec<Value> = entries.chain([record("report#shop-dev-1", "owed")]).collect();
    json!({ "Records": records })
}

/// A desk that tells GitHub by a token.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    let token = "/lockgate/github/token".to_owned();
    desk.aws.state().parameters.insert(token, "github_pat_1".to_owned());
    desk
}

impl Desk {
    async fn outbox(&self) -> domain::github::Outbox {
        self.context.ledger.outbox(&deployment(1).id).await.unwrap()
    }

    /// Lets the time pass until GitHub is to be told again.
    async fn wait_until_due(&self) {
        let past = |outbox: &mut domain::github::Outbox| {
            outbox.due = outbox.due.map(|_| Timestamp::UNIX_EPOCH);
            outbox.held_until = None;
        };
        self.context
            .ledger
            .change_outbox(&deployment(1).id, past)
            .await
            .unwrap();
    }

    async fn due(&self) -> usize {
        let later = Timestamp::now() + jiff::SignedDuration::from_hours(2);
        self.context.ledger.due_outboxes(later).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_happened_is_told_once_and_what_happens_then_is_added() {
    let desk = desk().await;
    desk.record([Event::Admitted { fence: 1 }]).await;
    assert_eq!(desk.ask(appended(&[1, 1])).await.unwrap(), Output::Told);
    assert_eq!(
        desk.hub.take_done(),
        [
            "POST /deployments",
            "POST /deployments/7/statuses queued",
            "POST /deployments/7/statuses in_progress",
            "POST /check-runs in_progress",
        ]
    );
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(desk.hub.take_done(), Vec::<String>::new());
    let ended = Event::Ended(failed(Name::BuildFailed));
    let id = deployment(1).id;
    desk.context.ledger.record(&id, ended, Timestamp::now()).await.unwrap();
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(
        desk.hub.take_done(),
        ["POST /deployments/7/statuses failure"],
        "whoever is no App is not asked for a check run again"
    );
    let outbox = desk.outbox().await;
    assert!(
        outbox
            .no_check
            .is_some_and(|why| why.contains("authenticate via a GitHub App"))
    );
    assert_eq!((outbox.due, outbox.held_until, desk.due().await), (None, None, 0));
}

#[tokio::test]
async fn without_credentials_github_is_not_told_and_nothing_is_owed() {
    let desk = Desk::new().await;
    desk.record([]).await;
    assert_eq!(desk.ask(appended(&[1])).await.unwrap(), Output::NothingToTell);
    let due = desk.due().await;
    assert_eq!((desk.hub.state().calls.len(), due), (0, 0));
    // What is stored and cannot be used is an error: somebody meant GitHub to be told.
    let token = "/lockgate/github/token".to_owned();
    desk.aws.state().parameters.insert(token, "two words".to_owned());
    let failure = Failure::from(desk.ask(appended(&[1])).await.unwrap_err());
    assert_eq!(failure.name, Name::GitHubDenied);
    assert!(!failure.cause.contains("two words"), "{failure}");
}

#[tokio::test]
async fn a_github_that_is_down_limits_calls_or_refuses_is_told_later_and_loses_nothing() {
    for (status, headers, wait) in [
        (503, &[] as &[_], 60),
        (429, &[("retry-after", "600")], 600),
        (401, &[], 60),
        (
            403,
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "32503680000")],
            3_600,
        ),
    ] {
        let desk = desk().await;
        desk.record([Event::Admitted { fence: 1 }]).await;
        desk.hub.state().answers.push_back((status, headers));
        let before = Timestamp::now();
        assert_eq!(
            desk.ask(appended(&[1])).await.unwrap(),
            Output::Told,
            "the stream goes on"
        );
        let outbox = desk.outbox().await;
        let due = outbox.due.unwrap().duration_since(before).as_secs();
        assert!(due >= wait - 1, "{status}: {due} s");
        desk.hub.take_done();
        desk.ask(appended(&[1])).await.unwrap();
        assert_eq!(desk.hub.take_done(), Vec::<String>::new(), "it is left alone");
        desk.wait_until_due().await;
        let told = desk.ask(json!({ "do": "github", "id": deployment(1).id })).await;
        assert_eq!(told.unwrap(), Output::Told);
        assert_eq!(
            desk.hub.take_done(),
            [
                "POST /deployments",
                "POST /deployments/7/statuses queued",
                "POST /deployments/7/statuses in_progress",
                "POST /check-runs in_progress",
            ]
        );
        assert_eq!(desk.due().await, 0);
    }
}

#[tokio::test]
async fn a_deployment_whose_making_nobody_heard_of_is_found_and_not_made_again() {
    let desk = desk().await;
    desk.record([]).await;
    let known = json!({ "id": 7, "payload": json!({ "lockgate": deployment(1).id }).to_string() });
    desk.hub.state().deployments = vec![json!({ "id": 6, "payload": {} }), known];
    desk.hub.state().answers.push_back((502, &[]));
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(desk.hub.take_done(), ["POST /deployments"]);
    desk.wait_until_due().await;
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(
        desk.hub.take_done(),
        ["POST /deployments/7/statuses queued", "POST /check-runs queued"]
    );
}

#[tokio::test]
async fn what_takes_an_environments_place_has_the_one_before_told_inactive() {
    let desk = desk().await;
    for (number, done) in [
        (1, vec!["POST /deployments/7/statuses success"]),
        (
            2,
            vec![
                "POST /deployments/8/statuses success",
                "POST /deployments/7/statuses inactive",
            ],
        ),
    ] {
        let requested = deployment(number);
        let release = Digest::of(&[number]);
        let waves = vec![vec!["shop-dev".parse().unwrap()]];
        let leg = domain::deployment::Leg::Forward;
        let events = [
            Event::Requested {
                deployment: Box::new(requested.clone()),
            },
            Event::Admitted { fence: 1 },
            Event::Released {
                release: release.clone(),
            },
            Event::Planned { leg, release, waves },
            Event::Compared {
                leg,
                stack: "shop-dev".parse().unwrap(),
                summary: None,
            },
            Event::SmokeTested {
                leg,
                report: serde_json::from_value(json!({ "passed": true, "checks": [] })).unwrap(),
            },
            Event::Ended(Ending::NothingToDeploy),
        ];
        for event in events {
            let recorded = desk.context.ledger.record(&requested.id, event, Timestamp::now()).await;
            recorded.unwrap();
        }
        desk.ask(appended(&[number])).await.unwrap();
        let told = desk.hub.take_done();
        let ends = told
            .iter()
            .filter(|told| told.ends_with(" success") || told.ends_with(" inactive"));
        assert_eq!(ends.collect::<Vec<_>>(), done, "{told:?}");
    }
}

#[tokio::test]
async fn a_release_that_asked_has_its_page_tell_where_it_is() {
    let desk = desk().await;
    desk.hub.state().page = Some("Tea.".to_owned());
    let mut asked = deployment(1);
    asked.requested.because = domain::deployment::Cause::Prerelease;
    asked.reference = "v1.0.0-rc.1".to_owned();
    asked.environment.after = Some("early".parse().unwrap());
    let release: Digest = Digest::of(b"release");
    let events = [
        Event::Requested {
            deployment: Box::new(asked.clone()),
        },
        Event::Admitted { fence: 1 },
        Event::Released {
            release: release.clone(),
        },
    ];
    for event in events {
        desk.context
            .ledger
            .record(&asked.id, event, Timestamp::now())
            .await
            .unwrap();
    }
    let mut stable = fake_aws::sample::stable(&asked);
    stable.release = release;
    let early = "early".parse().unwrap();
    desk.context
        .ledger
        .record_stable(&asked.application, &early, &stable)
        .await
        .unwrap();
    desk.ask(appended(&[1])).await.unwrap();
    let page = desk.hub.state().page.clone().unwrap();
    assert!(
        page.starts_with("Tea.\n")
            && page.contains("- **early**: stable since")
            && page.contains("- **dev**: on its way since"),
        "{page}"
    );

    // Somebody took the release away: that is no reason to wait.
    desk.hub.state().page = None;
    desk.context
        .ledger
        .record(&asked.id, Event::Ended(failed(Name::BuildFailed)), Timestamp::now())
        .await
        .unwrap();
    desk.ask(appended(&[1])).await.unwrap();
    let outbox = desk.outbox().await;
    assert!(outbox.no_page.is_some() && outbox.due.is_none());
}

#[tokio::test]
async fn of_many_each_is_owed_before_any_is_told() {
    let desk = desk().await;
    desk.record([]).await;
    desk.hub.state().answers.push_back((503, &[]));
    desk.ask(appended(&[1, 2, 3])).await.unwrap();
    assert_eq!(desk.due().await, 1, "the others have nothing to tell");
}

#[tokio::test]
async fn an_end_that_the_stream_did_not_bring_is_found_by_the_sweep() {
    let desk = desk().await;
    desk.record([Event::Ended(failed(Name::BuildFailed))]).await;
    desk.owe().await;
    desk.ended().await.unwrap();
    assert_eq!(desk.due().await, 1);
}

#[tokio::test]
async fn a_deployment_that_was_asked_for_there_is_told_of_itself() {
    let desk = desk().await;
    let mut asked = deployment(1);
    asked.requested.at_github = Some(domain::deployment::AtGitHub::Deployment(41));
    desk.record_of(&asked, [Event::Admitted { fence: 1 }]).await;
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(
        desk.hub.take_done(),
        [
            "POST /deployments/41/statuses queued",
            "POST /deployments/41/statuses in_progress",
            "POST /check-runs in_progress",
        ]
    );
}

#[tokio::test]
async fn a_pull_request_gets_a_check_run_and_no_deployment() {
    let desk = desk().await;
    let mut preview = deployment(1);
    preview.plans = true;
    preview.requested.because = domain::deployment::Cause::PullRequest;
    preview.requested.at_github = Some(domain::deployment::AtGitHub::PullRequest(7));
    desk.record_of(&preview, [Event::Admitted { fence: 1 }]).await;
    desk.ask(appended(&[1])).await.unwrap();
    assert_eq!(desk.hub.take_done(), ["POST /check-runs in_progress"]);
    assert_eq!(desk.due().await, 0);
}
