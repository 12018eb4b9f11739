//! People take an environment back.

use domain::life::Ending;
use domain::names::{DeploymentId, Digest};
use end_to_end::outcome::failed_clean;
use end_to_end::{Scenario, alarms};
use serde_json::{Value, json};

use crate::{bakes, bakes_to_the_end, in_the_laboratory, operator};

#[test]
fn an_operator_takes_an_environment_back_to_a_release_of_their_choice() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("by-hand").await;
        alarms::make(&scenario.account, "errors").await;
        let mut releases = Vec::new();
        for description in ["first", "second", "third"] {
            description.clone_into(&mut scenario.application.description);
            let ended = scenario.deploys(description).await;
            releases.push(ended.head.status.release.expect("it has a release"));
        }
        let listed = operator(&scenario, "releases", &["--output", "json"])
            .await
            .expect("a list");
        let listed: Value = serde_json::from_str(&listed).expect("it is JSON");
        let standing = |place: usize| (listed[place]["release"].as_str(), listed[place]["standing"].as_str());
        assert_eq!(standing(0), (Some(releases[2].as_str()), Some("present")));
        assert_eq!(standing(1), (Some(releases[1].as_str()), Some("usable")));
        assert_eq!(standing(2), (Some(releases[0].as_str()), Some("usable")));

        let unknown = operator(&scenario, "rollback", &["--to", "0000", "--why", "it was better"]).await;
        let unknown = unknown.expect_err("there is no such release");
        assert!(unknown.contains("Rejected.NoWayBack"), "{unknown}");

        let to = &releases[0].as_str()[..12];
        let before = laboratory.subjects("by-hand").await;
        let plan = operator(
            &scenario,
            "rollback",
            &["--to", to, "--why", "was it better?", "--plan"],
        )
        .await;
        let plan = plan.expect("it can be planned");
        for said in [
            "Going back would change this",
            "1 to change",
            "Topic (AWS::SNS::Topic) is changed",
            "Nothing was changed",
        ] {
            assert!(plan.contains(said), "{said} is not in {plan}");
        }
        assert_eq!(scenario.description("web").await, "third", "it was only a plan");
        let state = scenario.is_at_rest().await;
        assert_eq!(
            (state.stable.map(|stable| stable.release), state.hold),
            (Some(releases[2].clone()), None)
        );
        assert_eq!(
            laboratory.subjects("by-hand").await,
            before,
            "nobody gets mail about a plan"
        );

        let back = operator(&scenario, "rollback", &["--to", to, "--why", "it was better"]).await;
        let back = back.expect("it goes back");
        assert!(back.contains("is back on"), "{back}");
        assert_eq!(scenario.description("web").await, "first");
        let state = scenario.is_at_rest().await;
        assert_eq!(state.stable.expect("one is stable").release, releases[0]);
        let hold = state.hold.expect("the environment holds");
        let ended = scenario.end_of(&hold.by.parse().expect("a deployment's id")).await;
        assert_eq!(ended.status, "SUCCEEDED", "who asks for it gets what they want");
        assert!(matches!(ended.head.status.ending, Some(Ending::RolledBack { .. })));
        let subjects = laboratory.subjects("by-hand").await;
        assert!(
            subjects.iter().any(|subject| subject.ends_with("was taken back")),
            "{subjects:?}"
        );

        is_shown(&scenario, &ended.deployment, &releases[0]).await;

        // Half of a release is missing: that is told when it is listed, and not when it is needed.
        let missing = operator(&scenario, "releases", &[]).await.expect("a list");
        assert!(missing.contains("was taken back: Failed.TakenBack"), "{missing}");
    });
}

/// The environment and the deployment that took it back are shown as they are.
async fn is_shown(scenario: &Scenario, deployment: &DeploymentId, release: &Digest) {
    let laboratory = scenario.laboratory;
    let identity = laboratory.pipeline.tools.identity();
    let status = laboratory
        .lockgate(&identity, &["status", "acme/by-hand"])
        .await
        .expect("it stands somehow");
    assert!(status.contains("held for") && status.contains("main"), "{status}");
    let all = laboratory
        .lockgate(&identity, &["status", "--output", "json"])
        .await
        .expect("all stand somehow");
    let all: Vec<Value> = serde_json::from_str(&all).expect("it is JSON");
    let this = all
        .iter()
        .find(|standing| standing["application"] == "acme/by-hand")
        .expect("it is one of them");
    assert_eq!(this["stable"]["release"], release.as_str());
    let deployment = deployment.as_str();
    let shown = laboratory
        .lockgate(&identity, &["show", deployment])
        .await
        .expect("it is recorded");
    for said in [
        "What changed on the way back",
        "Topic (AWS::SNS::Topic) was changed",
        "The record is whole.",
    ] {
        assert!(shown.contains(said), "{said} is not in {shown}");
    }
    let watched = laboratory
        .lockgate(&identity, &["watch", deployment])
        .await
        .expect("it ended green");
    assert!(watched.starts_with(&format!("{deployment}: ")), "{watched}");
    let unknown = laboratory
        .lockgate(&identity, &["show", "by-hand-dev-0"])
        .await
        .expect_err("there is none");
    assert!(unknown.contains("nothing is recorded of by-hand-dev-0"), "{unknown}");
}

#[test]
fn an_operator_takes_back_what_bakes() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("by-word").await;
        alarms::make(&scenario.account, "errors").await;
        bakes_to_the_end(&scenario, "Sell tea").await;
        scenario.application.description = "second".to_owned();
        let bad = scenario.push("Raise prices").await;
        bakes(&scenario, &bad).await;
        let back = operator(&scenario, "rollback", &["--why", "customers complain"]).await;
        assert!(back.as_ref().is_ok_and(|said| said.contains("is back on")), "{back:?}");
        let ended = scenario.end_of(&bad).await;
        let (name, cause, _) = failed_clean(&ended);
        assert_eq!(name, "Failed.TakenBack");
        assert!(cause.ends_with("says: customers complain"), "{cause}");
        assert_eq!(scenario.description("web").await, "first");
        assert_eq!(laboratory.executions("by-word").await, 2);
    });
}

#[test]
fn the_console_takes_five_lines() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("console").await;
        scenario.deploys("Sell tea").await;
        scenario.application.description = "second".to_owned();
        scenario.deploys("Raise prices").await;
        let input = json!({ "application": "acme/console", "environment": "dev", "why": "prices are too high" });
        let machine = laboratory
            .pipeline
            .machine
            .replace("lockgate-deployment", "lockgate-rollback");
        let start = laboratory.pipeline.tools.aws.step_functions().start_execution();
        let started = start.state_machine_arn(machine).input(input.to_string()).send().await;
        started.expect("it can be started");
        scenario
            .eventually("it is back", async || {
                let state = scenario.environment().await;
                state.holder.is_none() && state.hold.is_some()
            })
            .await;
        assert_eq!(scenario.description("web").await, "first");
        let hold = scenario.is_at_rest().await.hold.expect("the environment holds");
        assert!(hold.why.contains("prices are too high"), "{hold:?}");
    });
}
