//! Alarms, their history, and the metric that shows that somebody uses what was deployed.

use aws::alarms::Alarms;
use aws::{Aws, Error, Kind};
use domain::bake::{AlarmChoice, AlarmSeen, AlarmState, BakePolicy, Fired, Guard, Seen};
use fake_aws::{FakeAws, Fate};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{after, now};

const REASON: &str = "Threshold Crossed: 1 datapoint [3.0] was greater than the threshold (1.0).";

async fn alarms(aws: &FakeAws) -> Alarms {
    Alarms::new(&Aws::with(aws.config().await))
}

/// What these alarms say, and whether they went off since this time.
async fn look_since(aws: &FakeAws, choices: &[AlarmChoice], since: Timestamp) -> Result<Seen, Error> {
    let alarms = alarms(aws).await;
    Box::pin(alarms.look_at_alarms(choices, since)).await
}

async fn look(aws: &FakeAws, choices: &[AlarmChoice]) -> Result<Seen, Error> {
    look_since(aws, choices, now()).await
}

/// Everything that a policy looks at, since a minute and a half, five minutes after it began.
async fn look_at_all(aws: &FakeAws, policy: &BakePolicy) -> Result<Seen, Error> {
    let alarms = alarms(aws).await;
    Box::pin(alarms.look(policy, after(95), after(300))).await
}

fn named(name: &str) -> AlarmChoice {
    AlarmChoice::Named(name.to_owned())
}

fn tagged() -> AlarmChoice {
    AlarmChoice::Tagged {
        key: "app".to_owned(),
        value: "shop".to_owned(),
    }
}

/// A policy that asks for ten orders.
fn policy() -> BakePolicy {
    let evidence = json!({
        "namespace": "Shop", "metric": "Orders", "dimensions": { "Stage": "dev" }, "at_least": 10,
    });
    serde_json::from_value(json!({
        "begins": "after_tests", "for_seconds": 600, "alarms": [tagged()], "evidence": evidence, "silence": "ask",
    }))
    .unwrap()
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:eu-west-1:222222222222:alarm:{name}")
}

/// So many seconds after everything begins, as CloudWatch writes it.
fn time(seconds: i64) -> Value {
    json!({ "$time": after(seconds).as_second() })
}

/// An alarm that says so since then.
fn alarm(name: &str, state: &str, seconds: i64) -> Value {
    json!({
        "AlarmName": name, "AlarmArn": arn(name), "StateValue": state, "StateReason": REASON,
        "StateTransitionedTimestamp": time(seconds),
    })
}

/// One that is quiet, and was for the last minute.
fn quiet(name: &str) -> AlarmSeen {
    AlarmSeen {
        name: name.to_owned(),
        state: AlarmState::Ok,
        fired: None,
    }
}

/// CloudWatch has these alarms, none of them composite.
fn has(aws: &FakeAws, alarms: &[Value]) {
    aws.says("DescribeAlarms", [(200, json!({ "MetricAlarms": alarms }).to_string())]);
}

/// A line of an alarm's history.
fn update(state: &str, seconds: i64) -> Value {
    let data = json!({
        "version": "1.0", "oldState": { "stateValue": "OK" },
        "newState": { "stateValue": state, "stateReason": format!("{state} at {seconds}") },
    });
    json!({
        "AlarmName": "errors", "Timestamp": time(seconds), "HistoryItemType": "StateUpdate",
        "HistoryData": data.to_string(),
    })
}

fn history(items: &[Value], next: Option<&str>) -> (u16, String) {
    let page = json!({ "AlarmHistoryItems": items, "NextToken": next });
    (200, page.to_string())
}

fn resources(names: &[&str], next: &str) -> (u16, String) {
    let resources: Vec<Value> = names.iter().map(|name| json!({ "ResourceARN": arn(name) })).collect();
    let page = json!({ "PaginationToken": next, "ResourceTagMappingList": resources });
    (200, page.to_string())
}

fn data(values: &[f64], next: Option<&str>) -> (u16, String) {
    let result = json!({ "Id": "evidence", "Values": values, "StatusCode": "Complete" });
    let page = json!({ "MetricDataResults": [result], "NextToken": next });
    (200, page.to_string())
}

