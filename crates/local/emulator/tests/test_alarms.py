"""CloudWatch as who watches a deployment sees it: alarms, their history, tags and metrics."""

from __future__ import annotations

import datetime
import json
import time
import urllib.request
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import REGION, TOOLS, Launcher, allow, make_function, wait_for
from test_events import Queue, _relay_role
from test_http_apis import _api, _get
from test_mail_and_alarms import _alarm, _states

# As the SDK for Rust speaks, as boto3 does, and as older SDKs do.
PROTOCOLS = ["smithy-rpc-v2-cbor", "json", "query"]
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
BOTH = ["MetricAlarm", "CompositeAlarm"]


def _watcher(
    launcher: Launcher, account: str, protocol: str, credentials: dict[str, str] | None = None, region: str = REGION
) -> Any:
    """A CloudWatch client that speaks one protocol."""
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    load = loader.load_service_model

    def load_one(service: str, kind: str, api_version: str | None = None) -> Any:
        model = load(service, kind, api_version)
        if kind == "service-2":
            model = {**model, "metadata": {**model["metadata"], "protocol": protocol, "protocols": [protocol]}}
        return model

    loader.load_service_model = load_one
    keys = credentials or {"AccessKeyId": account, "SecretAccessKey": "test"}
    return session.create_client(
        "cloudwatch", region, endpoint_url=launcher.endpoint, config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
    )


def _described(client: Any, *names: str) -> list[dict[str, Any]]:
    answer = client.describe_alarms(AlarmNames=list(names), AlarmTypes=BOTH)
    return [*answer["MetricAlarms"], *answer["CompositeAlarms"]]


