//! A release is stable and watched on: an alarm takes it back, or people are told.

use super::*;

/// The mail that tells of an alarm.
const TOLD: &str = "[dev] acme/shop 020202020202 an alarm went off";

/// The second deployment, whose release is stable and watched; that of the first was stable before it.
async fn watched(lookout: &Lookout) -> Deployment {
    let (first, second) = (bakes(1, 0), bakes(2, 0));
    lookout.configures(&second);
    lookout.record(&first, [requested(&first)]).await;
    lookout.settles(&sample::stable(&first)).await;
    lookout.begins(&second).await;
    lookout.settles(&sample::stable(&second)).await;
    assert!(matches!(lookout.course(&second).await, Course::Watching { .. }));
    second
}

/// Nothing takes it back any more: people are told.
async fn only_told_of(lookout: &Lookout) -> Deployment {
    let deployment = watched(lookout).await;
    lookout
        .change_watch(&deployment, |watch| watch.course = Course::Telling)
        .await;
    deployment
}

/// The keys that the sweep would find two minutes from now.
async fn due(lookout: &Lookout) -> Vec<Key> {
    let soon = Timestamp::now() + SignedDuration::from_mins(2);
    lookout.context.ledger.overdue_watches(soon).await.unwrap()
}

fn subjects(lookout: &Lookout) -> Vec<String> {
    lookout.mails().into_iter().map(|mail| mail.subject).collect()
}

#[tokio::test]
async fn an_alarm_starts_one_deployment_that_takes_it_back() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    // What is configured now, and not what was when the release came.
    let mut configured = deployment.clone();
    configured.environment.queue = QueuePolicy::Every;
    lookout.configures(&configured);
    lookout.is_raised();
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });

    let [back]: [Deployment; 1] = lookout.ways_back().try_into().unwrap();
    assert_eq!(lookout.entries(&back).await[0].what, requested(&back));
    assert_eq!(lookout.story(&back).await, ["requested"]);
    let to = sample::stable(&bakes(1, 0));
    assert_eq!((back.release, back.commit), (Some(to.release), to.commit));
    assert_eq!(back.environment, configured.environment);
    assert_eq!(
        (back.reference.as_str(), back.requested.title.as_str()),
        ("main", "Sell apples")
    );
    assert_eq!(
        (back.requested.because, back.requested.by.as_str()),
        (Cause::Alarm, "CloudWatch in 222222222222 eu-west-1")
    );
    let rollback = back.rollback.unwrap();
    let from = release(&deployment);
    assert_eq!((&rollback.from, &rollback.stable), (&from, &from));
    assert_eq!(rollback.because.name, Name::AlarmRaised);
    let cause = rollback.because.cause;
    assert!(
        cause.starts_with("shop-errors went into ALARM at ") && cause.ends_with(REASON),
        "{cause}"
    );
    assert_eq!(lookout.course(&deployment).await, Course::Over);
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 0 });
    assert_eq!((lookout.ways_back().len(), lookout.mails()), (1, vec![]));
}

#[tokio::test]
async fn whoever_dies_before_its_end_is_noted_is_followed_by_one_who_starts_the_same() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.is_raised();
    lookout.aws.fates("PutItem", [Fate::Refused("ThrottlingException")]);
    let error = lookout.event().await.unwrap_err();
    assert_eq!(Failure::from(error).name.class(), Class::Transient);
    assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
    let started = lookout.ways_back();
    assert_eq!(started.len(), 1);

    lookout.wake().await.unwrap();
    assert_eq!((lookout.ways_back(), lookout.aws.count("StartExecution")), (started, 2));
    assert_eq!(lookout.course(&deployment).await, Course::Over);
}

#[tokio::test]
async fn an_execution_that_cannot_be_started_now_is_started_when_it_is_looked_at_again() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.is_raised();
    lookout
        .aws
        .fates("StartExecution", [Fate::Refused("ExecutionLimitExceeded")]);
    let error = lookout.event().await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!(lookout.ways_back(), []);
    lookout.wake().await.unwrap();
    let [back]: [Deployment; 1] = lookout.ways_back().try_into().unwrap();
    assert_eq!(lookout.story(&back).await, ["requested"]);
    assert_eq!(lookout.course(&deployment).await, Course::Over);
}

