//! People are asked before anything is executed, and exactly what they saw is.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::types::Tag;
use domain::approval::{Approval, Outcome};
use domain::life::{Event, WayBack};
use domain::names::DeploymentId;
use domain::parking::Key;
use end_to_end::Stack;
use end_to_end::outcome::{deployed, failed_clean};
use end_to_end::{Candidate, Scenario, TEST, create_stack};
use jiff::Timestamp;
use local::REGION;
use local::tester::Answer;
use serde_json::json;

use crate::commanding::{POLICY, role};
use crate::{QA, in_the_laboratory};

/// The order in which something was told of a deployment, by the events' names.
async fn told(scenario: &Scenario, deployment: &DeploymentId) -> Vec<&'static str> {
    let entries = scenario.entries(deployment).await;
    entries.iter().map(|entry| entry.what.name()).collect()
}

/// The ARNs of the change sets that people are asked about.
async fn prepared(scenario: &Scenario, deployment: &DeploymentId) -> BTreeSet<String> {
    let entries = scenario.entries(deployment).await;
    let sets = entries.into_iter().rev().find_map(|entry| match entry.what {
        Event::Prepared { sets } => Some(sets),
        _ => None,
    });
    let sets = sets.expect("change sets were prepared").into_iter();
    sets.filter_map(|prepared| prepared.change_set).collect()
}

/// The ARNs of the change sets that were executed.
async fn executed(scenario: &Scenario, deployment: &DeploymentId) -> BTreeSet<String> {
    let entries = scenario.entries(deployment).await.into_iter();
    let executed = entries.filter_map(|entry| match entry.what {
        Event::Executing { change_set, .. } => Some(change_set),
        _ => None,
    });
    executed.collect()
}

/// Whether CloudFormation still has a change set.
async fn is_there(scenario: &Scenario, change_set: &str) -> bool {
    let account = scenario.test_account.as_ref().expect("there is an environment `test`");
    let described = account.aws.cloudformation().describe_change_set();
    described.change_set_name(change_set).send().await.is_ok()
}

/// What waits for a stack of `test` is looked at with the next sweep, long before its time.
async fn the_sweep_looks_now(scenario: &Scenario, stack: &str) {
    let account = scenario.test_account.as_ref().expect("there is an environment `test`");
    let (account, region) = (
        account.id.parse().expect("an account"),
        REGION.parse().expect("a region"),
    );
    let key = Key::stack(&account, &region, &stack.parse().expect("a stack's name"));
    let ledger = &scenario.laboratory.pipeline.ledger;
    let parked = ledger.parked(&key).await.expect("the ledger answers");
    assert!(!parked.is_empty(), "what was prepared is looked after");
    for parked in parked {
        ledger
            .look_again(&parked, Timestamp::now())
            .await
            .expect("the ledger takes it");
    }
}

/// Waits until people are asked about other changes than at first.
async fn is_asked_anew(candidate: &Candidate, first: &Approval) {
    let anew = async || {
        candidate
            .approval()
            .await
            .is_some_and(|approval| approval.id != first.id)
    };
    candidate.laboratory.eventually("people are asked anew", anew).await;
}

/// The first release, accepted.
async fn the_first_is_accepted(scenario: &Scenario) -> Candidate {
    scenario.deploys("Sell tea").await;
    let first = scenario.prerelease("v1.0.0-rc.1").await;
    let page = first.answers(QA, &Answer::accept("")).await;
    assert_eq!(page.status, 200, "{}", page.html);
    deployed(&first.ends().await);
    first
}

#[test]
fn nothing_is_changed_before_people_have_seen_what_would_be() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("before").await;
        scenario.application.stacks = vec![Stack::new("data"), Stack::after("data", "web")];
        scenario.deploys("Sell tea").await;
        let first = scenario.prerelease("v1.0.0-rc.1").await;
        let page = first.opens(QA).await;
        assert_eq!(page.heading(), "Let v1.0.0-rc.1 into test?");
        for shown in [
            "Nothing is changed there yet",
            "before-data",
            "2 to add",
            "Topic (AWS::SNS::Topic) is added",
        ] {
            assert!(page.html.contains(shown), "{shown} is not in {}", page.html);
        }
        assert!(page.html.contains("before-web</strong>: comes later"), "{}", page.html);
        assert_eq!(scenario.in_test().await, None, "nothing is there yet");
        let sets = prepared(&scenario, &first.deployment).await;
        assert_eq!(sets.len(), 1, "web comes after data");
        first.answers(QA, &Answer::accept("Go")).await;
        let ended = first.ends().await;
        deployed(&ended);
        assert!(executed(&scenario, &first.deployment).await.is_superset(&sets));
        let told = told(&scenario, &first.deployment).await;
        let place = |name: &str| told.iter().position(|told| *told == name).expect("it was told");
        assert!(place("prepared") < place("approval_asked"), "{told:?}");
        assert!(place("approval_asked") < place("decided"), "{told:?}");
        assert!(place("decided") < place("executing"), "{told:?}");
        assert!(
            ended.head.status.accepted.is_some(),
            "it is accepted, and may be promoted"
        );

        "second".clone_into(&mut scenario.application.description);
        scenario.deploys("Sell stronger tea").await;
        let second = scenario.prerelease("v1.0.0-rc.2").await;
        let page = second.opens(QA).await;
        assert!(
            page.html.contains("Topic (AWS::SNS::Topic) is changed"),
            "{}",
            page.html
        );
        let sets = prepared(&scenario, &second.deployment).await;
        second.answers(QA, &Answer::reject("Too strong")).await;
        let ended = second.ends().await;
        let (name, _, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.NotAccepted", &WayBack::NothingChanged));
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        scenario.is_at_rest_in(TEST).await;
        the_sweep_looks_now(&scenario, "before-data").await;
        for set in &sets {
            let gone = async || !is_there(&scenario, set).await;
            scenario.eventually("what nobody will execute is deleted", gone).await;
        }
    });
}

