//! The CloudFormation adapter, for what only many pages and odd answers show.

use aws::Aws;
use aws::stacks::{Stack, Stacks};
use domain::assembly::Location;
use domain::change_set::{Action, Policy, Replacement, Summary};
use domain::names::Region;
use domain::stack_status::StackStatus;
use fake_aws::FakeAws;
use serde_json::Value;

use crate::says::{self, SET, STACK};
use crate::shop::stack;

async fn stacks(aws: &FakeAws) -> Stacks {
    Stacks::new(&Aws::with(aws.config().await), &"eu-west-1".parse().unwrap())
}

#[tokio::test]
async fn a_change_set_is_read_to_its_last_page_and_into_its_nested_stacks() {
    let aws = FakeAws::default();
    let ready = |changes: &[&str], next| says::set_page("CREATE_COMPLETE", "AVAILABLE", "", changes, next);
    let nested = format!("<ChangeSetId>{SET}-nested</ChangeSetId>");
    aws.says(
        "DescribeChangeSet",
        [
            ready(&[&says::change("Add", "Topic", "AWS::SNS::Topic", "")], Some("2")),
            ready(
                &[
                    &says::change("Modify", "Web", "AWS::CloudFormation::Stack", &nested),
                    &says::change(
                        "Remove",
                        "Orders",
                        "AWS::SQS::Queue",
                        "<PolicyAction>Delete</PolicyAction>",
                    ),
                ],
                None,
            ),
            ready(
                &[&says::change(
                    "Modify",
                    "Table",
                    "AWS::DynamoDB::Table",
                    "<Replacement>Conditional</Replacement><PolicyAction>ReplaceAndRetain</PolicyAction>",
                )],
                None,
            ),
        ],
    );
    let changes = stacks(&aws).await.changes(SET).await.unwrap();

    let names: Vec<&str> = changes.iter().map(|change| change.logical_id.as_str()).collect();
    assert_eq!(names, ["Topic", "Web", "Orders", "Table"]);
    assert_eq!(
        (changes[2].action, changes[2].policy),
        (Action::Remove, Some(Policy::Delete))
    );
    assert_eq!(
        (changes[3].replacement, changes[3].policy),
        (Replacement::Conditional, Some(Policy::ReplaceAndRetain))
    );
    let summary = Summary::of(&changes);
    assert_eq!(
        (summary.add, summary.modify, summary.remove, summary.data_lost),
        (1, 2, 1, 1)
    );
    let calls = aws.calls("DescribeChangeSet");
    assert_eq!(calls[1].get("NextToken").and_then(Value::as_str), Some("2"));
    assert_eq!(calls[2]["ChangeSetName"], format!("{SET}-nested"));
}

#[tokio::test]
async fn f32_events_are_read_back_to_the_given_time_each_once() {
    let aws = FakeAws::default();
    let topic = |id| says::event(id, ("Topic", "t", "AWS::SNS::Topic"), "UPDATE_COMPLETE", "", "token");
    aws.says(
        "DescribeStackEvents",
        [
            says::events(&[topic(90), topic(80)], Some("2")),
            // New events push old ones onto the next page, where they come again.
            says::events(&[topic(80), topic(70), topic(50)], Some("3")),
        ],
    );
    let since = "2026-11-20T10:01:00Z".parse().unwrap();
    let events = stacks(&aws).await.events(STACK, since).await.unwrap();

    let seconds: Vec<i64> = events.iter().map(|event| event.timestamp.as_second() % 3600).collect();
    assert_eq!(seconds, [90, 80, 70]);
    assert_eq!(
        aws.calls("DescribeStackEvents").len(),
        2,
        "nothing is read beyond that time"
    );
}

#[tokio::test]
async fn why_nothing_was_made_of_a_change_set_is_read_to_the_last_page() {
    let aws = FakeAws::default();
    let page = |resource: &str, next: &str| {
        let event = format!(
            "<member><EventId>{resource}</EventId><LogicalResourceId>{resource}</LogicalResourceId>\
             <ValidationStatusReason>The name is taken</ValidationStatusReason></member>"
        );
        says::result(
            "DescribeEvents",
            &format!("<OperationEvents>{event}</OperationEvents>{next}"),
        )
    };
    aws.says(
        "DescribeEvents",
        [page("Bucket", "<NextToken>2</NextToken>"), page("Topic", "")],
    );
    let failures = stacks(&aws).await.validation_failures(SET).await.unwrap();
    assert_eq!(failures, ["Bucket: The name is taken", "Topic: The name is taken"]);
    let calls = aws.calls("DescribeEvents");
    assert_eq!(calls[1].get("NextToken").and_then(Value::as_str), Some("2"));
    assert_eq!(calls[1]["ChangeSetName"], SET);
}

