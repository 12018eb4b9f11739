"""Asynchronous invocations: those of rules and schedules, and Invoke with the type Event.

A function that fails is tried twice more, after one minute and after two, one that is throttled for as long as
the event may age; the configuration is that of the alias or version that was invoked. The waits are scaled like
schedules. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import contextvars
import json
import threading
import time
from typing import Any

from ministack.services import eventbridge, lambda_svc

from emulator import functions
from emulator.seams import instead

_RETRY_AFTER_SECONDS = (60.0, 120.0)
_MAXIMUM_AGE_SECONDS = 6 * 3600


def install(scale: float) -> None:
    def invoke(function: dict[str, Any], event: Any) -> None:
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(_until_done, function, event, scale), daemon=True).start()

    instead("invoke_async_with_retry", lambda_svc)(invoke)

    def dispatch(arn: str, payload: str) -> None:
        record = functions.record_of(arn)
        if record is not None:
            invoke(record, json.loads(payload))

    instead("_dispatch_to_lambda", eventbridge)(dispatch)


def _until_done(function: dict[str, Any], event: Any, scale: float) -> None:
    configured = _configuration(function)
    retries = configured.get("MaximumRetryAttempts", 2)
    expires = time.monotonic() + configured.get("MaximumEventAgeInSeconds", _MAXIMUM_AGE_SECONDS)
    failures = throttles = 0
    while True:
        answer = lambda_svc._execute_function_with_config_scope(function, event)
        if not answer.get("error"):
            return
        if answer.get("throttle"):
            wait = min(2.0**throttles, 300.0)
            throttles += 1
        elif failures < retries:
            wait = _RETRY_AFTER_SECONDS[failures] * scale
            failures += 1
        else:
            break
        if time.monotonic() + wait > expires:
            break
        time.sleep(wait)
    config = function.get("config") or function
    target = (configured.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
    target = target or (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        lambda_svc._run_with_function_config_scope(
            config, lambda_svc._route_async_failure, target, config["FunctionName"], event, answer
        )


def _configuration(function: dict[str, Any]) -> dict[str, Any]:
    arn = (function.get("config") or function)["FunctionArn"].split(":")
    qualifier = arn[7] if len(arn) > 7 else None
    known = lambda_svc._functions.get_scoped(arn[4], arn[3], arn[6]) or function
    return dict(lambda_svc._event_invoke_config(known, qualifier) or {})
