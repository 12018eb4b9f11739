"""Step Functions: parked tasks, ends of executions, and what is counted."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, Launcher, make_function, make_role, wait_for

# Parks its token as a parameter, or fails as it is told.
PARK = """
import json, time, botocore.session
class Refused(Exception): pass
Refused.__name__ = "Rejected.NotNow"
def handler(event, context):
    if event.get("fail"):
        raise Refused("because")
    ssm = botocore.session.get_session().create_client("ssm")
    ssm.put_parameter(Name="/token/" + event["name"], Value=event["token"], Type="String", Overwrite=True)
    time.sleep(event.get("linger", 0))
"""


def _park(**more: Any) -> dict[str, Any]:
    payload = {"token": "{% $states.context.Task.Token %}", "name": "a", **more.pop("payload", {})}
    return {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": "park", "Payload": payload}, "TimeoutSeconds": 120, **more,
    }


class Machine:
    """A state machine of an account, and its executions."""

    def __init__(self, launcher: Launcher, account: str, states: dict[str, Any], **more: Any):
        self.launcher, self.account = launcher, account
        self.api = launcher.client("stepfunctions", account)
        self.ssm = launcher.client("ssm", account)
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **more}
        role = make_role(launcher, account, "machine", "states.amazonaws.com")
        self.arn = self.api.create_state_machine(name="m", definition=json.dumps(definition), roleArn=role)[
            "stateMachineArn"
        ]

    def start(self, given: Any = None, **more: Any) -> str:
        started = self.api.start_execution(stateMachineArn=self.arn, input=json.dumps(given or {}), **more)
        return str(started["executionArn"])

    def read(self, execution: str) -> dict[str, Any]:
        return dict(self.api.describe_execution(executionArn=execution))

    def ended(self, execution: str, seconds: float = 60) -> dict[str, Any]:
        wait_for(lambda: self.read(execution)["status"] != "RUNNING", seconds)
        return self.read(execution)

    def token(self, name: str = "a") -> str:
        def read() -> str | None:
            try:
                return str(self.ssm.get_parameter(Name=f"/token/{name}")["Parameter"]["Value"])
            except ClientError:
                return None

        return str(wait_for(read))

    def transitions(self, execution: str) -> dict[str, Any]:
        return dict(self.launcher.local("GET", f"transitions?execution={execution}"))

    def statuses(self, execution: str) -> list[str]:
        found = self.launcher.local("GET", f"events?account={self.account}")["events"]
        return [e["event"]["detail"]["status"] for e in found if e["event"]["resources"] == [execution]]


def test_a_function_that_fails_fails_its_parked_task_at_once(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    caught = {"ErrorEquals": ["Rejected.NotNow"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}
    machine = Machine(launcher, account, {
        "Park": _park(payload={"fail": True}, Catch=[caught], Next="Never"),
        "Never": {"Type": "Fail"},
        "Caught": {"Type": "Succeed", "Output": {"error": "{% $states.input.Error %}"}},
    })
    execution = machine.start()
    # At once is long before the task's own limit: a function may take its time to start.
    ended = machine.ended(execution)
    assert ended["status"] == "SUCCEEDED", (ended["error"], ended["cause"])
    assert json.loads(ended["output"]) == {"error": "Rejected.NotNow"}
    history = machine.api.get_execution_history(executionArn=execution)["events"]
    failed = next(e for e in history if e["type"] == "TaskFailed")
    assert json.loads(failed["taskFailedEventDetails"]["cause"])["errorMessage"] == "because"


def test_a_retry_has_a_token_of_its_own(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    retry = {"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}
    machine = Machine(launcher, account, {"Park": _park(Retry=[retry], End=True)})
    execution = machine.start()
    first = machine.token()
    machine.api.send_task_failure(taskToken=first, error="Again")
    second = wait_for(lambda: machine.token() if machine.token() != first else None)
    with pytest.raises(machine.api.exceptions.TaskTimedOut):
        machine.api.send_task_success(taskToken=first, output="1")
    machine.api.send_task_success(taskToken=second, output='{"n": 2}')
    assert json.loads(machine.ended(execution)["output"]) == {"n": 2}
    assert machine.transitions(execution)["transitions"] == 2


def test_an_answer_is_taken_once_even_while_the_function_runs(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    machine = Machine(launcher, account, {"Park": _park(payload={"linger": 60}, End=True)})
    execution = machine.start()
    token = machine.token()
    machine.api.send_task_success(taskToken=token, output="1")
    with pytest.raises(machine.api.exceptions.TaskTimedOut):
        machine.api.send_task_success(taskToken=token, output="2")
    assert machine.ended(execution, 30)["output"] == "1"
    with pytest.raises(machine.api.exceptions.InvalidToken):
        machine.api.send_task_failure(taskToken="never-was")


def test_stop_ends_parked_tasks_in_maps_too(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    every = {"ErrorEquals": ["States.ALL"], "Next": "After"}
    inner = {"Park": _park(Catch=[every], Next="After"), "After": {"Type": "Pass", "End": True}}
    machine = Machine(launcher, account, {
        "Each": {"Type": "Map", "Items": [1, 2], "ItemProcessor": {"StartAt": "Park", "States": inner},
                 "Catch": [every], "Next": "After"},
        "After": {"Type": "Pass", "End": True},
    })
    execution = machine.start()
    token = machine.token()
    machine.api.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    wait_for(lambda: all(s["exited_at_ms"] for s in machine.transitions(execution)["states"]))
    assert machine.read(execution)["status"] == "ABORTED"
    assert {s["state"] for s in machine.transitions(execution)["states"]} == {"Each", "Park"}
    with pytest.raises(machine.api.exceptions.TaskTimedOut):
        machine.api.send_task_success(taskToken=token, output="1")
    assert machine.statuses(execution) == ["RUNNING", "ABORTED"]


def test_the_machines_own_limit_ends_the_execution(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    machine = Machine(launcher, account, {"Park": _park(End=True)}, TimeoutSeconds=3)
    execution = machine.start()
    token = machine.token()
    assert machine.ended(execution)["status"] == "TIMED_OUT"
    # Its status is told first, and then its task ends.
    wait_for(lambda: all(s["exited_at_ms"] for s in machine.transitions(execution)["states"]))
    with pytest.raises(machine.api.exceptions.TaskTimedOut):
        machine.api.send_task_success(taskToken=token, output="1")
    assert machine.statuses(execution) == ["RUNNING", "TIMED_OUT"]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"TimeoutSeconds": "{% $states.input.limit %}"}, "States.Timeout"),
        ({"TimeoutSeconds": 120, "HeartbeatSeconds": 1}, "States.HeartbeatTimeout"),
    ],
)
def test_a_parked_task_has_its_limits(
    launcher: Launcher, account: str, limits: dict[str, Any], error: str
) -> None:
    make_function(launcher, account, "park", PARK)
    machine = Machine(launcher, account, {"Park": _park(**limits, End=True)})
    ended = machine.ended(machine.start({"limit": 1}))
    assert (ended["status"], ended["error"]) == ("FAILED", error)


def test_the_status_events_have_the_documented_shape(launcher: Launcher, account: str) -> None:
    machine = Machine(launcher, account, {"Good": {
        "Type": "Choice", "Choices": [{"Condition": "{% $states.input.good %}", "Next": "Yes"}], "Default": "No"
    }, "Yes": {"Type": "Succeed"}, "No": {"Type": "Fail", "Error": "E", "Cause": "c"}})
    good, bad = machine.start({"good": True}, name="good"), machine.start({"good": False}, name="bad")
    machine.ended(good), machine.ended(bad)
    wait_for(lambda: machine.statuses(good) == ["RUNNING", "SUCCEEDED"])
    wait_for(lambda: machine.statuses(bad) == ["RUNNING", "FAILED"])
    found = launcher.local("GET", f"events?account={account}")["events"]
    detail = next(e["event"]["detail"] for e in found if e["event"]["resources"] == [bad] and
                  e["event"]["detail"]["status"] == "FAILED")
    assert detail["executionArn"] == bad and detail["name"] == "bad" and detail["stateMachineArn"] == machine.arn
    assert detail["error"] == "E" and detail["cause"] == "c" and detail["stopDate"] >= detail["startDate"]


def test_the_same_start_is_the_same_execution(launcher: Launcher, account: str) -> None:
    machine = Machine(launcher, account, {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}})
    first = machine.start({"a": 1}, name="one")
    assert machine.start({"a": 1}, name="one") == first
    with pytest.raises(machine.api.exceptions.ExecutionAlreadyExists):
        machine.start({"a": 2}, name="one")
    machine.ended(first)
    with pytest.raises(machine.api.exceptions.ExecutionAlreadyExists):
        machine.start({"a": 1}, name="one")


def test_transitions_are_counted_inside_maps_and_branches(launcher: Launcher, account: str) -> None:
    note = {"Note": {"Type": "Pass", "Next": "Done"}, "Done": {"Type": "Succeed"}}
    inner_map = {"Type": "Map", "Items": "{% $states.input %}", "End": True,
                 "ItemProcessor": {"StartAt": "Note", "States": note}}
    machine = Machine(launcher, account, {
        "Outer": {"Type": "Map", "Items": [[1, 2], [3]], "Next": "Both",
                  "ItemProcessor": {"StartAt": "Inner", "States": {"Inner": inner_map}}},
        "Both": {"Type": "Parallel", "Next": "End", "Branches": [
            {"StartAt": "Left", "States": {"Left": {"Type": "Pass", "End": True}}},
            {"StartAt": "Right", "States": {"Right": {"Type": "Pass", "End": True}}},
        ]},
        "End": {"Type": "Succeed"},
    })
    execution = machine.start()
    assert machine.ended(execution)["status"] == "SUCCEEDED"
    counted = machine.transitions(execution)
    assert counted["transitions"] == 1 + 2 + 2 * 3 + 1 + 2 + 1
    paths = sorted((s["path"], s["state"]) for s in counted["states"])
    assert ("/Outer[0]/Inner[1]", "Note") in paths and ("/Both.Left", "Left") in paths and ("", "End") in paths
    assert all(s["exited_at_ms"] >= s["entered_at_ms"] for s in counted["states"])


def test_errors_of_the_service_have_its_names(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    launcher.client("lambda", account).put_function_concurrency(FunctionName="park", ReservedConcurrentExecutions=0)
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True,
            "Arguments": {"FunctionName": "park", "Payload": {}}}
    machine = Machine(launcher, account, {"Call": call})
    assert machine.ended(machine.start())["error"] == "Lambda.TooManyRequestsException"
    launcher.local("POST", "fail", {"account": account, "service": "lambda", "action": "Invoke", "kind": "error500"})
    assert machine.ended(machine.start())["error"] == "Lambda.ServiceException"


def test_output_beyond_the_limit_fails_and_all_does_not_catch_it(launcher: Launcher, account: str) -> None:
    large = {"Type": "Parallel", "End": True, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Large"}], "Branches": [
        {"StartAt": "In", "States": {"In": {"Type": "Pass", "Output": "{% $pad('', 300000, 'x') %}", "End": True}}}]}
    machine = Machine(launcher, account, {"Large": large})
    assert machine.ended(machine.start())["error"] == "States.DataLimitExceeded"


def test_many_executions_park_at_once(launcher: Launcher, account: str) -> None:
    park = PARK.replace('"/token/" + event["name"]', '"/token/" + event["token"]')
    make_function(launcher, account, "park", park)
    machine = Machine(launcher, account, {"Park": _park(End=True)})
    executions = [machine.start() for _ in range(10)]
    found: set[str] = set()

    def tokens() -> bool:
        pages = machine.ssm.get_paginator("get_parameters_by_path").paginate(Path="/token")
        found.update(p["Value"] for page in pages for p in page["Parameters"])
        return len(found) == len(executions)

    wait_for(tokens, 60)
    for token in found:
        machine.api.send_task_success(taskToken=token, output="1")
    began = time.monotonic()
    assert {machine.ended(e)["status"] for e in executions} == {"SUCCEEDED"}
    assert time.monotonic() - began < 60 and REGION in machine.arn


def test_a_retry_waits_as_long_as_it_says(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "park", PARK)
    retry = {"ErrorEquals": ["Rejected.NotNow"], "IntervalSeconds": 1, "BackoffRate": 60, "MaxDelaySeconds": 1,
             "MaxAttempts": 2}
    machine = Machine(launcher, account, {"Park": _park(payload={"fail": True}, Retry=[retry], End=True)})
    execution = machine.start()
    assert machine.ended(execution, 90)["error"] == "Rejected.NotNow"
    [stay] = machine.transitions(execution)["states"]
    # Without the ceiling, the second retry alone would wait a minute.
    assert stay["retries"] == 2 and 2000 <= stay["exited_at_ms"] - stay["entered_at_ms"] < 60_000
