#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

mod by_people;
mod releases;

use std::io::Write as _;

use aws::Aws;
use aws::parameters::Parameters;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_aws::sample::MACHINE;
use fake_aws::{FakeAws, Fate, Item, TABLE};
use github::Access;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use releases::FakeGitHub;

const SECRET: &str = "the secret of now";
const PREVIOUS: &str = "the secret before";
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const RECORD: (&str, &str) = ("delivery#72d3162e-cc78-11e3-81ab-4c9367dc0958", "delivery");

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn application() -> String {
    let environment = |name: &str, account: &str, on: &str| {
        json!({
            "name": name, "account": account, "region": "eu-west-1", "on": [on], "after": null, "queue": "newest",
            "stacks": [], "qualifier": "hnb659fds", "without_stable": "give_back", "replace_failed_stacks": true,
        })
    };
    let environments = [
        environment("dev", "222222222222", "push"),
        environment("preview", "333333333333", "push"),
        environment("test", "444444444444", "prerelease"),
    ];
    json!({ "repository": "acme/shop", "branch": "main", "environments": environments }).to_string()
}

fn fake() -> FakeAws {
    let fake = FakeAws::default();
    fake.state().parameters.extend([
        ("/lockgate/webhook/secret".to_owned(), SECRET.to_owned()),
        ("/lockgate/applications/acme/shop".to_owned(), application()),
    ]);
    fake
}

async fn webhook(fake: &FakeAws) -> Webhook {
    webhook_with(fake, &FakeGitHub::default()).await
}

async fn webhook_with(fake: &FakeAws, github: &FakeGitHub) -> Webhook {
    let aws = Aws::with(fake.config().await);
    let parameters = Parameters::new(aws.ssm());
    let webhook = Webhook {
        secrets: SecretStore::open(parameters.clone(), "/lockgate/webhook", now()).await,
        applications: Applications::new(parameters.clone(), "/lockgate/applications"),
        questions: Questions::new(
            Access::new(github.github(), "/lockgate/github"),
            parameters,
            releases::PAUSES,
        ),
        ledger: Ledger::new(aws.dynamodb(), TABLE),
        executions: Executions::new(aws.step_functions(), MACHINE),
    };
    fake.forget_calls();
    webhook
}

/// An item of the ledger.
fn held(aws: &fake_aws::State, (pk, sk): (&str, &str)) -> Item {
    aws.table.items[&(pk.to_owned(), sk.to_owned())].clone()
}

/// A fault of AWS's own, which says nothing about whether the call has acted.
fn fault(although_it_acts: bool) -> Fate {
    if although_it_acts {
        Fate::Faulted
    } else {
        Fate::Refused("InternalServerError")
    }
}

fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "deleted": false,
        "before": "1111111111111111111111111111111111111111", "after": "2222222222222222222222222222222222222222",
        "repository": { "full_name": "acme/shop", "fork": false, "pushed_at": 1_795_000_000 },
        "sender": { "login": "ann" }, "head_commit": { "message": "Add prices" },
    })
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A request as API Gateway hands it on, changed by `change` after it was signed.
fn request(event: &str, body: &str, change: impl FnOnce(&mut Value)) -> Input {
    let mut input = json!({
        "version": "2.0",
        "routeKey": "POST /webhooks/github",
        "headers": {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": DELIVERY,
            "x-hub-signature-256": signature(SECRET, body.as_bytes()),
        },
        "body": body,
        "isBase64Encoded": false,
    });
    change(&mut input);
    serde_json::from_value(input).unwrap()
}

fn pushed() -> Input {
    request("push", &push().to_string(), |_| {})
}

async fn answered(webhook: &Webhook, input: Input) -> (u16, Value) {
    let output = handle(webhook, input, now()).await;
    assert_eq!(output.headers["content-type"], "application/json");
    (output.status_code, serde_json::from_str(&output.body).unwrap())
}

