"""Rules with a schedule invoke their targets on time.

A rule ``rate(n unit)`` fires first one interval after its creation and then at every interval,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html. The interval is
multiplied by ``--schedule-scale``. Unlike AWS, a function that still runs from the time before is not
invoked a second time: on a slow machine the runs would otherwise pile up.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import request_scope
from ministack.services import eventbridge, lambda_svc

from emulator import background, functions
from emulator.seams import instead

Key = tuple[str, str, str]

_next: dict[Key, float] = {}
_running: dict[tuple[Key, str], threading.Thread] = {}


def install(scale: float) -> None:
    instead("start_scheduler", eventbridge)(lambda: None)
    background.every(0.2, "schedules", lambda: _fire_due(scale))


def _fire_due(scale: float) -> None:
    now = time.time()
    rules = dict(eventbridge._rules._data)
    for key in _next.keys() - rules.keys():
        del _next[key]
    for key, rule in rules.items():
        interval = eventbridge._parse_rate_seconds(rule.get("ScheduleExpression", ""))
        if interval is None or rule.get("State") != "ENABLED":
            _next.pop(key, None)
            continue
        interval *= scale
        due = _next.setdefault(key, now + interval)
        if now >= due:
            # Late runs are left out, not made up for.
            _next[key] = max(due + interval, now)
            _fire(key, rule)


def _fire(key: Key, rule: dict[str, Any]) -> None:
    account, region, _ = key
    event = {
        "EventId": str(uuid.uuid4()),
        "Source": "aws.events",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "EventBusName": rule.get("EventBusName", "default"),
        "Time": int(time.time()),
        "Resources": [rule["Arn"]],
        "Account": account,
        "Region": region,
    }
    with request_scope(account, region):
        view = eventbridge._pattern_event_view(event)
        for target in list(eventbridge._targets.get(key[2], [])):
            if parse_arn(target["Arn"]).service == "lambda":
                _invoke_alone(key, target, rule, view)
            else:
                eventbridge._invoke_target(target, event, rule, view)


def _invoke_alone(key: Key, target: dict[str, Any], rule: dict[str, Any], view: Any) -> None:
    former = _running.get((key, target["Id"]))
    if former is not None and former.is_alive():
        return
    record = functions.record_of(target["Arn"])
    if record is None:
        return
    worker = threading.Thread(
        target=lambda_svc._execute_function_with_config_scope, args=(record, _input(target, rule, view)), daemon=True
    )
    _running[key, target["Id"]] = worker
    worker.start()


def _input(target: dict[str, Any], rule: dict[str, Any], view: Any) -> Any:
    if "InputTransformer" in target:
        return json.loads(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    if "Input" in target:
        return json.loads(target["Input"])
    return view.event_with_detail()
