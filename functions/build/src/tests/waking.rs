//! The wakes: by CodeBuild's event, and by the sweep.

use super::*;

/// A site where the first deployment's build stands so, after CodeBuild's event.
async fn site_where_it(status: &str, more: Value) -> Site {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.stands(BUILD, status, more);
    assert_eq!(site.ended(BUILD).await.unwrap(), Output::Woken { answered: 1 });
    assert_eq!(site.parked().await, []);
    site
}

#[tokio::test]
async fn a_build_that_names_no_release_gave_none() {
    for (more, cause) in [
        (json!({}), "the build exported no LOCKGATE_RELEASE"),
        (names("latest"), "\"latest\""),
    ] {
        let site = site_where_it("SUCCEEDED", more).await;
        let (error, told) = site.failure();
        assert_eq!(error, "Rejected.NoRelease");
        assert!(told.contains(cause), "{told}");
        assert!(told.ends_with("Log: https://logs.test/lockgate-build:1"), "{told}");
    }
}

#[tokio::test]
async fn a_build_that_names_a_release_that_is_not_there_gave_none() {
    let site = site_where_it("SUCCEEDED", names(&"a".repeat(64))).await;
    assert_eq!(site.failure().0, "Rejected.ReleaseMissing");
    assert!(matches!(site.record().await, BuildRecord::Failed { .. }));
}

#[tokio::test]
async fn a_build_that_names_an_altered_release_is_refused() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    let release = site.succeeds(BUILD);
    let index = format!("{ARTIFACTS}/{}", index_key(&release));
    site.aws.state().objects.get_mut(&index).unwrap().push(b' ');
    site.ended(BUILD).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.ReleaseAltered");
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_makes_no_build_fail() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    let release = site.succeeds(BUILD);
    for code in ["SlowDown", "InternalError"] {
        site.aws.fates("GetObject", [Fate::Refused(code)]);
        let error = site.ended(BUILD).await.unwrap_err();
        assert_eq!(Failure::from(error).name.class(), domain::failure::Class::Transient);
        assert_eq!((site.aws.answers(), site.parked().await.len()), (vec![], 1));
        assert!(
            matches!(site.record().await, BuildRecord::Building { .. }),
            "a commit is built once"
        );
    }
    site.look().await.unwrap();
    assert_eq!(site.aws.answers(), [built(1, &release)]);
}

#[tokio::test]
async fn a_bucket_that_may_not_be_read_is_told() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.succeeds(BUILD);
    site.aws.fates("GetObject", [Fate::Refused("AccessDenied")]);
    site.ended(BUILD).await.unwrap();
    assert_eq!(site.failure().0, "Rejected.AccessDenied");
}

#[tokio::test]
async fn a_build_that_failed_says_in_which_phase_and_why() {
    let phases = json!({ "phases": [
        { "phaseType": "INSTALL", "phaseStatus": "SUCCEEDED" },
        { "phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{ "message": "npm test exited with 1" }] },
    ] });
    let site = site_where_it("FAILED", phases).await;
    let (error, cause) = site.failure();
    assert_eq!(error, "Rejected.BuildFailed");
    assert_eq!(
        cause,
        "BUILD: npm test exited with 1. Log: https://logs.test/lockgate-build:1"
    );
}

#[tokio::test]
async fn a_build_that_was_stopped_or_took_too_long_is_called_so() {
    for (status, name) in [
        ("STOPPED", "Rejected.BuildStopped"),
        ("TIMED_OUT", "Rejected.BuildTimedOut"),
    ] {
        assert_eq!(site_where_it(status, json!({})).await.failure().0, name);
    }
}

#[tokio::test]
async fn a_build_that_vanished_has_failed() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.aws.state().builds.clear();
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 1 });
    let (error, cause) = site.failure();
    assert_eq!(error, "Rejected.BuildFailed");
    assert!(
        cause.starts_with("CodeBuild no longer knows lockgate-build:1"),
        "{cause}"
    );
}

