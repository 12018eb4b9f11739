//! A merge to `main` reaches dev, and every way in which it may not.

use domain::environment_state::EnvironmentState;
use domain::life::{Ending, Event, WayBack};
use end_to_end::{Scenario, in_the_laboratory};
use local::deliveries::Delivery;
use local::executions::Ended;
use serde_json::json;

/// The failure's name and what the environment has now, of a deployment that ended red and clean.
fn failed_clean(ended: &Ended) -> (&str, &str, &WayBack) {
    assert_eq!(ended.status, "FAILED", "{ended:#?}");
    match &ended.head.status.ending {
        Some(Ending::FailedClean { failure, way_back }) => (failure.name.as_str(), &failure.cause, way_back),
        other => panic!("{other:?}\n{ended:#?}"),
    }
}

/// Nobody has the lock, nothing is in flight, nobody waits, and nobody is kept out.
async fn is_at_rest(scenario: &Scenario) -> EnvironmentState {
    let state = scenario.environment().await;
    assert_eq!(
        (&state.holder, &state.operation, state.queue.len(), &state.quarantine),
        (&None, &None, 0, &None)
    );
    state
}

#[test]
fn a_push_is_built_deployed_tested_and_recorded_and_so_is_the_next() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("life").await;
        let first = scenario.push("Sell tea").await;
        let ended = scenario.end_of(&first).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
        assert_eq!(ended.status, "SUCCEEDED");
        assert_eq!(
            scenario.account.stack_status("life-web").await.as_deref(),
            Some("CREATE_COMPLETE")
        );
        let stable = is_at_rest(&scenario).await.stable.expect("the release is stable");
        assert_eq!(
            (Some(&stable.release), &stable.deployment),
            (ended.head.status.release.as_ref(), &first)
        );
        assert!(
            domain::ledger::verify(&first, &ended.entries).is_ok(),
            "the chain of entries holds"
        );

        let arn = laboratory.pipeline.execution_arn(&first);
        let counted = laboratory
            .emulator
            .transitions(&arn)
            .await
            .expect("the emulator counts");
        assert!(counted.transitions <= 50, "{counted:#?}");

        scenario.application.description = "second".to_owned();
        let second = scenario.push("Sell more tea").await;
        let ended = scenario.end_of(&second).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
        assert_eq!(
            scenario.account.stack_status("life-web").await.as_deref(),
            Some("UPDATE_COMPLETE")
        );

        let third = scenario.push("Change nothing").await;
        let ended = scenario.end_of(&third).await;
        assert_eq!(ended.head.status.ending, Some(Ending::NothingToDeploy), "{ended:#?}");
        assert_eq!(ended.status, "SUCCEEDED");

        let mails = laboratory
            .emulator
            .mails(local::TOOLS)
            .await
            .expect("there is an inbox");
        let subjects: Vec<&str> = mails
            .iter()
            .map(|mail| mail.subject.as_str())
            .filter(|subject| subject.contains("acme/life"))
            .collect();
        assert_eq!(subjects.len(), 6, "{subjects:?}");
        assert!(subjects[5].ends_with("changed nothing"), "{subjects:?}");
    });
}

#[test]
fn of_a_burst_the_first_and_the_newest_are_deployed_and_the_one_between_is_superseded() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("burst").await;
        scenario.application.build_runs = "sleep 3".to_owned();
        let mut first = scenario.commit("One").await;
        scenario.application.description = "two".to_owned();
        let mut second = scenario.commit("Two").await;
        scenario.application.description = "three".to_owned();
        let mut third = scenario.commit("Three").await;
        first.pushed_at -= 20;
        (second.before, second.pushed_at) = (first.after.to_string(), second.pushed_at - 10);
        third.before = second.after.to_string();

        let one = scenario.deliver(&first).await;
        scenario
            .eventually("the first is admitted", async || {
                scenario.environment().await.holder.is_some()
            })
            .await;
        let two = scenario.deliver(&second).await;
        scenario
            .eventually("the second waits", async || {
                !scenario.environment().await.queue.is_empty()
            })
            .await;
        let three = scenario.deliver(&third).await;

        let (one, two, three) = (
            scenario.end_of(&one).await,
            scenario.end_of(&two).await,
            scenario.end_of(&three).await,
        );
        assert_eq!(one.head.status.ending, Some(Ending::Deployed), "{one:#?}");
        assert_eq!(
            two.head.status.ending,
            Some(Ending::Superseded {
                by: three.deployment.clone()
            }),
            "{two:#?}"
        );
        assert_eq!(three.head.status.ending, Some(Ending::Deployed), "{three:#?}");
        assert_eq!(
            is_at_rest(&scenario).await.stable.map(|stable| stable.deployment),
            Some(three.deployment)
        );
    });
}