#[tokio::test]
async fn a_push_is_claimed_then_started_then_recorded_as_started() {
    let fake = fake();
    let (status, body) = answered(&webhook(&fake).await, pushed()).await;
    assert_eq!(
        fake.operations(),
        [
            "GetParameter",
            // Whether it was asked for without this delivery.
            "GetItem",
            "PutItem",
            // That it is asked for.
            "GetItem",
            "PutItem",
            "StartExecution",
            "StartExecution",
            "UpdateItem"
        ]
    );
    let state = fake.state();
    assert_eq!((status, &body["outcome"]), (202, &json!("accepted")));
    let names: Vec<&String> = state.executions.keys().collect();
    assert_eq!(body["deployments"], json!(names));
    assert_eq!(names.len(), 2);
    assert_eq!(held(&state, RECORD)["state"]["S"], "started");
    assert_eq!(held(&state, RECORD).get("due_at"), None);
    let (name, execution) = state.executions.iter().next().unwrap();
    let deployment: Deployment = serde_json::from_value(execution.input.clone()).unwrap();
    assert_eq!(deployment.id.as_str(), name);
    assert_eq!(deployment.requested.delivery.as_deref(), Some(DELIVERY));
}

#[tokio::test]
async fn a_ping_is_answered_and_nothing_is_asked_of_aws() {
    let fake = fake();
    let answer = answered(
        &webhook(&fake).await,
        request("ping", "{\"zen\":\"Keep it logically awesome.\"}", |_| {}),
    )
    .await;
    assert_eq!(answer, (200, json!({ "outcome": "pong" })));
    assert!(fake.operations().is_empty());
}

#[tokio::test]
async fn f01_f02_a_wrong_signature_writes_nothing_and_is_always_answered_alike() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let body = push().to_string();
    let right = signature(SECRET, body.as_bytes());
    let header = |value: Value| request("push", &body, |input| input["headers"]["x-hub-signature-256"] = value);
    let mut inputs = vec![
        request("push", &body, |input| {
            drop(input["headers"].as_object_mut().unwrap().remove("x-hub-signature-256"));
        }),
        header(json!("")),
        header(json!(right[..70])),
        header(json!(right.to_uppercase())),
        header(json!(format!("sha256={}", "x".repeat(64)))),
        header(json!(format!("sha1={}", &right[7..47]))),
        header(json!(signature("another secret", body.as_bytes()))),
        // Two headers: joined by the gateway, or handed on in two spellings.
        header(json!(format!("{right},{right}"))),
        request("push", &body, |input| {
            input["headers"]["X-Hub-Signature-256"] = json!(right);
        }),
        // SHA-1 alone, as GitHub sent it before 2020.
        request("push", &body, |input| {
            input["headers"].as_object_mut().unwrap().remove("x-hub-signature-256");
            input["headers"]["x-hub-signature"] = json!("sha1=0123456789012345678901234567890123456789");
        }),
        // The body altered, not there, flagged as base64 and none, or base64 and not flagged.
        request("push", &body, |input| input["body"] = json!(body.replace("ann", "bob"))),
        request("push", &body, |input| input["body"] = Value::Null),
        request("push", &body, |input| input["isBase64Encoded"] = json!(true)),
        request("push", &body, |input| input["body"] = json!(STANDARD.encode(&body))),
        // Whether the repository is known, the event, the content type and the JSON make no difference.
        request("ping", &body, |input| input["body"] = json!("not json")),
        request("push", "{\"repository\":{\"full_name\":\"x/y\"}}", |input| {
            input["body"] = json!(body);
        }),
    ];
    inputs.push(request("push", &body, |input| {
        input["headers"]["content-type"] = json!("text/plain");
        input["headers"]["x-hub-signature-256"] = json!("sha256=");
    }));
    for input in inputs {
        let shown = format!("{input:?}");
        let answer = answered(&webhook, input).await;
        assert_eq!(answer, (401, json!({ "outcome": "unauthorised" })), "{shown}");
    }
    assert_eq!(fake.operations(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_base64_encoded_body_is_decoded_before_it_is_verified() {
    let fake = fake();
    let body = push().to_string();
    let input = request("push", &body, |input| {
        input["body"] = json!(STANDARD.encode(&body));
        input["isBase64Encoded"] = json!(true);
    });
    assert_eq!(answered(&webhook(&fake).await, input).await.0, 202);
    assert_eq!(fake.state().executions.len(), 2);
}

#[tokio::test]
async fn header_names_count_in_every_case() {
    let fake = fake();
    let input = request("push", &push().to_string(), |input| {
        let headers = input["headers"].as_object_mut().unwrap();
        let upper = headers
            .iter()
            .map(|(name, value)| (name.to_uppercase(), value.clone()))
            .collect();
        *headers = upper;
    });
    assert_eq!(answered(&webhook(&fake).await, input).await.0, 202);
}

#[tokio::test]
async fn bad_input_is_refused_after_the_signature_and_before_anything_is_written() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let body = push().to_string();
    let without = |name: &'static str| {
        request("push", &body, move |input| {
            drop(input["headers"].as_object_mut().unwrap().remove(name));
        })
    };
    let header = |name: &str, value: &str| request("push", &body, |input| input["headers"][name] = json!(value));
    for input in [
        without("content-type"),
        header("content-type", "application/x-www-form-urlencoded"),
        header("content-type", "text/plain; application/json"),
        without("x-github-event"),
        without("x-github-delivery"),
        header("x-github-delivery", "../../etc/passwd\r\n"),
        header("x-github-delivery", ""),
        request("push", "not json", |_| {}),
        request("push", "", |_| {}),
        request("push", &body[..body.len() - 1], |_| {}),
        request("push", &format!("{}{}", "[".repeat(200), "]".repeat(200)), |_| {}),
        request(
            "pull_request",
            &format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)),
            |_| {},
        ),
        request("push", "{\"ref\":\"\\ud800\"}", |_| {}),
        request("push", &body.replace("acme/shop", "../shop"), |_| {}),
        request("ping", "not json", |_| {}),
    ] {
        let shown = format!("{input:?}");
        let (status, answer) = answered(&webhook, input).await;
        assert_eq!((status, &answer["outcome"]), (400, &json!("malformed")), "{shown}");
    }
    let charset = header("content-type", "Application/JSON; charset=utf-8");
    assert!(fake.operations().is_empty());
    assert_eq!(answered(&webhook, charset).await.0, 202);
}

