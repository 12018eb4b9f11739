//! What becomes of pushes where nothing goes wrong.

use domain::life::Ending;
use end_to_end::outcome::deployed;
use end_to_end::{Laboratory, resources};
use local::TOOLS;

use crate::in_the_laboratory;

#[test]
fn a_push_is_built_deployed_tested_and_recorded_and_so_is_the_next() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("life").await;
        let first = scenario.deploys("Sell tea").await;
        assert_eq!(scenario.stack_status("web").await.as_deref(), Some("CREATE_COMPLETE"));
        let stable = scenario.is_at_rest().await.stable.expect("the release is stable");
        assert_eq!(
            (Some(&stable.release), &stable.deployment),
            (first.head.status.release.as_ref(), &first.deployment)
        );
        assert!(
            domain::ledger::verify(&first.deployment, &first.entries).is_ok(),
            "the chain of entries holds"
        );

        let arn = laboratory.pipeline.execution_arn(&first.deployment);
        let counted = laboratory
            .emulator
            .transitions(&arn)
            .await
            .expect("the emulator counts");
        assert!(counted.transitions <= 50, "{counted:#?}");

        scenario.application.description = "second".to_owned();
        scenario.deploys("Sell more tea").await;
        assert_eq!(scenario.stack_status("web").await.as_deref(), Some("UPDATE_COMPLETE"));

        let third = scenario.push_to_the_end("Change nothing").await;
        assert_eq!(third.head.status.ending, Some(Ending::NothingToDeploy), "{third:#?}");
        assert_eq!(third.status, "SUCCEEDED");

        let subjects = laboratory.subjects("life").await;
        assert_eq!(subjects.len(), 6, "{subjects:?}");
        assert!(subjects[5].ends_with("changed nothing"), "{subjects:?}");
    });
}

#[test]
fn of_a_burst_the_first_and_the_newest_are_deployed_and_the_one_between_is_superseded() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("burst").await;
        let all_are_there = laboratory.emulator.folder().join("burst-all-are-there");
        scenario.application.build_waits_for(&all_are_there);
        let mut first = scenario.commit("One").await;
        scenario.application.description = "two".to_owned();
        let mut second = scenario.commit("Two").await;
        scenario.application.description = "three".to_owned();
        let mut third = scenario.commit("Three").await;
        first.pushed_at -= 20;
        (second.before, second.pushed_at) = (first.after.to_string(), second.pushed_at - 10);
        third.before = second.after.to_string();

        let one = scenario.deliver(&first).await;
        scenario.is_held().await;
        let two = scenario.deliver(&second).await;
        scenario
            .eventually("the second waits", async || {
                !scenario.environment().await.queue.is_empty()
            })
            .await;
        let three = scenario.deliver(&third).await;

        let two = scenario.end_of(&two).await;
        std::fs::write(&all_are_there, "").expect("a file can be written");
        let (one, three) = (scenario.end_of(&one).await, scenario.end_of(&three).await);
        deployed(&one);
        assert_eq!(
            two.head.status.ending,
            Some(Ending::Superseded {
                by: three.deployment.clone()
            }),
            "{two:#?}"
        );
        deployed(&three);
        assert_eq!(
            scenario.is_at_rest().await.stable.map(|stable| stable.deployment),
            Some(three.deployment)
        );
    });
}

#[test]
fn a_stack_that_takes_longer_costs_no_more_transitions() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("slow").await;
        let mut counted = Vec::new();
        for seconds in [0, 9] {
            scenario.application.web().more = resources::slow(seconds);
            let ended = scenario.deploys("Take your time").await;
            let arn = laboratory.pipeline.execution_arn(&ended.deployment);
            let transitions = laboratory
                .emulator
                .transitions(&arn)
                .await
                .expect("the emulator counts");
            let update = transitions
                .states
                .iter()
                .find(|state| state.state == "Execute change set")
                .expect("it was executed");
            // The states alone: a call that a busy machine does not answer in time is tried again, and AWS bills that too.
            counted.push((
                transitions.states.len(),
                update.milliseconds().expect("it is over") >= f64::from(seconds) * 1000.0,
            ));
        }
        assert_eq!(counted[0], counted[1], "the same number, and each really took its time");
    });
}

/// Every event with this text was lost, so that nobody but the sweep can have found out.
async fn only_the_sweep_knew(laboratory: &Laboratory, about: &str) {
    let events = laboratory
        .emulator
        .events_about(about)
        .await
        .expect("there is a record");
    assert!(!events.is_empty(), "there was something to lose");
    assert!(events.iter().all(|event| event.lost), "{events:#?}");
}

#[test]
fn a_lost_event_of_a_stack_costs_a_sweep_and_no_deployment() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("lost-event").await;
        laboratory
            .emulator
            .lose_events(&scenario.account.id, "aws.cloudformation", true)
            .await
            .expect("events can be lost");
        scenario.deploys("Be heard late").await;
        only_the_sweep_knew(
            laboratory,
            &format!("stack/{}/", scenario.application.stack_name("web")),
        )
        .await;
    });
}

#[test]
fn a_lost_event_of_a_build_costs_a_sweep_and_no_deployment() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("lost-build").await;
        let source = format!("{}.git", scenario.repository.name);
        laboratory
            .emulator
            .lose_events_about(TOOLS, "aws.codebuild", &source)
            .await
            .expect("events can be lost");
        scenario.deploys("Be built unheard").await;
        only_the_sweep_knew(laboratory, &source).await;
    });
}
