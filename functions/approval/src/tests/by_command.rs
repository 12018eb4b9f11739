//! People answer by the command, under their AWS identity.

use super::*;

async fn asked(need: u32) -> Site {
    let site = Site::asking(policy(need, &[QA, LEAD, OPS, "ada@acme.example"])).await;
    site.ask().await.unwrap();
    site
}

fn json_of(response: &Response) -> Value {
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(response.headers["cache-control"], "no-store");
    serde_json::from_str(&response.body).unwrap()
}

#[tokio::test]
async fn whom_iam_lets_in_answers_as_who_they_are() {
    let site = asked(2).await;
    let told = site
        .says(QA_SESSION, &json!({ "decision": "accept", "comment": "tried it" }), 1)
        .await;
    assert_eq!(told.status_code, 200);
    let told = json_of(&told);
    assert_eq!(
        (&told["outcome"], &told["approval"]["outcome"]),
        (&json!("counted"), &json!(null))
    );
    let told = site.says(OPS, &json!({ "decision": "accept" }), 2).await;
    let told = json_of(&told);
    assert_eq!(told["approval"]["outcome"]["outcome"], "accepted");
    let by: Vec<_> = site
        .approval()
        .await
        .ballots
        .into_iter()
        .map(|ballot| (ballot.by, serde_json::to_value(ballot.via).unwrap()))
        .collect();
    let command = |arn: &str| json!({ "via": "command", "arn": arn });
    assert_eq!(by, [(who(QA), command(QA_SESSION)), (who(OPS), command(OPS))]);
    assert_eq!(site.told(), [json!({ "outcome": "accepted" })]);
}

#[tokio::test]
async fn whoever_is_not_asked_is_refused_and_that_is_kept() {
    let site = asked(1).await;
    let before = site.kept();
    for (minutes, arn) in (1..).zip([
        "arn:aws:sts::111111111111:assumed-role/mallory/qa",
        "arn:aws:sts::111111111111:assumed-role/QA/qa",
        "arn:aws:sts::222222222222:assumed-role/qa/qa",
        "arn:aws:iam::111111111111:root",
        QA,
        "",
        "<b>\r\n\u{202e}mallory",
    ]) {
        let told = site.says(arn, &json!({ "decision": "accept" }), minutes).await;
        assert_eq!(told.status_code, 403, "{arn}");
        let sentence = json_of(&told)["sentence"].as_str().unwrap().to_owned();
        assert!(sentence.ends_with("is not among the people asked"), "{sentence}");
        assert!(!sentence.contains(['\r', '\n', '\u{202e}']));
    }
    let refused = (
        "the caller is not among the people asked".to_owned(),
        None,
        "command".to_owned(),
    );
    assert_eq!(site.audit(), vec![refused; 7], "one for each caller");
    let callers = site.callers();
    assert!(
        callers.contains(&"arn:aws:iam::111111111111:root".to_owned()),
        "{callers:?}"
    );
    assert!(callers.contains(&"<b> mallory".to_owned()), "{callers:?}");
    assert_eq!(site.kept(), before);
}

#[tokio::test]
async fn where_iam_names_nobody_nobody_is_let_in() {
    let site = asked(1).await;
    let before = site.kept();
    for context in [
        json!({}),
        json!({ "authorizer": null }),
        json!({ "authorizer": { "iam": {} } }),
    ] {
        let mut event = said(&site.id(), QA_SESSION, &json!({ "decision": "accept" }).to_string());
        event["requestContext"] = context.clone();
        // What the caller says of themselves counts nothing.
        event["headers"]["x-amzn-iam-user-arn"] = json!(QA_SESSION);
        assert_eq!(site.request(event.clone(), after(1)).await.status_code, 403);
        event["routeKey"] = json!("GET /approvals");
        assert_eq!(site.request(event, after(1)).await.status_code, 403);
    }
    assert_eq!(site.kept(), before);
}

#[tokio::test]
async fn whoever_wrote_it_is_refused_under_their_aws_identity_too() {
    let site = asked(1).await;
    let before = site.kept();
    let told = site.says(ADA_SESSION, &json!({ "decision": "accept" }), 1).await;
    assert_eq!(told.status_code, 409);
    let sentence = "nobody accepts or rejects what they wrote or asked for themselves";
    assert_eq!(json_of(&told)["sentence"], sentence);
    let expected = (
        sentence.to_owned(),
        Some("ada@acme.example".to_owned()),
        "command".to_owned(),
    );
    assert_eq!(site.audit(), [expected]);
    assert_eq!(site.kept(), before);
}

#[tokio::test]
async fn a_rejection_with_its_reason_ends_it_and_whoever_comes_later_is_told_why() {
    let site = asked(2).await;
    let reject = json!({ "decision": "reject", "comment": "the total is wrong" });
    let told = json_of(&site.says(QA_SESSION, &reject, 1).await);
    assert_eq!(
        (&told["outcome"], &told["approval"]["outcome"]["outcome"]),
        (&json!("counted"), &json!("rejected"))
    );
    let cause = "qa@acme.example rejected it: the total is wrong";
    assert_eq!(site.told(), [json!({ "outcome": "rejected", "cause": cause })]);
    let late = site.says(OPS, &json!({ "decision": "accept" }), 2).await;
    assert_eq!(late.status_code, 409);
    assert_eq!(
        json_of(&late)["sentence"],
        format!("it has been decided already: {cause}")
    );
    assert_eq!(site.callers(), [OPS]);
}

