//! Applications of several stacks, of which one fails.

use domain::deployment::Leg;
use domain::life::WayBack;
use end_to_end::outcome::{failed_clean, stacks};
use end_to_end::{Scenario, Stack, resources};
use local::executions::Ended;

use crate::in_the_laboratory;

/// The failed deployment has gone back to what the good one brought, in every stack.
async fn everything_is_as_before(scenario: &Scenario, good: &Ended, bad: &Ended) {
    let stable = good.head.status.release.clone().expect("it has a release");
    let (name, cause, way_back) = failed_clean(bad);
    assert_eq!(
        (name, way_back),
        ("Failed.StackRolledBack", &WayBack::went_back(stable)),
        "{cause}"
    );
    let failed = scenario.application.stack_name("web");
    assert!(cause.contains(&failed), "the stack is named: {cause}");
    for stack in &scenario.application.stacks {
        assert_eq!(scenario.description(stack.name).await, "first", "{}", stack.name);
    }
    let stable = scenario.is_at_rest().await.stable.expect("there is a stable release");
    assert_eq!(stable.deployment, good.deployment);
}

#[test]
fn f37_of_two_stacks_in_one_wave_the_one_that_has_changed_goes_back_when_the_other_fails() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("one-wave").await;
        scenario.application.stacks.push(Stack::new("data"));
        let good = scenario.deploys("Sell tea").await;

        let data_has_changed = laboratory.emulator.folder().join("one-wave-data-has-changed");
        scenario.application.description = "second".to_owned();
        scenario.application.web().more = resources::fails_once_there_is(&data_has_changed);
        let bad = scenario.push("Sell more tea").await;
        scenario
            .eventually("data has changed", async || {
                stacks(&scenario.entries(&bad).await, Leg::Forward) == [("one-wave-data", true)]
            })
            .await;
        assert_eq!(scenario.description("data").await, "second");
        std::fs::write(&data_has_changed, "").expect("a file can be written");

        let bad = scenario.end_of(&bad).await;
        assert_eq!(
            stacks(&bad.entries, Leg::Forward),
            [("one-wave-data", true), ("one-wave-web", false)]
        );
        assert_eq!(
            stacks(&bad.entries, Leg::Back),
            [("one-wave-data", true)],
            "CloudFormation put the other back already"
        );
        everything_is_as_before(&scenario, &good, &bad).await;
    });
}

#[test]
fn f37_when_the_third_wave_fails_the_first_two_go_back_the_last_of_them_first() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("three-waves").await;
        let waves = ["three-waves-network", "three-waves-data", "three-waves-web"];
        scenario.application.stacks = vec![
            Stack::new("network"),
            Stack::after("network", "data"),
            Stack::after("data", "web"),
        ];
        let good = scenario.deploys("Sell tea").await;
        assert_eq!(stacks(&good.entries, Leg::Forward), waves.map(|stack| (stack, true)));

        scenario.application.description = "second".to_owned();
        scenario.application.web().more = resources::impossible();
        let bad = scenario.push_to_the_end("Sell more tea").await;
        let [network, data, web] = waves;
        assert_eq!(
            stacks(&bad.entries, Leg::Forward),
            [(network, true), (data, true), (web, false)]
        );
        assert_eq!(stacks(&bad.entries, Leg::Back), [(data, true), (network, true)]);
        everything_is_as_before(&scenario, &good, &bad).await;
    });
}

#[test]
fn a_stack_that_only_the_failed_release_has_stays_and_is_named() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("left-over").await;
        let good = scenario.deploys("Sell tea").await;
        scenario.application.stacks.push(Stack::new("jobs"));
        scenario.application.answers = "sorry".to_owned();
        let bad = scenario.push_to_the_end("Bake at night").await;
        let (name, cause, way_back) = failed_clean(&bad);
        let jobs = scenario.application.stack_name("jobs");
        let went = WayBack::WentBack {
            to: good.head.status.release.clone().expect("it has a release"),
            left: [jobs.parse().expect("a stack's name")].into(),
        };
        assert_eq!((name, way_back), ("Failed.SmokeTests", &went), "{cause}");
        assert_eq!(scenario.description("jobs").await, "first", "nobody took it away");
        let environment = scenario.is_at_rest().await;
        assert_eq!(
            environment.stable.map(|stable| stable.deployment),
            Some(good.deployment)
        );
        assert_eq!(environment.unaccepted.deployments, [bad.deployment]);

        scenario.application.answers = "ok".to_owned();
        scenario.application.description = "second".to_owned();
        scenario.deploys("Bake at night, and well").await;
        assert_eq!(scenario.description("jobs").await, "second");
        assert!(scenario.is_at_rest().await.unaccepted.deployments.is_empty());
    });
}
