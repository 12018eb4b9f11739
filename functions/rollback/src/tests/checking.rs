//! Whether the alarms that are to watch a release let it begin.

use super::*;

/// A deployment that has its environment's lock, and is to be watched by these alarms.
async fn admitted(lookout: &Lookout, alarms: &[&str]) -> Deployment {
    let mut deployment = bakes(1, 600);
    let choices = alarms.iter().map(|name| AlarmChoice::Named((*name).to_owned()));
    deployment.environment.bake.as_mut().unwrap().alarms = choices.collect();
    lookout
        .record(&deployment, [requested(&deployment), Event::Admitted { fence: 1 }])
        .await;
    deployment
}

/// Why it does not begin; nothing is recorded of that.
async fn refusal(lookout: &Lookout, deployment: &Deployment) -> Failure {
    let refused = lookout.check(deployment).await.unwrap_err();
    assert_eq!(lookout.story(deployment).await, ["requested", "admitted"]);
    Failure::from(refused)
}

#[tokio::test]
async fn quiet_alarms_let_it_begin_and_guard_its_stacks() {
    let lookout = Lookout::new().await;
    let deployment = admitted(&lookout, &[ALARM, "shop"]).await;
    let described = json!({
        "MetricAlarms": [alarm(ALARM, "OK", 3600)], "CompositeAlarms": [alarm("shop", "INSUFFICIENT_DATA", 3600)],
    });
    lookout.aws.says("DescribeAlarms", [(200, described.to_string())]);
    let guard = |name: &str, composite| Guard {
        alarm: name.to_owned(),
        arn: arn(name),
        composite,
    };
    let clear = Output::Clear {
        guards: vec![guard("shop", true), guard(ALARM, false)],
    };
    assert_eq!(lookout.check(&deployment).await.unwrap(), clear);
    let checked = Event::AlarmsChecked {
        guards: vec!["shop".to_owned(), ALARM.to_owned()],
        others: vec![],
    };
    assert_eq!(lookout.last(&deployment).await, checked);

    let role = &lookout.aws.calls("AssumeRole")[0];
    assert_eq!(
        role["RoleArn"],
        "arn:aws:iam::222222222222:role/lockgate-observer-eu-west-1"
    );
    assert_eq!(role["ExternalId"], EXTERNAL_ID);

    lookout.check(&deployment).await.unwrap();
    let story = ["requested", "admitted", "alarms_checked"];
    assert_eq!(lookout.story(&deployment).await, story, "it is asked again");
}

#[tokio::test]
async fn those_for_which_cloudformation_has_no_room_watch_all_the_same() {
    let lookout = Lookout::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let deployment = admitted(&lookout, &names).await;
    lookout.alarms(&names.map(|name| alarm(name, "OK", 3600)));
    let Output::Clear { guards } = lookout.check(&deployment).await.unwrap() else {
        panic!("nothing stands in its way");
    };
    let guards: Vec<String> = guards.into_iter().map(|guard| guard.alarm).collect();
    assert_eq!(guards, names[..5]);
    let others = vec!["f".to_owned()];
    assert_eq!(lookout.last(&deployment).await, Event::AlarmsChecked { guards, others });
}

#[tokio::test]
async fn where_nothing_is_watched_nothing_is_asked() {
    let lookout = Lookout::new().await;
    let clear = Output::Clear { guards: vec![] };
    assert_eq!(lookout.check(&deployment(1)).await.unwrap(), clear);
    assert!(lookout.aws.operations().is_empty());
}

#[tokio::test]
async fn an_alarm_that_has_gone_off_already_lets_nothing_begin() {
    let lookout = Lookout::new().await;
    let deployment = admitted(&lookout, &[ALARM, "latency"]).await;
    lookout.alarms(&[alarm(ALARM, "ALARM", 3600), alarm("latency", "OK", 3600)]);
    let failure = refusal(&lookout, &deployment).await;
    assert_eq!(failure.name.as_str(), "Rejected.AlarmAlreadyRaised");
    assert!(
        failure.cause.starts_with("shop-errors is in ALARM since ") && failure.cause.ends_with(REASON),
        "{failure}"
    );
}

#[tokio::test]
async fn an_alarm_that_is_not_there_lets_only_the_first_release_begin() {
    let lookout = Lookout::new().await;
    let deployment = admitted(&lookout, &[ALARM]).await;
    lookout.alarms(&[]);
    lookout.settles(&sample::stable(&bakes(9, 600))).await;
    let failure = refusal(&lookout, &deployment).await;
    assert_eq!(failure.name.as_str(), "Rejected.AlarmMissing");
    assert!(failure.cause.ends_with(": shop-errors"), "{failure}");

    lookout.change_environment(|state| state.stable = None).await;
    let clear = Output::Clear { guards: vec![] };
    assert_eq!(lookout.check(&deployment).await.unwrap(), clear);
}

#[tokio::test]
async fn alarms_that_cannot_be_read_let_nothing_begin() {
    for (operation, code, name) in [
        ("DescribeAlarms", "AccessDenied", Name::AccessDenied),
        ("DescribeAlarms", "Throttling", Name::Throttled),
        ("DescribeAlarms", "InternalServerError", Name::Unavailable),
        ("AssumeRole", "AccessDenied", Name::AccessDenied),
    ] {
        let lookout = Lookout::new().await;
        let deployment = admitted(&lookout, &[ALARM]).await;
        lookout.aws.fates(operation, [Fate::Refused(code)]);
        assert_eq!(refusal(&lookout, &deployment).await.name, name, "{operation} {code}");
    }
}
