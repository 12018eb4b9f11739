"""SNS mail and CloudWatch alarms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import TOOLS, Launcher, make_function, wait_for
from test_executions import Machine


def _inbox(launcher: Launcher, account: str) -> list[dict[str, Any]]:
    return list(launcher.local("GET", f"inbox?account={account}")["mails"])


@pytest.mark.parametrize("how", ["api", "template", "inline"])
def test_mail_comes_only_after_confirmation(launcher: Launcher, account: str, how: str) -> None:
    sns = launcher.client("sns", account)
    topic = f"arn:aws:sns:eu-west-1:{account}:mail"
    mail = {"Protocol": "email", "Endpoint": "qa@acme.example"}
    if how == "api":
        sns.create_topic(Name="mail")
        assert sns.subscribe(TopicArn=topic, **mail)["SubscriptionArn"] == "pending confirmation"
    else:
        properties: dict[str, Any] = {"TopicName": "mail"} | ({"Subscription": [mail]} if how == "inline" else {})
        resources: dict[str, Any] = {"T": {"Type": "AWS::SNS::Topic", "Properties": properties}}
        if how == "template":
            resources["S"] = {"Type": "AWS::SNS::Subscription", "Properties": {"TopicArn": {"Ref": "T"}, **mail}}
        cloudformation = launcher.client("cloudformation", account)
        cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
        cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["Endpoint"], listed["SubscriptionArn"]) == ("qa@acme.example", "PendingConfirmation")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["SubscriptionsPending"], attributes["SubscriptionsConfirmed"]) == ("1", "0")
    sns.publish(TopicArn=topic, Message="too early")
    assert _inbox(launcher, account) == []
    confirmation = {"topic_arn": topic, "address": "qa@acme.example"}
    assert launcher.local("POST", "inbox/confirm", confirmation) == {"confirmed": 1}
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"].startswith(f"{topic}:")
    sns.publish(TopicArn=topic, Subject="Please accept", Message="shop 1.2")
    [mailed] = _inbox(launcher, account)
    at = mailed.pop("at")
    assert at and mailed == {
        "account": account, "topic_arn": topic, "to": "qa@acme.example", "subject": "Please accept", "body": "shop 1.2"
    }


def test_mail_may_be_confirmed_at_once(tmp_path: Path) -> None:
    own = Launcher(tmp_path, "--auto-confirm-mail", "--leave-pending", "new@acme.example")
    try:
        sns = own.client("sns", TOOLS)
        topic = sns.create_topic(Name="mail")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="qa@acme.example")
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="new@acme.example")
        sns.publish(TopicArn=topic, Message="hello")
        [mailed] = _inbox(own, TOOLS)
        assert json.loads(mailed["body"])["Message"] == "hello"
    finally:
        own.stop()


def _alarm(launcher: Launcher, account: str, **more: Any) -> Any:
    cloudwatch = launcher.client("cloudwatch", account)
    cloudwatch.put_metric_alarm(**{
        "AlarmName": "errors", "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 6,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching", **more,
    })
    return cloudwatch


def _states(launcher: Launcher, account: str) -> list[str]:
    found = launcher.local("GET", f"events?account={account}")["events"]
    return [e["event"]["detail"]["state"]["value"] for e in found if e["event"]["source"] == "aws.cloudwatch"]


def test_an_alarm_fires_and_goes_back(launcher: Launcher, account: str) -> None:
    dimensions = [{"Name": "Stage", "Value": "production"}]
    cloudwatch = _alarm(launcher, account, Dimensions=dimensions, AlarmDescription="too many")
    sns = launcher.client("sns", account)
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@acme.example")
    launcher.local("POST", "inbox/confirm", {"topic_arn": topic, "address": "ops@acme.example"})
    _alarm(launcher, account, Dimensions=dimensions, AlarmDescription="too many", AlarmActions=[topic])
    wait_for(lambda: _states(launcher, account) == ["OK"], 20)
    metric = {"MetricName": "Errors", "Value": 2}
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[metric])
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{**metric, "Dimensions": dimensions}])
    wait_for(lambda: _states(launcher, account) == ["OK", "ALARM"], 20)
    wait_for(lambda: _states(launcher, account) == ["OK", "ALARM", "OK"], 20)
    found = launcher.local("GET", f"events?account={account}")["events"]
    event = next(e["event"] for e in found if e["event"].get("detail", {}).get("state", {}).get("value") == "ALARM")
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == [f"arn:aws:cloudwatch:eu-west-1:{account}:alarm:errors"]
    detail = event["detail"]
    assert detail["alarmName"] == "errors" and detail["previousState"]["value"] == "OK"
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [2.0]
    [described] = detail["configuration"]["metrics"]
    assert described["metricStat"]["metric"] == {
        "namespace": "Shop", "name": "Errors", "dimensions": {"Stage": "production"}
    }
    assert detail["configuration"]["description"] == "too many"
    [mailed] = _inbox(launcher, account)
    assert mailed["subject"].startswith('ALARM: "errors"')


def test_missing_data_is_treated_as_told(launcher: Launcher, account: str) -> None:
    expected = {"missing": "INSUFFICIENT_DATA", "breaching": "ALARM", "notBreaching": "OK"}
    for treatment in expected:
        cloudwatch = _alarm(launcher, account, AlarmName=treatment, TreatMissingData=treatment)
    def states() -> dict[str, str]:
        return {a["AlarmName"]: a["StateValue"] for a in cloudwatch.describe_alarms()["MetricAlarms"]}

    wait_for(lambda: states() == expected)


def test_a_state_set_by_hand_is_told_and_does_not_last(launcher: Launcher, account: str) -> None:
    cloudwatch = _alarm(launcher, account)
    wait_for(lambda: _states(launcher, account) == ["OK"], 20)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    assert _states(launcher, account) == ["OK", "ALARM"]


def test_an_error_in_a_state_machine_counts_for_the_function_and_its_alias(launcher: Launcher, account: str) -> None:
    function = make_function(launcher, account, "bad", "def handler(event, context):\n    raise ValueError('no')\n")
    api = launcher.client("lambda", account)
    version = api.publish_version(FunctionName="bad")["Version"]
    api.create_alias(FunctionName="bad", Name="live", FunctionVersion=version)
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
            "Arguments": {"FunctionName": f"{function}:live", "Payload": {}}}
    machine = Machine(launcher, account, {"Call": call})
    assert machine.ended(machine.start())["error"] == "ValueError"
    dimensions = [{"Name": "FunctionName", "Value": "bad"}, {"Name": "Resource", "Value": "bad:live"}]
    for name, own in (("function", dimensions[:1]), ("alias", dimensions)):
        cloudwatch = _alarm(launcher, account, AlarmName=name, Namespace="AWS/Lambda", Dimensions=own, Period=60)
    wait_for(lambda: [a["StateValue"] for a in cloudwatch.describe_alarms()["MetricAlarms"]] == ["ALARM", "ALARM"])
