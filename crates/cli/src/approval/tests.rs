#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use clap::Parser as _;
use domain::approval::{Approval, Ballot, Question, Via};
use domain::names::Digest;
use fake_aws::sample;
use jiff::SignedDuration;
use serde_json::Value;

use super::*;
use crate::Arguments;
use crate::api::tests::{api, server};

const QA: &str = "qa@acme.example";
const LEAD: &str = "lead@acme.example";

fn asked_at() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

/// One that waits for one of two testers and for the lead, until the next day.
fn waiting(number: u8, reference: &str) -> Approval {
    let person = |name: &str| json!({ "name": name, "logins": [], "mails": [], "arns": [] });
    let tess = "arn:aws:sts::111111111111:assumed-role/Tester/tess";
    let mut deployment = sample::deployment(number);
    reference.clone_into(&mut deployment.reference);
    let policy = json!({
        "when": "after", "people": [person(QA), person(LEAD), person(tess)],
        "duties": [
            { "group": "testers", "people": [QA, tess], "need": 1 },
            { "group": null, "people": [LEAD], "need": 1 },
        ],
        "within_seconds": 86_400, "on_reject": "stay",
    });
    let question = Question {
        release: Digest::of(b"a release"),
        prepared: None,
        policy: serde_json::from_value(policy).unwrap(),
        contributors: vec![],
        facts: serde_json::from_value(json!({
            "since": null, "compare_url": null, "commits": [], "more_commits": 0, "stacks": [], "smoke_tests": null,
            "integration_tests": null,
        }))
        .unwrap(),
        checklist: vec![],
        unconfirmed: vec![],
        waits_since: asked_at(),
    };
    Approval::ask(&deployment, question, asked_at())
}

fn accepts(approval: &mut Approval, by: &str) {
    let ballot = Ballot {
        by: by.parse().unwrap(),
        via: Via::Link {
            key: "0a1b2c3d".parse().unwrap(),
        },
        decision: Choice::Accept,
        comment: String::new(),
        ticked: vec![],
        at: asked_at(),
    };
    approval.vote(ballot).unwrap();
}

#[test]
fn what_waits_is_listed_with_whose_answers_are_needed_since_when_and_until_when() {
    let mut half = waiting(1, "v1.4.0-rc.1");
    accepts(&mut half, QA);
    half.unconfirmed = vec![LEAD.parse().unwrap()];
    let overdue = waiting(2, "v1.4.0-rc.2\u{1b}[2J\n\u{202e}done");
    let now = asked_at() + SignedDuration::from_mins(150);
    let [half, overdue] = [&half, &overdue].map(Waiting::from);
    let mut soon = table(&[half, overdue.clone()], now);
    insta::assert_snapshot!(soon.set_width(130).trim_fmt());
    let late = now + SignedDuration::from_hours(24);
    let of = |waiting, more| listed(&Listing { waiting, more }, late);
    let listing = of(vec![overdue.clone()], 0);
    assert!(listing.lines().any(|line| line.ends_with(" over")), "{listing}");
    let part = of(vec![overdue], 7);
    assert!(part.ends_with("\nand 7 more, which have not waited as long"), "{part}");
    assert_eq!(of(vec![], 0), "No approvals are waiting.");
}

#[test]
fn programs_get_what_is_listed_and_nothing_that_answers_for_anybody() {
    let mut half = waiting(1, "v1.4.0-rc.1");
    accepts(&mut half, QA);
    half.unconfirmed = vec![LEAD.parse().unwrap()];
    let printed = table::Output::Json.print(&[Waiting::from(&half)], String::new);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    insta::assert_json_snapshot!(printed);
    assert_eq!(table::Output::Json.print(&Vec::<Waiting>::new(), String::new), "[]");
}

#[test]
fn an_answer_names_its_deployment_and_a_rejection_says_why() {
    let long = "x".repeat(COMMENT_LIMIT + 1);
    for (words, good) in [
        (vec!["approve", "shop-test-1"], true),
        (vec!["approve", "shop-test-1", "--output", "json"], true),
        (vec!["approve", "shop-test-1", "--comment", "ordered two teas"], true),
        (vec!["approve", "shop-test-1", "--comment", &long[1..]], true),
        (vec!["approve", "shop-test-1", "--comment", &long], false),
        (vec!["approve"], false),
        (vec!["approve", "shop test"], false),
        (vec!["approve", "https://api.example/approvals/1"], false),
        (vec!["reject", "shop-test-1", "--comment", "the total is wrong"], true),
        (vec!["reject", "shop-test-1"], false),
        (vec!["reject", "shop-test-1", "--comment", ""], false),
        (vec!["reject", "shop-test-1", "--comment", " \u{200b}\n"], false),
        (vec!["pending"], true),
        (
            vec!["pending", "--output", "json", "--api", "https://api.example"],
            true,
        ),
        (vec!["pending", "--output", "yaml"], false),
        (vec!["pending", "shop-test-1"], false),
    ] {
        let parsed = Arguments::try_parse_from(["lockgate"].into_iter().chain(words.iter().copied()));
        assert_eq!(parsed.is_ok(), good, "{words:?}");
    }
    let missing = Arguments::try_parse_from(["lockgate", "reject", "shop-test-1"]).unwrap_err();
    assert!(missing.to_string().contains("--comment <COMMENT>"), "{missing}");
    assert_eq!(comment(" two\n\u{1b}[31mlines ").unwrap(), "two [31mlines");
}