#[test]
fn what_is_different_when_it_is_to_be_executed_is_asked_about_anew() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("void").await;
        let tools = &laboratory.pipeline.tools;
        let roles = json!({ "Resources": { "Approver": role("Approver", &[POLICY]) } });
        create_stack(tools, "approver", &roles.to_string(), &[]).await;
        let lockgate = async |arguments: &[&str]| {
            let identity = tools.sign_in("Approver", "qa").await.expect("they may sign in");
            let place = ["--api", &laboratory.pipeline.api];
            laboratory.lockgate(&identity, &[arguments, &place].concat()).await
        };
        the_first_is_accepted(&scenario).await;

        "second".clone_into(&mut scenario.application.description);
        scenario.deploys("Sell stronger tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.2").await;
        let link = candidate.link(QA).await;
        let first = candidate.is_asked_about().await;
        let shown = prepared(&scenario, &candidate.deployment).await;
        // Somebody changes the stack while people look.
        let account = scenario.test_account.as_ref().expect("there is an environment `test`");
        let update = account.aws.cloudformation().update_stack().stack_name("void-web");
        let update = update.use_previous_template(true).capabilities("CAPABILITY_IAM".into());
        let tag = Tag::builder().key("by").value("somebody").build();
        update.tags(tag).send().await.expect("the stack takes it");
        scenario
            .eventually("it is changed", async || {
                account.stack_status("void-web").await.as_deref() == Some("UPDATE_COMPLETE")
            })
            .await;
        candidate.answers(QA, &Answer::accept("Go")).await;

        is_asked_anew(&candidate, &first).await;
        let second = candidate.is_asked_about().await;
        assert_ne!((&first.id, &first.prepared), (&second.id, &second.prepared));
        assert!(second.ballots.is_empty(), "{second:?}");
        assert!(
            executed(&scenario, &candidate.deployment).await.is_empty(),
            "nothing is executed"
        );
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        // The old link is of no use any more, and what it led to is kept.
        let old = candidate.person(QA).open(&link).await.expect("there is a page");
        assert!(old.form(&Answer::accept("")).is_none(), "{}", old.html);
        let ledger = &laboratory.pipeline.ledger;
        let kept = ledger
            .approval(&first.id)
            .await
            .expect("the ledger answers")
            .expect("it is kept");
        assert!(matches!(kept.outcome, Some(Outcome::Accepted { .. })), "{kept:?}");

        // By the command, nobody accepts what they have not named.
        let deployment = candidate.deployment.as_str();
        let unnamed = lockgate(&["approve", deployment]).await.expect_err("it is not named");
        assert!(unnamed.contains("name them with --changes"), "{unnamed}");
        let outdated = first.prepared.as_ref().expect("it is about change sets").short();
        let outdated = lockgate(&["approve", deployment, "--changes", outdated]).await;
        let outdated = outdated.expect_err("it is void");
        assert!(outdated.contains("nobody is asked about the changes"), "{outdated}");
        let listed = lockgate(&["pending"]).await.expect("a list");
        let changes = second.prepared.as_ref().expect("it is about change sets").short();
        assert!(listed.contains(&format!("changes {changes}")), "{listed}");
        let accepted = lockgate(&["approve", deployment, "--changes", changes]).await;
        assert!(
            accepted.as_ref().is_ok_and(|said| said.contains("accepted")),
            "{accepted:?}"
        );
        deployed(&candidate.ends().await);
        let executed = executed(&scenario, &candidate.deployment).await;
        assert_eq!(executed, prepared(&scenario, &candidate.deployment).await);
        assert!(executed.is_disjoint(&shown), "the first ones are never executed");
        assert_eq!(scenario.in_test().await.as_deref(), Some("second"));
    });
}

#[test]
fn a_change_set_that_somebody_deletes_is_not_made_anew_behind_peoples_backs() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("deleted").await;
        the_first_is_accepted(&scenario).await;
        "second".clone_into(&mut scenario.application.description);
        scenario.deploys("Sell stronger tea").await;
        let candidate = scenario.prerelease("v1.0.0-rc.2").await;
        let first = candidate.is_asked_about().await;
        let account = scenario.test_account.as_ref().expect("there is an environment `test`");
        for set in prepared(&scenario, &candidate.deployment).await {
            let delete = account.aws.cloudformation().delete_change_set().change_set_name(set);
            delete.send().await.expect("it can be deleted");
        }
        candidate.answers(QA, &Answer::accept("Go")).await;
        is_asked_anew(&candidate, &first).await;
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        candidate.answers(QA, &Answer::accept("Go")).await;
        deployed(&candidate.ends().await);
        let executed = executed(&scenario, &candidate.deployment).await;
        assert_eq!(executed, prepared(&scenario, &candidate.deployment).await);
        assert_eq!(scenario.in_test().await.as_deref(), Some("second"));
    });
}
