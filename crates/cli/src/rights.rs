//! What the commands of a workflow ask of AWS is what the role of such a workflow may.
//!
//! The CDK app's tests hold the role `lockgate-actions-deployments` against the same file, in both directions. After a
//! change that is meant: `UPDATE_CALLS=1 cargo test -p cli rights`, and mind that the role follows.

#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use domain::build_record::BuildRecord;
use domain::environment_state::{Candidate, EnvironmentState};
use domain::life::{Ending, Event};
use domain::names::{CommitSha, DeploymentId};
use fake_aws::{TABLE, sample};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;
use crate::fake::Fake;

const FILE: &str = "../../infra/tests/fixtures/calls-of-deployments.json";

const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = ["push", "manual"]
[application."acme/shop".environment.test]
account = "333333333333"
on = "manual"
after = "dev"
"#;

/// An installation in which something is stable in dev, with its build, and something else is newer.
async fn installation() -> Fake {
    let fake = Fake::with(SHOP).await;
    let outputs = [("LedgerTable", TABLE), ("StateMachine", sample::MACHINE)]
        .map(|(key, value)| format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"));
    let stack = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>lockgate-pipeline</StackName>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>UPDATE_COMPLETE</StackStatus>\
         <Outputs>{}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
        outputs.concat()
    );
    fake.backend.says("DescribeStacks", [(200, stack)]);
    let stable = sample::deployment(1);
    let release = sample::stable(&stable).release;
    fake.brings(&stable, &release).await;
    is_built(&fake, &stable.commit).await;
    let newer = sample::deployment(2);
    let under_way = |state: &mut EnvironmentState| {
        state.newest = Some(Candidate::of(&newer));
        state.holder = None;
    };
    let (application, name) = (&newer.application, &newer.environment.name);
    fake.ledger()
        .change_environment(application, name, under_way)
        .await
        .unwrap();
    fake
}

async fn is_built(fake: &Fake, commit: &CommitSha) {
    let stable = sample::deployment(1);
    let record = BuildRecord::Built {
        release: sample::stable(&stable).release,
        build: "lockgate-build:1".to_owned(),
        since: stable.requested.at,
    };
    let built = |_: &BuildRecord, _| ((), record.clone());
    let ledger = fake.ledger();
    ledger
        .change_build(&stable.application, commit, built, stable.requested.at)
        .await
        .unwrap();
}

/// Runs a command as it is typed.
async fn run_typed(fake: &Fake, words: &str) -> Result<String, String> {
    let arguments = Arguments::try_parse_from(words.split_whitespace()).unwrap();
    let told = |error: &dyn Error| error.to_string();
    match &arguments.command {
        Command::Deploy(options) => deploy::deploy(options, &fake.aws)
            .await
            .map(|(text, _)| text)
            .map_err(|error| told(&error)),
        Command::Plan(options) => deploy::plan(options, &fake.aws)
            .await
            .map(|(text, _)| text)
            .map_err(|error| told(&error)),
        Command::Status(options) => status::run(options, &fake.aws).await.map_err(|error| told(&error)),
        Command::Show(options) => show::run(options, &fake.aws).await.map_err(|error| told(&error)),
        Command::Watch(options) => watch::run(options, &fake.aws)
            .await
            .map(|(text, _)| text)
            .map_err(|error| told(&error)),
        other => panic!("{other:?} is none of a workflow's commands"),
    }
}

/// Lets every deployment that was started end, as the functions would.
async fn all_end(fake: &Fake) {
    for execution in fake.executions() {
        let deployment: DeploymentId = execution.parse().unwrap();
        let superseded = Event::Ended(Ending::Superseded {
            by: sample::deployment(9).id,
        });
        fake.ledger()
            .record(&deployment, superseded, Timestamp::now())
            .await
            .unwrap();
    }
}

