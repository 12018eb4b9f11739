//! The repository's own integration tests, against the environment.

use domain::life::WayBack;
use end_to_end::TEST;
use end_to_end::outcome::{deployed, failed_clean};
use local::tester::Answer;

use crate::{QA, in_the_laboratory};

#[test]
fn red_integration_tests_take_test_back_to_its_stable_release_which_had_none_and_was_accepted() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("red-tests").await;
        scenario.deploys("Sell tea").await;
        let untested = scenario.prerelease("v1.0.0-rc.1").await;
        assert_eq!(untested.is_asked_about().await.facts.integration_tests, None);
        untested.answers(QA, &Answer::accept("")).await;
        let good = untested.ends().await;
        deployed(&good);
        assert_eq!(laboratory.builds("lockgate-integration", "red-tests").await.len(), 0);

        scenario.application.description = "second".to_owned();
        scenario.application.integration_runs =
            Some("echo 'the tea is cold in' $LOCKGATE_ENVIRONMENT; exit 1".to_owned());
        scenario.deploys("Sell cold tea").await;
        let bad = scenario.prerelease("v1.0.0-rc.2").await.ends().await;
        let (name, cause, way_back) = failed_clean(&bad);
        let release = good.head.status.release.clone().expect("it has a release");
        assert_eq!(
            (name, way_back),
            ("Failed.IntegrationTests", &WayBack::went_back(release))
        );
        assert!(
            cause.contains("Log: ") && cause.contains("lockgate-integration"),
            "{cause}"
        );
        assert_eq!(laboratory.builds("lockgate-integration", "red-tests").await.len(), 1);
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        let stable = scenario
            .is_at_rest_in(TEST)
            .await
            .stable
            .expect("there is a stable release");
        assert_eq!(stable.deployment, good.deployment);
    });
}
