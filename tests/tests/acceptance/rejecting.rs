//! What people do not accept.

use domain::life::WayBack;
use end_to_end::outcome::{deployed, failed_clean};
use end_to_end::{Scenario, TEST};
use local::executions::Ended;
use local::tester::Answer;

use crate::{LEAD, QA, in_the_laboratory};

/// Two releases, of which the first is accepted and the second is rejected, because it is too strong; returns both ends.
async fn the_second_is_rejected(scenario: &mut Scenario) -> (Ended, Ended) {
    scenario.deploys("Sell tea").await;
    let first = scenario.prerelease("v1.0.0-rc.1").await;
    first.answers(QA, &Answer::accept("")).await;
    let first = first.ends().await;
    deployed(&first);

    "second".clone_into(&mut scenario.application.description);
    scenario.deploys("Sell stronger tea").await;
    let second = scenario.prerelease("v1.0.0-rc.2").await;
    let unexplained = second.answers(LEAD, &Answer::reject("  ")).await;
    assert_eq!(unexplained.status, 422, "{}", unexplained.html);
    let explained = second.answers(LEAD, &Answer::reject("Too strong")).await;
    assert_eq!(explained.status, 200, "{}", explained.html);
    (first, second.ends().await)
}

/// It was rejected, and that is told.
async fn is_told(scenario: &Scenario, ended: &Ended) {
    let (name, cause, _) = failed_clean(ended);
    assert_eq!(name, "Failed.NotAccepted");
    assert!(
        cause.contains("lead@acme.example") && cause.contains("Too strong"),
        "{cause}"
    );
    let subjects = scenario.laboratory.subjects(&scenario.application.name).await;
    assert!(
        subjects.iter().any(|subject| subject.ends_with("FAILED")),
        "{subjects:?}"
    );
}

#[test]
fn what_is_rejected_stays_where_the_policy_says_so_and_the_last_accepted_release_stays_the_stable_one() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("kept").await;
        let (first, second) = the_second_is_rejected(&mut scenario).await;
        assert_eq!(failed_clean(&second).2, &WayBack::Stays);
        is_told(&scenario, &second).await;
        assert_eq!(scenario.in_test().await.as_deref(), Some("second"));
        let stable = scenario
            .is_at_rest_in(TEST)
            .await
            .stable
            .expect("there is a stable release");
        assert_eq!(stable.deployment, first.deployment);
    });
}

#[test]
fn what_is_rejected_goes_where_the_policy_says_so_and_the_last_accepted_release_comes_back() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("taken-back").await;
        let (first, second) = the_second_is_rejected(&mut scenario).await;
        let release = first.head.status.release.clone().expect("it has a release");
        assert_eq!(failed_clean(&second).2, &WayBack::went_back(release));
        is_told(&scenario, &second).await;
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        let stable = scenario
            .is_at_rest_in(TEST)
            .await
            .stable
            .expect("there is a stable release");
        assert_eq!(stable.deployment, first.deployment);
    });
}
