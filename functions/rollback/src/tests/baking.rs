//! A release bakes: what ends that, and what people are asked.

use super::*;

/// The mail that asks people for a word about the deployment of this number.
fn asks(number: u8) -> String {
    let commit = format!("{number:02x}").repeat(6);
    format!("[dev] acme/shop {commit} waits for a person's word")
}

/// A line of the alarm's history: it went off so many seconds ago.
fn went_off(seconds: i64) -> (u16, String) {
    let data = json!({ "newState": { "stateValue": "ALARM", "stateReason": REASON } });
    let line = json!({
        "AlarmName": ALARM, "Timestamp": ago(seconds), "HistoryItemType": "StateUpdate", "HistoryData": data.to_string(),
    });
    (200, json!({ "AlarmHistoryItems": [line] }).to_string())
}

/// A table was removed from the stack of this deployment.
fn table_removed() -> [Event; 3] {
    let (leg, stack) = (Leg::Forward, "shop-dev");
    let loss = json!({
        "logical_id": "Orders", "resource_type": "AWS::DynamoDB::Table", "how": "removed", "stateful": true,
        "kept": false,
    });
    let summary = json!({
        "add": 0, "modify": 0, "remove": 1, "import": 0, "dynamic": 0, "data_lost": 1, "losses": [loss],
        "truncated": 0,
    });
    [
        json!({ "event": "compared", "leg": leg, "stack": stack, "summary": summary }),
        json!({ "event": "executing", "leg": leg, "stack": stack, "change_set": "arn:set" }),
        json!({ "event": "updated", "leg": leg, "stack": stack }),
    ]
    .map(|event| serde_json::from_value(event).unwrap())
}

/// What a person says.
fn word(says: Says) -> Word {
    Word {
        says,
        by: LEAD.to_owned(),
        why: "we looked at it".to_owned(),
        at: Timestamp::now(),
    }
}

#[tokio::test]
async fn it_is_parked_before_anybody_looks() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.brings(&deployment).await;
    lookout.is_quiet();
    lookout.aws.forget_calls();
    assert_eq!(lookout.bake(&deployment).await.unwrap(), Output::Parked);
    let operations = lookout.aws.operations();
    assert_eq!(operations[..2], ["PutItem", "SendTaskHeartbeat"]);
    assert!(operations[2..].contains(&"DescribeAlarms".to_owned()), "{operations:?}");

    let parked = lookout.parked().await;
    assert_eq!(parked.len(), 1);
    assert!(parked[0].look_at <= Timestamp::now() + LOOK_EVERY);
    let watch = lookout.watch(&deployment).await.unwrap();
    assert_eq!((watch.course, watch.release), (Course::Baking, release(&deployment)));
    let baking = Event::Baking {
        until: watch.bakes_until,
        alarms: vec![ALARM.to_owned()],
    };
    assert_eq!(lookout.last(&deployment).await, baking);
    assert_eq!((lookout.ends(), lookout.mails()), (vec![], vec![]));
}

#[tokio::test]
async fn one_whose_time_is_over_soon_is_looked_at_then() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 10);
    lookout.begins(&deployment).await;
    let watch = lookout.watch(&deployment).await.unwrap();
    assert_eq!(lookout.parked().await[0].look_at, watch.bakes_until);
}

#[tokio::test]
async fn a_token_that_nobody_waits_for_leaves_nothing() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.brings(&deployment).await;
    lookout.aws.state().gone.insert(token(&deployment.id));
    let before = lookout.aws.state().table.items.clone();
    assert_eq!(lookout.bake(&deployment).await.unwrap(), Output::Parked);
    let after = lookout.aws.state().table.items.clone();
    assert_eq!(after, before);
    assert_eq!(lookout.aws.count("DescribeAlarms"), 0);
}

#[tokio::test]
async fn an_alarm_ends_it_and_says_why() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.begins(&deployment).await;
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    assert_eq!(lookout.ends(), [], "the alarm of something else went off");

    lookout.is_raised();
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    let (token, answer) = lookout.aws.answers().pop().unwrap();
    assert_eq!(
        (token.as_str(), &answer["outcome"]),
        ("token-1", &json!("alarm_raised"))
    );
    let cause = answer["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("shop-errors went into ALARM at ") && cause.ends_with(REASON),
        "{cause}"
    );
    assert_eq!(lookout.course(&deployment).await, Course::Over);
    assert_eq!(lookout.parked().await, []);
    assert_eq!(lookout.story_since(&deployment).await, ["baking"]);
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 0 });
    assert_eq!((lookout.ends().len(), lookout.mails()), (1, vec![]));
}

