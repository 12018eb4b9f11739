"""What is told of an alarm's state: since when it is what it is, its history, and the event of each change.

- ``StateTransitionedTimestamp`` is when ``StateValue`` changed last; PutMetricAlarm on an alarm leaves its state alone,
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
- the history has both states with their reasons, and no change of state for an alarm that is new,
  https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/describe-alarm-history.html
- the events, https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html

MiniStack keeps whole seconds, without which an alarm may seem to fire before what it fires on.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch

from emulator import events
from emulator.seams import instead

Alarm = dict[str, Any]
# Value, reason, the reason's data as JSON text or nothing, and since when.
State = tuple[str, str, str | None, float]

# The states told last, by account, region and kind and name of the alarm.
_told: dict[tuple[str, str, str, str], State] = {}


def install() -> None:
    @instead("_record_history", cloudwatch)
    def record(
        name: str, old: str, new: str, reason: str, kind: str = "MetricAlarm", reason_data: Any = None
    ) -> None:
        alarm = (cloudwatch._composite_alarms if kind == "CompositeAlarm" else cloudwatch._alarms)[name]
        key = get_account_id(), get_region(), kind, name
        now = round(time.time(), 3)
        before = _told.get(key)
        if before is None or before[0] != old:
            before = old, "Unchecked: Initial alarm creation", None, now
        data = None if reason_data is None else json.dumps(reason_data, separators=(",", ":"))
        after = new, reason, data or _given_by_hand(alarm, before), now
        _told[key] = after
        alarm.pop("StateReasonData", None)
        alarm.update(_members(after))
        if old == new:
            told = {"version": "1.0", "type": "Create", "createdAlarm": {"alarmName": name, "stateValue": new}}
            _note(name, kind, "ConfigurationUpdate", f'Alarm "{name}" created', told, now)
        else:
            told = {"version": "1.0", "oldState": _in_history(before), "newState": _in_history(after)}
            _note(name, kind, "StateUpdate", f"Alarm updated from {old} to {new}", told, now)
            _publish(alarm, before, after)

    # Called wherever an alarm is put, which makes it anew without some of its state. (What the name says is done by
    # the clock instead.)
    @instead("_evaluate_alarm", cloudwatch)
    def keep_state(alarm: Alarm) -> None:
        state = _told.get((get_account_id(), get_region(), "MetricAlarm", alarm["AlarmName"]))
        for name, value in (_members(state) if state else {}).items():
            alarm.setdefault(name, value)


def _given_by_hand(alarm: Alarm, before: State) -> str | None:
    """The data that SetAlarmState came with: MiniStack leaves the former state's in its place when there are none."""
    data = alarm.get("StateReasonData")
    return None if data == before[2] else data


def _members(state: State) -> dict[str, Any]:
    _, reason, data, since = state
    members = {"StateReason": reason, "StateUpdatedTimestamp": since, "StateTransitionedTimestamp": since}
    return members | ({"StateReasonData": data} if data else {})


def _note(name: str, kind: str, item: str, summary: str, told: dict[str, Any], at: float) -> None:
    cloudwatch._history_entries().append(
        {
            "AlarmName": name,
            "AlarmType": kind,
            "Timestamp": at,
            "HistoryItemType": item,
            "HistorySummary": summary,
            "HistoryData": json.dumps(told, separators=(",", ":")),
        }
    )


def _in_history(state: State) -> dict[str, Any]:
    value, reason, data, _ = state
    return {"stateValue": value, "stateReason": reason} | ({"stateReasonData": json.loads(data)} if data else {})


def _publish(alarm: Alarm, before: State, after: State) -> None:
    detail = {
        "alarmName": alarm["AlarmName"],
        "configuration": _configuration(alarm),
        "previousState": _in_event(before),
        "state": _in_event(after),
    }
    events.publish("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm["AlarmArn"]])


def _in_event(state: State) -> dict[str, str]:
    value, reason, data, since = state
    told = {"value": value, "reason": reason, "timestamp": written(since)}
    return told | ({"reasonData": data} if data else {})


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


def written(seconds: float) -> str:
    """``2019-10-02T17:04:40.985+0000``"""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