#[tokio::test]
async fn alarms_come_in_pages_and_those_made_of_others_are_among_them() {
    let aws = FakeAws::default();
    let first = json!({ "MetricAlarms": [alarm("errors", "OK", -60)], "NextToken": "more" });
    let second = json!({ "CompositeAlarms": [alarm("shop", "INSUFFICIENT_DATA", -60)] });
    aws.says("DescribeAlarms", [(200, first.to_string()), (200, second.to_string())]);
    let seen = look(&aws, &[named("shop"), named("errors")]).await.unwrap();
    let silent = AlarmSeen {
        state: AlarmState::InsufficientData,
        ..quiet("shop")
    };
    assert_eq!((seen.alarms, seen.missing), (vec![quiet("errors"), silent], vec![]));

    let calls = aws.calls("DescribeAlarms");
    assert_eq!(calls.len(), 2);
    for call in &calls {
        assert_eq!(call["AlarmNames"], json!(["errors", "shop"]));
        assert_eq!(call["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
    }
    assert_eq!(
        (calls[0].get("NextToken"), calls[1].get("NextToken")),
        (None, Some(&json!("more")))
    );
}

#[tokio::test]
async fn names_that_no_alarm_has_are_missing() {
    let aws = FakeAws::default();
    has(&aws, &[alarm("errors", "OK", -60)]);
    let seen = look(&aws, &[named("gone"), named("errors"), named("never")])
        .await
        .unwrap();
    assert_eq!(seen.alarms, [quiet("errors")]);
    assert_eq!(seen.missing, [named("gone"), named("never")]);
}

#[tokio::test]
async fn more_names_than_one_call_takes_are_asked_for_with_another() {
    let aws = FakeAws::default();
    has(&aws, &[]);
    let choices: Vec<AlarmChoice> = (0..101).map(|number| named(&format!("alarm-{number}"))).collect();
    let seen = look(&aws, &choices).await.unwrap();
    assert_eq!(seen.missing, choices);
    let asked = aws.calls("DescribeAlarms");
    let asked: Vec<usize> = asked
        .iter()
        .map(|call| call["AlarmNames"].as_array().unwrap().len())
        .collect();
    assert_eq!(asked, [100, 1]);
}

#[tokio::test]
async fn alarms_with_a_tag_are_found_on_whatever_page_they_are() {
    let aws = FakeAws::default();
    aws.says(
        "GetResources",
        [resources(&["latency"], "more"), resources(&["errors"], "")],
    );
    has(&aws, &[alarm("errors", "OK", -60), alarm("latency", "OK", -60)]);
    let seen = look(&aws, &[tagged(), named("errors")]).await.unwrap();
    assert_eq!(
        (seen.alarms, seen.missing),
        (vec![quiet("errors"), quiet("latency")], vec![])
    );
    assert_eq!(
        aws.calls("DescribeAlarms")[0]["AlarmNames"],
        json!(["errors", "latency"]),
        "each is asked for once"
    );

    let calls = aws.calls("GetResources");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0]["ResourceTypeFilters"], json!(["cloudwatch:alarm"]));
    assert_eq!(calls[0]["TagFilters"], json!([{ "Key": "app", "Values": ["shop"] }]));
    assert_eq!(calls[1]["PaginationToken"], "more");
}

#[tokio::test]
async fn a_tag_that_no_alarm_has_is_missing() {
    let aws = FakeAws::default();
    aws.says("GetResources", [resources(&[], "")]);
    let seen = look(&aws, &[tagged()]).await.unwrap();
    assert_eq!((seen.alarms, seen.missing), (vec![], vec![tagged()]));
    assert_eq!(
        aws.operations(),
        ["GetResources"],
        "without a name CloudWatch would tell of every alarm"
    );
}

#[tokio::test]
async fn an_alarm_that_has_not_ceased_has_gone_off_whenever_that_was() {
    for seconds in [-3600, 60] {
        let aws = FakeAws::default();
        has(&aws, &[alarm("errors", "ALARM", seconds)]);
        let seen = look(&aws, &[named("errors")]).await.unwrap();
        let raised = AlarmSeen {
            state: AlarmState::Alarm,
            fired: Some(Fired {
                at: after(seconds),
                reason: REASON.to_owned(),
            }),
            ..quiet("errors")
        };
        assert_eq!(seen.alarms, [raised]);
        assert_eq!(aws.operations(), ["DescribeAlarms"], "it says so itself");
    }
}