#[tokio::test]
async fn an_alarm_that_went_off_while_the_release_came_ends_it_at_once() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.brings(&deployment).await;
    lookout.alarms(&[alarm(ALARM, "ALARM", 60)]);
    assert_eq!(lookout.bake(&deployment).await.unwrap(), Output::Parked);
    assert_eq!(lookout.ends(), [end(1, "alarm_raised")]);
    assert_eq!(lookout.course(&deployment).await, Course::Over);
}

#[tokio::test]
async fn an_alarm_that_is_back_already_ends_it_too() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.begins(&deployment).await;
    lookout.alarms(&[alarm(ALARM, "OK", -2)]);
    lookout.aws.says("DescribeAlarmHistory", [went_off(-1)]);
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "alarm_raised")]);
}

#[tokio::test]
async fn what_stayed_quiet_for_its_time_passes_and_is_watched_on() {
    for (watch_seconds, hours) in [(Some(3600), Some(1)), (None, None)] {
        let lookout = Lookout::new().await;
        let mut deployment = bakes(1, 0);
        deployment.environment.watch_seconds = watch_seconds;
        lookout.begins(&deployment).await;
        assert_eq!(lookout.ends(), [end(1, "passed")]);
        let baked = Event::Baked {
            how: "the alarm shop-errors stayed OK".to_owned(),
        };
        assert_eq!(lookout.last(&deployment).await, baked);
        let watch = lookout.watch(&deployment).await.unwrap();
        let course = hours.map_or(Course::Telling, |hours| Course::Watching {
            until: watch.since + SignedDuration::from_hours(hours),
        });
        assert_eq!(watch.course, course);
        assert_eq!((lookout.parked().await, lookout.mails()), (vec![], vec![]));
    }
}

#[tokio::test]
async fn it_passes_when_its_time_is_over_and_not_before() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.begins(&deployment).await;
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), []);
    lookout.is_over(&deployment).await;
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "passed")]);
    assert_eq!(lookout.story_since(&deployment).await, ["baking", "baked"]);
}

#[tokio::test]
async fn an_end_that_could_not_be_told_is_told_when_it_is_looked_at_again() {
    for (state, outcome) in [("OK", "passed"), ("ALARM", "alarm_raised")] {
        let lookout = Lookout::new().await;
        let deployment = bakes(1, 0);
        lookout.brings(&deployment).await;
        lookout.is_under_way(&deployment).await;
        lookout.alarms(&[alarm(ALARM, state, 3600)]);
        lookout
            .aws
            .fates("SendTaskSuccess", [Fate::Refused("ThrottlingException")]);
        assert_eq!(lookout.bake(&deployment).await.unwrap(), Output::Parked);
        assert_eq!((lookout.ends(), lookout.parked().await.len()), (vec![], 1), "{state}");
        lookout.wake().await.unwrap();
        assert_eq!(lookout.ends(), [end(1, outcome)]);
        let is_over = lookout.course(&deployment).await == Course::Over;
        assert_eq!((is_over, lookout.parked().await), (state == "ALARM", vec![]));
    }
}

#[tokio::test]
async fn silence_asks_people_once() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 0);
    lookout.brings(&deployment).await;
    lookout.alarms(&[]);
    lookout.bake(&deployment).await.unwrap();
    for _ in 0..2 {
        assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 1 });
    }
    assert_eq!(lookout.story_since(&deployment).await, ["baking", "bake_asked"]);
    let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
    assert_eq!((mail.topic.as_str(), mail.subject), (TOPIC, asks(1)));
    assert!(
        mail.body.contains("there is no such alarm any more: shop-errors"),
        "{}",
        mail.body
    );
    let watch = lookout.watch(&deployment).await.unwrap();
    assert!(watch.course == Course::Baking && watch.asked.is_some_and(|asked| asked.told));
    assert_eq!((lookout.ends(), lookout.parked().await.len()), (vec![], 1));
}