#[tokio::test]
async fn an_answer_is_sent_to_the_approval_of_its_deployment_and_what_follows_is_said() {
    let at = asked_at();
    let mut said = Vec::new();
    for (decision, outcome) in [
        (Choice::Accept, None),
        (Choice::Accept, Some(Outcome::Accepted { at })),
        (
            Choice::Reject,
            Some(Outcome::Rejected {
                by: QA.parse().unwrap(),
                comment: "the total is wrong".to_owned(),
                at,
            }),
        ),
        // Somebody else's answer ended it in the same moment.
        (Choice::Accept, Some(Outcome::Expired { at })),
    ] {
        let mut approval = waiting(1, "v1.4.0-rc.1");
        approval.outcome = outcome;
        let answered = json!({ "outcome": "counted", "sentence": "your answer is recorded", "approval": approval });
        let (base, served) = server(vec![(200, answered.to_string())]);
        let told = answer(
            &api(&base).await,
            (&approval.deployment, None),
            decision,
            "looked at it",
        )
        .await;
        let told = told.unwrap();
        said.push(format!(
            "{}\n{}",
            told.text(),
            table::Output::Json.print(&told, String::new)
        ));
        let received = served.join().unwrap().pop().unwrap();
        assert_eq!(received.line, format!("POST /approvals/{}/ballots", approval.id));
        let body: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!(
            body,
            json!({ "decision": decision.to_string(), "comment": "looked at it" })
        );
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn an_answer_that_does_not_count_is_an_error_that_says_why() {
    let refused = |status, sentence: &str| {
        (
            status,
            json!({ "outcome": "refused", "sentence": sentence }).to_string(),
        )
    };
    let mut said = Vec::new();
    for answered in [
        refused(409, "you have answered already"),
        refused(409, "nobody accepts or rejects what they wrote or asked for themselves"),
        refused(403, "arn:aws:iam::111111111111:user/eve is not among the people asked"),
        refused(413, "the comment is too long"),
        refused(409, "\u{1b}]0;approved\u{7}\nYour answer is recorded."),
        (
            404,
            json!({ "outcome": "unknown", "sentence": "nobody is asked about this deployment" }).to_string(),
        ),
        (
            503,
            json!({
                "outcome": "unavailable",
                "sentence": "something went wrong, and your answer may or may not be recorded; send it again in a minute: it is counted only once",
            })
            .to_string(),
        ),
        (403, "{\"message\":\"Forbidden\"}".to_owned()),
        (200, json!({ "counted": true }).to_string()),
        (503, "<!doctype html>".to_owned()),
    ] {
        let (base, served) = server(vec![answered]);
        let deployment = sample::deployment(1).id;
        let error = answer(&api(&base).await, (&deployment, None), Choice::Accept, "")
            .await
            .unwrap_err();
        served.join().unwrap();
        said.push(error.to_string().replace(&base, "https://api"));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn what_is_not_changed_yet_is_answered_by_its_own_name() {
    let mut before = waiting(1, "v1.4.0-rc.1");
    before.prepared = Some(Digest::of(b"the change sets"));
    before.id = ApprovalId::of_change_sets(&before.deployment, &Digest::of(b"the change sets"));
    let changes = Digest::of(b"the change sets");
    let listing = Listing {
        waiting: vec![Waiting::from(&waiting(2, "v1.4.0-rc.2")), Waiting::from(&before)],
        more: 0,
    };
    let listing = || (200, serde_json::to_string(&listing).unwrap());
    let counted = json!({ "outcome": "counted", "sentence": "your answer is recorded", "approval": before });
    let (base, served) = server(vec![listing(), (200, counted.to_string())]);
    let about = (&before.deployment, Some(changes.short()));
    answer(&api(&base).await, about, Choice::Accept, "").await.unwrap();
    let received = served.join().unwrap().pop().unwrap();
    assert_eq!(received.line, format!("POST /approvals/{}/ballots", before.id));

    let other = Digest::of(b"others");
    let (base, served) = server(vec![listing()]);
    let about = (&before.deployment, Some(other.short()));
    let refused = answer(&api(&base).await, about, Choice::Accept, "").await.unwrap_err();
    assert_eq!(served.join().unwrap().len(), 1, "nothing is sent");
    assert!(
        refused.to_string().contains("nobody is asked about the changes"),
        "{refused}"
    );
    for too_short in [&changes.as_str()[..SHORTEST - 1], ""] {
        let about = (&before.deployment, Some(too_short));
        let refused = answer(&api(&base).await, about, Choice::Accept, "").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "not recorded: name at least 8 digits of the changes"
        );
    }
    let unknown = json!({ "outcome": "unknown", "sentence": "nobody is asked about this deployment" });
    let (base, served) = server(vec![(404, unknown.to_string()), listing()]);
    let refused = answer(&api(&base).await, (&before.deployment, None), Choice::Accept, "").await;
    served.join().unwrap();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("name them with --changes"), "{refused}");
}
