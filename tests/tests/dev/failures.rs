//! Deployments that end red, and leave nothing to do in the environment.

use domain::deployment::Leg;
use domain::life::{Ending, Event, WayBack};
use end_to_end::outcome::{failed_clean, stacks};
use end_to_end::{Stack, resources};
use serde_json::json;

use crate::in_the_laboratory;

#[test]
fn f23_a_red_build_ends_red_with_its_log_and_changes_nothing() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("red-build").await;
        scenario.application.build_fails = Some("2 tests failed".to_owned());
        let ended = scenario.push_to_the_end("Break it").await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Rejected.BuildFailed", &WayBack::NothingChanged));
        assert!(cause.contains("BUILD") && cause.contains("log-group"), "{cause}");
        assert_eq!(scenario.stack_status("web").await, None);
        scenario.is_at_rest().await;
    });
}

#[test]
fn a_template_that_cloudformation_refuses_ends_before_any_change() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("refused").await;
        scenario.application.web().template =
            Some(json!({ "Parameters": { "Size": { "Type": "String" } }, "Resources": {} }).to_string());
        let ended = scenario.push_to_the_end("Ask for what nobody gives").await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(
            (name, way_back),
            ("Rejected.ChangeSetRefused", &WayBack::NothingChanged),
            "{cause}"
        );
        scenario.is_at_rest().await;
        scenario.application.web().template = None;
        // What the refused one left is no obstacle.
        scenario.deploys("Ask for nothing").await;
    });
}

#[test]
fn f24_a_release_that_was_tampered_with_is_refused_before_any_change() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("altered").await;
        let first = scenario.deploys("Be honest").await;
        let release = first.head.status.release.expect("it has a release");
        let key = domain::release::index_key(&release);
        let s3 = laboratory.pipeline.tools.aws.s3();
        let index = s3
            .get_object()
            .bucket(&laboratory.pipeline.artifacts)
            .key(&key)
            .send()
            .await
            .expect("the index is there");
        let mut bytes = index.body.collect().await.expect("it can be read").to_vec();
        bytes.push(b' ');
        s3.put_object()
            .bucket(&laboratory.pipeline.artifacts)
            .key(&key)
            .body(bytes.into())
            .send()
            .await
            .expect("root may write");
        // The same commit pushed again, from elsewhere: the build's record names the release that is not itself any more.
        let mut again = scenario.commit("Be honest again").await;
        again.after = first
            .entries
            .iter()
            .find_map(|entry| match &entry.what {
                Event::Requested { deployment } => Some(deployment.commit.clone()),
                _ => None,
            })
            .expect("it was requested");
        again.before = "2".repeat(40);
        again.pushed_at += 5;
        let ended = scenario.end_of(&scenario.deliver(&again).await).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(
            (name, way_back),
            ("Rejected.ReleaseAltered", &WayBack::NothingChanged),
            "{cause}"
        );
        scenario.is_at_rest().await;
    });
}

#[test]
fn f33_an_update_that_fails_is_rolled_back_by_cloudformation_and_waited_for() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("roll-back").await;
        let good = scenario.deploys("Sell tea").await;
        scenario.application.web().more = resources::impossible();
        let bad = scenario.push_to_the_end("Alarm wrongly").await;
        let (name, cause, way_back) = failed_clean(&bad);
        assert_eq!(
            (name, way_back),
            ("Failed.StackRolledBack", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.contains("Alarm"), "the root cause is named: {cause}");
        assert_eq!(
            scenario.stack_status("web").await.as_deref(),
            Some("UPDATE_ROLLBACK_COMPLETE")
        );
        let state = scenario.is_at_rest().await;
        assert_eq!(
            state.stable.map(|stable| stable.deployment),
            Some(good.deployment),
            "the environment is still on the previous release"
        );
    });
}

#[test]
fn a_red_smoke_test_takes_the_environment_back_to_its_stable_release() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("red-smoke").await;
        let good = scenario.deploys("Answer well").await;
        let stable = good.head.status.release.expect("it has a release");
        scenario.application.answers = "sorry".to_owned();
        let bad = scenario.push_to_the_end("Answer badly").await;
        let (name, cause, way_back) = failed_clean(&bad);
        assert_eq!(
            (name, way_back),
            ("Failed.SmokeTests", &WayBack::went_back(stable.clone())),
            "{cause}"
        );
        assert!(cause.contains("it answers"), "the check is named: {cause}");
        let tests: Vec<bool> = bad
            .entries
            .iter()
            .filter_map(|entry| match &entry.what {
                Event::SmokeTested { report, .. } => Some(report.passed),
                _ => None,
            })
            .collect();
        assert_eq!(tests, [false, true], "red on the way there, green on the way back");
        assert_eq!(
            scenario.is_at_rest().await.stable.map(|stable| stable.release),
            Some(stable)
        );
    });
}