#[test]
fn f04_of_fifty_copies_of_a_delivery_one_deployment_comes() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("copies").await;
        let delivery = scenario.commit("Once").await.delivery().expect("a delivery");
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (delivery, url) = (delivery.clone(), laboratory.pipeline.webhook.clone());
            sending.spawn(async move { delivery.send(laboratory.emulator.http(), &url).await });
        }
        let mut accepted = std::collections::BTreeSet::new();
        while let Some(answer) = sending.join_next().await {
            let (status, answer) = answer.expect("it was sent").expect("it was answered");
            // A copy that comes while the first is under way completes the same thing, or is told that it is known.
            assert!(status == 200 || status == 202, "{status}: {answer}");
            accepted.extend(
                answer["deployments"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|id| id.as_str().map(str::to_owned)),
            );
        }
        assert_eq!(accepted.len(), 1, "{accepted:?}");
        let id = accepted
            .first()
            .expect("there is one")
            .parse()
            .expect("its id is valid");
        assert_eq!(scenario.end_of(&id).await.head.status.ending, Some(Ending::Deployed));
        let executions = laboratory.pipeline.tools.aws.step_functions();
        let listed = executions
            .list_executions()
            .state_machine_arn(&laboratory.pipeline.machine)
            .send()
            .await
            .expect("a list");
        assert_eq!(
            listed
                .executions()
                .iter()
                .filter(|execution| execution.name().starts_with("copies-"))
                .count(),
            1
        );
    });
}

#[test]
fn f23_a_red_build_ends_red_with_its_log_and_changes_nothing() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("red-build").await;
        scenario.application.build_fails = Some("2 tests failed".to_owned());
        let ended = scenario.end_of(&scenario.push("Break it").await).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Rejected.BuildFailed", &WayBack::NothingChanged));
        assert!(cause.contains("BUILD") && cause.contains("log-group"), "{cause}");
        assert_eq!(
            ended.error.as_ref().map(|(name, _)| name.as_str()),
            Some("Rejected.BuildFailed")
        );
        assert_eq!(scenario.account.stack_status("red-build-web").await, None);
        is_at_rest(&scenario).await;
    });
}

#[test]
fn a_template_that_cloudformation_refuses_ends_before_any_change() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("refused").await;
        scenario.application.template =
            Some(json!({ "Parameters": { "Size": { "Type": "String" } }, "Resources": {} }).to_string());
        let ended = scenario.end_of(&scenario.push("Ask for what nobody gives").await).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(
            (name, way_back),
            ("Rejected.ChangeSetRefused", &WayBack::NothingChanged),
            "{cause}"
        );
        is_at_rest(&scenario).await;
        scenario.application.template = None;
        let ended = scenario.end_of(&scenario.push("Ask for nothing").await).await;
        assert_eq!(
            ended.head.status.ending,
            Some(Ending::Deployed),
            "what the refused one left is no obstacle: {ended:#?}"
        );
    });
}

#[test]
fn f33_an_update_that_fails_is_rolled_back_by_cloudformation_and_waited_for() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("roll-back").await;
        let good = scenario.end_of(&scenario.push("Sell tea").await).await;
        assert_eq!(good.head.status.ending, Some(Ending::Deployed), "{good:#?}");
        scenario.application.more = json!({ "Alarm": { "Type": "AWS::CloudWatch::Alarm", "Properties": {
            "ComparisonOperator": "LargerThanEverything", "EvaluationPeriods": 1, "MetricName": "Errors",
            "Namespace": "AWS/Lambda", "Period": 60, "Statistic": "Sum", "Threshold": 1 } } });
        let bad = scenario.end_of(&scenario.push("Alarm wrongly").await).await;
        let (name, cause, way_back) = failed_clean(&bad);
        assert_eq!(
            (name, way_back),
            ("Failed.StackRolledBack", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.contains("Alarm"), "the root cause is named: {cause}");
        assert_eq!(
            scenario.account.stack_status("roll-back-web").await.as_deref(),
            Some("UPDATE_ROLLBACK_COMPLETE")
        );
        let state = is_at_rest(&scenario).await;
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
        let good = scenario.end_of(&scenario.push("Answer well").await).await;
        let stable = good.head.status.release.expect("it has a release");
        scenario.application.answers = "sorry".to_owned();
        let bad = scenario.end_of(&scenario.push("Answer badly").await).await;
        let (name, cause, way_back) = failed_clean(&bad);
        assert_eq!(
            (name, way_back),
            ("Failed.SmokeTests", &WayBack::WentBack { to: stable.clone() }),
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
            is_at_rest(&scenario).await.stable.map(|stable| stable.release),
            Some(stable)
        );
    });
}

