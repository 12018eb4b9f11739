//! An alarm goes off after a release's bake.

use domain::deployment::Cause;
use domain::life::{Ending, Event, WayBack};
use end_to_end::alarms;
use end_to_end::outcome::{deployed, failed_clean};
use local::tester::Answer;

use crate::in_the_laboratory;

#[test]
fn f46_an_alarm_within_the_watch_starts_a_deployment_that_takes_the_environment_back_once() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("watched").await;
        alarms::make(&scenario.account, "errors").await;
        let first = scenario.deploys("Sell tea").await;
        scenario.application.description = "second".to_owned();
        let second = scenario.deploys("Raise prices").await;
        assert_eq!(scenario.description("web").await, "second");

        alarms::measure(&scenario.account, "errors", 1.0).await;
        scenario
            .eventually("a rollback is started", async || {
                laboratory.executions("watched").await == 3
            })
            .await;
        scenario
            .eventually("it is back", async || {
                let state = scenario.environment().await;
                state.holder.is_none() && state.stable.is_some_and(|stable| stable.deployment == first.deployment)
            })
            .await;
        assert_eq!(scenario.description("web").await, "first");
        let hold = scenario.is_at_rest().await.hold.expect("the environment holds");
        let back = hold.by.parse().expect("a deployment's id");
        let ended = scenario.end_of(&back).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(name, "Failed.AlarmRaised", "{cause}");
        let release = first.head.status.release.expect("it has a release");
        assert!(
            matches!(way_back, WayBack::WentBack { to, .. } if *to == release),
            "{way_back:?}"
        );
        let Event::Requested { deployment } = &ended.entries[0].what else {
            panic!("{:#?}", ended.entries[0])
        };
        assert_eq!(deployment.requested.because, Cause::Alarm);
        let from = deployment.rollback.as_ref().map(|rollback| &rollback.from);
        assert_eq!(from, second.head.status.release.as_ref());

        // Once more: what it is back on has nothing watching it, and no rollback is taken back.
        scenario.set_alarm("errors", "OK").await;
        scenario.set_alarm("errors", "ALARM").await;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert_eq!(laboratory.executions("watched").await, 3);
    });
}

#[test]
fn f46_an_alarm_when_nothing_is_watched_any_more_is_told_to_people() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("told").await;
        alarms::make(&scenario.account, "errors").await;
        deployed(&scenario.push_to_the_end("Sell tea").await);
        scenario.application.description = "second".to_owned();
        deployed(&scenario.push_to_the_end("Raise prices").await);
        for _ in 0..3 {
            scenario.set_alarm("errors", "ALARM").await;
        }
        let subject = "an alarm went off";
        let told = async || {
            let mails = laboratory.subjects("told").await;
            mails.iter().filter(|mail| mail.ends_with(subject)).count()
        };
        scenario.eventually("people are told", async || told().await > 0).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(told().await, 1);
        assert_eq!(laboratory.executions("told").await, 2, "nothing is done about it");
        scenario.is_at_rest().await;
    });
}

#[test]
fn an_alarm_takes_back_what_is_there_while_people_are_asked_about_what_comes_next() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("asking").await;
        alarms::make(&scenario.account, "errors").await;
        for description in ["first", "second"] {
            description.clone_into(&mut scenario.application.description);
            let candidate = scenario.candidate(scenario.push(description).await);
            candidate.answers("qa@acme.example", &Answer::accept("")).await;
            deployed(&candidate.ends().await);
        }
        "third".clone_into(&mut scenario.application.description);
        let asking = scenario.candidate(scenario.push("third").await);
        asking.is_asked_about().await;
        alarms::measure(&scenario.account, "errors", 1.0).await;
        let ended = asking.ends().await;
        assert!(
            matches!(ended.head.status.ending, Some(Ending::Superseded { .. })),
            "nobody waits for people where nothing is changed yet: {ended:#?}"
        );
        scenario
            .eventually("it goes back", async || {
                let state = scenario.environment().await;
                state.holder.is_none() && state.hold.is_some()
            })
            .await;
        assert_eq!(scenario.description("web").await, "first");
        scenario.is_at_rest().await;
    });
}
