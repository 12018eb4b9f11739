"""Metric alarms that are evaluated by the clock, and the events of all alarms.

Every datapoint is one period long. Unlike CloudWatch, which lines periods up with the clock, the youngest
period ends now: an alarm then fires, and goes back to OK, as soon as its metric says so.
Missing data: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
Events: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
import operator
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from emulator import background, events
from emulator.seams import around, instead

EVERY_SECONDS = 2.0
# SetAlarmState lasts until the next evaluation, "often within seconds"; tests need some of them.
SET_BY_HAND_SECONDS = 10.0

_COMPARE = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}

Alarm = dict[str, Any]


def install() -> None:
    # Evaluated only by the clock: MiniStack would do it whenever a metric or an alarm is put.
    instead("_evaluate_alarm", cloudwatch)(lambda alarm: None)
    background.every(EVERY_SECONDS, "alarms", _evaluate_all)

    @around("cloudformation_put_metric_alarm", cloudwatch)
    def put(original: Any, alarm: Alarm) -> None:
        if alarm["ComparisonOperator"] not in _COMPARE:
            raise ValueError(_no_operator(alarm["ComparisonOperator"]))
        original(alarm)

    @around("_record_history", cloudwatch)
    def record(
        original: Any, name: str, old: str, new: str, reason: str, kind: str = "MetricAlarm", reason_data: Any = None
    ) -> None:
        original(name, old, new, reason, kind, reason_data)
        alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
        if alarm and old != new:
            _publish(alarm, old, reason_data)

    @around("_set_alarm_state", cloudwatch)
    def set_state(original: Any, params: Any, given: Any, is_cbor: bool, is_json: bool = False) -> Any:
        name = given.get("AlarmName") if is_cbor or is_json else cloudwatch._p(params, "AlarmName")
        alarm = cloudwatch._alarms.get(name)
        if alarm:
            alarm["_hold_until"] = time.time() + SET_BY_HAND_SECONDS
        return original(params, given, is_cbor, is_json)


def _no_operator(given: str) -> str:
    return (
        f"1 validation error detected: Value '{given}' at 'comparisonOperator' failed to satisfy constraint: "
        f"Member must satisfy enum value set: [{', '.join(_COMPARE)}]"
    )


def _evaluate_all() -> None:
    for (account, region, _), alarm in list(cloudwatch._alarms._data.items()):
        if time.time() >= alarm.get("_hold_until", 0) and alarm.get("ComparisonOperator") in _COMPARE:
            with request_scope(account, region):
                _evaluate(alarm)


def _evaluate(alarm: Alarm) -> None:
    """Move an alarm to the state that its metric asks for."""
    points = _datapoints(alarm)
    breaching = [None if point is None else _breaches(alarm, point) for point in points]
    state = _state(alarm, breaching)
    if state == alarm["StateValue"]:
        return
    old = alarm["StateValue"]
    known = [point for point in points if point is not None]
    reason = (
        f"Threshold Crossed: {len(known)} datapoint(s) {known} against the threshold ({alarm['Threshold']}), "
        f"{alarm['ComparisonOperator']}"
        if known
        else f"no datapoints were received for {len(points)} period(s)"
    )
    data = {
        "version": "1.0",
        "queryDate": _written(time.time()),
        "statistic": alarm.get("Statistic"),
        "period": alarm["Period"],
        "recentDatapoints": known,
        "threshold": alarm["Threshold"],
    }
    alarm.update(
        StateValue=state, StateReason=reason, StateReasonData=json.dumps(data), StateUpdatedTimestamp=int(time.time())
    )
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason, "MetricAlarm", data)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _datapoints(alarm: Alarm) -> list[float | None]:
    """The statistic of each evaluated period, youngest first; None where nothing was measured."""
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
    values: list[float | None] = []
    for age in range(alarm["EvaluationPeriods"]):
        window = [p for p in measured if now - (age + 1) * period < p["Timestamp"] <= now - age * period]
        values.append(cloudwatch._stat_value(cloudwatch._calc_stats(window), statistic, window) if window else None)
    return values


def _breaches(alarm: Alarm, value: float) -> bool:
    return bool(_COMPARE[alarm["ComparisonOperator"]](value, alarm["Threshold"]))


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


def _publish(alarm: Alarm, old: str, reason_data: Any) -> None:
    at = _written(time.time())
    state = {"value": alarm["StateValue"], "reason": alarm.get("StateReason", ""), "timestamp": at}
    if reason_data is not None:
        state["reasonData"] = json.dumps(reason_data)
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": {"value": old, "timestamp": at},
        "configuration": _configuration(alarm),
    }
    events.publish("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]])


def _configuration(alarm: Alarm) -> dict[str, Any]:
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {**described, "alarmRule": alarm["AlarmRule"]}
    metric = {
        "namespace": alarm.get("Namespace"),
        "name": alarm.get("MetricName"),
        "dimensions": {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []},
    }
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    stat = {"metric": metric, "period": alarm.get("Period"), "stat": statistic}
    identifier = "00000000-0000-0000-0000-000000000000"
    return {**described, "metrics": [{"id": identifier, "metricStat": stat, "returnData": True}]}


def _written(seconds: float) -> str:
    """``2019-10-02T17:04:40.985+0000``"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