#[tokio::test]
async fn one_person_counts_once_by_link_and_by_command() {
    let site = asked(2).await;
    site.answers(QA, Choice::Accept, 1).await;
    for (decision, status, sentence) in [
        ("accept", 200, "your answer was recorded before"),
        ("reject", 409, "you have answered already"),
    ] {
        let said = json!({ "decision": decision, "comment": "no" });
        let told = site.says(QA_SESSION, &said, 2).await;
        assert_eq!(
            (told.status_code, &json_of(&told)["sentence"]),
            (status, &json!(sentence))
        );
    }
    assert_eq!(site.approval().await.ballots.len(), 1);
    assert!(site.told().is_empty());
}

#[tokio::test]
async fn what_is_not_an_answer_is_refused_in_a_sentence() {
    let site = asked(1).await;
    let before = site.kept();
    let arn = QA_SESSION;
    for (status, body) in [
        (409, json!({ "decision": "reject" })),
        (409, json!({ "decision": "reject", "comment": " \u{200b}" })),
        (409, json!({ "decision": "accept", "comment": "x".repeat(2001) })),
        (400, json!({ "decision": "maybe" })),
        (400, json!({ "decision": "accept", "by": LEAD })),
        (400, json!({})),
        (400, json!("accept")),
        (
            413,
            json!({ "decision": "accept", "comment": "x".repeat(10 * 1024 * 1024) }),
        ),
    ] {
        let told = site.says(arn, &body, 1).await;
        assert_eq!(told.status_code, status);
        assert_eq!(json_of(&told)["outcome"], "refused");
    }
    let kept: Vec<String> = site.audit().into_iter().map(|(why, ..)| why).collect();
    let mut expected = [
        "a rejection needs a comment that says why",
        "the answer cannot be read",
        "the answer is too long to be read",
        "the comment is longer than 2000 characters",
    ];
    expected.sort_unstable();
    let mut kept: Vec<&str> = kept.iter().map(String::as_str).collect();
    kept.sort_unstable();
    assert_eq!(kept, expected);
    assert!(site.callers().iter().all(|caller| caller == QA_SESSION));
    let mut unknown = said(&site.id(), arn, &json!({ "decision": "accept" }).to_string());
    for id in ["0".repeat(32), "x".to_owned()] {
        unknown["pathParameters"]["id"] = json!(id);
        let told = site.request(unknown.clone(), after(1)).await;
        assert_eq!((told.status_code, &json_of(&told)["outcome"]), (404, &json!("unknown")));
    }
    assert_eq!(site.kept(), before);
}

#[tokio::test]
async fn what_waits_is_listed_oldest_first_until_it_is_decided() {
    let site = asked(2).await;
    let list = json!({
        "version": "2.0", "routeKey": "GET /approvals", "headers": {},
        "requestContext": { "authorizer": { "iam": { "userArn": "arn:aws:iam::111111111111:user/anybody" } } },
    });
    let listed = async |minutes| {
        let response = site.request(list.clone(), after(minutes)).await;
        assert_eq!(response.status_code, 200);
        let listing: domain::approval::Listing = serde_json::from_value(json_of(&response)).unwrap();
        assert_eq!(listing.more, 0);
        listing
            .waiting
            .into_iter()
            .map(|approval| approval.deployment.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(1).await, ["shop-test-1"]);
    // An older one, of which the index knows later.
    let mut older = site.approval().await;
    older.deployment = "shop-test-0".parse().unwrap();
    older.id = ApprovalId::of(&older.deployment, When::After);
    older.asked_at = after(-60);
    site.context.ledger.create_approval(&older).await.unwrap();
    let waits_for = domain::parking::WaitsFor::Approval {
        approval: older.id.clone(),
        application: older.application.clone(),
        environment: older.environment.clone(),
    };
    let parked = Parked::new(
        older.deployment.clone(),
        waits_for,
        "other-token".to_owned().into(),
        after(-60),
    );
    site.context.ledger.park(&parked).await.unwrap();
    assert_eq!(listed(2).await, ["shop-test-0", "shop-test-1"]);
    let (first, more) = site.context.ledger.waiting_approvals(1, after(2)).await.unwrap();
    assert_eq!(
        (first[0].deployment.as_str(), more),
        ("shop-test-0", 1),
        "only so many are read"
    );
    site.answers(LEAD, Choice::Reject, 3).await;
    assert_eq!(listed(4).await, ["shop-test-0"]);
}

#[tokio::test]
async fn when_we_fail_the_command_is_told_in_its_own_words() {
    let site = asked(1).await;
    site.aws.fates("PutItem", [Fate::Unanswered]);
    let told = site.says(QA_SESSION, &json!({ "decision": "accept" }), 1).await;
    assert_eq!(
        (told.status_code, &json_of(&told)["outcome"]),
        (503, &json!("unavailable"))
    );
    site.aws.fates("Query", [Fate::Refused("ThrottlingException")]);
    let list = json!({
        "routeKey": "GET /approvals", "requestContext": { "authorizer": { "iam": { "userArn": OPS } } },
    });
    let told = site.request(list, after(1)).await;
    assert_eq!(
        (told.status_code, &json_of(&told)["outcome"]),
        (503, &json!("unavailable"))
    );
}