#[tokio::test]
async fn f32_a_page_whose_token_expired_has_all_events_read_once_more() {
    let aws = FakeAws::default();
    let topic = |id| says::event(id, ("Topic", "t", "AWS::SNS::Topic"), "UPDATE_COMPLETE", "", "token");
    let expired = says::error("ValidationError", "The specified pagination token has expired");
    aws.says(
        "DescribeStackEvents",
        [
            says::events(&[topic(90)], Some("2")),
            expired.clone(),
            says::events(&[topic(95), topic(90)], Some("3")),
            says::events(&[topic(80)], None),
        ],
    );
    let since = says::MADE.parse().unwrap();
    let events = stacks(&aws).await.events(STACK, since).await.unwrap();
    assert_eq!(events.len(), 3);

    aws.says("DescribeStackEvents", [expired]);
    assert!(
        stacks(&aws).await.events(STACK, since).await.is_err(),
        "the first page has no token that could expire"
    );
}

#[tokio::test]
async fn what_is_not_there_is_an_answer_and_what_is_refused_is_not() {
    let aws = FakeAws::default();
    let stacks = stacks(&aws).await;
    aws.says("DescribeStacks", [says::no_stack()]);
    aws.says(
        "DescribeStackEvents",
        [says::error("ValidationError", "Stack [shop-dev] does not exist")],
    );
    aws.says(
        "DeleteChangeSet",
        [says::error("ValidationError", "Stack [shop-dev] does not exist")],
    );
    for absent in [
        says::no_set(),
        says::error("ValidationError", "Stack [shop-dev] does not exist"),
    ] {
        aws.says("DescribeChangeSet", [absent]);
        assert_eq!(stacks.change_set("lockgate", &stack()).await.unwrap(), None);
    }
    assert_eq!(stacks.look("shop-dev").await.unwrap(), None);
    assert_eq!(
        stacks.events("shop-dev", says::MADE.parse().unwrap()).await.unwrap(),
        []
    );
    stacks.delete_change_set("lockgate", &stack()).await.unwrap();

    aws.says("DescribeStacks", [says::error("AccessDenied", "not authorized")]);
    assert!(stacks.look("shop-dev").await.is_err());
}

#[tokio::test]
async fn a_stack_is_read_in_whatever_state_it_is() {
    let aws = FakeAws::default();
    let more = "<Parameters><member><ParameterKey>Colour</ParameterKey></member></Parameters>\
                <EnableTerminationProtection>true</EnableTerminationProtection>";
    for status in StackStatus::DOCUMENTED
        .iter()
        .map(StackStatus::as_str)
        .chain(["NEWER_THAN_US"])
    {
        aws.says("DescribeStacks", [says::stack_with(status, more)]);
        let expected = Stack {
            id: STACK.to_owned(),
            status: status.into(),
            reason: String::new(),
            parameters: ["Colour".to_owned()].into(),
            protected: true,
            changed_at: says::MADE.parse().ok(),
        };
        assert_eq!(stacks(&aws).await.look("shop-dev").await.unwrap(), Some(expected));
    }
}

#[test]
fn a_template_is_addressed_by_path() {
    let template = Location {
        bucket: "cdk-assets".to_owned(),
        key: "9ebe.json".to_owned(),
    };
    let url = |config: aws_config::SdkConfig, region: &str| {
        let region: Region = region.parse().unwrap();
        Stacks::new(&Aws::with(config), &region).template_url(&template)
    };
    let of_aws = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .build();
    let of_others = of_aws.to_builder().endpoint_url("http://127.0.0.1:4566/").build();
    assert_eq!(
        url(of_aws.clone(), "eu-west-1"),
        "https://s3.eu-west-1.amazonaws.com/cdk-assets/9ebe.json"
    );
    assert_eq!(
        url(of_aws, "cn-north-1"),
        "https://s3.cn-north-1.amazonaws.com.cn/cdk-assets/9ebe.json"
    );
    assert_eq!(
        url(of_others, "eu-west-1"),
        "http://127.0.0.1:4566/cdk-assets/9ebe.json"
    );
}
