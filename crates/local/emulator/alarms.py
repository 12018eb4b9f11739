"""Metric alarms that are evaluated by the clock.

Every datapoint is one period long. Unlike CloudWatch, which lines periods up with the clock, the youngest
period ends now: an alarm then fires, and goes back to OK, as soon as its metric says so.
Missing data: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
The wording of reasons: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import operator
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch

from emulator import background
from emulator.alarm_states import Alarm, written
from emulator.seams import around

EVERY_SECONDS = 2.0
# SetAlarmState lasts until the next evaluation, "often within seconds"; tests need some of them.
SET_BY_HAND_SECONDS = 10.0

_COMPARE = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}

# When an evaluated period began, and the statistic of it; None where nothing was measured.
Datapoint = tuple[float, float | None]

# By account, region and name: when the state that was set by hand may change again.
_held: dict[tuple[str, str, str], float] = {}


def install() -> None:
    background.every(EVERY_SECONDS, "alarms", _evaluate_all)

    @around("cloudformation_put_metric_alarm", cloudwatch)
    def put(original: Any, alarm: Alarm) -> None:
        if alarm["ComparisonOperator"] not in _COMPARE:
            raise ValueError(_no_operator(alarm["ComparisonOperator"]))
        original(alarm)

    @around("_record_history", cloudwatch)
    def record(original: Any, name: str, old: str, new: str, *rest: Any, **more: Any) -> None:
        if old == new:
            # An alarm is made: one of that name before it is not held any more.
            _held.pop((get_account_id(), get_region(), name), None)
        original(name, old, new, *rest, **more)

    @around("_set_alarm_state", cloudwatch)
    def set_state(original: Any, params: Any, given: Any, is_cbor: bool, is_json: bool = False) -> Any:
        _held[get_account_id(), get_region(), given.get("AlarmName", "")] = time.time() + SET_BY_HAND_SECONDS
        return original(params, given, is_cbor, is_json)


def _no_operator(given: str) -> str:
    return (
        f"1 validation error detected: Value '{given}' at 'comparisonOperator' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(_COMPARE)}]"
    )


def _evaluate_all() -> None:
    for key, alarm in list(cloudwatch._alarms._data.items()):
        if time.time() >= _held.get(key, 0) and alarm.get("ComparisonOperator") in _COMPARE:
            account, region, _ = key
            with request_scope(account, region):
                _evaluate(alarm)


def _evaluate(alarm: Alarm) -> None:
    """Move an alarm to the state that its metric asks for."""
    points = _datapoints(alarm)
    state = _state(alarm, [None if value is None else _breaches(alarm, value) for _, value in points])
    if state == alarm["StateValue"]:
        return
    old, alarm["StateValue"] = alarm["StateValue"], state
    reason = _reason(alarm, points, old)
    data = {
        "version": "1.0",
        "queryDate": written(time.time()),
        "startDate": written(points[-1][0]),
        "statistic": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
        "period": alarm["Period"],
        "recentDatapoints": [value for _, value in points if value is not None],
        "threshold": alarm["Threshold"],
        "evaluatedDatapoints": [
            {"timestamp": written(began)} | ({} if value is None else {"value": value}) for began, value in points
        ],
    }
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason, "MetricAlarm", data)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _reason(alarm: Alarm, points: list[Datapoint], old: str) -> str:
    state, periods = alarm["StateValue"], len(points)
    known = [(began, value) for began, value in points if value is not None]
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {periods} datapoint{'s were' if periods > 1 else ' was'} unknown."
    if not known:
        treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}[alarm["TreatMissingData"]]
        missing = f"{periods} missing datapoint{'s were' if periods > 1 else ' was'}"
        plural = "s" if periods > 1 else ""
        return (
            f"Threshold Crossed: no datapoints were received for {periods} period{plural} and {missing} treated as "
            f"[{treated}]."
        )
    needed = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    deciding = [point for point in known if _breaches(alarm, point[1]) == (state == "ALARM")]
    shown = ", ".join(f"{value} ({datetime.fromtimestamp(began, UTC):%d/%m/%y %H:%M:%S})" for began, value in deciding)
    verb = ("were" if len(deciding) > 1 else "was") + ("" if state == "ALARM" else " not")
    minimum = needed if state == "ALARM" else periods - needed + 1
    return (
        f"Threshold Crossed: {len(deciding)} out of the last {periods} datapoints [{shown}] {verb} "
        f"{_COMPARE[alarm['ComparisonOperator']][1]} the threshold ({alarm['Threshold']}) "
        f"(minimum {minimum} datapoint{'s' if minimum > 1 else ''} for {old} -> {state} transition)."
    )


def _datapoints(alarm: Alarm) -> list[Datapoint]:
    """The statistic of each evaluated period, youngest first."""
    wanted = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    measured = [
        point
        for (namespace, name, _), found in list(cloudwatch._metrics.items())
        if namespace == alarm["Namespace"] and name == alarm["MetricName"]
        for point in list(found)
        if point.get("Dimensions", {}) == wanted
    ]
    now, period = time.time(), alarm["Period"]
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    points: list[Datapoint] = []
    for age in range(alarm["EvaluationPeriods"]):
        began = now - (age + 1) * period
        window = [point for point in measured if began < point["Timestamp"] <= began + period]
        value = cloudwatch._stat_value(cloudwatch._calc_stats(window), statistic, window) if window else None
        points.append((began, value))
    return points


def _breaches(alarm: Alarm, value: float) -> bool:
    return bool(_COMPARE[alarm["ComparisonOperator"]][0](value, alarm["Threshold"]))


def _state(alarm: Alarm, breaching: list[bool | None]) -> str:
    """M of N datapoints breaching is ALARM, missing ones treated as the alarm says."""
    treatment = alarm.get("TreatMissingData") or "missing"
    needed = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    if all(point is None for point in breaching):
        if treatment == "ignore":
            return str(alarm["StateValue"])
        if treatment == "missing":
            return "INSUFFICIENT_DATA"
    substitute = {"breaching": True, "notBreaching": False}.get(treatment)
    substituted = [substitute if point is None else point for point in breaching]
    known = [point for point in substituted if point is not None]
    # A missing datapoint counts for nothing: what is there decides, as if the range were shorter.
    return "ALARM" if sum(known) >= min(needed, len(known)) else "OK"
