"""Every invocation of a function is measured, whoever made it, for the function and for the alias.

MiniStack measures only those that come by the Invoke API, and only for the function, so that an alarm would not
see what a state machine, a rule or a schedule invoked.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cloudwatch, lambda_svc

from emulator.seams import around, instead


def install() -> None:
    instead("_emit_lambda_metrics", lambda_svc)(lambda *given, **more: None)

    @around("_execute_function", lambda_svc)
    def execute(original: Any, function: dict[str, Any], event: Any) -> Any:
        config = function.get("config") or function
        if lambda_svc._function_config_scope_mismatch(config):
            # The original enters itself again in the function's own account, and is measured there.
            return original(function, event)
        began = time.monotonic()
        answer = original(function, event)
        _measure(config, answer, (time.monotonic() - began) * 1000)
        return answer


def _measure(config: dict[str, Any], answer: dict[str, Any], milliseconds: float) -> None:
    throttled = bool(answer.get("throttle"))
    values = {"Throttles": int(throttled)}
    if not throttled:
        values |= {"Invocations": 1, "Errors": int(bool(answer.get("error")))}
    name = config["FunctionName"]
    dimensions = {"FunctionName": name}
    arn = config["FunctionArn"].split(":")
    # Invoked by an alias or a version, the numbers are there a second time.
    places = [dimensions, {**dimensions, "Resource": f"{name}:{arn[7]}"}] if len(arn) > 7 else [dimensions]
    for place in places:
        for metric, value in values.items():
            cloudwatch.record_metric("AWS/Lambda", metric, value, "Count", place)
        if not throttled:
            cloudwatch.record_metric("AWS/Lambda", "Duration", milliseconds, "Milliseconds", place)
