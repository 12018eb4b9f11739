"""What CloudWatch is asked for, within its limits.

- DescribeAlarms takes up to 100 names,
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
- GetMetricData begins at a whole minute, or for a short period at a whole one, and tells the newest first,
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html

Without the first minute's whole data, a query from the moment of a deployment would find less than on AWS.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import cloudwatch

from emulator.seams import around

_NAMES = 100
_SHORT_PERIODS = (1, 5, 10, 20, 30)


def install() -> None:
    @around("_describe_alarms", cloudwatch)
    def describe(original: Any, params: Any, given: dict[str, Any], *protocol: bool) -> Any:
        if len(given.get("AlarmNames") or []) > _NAMES:
            message = (
                f"1 validation error detected: Value '{given['AlarmNames']}' at 'alarmNames' failed to satisfy "
                f"constraint: Member must have length less than or equal to {_NAMES}"
            )
            return cloudwatch._error("ValidationError", message, 400, use_json=True)
        return original(params, given, *protocol)

    @around("_get_metric_data", cloudwatch)
    def get(original: Any, params: Any, given: dict[str, Any], *protocol: bool) -> Any:
        periods = [int(query.get("MetricStat", {}).get("Period") or 60) for query in given.get("MetricDataQueries", [])]
        start = cloudwatch._parse_ts(given.get("StartTime"))
        if start is not None:
            grain = min((period for period in periods if period in _SHORT_PERIODS), default=60)
            given = {**given, "StartTime": start // grain * grain}
        status, headers, body = original(params, given, *protocol)
        if status != 200 or given.get("ScanBy") == "TimestampAscending":
            return status, headers, body
        answer = json.loads(body)
        for result in answer["MetricDataResults"]:
            for series in ("Timestamps", "Values"):
                result[series].reverse()
        return status, headers, json.dumps(answer).encode()
