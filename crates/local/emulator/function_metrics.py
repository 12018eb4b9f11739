"""Every invocation of a function is measured, whoever made it.

MiniStack measures only those that come by the Invoke API, so that an alarm on the errors of a function would
not see those that a state machine, a rule or a schedule invoked.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import lambda_svc

from emulator.seams import around, instead


def install() -> None:
    emit = lambda_svc._emit_lambda_metrics
    instead("_emit_lambda_metrics", lambda_svc)(lambda *given, **more: None)

    @around("_execute_function", lambda_svc)
    def execute(original: Any, function: dict[str, Any], event: Any) -> Any:
        config = function.get("config") or function
        if lambda_svc._function_config_scope_mismatch(config):
            # The original enters itself again in the function's own account, and is measured there.
            return original(function, event)
        began = time.monotonic()
        answer = original(function, event)
        throttled = bool(answer.get("throttle"))
        emit(
            config["FunctionName"],
            duration_ms=(time.monotonic() - began) * 1000,
            error=bool(answer.get("error")) and not throttled,
            throttle=throttled,
        )
        return answer
