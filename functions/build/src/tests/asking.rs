//! Build: start, join, or take what is there.

use domain::build_record::idempotency_token;
use domain::deployment::{AtGitHub, Cause};

use super::*;

#[tokio::test]
async fn a_commit_is_built_once_for_however_many_deployments() {
    let site = Site::new().await;
    for deployment in [deployment(1), of_same_commit(2), of_same_commit(3)] {
        assert_eq!(site.build(&deployment).await.unwrap(), Output::Parked);
        assert_eq!(site.story(&deployment).await, ["requested", "admitted", "building"]);
    }
    assert_eq!((site.aws.count("StartBuild"), site.parked().await.len()), (1, 3));
    assert_eq!(site.aws.answers(), []);

    let release = site.succeeds(BUILD);
    assert_eq!(site.ended(BUILD).await.unwrap(), Output::Woken { answered: 3 });
    assert_eq!(site.aws.answers(), [1, 2, 3].map(|number| built(number, &release)));
    assert_eq!(site.parked().await, []);
    assert_eq!(site.story(&of_same_commit(3)).await.last(), Some(&"released"));
}

#[tokio::test]
async fn another_commit_is_another_build() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.build(&deployment(2)).await.unwrap();
    assert_eq!(site.aws.state().builds.len(), 2);
}

#[tokio::test]
async fn a_deployment_is_parked_before_its_build_starts() {
    let site = Site::new().await;
    site.aws.fates("StartBuild", [Fate::Refused("InternalFailure")]);
    let error = site.build(&deployment(1)).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Unavailable);
    assert_eq!(site.parked().await.len(), 1);
}

#[tokio::test]
async fn while_codebuild_takes_no_more_a_deployment_waits_and_the_sweep_starts_its_build() {
    for code in ["AccountLimitExceededException", "ThrottlingException"] {
        let site = Site::new().await;
        site.aws.fates("StartBuild", [Fate::Refused(code), Fate::Refused(code)]);
        assert_eq!(site.build(&deployment(1)).await.unwrap(), Output::Parked);
        site.build_is_due().await;
        assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
        assert!(site.parked().await[0].look_at > Timestamp::now(), "not at every sweep");
        assert_eq!((site.aws.answers(), site.aws.state().builds.len()), (vec![], 0));

        assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
        assert_eq!(site.story(&deployment(1)).await, ["requested", "admitted", "building"]);
        let release = site.succeeds(BUILD);
        site.ended(BUILD).await.unwrap();
        assert_eq!(site.aws.answers(), [built(1, &release)]);
    }
}

#[tokio::test]
async fn a_build_that_codebuild_will_never_start_is_told_by_name_and_parked_no_longer() {
    for (code, name) in [
        ("AccessDeniedException", "Rejected.AccessDenied"),
        ("InvalidInputException", "Bug.Unexpected"),
        ("ResourceNotFoundException", "Bug.Unexpected"),
    ] {
        let site = Site::new().await;
        site.aws.fates("StartBuild", [Fate::Refused(code)]);
        assert_eq!(site.build(&deployment(1)).await.unwrap(), Output::Parked);
        assert_eq!(site.failure().0, name);
        assert_eq!(site.parked().await, []);
        // Once that is mended, the next that asks has it built.
        site.build(&of_same_commit(2)).await.unwrap();
        assert_eq!(site.aws.state().builds.len(), 1);
    }
}

#[tokio::test]
async fn a_start_whose_answer_got_lost_is_the_same_build_when_it_is_asked_for_again() {
    let site = Site::new().await;
    site.aws.fates("StartBuild", [Fate::Unanswered]);
    site.build(&deployment(1)).await.unwrap_err();
    assert!(matches!(site.record().await, BuildRecord::Building { build: None, .. }));
    // Another deployment cannot know that it runs, and asks for the same.
    site.build(&of_same_commit(2)).await.unwrap();
    assert_eq!((site.aws.count("StartBuild"), site.aws.state().builds.len()), (2, 1));
    let token = idempotency_token(&deployment(1).application, &deployment(1).commit, None, 1);
    assert!(
        site.aws
            .calls("StartBuild")
            .iter()
            .all(|call| call["idempotencyToken"] == token)
    );
    assert!(matches!(site.record().await, BuildRecord::Building { build: Some(id), .. } if id == BUILD));
}

#[tokio::test]
async fn a_release_that_was_built_before_is_taken_at_once() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    let release = site.succeeds(BUILD);
    site.ended(BUILD).await.unwrap();
    site.build(&of_same_commit(2)).await.unwrap();
    assert_eq!(site.aws.answers(), [built(1, &release), built(2, &release)]);
    assert_eq!((site.aws.count("StartBuild"), site.parked().await), (1, vec![]));
    assert_eq!(
        site.story(&of_same_commit(2)).await,
        ["requested", "admitted", "released"]
    );
}

#[tokio::test]
async fn a_release_that_is_known_beforehand_is_taken_without_a_build() {
    let site = Site::new().await;
    let release = site.aws.stores(&[("manifest.json", b"{}")]);
    let promoted = Deployment {
        release: Some(release.clone()),
        ..deployment(1)
    };
    site.build(&promoted).await.unwrap();
    assert_eq!(site.aws.answers(), [built(1, &release)]);
    assert_eq!(
        (site.aws.count("StartBuild"), site.record().await),
        (0, BuildRecord::None)
    );
}

#[tokio::test]
async fn a_release_that_is_gone_or_altered_since_is_refused() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    let release = site.succeeds(BUILD);
    site.ended(BUILD).await.unwrap();
    let index = format!("{ARTIFACTS}/{}", index_key(&release));

    site.aws.state().objects.get_mut(&index).unwrap().push(b' ');
    site.build(&of_same_commit(2)).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseAltered");
    site.aws.state().objects.remove(&index);
    site.build(&of_same_commit(3)).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseMissing");
    let promoted = Deployment {
        release: Some(release),
        ..deployment(4)
    };
    site.build(&promoted).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseMissing");
    assert_eq!(site.parked().await, []);
}

#[tokio::test]
async fn a_commit_that_only_a_pull_request_has_is_asked_for_by_that_and_known_by_itself() {
    let site = Site::new().await;
    let mut preview = Deployment {
        plans: true,
        ..deployment(1)
    };
    preview.requested.because = Cause::PullRequest;
    preview.requested.at_github = Some(AtGitHub::PullRequest(7));
    preview.environment.after = Some("before".parse().unwrap());
    site.build(&preview).await.unwrap();
    let call = site.aws.calls("StartBuild").pop().unwrap();
    let version = format!("refs/pull/7/head^{{{}}}", preview.commit);
    assert_eq!(call["sourceVersion"], version.as_str());
    let release = site.succeeds(BUILD);
    site.ended(BUILD).await.unwrap();
    assert_eq!(site.aws.answers(), [built(1, &release)]);
}

#[tokio::test]
async fn a_build_that_failed_is_tried_again_by_the_next_that_asks() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.stands(BUILD, "FAILED", json!({}));
    site.ended(BUILD).await.unwrap();
    site.build(&of_same_commit(2)).await.unwrap();
    assert!(matches!(site.record().await, BuildRecord::Building { attempt: 2, .. }));
    assert_eq!(site.aws.state().builds.len(), 2, "an attempt has a token of its own");
}