#[tokio::test]
async fn a_build_that_nobody_came_back_from_starting_is_not_started_for_nobody() {
    let site = Site::new().await;
    site.aws.fates("StartBuild", [Fate::Refused("InternalFailure")]);
    site.build(&deployment(1)).await.unwrap_err();
    site.aws.state().gone.insert("token-1".to_owned());
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
    assert_eq!((site.aws.count("StartBuild"), site.parked().await), (1, vec![]));
}

#[tokio::test]
async fn while_a_build_runs_the_sweeps_look_is_put_off() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    site.build_is_due().await;
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
    assert!(site.parked().await.pop().unwrap().look_at > Timestamp::now());
    assert_eq!(site.aws.answers(), []);
}

#[tokio::test]
async fn a_build_whose_event_got_lost_is_found_by_the_sweep() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    let release = site.succeeds(BUILD);
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 1 });
    assert_eq!(site.aws.answers(), [built(1, &release)]);
    // The event comes after all.
    assert_eq!(site.ended(BUILD).await.unwrap(), Output::Woken { answered: 0 });
}

#[tokio::test]
async fn a_build_that_was_decided_on_and_never_started_is_started_by_the_sweep() {
    for fate in [Fate::Refused("InternalFailure"), Fate::Unanswered] {
        let site = Site::new().await;
        site.aws.fates("StartBuild", [fate]);
        site.build(&deployment(1)).await.unwrap_err();
        assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
        assert!(matches!(
            site.record().await,
            BuildRecord::Building {
                build: Some(_),
                attempt: 1,
                ..
            }
        ));
        assert_eq!(site.aws.state().builds.len(), 1);
        let release = site.succeeds(BUILD);
        site.ended(BUILD).await.unwrap();
        assert_eq!(site.aws.answers(), [built(1, &release)]);
    }
}

#[tokio::test]
async fn no_build_is_started_for_deployments_that_are_over() {
    let site = Site::new().await;
    site.aws.fates("StartBuild", [Fate::Refused("InternalFailure")]);
    site.build(&deployment(1)).await.unwrap_err();
    site.aws.state().gone.insert("token-1".to_owned());
    site.aws.forget_calls();
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
    assert_eq!(site.aws.operations(), ["Query", "SendTaskHeartbeat", "DeleteItem"]);
    assert_eq!(site.parked().await, []);
}

#[tokio::test]
async fn one_that_is_over_takes_no_build_from_the_others() {
    let site = Site::new().await;
    site.aws
        .fates("StartBuild", ["SlowDown", "SlowDown"].map(Fate::Refused));
    for deployment in [deployment(1), of_same_commit(2)] {
        site.build(&deployment).await.unwrap();
    }
    site.aws.state().gone.insert("token-1".to_owned());
    site.look().await.unwrap();
    let waits: Vec<DeploymentId> = site
        .parked()
        .await
        .into_iter()
        .map(|parked| parked.deployment)
        .collect();
    assert_eq!(waits, [of_same_commit(2).id]);
    assert_eq!(site.aws.state().builds.len(), 1);
}

#[tokio::test]
async fn a_build_that_codebuild_refuses_the_sweep_is_told_to_all_who_wait_and_asked_for_no_more() {
    let site = Site::new().await;
    site.aws.fates(
        "StartBuild",
        ["SlowDown", "SlowDown", "AccessDeniedException"].map(Fate::Refused),
    );
    for deployment in [deployment(1), of_same_commit(2)] {
        site.build(&deployment).await.unwrap();
    }
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 2 });
    assert_eq!(site.aws.answers().len(), 2);
    assert_eq!(site.failure().0, "Rejected.AccessDenied");
    assert_eq!(site.parked().await, []);
    site.look().await.unwrap();
    assert_eq!(site.aws.count("StartBuild"), 3);
}

