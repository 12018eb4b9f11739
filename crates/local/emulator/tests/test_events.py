"""EventBridge: what stacks tell, what crosses accounts, and what schedules do."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from conftest import REGION, Launcher, make_function, make_role, wait_for

# Notes each event in a queue whose URL is in the environment.
NOTE = """
import json, os, time, botocore.session
def handler(event, context):
    time.sleep(float(event.get("sleep", 0)))
    sqs = botocore.session.get_session().create_client("sqs")
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""
TOPIC = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


class Queue:
    """A queue as the target of a rule, and what came."""

    def __init__(self, launcher: Launcher, account: str):
        self.sqs = launcher.client("sqs", account)
        self.url = self.sqs.create_queue(QueueName="seen")["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:{account}:seen"
        self.seen: list[Any] = []

    def read(self) -> list[Any]:
        answer = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
        self.seen += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return self.seen


def _rule(launcher: Launcher, account: str, target: str, name: str = "r", **more: Any) -> None:
    events = launcher.client("events", account)
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.cloudformation", "own"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": target, **more}])


def _bus(account: str) -> str:
    return f"arn:aws:events:{REGION}:{account}:event-bus/default"


def _send(launcher: Launcher, account: str) -> None:
    launcher.client("events", account).put_events(Entries=[{"Source": "own", "DetailType": "d", "Detail": "{}"}])


def test_a_stack_tells_each_status_with_its_token(launcher: Launcher, account: str) -> None:
    queue = Queue(launcher, account)
    _rule(launcher, account, queue.arn)
    cloudformation = launcher.client("cloudformation", account)
    stack = cloudformation.create_stack(
        StackName="s", TemplateBody=json.dumps(TOPIC), ClientRequestToken="first"
    )["StackId"]
    wait_for(lambda: len(queue.read()) == 2)
    assert [e["detail"] for e in queue.seen] == [
        {"stack-id": stack, "status-details": {"status": status, "status-reason": queue_reason},
         "client-request-token": "first"}
        for status, queue_reason in (("CREATE_IN_PROGRESS", "User Initiated"), ("CREATE_COMPLETE", ""))
    ]
    assert {(e["account"], e["region"], e["detail-type"]) for e in queue.seen} == {
        (account, REGION, "CloudFormation Stack Status Change")
    }
    cloudformation.delete_stack(StackName="s")
    wait_for(lambda: len(queue.read()) == 4)
    assert queue.seen[-1]["detail"]["status-details"]["status"] == "DELETE_COMPLETE"


def test_a_change_set_itself_tells_nothing(launcher: Launcher, account: str) -> None:
    queue = Queue(launcher, account)
    _rule(launcher, account, queue.arn)
    cloudformation = launcher.client("cloudformation", account)
    cloudformation.create_change_set(
        StackName="s", ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps(TOPIC)
    )
    cloudformation.get_waiter("change_set_create_complete").wait(
        StackName="s", ChangeSetName="c", WaiterConfig={"Delay": 0.1}
    )
    cloudformation.execute_change_set(StackName="s", ChangeSetName="c")
    wait_for(lambda: "CREATE_COMPLETE" in [e["detail"]["status-details"]["status"] for e in queue.read()])
    assert [e["detail"]["status-details"]["status"] for e in queue.seen] == [
        "REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
    ]


def _relay_role(launcher: Launcher, account: str, actions: str = "events:PutEvents") -> str:
    return make_role(launcher, account, "relay", "events.amazonaws.com", actions)


def test_an_event_crosses_to_an_account_that_allows_it(launcher: Launcher, account: str, other_account: str) -> None:
    queue = Queue(launcher, other_account)
    _rule(launcher, other_account, queue.arn)
    _rule(launcher, account, _bus(other_account), RoleArn=_relay_role(launcher, account))
    _send(launcher, account)
    time.sleep(0.2)
    assert queue.read() == []
    launcher.client("events", other_account).put_permission(
        StatementId="s", Action="events:PutEvents", Principal=account
    )
    _send(launcher, account)
    [event] = wait_for(queue.read)
    # The rule has the same name in both accounts, and the event says where it came from.
    assert event["account"] == account


