//! A merge to `main` reaches dev.

use domain::life::{Ending, WayBack};
use end_to_end::in_the_laboratory;

#[test]
fn a_push_is_built_deployed_tested_and_recorded_and_so_is_the_next() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("life").await;
        let first = scenario.push("Sell tea").await;
        let ended = scenario.end_of(&first).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
        assert_eq!(ended.status, "SUCCEEDED");
        assert_eq!(
            scenario.account.stack_status("life-web").await.as_deref(),
            Some("CREATE_COMPLETE")
        );
        let environment = scenario.environment().await;
        assert_eq!(environment.holder, None);
        assert_eq!(environment.operation, None);
        assert_eq!(environment.stable.map(|stable| stable.deployment), Some(first.clone()));

        let arn = laboratory.pipeline.execution_arn(&first);
        let transitions = laboratory
            .emulator
            .transitions(&arn)
            .await
            .expect("the emulator counts");
        assert!(transitions.transitions <= 50, "{transitions:#?}");

        scenario.application.description = "second".to_owned();
        let second = scenario.push("Sell more tea").await;
        let ended = scenario.end_of(&second).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
        assert_eq!(
            scenario.account.stack_status("life-web").await.as_deref(),
            Some("UPDATE_COMPLETE")
        );

        let third = scenario.push("Change nothing").await;
        let ended = scenario.end_of(&third).await;
        assert_eq!(ended.head.status.ending, Some(Ending::NothingToDeploy), "{ended:#?}");
        assert_eq!(ended.status, "SUCCEEDED");
    });
}

#[test]
fn a_red_smoke_test_takes_the_environment_back_to_its_stable_release() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("red-smoke").await;
        let good = scenario.push("Answer well").await;
        let stable = scenario
            .end_of(&good)
            .await
            .head
            .status
            .release
            .expect("it has a release");
        scenario.application.answers = "sorry".to_owned();
        let bad = scenario.push("Answer badly").await;
        let ended = scenario.end_of(&bad).await;
        assert_eq!(ended.status, "FAILED", "{ended:#?}");
        let Some(Ending::FailedClean { failure, way_back }) = &ended.head.status.ending else {
            panic!("{ended:#?}");
        };
        assert_eq!(failure.name.as_str(), "Failed.SmokeTests");
        assert_eq!(*way_back, WayBack::WentBack { to: stable });
    });
}