#[tokio::test]
async fn a_question_that_could_not_be_mailed_is_mailed_when_it_is_looked_at_again() {
    for code in ["Throttling", "AuthorizationError", "InternalError"] {
        let lookout = Lookout::new().await;
        let deployment = bakes(1, 0);
        lookout.brings(&deployment).await;
        lookout.alarms(&[]);
        lookout.aws.fates("Publish", [Fate::Refused(code)]);
        lookout.bake(&deployment).await.unwrap();
        assert_eq!((lookout.mails(), lookout.parked().await.len()), (vec![], 1), "{code}");
        for _ in 0..2 {
            lookout.wake().await.unwrap();
        }
        assert_eq!(lookout.mails().len(), 1, "{code}");
        assert_eq!(lookout.story_since(&deployment).await, ["baking", "bake_asked"]);
    }
}

#[tokio::test]
async fn what_was_missing_may_come_after_all() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 0);
    lookout.brings(&deployment).await;
    lookout.alarms(&[alarm(ALARM, "INSUFFICIENT_DATA", 3600)]);
    lookout.bake(&deployment).await.unwrap();
    assert_eq!((lookout.ends(), lookout.mails().len()), (vec![], 1));
    lookout.is_quiet();
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "passed")]);
    assert_eq!(
        lookout.story_since(&deployment).await,
        ["baking", "bake_asked", "baked"]
    );
}

#[tokio::test]
async fn a_release_that_nobody_uses_waits_for_evidence_and_people_hear_of_that_once() {
    let lookout = Lookout::new().await;
    let mut deployment = bakes(1, 0);
    let evidence = json!({ "namespace": "Shop", "metric": "Orders", "at_least": 10 });
    deployment.environment.bake.as_mut().unwrap().evidence = serde_json::from_value(evidence).unwrap();
    lookout.brings(&deployment).await;
    lookout.is_quiet();
    let orders = |found: f64| {
        let result = json!({ "Id": "evidence", "Values": [found] });
        (200, json!({ "MetricDataResults": [result] }).to_string())
    };
    lookout
        .aws
        .says("GetMetricData", [orders(4.0), orders(7.0), orders(12.0)]);
    lookout.bake(&deployment).await.unwrap();
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), []);
    let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
    assert!(
        mail.body.contains("Orders of Shop adds up to 4, and 10 are asked for"),
        "{}",
        mail.body
    );
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "passed")]);
    let baked = Event::Baked {
        how: "the alarm shop-errors stayed OK; Orders 12".to_owned(),
    };
    assert_eq!(lookout.last(&deployment).await, baked);
}

#[tokio::test]
async fn silence_passes_where_that_is_asked_for_and_somebody_could_look() {
    for (refused, ends) in [(false, vec![end(1, "passed")]), (true, vec![])] {
        let lookout = Lookout::new().await;
        let mut deployment = bakes(1, 0);
        deployment.environment.bake.as_mut().unwrap().silence = Silence::Pass;
        lookout.brings(&deployment).await;
        lookout.alarms(&[]);
        if refused {
            lookout.aws.fates("DescribeAlarms", [Fate::Refused("AccessDenied")]);
        }
        lookout.bake(&deployment).await.unwrap();
        assert_eq!(lookout.ends(), ends);
        assert_eq!(lookout.mails().len(), usize::from(refused));
    }
}

#[tokio::test]
async fn alarms_that_cannot_be_read_are_a_question_to_people_when_its_time_is_over() {
    for operation in ["DescribeAlarms", "AssumeRole"] {
        let lookout = Lookout::new().await;
        let deployment = bakes(1, 600);
        lookout.brings(&deployment).await;
        let refused = || Fate::Refused("AccessDenied");
        lookout.aws.fates(operation, [refused(), refused()]);
        assert_eq!(lookout.bake(&deployment).await.unwrap(), Output::Parked);
        assert_eq!(lookout.course(&deployment).await, Course::Baking);
        assert_eq!(
            (lookout.parked().await.len(), lookout.mails(), lookout.ends()),
            (1, vec![], vec![]),
            "{operation}"
        );

        lookout.is_over(&deployment).await;
        assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 1 });
        let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
        assert!(mail.body.contains("the alarms cannot be read: "), "{}", mail.body);
        assert_eq!((lookout.parked().await.len(), lookout.ends()), (1, vec![]));
    }
}