#[tokio::test]
async fn quiet_alarms_start_nothing_and_the_clock_looks_again() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    let before = lookout.watch(&deployment).await.unwrap();
    assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 1 });
    let after = lookout.watch(&deployment).await.unwrap();
    assert_eq!(after.course, before.course);
    assert!(before.look_at < after.look_at && after.look_at <= Timestamp::now() + LOOK_EVERY);
    assert_eq!((lookout.ways_back(), lookout.mails()), (vec![], vec![]));
    assert_eq!(due(&lookout).await, [key()]);
}

#[tokio::test]
async fn an_alarm_that_went_off_before_its_bake_was_over_is_no_reason_any_more() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.alarms(&[alarm(ALARM, "OK", -2)]);
    let data = json!({ "newState": { "stateValue": "ALARM", "stateReason": REASON } });
    let line = json!({ "AlarmName": ALARM, "Timestamp": ago(60), "HistoryData": data.to_string() });
    let history = json!({ "AlarmHistoryItems": [line] });
    lookout.aws.says("DescribeAlarmHistory", [(200, history.to_string())]);
    lookout.event().await.unwrap();
    assert_eq!((lookout.ways_back(), lookout.mails()), (vec![], vec![]));
    assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
}

#[tokio::test]
async fn who_only_looks_what_going_back_would_change_keeps_no_alarm_from_going_back() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    let mut plan = bakes(3, 0);
    plan.plans = true;
    lookout.record(&plan, [requested(&plan)]).await;
    lookout.is_under_way(&plan).await;
    lookout.is_raised();
    lookout.event().await.unwrap();
    assert_eq!((lookout.ways_back().len(), lookout.mails()), (1, vec![]));
    assert_eq!(lookout.course(&deployment).await, Course::Over);
}

#[tokio::test]
async fn who_asks_people_before_anything_is_changed_keeps_no_alarm_from_going_back() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    let mut asking = bakes(3, 0);
    asking.environment.approval = Some(sample::approval_before());
    let event = |value: Value| serde_json::from_value::<Event>(value).unwrap();
    let release = Digest::of(b"the next");
    let asked = [
        requested(&asking),
        Event::Admitted { fence: 1 },
        Event::Released {
            release: release.clone(),
        },
        event(json!({ "event": "planned", "leg": "forward", "release": release, "waves": [["shop-dev"]] })),
        event(
            json!({ "event": "prepared", "sets": [{ "stack": "shop-dev", "change_set": "arn:set", "hash": release }] }),
        ),
        event(json!({
            "event": "approval_asked", "approval": "0".repeat(32), "people": [], "deadline": "2026-12-24T12:00:00Z",
            "unconfirmed": [], "excluded": [],
        })),
    ];
    lookout.record(&asking, asked).await;
    lookout.is_under_way(&asking).await;
    lookout.is_raised();
    lookout.event().await.unwrap();
    assert_eq!((lookout.ways_back().len(), lookout.mails()), (1, vec![]));
    assert_eq!(lookout.course(&deployment).await, Course::Over);
}

#[tokio::test]
async fn while_another_is_under_way_people_are_told_and_nothing_is_started() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.is_under_way(&bakes(3, 0)).await;
    lookout.is_raised();
    for _ in 0..2 {
        assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    }
    let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
    assert_eq!((mail.topic.as_str(), mail.subject.as_str()), (TOPIC, TOLD));
    assert!(
        mail.body
            .contains("Nothing is done about it: shop-dev-3 is under way there.")
            && mail.body.contains(REASON),
        "{}",
        mail.body
    );
    assert_eq!(lookout.ways_back(), []);
    assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_instead() {
    for (release_of, why) in [
        (1, "there is no earlier stable release to go back to"),
        (2, "it was taken back here once before"),
    ] {
        let lookout = Lookout::new().await;
        watched(&lookout).await;
        lookout.went_back(&release(&bakes(release_of, 0))).await;
        lookout.is_raised();
        lookout.event().await.unwrap();
        let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
        let told = format!("Nothing is done about it: {why}");
        assert!(mail.body.contains(&told), "{}", mail.body);
        assert_eq!(lookout.ways_back(), []);
    }
}

#[tokio::test]
async fn its_own_execution_may_still_close() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.settles(&sample::stable(&bakes(1, 0))).await;
    lookout.is_under_way(&deployment).await;
    lookout.is_raised();
    lookout.aws.forget_calls();
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    assert_eq!(lookout.aws.count("DescribeAlarms"), 0);
    assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
    assert_eq!((lookout.ways_back(), lookout.mails()), (vec![], vec![]));
}