#[tokio::test]
async fn an_alarm_that_has_not_changed_since_has_no_history_to_read() {
    let aws = FakeAws::default();
    has(&aws, &[alarm("errors", "OK", -1)]);
    let seen = look(&aws, &[named("errors")]).await.unwrap();
    assert_eq!(seen.alarms, [quiet("errors")]);
    assert_eq!(aws.operations(), ["DescribeAlarms"]);
}

#[tokio::test]
async fn an_alarm_that_is_back_already_has_gone_off_when_it_did_so_last() {
    let aws = FakeAws::default();
    has(&aws, &[alarm("errors", "OK", 90)]);
    aws.says(
        "DescribeAlarmHistory",
        [
            history(&[update("OK", 90)], Some("more")),
            history(&[update("ALARM", 60), update("OK", 40), update("ALARM", 20)], None),
        ],
    );
    let seen = look(&aws, &[named("errors")]).await.unwrap();
    let fired = Fired {
        at: after(60),
        reason: "ALARM at 60".to_owned(),
    };
    assert_eq!(
        (seen.alarms[0].state, seen.alarms[0].fired.as_ref()),
        (AlarmState::Ok, Some(&fired))
    );

    let calls = aws.calls("DescribeAlarmHistory");
    assert_eq!(calls.len(), 2);
    for (member, said) in [
        ("AlarmName", json!("errors")),
        ("AlarmTypes", json!(["MetricAlarm", "CompositeAlarm"])),
        ("HistoryItemType", json!("StateUpdate")),
        ("ScanBy", json!("TimestampDescending")),
        ("StartDate", json!(now().as_second())),
    ] {
        assert_eq!(calls[0][member], said, "{member}");
        assert_eq!(calls[1][member], said, "{member}");
    }
    assert_eq!(calls[1]["NextToken"], "more");
}

#[tokio::test]
async fn an_alarm_that_went_off_before_or_never_has_not_gone_off() {
    // CloudWatch is asked in whole seconds, and tells of the whole second.
    let since = now() + SignedDuration::from_millis(500);
    for lines in [
        vec![update("OK", 60), update("ALARM", 0), update("ALARM", -60)],
        vec![update("OK", 60), update("INSUFFICIENT_DATA", 30)],
        vec![],
    ] {
        let aws = FakeAws::default();
        has(&aws, &[alarm("errors", "OK", 60)]);
        aws.says("DescribeAlarmHistory", [history(&lines, None)]);
        let seen = look_since(&aws, &[named("errors")], since).await.unwrap();
        assert_eq!(seen.alarms, [quiet("errors")]);
        assert_eq!(aws.count("DescribeAlarmHistory"), 1);
    }
}

#[tokio::test]
async fn an_alarm_that_says_not_since_when_is_looked_up_in_its_history() {
    let aws = FakeAws::default();
    has(&aws, &[json!({ "AlarmName": "errors", "StateValue": "OK" })]);
    aws.says("DescribeAlarmHistory", [history(&[update("ALARM", 20)], None)]);
    let seen = look(&aws, &[named("errors")]).await.unwrap();
    assert_eq!(seen.alarms[0].fired.as_ref().unwrap().at, after(20));
}

#[tokio::test]
async fn what_was_raised_before_and_what_guards_is_told_without_any_history() {
    let aws = FakeAws::default();
    let described = json!({
        "MetricAlarms": [alarm("errors", "ALARM", -60)], "CompositeAlarms": [alarm("shop", "OK", 60)],
    });
    aws.says("DescribeAlarms", [(200, described.to_string())]);
    let choices = [named("errors"), named("gone"), named("shop")];
    let alarms = alarms(&aws).await;
    let (seen, guards) = Box::pin(alarms.look_before(&choices)).await.unwrap();
    let raised = AlarmSeen {
        state: AlarmState::Alarm,
        fired: Some(Fired {
            at: after(-60),
            reason: REASON.to_owned(),
        }),
        ..quiet("errors")
    };
    assert_eq!(seen.alarms, [raised, quiet("shop")]);
    assert_eq!(seen.missing, [named("gone")]);
    let guard = |name: &str, composite| Guard {
        alarm: name.to_owned(),
        arn: arn(name),
        composite,
    };
    assert_eq!(guards, [guard("errors", false), guard("shop", true)]);
    assert_eq!(aws.operations(), ["DescribeAlarms"]);
}

