//! What AWS refuses, and the question whether the call could have acted.

use aws::{Aws, Kind};
use domain::failure::Name;
use fake_aws::{FakeAws, Fate};

use crate::{id, ledger, now, patient_ledger};

#[tokio::test]
async fn a_refusal_is_classified_by_whether_the_call_could_have_acted() {
    for (fate, kind, name) in [
        (Fate::Refused("ThrottlingException"), Kind::Throttled, Name::Throttled),
        (
            Fate::Refused("ProvisionedThroughputExceededException"),
            Kind::Throttled,
            Name::Throttled,
        ),
        (
            Fate::Refused("TooManyRequestsException"),
            Kind::Throttled,
            Name::Throttled,
        ),
        (Fate::Refused("SlowDown"), Kind::Throttled, Name::Throttled),
        (
            Fate::Refused("AccountLimitExceededException"),
            Kind::Throttled,
            Name::Throttled,
        ),
        (
            Fate::Refused("ExecutionLimitExceeded"),
            Kind::Throttled,
            Name::Throttled,
        ),
        (Fate::Faulted, Kind::Unavailable, Name::Unavailable),
        (Fate::Refused("InternalError"), Kind::Unavailable, Name::Unavailable),
        (
            Fate::Refused("ServiceUnavailable"),
            Kind::Unavailable,
            Name::Unavailable,
        ),
        (Fate::Refused("RequestTimeout"), Kind::Unavailable, Name::Unavailable),
        (Fate::Unanswered, Kind::Unanswered, Name::Unavailable),
        (Fate::Unsent("no such host"), Kind::Unavailable, Name::Unavailable),
        (
            Fate::Unsent("AccessDenied: not authorized to perform sts:AssumeRole"),
            Kind::AccessDenied,
            Name::AccessDenied,
        ),
        (
            Fate::Refused("AccessDeniedException"),
            Kind::AccessDenied,
            Name::AccessDenied,
        ),
        (
            Fate::Refused("UnrecognizedClientException"),
            Kind::AccessDenied,
            Name::AccessDenied,
        ),
        (
            Fate::Refused("ExpiredTokenException"),
            Kind::AccessDenied,
            Name::AccessDenied,
        ),
        (
            Fate::Refused("ResourceNotFoundException"),
            Kind::NotFound,
            Name::Unexpected,
        ),
        (
            Fate::Refused("ConditionalCheckFailedException"),
            Kind::Conflict,
            Name::Unexpected,
        ),
        (
            Fate::Refused("TokenAlreadyExistsException"),
            Kind::AlreadyAsked,
            Name::Unexpected,
        ),
        (Fate::Refused("ValidationException"), Kind::Invalid, Name::Unexpected),
        (Fate::Refused("SomethingNew"), Kind::Invalid, Name::Unexpected),
    ] {
        let aws = FakeAws::default();
        aws.fates("PutItem", [fate]);
        let error = ledger(&aws).await.owe_report(&id(1), now()).await.unwrap_err();
        assert_eq!((error.kind, error.name()), (kind, name), "{error}");
        assert_eq!(error.operation, "dynamodb:PutItem");
        assert!(error.failure().cause.starts_with("dynamodb:PutItem: "), "{error}");
        assert_eq!(aws.count("PutItem"), 1);
    }
}