#[tokio::test]
async fn a_body_longer_than_lambda_takes_is_refused_before_it_is_looked_at() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let padded = |length: usize| {
        let body = push().to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let too_long = request("push", &padded(BODY_LIMIT + 1), |_| {});
    assert_eq!(
        answered(&webhook, too_long).await,
        (413, json!({ "outcome": "too_large" }))
    );
    assert!(fake.operations().is_empty());
    let just_right = request("push", &padded(BODY_LIMIT), |_| {});
    assert_eq!(answered(&webhook, just_right).await.0, 202);
}

#[tokio::test]
async fn f03_a_delivery_signed_with_the_previous_secret_is_accepted_while_it_is_stored() {
    let fake = fake();
    fake.state()
        .parameters
        .insert("/lockgate/webhook/secret-previous".to_owned(), PREVIOUS.to_owned());
    let webhook = webhook(&fake).await;
    let body = push().to_string();
    let old = |secret: &str| {
        let signature = signature(secret, body.as_bytes());
        request("push", &body, |input| {
            input["headers"]["x-hub-signature-256"] = json!(signature);
        })
    };
    assert_eq!(answered(&webhook, old(PREVIOUS)).await.0, 202);
    assert_eq!(answered(&webhook, old("a third")).await.0, 401);
}

/// Set in the run of a test by itself.
const LOG_FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";

/// What the function logs while a test does what it says where [`LOG_FORMAT`] is set. Logging is set up once for a process,
/// from its environment, as Lambda gives it: the test runs itself again.
async fn logged_by(test: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let run = tokio::process::Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env(LOG_FORMAT, "JSON")
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{printed}");
    let (_, printed) = printed.split_once(LOG_BEGINS).unwrap();
    let (lines, _) = printed.split_once(LOG_ENDS).unwrap();
    lines.lines().map(str::to_owned).collect()
}