def _refused(call: Any, **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as refused:
        call(**given)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def _deploy(launcher: Launcher, account: str, resources: dict[str, Any], change: str = "create") -> None:
    cloudformation = launcher.client("cloudformation", account)
    getattr(cloudformation, f"{change}_stack")(StackName="s", TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter(f"stack_{change}_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})


@each_protocol
def test_an_alarm_tells_its_state_and_since_when(launcher: Launcher, account: str, protocol: str) -> None:
    client = _watcher(launcher, account, protocol)
    _alarm(launcher, account)
    client.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(errors)", ActionsEnabled=False)
    client.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="test")
    before = datetime.datetime.now(datetime.UTC)
    client.set_alarm_state(
        AlarmName="errors", StateValue="ALARM", StateReason="by <hand>", StateReasonData='{"who":"me & you"}'
    )
    single, composite = _described(client, "any", "errors", "missing")
    assert before - datetime.timedelta(milliseconds=1) <= single["StateTransitionedTimestamp"]
    assert single["StateTransitionedTimestamp"] <= composite["StateTransitionedTimestamp"]
    assert single["StateUpdatedTimestamp"] == single["StateTransitionedTimestamp"]
    assert (single["StateValue"], single["StateReason"], single["StateReasonData"]) == (
        "ALARM", "by <hand>", '{"who":"me & you"}'
    )
    assert single["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{account}:alarm:errors"
    assert (single["ActionsEnabled"], single["Threshold"], single["Period"]) == (True, 1.0, 6)
    assert (composite["AlarmName"], composite["StateValue"], composite["ActionsEnabled"]) == ("any", "ALARM", False)
    [cause] = json.loads(composite["StateReasonData"])["triggeringAlarms"]
    assert cause["arn"] == single["AlarmArn"]
    # A changed configuration leaves the state alone.
    _alarm(launcher, account, AlarmDescription="changed")
    [changed] = client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"]
    assert changed["AlarmDescription"] == "changed"
    assert {key: changed[key] for key in changed if key.startswith("State")} == {
        key: single[key] for key in single if key.startswith("State")
    }
    # Who names no type is told of metric alarms only.
    answer = client.describe_alarms()
    assert len(answer["MetricAlarms"]) == 1 and not answer.get("CompositeAlarms")


@each_protocol
def test_alarms_are_described_in_pages_of_up_to_100_names(launcher: Launcher, account: str, protocol: str) -> None:
    client = _watcher(launcher, account, protocol)
    names = [f"a{number}" for number in range(3)]
    for name in names:
        _alarm(launcher, account, AlarmName=name)
    absent = [f"b{number}" for number in range(97)]
    pages = list(client.get_paginator("describe_alarms").paginate(
        AlarmNames=names + absent, PaginationConfig={"PageSize": 2}
    ))
    assert [[alarm["AlarmName"] for alarm in page["MetricAlarms"]] for page in pages] == [["a0", "a1"], ["a2"]]
    # The SDKs do not count them.
    assert _refused(client.describe_alarms, AlarmNames=[*names, *absent, "c"])[0] == "ValidationError"


def _history(client: Any, **given: Any) -> list[dict[str, Any]]:
    asked = {"AlarmName": "errors", "HistoryItemType": "StateUpdate", **given}
    pages = client.get_paginator("describe_alarm_history").paginate(**asked)
    return list(pages.build_full_result()["AlarmHistoryItems"])


def test_the_history_tells_each_change_of_state(launcher: Launcher, account: str) -> None:
    cloudwatch = _alarm(launcher, account)
    wait_for(lambda: _states(launcher, account) == ["OK"], 20)
    between = datetime.datetime.now(datetime.UTC)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test", StateReasonData='{"a":1}')
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="better")
    for protocol in PROTOCOLS:
        client = _watcher(launcher, account, protocol)
        last, middle, first = _history(client, ScanBy="TimestampDescending", MaxRecords=1)
        assert [item["HistorySummary"] for item in (first, middle, last)] == [
            "Alarm updated from INSUFFICIENT_DATA to OK", "Alarm updated from OK to ALARM",
            "Alarm updated from ALARM to OK",
        ]
        assert first["Timestamp"] < between < middle["Timestamp"] < last["Timestamp"]
        told = json.loads(middle["HistoryData"])
        was = told["oldState"].pop("stateReasonData")
        assert (was["period"], was["recentDatapoints"], was["threshold"]) == (6, [], 1.0)
        assert told == {
            "version": "1.0",
            "oldState": {
                "stateValue": "OK",
                "stateReason": "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint "
                "was treated as [NonBreaching].",
            },
            "newState": {"stateValue": "ALARM", "stateReason": "test", "stateReasonData": {"a": 1}},
        }
        # Without data of its own a state does not keep those of the former one.
        assert json.loads(last["HistoryData"])["newState"] == {"stateValue": "OK", "stateReason": "better"}
        assert "StateReasonData" not in _described(client, "errors")[0]
        assert _history(client, StartDate=between, ScanBy="TimestampAscending") == [middle, last]
        assert _history(client, EndDate=between) == [first]
        [created] = _history(client, HistoryItemType="ConfigurationUpdate")
        assert created["HistorySummary"] == 'Alarm "errors" created'
        assert _history(client, AlarmName="missing") == []


def test_the_history_outlives_the_alarm(launcher: Launcher, account: str) -> None:
    cloudwatch = _alarm(launcher, account)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    before = len(_history(cloudwatch))
    cloudwatch.delete_alarms(AlarmNames=["errors"])
    assert len(_history(cloudwatch)) == before
    # A new one of that name begins anew.
    _alarm(launcher, account)
    wait_for(lambda: len(_history(cloudwatch)) == before + 1, 5)
    assert _history(cloudwatch)[0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to OK"


def test_a_composite_alarm_follows_its_children_and_tells_so(launcher: Launcher, account: str) -> None:
    cloudwatch = _alarm(launcher, account)
    _alarm(launcher, account, AlarmName="other")
    wait_for(lambda: _states(launcher, account) == ["OK", "OK"], 20)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(errors) OR ALARM(other)", AlarmDescription="d")
    # The metric says so, and nobody by hand.
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Errors", "Value": 2}])
    wait_for(lambda: _states(launcher, account).count("ALARM") == 3, 20)
    wait_for(lambda: _described(cloudwatch, "any")[0]["StateValue"] == "OK", 20)
    told = [e["event"] for e in launcher.local("GET", f"events?account={account}")["events"]]
    mine = [e for e in told if e.get("detail", {}).get("alarmName") == "any"]
    assert [e["detail"]["state"]["value"] for e in mine] == ["OK", "ALARM", "OK"]
    assert mine[1]["detail"]["configuration"] == {
        "alarmRule": "ALARM(errors) OR ALARM(other)", "description": "d"
    }
    assert mine[1]["detail"]["previousState"] == mine[0]["detail"]["state"]
    # Only who asks for it is told of a composite alarm's history.
    def history(**types: Any) -> list[str]:
        items = cloudwatch.describe_alarm_history(AlarmName="any", **types)["AlarmHistoryItems"]
        return [item["HistorySummary"].rsplit(" ", 1)[-1] for item in items]

    assert history() == [] and history(AlarmTypes=BOTH) == ["OK", "ALARM", "OK"]


def test_an_alarm_reaches_a_bus_of_another_account(launcher: Launcher, account: str, other_account: str) -> None:
    tools = launcher.client("events", other_account)
    bus = tools.create_event_bus(Name="pipeline")["EventBusArn"]
    tools.put_permission(EventBusName="pipeline", StatementId="s", Action="events:PutEvents", Principal=account)
    queue = Queue(launcher, other_account)
    pattern = {"source": ["aws.cloudwatch"], "account": [account]}
    tools.put_rule(Name="fired", EventBusName="pipeline", EventPattern=json.dumps(pattern))
    tools.put_targets(Rule="fired", EventBusName="pipeline", Targets=[{"Id": "t", "Arn": queue.arn}])
    own = launcher.client("events", account)
    pattern = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}
    own.put_rule(Name="fired", EventPattern=json.dumps(pattern))
    own.put_targets(
        Rule="fired", Targets=[{"Id": "t", "Arn": bus, "RoleArn": _relay_role(launcher, account)}]
    )
    cloudwatch = _alarm(launcher, account, Period=60)
    wait_for(lambda: _states(launcher, account) == ["OK"], 20)
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Errors", "Value": 1}])
    [event] = wait_for(queue.read, 5)
    assert (event["account"], event["region"], event["source"]) == (account, REGION, "aws.cloudwatch")
    assert event["resources"] == [f"arn:aws:cloudwatch:{REGION}:{account}:alarm:errors"]
    state = event["detail"]["state"]
    assert state["value"] == "ALARM" and state["reason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints")
    assert state["reason"].endswith(
        "was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )


def _found(launcher: Launcher, account: str, region: str = REGION, **filters: list[str]) -> list[str]:
    tagging = boto3.client(
        "resourcegroupstaggingapi", region_name=region, endpoint_url=launcher.endpoint,
        aws_access_key_id=account, aws_secret_access_key="test",
    )
    asked = [{"Key": key, "Values": values} for key, values in filters.items()]
    found = tagging.get_resources(ResourceTypeFilters=["cloudwatch:alarm"], TagFilters=asked)
    return sorted(each["ResourceARN"].rsplit(":", 1)[-1] for each in found["ResourceTagMappingList"])


def test_alarms_are_found_by_their_tags(launcher: Launcher, account: str, other_account: str) -> None:
    cloudwatch = _alarm(launcher, account, AlarmName="put", Tags=[{"Key": "app", "Value": "shop"}])
    launcher.client("sns", account).create_topic(Name="t", Tags=[{"Key": "app", "Value": "shop"}])
    tags = [{"Key": "app", "Value": "shop"}, {"Key": "stage", "Value": "prod"}]
    alarm = {
        "AlarmName": "deployed", "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Tags": tags,
    }
    any_of = {"AlarmName": "any", "AlarmRule": {"Fn::Sub": 'ALARM("${A}")'}, "Tags": tags}
    resources = {
        "A": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm},
        "C": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": any_of},
    }
    _deploy(launcher, account, resources)
    assert _found(launcher, account, app=["shop"]) == ["any", "deployed", "put"]
    assert _found(launcher, account, app=["shop"], stage=["prod", "qa"]) == ["any", "deployed"]
    assert _found(launcher, account, app=["other"]) == []
    assert _found(launcher, account, "us-east-1", app=["shop"]) == []
    assert _found(launcher, other_account, app=["shop"]) == []
    alarm["Tags"] = tags[:1]
    _deploy(launcher, account, resources, "update")
    assert _found(launcher, account, stage=[]) == ["any"]
    cloudwatch.tag_resource(
        ResourceARN=f"arn:aws:cloudwatch:{REGION}:{account}:alarm:put", Tags=[{"Key": "stage", "Value": "prod"}]
    )
    assert _found(launcher, account, stage=["prod"]) == ["any", "put"]
    cloudwatch.delete_alarms(AlarmNames=["put"])
    assert _found(launcher, account, stage=["prod"]) == ["any"]


def test_a_composite_alarm_deploys(launcher: Launcher, account: str) -> None:
    cloudwatch = _alarm(launcher, account)
    composite = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": "OK(errors)"}}
    _deploy(launcher, account, {"C": composite})
    [made] = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert made["AlarmName"].startswith("s-C-")
    composite["Properties"] = {"AlarmRule": "ALARM(errors)", "AlarmDescription": "changed"}
    _deploy(launcher, account, {"C": composite}, "update")
    [changed] = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert (changed["AlarmName"], changed["AlarmRule"]) == (made["AlarmName"], "ALARM(errors)")
    composite["Properties"] = {"AlarmRule": "ALARM(errors)", "AlarmName": "renamed"}
    _deploy(launcher, account, {"C": composite}, "update")
    [renamed] = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert renamed["AlarmName"] == "renamed"
    cloudformation = launcher.client("cloudformation", account)
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    assert cloudwatch.describe_alarms(AlarmTypes=BOTH)["CompositeAlarms"] == []
    composite["Properties"] = {"AlarmRule": "ALARM(missing)"}
    cloudformation.create_stack(StackName="s2", TemplateBody=json.dumps({"Resources": {"C": composite}}))
    wait_for(lambda: cloudformation.describe_stacks(StackName="s2")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE")


def _sums(client: Any, metric: dict[str, Any], start: float, end: float, **more: Any) -> list[tuple[float, float]]:
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    [result] = client.get_metric_data(
        MetricDataQueries=[query], StartTime=start, EndTime=end, **more
    )["MetricDataResults"]
    assert result["StatusCode"] == "Complete"
    return [(at.timestamp(), value) for at, value in zip(result["Timestamps"], result["Values"], strict=True)]


@each_protocol
def test_metrics_are_summed_by_the_minute(launcher: Launcher, account: str, protocol: str) -> None:
    client = _watcher(launcher, account, protocol)
    minute = time.time() // 60 * 60 - 300
    client.put_metric_data(Namespace="Shop", MetricData=[
        {"MetricName": "Orders", "Value": value, "Timestamp": minute + seconds}
        for value, seconds in ((1, 2), (2.5, 50), (4, 61), (8, 130))
    ])
    metric = {"Namespace": "Shop", "MetricName": "Orders"}
    # From within a minute is from its beginning.
    sums = _sums(client, metric, minute + 30, minute + 120)
    assert sums == [(minute + 60, 4.0), (minute, 3.5)]
    assert _sums(client, metric, minute + 30, minute + 120, ScanBy="TimestampAscending") == sums[::-1]
    assert _sums(client, {**metric, "MetricName": "None"}, minute, minute + 120) == []


@each_protocol
def test_a_functions_metrics_are_in_its_account_and_region(
    launcher: Launcher, account: str, other_account: str, protocol: str
) -> None:
    code = "def handler(event, context):\n    assert event['rawPath'] == '/good'\n    return {'statusCode': 200}\n"
    api = _api(launcher, account, make_function(launcher, account, "shop", code))
    begun = time.time()
    assert [_get(f"{api['ApiEndpoint']}/{path}")[0] for path in ("good", "bad", "good")] == [200, 500, 200]

    def counted(client: Any) -> list[float]:
        return [
            sum(value for _, value in _sums(client, {
                "Namespace": "AWS/Lambda", "MetricName": name,
                "Dimensions": [{"Name": "FunctionName", "Value": "shop"}],
            }, begun, time.time() + 1))
            for name in ("Invocations", "Errors")
        ]

    assert counted(_watcher(launcher, account, protocol)) == [3, 1]
    assert counted(_watcher(launcher, account, protocol, region="us-east-1")) == [0, 0]
    assert counted(_watcher(launcher, other_account, protocol)) == [0, 0]
    assert counted(_watcher(launcher, TOOLS, protocol)) == [0, 0]


def _foreign_session(launcher: Launcher, account: str, trusted: str, name: str, statement: Any) -> dict[str, str]:
    """Credentials of a role of one account that another one's principals may assume."""
    iam = launcher.client("iam", account)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    if statement:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Statement": [statement]}))
    iam = launcher.client("iam", trusted)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("sts:AssumeRole"))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
    assumed = launcher.client("sts", trusted, keys).assume_role(RoleArn=role, RoleSessionName="session")
    return dict(assumed["Credentials"])


def _looks(launcher: Launcher, account: str, protocol: str, credentials: dict[str, str]) -> dict[str, bool]:
    """What a session may do of what a watcher does."""
    client = _watcher(launcher, account, protocol, credentials)
    query = {"Id": "q", "MetricStat": {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}}
    now = time.time()
    calls = {
        "alarms": (client.describe_alarms, {"AlarmNames": ["errors"]}),
        "all": (client.describe_alarms, {"AlarmTypes": BOTH}),
        "history": (client.describe_alarm_history, {"AlarmName": "errors"}),
        "history of all": (client.describe_alarm_history, {"AlarmName": "errors", "AlarmTypes": BOTH}),
        "metrics": (client.get_metric_data, {"MetricDataQueries": [query], "StartTime": now - 60, "EndTime": now}),
        "its tags": (
            client.list_tags_for_resource, {"ResourceARN": f"arn:aws:cloudwatch:{REGION}:{account}:alarm:errors"}
        ),
        "tags": (
            launcher.client("resourcegroupstaggingapi", account, credentials).get_resources,
            {"ResourceTypeFilters": ["cloudwatch:alarm"]},
        ),
    }
    allowed = {}
    for name, (call, given) in calls.items():
        try:
            call(**given)
            allowed[name] = True
        except ClientError as refused:
            # The Tagging API was never spoken to by Query.
            assert refused.response["Error"]["Code"] == "AccessDenied" + ("Exception" if name == "tags" else "")
            allowed[name] = False
    return allowed


@each_protocol
def test_another_account_looks_at_what_the_role_may(
    launcher: Launcher, account: str, other_account: str, protocol: str
) -> None:
    _alarm(launcher, account)
    everything = [
        "cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory", "cloudwatch:GetMetricData",
        "cloudwatch:ListTagsForResource", "tag:GetResources",
    ]

    def looks(name: str, statement: Any) -> set[str]:
        credentials = _foreign_session(launcher, account, other_account, name, statement)
        return {what for what, allowed in _looks(launcher, account, protocol, credentials).items() if allowed}

    may = {"Effect": "Allow", "Action": everything, "Resource": "*"}
    here = {"StringEquals": {"aws:RequestedRegion": REGION}}
    elsewhere = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    assert looks("nobody", None) == looks("elsewhere", {**may, "Condition": elsewhere}) == set()
    assert looks("observer", {**may, "Condition": here}) == {
        "alarms", "all", "history", "history of all", "metrics", "tags", "its tags"
    }
    # Composite alarms are not shown to who may look at some alarms only.
    alarms = f"arn:aws:cloudwatch:{REGION}:{account}:alarm:*"
    assert looks("narrow", {**may, "Resource": alarms}) == {"alarms", "history", "its tags"}
    assert looks("one", {**may, "Resource": alarms.replace("*", "errors")}) == {"history", "its tags"}
    assert looks("summer", {**may, "Action": "cloudwatch:GetMetricData"}) == {"metrics"}
    assert looks("finder", {**may, "Action": "tag:GetResources"}) == {"tags"}


@each_protocol
def test_a_call_fails_on_request_in_its_protocol(launcher: Launcher, account: str, protocol: str) -> None:
    client = _watcher(launcher, account, protocol)
    armed = {"account": account, "service": "monitoring", "action": "DescribeAlarms", "request_contains": "errors"}
    for kind, told in (("throttle", ("Throttling", 400)), ("error500", ("InternalFailure", 500))):
        launcher.local("POST", "fail", {**armed, "kind": kind})
        assert client.describe_alarms(AlarmNames=["another"])["MetricAlarms"] == []
        assert _refused(client.describe_alarms, AlarmNames=["errors"]) == told
        assert client.describe_alarms(AlarmNames=["errors"])["MetricAlarms"] == []


def test_the_search_by_tag_fails_on_request(launcher: Launcher, account: str) -> None:
    tagging = launcher.client("resourcegroupstaggingapi", account)
    armed = {"account": account, "service": "tagging", "action": "GetResources"}
    for kind, told in (("throttle", ("ThrottledException", 400)), ("error500", ("InternalServiceException", 500))):
        launcher.local("POST", "fail", {**armed, "kind": kind})
        assert _refused(tagging.get_resources, ResourceTypeFilters=["cloudwatch:alarm"]) == told


def test_the_sdk_for_rust_is_understood(launcher: Launcher, account: str) -> None:
    _alarm(launcher, account, AlarmName="ä")
    # Its maps tell their end instead of their length, and its answers must have the types of the model.
    asked = b"\xbf\x6aAlarmNames\x81\x62\xc3\xa4\x6aMaxRecords\x18\x64\xff"
    scope = f"{account}/20261124/{REGION}/monitoring/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "content-type": "application/cbor", "accept": "application/cbor", "smithy-protocol": "rpc-v2-cbor",
        "x-amzn-query-mode": "true",
    }
    path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
    request = urllib.request.Request(launcher.endpoint + path, asked, headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
        assert answer.headers["content-type"] == "application/cbor"
        told = answer.read()
    assert b"\x69AlarmName\x62\xc3\xa4" in told
    # An integer, a double and a timestamp.
    assert b"\x66Period\x06" in told and b"\x69Threshold\xfb\x3f\xf0" in told
    assert b"\x78\x1aStateTransitionedTimestamp\xc1\xfb" in told
    # What has no value is not there.
    assert b"Unit" not in told