#[test]
fn where_there_is_no_stable_release_yet_the_ending_says_so() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("first-red").await;
        scenario.application.answers = "sorry".to_owned();
        let ended = scenario.end_of(&scenario.push("Answer badly").await).await;
        let (name, _, way_back) = failed_clean(&ended);
        assert_eq!((name, way_back), ("Failed.SmokeTests", &WayBack::NoStableRelease));
        assert_eq!(is_at_rest(&scenario).await.stable, None);
    });
}

#[test]
fn a_lost_event_costs_a_sweep_and_no_deployment() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("lost-event").await;
        laboratory
            .emulator
            .lose_events(&scenario.account.id, "aws.cloudformation", true)
            .await
            .expect("events can be lost");
        let ended = scenario.end_of(&scenario.push("Be heard late").await).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
    });
}

#[test]
fn f36_a_permission_taken_away_half_way_is_named_and_the_lock_given_back() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("denied").await;
        scenario
            .deny("cdk-hnb659fds-deploy-role", "cloudformation:ExecuteChangeSet")
            .await;
        let ended = scenario.end_of(&scenario.push("Be refused").await).await;
        let (name, cause, way_back) = failed_clean(&ended);
        assert_eq!(
            (name, way_back),
            ("Rejected.AccessDenied", &WayBack::NothingChanged),
            "{cause}"
        );
        assert!(cause.contains("ExecuteChangeSet"), "the action is named: {cause}");
        is_at_rest(&scenario).await;
    });
}

#[test]
fn f22_an_execution_stopped_by_hand_is_put_right() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("stopped").await;
        scenario.application.build_runs = "sleep 20".to_owned();
        let stopped = scenario.push("Take too long").await;
        scenario
            .eventually("it has the lock", async || {
                scenario.environment().await.holder.is_some()
            })
            .await;
        let arn = laboratory.pipeline.execution_arn(&stopped);
        let machine = laboratory.pipeline.tools.aws.step_functions();
        machine
            .stop_execution()
            .execution_arn(&arn)
            .send()
            .await
            .expect("it can be stopped");
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
                let mails = laboratory
                    .emulator
                    .mails(local::TOOLS)
                    .await
                    .expect("there is an inbox");
                mails
                    .iter()
                    .any(|mail| mail.subject.contains("acme/stopped") && mail.subject.contains("FAILED"))
            })
            .await;
        scenario.application.build_runs = "echo quick".to_owned();
        let ended = scenario.end_of(&scenario.push("Be quick").await).await;
        assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
    });
}

#[test]
fn f24_a_release_that_was_tampered_with_is_refused_before_any_change() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("altered").await;
        let first = scenario.end_of(&scenario.push("Be honest").await).await;
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
        is_at_rest(&scenario).await;
    });
}

#[test]
fn f01_f02_f09_bad_deliveries_are_refused_and_leave_no_trace() {
    in_the_laboratory(async |laboratory| {
        let http = laboratory.emulator.http();
        let url = &laboratory.pipeline.webhook;
        let body = br#"{"zen":"Keep it logically awesome."}"#.to_vec();
        let good = Delivery::sign("11111111-1111-1111-1111-111111111111", "ping", body.clone());
        assert_eq!(good.send(http, url).await.expect("an answer").0, 200);
        let signatures = [
            String::new(),
            "sha256=".to_owned(),
            good.signature.to_uppercase(),
            good.signature[..70].to_owned(),
            good.signature.replace("sha256=", "sha1="),
            format!("sha256={}", "z".repeat(64)),
            local::deliveries::signature("another secret", &body),
        ];
        for signature in signatures {
            let bad = Delivery {
                signature,
                id: "22222222-2222-2222-2222-222222222222".to_owned(),
                ..good.clone()
            };
            assert_eq!(
                bad.send(http, url).await.expect("an answer").0,
                401,
                "{}",
                bad.signature
            );
        }
        let changed = Delivery {
            body: br#"{"zen":"Keep it logically awesome!"}"#.to_vec(),
            ..good.clone()
        };
        assert_eq!(changed.send(http, url).await.expect("an answer").0, 401);
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200)).into_bytes();
        for malformed in [b"not json".to_vec(), deep, br#"{"ref":"refs/heads/ma"#.to_vec()] {
            let bad = Delivery::sign("33333333-3333-3333-3333-333333333333", "push", malformed);
            assert_eq!(bad.send(http, url).await.expect("an answer").0, 400);
        }
        let items = laboratory.pipeline.tools.aws.dynamodb();
        for id in [
            "22222222-2222-2222-2222-222222222222",
            "33333333-3333-3333-3333-333333333333",
        ] {
            let found = items
                .query()
                .table_name(&laboratory.pipeline.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(
                    ":pk",
                    aws_sdk_dynamodb::types::AttributeValue::S(format!("delivery#{id}")),
                )
                .send()
                .await
                .expect("the ledger answers");
            assert_eq!(found.items().len(), 0, "nothing is written of what is refused");
        }
    });
}