const LOG_BEGINS: &str = "\nwhat the function logs:\n";
const LOG_ENDS: &str = "that is all\n";

/// Between what the function logs and what the test's harness prints.
fn mark(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn the_line_that_tells_of_the_previous_secret_is_the_one_that_the_metric_filter_is_tested_with() {
    const THIS: &str =
        "tests::the_line_that_tells_of_the_previous_secret_is_the_one_that_the_metric_filter_is_tested_with";
    if std::env::var_os(LOG_FORMAT).is_some() {
        lambda::start_logging();
        let fake = fake();
        fake.state().parameters.extend([
            ("/lockgate/webhook/secret".to_owned(), "the next secret".to_owned()),
            ("/lockgate/webhook/secret-previous".to_owned(), SECRET.to_owned()),
        ]);
        let webhook = webhook(&fake).await;
        mark(LOG_BEGINS);
        assert_eq!(answered(&webhook, pushed()).await.0, 202);
        mark(LOG_ENDS);
        return;
    }
    let expected = include_str!("tests/previous-secret.log").trim_end();
    let lines = logged_by(THIS).await;
    assert_eq!(lines.iter().filter(|line| *line == expected).count(), 1, "{lines:?}");
}

/// Texts as a stranger chooses them, for everything that people name.
fn hostile_texts() -> Vec<String> {
    [
        "$(id)",
        "`reboot`",
        "<script>alert(1)</script>",
        "a\r\nb: c",
        "{\"level\":\"ERROR\"}\n{\"level\":\"ERROR\"}",
        "nul\0",
        "\u{1b}[31m",
        "\u{202e}gpj.exe",
        "line\u{2028}separator",
        "\"quoted\\\"",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["x".repeat(255), "ü".repeat(255)])
    .collect()
}

/// Everything that a delivery can say in words is hostile, and it comes as far as it can.
async fn deliver_hostile_texts() {
    for (index, hostile) in hostile_texts().into_iter().enumerate() {
        let fake = fake();
        let here = application().replace("\"main\"", &json!(hostile).to_string());
        let name = "/lockgate/applications/acme/shop".to_owned();
        fake.state().parameters.insert(name, here);
        let github = FakeGitHub::with_every_tag();
        let webhook = webhook_with(&fake, &github).await;

        let mut body = push();
        body["ref"] = json!(format!("refs/heads/{hostile}"));
        body["sender"]["login"] = json!(hostile);
        body["head_commit"]["message"] = json!(format!("{hostile}\nrest"));
        assert_eq!(
            answered(&webhook, request("push", &body.to_string(), |_| {})).await.0,
            202
        );
        assert_eq!(fake.state().executions.len(), 2, "{hostile:?}");

        let release = releases::named(&hostile);
        let known = request("release", &release, |input| {
            input["headers"]["x-github-delivery"] = json!(format!("{index}-1"));
        });
        answered(&webhook, known).await;
        let unknown = request("release", &release.replace("\"id\":7", "\"id\":8"), |_| {});
        answered(&webhook_with(&fake, &FakeGitHub::default()).await, unknown).await;

        let header = |name: &str| {
            request(&hostile, "{}", |input| {
                input["headers"][name] = json!(hostile);
                input["headers"]["x-github-event"] = json!(hostile);
            })
        };
        for name in [
            "x-github-event",
            "x-github-delivery",
            "content-type",
            "x-hub-signature-256",
        ] {
            answered(&webhook, header(name)).await;
        }
        answered(&webhook, request("push", &hostile, |_| {})).await;
        answered(
            &webhook,
            request("push", &push().to_string().replace("acme/shop", "../shop"), |_| {}),
        )
        .await;
    }
}

#[tokio::test]
async fn f08_whatever_strangers_write_a_log_line_is_one_json_object_that_shows_nothing_but_text() {
    const THIS: &str = "tests::f08_whatever_strangers_write_a_log_line_is_one_json_object_that_shows_nothing_but_text";
    if std::env::var_os(LOG_FORMAT).is_some() {
        lambda::start_logging();
        mark(LOG_BEGINS);
        Box::pin(deliver_hostile_texts()).await;
        mark(LOG_ENDS);
        return;
    }
    let lines = logged_by(THIS).await;
    for line in &lines {
        let said: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(said["fields"].is_object() && said["level"].is_string(), "{line}");
        let inert = !line.chars().any(|c| c.is_control() || "\u{202e}\u{2028}".contains(c));
        assert!(inert, "{line:?}");
    }
    let with = |message: &str| lines.iter().filter(|line| line.contains(message)).count();
    // Of each text at least the push, whose two deployments are asked for, and the event of that name.
    let texts = hostile_texts().len();
    assert!(
        with("\"message\":\"asked for a deployment\"") >= 2 * texts,
        "{lines:#?}"
    );
    assert!(with("\"message\":\"answered\"") >= 2 * texts, "{lines:#?}");
    assert_eq!(
        with("\"message\":\"a signature is missing or wrong\""),
        texts,
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_changed_secret_is_found_when_a_signature_fails_and_not_more_often_than_every_few_seconds() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    fake.state()
        .parameters
        .insert("/lockgate/webhook/secret".to_owned(), "the next secret".to_owned());
    let body = push().to_string();
    let ask = async |seconds: i64| {
        let signature = signature("the next secret", body.as_bytes());
        let input = request("push", &body, |input| {
            input["headers"]["x-hub-signature-256"] = json!(signature);
        });
        handle(&webhook, input, now() + SignedDuration::from_secs(seconds))
            .await
            .status_code
    };
    assert_eq!(ask(4).await, 401);
    assert_eq!(fake.count("GetParameter"), 0);
    assert_eq!(ask(5).await, 202);
    // One for each secret, and one for the application.
    assert_eq!(fake.count("GetParameter"), 3);
    // What GitHub still signs with the old one fails, and within five seconds makes nobody ask again.
    let old = handle(&webhook, pushed(), now() + SignedDuration::from_secs(9)).await;
    assert_eq!(old.status_code, 401);
    assert_eq!(fake.count("GetParameter"), 3);
}

#[tokio::test]
async fn a_secret_that_was_taken_away_counts_for_five_minutes_at_most_though_nobody_signs_wrongly() {
    let fake = fake();
    let previous = "/lockgate/webhook/secret-previous".to_owned();
    fake.state().parameters.insert(previous.clone(), PREVIOUS.to_owned());
    let webhook = webhook(&fake).await;
    fake.state().parameters.remove(&previous);
    let body = push().to_string();
    let old = request("push", &body, |input| {
        input["headers"]["x-hub-signature-256"] = json!(signature(PREVIOUS, body.as_bytes()));
    });
    let new = pushed();
    for (seconds, input, status) in [(299, &old, 202), (299, &new, 200), (300, &old, 401), (300, &new, 200)] {
        let later = now() + SignedDuration::from_secs(seconds);
        let answer = handle(&webhook, input.clone(), later).await;
        assert_eq!(answer.status_code, status, "after {seconds} s");
    }
}

#[tokio::test]
async fn secrets_that_cannot_be_read_again_count_for_five_minutes_at_most() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let secret = fake.state().parameters.remove("/lockgate/webhook/secret").unwrap();
    let answer = async |seconds: i64| {
        let later = now() + SignedDuration::from_secs(seconds);
        handle(&webhook, pushed(), later).await.status_code
    };
    assert_eq!(answer(299).await, 202);
    assert_eq!(answer(300).await, 503);
    fake.state()
        .parameters
        .insert("/lockgate/webhook/secret".to_owned(), secret);
    assert_eq!(answer(304).await, 503);
    assert_eq!(answer(305).await, 200);
}

#[tokio::test]
async fn without_a_stored_secret_nothing_is_let_in_and_storing_one_is_enough() {
    let fake = fake();
    let secret = fake.state().parameters.remove("/lockgate/webhook/secret").unwrap();
    let webhook = webhook(&fake).await;
    let (status, body) = answered(&webhook, pushed()).await;
    assert_eq!((status, body), (503, json!({ "outcome": "unavailable" })));
    fake.state()
        .parameters
        .insert("/lockgate/webhook/secret".to_owned(), secret);
    assert_eq!(
        handle(&webhook, pushed(), now() + SignedDuration::from_secs(5))
            .await
            .status_code,
        202
    );
}

#[tokio::test]
async fn what_asks_for_nothing_is_recorded_with_its_reason() {
    for (event, body, reason, calls) in [
        (
            "push",
            push().to_string().replace("refs/heads/main", "refs/heads/other"),
            "other_branch",
            2,
        ),
        (
            "push",
            push().to_string().replace("refs/heads/main", "refs/tags/v1"),
            "tag",
            1,
        ),
        (
            "push",
            push().to_string().replace("acme/shop", "acme/unknown"),
            "unknown_repository",
            2,
        ),
        (
            "release",
            json!({
                "action": "edited",
                "release": { "id": 1, "tag_name": "v1", "draft": false, "prerelease": true },
                "repository": { "full_name": "acme/shop" },
            })
            .to_string(),
            "edited_release",
            1,
        ),
        ("star", "{}".to_owned(), "asks_for_nothing", 1),
    ] {
        let fake = fake();
        let webhook = webhook(&fake).await;
        let (status, answer) = answered(&webhook, request(event, &body, |_| {})).await;
        assert_eq!(
            (status, &answer["outcome"], &answer["reason"]),
            (202, &json!("ignored"), &json!(reason))
        );
        assert_eq!(held(&fake.state(), RECORD)["state"]["S"], "ignored");
        assert_eq!(held(&fake.state(), RECORD)["reason"]["S"], reason);
        assert_eq!(held(&fake.state(), RECORD).get("due_at"), None);
        assert_eq!(fake.operations().len(), calls);
        let again = answered(&webhook, request(event, &body, |_| {})).await;
        assert_eq!(again, (status, answer), "whoever has it sent again hears why");
        assert!(fake.state().executions.is_empty());
    }
}

#[tokio::test]
async fn f04_a_hundred_copies_start_once_and_a_late_one_is_known() {
    let fake = fake();
    let webhook = std::sync::Arc::new(webhook(&fake).await);
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let webhook = webhook.clone();
        copies.spawn(async move { handle(&webhook, pushed(), now()).await.status_code });
    }
    let answers = copies.join_all().await;
    assert!(answers.iter().all(|status| [200, 202].contains(status)), "{answers:?}");
    assert_eq!(fake.state().executions.len(), 2);
    assert_eq!(
        answered(&webhook, pushed()).await,
        (200, json!({ "outcome": "already_known" }))
    );
}

