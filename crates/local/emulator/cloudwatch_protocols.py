"""CloudWatch in the protocols of all SDKs: MiniStack answers each request as AWS JSON.

The SDK for Rust speaks Smithy RPC v2 CBOR, boto3 AWS JSON, older SDKs Query. MiniStack knows all three, but CBOR
without permissions, and only with a package that it does not install, and Query without most of what an answer has.
https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html

A refusal keeps its Query name, AccessDenied, in a header:
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import Shape
from ministack import app
from ministack.core import iam_actions
from ministack.services import cloudwatch

from emulator import cbor
from emulator.seams import around

_TARGET = "GraniteServiceVersion20100801"
_CBOR_PATH = re.compile(f"/service/{_TARGET}/operation/([A-Za-z]+)/?")
_OF_CBOR = ("smithy-protocol", "content-encoding")
_VERSION = "2010-08-01"

Answer = tuple[int, dict[str, str], bytes]


def install() -> None:
    @around("_dispatch_service_request", app)
    async def dispatch(
        original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any, request_id: str
    ) -> Answer:
        async def as_json(operation: str, asked: Any) -> Answer:
            told = {name: text for name, text in headers.items() if name not in _OF_CBOR}
            told |= {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"{_TARGET}.{operation}"}
            content = json.dumps(asked, default=datetime.timestamp).encode()
            answer: Answer = await original("POST", "/", told, content, {}, request_id)
            return answer

        if (found := _CBOR_PATH.fullmatch(path)) and headers.get("smithy-protocol") == "rpc-v2-cbor":
            asked = cbor.loads(app._decompress_request_body(body, headers) or b"\xa0")
            return _as_cbor(await as_json(found[1], asked))
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded") and _VERSION.encode() in body:
            sent = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
            params = {name: values[-1] for name, values in sent.items()}
            operation = params.get("Action", "")
            if params.get("Version") == _VERSION and operation in _model().operation_names:
                shape = _model().operation_model(operation).input_shape
                asked = _taken_apart(shape, "", params) if shape else {}
                return _as_query(operation, await as_json(operation, asked))
        answer: Answer = await original(method, path, headers, body, query, request_id)
        return answer

    @around("access_denied_response", iam_actions)
    def denied(original: Any, service: str, *given: Any, **more: Any) -> Answer:
        status, headers, body = original(service, *given, **more)
        if service == "monitoring" and not more.get("error_code"):
            headers = {**headers, "x-amzn-query-error": "AccessDenied;Sender"}
        return status, headers, body


@cache
def _model() -> Any:
    return botocore.session.Session().get_service_model("cloudwatch")


def _as_cbor(answer: Answer) -> Answer:
    status, headers, body = answer
    told = _with_times(json.loads(body), lambda seconds: datetime.fromtimestamp(seconds, UTC))
    return status, {**headers, "Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, cbor.dumps(told)


def _as_query(operation: str, answer: Answer) -> Answer:
    status, headers, body = answer
    told = json.loads(body)
    if status >= 400:
        code = headers.get("x-amzn-query-error", told.get("__type", "")).split(";")[0]
        refused: Answer = cloudwatch._error(code, told.get("message", ""), status)
        return refused
    result = _with_times(told, _iso)
    written: Answer = cloudwatch._xml(status, f"{operation}Response", _element(f"{operation}Result", result))
    return written


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_times(value: Any, written: Callable[[float], Any], name: str = "") -> Any:
    """An answer whose points in time, which are seconds in JSON, are written otherwise."""
    if isinstance(value, dict):
        return {key: _with_times(item, written, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_times(item, written, name.removesuffix("s")) for item in value]
    return written(value) if name.endswith("Timestamp") and value is not None else value


def _element(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        content = "".join(_element(key, item) for key, item in value.items())
    elif isinstance(value, list):
        content = "".join(_element("member", item) for item in value)
    else:
        content = escape(json.dumps(value) if isinstance(value, bool) else str(value))
    return f"<{name}>{content}</{name}>"


def _taken_apart(shape: Shape, prefix: str, params: dict[str, str]) -> Any:
    """What a Query request asks for under a prefix, or None."""
    if shape.type_name == "structure":
        dot = f"{prefix}." if prefix else ""
        members = {name: _taken_apart(member, dot + name, params) for name, member in shape.members.items()}
        return {name: value for name, value in members.items() if value is not None} or (None if prefix else {})
    if shape.type_name == "list":
        found: list[Any] = []
        while (item := _taken_apart(shape.member, f"{prefix}.member.{len(found) + 1}", params)) is not None:
            found.append(item)
        return found or None
    text = params.get(prefix)
    if text is None:
        return None
    readers: dict[str, Callable[[str], Any]] = {
        "integer": int, "long": int, "double": float, "float": float, "boolean": lambda told: told == "true"
    }
    return readers.get(shape.type_name, str)(text)