/// A resource that takes as long to change as it is told.
fn slow_resource(seconds: u32) -> serde_json::Value {
    let code = "import json, time, urllib.request\n\
        def handler(event, context):\n\
        \x20   time.sleep(int(event['ResourceProperties']['Seconds']))\n\
        \x20   body = {k: event[k] for k in ('StackId', 'RequestId', 'LogicalResourceId')}\n\
        \x20   body.update(Status='SUCCESS', PhysicalResourceId='slow')\n\
        \x20   put = urllib.request.Request(event['ResponseURL'], data=json.dumps(body).encode(), method='PUT')\n\
        \x20   urllib.request.urlopen(put).read()\n";
    json!({
        "Waiter": { "Type": "AWS::Lambda::Function", "Properties": {
            "Runtime": "python3.13", "Handler": "index.handler", "Timeout": 60,
            "Role": { "Fn::GetAtt": ["Role", "Arn"] }, "Code": { "ZipFile": code } } },
        "Slow": { "Type": "Custom::Slow", "Properties": {
            "ServiceToken": { "Fn::GetAtt": ["Waiter", "Arn"] }, "Seconds": seconds.to_string() } },
    })
}

#[test]
fn a_stack_that_takes_longer_costs_no_more_transitions() {
    in_the_laboratory(async |laboratory| {
        let mut scenario = laboratory.scenario("slow").await;
        let mut counted = Vec::new();
        for seconds in [0, 9] {
            scenario.application.more = slow_resource(seconds);
            let ended = scenario.end_of(&scenario.push("Take your time").await).await;
            assert_eq!(ended.head.status.ending, Some(Ending::Deployed), "{ended:#?}");
            let arn = laboratory.pipeline.execution_arn(&ended.deployment);
            let transitions = laboratory
                .emulator
                .transitions(&arn)
                .await
                .expect("the emulator counts");
            let update = transitions
                .states
                .iter()
                .find(|state| state.state == "Execute change set")
                .expect("it was executed");
            counted.push((
                transitions.transitions,
                update.milliseconds().expect("it is over") >= f64::from(seconds) * 1000.0,
            ));
        }
        assert_eq!(counted[0], counted[1], "the same number, and each really took its time");
    });
}

#[test]
fn f12_a_delivery_that_stopped_half_way_is_completed_once() {
    in_the_laboratory(async |laboratory| {
        let scenario = laboratory.scenario("halfway").await;
        let delivery = scenario.commit("Stop half-way").await.delivery().expect("a delivery");
        let outage = json!({ "account": local::TOOLS, "service": "states", "action": "StartExecution", "kind": "error500",
            "times": 4, "principal_contains": "lockgate-webhook", "request_contains": "halfway-dev" });
        laboratory.emulator.fail_calls(outage).await.expect("calls can fail");
        let refused = scenario.send(&delivery, 503).await;
        scenario
            .eventually("the sweep completes it", async || {
                scenario.environment().await.stable.is_some()
            })
            .await;
        let again = scenario.send(&delivery, 200).await;
        assert_eq!(again["outcome"], "already_known", "{refused} {again}");
        let executions = laboratory.pipeline.tools.aws.step_functions();
        let listed = executions
            .list_executions()
            .state_machine_arn(&laboratory.pipeline.machine)
            .send()
            .await
            .expect("a list");
        assert_eq!(
            listed
                .executions()
                .iter()
                .filter(|execution| execution.name().starts_with("halfway-"))
                .count(),
            1
        );
    });
}