@pytest.mark.parametrize(("service", "actions"), [("lambda.amazonaws.com", "*"), ("events.amazonaws.com", "sqs:*")])
def test_a_role_that_may_not_relays_nothing(
    launcher: Launcher, account: str, other_account: str, service: str, actions: str
) -> None:
    queue = Queue(launcher, other_account)
    _rule(launcher, other_account, queue.arn)
    _rule(launcher, account, _bus(other_account), RoleArn=make_role(launcher, account, "relay", service, actions))
    launcher.client("events", other_account).put_permission(StatementId="s", Action="events:PutEvents", Principal="*")
    _send(launcher, account)
    time.sleep(0.3)
    assert queue.read() == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_bus_policy_deploys(launcher: Launcher, account: str, other_account: str, whole: bool) -> None:
    statement = {
        "Effect": "Allow", "Action": "events:PutEvents", "Resource": _bus(account),
        "Principal": {"AWS": f"arn:aws:iam::{other_account}:root"},
        "Condition": {"StringEquals": {"events:source": "own"}},
    }
    parts = {"Action": "events:PutEvents", "Principal": other_account}
    policy = {"StatementId": "s", "EventBusName": "default", **({"Statement": statement} if whole else parts)}
    template = {"Resources": {"P": {"Type": "AWS::Events::EventBusPolicy", "Properties": policy}}}
    cloudformation = launcher.client("cloudformation", account)
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    queue = Queue(launcher, account)
    _rule(launcher, account, queue.arn)
    _rule(launcher, other_account, _bus(account), RoleArn=_relay_role(launcher, other_account))
    _send(launcher, other_account)
    wait_for(lambda: [e["account"] for e in queue.read() if e["source"] == "own"] == [other_account])
    cloudformation.delete_stack(StackName="s")
    wait_for(lambda: "Policy" not in launcher.client("events", account).describe_event_bus())


def test_events_are_lost_on_request(launcher: Launcher, account: str) -> None:
    queue = Queue(launcher, account)
    _rule(launcher, account, queue.arn)
    lost = {"account": account, "source": "own"}
    launcher.local("POST", "events/lose", {**lost, "on": True})
    _send(launcher, account)
    launcher.local("POST", "events/lose", {**lost, "on": False})
    _send(launcher, account)
    wait_for(queue.read)
    assert len(queue.seen) == 1
    noted = launcher.local("GET", f"events?account={account}")["events"]
    assert [e["lost"] for e in noted if e["event"]["source"] == "own"] == [True, False]


def test_events_of_one_thing_are_lost_on_request(launcher: Launcher, account: str) -> None:
    lost = {"account": account, "source": "own", "contains": '"shop-test'}
    launcher.local("POST", "events/lose", {**lost, "on": True})
    for name in ("shop-dev", "shop-test"):
        entry = {"Source": "own", "DetailType": "Build", "Detail": json.dumps({"name": name})}
        launcher.client("events", account).put_events(Entries=[entry])
    noted = launcher.local("GET", f"events?account={account}")["events"]
    assert [e["lost"] for e in noted if e["event"]["source"] == "own"] == [False, True]


def _noting_function(launcher: Launcher, account: str, queue: Queue) -> str:
    return make_function(launcher, account, "note", NOTE, Environment={"Variables": {"QUEUE": queue.url}})


def _schedule(launcher: Launcher, account: str, function: str, **target: Any) -> None:
    events = launcher.client("events", account)
    events.put_rule(Name="sweep", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="sweep", Targets=[{"Id": "t", "Arn": function, **target}])


def test_a_schedule_fires_with_its_input(launcher: Launcher, account: str) -> None:
    queue = Queue(launcher, account)
    transformer = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"kind": "sweep", "at": <at>}'}
    _schedule(launcher, account, _noting_function(launcher, account, queue), InputTransformer=transformer)
    wait_for(lambda: len(queue.read()) >= 2)
    assert queue.seen[0]["kind"] == "sweep" and queue.seen[0]["at"].endswith("Z")
    launcher.client("events", account).disable_rule(Name="sweep")


def test_a_schedule_waits_for_its_former_run(launcher: Launcher, account: str) -> None:
    queue = Queue(launcher, account)
    began = time.monotonic()
    _schedule(launcher, account, _noting_function(launcher, account, queue), Input='{"sleep": 2}')
    wait_for(lambda: len(queue.read()) >= 2, 30)
    # A minute is 0.6 s here: beside each other, two runs of two seconds would have ended long before the fourth.
    assert time.monotonic() - began >= 4
    launcher.client("events", account).disable_rule(Name="sweep")