#[tokio::test]
async fn a_build_that_was_not_even_decided_on_is_decided_on_by_the_sweep() {
    let site = Site::new().await;
    // Parking is the first write, the decision the second.
    site.aws
        .fates("PutItem", [Fate::Done, Fate::Refused("ThrottlingException")]);
    site.build(&deployment(1)).await.unwrap_err();
    assert_eq!(site.record().await, BuildRecord::None);
    site.look().await.unwrap();
    assert_eq!(site.aws.state().builds.len(), 1);
}

#[tokio::test]
async fn an_event_that_comes_before_the_builds_id_is_known_decides_nothing() {
    let site = Site::new().await;
    site.aws.fates("StartBuild", [Fate::Unanswered]);
    site.build(&deployment(1)).await.unwrap_err();
    let release = site.succeeds(BUILD);
    assert_eq!(site.ended(BUILD).await.unwrap(), Output::Woken { answered: 0 });
    // The sweep learns the id by asking for the same start again, and at its next turn how it ended.
    site.look().await.unwrap();
    site.look().await.unwrap();
    assert_eq!(site.aws.answers(), [built(1, &release)]);
}

#[tokio::test]
async fn the_late_event_of_an_earlier_attempt_says_nothing_about_the_next() {
    let site = site_where_it("FAILED", json!({})).await;
    site.build(&of_same_commit(2)).await.unwrap();
    assert_eq!(site.ended(BUILD).await.unwrap(), Output::Woken { answered: 0 });
    assert_eq!(site.parked().await.len(), 1);
    let release = site.succeeds("lockgate-build:2");
    site.ended("lockgate-build:2").await.unwrap();
    assert_eq!(site.aws.answers().pop(), Some(built(2, &release)));
}

#[tokio::test]
async fn a_build_that_nobody_asked_for_or_that_is_anothers_wakes_nobody() {
    let site = Site::new().await;
    site.build(&deployment(1)).await.unwrap();
    assert_eq!(
        site.ended("lockgate-build:9").await.unwrap(),
        Output::Woken { answered: 0 }
    );
    site.succeeds(BUILD);
    let nothing_said = json!({ "type": "ARM_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL" });
    for (member, value) in [("projectName", json!("another")), ("environment", nothing_said)] {
        let before = site.aws.state().builds[BUILD].clone();
        site.stands(BUILD, "SUCCEEDED", json!({ member: value }));
        assert_eq!(
            site.ended(BUILD).await.unwrap(),
            Output::Woken { answered: 0 },
            "{member}"
        );
        site.aws.state().builds.insert(BUILD.to_owned(), before);
    }
    assert_eq!(site.parked().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_could_not_be_given_is_given_at_the_next_wake() {
    let site = Site::new().await;
    for deployment in [deployment(1), of_same_commit(2)] {
        site.build(&deployment).await.unwrap();
    }
    let release = site.succeeds(BUILD);
    site.aws
        .fates("SendTaskSuccess", [Fate::Done, Fate::Refused("ThrottlingException")]);
    site.ended(BUILD).await.unwrap_err();
    assert_eq!(site.parked().await.len(), 1);
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 1 });
    assert_eq!(site.aws.answers(), [built(1, &release), built(2, &release)]);
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_is_parked_no_longer_and_the_others_are_told() {
    let site = Site::new().await;
    for deployment in [deployment(1), of_same_commit(2)] {
        site.build(&deployment).await.unwrap();
    }
    site.aws.state().gone.insert("token-1".to_owned());
    let release = site.succeeds(BUILD);
    site.ended(BUILD).await.unwrap();
    assert_eq!(
        (site.aws.answers(), site.parked().await),
        (vec![built(2, &release)], vec![])
    );
}

#[tokio::test]
async fn a_wake_where_nothing_waits_asks_codebuild_nothing() {
    let site = Site::new().await;
    assert_eq!(site.look().await.unwrap(), Output::Woken { answered: 0 });
    assert_eq!(site.aws.operations(), ["Query"]);
}