#[tokio::test]
async fn a_throttled_look_is_made_again_and_loses_nothing() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 0);
    lookout.brings(&deployment).await;
    lookout.is_quiet();
    lookout.aws.fates("DescribeAlarms", [Fate::Refused("Throttling")]);
    assert_eq!(
        lookout.bake(&deployment).await.unwrap(),
        Output::Parked,
        "a fault of AWS's is no fault of the release"
    );
    assert_eq!(lookout.course(&deployment).await, Course::Baking);
    assert_eq!(
        (lookout.parked().await.len(), lookout.mails(), lookout.ends()),
        (1, vec![], vec![])
    );
    lookout.wake().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "passed")]);
}

#[tokio::test]
async fn a_persons_word_ends_it_whatever_can_be_seen() {
    let passed = json!({ "outcome": "passed" });
    let taken_back = json!({ "outcome": "taken_back", "cause": format!("{LEAD} says: we looked at it") });
    for (says, answer, events) in [
        (Says::Pass, passed, vec!["baking", "bake_answered", "baked"]),
        (Says::GoBack, taken_back, vec!["baking", "bake_answered"]),
    ] {
        for fate in [Fate::Done, Fate::Refused("Throttling"), Fate::Refused("AccessDenied")] {
            let lookout = Lookout::new().await;
            let deployment = bakes(1, 600);
            lookout.begins(&deployment).await;
            lookout
                .change_watch(&deployment, |watch| watch.word = Some(word(says)))
                .await;
            lookout.aws.fates("DescribeAlarms", [fate]);
            assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 1 });
            assert_eq!(lookout.aws.answers(), [("token-1".to_owned(), answer.clone())]);
            assert_eq!(lookout.story_since(&deployment).await, events);
            let is_over = lookout.course(&deployment).await == Course::Over;
            assert_eq!(is_over, says == Says::GoBack);
            assert_eq!(lookout.parked().await, []);
        }
    }
}

#[tokio::test]
async fn what_a_person_lets_pass_passes_by_their_word_though_its_alarm_went_off() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.begins(&deployment).await;
    lookout
        .change_watch(&deployment, |watch| watch.word = Some(word(Says::Pass)))
        .await;
    lookout.is_raised();
    lookout.event().await.unwrap();
    let baked = Event::Baked {
        how: format!("{LEAD} says that it is good: we looked at it"),
    };
    assert_eq!(lookout.last(&deployment).await, baked);
}

#[tokio::test]
async fn what_may_lose_data_asks_before_it_goes_back() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    let release = release(&deployment);
    lookout.brings_with(&deployment, &release, table_removed()).await;
    lookout.is_raised();
    lookout.bake(&deployment).await.unwrap();
    lookout.event().await.unwrap();
    assert_eq!(lookout.ends(), []);
    let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
    assert_eq!(mail.subject, asks(1));
    assert!(
        mail.body.contains("shop-dev/Orders (AWS::DynamoDB::Table)") && mail.body.contains(REASON),
        "{}",
        mail.body
    );
    assert_eq!(lookout.story_since(&deployment).await, ["baking", "bake_asked"]);
}

#[tokio::test]
async fn what_the_same_release_may_lose_was_put_at_risk_by_whoever_brought_it_first() {
    let lookout = Lookout::new().await;
    let (first, second) = (bakes(1, 600), bakes(2, 600));
    let release = release(&first);
    lookout.brings_with(&first, &release, table_removed()).await;
    lookout.is_quiet();
    lookout.bake(&first).await.unwrap();
    lookout.stands(&first, "ABORTED");

    lookout.brings_with(&second, &release, []).await;
    lookout.bake_as(&second, &release, &token(&second.id)).await.unwrap();
    lookout.is_raised();
    lookout.event().await.unwrap();
    assert_eq!(lookout.ends(), []);
    let [mail]: [Mail; 1] = lookout.mails().try_into().unwrap();
    assert!(
        mail.subject == asks(2) && mail.body.contains("shop-dev/Orders (AWS::DynamoDB::Table)"),
        "{mail:?}"
    );
}

#[tokio::test]
async fn what_was_taken_back_once_is_not_taken_back_by_itself_again() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.went_back(&release(&deployment)).await;
    lookout.begins(&deployment).await;
    lookout.is_raised();
    lookout.event().await.unwrap();
    lookout.is_quiet();
    lookout.is_over(&deployment).await;
    lookout.wake().await.unwrap();
    assert_eq!((lookout.ends(), lookout.mails().len()), (vec![], 1));
    assert_eq!(lookout.course(&deployment).await, Course::Baking);
    assert_eq!(lookout.story_since(&deployment).await, ["baking", "bake_asked"]);
}

