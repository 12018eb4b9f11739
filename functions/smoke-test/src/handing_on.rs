//! What integration tests are told of the environment, and when.
#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use fake_aws::sample::{ARTIFACTS, deployment};
use fake_aws::{FakeAws, Fate, TABLE};
use serde_json::json;

use super::*;

/// As `DescribeStacks` of the API reference shows it.
const STACK: &str = "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
    <DescribeStacksResult><Stacks><member><StackName>shop-dev</StackName>\
    <CreationTime>2026-11-23T18:00:00.000Z</CreationTime><StackStatus>UPDATE_COMPLETE</StackStatus>\
    <Outputs><member><OutputKey>Url</OutputKey><OutputValue>https://shop.example</OutputValue></member></Outputs>\
    </member></Stacks></DescribeStacksResult></DescribeStacksResponse>";

/// The files of a release with integration tests, and of one without.
const TESTS: &[(&str, &[u8])] = &[(INTEGRATION_TESTS, b"version: 0.2\n"), ("manifest.json", b"{}")];
const NO_TESTS: &[(&str, &[u8])] = &[("manifest.json", b"{}")];

/// smoke-test, and the AWS in which a release without smoke tests was deployed.
struct Site {
    aws: FakeAws,
    context: Context,
    deployment: Deployment,
    release: Digest,
}

impl Site {
    async fn new(integration_tests: bool, files: &[(&str, &[u8])], leg: Leg) -> Self {
        let aws = FakeAws::default();
        let way = Aws::with(aws.config().await);
        let context = Context {
            ledger: Ledger::new(way.dynamodb(), TABLE),
            artifacts: Artifacts::new(&way, ARTIFACTS),
            external_id: "lockgate".to_owned(),
            asker: Asker::new(Allowed::default(), system_lookup(), Caps::default()).unwrap(),
            pace: Pace::default(),
            aws: way,
        };
        let mut deployment = deployment(1);
        deployment.environment.integration_tests = integration_tests;
        let release = aws.stores(files);
        aws.says("DescribeStacks", [(200, STACK.to_owned())]);
        let site = Self {
            aws,
            context,
            deployment,
            release,
        };
        site.deployed(leg).await;
        site
    }

    /// The release was deployed, and gone back from where the leg says so.
    async fn deployed(&self, leg: Leg) {
        let release = &self.release;
        let planned = |leg| json!({ "event": "planned", "leg": leg, "release": release, "waves": [["shop-dev"]] });
        let because = json!({ "name": "Failed.SmokeTests", "cause": "x" });
        let mut events = vec![
            json!({ "event": "requested", "deployment": self.deployment }),
            json!({ "event": "admitted", "fence": 1 }),
            json!({ "event": "released", "release": release }),
            planned(Leg::Forward),
        ];
        if leg == Leg::Back {
            events.push(json!({ "event": "going_back", "to": release, "because": because }));
            events.push(planned(Leg::Back));
        }
        for event in events {
            let event: Event = serde_json::from_value(event).unwrap();
            let recorded = self.context.ledger.record(&self.deployment.id, event, Timestamp::now());
            recorded.await.unwrap();
        }
    }

    async fn ask(&self, leg: Leg) -> Result<Output, Error> {
        let input = json!({ "do": "smoke_test", "deployment": self.deployment, "release": self.release, "leg": leg });
        Box::pin(handle(&self.context, serde_json::from_value(input).unwrap())).await
    }

    /// The last thing that was recorded.
    async fn told(&self) -> &'static str {
        let entries = self.context.ledger.entries(&self.deployment.id).await.unwrap();
        entries.last().unwrap().what.name()
    }
}

#[tokio::test]
async fn integration_tests_are_handed_the_outputs_of_the_deployments_own_stacks() {
    let site = Site::new(true, TESTS, Leg::Forward).await;
    let answer = json!(site.ask(Leg::Forward).await.unwrap());
    let outputs = json!({ "shop-dev": { "Url": "https://shop.example" } });
    assert_eq!(answer, json!({ "outcome": "passed", "checks": 0, "outputs": outputs }));
    assert_eq!(site.aws.calls("DescribeStacks")[0]["StackName"], "shop-dev");
    let role = "arn:aws:iam::222222222222:role/lockgate-tester-eu-west-1";
    assert_eq!(site.aws.calls("AssumeRole")[0]["RoleArn"], role);
    assert_eq!(site.told().await, "smoke_tested");
}

#[tokio::test]
async fn where_no_integration_tests_come_next_the_outputs_are_not_even_asked_for() {
    for (integration_tests, files, leg) in [
        (false, TESTS, Leg::Forward),
        (true, NO_TESTS, Leg::Forward),
        (true, TESTS, Leg::Back),
        (false, TESTS, Leg::Back),
    ] {
        let site = Site::new(integration_tests, files, leg).await;
        let answer = json!(site.ask(leg).await.unwrap());
        assert_eq!(answer["outputs"], json!({}), "{integration_tests} {leg} {files:?}");
        assert_eq!(
            site.aws.count("DescribeStacks"),
            0,
            "{integration_tests} {leg} {files:?}"
        );
        assert_eq!(site.told().await, "smoke_tested");
    }
}

