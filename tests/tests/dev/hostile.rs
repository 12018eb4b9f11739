//! What people write into names and messages is text, and nothing else.

use end_to_end::Laboratory;
use local::TOOLS;
use local::deliveries::Delivery;
use local::repository::Person;
use serde_json::{Value, json};

use crate::in_the_laboratory;

const HOSTILE: [&str; 8] = [
    "$(id)",
    "`id`; id",
    "../../main",
    "main\r\n{\"level\":\"ERROR\"}",
    "main\0",
    "ma\u{202e}in\u{200b}",
    "<script>alert(1)</script>",
    "\u{1b}[2J",
];

/// The same delivery, in which these places say something else.
fn altered(delivery: &Delivery, number: usize, places: &[(&str, &str)]) -> Delivery {
    let mut payload: Value = serde_json::from_slice(&delivery.body).expect("a payload is JSON");
    for (place, text) in places {
        *payload.pointer_mut(place).expect("the payload has this place") = json!(text);
    }
    let body = serde_json::to_vec(&payload).expect("JSON can be written");
    let id = format!("{number:08}-5555-5555-5555-555555555555");
    Delivery::sign(&id, &delivery.event, body)
}

/// Every line that a function logged is one JSON object, or the platform's own.
async fn every_line_is_one_object(laboratory: &Laboratory) {
    let mut read = 0;
    for function in ["webhook", "gate", "build", "deploy", "smoke-test", "report", "sweep"] {
        let log = laboratory
            .emulator
            .log(&format!("/aws/lambda/lockgate-{function}"))
            .await;
        let lines = log.expect("it has a log");
        let ours = lines.iter().flat_map(|event| event.lines()).filter(|line| {
            let platform = ["START RequestId", "END RequestId", "REPORT RequestId"];
            !line.is_empty() && !platform.iter().any(|beginning| line.starts_with(beginning))
        });
        for line in ours {
            let parsed: Result<Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok_and(|parsed| parsed.is_object()), "{function}: {line:?}");
            read += 1;
        }
    }
    assert!(read > 0, "functions log something");
}

#[test]
fn hostile_branches_are_ignored_and_hostile_titles_and_authors_are_text_everywhere() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("hostile").await;
        let everything = HOSTILE.concat() + &"x".repeat(255);
        // Git takes no NUL.
        let author = Person {
            name: "$(id) \u{202e}`id`",
            mail: "ada@acme.example",
        };
        let push = scenario.commit_as(author, &everything.replace('\0', "")).await;
        let delivery = push.delivery().expect("a delivery");

        let long = "x".repeat(255);
        for (number, branch) in HOSTILE.into_iter().chain([long.as_str()]).enumerate() {
            let other = altered(&delivery, number, &[("/ref", &format!("refs/heads/{branch}"))]);
            let answer = scenario.send(&other, 202).await;
            assert_eq!(answer["outcome"], "ignored", "{branch:?}: {answer}");
            assert!(
                answer["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
                "{answer}"
            );
        }
        assert_eq!(laboratory.executions("hostile").await, 0);

        let places = [
            ("/head_commit/message", everything.as_str()),
            ("/head_commit/author/name", &everything),
            ("/head_commit/author/username", &everything),
            ("/pusher/name", &everything),
            ("/sender/login", &everything),
        ];
        let answer = scenario.send(&altered(&delivery, 99, &places), 202).await;
        let deployment = answer["deployments"][0].as_str().expect("a deployment was started");
        let ended = scenario.end_of(&deployment.parse().expect("its id is valid")).await;
        end_to_end::outcome::deployed(&ended);

        let mails = laboratory.emulator.mails(TOOLS).await.expect("there is an inbox");
        let ours: Vec<_> = mails.iter().filter(|mail| mail.body.contains(deployment)).collect();
        assert!(!ours.is_empty());
        for mail in ours {
            let strange = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}".contains(c);
            assert!(
                !mail.subject.contains('\n') && !mail.subject.contains(strange),
                "{mail:?}"
            );
            assert!(!mail.body.contains(strange), "{mail:?}");
        }
        every_line_is_one_object(laboratory).await;
    });
}