#[tokio::test]
async fn whoever_died_after_parking_is_begun_by_the_next_who_looks() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.brings(&deployment).await;
    lookout
        .aws
        .fates("SendTaskHeartbeat", [Fate::Refused("ThrottlingException")]);
    lookout.bake(&deployment).await.unwrap_err();
    assert_eq!(
        (lookout.parked().await.len(), lookout.watch(&deployment).await),
        (1, None)
    );

    lookout.is_quiet();
    assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 1 });
    let watch = lookout.watch(&deployment).await.unwrap();
    assert_eq!(
        (watch.deployment, watch.course),
        (deployment.id.clone(), Course::Baking)
    );
    assert_eq!(lookout.story_since(&deployment).await, ["baking"]);
    lookout.is_raised();
    lookout.event().await.unwrap();
    assert_eq!(lookout.ends(), [end(1, "alarm_raised")]);
}

#[tokio::test]
async fn one_that_is_called_again_goes_on_baking_and_is_answered_once() {
    let lookout = Lookout::new().await;
    let deployment = bakes(1, 600);
    lookout.begins(&deployment).await;
    let watch = lookout.watch(&deployment).await;
    lookout.aws.state().gone.insert(token(&deployment.id));
    lookout
        .bake_as(&deployment, &release(&deployment), "again")
        .await
        .unwrap();
    assert_eq!(lookout.watch(&deployment).await, watch);
    assert_eq!(lookout.parked().await.len(), 1);
    assert_eq!(lookout.story_since(&deployment).await, ["baking"]);
    lookout.is_raised();
    lookout.event().await.unwrap();
    assert_eq!(lookout.ends(), [("again".to_owned(), json!("alarm_raised"))]);
}

#[tokio::test]
async fn one_whose_alarms_cannot_be_read_keeps_nobody_from_looking_at_another() {
    let lookout = Lookout::new().await;
    let first = bakes(1, 600);
    let mut second = bakes(2, 600);
    second.environment.name = "other".parse().unwrap();
    lookout.begins(&first).await;
    lookout.begins(&second).await;
    lookout.is_raised();
    lookout.aws.fates("DescribeAlarms", [Fate::Refused("Throttling")]);
    let error = lookout.event().await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::Throttled);
    assert_eq!(lookout.ends(), [end(2, "alarm_raised")]);
    assert_eq!(
        (lookout.course(&first).await, lookout.course(&second).await),
        (Course::Baking, Course::Over)
    );
    assert_eq!(lookout.event().await.unwrap(), Output::Looked { watched: 1 });
    assert_eq!(lookout.ends(), [end(2, "alarm_raised"), end(1, "alarm_raised")]);
}

#[tokio::test]
async fn nobody_waits_for_it_any_more() {
    for (status, course) in [("ABORTED", Course::Over), ("RUNNING", Course::Baking)] {
        let lookout = Lookout::new().await;
        let deployment = bakes(1, 600);
        lookout.begins(&deployment).await;
        lookout.stands(&deployment, status);
        lookout.aws.state().gone.insert(token(&deployment.id));
        lookout.is_raised();
        lookout.aws.forget_calls();
        lookout.event().await.unwrap();
        assert_eq!(lookout.course(&deployment).await, course, "{status}");
        assert_eq!((lookout.parked().await, lookout.ends()), (vec![], vec![]));
        assert_eq!(lookout.aws.count("DescribeAlarms"), 0, "there is nothing to look for");
    }
}

#[tokio::test]
async fn what_is_watched_by_no_alarm_is_nothing_to_look_at() {
    let lookout = Lookout::new().await;
    assert_eq!(lookout.wake().await.unwrap(), Output::Looked { watched: 0 });
    let key = Key::lock(&deployment(1).id);
    let error = lookout.ask(json!({ "do": "wake", "key": key })).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::InvalidInput);

    lookout.brings(&deployment(1)).await;
    let error = lookout.bake(&deployment(1)).await.unwrap_err();
    assert_eq!(Failure::from(error).name, Name::InvalidInput);
}
