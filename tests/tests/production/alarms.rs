//! An alarm goes off while a release bakes.

use domain::deployment::Leg;
use domain::life::{Event, WayBack};
use end_to_end::outcome::{deployed, failed_clean, stacks};
use end_to_end::{alarms, resources};

use crate::{bakes, bakes_to_the_end, in_the_laboratory, operator, until};

#[test]
fn an_alarm_takes_the_environment_back_and_nothing_goes_forward_before_somebody_has_looked() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("alarmed").await;
        alarms::make(&scenario.account, "errors").await;
        let first = scenario.push("Sell tea").await;
        bakes(&scenario, &first).await;
        let said = operator(&scenario, "release", &["--why", "it is good"]).await;
        assert!(
            said.as_ref().is_err_and(|said| said.contains("waits for nobody")),
            "a bake that asks nothing is not shortened: {said:?}"
        );
        scenario.bake_is_over(&first).await;
        deployed(&scenario.end_of(&first).await);

        scenario.application.description = "second".to_owned();
        let bad = scenario.push("Raise prices").await;
        bakes(&scenario, &bad).await;
        assert_eq!(scenario.description("web").await, "second");
        alarms::measure(&scenario.account, "errors", 1.0).await;
        let ended = scenario.end_of(&bad).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(name, "Failed.AlarmRaised", "{cause}");
        assert!(cause.starts_with("errors went into ALARM at "), "{cause}");
        let to = match way_back {
            WayBack::WentBack { to, .. } => to.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(stacks(&ended.entries, Leg::Back), [("alarmed-web", true)]);
        assert_eq!(scenario.description("web").await, "first");
        let state = scenario.is_at_rest().await;
        let stable = state.stable.expect("the first one is stable");
        assert_eq!((&stable.deployment, &stable.release), (&first, &to));
        let hold = state.hold.expect("the environment holds");
        assert_eq!(hold.by, bad.as_str());
        let mails = laboratory
            .emulator
            .mails(local::TOOLS)
            .await
            .expect("there is an inbox");
        let told = |mail: &&local::emulator::Mail| mail.subject.ends_with("FAILED") && mail.body.contains(bad.as_str());
        let mail = mails.iter().find(told).expect("people are told");
        for words in [
            "errors went into ALARM",
            "Affected     customers, for at most ",
            "lockgate release acme/alarmed dev",
        ] {
            assert!(mail.body.contains(words), "{words}: {}", mail.body);
        }

        scenario.application.description = "third".to_owned();
        let refused = scenario.push_to_the_end("Lower prices").await;
        assert_eq!(failed_clean(&refused).0, "Rejected.Held");
        let released = operator(&scenario, "release", &["--why", "prices are right again"]).await;
        assert!(released.is_ok(), "{released:?}");
        assert_eq!(scenario.is_at_rest().await.hold, None);

        scenario
            .eventually("the alarm is quiet", async || {
                alarms::state(&scenario.account, "errors").await == "OK"
            })
            .await;
        // The very same content, in another commit: what went back does not come again by itself.
        scenario.application.description = "second".to_owned();
        let again = scenario.push_to_the_end("Raise prices again").await;
        let (name, cause, _) = failed_clean(&again);
        assert_eq!(name, "Rejected.TakenBackBefore", "{cause}");
        assert_eq!(scenario.description("web").await, "first");
    });
}

#[test]
fn f47_without_a_stable_release_an_alarm_leaves_it_to_the_environments_policy() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("first").await;
        alarms::make(&scenario.account, "errors").await;
        let deployment = scenario.push("Sell tea").await;
        bakes(&scenario, &deployment).await;
        alarms::measure(&scenario.account, "errors", 1.0).await;
        let ended = scenario.end_of(&deployment).await;
        let (name, _, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.AlarmRaised", &WayBack::NoStableRelease));
        assert_eq!(scenario.is_at_rest().await.hold, None);
    });
}