/// What IAM is asked for a call: the action, and what the role's policy can tell apart.
fn asked(operation: &str, input: &Map<String, Value>) -> Vec<(String, String, Option<Vec<String>>)> {
    let text = |name: &str| input[name].as_str().unwrap().to_owned();
    let kind = |pk: &Value| pk["S"].as_str().unwrap().split_once('#').unwrap().0.to_owned();
    let put = |put: &Value| {
        let item = put["Item"].as_object().unwrap();
        let kind = kind(&item["pk"]);
        // By the attributes IAM tells what is written, where the key alone does not.
        let attributes = item.keys().cloned().collect();
        ("dynamodb:PutItem".to_owned(), kind, Some(attributes))
    };
    match operation {
        "DescribeStacks" => vec![("cloudformation:DescribeStacks".to_owned(), text("StackName"), None)],
        "GetParametersByPath" => vec![("ssm:GetParametersByPath".to_owned(), text("Path"), None)],
        "StartExecution" => vec![("states:StartExecution".to_owned(), text("stateMachineArn"), None)],
        // It needs no right.
        "GetCallerIdentity" => Vec::new(),
        "GetItem" => vec![("dynamodb:GetItem".to_owned(), kind(&input["Key"]["pk"]), None)],
        "Query" => {
            assert_eq!(input.get("IndexName"), None);
            let pk = &input["ExpressionAttributeValues"][":pk"];
            vec![("dynamodb:Query".to_owned(), kind(pk), None)]
        }
        "PutItem" => vec![put(&Value::Object(input.clone()))],
        "TransactWriteItems" => {
            let items = input["TransactItems"].as_array().unwrap();
            items.iter().map(|item| put(&item["Put"])).collect()
        }
        other => panic!("nobody said what right {other} needs"),
    }
}

#[tokio::test]
async fn the_commands_of_a_workflow_ask_of_aws_what_its_role_may_and_nothing_more() {
    let fake = installation().await;
    fake.backend.forget_calls();
    let detached = run_typed(&fake, "lockgate deploy acme/shop dev --detach --why checking")
        .await
        .unwrap();
    let deployment = detached.rsplit(' ').next().unwrap();
    run_typed(&fake, "lockgate deploy acme/shop test --detach")
        .await
        .unwrap();
    assert_eq!(fake.executions().len(), 2);

    let mut calls = Calls::default();
    calls.take(&fake);
    // Not the command's doing, but the functions'.
    all_end(&fake).await;
    fake.backend.forget_calls();
    run_typed(&fake, "lockgate status").await.unwrap();
    run_typed(&fake, &format!("lockgate show {deployment}")).await.unwrap();
    run_typed(&fake, &format!("lockgate watch {deployment}")).await.unwrap();
    // Nobody ends this one: the command would wait.
    let plan = run_typed(&fake, "lockgate plan acme/shop dev --ref 0101010");
    tokio::time::timeout(Duration::from_millis(200), plan)
        .await
        .unwrap_err();
    assert_eq!(fake.executions().len(), 3);
    calls.take(&fake);

    let text = calls.text();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("UPDATE_CALLS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap());
}

/// What was asked of AWS: the action and what it is about, with the attributes that are written where IAM looks at them.
#[derive(Default)]
struct Calls(BTreeMap<(String, String), BTreeSet<String>>);

impl Calls {
    fn take(&mut self, fake: &Fake) {
        let operations: BTreeSet<String> = fake.backend.operations().into_iter().collect();
        for operation in &operations {
            for input in fake.backend.calls(operation) {
                for (action, on, attributes) in asked(operation, &input) {
                    let known = self.0.entry((action, on)).or_default();
                    known.extend(attributes.into_iter().flatten());
                }
            }
        }
    }

    fn text(&self) -> String {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|((action, on), attributes)| {
                let call = if attributes.is_empty() {
                    json!({ "action": action, "on": on })
                } else {
                    json!({ "action": action, "on": on, "attributes": attributes })
                };
                format!("  {call}")
            })
            .collect();
        format!("[\n{}\n]\n", lines.join(",\n"))
    }
}
