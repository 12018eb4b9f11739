#![expect(clippy::unwrap_used, reason = "a test stops on the first surprise")]

use clap::Parser as _;
use domain::build_record::BuildRecord;
use domain::failure::Name;
use domain::life::WayBack;
use fake_aws::{TABLE, sample};
use serde_json::json;

use super::*;
use crate::fake::Fake;

const SHOP: &str = r#"
[application."acme/shop"]
branch = "main"
[application."acme/shop".environment.dev]
account = "222222222222"
on = ["push", "manual"]
[application."acme/shop".environment.test]
account = "333333333333"
on = ["prerelease", "manual"]
after = "dev"
[application."acme/shop".environment.production]
account = "444444444444"
on = "release"
after = "test"
"#;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    asked: Asked,
}

fn asked(environment: &str, more: &[&str]) -> Asked {
    let words = ["lockgate", "acme/shop", environment, "--ledger", TABLE];
    Line::try_parse_from(words.iter().chain(more)).unwrap().asked
}

/// A pipeline in which the second of two deployments became stable in dev, and the third was asked for last.
async fn fake() -> Fake {
    let fake = Fake::with(SHOP).await;
    fake.pipeline();
    let ledger = fake.ledger();
    for number in 1..=3 {
        let deployment = sample::deployment(number);
        let event = Event::Requested {
            deployment: Box::new(deployment.clone()),
        };
        let (application, name) = (&deployment.application, &deployment.environment.name);
        ledger
            .record(&deployment.id, event, deployment.requested.at)
            .await
            .unwrap();
        let candidate = domain::environment_state::Candidate::of(&deployment);
        let stable = (number == 2).then(|| sample::stable(&deployment));
        ledger
            .change_environment(application, name, |state| {
                state.admit(candidate.clone(), deployment.requested.at);
                state.stable = stable.clone().or_else(|| state.stable.clone());
                state.holder = None;
                state.queue.clear();
            })
            .await
            .unwrap();
        if let Some(stable) = stable {
            ledger.record_stable(application, name, &stable).await.unwrap();
        }
    }
    fake
}

async fn start(fake: &Fake, asked: &Asked, plans: bool) -> Result<Deployment, DeployError> {
    asked
        .start(&fake.aws, &fake.ledger(), Some("the hook was down"), plans, now())
        .await
}

fn now() -> Timestamp {
    "2026-12-01T09:00:30Z".parse().unwrap()
}

/// Tells the deployment's record these events, as the functions would.
async fn goes_on(fake: &Fake, deployment: &Deployment, events: Vec<serde_json::Value>) {
    for event in events {
        let event = serde_json::from_value(event).unwrap();
        fake.ledger().record(&deployment.id, event, now()).await.unwrap();
    }
}

#[tokio::test]
async fn the_newest_commit_is_asked_for_once_in_a_minute_and_who_did_and_why_is_kept() {
    let fake = fake().await;
    let first = start(&fake, &asked("dev", &[]), false).await.unwrap();
    let again = start(&fake, &asked("dev", &[]), false).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(first.commit, sample::deployment(3).commit);
    assert_eq!(fake.executions(), [first.id.to_string()]);
    assert_eq!(what(&first), "deploying main (030303030303) to dev of acme/shop");
    let acts = fake
        .ledger()
        .operator_acts(&first.application, &first.environment.name)
        .await;
    let [act]: [OperatorAct; 1] = acts.unwrap().try_into().unwrap();
    assert_eq!((act.act, act.why.as_str()), (Act::Asked, "the hook was down"));
    assert_eq!(act.deployment, Some(first.id));
}

#[tokio::test]
async fn a_release_that_may_not_come_from_the_environment_before_is_refused_before_anything_is_started() {
    let fake = fake().await;
    let refused = start(&fake, &asked("test", &[]), false).await.unwrap_err().to_string();
    insta::assert_snapshot!(refused, @"Rejected.NotStableBefore: commit 020202020202 was never built, so it cannot be stable in dev; bring it there first; nothing was started");
    let by_hand = start(&fake, &asked("production", &[]), false).await.unwrap_err();
    assert!(
        matches!(by_hand, DeployError::Refused(Refusal::NotByHand { .. })),
        "{by_hand}"
    );
    let mistyped = start(&fake, &asked("tset", &[]), false).await.unwrap_err().to_string();
    assert_eq!(mistyped, "acme/shop has no environment tset, did you mean test?");
    assert_eq!(fake.backend.count("StartExecution"), 0);
}