#[tokio::test]
async fn f05_another_delivery_of_the_same_push_starts_nothing_new() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let first = answered(&webhook, pushed()).await;
    let other_id = request("push", &push().to_string(), |input| {
        input["headers"]["x-github-delivery"] = json!("0-1");
    });
    let second = answered(&webhook, other_id).await;
    assert_eq!(first, second);
    assert_eq!(fake.state().executions.len(), 2);
    // Both deliveries, and the commit that they asked for.
    assert_eq!(fake.state().table.items.len(), 3);
}

#[tokio::test]
async fn f10_a_delivery_that_comes_after_its_commit_was_asked_for_without_it_starts_nothing() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    let pushed_at = push()["repository"]["pushed_at"].as_i64().unwrap();
    let commit = push()["after"].as_str().unwrap().parse().unwrap();
    let repository = "acme/shop".parse().unwrap();
    let recovered = async |at: i64| {
        let at = Timestamp::from_second(at).unwrap();
        let ask = |watched: &mut domain::intake::lost::Watched| {
            *watched = domain::intake::lost::Watched::default();
            watched.asked_for(&commit, Some(at));
        };
        webhook.ledger.change_watched_branch(&repository, ask).await.unwrap();
    };
    recovered(pushed_at + 120).await;
    let (status, body) = answered(&webhook, pushed()).await;
    assert_eq!((status, &body["reason"]), (202, &json!("recovered")));
    assert!(fake.state().executions.is_empty());
    // Somebody pushes it anew, after that.
    recovered(pushed_at - 120).await;
    let again = request("push", &push().to_string(), |input| {
        input["headers"]["x-github-delivery"] = json!("0-2");
    });
    assert_eq!(answered(&webhook, again).await.1["outcome"], "accepted");
}

