"""Tasks that wait for a token: ``.waitForTaskToken``.

- a function that fails fails its task at once, with the function's own error
- ``TimeoutSeconds`` and ``HeartbeatSeconds`` count from when the task was scheduled
- every attempt has its own token; an answer is taken once, later ones get ``TaskTimedOut``
- a token that never was gets ``InvalidToken``
https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
"""

from __future__ import annotations

import contextvars
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

from emulator import failures, functions
from emulator.seams import instead

# The state that runs on this thread: its execution and its context object.
current: contextvars.ContextVar[tuple[str, dict[str, Any]] | None] = contextvars.ContextVar("current", default=None)

_lock = threading.Lock()
_closed: set[str] = set()


@dataclass
class Parked:
    """A task that waits, and what it was answered."""

    execution: str
    heartbeat: float
    answered: threading.Event = field(default_factory=threading.Event)
    result: str = "null"
    error: tuple[str, str] | None = None


def install() -> None:
    instead("_invoke_with_callback", sfn)(_invoke_with_callback)
    instead("_send_task_success", sfn)(_send_task_success)
    instead("_send_task_failure", sfn)(_send_task_failure)
    instead("_send_task_heartbeat", sfn)(_send_task_heartbeat)
    instead("_call_lambda", sfn)(_call_lambda)


def abandon(execution: str) -> None:
    """End every parked task of an execution that is over."""
    from emulator.executions import ENDED

    for token, parked in sfn._task_tokens.items():
        if isinstance(parked, Parked) and parked.execution == execution:
            _answer(token, error=(ENDED, ""))


def _answer(token: str, result: str = "null", error: tuple[str, str] | None = None) -> bool:
    """Give a parked task its one answer; False when it had one already, or never was."""
    with _lock:
        parked = sfn._task_tokens.pop(token, None)
        if parked is None:
            return False
        _closed.add(token)
    if isinstance(parked, Parked):
        parked.result, parked.error = result, error
        parked.answered.set()
    else:
        # An activity's task, which MiniStack waits for in its own way.
        parked["result"] = result
        parked["error"] = error and {"Error": error[0], "Cause": error[1]}
        sfn._task_tokens[token] = parked
        parked["event"].set()
    return True


def _invoke_with_callback(resource: str, input_data: Any, token: str, state: dict[str, Any]) -> Any:
    execution, context = current.get() or ("", {})
    parked = Parked(execution, heartbeat=time.monotonic())
    sfn._task_tokens[token] = parked

    def invoke() -> None:
        try:
            sfn._invoke_resource(resource.replace(".waitForTaskToken", ""), input_data)
        except sfn._ExecutionError as failed:
            _answer(token, error=(failed.error, failed.cause))
        except Exception as failed:
            _answer(token, error=("States.Runtime", str(failed)))

    # Not on this thread: the answer may come while the function still runs.
    threading.Thread(target=contextvars.copy_context().run, args=(invoke,), daemon=True).start()
    _wait(token, parked, state)
    if parked.error is None:
        return json.loads(parked.result)
    context["Task"] = {"Token": str(uuid.uuid4())}
    raise sfn._ExecutionError(*parked.error)


def _wait(token: str, parked: Parked, state: dict[str, Any]) -> None:
    ends = time.monotonic() + state.get("TimeoutSeconds", 99_999_999)
    beat = state.get("HeartbeatSeconds")
    while not parked.answered.is_set():
        next_beat = parked.heartbeat + beat if beat is not None else ends
        left = min(ends, next_beat) - time.monotonic()
        if left <= 0:
            late = "States.Timeout" if next_beat >= ends else "States.HeartbeatTimeout"
            _answer(token, error=(late, ""))
        else:
            # Event.wait takes at most threading.TIMEOUT_MAX.
            parked.answered.wait(min(left, 3600))


def _send_task_success(data: dict[str, Any]) -> Any:
    output = data.get("output", "")
    try:
        json.loads(output)
    except ValueError:
        return error_response_json("InvalidOutput", "Invalid Output: 'Task output is not valid JSON'", 400)
    token = data.get("taskToken", "")
    return json_response({}) if _answer(token, result=output) else _no_task(token)


def _send_task_failure(data: dict[str, Any]) -> Any:
    token = data.get("taskToken", "")
    error = (data.get("error", ""), data.get("cause", ""))
    return json_response({}) if _answer(token, error=error) else _no_task(token)


def _send_task_heartbeat(data: dict[str, Any]) -> Any:
    token = data.get("taskToken", "")
    parked = sfn._task_tokens.get(token)
    if isinstance(parked, Parked):
        parked.heartbeat = time.monotonic()
    return json_response({}) if parked is not None else _no_task(token)


def _no_task(token: str) -> Any:
    if token in _closed:
        return error_response_json("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
    return error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)


def _call_lambda(reference: str, event: Any) -> Any:
    """Invoke a function from a state; its errors keep their names, the service's own begin with ``Lambda.``."""
    record = functions.record_of(reference)
    if record is None:
        raise sfn._ExecutionError("Lambda.ResourceNotFoundException", f"Function not found: {reference}")
    if failed := failures.take("lambda", "Invoke", "states.amazonaws.com", f"{reference} {json.dumps(event)}"):
        raise sfn._ExecutionError(*failed.as_task_error())
    answer = lambda_svc._execute_function_with_config_scope(record, event)
    body = answer.get("body")
    if answer.get("throttle"):
        raise sfn._ExecutionError("Lambda.TooManyRequestsException", body["message"])
    if answer.get("error"):
        if isinstance(body, dict):
            raise sfn._ExecutionError(body.get("errorType", "Lambda.Unknown"), json.dumps(body))
        raise sfn._ExecutionError("Lambda.Unknown", str(body))
    if isinstance(body, (str, bytes)):
        try:
            return json.loads(body)
        except ValueError:
            return body
    return body
