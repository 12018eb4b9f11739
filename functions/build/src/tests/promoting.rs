//! What comes after another environment is never built here.

use domain::environment_state::{Acceptance, StableRelease};

use super::*;

/// A deployment of another commit's pre-release into `test`, which comes after `dev`.
fn candidate(number: u8) -> Deployment {
    let mut deployment = of_same_commit(number);
    deployment.environment.name = "test".parse().unwrap();
    deployment.environment.after = Some("dev".parse().unwrap());
    deployment
}

impl Site {
    /// The first deployment's commit was built, and got to the end of a deployment in `dev`.
    async fn stable_in_dev(&self, accepted: Option<Acceptance>) -> Digest {
        self.build(&deployment(1)).await.unwrap();
        let release = self.succeeds(BUILD);
        self.ended(BUILD).await.unwrap();
        let dev = deployment(1);
        let stable = StableRelease {
            release: release.clone(),
            commit: dev.commit.clone(),
            deployment: dev.id.clone(),
            since: Timestamp::now(),
            accepted,
            rejected: None,
        };
        self.context
            .ledger
            .record_stable(&dev.application, &dev.environment.name, &stable)
            .await
            .unwrap();
        self.aws.state().answers.clear();
        release
    }
}

#[tokio::test]
async fn what_was_stable_before_is_taken_as_it_is() {
    let site = Site::new().await;
    let release = site.stable_in_dev(None).await;
    site.build(&candidate(2)).await.unwrap();
    assert_eq!(site.aws.answers(), [built(2, &release)]);
    assert_eq!((site.aws.count("StartBuild"), site.parked().await), (1, vec![]));
    assert_eq!(site.story(&candidate(2)).await, ["requested", "admitted", "released"]);
}

#[tokio::test]
async fn what_was_not_stable_before_is_refused_and_never_built() {
    // Never built, still being built, failed, and built without getting to the end of a deployment.
    for (built, status, says) in [
        (false, None, "was never built"),
        (true, None, "is still being built"),
        (true, Some("FAILED"), "the build of commit 010101010101 failed"),
        (true, Some("SUCCEEDED"), "was never stable in dev"),
    ] {
        let site = Site::new().await;
        if built {
            site.build(&deployment(1)).await.unwrap();
        }
        if let Some(status) = status {
            let release = site.succeeds(BUILD);
            site.stands(BUILD, status, names(release.as_str()));
            site.ended(BUILD).await.unwrap();
        }
        site.aws.forget_calls();
        site.build(&candidate(2)).await.unwrap();
        let (error, cause) = site.failure();
        assert_eq!(error, "Rejected.NotStableBefore", "{says}");
        assert!(cause.contains(says), "{cause}");
        assert_eq!(site.aws.count("StartBuild"), 0, "{says}");
        assert!(
            site.parked()
                .await
                .iter()
                .all(|parked| parked.deployment != candidate(2).id)
        );
    }
}

#[tokio::test]
async fn what_nobody_accepted_there_is_refused_where_people_are_asked() {
    let mut careful = candidate(2);
    careful.environment.after_acceptance = true;
    let site = Site::new().await;
    site.stable_in_dev(None).await;
    site.build(&careful).await.unwrap();
    let (error, cause) = site.failure();
    assert_eq!(error, "Rejected.NotStableBefore");
    assert!(
        cause.ends_with("is stable in dev, and nobody accepted it there"),
        "{cause}"
    );

    let site = Site::new().await;
    let acceptance = Acceptance {
        by: vec!["qa@acme.example".parse().unwrap()],
        at: Timestamp::UNIX_EPOCH,
    };
    let release = site.stable_in_dev(Some(acceptance)).await;
    site.build(&careful).await.unwrap();
    assert_eq!(site.aws.answers(), [built(2, &release)]);
}

#[tokio::test]
async fn what_was_stable_before_and_is_gone_since_is_refused() {
    let site = Site::new().await;
    let release = site.stable_in_dev(None).await;
    let index = format!("{ARTIFACTS}/{}", index_key(&release));
    site.aws.state().objects.remove(&index);
    site.build(&candidate(2)).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseMissing");
}