#[tokio::test]
async fn evidence_is_added_up_over_pages_from_the_minute_that_it_begins_in() {
    let aws = FakeAws::default();
    aws.says("GetResources", [resources(&["errors"], "")]);
    has(&aws, &[alarm("errors", "OK", -60)]);
    aws.says(
        "GetMetricData",
        [
            data(&[3.0, 2.0], Some("more")),
            data(&[], Some("last")),
            data(&[4.5], None),
        ],
    );
    let seen = look_at_all(&aws, &policy()).await.unwrap();
    assert_eq!((seen.alarms, seen.evidence), (vec![quiet("errors")], Some(9)));

    let calls = aws.calls("GetMetricData");
    assert_eq!(calls.len(), 3);
    let metric = json!({
        "Namespace": "Shop", "MetricName": "Orders", "Dimensions": [{ "Name": "Stage", "Value": "dev" }],
    });
    let query = json!({ "Id": "evidence", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Sum" } });
    for call in &calls {
        assert_eq!(call["MetricDataQueries"], json!([query]));
        assert_eq!(
            (&call["StartTime"], &call["EndTime"]),
            (&json!(after(60).as_second()), &json!(after(360).as_second()))
        );
    }
    assert_eq!(
        (&calls[1]["NextToken"], &calls[2]["NextToken"]),
        (&json!("more"), &json!("last"))
    );
}

#[tokio::test]
async fn evidence_that_no_policy_asks_for_is_not_added_up() {
    let aws = FakeAws::default();
    aws.says("GetResources", [resources(&["errors"], "")]);
    has(&aws, &[alarm("errors", "OK", -60)]);
    let policy = BakePolicy {
        evidence: None,
        ..policy()
    };
    assert_eq!(look_at_all(&aws, &policy).await.unwrap().evidence, None);
    assert_eq!(aws.count("GetMetricData"), 0);
}

#[tokio::test]
async fn whatever_is_refused_is_refused_under_its_kind() {
    for operation in [
        "GetResources",
        "DescribeAlarms",
        "DescribeAlarmHistory",
        "GetMetricData",
    ] {
        for (code, kind) in [
            ("AccessDenied", Kind::AccessDenied),
            ("AccessDeniedException", Kind::AccessDenied),
            ("Throttling", Kind::Throttled),
            ("ThrottlingException", Kind::Throttled),
            ("InternalServerError", Kind::Unavailable),
            ("InvalidParameterValue", Kind::Invalid),
        ] {
            let aws = FakeAws::default();
            aws.says("GetResources", [resources(&["errors"], "")]);
            has(&aws, &[alarm("errors", "OK", 120)]);
            aws.says("DescribeAlarmHistory", [history(&[], None)]);
            aws.says("GetMetricData", [data(&[], None)]);
            aws.fates(operation, [Fate::Refused(code)]);
            let error = look_at_all(&aws, &policy()).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{operation}");
            assert!(error.operation.ends_with(&format!(":{operation}")), "{error}");
        }
    }
}

#[tokio::test]
async fn what_cloudwatch_says_of_a_refusal_is_kept_word_for_word() {
    let aws = FakeAws::default();
    let refused = json!({ "__type": "com.amazonaws.cloudwatch#Throttling", "message": "Rate exceeded" });
    aws.says("DescribeAlarms", [(400, refused.to_string())]);
    let error = look(&aws, &[named("errors")]).await.unwrap_err();
    assert_eq!(
        (error.kind, error.to_string().as_str()),
        (Kind::Throttled, "cloudwatch:DescribeAlarms: Rate exceeded")
    );
}