#[tokio::test]
async fn outputs_that_cannot_be_read_are_an_error_and_not_an_empty_handful() {
    let site = Site::new(true, TESTS, Leg::Forward).await;
    site.aws.fates("DescribeStacks", [Fate::Refused("AccessDenied")]);
    let error = site.ask(Leg::Forward).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::AccessDenied);
    // What is tried again then asks the environment again.
    assert_eq!(site.told().await, "planned");
    site.ask(Leg::Forward).await.unwrap();
    assert_eq!(site.told().await, "smoke_tested");
}

#[tokio::test]
async fn more_outputs_than_codebuild_hands_over_fail_by_the_integration_tests_name_and_reach_no_state() {
    let site = Site::new(true, TESTS, Leg::Forward).await;
    // Far more than Step Functions would hand on.
    let url = format!("https://shop.example/{}", "x".repeat(300_000));
    let stack = STACK.replace("https://shop.example", &url);
    site.aws.says("DescribeStacks", [(200, stack)]);
    let failure = Failure::from(site.ask(Leg::Forward).await.unwrap_err());
    assert_eq!(failure.name, Name::IntegrationTestsFailed);
    let limit = "characters as JSON, and CodeBuild hands over 4096";
    assert!(failure.cause.ends_with(limit), "{}", failure.cause);
    // The smoke tests themselves passed.
    assert_eq!(site.told().await, "smoke_tested");
}

/// Smoke tests that ask an output of this stack.
fn asking(stack: &str) -> String {
    format!("within = \"1 minute\"\n[[http]]\nname = \"it answers\"\nurl = \"${{{stack}.New}}\"\n")
}

#[tokio::test]
async fn f32_an_output_that_is_described_late_is_waited_for() {
    let tests = asking("shop-dev");
    let files: &[(&str, &[u8])] = &[(SMOKE_TESTS, tests.as_bytes()), ("manifest.json", b"{}")];
    let site = Site::new(false, files, Leg::Forward).await;
    // The address may not be asked: what matters is that it was read.
    let later = STACK
        .replace("<OutputKey>Url<", "<OutputKey>New<")
        .replace("https://shop.example", "http://127.0.0.1:9/");
    site.aws.says("DescribeStacks", [(200, STACK.to_owned()), (200, later)]);
    let answer = json!(site.ask(Leg::Forward).await.unwrap());
    let cause = answer["cause"].as_str().unwrap();
    assert!(cause.contains("127.0.0.1"), "{cause}");
    assert_eq!(site.aws.count("DescribeStacks"), 2);
}

#[tokio::test]
async fn another_environments_stack_is_not_asked() {
    let tests = asking("shop-test").replace("1 minute", "0 seconds");
    let files: &[(&str, &[u8])] = &[(SMOKE_TESTS, tests.as_bytes()), ("manifest.json", b"{}")];
    let site = Site::new(false, files, Leg::Forward).await;
    let answer = json!(site.ask(Leg::Forward).await.unwrap());
    assert_eq!(
        (&answer["outcome"], site.aws.count("DescribeStacks")),
        (&json!("failed"), 0)
    );
    assert!(answer["cause"].as_str().unwrap().contains("shop-test"), "{answer}");
}

#[tokio::test]
async fn where_people_find_the_environment_is_recorded_and_its_want_keeps_nothing_from_passing() {
    let find = async |output: &str, value: &str| {
        let mut site = Site::new(false, NO_TESTS, Leg::Forward).await;
        site.deployment.environment.url = Some(output.parse().unwrap());
        let stack = STACK.replace("https://shop.example", value);
        site.aws.says("DescribeStacks", [(200, stack)]);
        assert!(matches!(site.ask(Leg::Forward).await.unwrap(), Output::Passed { .. }));
        let entries = site.context.ledger.entries(&site.deployment.id).await.unwrap();
        match &entries.last().unwrap().what {
            Event::SmokeTested { report, .. } => report.url.clone(),
            other => panic!("{other:?}"),
        }
    };
    let found = find("shop-dev.Url", "https://shop.example").await;
    assert_eq!(found.as_deref(), Some("https://shop.example/"));
    for (output, value) in [
        ("shop-dev.Other", "https://shop.example"),
        ("shop-dev.Url", "shop.example"),
        ("shop-dev.Url", "javascript:alert(1)"),
        ("shop-dev.Url", "https://user:password@shop.example"),
        ("shop-dev.Url", "https://shop.example/?key=secret"),
        ("shop-dev.Url", &format!("https://shop.example/{}", "x".repeat(600))),
    ] {
        assert_eq!(find(output, value).await, None, "{value}");
    }
    let mut site = Site::new(false, NO_TESTS, Leg::Forward).await;
    site.deployment.environment.url = Some("shop-dev.Url".parse().unwrap());
    site.aws.fates("DescribeStacks", [Fate::Refused("AccessDenied")]);
    assert!(matches!(site.ask(Leg::Forward).await.unwrap(), Output::Passed { .. }));
}
