//! What GitHub tells of pre-releases, and what is brought to test therefore.

use domain::life::WayBack;
use end_to_end::outcome::{deployed, failed_clean};
use end_to_end::{Scenario, TEST};
use local::deliveries::Release;
use local::tester::Answer;

use crate::{QA, in_the_laboratory};

/// What is told of a release asks for nothing, for this reason.
async fn is_ignored(scenario: &Scenario, release: &Release, reason: &str) {
    let delivery = release.delivery().expect("a delivery");
    let answer = scenario.send(&delivery, 202).await;
    assert_eq!(
        (answer["outcome"].as_str(), answer["reason"].as_str()),
        (Some("ignored"), Some(reason))
    );
}

#[test]
fn whatever_github_tells_of_one_prerelease_is_one_deployment_of_the_commit_that_its_tag_named_first() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("once").await;
        let tagged = scenario.commit("Sell tea").await;
        scenario
            .repository
            .annotated_tag("v1.0.0-rc.1", "For the testers")
            .await
            .expect("git tags");
        deployed(&scenario.end_of(&scenario.deliver(&tagged).await).await);

        let published = Release::prereleased(&scenario.repository.name, "v1.0.0-rc.1", "ada");
        let draft = Release {
            draft: true,
            published_at: None,
            ..published.told_as("created")
        };
        is_ignored(&scenario, &draft, "draft_release").await;
        is_ignored(&scenario, &draft.told_as("edited"), "draft_release").await;
        assert_eq!(laboratory.executions_in("once", TEST).await, 0);

        let candidate = scenario.publish(&published).await;
        scenario.application.description = "second".to_owned();
        let later = scenario.commit("Sell coffee").await;
        scenario
            .repository
            .move_tag("v1.0.0-rc.1", &later.after)
            .await
            .expect("git moves tags");
        let again = scenario.publish(&published.told_as("prereleased")).await;
        assert_eq!(again.deployment, candidate.deployment);
        is_ignored(&scenario, &published.told_as("edited"), "edited_release").await;

        let asked = candidate.is_asked_about().await;
        assert_eq!(
            asked.commit, tagged.after,
            "the commit behind the annotated tag, as it was"
        );
        candidate.answers(QA, &Answer::accept("")).await;
        deployed(&candidate.ends().await);
        assert_eq!(scenario.in_test().await.as_deref(), Some("first"));
        assert_eq!(laboratory.executions_in("once", TEST).await, 1);
    });
}

#[test]
fn a_candidate_that_is_not_stable_in_dev_is_refused_and_the_refusal_says_what_is_missing() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("not-stable").await;
        scenario.application.answers = "sorry".to_owned();
        let push = scenario.commit("Sell tea").await;
        let never_pushed = scenario.prerelease("v1.0.0-rc.1").await.ends().await;
        let (name, cause, way_back) = failed_clean(&never_pushed);
        assert_eq!((name, way_back), ("Rejected.NotStableBefore", &WayBack::NothingChanged));
        let commit = push.after.short();
        assert!(
            cause.contains(&format!("{commit} was never built")) && cause.contains("dev"),
            "{cause}"
        );
        assert_eq!(laboratory.builds("lockgate-build", "not-stable").await.len(), 0);

        let red = scenario.end_of(&scenario.deliver(&push).await).await;
        assert_eq!(failed_clean(&red).0, "Failed.SmokeTests");
        let failed_there = scenario.prerelease("v1.0.0-rc.2").await.ends().await;
        let (name, cause, way_back) = failed_clean(&failed_there);
        assert_eq!((name, way_back), ("Rejected.NotStableBefore", &WayBack::NothingChanged));
        assert!(cause.contains("was never stable in dev"), "{cause}");

        assert_eq!(
            laboratory.builds("lockgate-build", "not-stable").await.len(),
            1,
            "for dev"
        );
        assert_eq!(scenario.in_test().await, None);
        assert_eq!(scenario.is_at_rest_in(TEST).await.stable, None);
    });
}