#[tokio::test]
async fn f11_a_claim_that_fails_starts_nothing_and_the_redelivery_does() {
    for although_it_acts in [false, true] {
        let fake = fake();
        let webhook = webhook(&fake).await;
        fake.fates("PutItem", [fault(although_it_acts)]);
        assert_eq!(
            answered(&webhook, pushed()).await,
            (503, json!({ "outcome": "unavailable" }))
        );
        assert!(fake.state().executions.is_empty());
        assert_eq!(fake.state().table.items.len(), usize::from(although_it_acts));
        assert_eq!(answered(&webhook, pushed()).await.0, 202);
        assert_eq!(fake.state().executions.len(), 2);
    }
}

#[tokio::test]
async fn f12_f13_a_start_that_fails_or_only_seems_to_is_completed_as_it_was_decided() {
    for although_it_acts in [false, true] {
        let fake = fake();
        let first = webhook(&fake).await;
        fake.fates("StartExecution", [fault(although_it_acts)]);
        assert_eq!(answered(&first, pushed()).await.0, 503);
        assert_eq!(held(&fake.state(), RECORD)["state"]["S"], "received");
        assert_eq!(held(&fake.state(), RECORD)["due_kind"]["S"], "delivery");
        assert_eq!(held(&fake.state(), RECORD)["due_at"]["S"], "2026-11-23T12:00:30.000Z");

        // Meanwhile operators renamed the branch: what was decided stays decided.
        let changed = application().replace("\"main\"", "\"trunk\"");
        fake.state()
            .parameters
            .insert("/lockgate/applications/acme/shop".to_owned(), changed);
        let second = webhook(&fake).await;
        let (status, body) = answered(&second, pushed()).await;
        assert_eq!((status, &body["outcome"]), (202, &json!("accepted")));
        assert_eq!(fake.state().executions.len(), 2);
        assert_eq!(held(&fake.state(), RECORD)["state"]["S"], "started");
        assert_eq!(
            answered(&second, pushed()).await,
            (200, json!({ "outcome": "already_known" }))
        );
    }
}