#[tokio::test]
async fn what_is_not_the_environments_release_any_more_is_not_watched() {
    for course in [
        Course::Telling,
        Course::Watching {
            until: Timestamp::now() + SignedDuration::from_hours(1),
        },
    ] {
        let lookout = Lookout::new().await;
        let deployment = watched(&lookout).await;
        lookout.change_watch(&deployment, |watch| watch.course = course).await;
        lookout.settles(&sample::stable(&bakes(3, 0))).await;
        lookout.is_raised();
        lookout.aws.forget_calls();
        assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
        assert_eq!(lookout.course(&deployment).await, Course::Over);
        assert_eq!((lookout.ways_back(), lookout.mails()), (vec![], vec![]));
        assert_eq!(lookout.aws.count("DescribeAlarms"), 0);
        assert_eq!(due(&lookout).await, []);
    }
}

#[tokio::test]
async fn the_next_bake_there_takes_its_place() {
    let lookout = Lookout::new().await;
    let before = watched(&lookout).await;
    let next = bakes(3, 600);
    lookout.begins(&next).await;
    let watch = lookout.watch(&before).await.unwrap();
    assert_eq!((watch.deployment, watch.course), (next.id, Course::Baking));
}

#[tokio::test]
async fn when_its_time_is_over_only_an_alarm_has_it_looked_at() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout
        .change_watch(&deployment, |watch| {
            watch.course = Course::Watching { until: watch.since };
        })
        .await;
    lookout.wake().await.unwrap();
    assert_eq!(lookout.course(&deployment).await, Course::Telling);
    assert_eq!(due(&lookout).await, []);
    assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 0 });
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    assert_eq!(lookout.mails(), []);
}

#[tokio::test]
async fn an_alarm_after_its_time_is_told_once_and_the_next_one_too() {
    let lookout = Lookout::new().await;
    let deployment = only_told_of(&lookout).await;
    for (seconds, mails) in [(0, 1), (-5, 2)] {
        lookout.alarms(&[alarm(ALARM, "ALARM", seconds)]);
        for _ in 0..2 {
            assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
        }
        assert_eq!(subjects(&lookout), vec![TOLD; mails]);
    }
    assert!(
        lookout.mails()[0]
            .body
            .contains("its bake, and the time for which it is watched, are over"),
        "{:?}",
        lookout.mails()
    );
    assert_eq!(lookout.course(&deployment).await, Course::Telling);
    assert_eq!(lookout.ways_back(), []);
}

#[tokio::test]
async fn what_could_not_be_told_is_told_when_the_alarm_is_heard_of_again() {
    let lookout = Lookout::new().await;
    only_told_of(&lookout).await;
    lookout.is_raised();
    lookout.aws.fates("Publish", [Fate::Refused("Throttling")]);
    let error = lookout.event().await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!(lookout.mails(), []);
    for _ in 0..2 {
        lookout.event().await.unwrap();
    }
    assert_eq!(subjects(&lookout), [TOLD]);
}

#[tokio::test]
async fn alarms_that_cannot_be_read_start_nothing_and_are_read_again() {
    for (code, name) in [("AccessDenied", Name::AccessDenied), ("Throttling", Name::Throttled)] {
        let lookout = Lookout::new().await;
        let deployment = watched(&lookout).await;
        lookout.is_raised();
        lookout.aws.fates("DescribeAlarms", [Fate::Refused(code)]);
        let error = lookout.event().await.unwrap_err();
        assert_eq!(Failure::from(error).name, name);
        assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
        assert_eq!((lookout.ways_back(), lookout.mails()), (vec![], vec![]));
        assert_eq!(due(&lookout).await, [key()]);
        lookout.wake().await.unwrap();
        assert_eq!(lookout.ways_back().len(), 1);
    }
}

#[tokio::test]
async fn an_environment_that_is_configured_no_more_is_not_taken_back_and_people_are_told() {
    let lookout = Lookout::new().await;
    let deployment = watched(&lookout).await;
    lookout.aws.state().parameters.clear();
    lookout.is_raised();
    lookout.event().await.unwrap();
    lookout.event().await.unwrap();
    let mails = lookout.aws.state().mails.clone();
    let [mail] = mails.as_slice() else { panic!("{mails:#?}") };
    assert!(
        mail.body.contains("is no application of lockgate.toml"),
        "{}",
        mail.body
    );
    assert_eq!(lookout.ways_back(), []);
    assert!(matches!(lookout.course(&deployment).await, Course::Watching { .. }));
}