#[test]
fn where_there_is_no_stable_release_yet_the_ending_says_so() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("first-red").await;
        scenario.application.answers = "sorry".to_owned();
        let ended = scenario.push_to_the_end("Answer badly").await;
        let (name, _, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.SmokeTests", &WayBack::NoStableRelease));
        assert_eq!(scenario.is_at_rest().await.stable, None);
    });
}

#[test]
fn f36_a_permission_that_is_missing_is_named_and_the_lock_given_back() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("denied").await;
        scenario
            .deny("cdk-hnb659fds-deploy-role", "cloudformation:ExecuteChangeSet")
            .await;
        let ended = scenario.push_to_the_end("Be refused").await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(
            (name, way_back),
            ("Rejected.AccessDenied", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.contains("ExecuteChangeSet"), "the action is named: {cause}");
        scenario.is_at_rest().await;
    });
}

#[test]
fn f36_a_permission_taken_away_half_way_takes_the_environment_back_to_its_stable_release() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("denied-later").await;
        scenario.application.stacks = vec![Stack::new("data"), Stack::after("data", "web")];
        let good = scenario.deploys("Sell tea").await;
        let stable = good.head.status.release.expect("it has a release");

        let may_go_on = laboratory.emulator.folder().join("denied-later-may-go-on");
        scenario.application.description = "second".to_owned();
        scenario.application.stacks[0].more = resources::waits_for(&may_go_on);
        let bad = scenario.push("Sell more tea").await;
        scenario
            .eventually("the first stack changes", async || {
                scenario.stack_status("data").await.as_deref() == Some("UPDATE_IN_PROGRESS")
            })
            .await;
        // For the second stack only: with the first one it can still go back.
        let second = format!(
            "arn:aws:cloudformation:*:*:stack/{}/*",
            scenario.application.stack_name("web")
        );
        scenario
            .deny_on("cdk-hnb659fds-deploy-role", "cloudformation:ExecuteChangeSet", &second)
            .await;
        std::fs::write(&may_go_on, "").expect("a file can be written");

        let bad = scenario.end_of(&bad).await;
        let (name, cause, way_back) = failed_clean(&bad);
        assert_eq!(
            (name, way_back),
            ("Rejected.AccessDenied", &WayBack::went_back(stable.clone())),
            "{cause}"
        );
        for named in ["cdk-hnb659fds-deploy-role", "cloudformation:ExecuteChangeSet"] {
            assert!(cause.contains(named), "{named} is named: {cause}");
        }
        let forward = stacks(&bad.entries, Leg::Forward);
        assert!(
            forward.contains(&("denied-later-data", true)) && !forward.contains(&("denied-later-web", true)),
            "{forward:?}"
        );
        assert_eq!(stacks(&bad.entries, Leg::Back), [("denied-later-data", true)]);
        for stack in ["data", "web"] {
            assert_eq!(scenario.description(stack).await, "first", "{stack}");
        }
        assert_eq!(
            scenario.is_at_rest().await.stable.map(|stable| stable.release),
            Some(stable)
        );
    });
}

#[test]
fn f22_an_execution_stopped_by_hand_is_put_right() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("stopped").await;
        let is_stopped = laboratory.emulator.folder().join("stopped-is-stopped");
        scenario.application.build_waits_for(&is_stopped);
        let stopped = scenario.push("Take too long").await;
        scenario.is_held().await;
        let arn = laboratory.pipeline.execution_arn(&stopped);
        let machine = laboratory.pipeline.tools.aws.step_functions();
        machine
            .stop_execution()
            .execution_arn(&arn)
            .send()
            .await
            .expect("it can be stopped");
        std::fs::write(&is_stopped, "").expect("a file can be written");
        scenario
            .eventually("its lock is given back", async || {
                scenario.environment().await.holder.is_none()
            })
            .await;
        let ended = scenario.end_of(&stopped).await;
        assert_eq!(ended.status, "ABORTED");
        let Some(Ending::FailedClean {
            failure,
            way_back: WayBack::NothingChanged,
        }) = &ended.head.status.ending
        else {
            panic!("{ended:#?}");
        };
        assert_eq!(failure.name.as_str(), "Failed.Stopped");
        scenario
            .eventually("people are told", async || {
                let subjects = laboratory.subjects("stopped").await;
                subjects.iter().any(|subject| subject.contains("FAILED"))
            })
            .await;
        scenario.deploys("Be quick").await;
    });
}
