"""Calls that fail on request, worded as the AWS service words it.

Throttling and internal errors by protocol:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.iam_evaluator import request_caller_arn
from ministack.core.responses import get_account_id
from ministack.core.router import detect_service

from emulator.seams import around

KINDS = ("throttle", "error500", "timeout")
_QUERY = frozenset({"cloudformation", "sns", "sqs", "iam", "sts", "monitoring"})
_THROTTLED = {
    "dynamodb": ("ThrottlingException", "Throughput exceeds the current capacity of your table or index.", 400),
    "lambda": ("TooManyRequestsException", "Rate Exceeded.", 429),
    "s3": ("SlowDown", "Please reduce your request rate.", 503),
    "tagging": ("ThrottledException", "The request was denied to limit the frequency of submitted requests.", 400),
}
_BROKEN = {
    "dynamodb": ("InternalServerError", "Internal server error", 500),
    "lambda": ("ServiceException", "An error occurred and the request cannot be processed.", 500),
    "s3": ("InternalError", "We encountered an internal error. Please try again.", 500),
    "tagging": ("InternalServiceException", "The request processing failed because of an unknown error.", 500),
}


@dataclass
class Failure:
    """What fails: the next ``times`` matching calls, after ``after`` of them have passed."""

    account: str
    service: str
    action: str
    kind: str
    times: int = 1
    after: int = 0
    # Who calls, and what the request says, may be narrowed by a part of the text.
    principal_contains: str = ""
    request_contains: str = ""
    # The call takes effect although its answer is an error or never comes.
    acted: bool = False
    # How long an answer that never comes is held back.
    hold_seconds: float = 60.0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}")

    def error(self, service: str) -> tuple[str, str, int]:
        """Code, message and HTTP status."""
        if self.kind == "throttle":
            code = "Throttling" if service in _QUERY else "ThrottlingException"
            return _THROTTLED.get(service, (code, "Rate exceeded", 400))
        code = "InternalFailure" if service in _QUERY else "InternalServerException"
        return _BROKEN.get(service, (code, "The request processing has failed because of an unknown error.", 500))

    def as_task_error(self) -> tuple[str, str]:
        """What a state sees whose call of a function fails."""
        if self.kind == "timeout":
            return "Lambda.SdkClientException", "Unable to execute HTTP request: Read timed out"
        code, message, _ = self.error("lambda")
        return f"Lambda.{code}", message


_lock = threading.Lock()
_armed: list[Failure] = []


def arm(failure: Failure) -> None:
    with _lock:
        _armed.append(failure)


def disarm() -> None:
    with _lock:
        _armed.clear()


def armed() -> list[Failure]:
    with _lock:
        return list(_armed)


def take(service: str, actions: str | set[str], principal: str, request: str) -> Failure | None:
    """The failure that this call is to have, if any."""
    named = {actions} if isinstance(actions, str) else actions
    with _lock:
        for failure in _armed:
            if (
                failure.account == get_account_id()
                and failure.service == service
                and failure.action in named
                and failure.principal_contains in principal
                and failure.request_contains in request
            ):
                failure.hits += 1
                if failure.after < failure.hits <= failure.after + failure.times:
                    return failure
    return None


def install() -> None:
    @around("_dispatch_service_request", app)
    async def dispatch(
        original: Any, method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
    ) -> Any:
        failure, service = _of_request(method, path, headers, body, query) if _armed else (None, "")
        if failure is None:
            return await original(method, path, headers, body, query, request_id)
        if failure.acted:
            await original(method, path, headers, body, query, request_id)
        if failure.kind == "timeout":
            await asyncio.sleep(failure.hold_seconds)
        return _answer(service, headers, request_id, *failure.error(service))


def _of_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> tuple[Failure | None, str]:
    params = app._routing_params(method, path, headers, body, query)
    service = detect_service(method, path, headers, params)
    action = extract_iam_action(service, method, path, headers, body, params) or ":"
    named = {action.split(":", 1)[1], headers.get("x-amz-target", "").rsplit(".", 1)[-1], *params.get("Action", [])}
    if service == "lambda" and path.endswith("/invocations"):
        named.add("Invoke")
    if service == "s3" and method == "HEAD":
        named.add("HeadObject")
    if service == "s3" and "x-amz-copy-source" in headers:
        named.add("CopyObject")
    text = f"{path} {body.decode('utf-8', 'replace')}"
    return take(service, named, request_caller_arn(headers, query) or "", text), service


def _answer(service: str, headers: Any, request_id: str, code: str, message: str, status: int) -> Any:
    json_protocol = "json" in headers.get("content-type", "") or service == "lambda"
    if json_protocol:
        told = json.dumps({"__type": code, "message": message})
        return status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}, told.encode()
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "s3":
        told = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    else:
        fault = f"<Error><Type>{'Sender' if status < 500 else 'Receiver'}</Type>{error}</Error>"
        told = f"<ErrorResponse>{fault}<RequestId>{request_id}</RequestId></ErrorResponse>"
    return status, {"Content-Type": "text/xml"}, told.encode()
