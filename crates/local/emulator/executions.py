"""How a Step Functions execution starts and ends.

- StartExecution is idempotent for a running execution of the same name and input,
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
- the machine's own ``TimeoutSeconds`` ends the execution as ``TIMED_OUT``
- stopping or timing out ends parked tasks; their tokens are void and no further state is entered
- ``States.ALL`` does not match ``States.Runtime`` and ``States.DataLimitExceeded``,
  https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, now_iso
from ministack.services import stepfunctions as sfn

from emulator import background, callbacks
from emulator.seams import around

# Raised inside an execution that is over; no Retry and no Catch sees it.
ENDED = "Local.ExecutionEnded"
PAYLOAD_LIMIT = 262_144
_UNCATCHABLE_BY_ALL = frozenset({"States.Runtime", "States.DataLimitExceeded"})


def running(execution: dict[str, Any] | None) -> bool:
    return execution is not None and execution["status"] == "RUNNING"


def raise_if_ended(execution: dict[str, Any] | None) -> None:
    if execution is not None and execution["status"] != "RUNNING":
        raise sfn._ExecutionError(ENDED, "")


def install() -> None:
    _install_start()
    _install_end()


def _install_start() -> None:
    @around("_start_execution", sfn)
    def start(original: Any, data: dict[str, Any]) -> Any:
        name, given = data.get("name"), data.get("input", "{}")
        try:
            json.loads(given)
        except ValueError:
            return error_response_json("InvalidExecutionInput", "Invalid State Machine Execution Input", 400)
        if len(given.encode()) > PAYLOAD_LIMIT:
            return error_response_json("InvalidExecutionInput", f"Input exceeds {PAYLOAD_LIMIT} bytes", 400)
        if name and len(name) > 80:
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        if name and (same := _same_running(data, name, given)):
            return json_response({"executionArn": same["executionArn"], "startDate": same["startDate"]})
        return original(data)

    @around("_run_execution", sfn)
    def run(original: Any, arn: str) -> None:
        execution = sfn._executions.get(arn)
        machine = sfn._state_machines.get(execution["stateMachineArn"]) if execution else None
        seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
        if seconds is not None:
            background.later(seconds, _time_out, execution)
        original(arn)


def _same_running(data: dict[str, Any], name: str, given: str) -> dict[str, Any] | None:
    machine = sfn._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if machine is None:
        return None
    machine_name = sfn._state_machines[machine]["name"]
    arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine_name}:{name}"
    former = sfn._executions.get(arn)
    return former if running(former) and former["input"] == given else None


def _install_end() -> None:
    @around("_stop_execution", sfn)
    def stop(original: Any, data: dict[str, Any]) -> Any:
        answer = original(data)
        if answer[0] == 200:
            callbacks.abandon(data["executionArn"])
        return answer

    @around("_fail_execution", sfn)
    def fail(original: Any, execution: dict[str, Any], error: str, cause: str) -> None:
        # A task that fails after StopExecution does not turn ABORTED into FAILED.
        if execution["status"] == "RUNNING":
            original(execution, error, cause)
            callbacks.abandon(execution["executionArn"])

    @around("_error_matches", sfn)
    def matches(original: Any, names: list[str], error: str) -> bool:
        if error == ENDED:
            return False
        if error in _UNCATCHABLE_BY_ALL:
            return error in names
        return bool(original(names, error))


def _time_out(execution: dict[str, Any]) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["status"] = "TIMED_OUT"
    execution["stopDate"] = now_iso()
    execution["error"] = "States.Timeout"
    sfn._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}})
    sfn._emit_execution_status_event(execution)
    callbacks.abandon(execution["executionArn"])