#[tokio::test]
async fn how_it_ended_is_told_to_people_and_to_programs() {
    let fake = fake().await;
    let deployment = start(&fake, &asked("dev", &["--ref", "02020202"]), false)
        .await
        .unwrap();
    assert_eq!(deployment.commit, sample::deployment(2).commit);
    let failed = Ending::FailedClean {
        failure: Failure::new(Name::BuildFailed, "npm test failed"),
        way_back: WayBack::NothingChanged,
    };
    let (text, code) = ended(&deployment, &Ending::Deployed, Output::Text).unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    let (json, code) = ended(&deployment, &Ending::Deployed, Output::Json).unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    let red = ended(&deployment, &failed, Output::Text).unwrap_err();
    let (red_json, code) = ended(&deployment, &failed, Output::Json).unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    insta::assert_snapshot!(format!("{text}\n\n{json}\n\n{red}\n\n{red_json}"));
}

#[tokio::test]
async fn a_plan_says_what_would_change_and_is_kept_out_while_anything_is_under_way() {
    let fake = fake().await;
    let release = sample::stable(&sample::deployment(3)).release;
    let record = BuildRecord::Built {
        release: release.clone(),
        build: "lockgate-build:1".to_owned(),
        since: now(),
    };
    let third = sample::deployment(3);
    let brings = |_: &BuildRecord, _| ((), record.clone());
    fake.ledger()
        .change_build(&third.application, &third.commit, brings, now())
        .await
        .unwrap();
    let deployment = start(&fake, &asked("dev", &[]), true).await.unwrap();
    assert!(deployment.plans);
    let summary = json!({
        "add": 1, "modify": 0, "remove": 0, "import": 0, "dynamic": 0, "data_lost": 1, "truncated": 0,
        "losses": [{
            "logical_id": "Orders", "resource_type": "AWS::DynamoDB::Table", "how": "replaced",
            "stateful": true, "kept": false,
        }],
        "changes": [{ "logical_id": "Basket", "resource_type": "AWS::SQS::Queue", "action": "add" }],
    });
    let events = vec![
        json!({ "event": "admitted", "fence": 1 }),
        json!({ "event": "released", "release": release }),
        json!({ "event": "planned", "leg": "forward", "release": release, "waves": [["shop-dev"]] }),
        json!({ "event": "compared", "leg": "forward", "stack": "shop-dev", "summary": summary }),
        json!({ "event": "prepared", "sets": [] }),
    ];
    goes_on(&fake, &deployment, events).await;
    let ledger = fake.ledger();
    let (text, _) = planned(&ledger, &deployment, &Ending::Planned, Output::Text)
        .await
        .unwrap();
    let (json, _) = planned(&ledger, &deployment, &Ending::Planned, Output::Json)
        .await
        .unwrap();
    insta::assert_snapshot!(format!("{text}\n\n{json}"));
    let failed = Ending::FailedClean {
        failure: Failure::new(Name::ChangeSetRefused, "the template is too long"),
        way_back: WayBack::NothingChanged,
    };
    let (json, code) = planned(&ledger, &deployment, &failed, Output::Json).await.unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    assert!(
        json.contains("\"ending\": \"failed_clean\"") && json.contains("Orders"),
        "{json}"
    );
    let acts = ledger
        .operator_acts(&deployment.application, &deployment.environment.name)
        .await;
    assert_eq!(acts.unwrap(), [], "it changes nothing");

    let candidate = domain::environment_state::Candidate::of(&sample::deployment(9));
    let admit = |state: &mut domain::environment_state::EnvironmentState| drop(state.admit(candidate.clone(), now()));
    let (application, name) = (&deployment.application, &deployment.environment.name);
    ledger.change_environment(application, name, admit).await.unwrap();
    let refused = start(&fake, &asked("dev", &[]), true).await.unwrap_err().to_string();
    assert_eq!(refused, "shop-dev-9 is under way there; plan when it has ended");
}

#[tokio::test]
async fn a_command_that_does_not_wait_says_how_to_watch() {
    let fake = fake().await;
    let options = |output| Deploy {
        asked: Asked {
            output,
            ..asked("dev", &[])
        },
        why: None,
        detach: true,
    };
    let (text, _) = deploy(&options(Output::Text), &fake.aws).await.unwrap();
    let [started] = <[String; 1]>::try_from(fake.executions()).unwrap();
    assert_eq!(
        text,
        format!("deploying main (030303030303) to dev of acme/shop is under way: lockgate watch {started}")
    );
    let (json, _) = deploy(&options(Output::Json), &fake.aws).await.unwrap();
    // Where the minute has turned, it is another one.
    let ids = fake.executions();
    let json = ids
        .iter()
        .fold(json, |json, id| json.replace(id.as_str(), "<deployment>"));
    insta::assert_snapshot!(json, @r#"
    {
      "deployment": "<deployment>",
      "application": "acme/shop",
      "environment": "dev",
      "commit": "0303030303030303030303030303030303030303",
      "ending": null
    }
    "#);
}
