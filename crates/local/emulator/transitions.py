"""What an execution's states did, and when; the inside of Map and Parallel included.

Step Functions bills every state that is entered, and every retry, as one state transition,
https://aws.amazon.com/step-functions/pricing/. MiniStack's history leaves out the inside of a Map.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from ministack.services import stepfunctions as sfn

from emulator import callbacks, executions
from emulator.seams import around


@dataclass
class Entry:
    """One stay in a state; ``path`` names the iterations and branches that it is in."""

    state: str
    path: str
    entered_at_ms: int
    exited_at_ms: int | None = None
    retries: int = 0


_lock = threading.Lock()
_entries: dict[str, list[Entry]] = {}


def of(execution: str) -> dict[str, Any]:
    """The transitions of one execution, in the order in which the states were entered."""
    with _lock:
        entries = list(_entries.get(execution, []))
    retries = sum(entry.retries for entry in entries)
    return {
        "execution": execution,
        "transitions": len(entries) + retries,
        "retries": retries,
        "states": [asdict(entry) for entry in entries],
    }


def install() -> None:
    for name in ("_execute_pass", "_execute_choice", "_execute_wait"):

        @around(name, sfn)
        def simple(original: Any, state: dict[str, Any], given: Any, context: Any = None) -> Any:
            return _through(state, context, lambda: original(state, given, context))

    for name in ("_execute_task", "_execute_parallel", "_execute_map"):

        @around(name, sfn)
        def compound(original: Any, state: dict[str, Any], given: Any, execution: Any, context: Any) -> Any:
            def work() -> Any:
                return original(_with_numbers(state, given, context), given, execution, context)

            return _through(state, context, work)

    @around("_fail_state_error", sfn)
    def fail(original: Any, state: dict[str, Any], given: Any, context: Any = None) -> Any:
        return _through(state, context, lambda: original(state, given, context))

    @around("_apply_output_path", sfn)
    def output_path(original: Any, state: dict[str, Any], data: Any, context: Any = None) -> Any:
        if state.get("Type") != "Succeed":
            return original(state, data, context)

        # Both interpreters pass a Succeed state through here, and evaluate no JSONata Output.
        def work() -> Any:
            if sfn._state_query_language(state, context) == "JSONata":
                return sfn._apply_jsonata_output(state, data, context, default=data)
            return original(state, data, context)

        return _through(state, context, work)

    @around("_run_sub_machine", sfn)
    def sub_machine(original: Any, states: Any, start_at: Any, given: Any, execution: Any, context: Any) -> Any:
        # Parallel's branches would share one context, and so one task token and one set of variables.
        own = {**context, "variables": dict(context.get("variables", {}))}
        own["_path"] = f"{context.get('_path', '')}/{_place(start_at, context)}"
        return original(states, start_at, given, execution, own)


def _place(start_at: str, context: dict[str, Any]) -> str:
    """The iteration's index in a Map; the first state's name in a branch of a Parallel."""
    entered = context.get("_map")
    item = context.get("Map", {}).get("Item", {})
    return f"{context['State']['Name']}[{item['Index']}]" if entered else f"{context['State']['Name']}.{start_at}"


def _with_numbers(state: dict[str, Any], given: Any, context: dict[str, Any]) -> dict[str, Any]:
    """The state with its JSONata time limits evaluated, which MiniStack takes as numbers only."""
    numbers = {
        name: sfn._jsonata_state_field(state, name, "number", given, context)
        for name in ("TimeoutSeconds", "HeartbeatSeconds")
        if isinstance(state.get(name), str)
    }
    return {**state, **numbers}


def _through(state: dict[str, Any], context: dict[str, Any] | None, work: Any) -> Any:
    """Do a state's work between its entry and its exit."""
    arn = (context or {}).get("Execution", {}).get("Id")
    execution = sfn._executions.get(arn) if arn else None
    if execution is None or context is None:
        return work()
    executions.raise_if_ended(execution)
    entry = Entry(context["State"]["Name"], context.get("_path", ""), _now())
    with _lock:
        _entries.setdefault(arn, []).append(entry)
    context["_map"] = state.get("Type") == "Map"
    token = callbacks.current.set((arn, context))
    try:
        answer = work()
    finally:
        callbacks.current.reset(token)
        entry.exited_at_ms = _now()
        entry.retries = context["State"].get("RetryCount", 0)
    executions.raise_if_ended(execution)
    _refuse_too_large(entry.state, answer)
    return answer


def _refuse_too_large(state: str, answer: Any) -> None:
    if len(json.dumps(answer).encode()) > executions.PAYLOAD_LIMIT:
        too_large = "returned a result with a size exceeding the maximum number of bytes service limit."
        raise sfn._ExecutionError("States.DataLimitExceeded", f"The state/task '{state}' {too_large}")


def _now() -> int:
    return int(time.time() * 1000)