#[tokio::test]
async fn what_may_have_acted_is_told_apart_by_looking() {
    for (fate, acted) in [
        (Fate::Unanswered, true),
        (Fate::Faulted, true),
        (Fate::Unsent("no such host"), false),
        (Fate::Refused("ThrottlingException"), false),
    ] {
        let aws = FakeAws::default();
        aws.fates("PutItem", [fate]);
        let ledger = ledger(&aws).await;
        let error = ledger.owe_report(&id(1), now()).await.unwrap_err();
        assert!(!(acted && error.did_nothing()), "{error}");
        assert_eq!(!ledger.overdue_reports(now()).await.unwrap().is_empty(), acted);
    }
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_and_in_the_end_transient() {
    let throttled = |times| (0..times).map(|_| Fate::Refused("ThrottlingException"));
    let aws = FakeAws::default();
    let ledger = patient_ledger(&aws).await;
    aws.fates("PutItem", throttled(3));
    ledger.owe_report(&id(1), now()).await.unwrap();
    assert_eq!(aws.count("PutItem"), 4);

    aws.fates("PutItem", throttled(4));
    let error = ledger.owe_report(&id(2), now()).await.unwrap_err();
    assert_eq!(error.name(), Name::Throttled);
    assert_eq!(aws.count("PutItem"), 8);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let aws = FakeAws::default();
    aws.fates("PutItem", [Fate::Refused("AccessDeniedException")]);
    let refused = patient_ledger(&aws).await.owe_report(&id(1), now()).await;
    assert_eq!(refused.unwrap_err().name(), Name::AccessDenied);
    assert_eq!(aws.count("PutItem"), 1);
}

#[tokio::test]
async fn a_transaction_that_is_cancelled_for_something_else_is_no_lost_race() {
    for (reasons, kind, name) in [
        (["None", "ThrottlingError"], Kind::Throttled, Name::Throttled),
        (
            ["ProvisionedThroughputExceeded", "None"],
            Kind::Throttled,
            Name::Throttled,
        ),
        (["None", "ValidationError"], Kind::Invalid, Name::Unexpected),
        (
            ["ItemCollectionSizeLimitExceeded", "None"],
            Kind::Invalid,
            Name::Unexpected,
        ),
    ] {
        let aws = FakeAws::default();
        let told = serde_json::json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": reasons.map(|code| serde_json::json!({ "Code": code })),
        });
        aws.says("TransactWriteItems", [(400, told.to_string())]);
        let event = domain::life::Event::Queued { before: 0 };
        let error = ledger(&aws).await.record(&id(1), event, now()).await.unwrap_err();
        assert_eq!((error.kind, error.name()), (kind, name), "{error}");
        // The SDK does not try again what was cancelled.
        let tries = if kind == Kind::Throttled { 4 } else { 1 };
        assert_eq!(aws.count("TransactWriteItems"), tries);
    }
}

#[tokio::test]
async fn a_throttled_transaction_is_no_lost_race() {
    let aws = FakeAws::default();
    aws.fates("TransactWriteItems", [Fate::Refused("ThrottlingException")]);
    let event = domain::life::Event::Queued { before: 0 };
    let error = ledger(&aws).await.record(&id(1), event, now()).await.unwrap_err();
    assert_eq!(error.name(), Name::Throttled);
    assert_eq!(aws.count("TransactWriteItems"), 1);
}

#[tokio::test]
async fn what_sts_says_of_a_role_is_what_a_call_with_that_role_ends_with() {
    for (fate, name) in [
        (Fate::Refused("AccessDenied"), Name::AccessDenied),
        (Fate::Refused("Throttling"), Name::Unavailable),
        (Fate::Faulted, Name::Unavailable),
        (Fate::Unanswered, Name::Unavailable),
    ] {
        let aws = FakeAws::default();
        aws.fates("AssumeRole", [fate]);
        let role = "arn:aws:iam::222222222222:role/deploy";
        let region = "eu-west-1".parse().unwrap();
        let acting = Aws::with(aws.config().await).acting_as(role, &id(1), &region, Some("external"));
        let error = acting.caller().await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert_eq!(
            (aws.count("AssumeRole"), aws.count("GetCallerIdentity")),
            (1, 0),
            "{name}"
        );
        let [asked] = &aws.calls("AssumeRole")[..] else {
            panic!("STS was asked more than once");
        };
        assert_eq!(
            (&asked["RoleArn"], &asked["ExternalId"]),
            (&role.into(), &"external".into())
        );
        assert_eq!(asked["RoleSessionName"], id(1).as_str());

        // What was refused is not remembered.
        acting.caller().await.unwrap();
        assert_eq!(aws.count("AssumeRole"), 2);
    }
}

#[tokio::test]
async fn a_fault_that_s3_tells_within_a_success_is_a_fault() {
    let aws = FakeAws::default();
    let error = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";
    aws.says("CopyObject", [(200, error.to_owned())]);
    let s3 = Aws::with(aws.config().await).s3();
    let copied = s3.copy_object().bucket("b").key("k").copy_source("a/k").send().await;
    let error = aws::error::during("s3:PutObject")(copied.unwrap_err());
    assert_eq!(
        (error.kind, error.name()),
        (Kind::Unavailable, Name::Unavailable),
        "{error}"
    );
}
