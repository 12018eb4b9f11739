//! Deployments that end half-way: an operator is called, and opens the environment again.

use aws_sdk_cloudformation::types::StackStatus;
use domain::deployment::Leg;
use domain::life::WayBack;
use domain::names::DeploymentId;
use end_to_end::outcome::{failed_clean, operator_needed, stacks};
use end_to_end::{Scenario, resources};
use local::executions::Ended;

use crate::in_the_laboratory;

/// The deployment that ended half-way keeps the lock, nobody waits, and the stable release is still the first one.
async fn is_closed(scenario: &Scenario, by: &Ended, stable: &Ended) {
    let state = scenario.environment().await;
    let quarantine = state.quarantine.expect("the environment waits for an operator");
    assert_eq!(quarantine.deployment, by.deployment);
    assert_eq!(
        state.holder.map(|holder| holder.deployment),
        Some(by.deployment.clone())
    );
    assert_eq!((state.operation, state.queue.len()), (None, 0));
    let known = state.stable.expect("there is a stable release");
    assert_eq!(known.deployment, stable.deployment);
}

/// It changed nothing, because another one ended half-way.
fn was_turned_away(ended: &Ended, because_of: &DeploymentId) {
    let (name, cause, way_back) = failed_clean(ended);
    assert_eq!((name, way_back), ("Rejected.Quarantined", &WayBack::NothingChanged));
    assert!(cause.contains(because_of.as_str()), "{cause}");
    assert_eq!(stacks(&ended.entries, Leg::Forward), []);
}

/// An operator opens the environment; that is on record, and the environment is as one that nothing happened in.
async fn is_opened(scenario: &Scenario, closed_by: &Ended, why: &str) {
    let said = scenario.release(why).await;
    assert!(
        said.contains("dev of acme/") && said.contains("was opened by"),
        "{said}"
    );
    scenario.is_at_rest().await;
    let (application, dev) = scenario.place();
    let acts = scenario
        .laboratory
        .pipeline
        .ledger
        .operator_acts(&application, &dev)
        .await;
    let acts = acts.expect("the ledger answers");
    let [act] = acts.as_slice() else { panic!("{acts:#?}") };
    assert_eq!(
        (act.why.as_str(), act.deployment.as_ref()),
        (why, Some(&closed_by.deployment))
    );
}

/// What is pushed answers badly, and changes something that cannot be changed back.
fn make_it_bad(scenario: &mut Scenario) {
    "sorry".clone_into(&mut scenario.application.answers);
    scenario.application.web().more = resources::goes_only_up(2);
}

#[test]
fn f48_a_way_back_that_fails_closes_the_environment_until_an_operator_opens_it() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("way-back-fails").await;
        scenario.application.web().more = resources::goes_only_up(1);
        let good = scenario.deploys("Sell tea").await;

        make_it_bad(&mut scenario);
        let bad = scenario.push_to_the_end("Raise the version, answer badly").await;
        let (name, cause) = operator_needed(&bad);
        assert_eq!(name, "Failed.StackRolledBack", "{cause}");
        assert!(
            cause.contains("cannot go back to version 1"),
            "the root cause is named: {cause}"
        );
        assert_eq!(stacks(&bad.entries, Leg::Forward), [("way-back-fails-web", true)]);
        assert_eq!(stacks(&bad.entries, Leg::Back), [("way-back-fails-web", false)]);
        is_closed(&scenario, &bad, &good).await;
        let subjects = laboratory.subjects("way-back-fails").await;
        assert!(subjects[3].ends_with("FAILED, an operator is needed"), "{subjects:?}");

        scenario.application.answers = "ok".to_owned();
        let refused = scenario.push_to_the_end("Answer well again").await;
        was_turned_away(&refused, &bad.deployment);
        is_closed(&scenario, &bad, &good).await;

        is_opened(&scenario, &bad, "the new version is what we want; the answer is mended").await;
        let mended = scenario.deploys("Answer well, once more").await;
        let stable = scenario.is_at_rest().await.stable.expect("there is a stable release");
        assert_eq!(stable.deployment, mended.deployment);
    });
}

#[test]
fn f48_who_waits_when_the_environment_is_closed_is_turned_away() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("turned-away").await;
        scenario.application.web().more = resources::goes_only_up(1);
        let good = scenario.deploys("Sell tea").await;

        make_it_bad(&mut scenario);
        let somebody_waits = laboratory.emulator.folder().join("turned-away-somebody-waits");
        scenario.application.build_waits_for(&somebody_waits);
        let bad = scenario.push("Raise the version, answer badly").await;
        scenario.is_held().await;
        scenario.application.answers = "ok".to_owned();
        let waiting = scenario.push("Answer well again").await;
        scenario
            .eventually("it waits", async || {
                let queue = scenario.environment().await.queue;
                queue.iter().any(|candidate| candidate.deployment == waiting)
            })
            .await;
        std::fs::write(&somebody_waits, "").expect("a file can be written");

        let (bad, waiting) = (scenario.end_of(&bad).await, scenario.end_of(&waiting).await);
        operator_needed(&bad);
        was_turned_away(&waiting, &bad.deployment);
        is_closed(&scenario, &bad, &good).await;

        // It does not come back by itself: opening the environment lets in whoever asks from now on.
        is_opened(&scenario, &bad, "the new version is what we want; the answer is mended").await;
        scenario.deploys("Answer well, once more").await;
    });
}

#[test]
fn f34_a_stack_that_cannot_be_put_back_is_for_an_operator_who_mends_it_and_opens_the_environment() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("stuck").await;
        scenario.application.web().more = resources::goes_only_up(1);
        let good = scenario.deploys("Sell tea").await;

        scenario.application.web().more = resources::goes_only_up_and_fails(2);
        let bad = scenario.push_to_the_end("Raise the version, alarm wrongly").await;
        let (name, cause) = operator_needed(&bad);
        assert_eq!(name, "Stuck.RollbackFailed", "{cause}");
        assert!(cause.contains("UPDATE_ROLLBACK_FAILED"), "{cause}");
        assert_eq!(stacks(&bad.entries, Leg::Back), [], "nothing else is tried");
        is_closed(&scenario, &bad, &good).await;

        let stack = scenario.application.stack_name("web");
        let cloudformation = scenario.account.aws.cloudformation();
        cloudformation
            .continue_update_rollback()
            .stack_name(&stack)
            .resources_to_skip("Custom")
            .send()
            .await
            .expect("an operator may skip a resource");
        scenario
            .eventually("the rollback is continued", async || {
                scenario.stack_status("web").await.as_deref() == Some(StackStatus::UpdateRollbackComplete.as_str())
            })
            .await;
        is_opened(&scenario, &bad, "skipped the resource that does not go back").await;
        scenario.application.web().more = resources::goes_only_up(2);
        scenario.deploys("Raise the version, without the alarm").await;
    });
}