#[test]
fn f44_f45_an_alarm_that_flaps_takes_back_once_and_one_that_was_quiet_again_counts() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("flapping").await;
        alarms::make(&scenario.account, "errors").await;
        bakes_to_the_end(&scenario, "Sell tea").await;
        scenario.application.description = "second".to_owned();
        let bad = scenario.push("Raise prices").await;
        bakes(&scenario, &bad).await;
        for _ in 0..5 {
            scenario.set_alarm("errors", "ALARM").await;
            scenario.set_alarm("errors", "OK").await;
        }
        let ended = scenario.end_of(&bad).await;
        assert_eq!(failed_clean(&ended).0, "Failed.AlarmRaised");
        let back = ended
            .entries
            .iter()
            .filter(|entry| matches!(entry.what, Event::GoingBack { .. }));
        assert_eq!(back.count(), 1);
        assert_eq!(laboratory.executions("flapping").await, 2, "nothing else was started");
        // Late ones, of an alarm that watches nothing any more.
        scenario.set_alarm("errors", "ALARM").await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(laboratory.executions("flapping").await, 2, "nothing else was started");
        scenario.is_at_rest().await;
    });
}

#[test]
fn f28_a_release_that_removed_what_holds_data_asks_before_it_goes_back() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("at-risk").await;
        alarms::make(&scenario.account, "errors").await;
        scenario.application.web().more = resources::table();
        bakes_to_the_end(&scenario, "Sell tea").await;
        scenario.application.web().more = serde_json::json!({});
        let bad = scenario.push("Keep no orders").await;
        bakes(&scenario, &bad).await;
        alarms::measure(&scenario.account, "errors", 1.0).await;
        until(&scenario, &bad, "people are asked", |event| {
            matches!(event, Event::BakeAsked { .. })
        })
        .await;
        let asked = scenario.entries(&bad).await;
        let asked = asked.iter().find_map(|entry| match &entry.what {
            Event::BakeAsked { question } => Some(question.why()),
            _ => None,
        });
        let asked = asked.expect("they are asked something");
        assert!(asked.contains("at-risk-web/Table (AWS::DynamoDB::Table)"), "{asked}");
        let holder = scenario
            .environment()
            .await
            .holder
            .expect("it waits, and keeps the lock");
        assert_eq!(holder.deployment, bad);

        let back = operator(&scenario, "rollback", &["--why", "there is a backup"]).await;
        let back = back.expect("it goes back");
        assert!(back.contains("is back on"), "{back}");
        let ended = scenario.end_of(&bad).await;
        assert_eq!(failed_clean(&ended).0, "Failed.TakenBack");
        assert!(scenario.is_at_rest().await.hold.is_some());
    });
}

#[test]
fn an_execution_that_is_stopped_while_it_bakes_leaves_its_environment_to_an_operator() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("stopped").await;
        alarms::make(&scenario.account, "errors").await;
        let deployment = scenario.push("Sell tea").await;
        bakes(&scenario, &deployment).await;
        let stop = laboratory.pipeline.tools.aws.step_functions().stop_execution();
        let stop = stop
            .execution_arn(laboratory.pipeline.execution_arn(&deployment))
            .send()
            .await;
        stop.expect("it can be stopped");
        scenario
            .eventually("somebody puts it right", async || {
                scenario.environment().await.holder.is_none()
            })
            .await;
        // It had changed something, and there was nothing to go back to: the next one is the way forward.
        let ended = scenario.end_of(&deployment).await;
        assert!(ended.head.status.ending.is_some());
        alarms::measure(&scenario.account, "errors", 1.0).await;
        scenario
            .eventually("nothing is watched any more", async || {
                laboratory
                    .items(&format!("parked#alarms/{}/{}", scenario.account.id, local::REGION))
                    .await
                    .is_empty()
            })
            .await;
        assert_eq!(laboratory.executions("stopped").await, 1);
    });
}