#[tokio::test]
async fn when_only_the_record_fails_the_delivery_is_accepted_and_stays_due() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    fake.fates("UpdateItem", [fault(false)]);
    assert_eq!(answered(&webhook, pushed()).await.0, 202);
    assert_eq!(held(&fake.state(), RECORD)["due_kind"]["S"], "delivery");
    assert_eq!(answered(&webhook, pushed()).await.1["outcome"], "accepted");
    assert_eq!(fake.state().executions.len(), 2);
    assert_eq!(held(&fake.state(), RECORD)["state"]["S"], "started");
}

#[tokio::test]
async fn configuration_that_cannot_be_read_is_no_reason_to_ignore_a_push() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    fake.fates("GetParameter", [fault(false)]);
    assert_eq!(answered(&webhook, pushed()).await.0, 503);
    fake.state()
        .parameters
        .insert("/lockgate/applications/acme/shop".to_owned(), "{}".to_owned());
    assert_eq!(answered(&webhook, pushed()).await.0, 503);
    assert!(fake.state().table.items.is_empty());
    fake.state()
        .parameters
        .insert("/lockgate/applications/acme/shop".to_owned(), application());
    assert_eq!(answered(&webhook, pushed()).await.0, 202);
}

#[tokio::test]
async fn an_application_is_remembered_for_a_minute() {
    let fake = fake();
    let webhook = webhook(&fake).await;
    for (index, (seconds, reads)) in [(0, 1), (59, 1), (60, 2), (61, 2)].into_iter().enumerate() {
        let input = request("push", &push().to_string(), |input| {
            input["headers"]["x-github-delivery"] = json!(format!("{index}"));
        });
        handle(&webhook, input, now() + SignedDuration::from_secs(seconds)).await;
        assert_eq!(fake.count("GetParameter"), reads, "after {seconds} s");
    }
}
