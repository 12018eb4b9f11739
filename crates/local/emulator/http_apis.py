"""HTTP APIs: every account's answer, at an address that works without DNS.

- the endpoint is public, and the caller's account does not matter to a route without authorization,
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html
- ``ApiEndpoint`` is the URL under which the API is called,
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-api.html
- a function that fails, or is not there, is answered ``{"message":"Internal Server Error"}``,
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
- a body of more than 10 MB, and an event of more than the 6 MB that a function is invoked with, are answered 413,
  https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html,
  https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (the second's status is written nowhere)
- a route that asks IAM lets in callers of the API's own account only: an HTTP API has no resource policy,
  https://repost.aws/knowledge-center/api-gateway-iam-cross-account
"""

from __future__ import annotations

import contextvars
import json
import re
from typing import Any

from ministack import app
from ministack.core.iam_evaluator import resolve_caller_identity
from ministack.core.router import extract_access_key_id
from ministack.services import apigateway, lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

from emulator.seams import around, instead

_PATH = "/_aws/execute-api/"
# How a template spells the URL when it does not use ApiEndpoint, as the CDK does.
_SPELLED = re.compile(r"https://([0-9a-f]{8})\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?![\w.-])")

_BODY_LIMIT = 10 * 1024 * 1024
_EVENT_LIMIT = 6 * 1024 * 1024
_TOO_LARGE = 413, {"Content-Type": "application/json"}, b'{"message":"Request Entity Too Large"}'

# Whether the integration that this request reaches has answered; None outside of an HTTP API.
_answered: contextvars.ContextVar[list[bool] | None] = contextvars.ContextVar("answered", default=None)


def install(endpoint: str) -> None:
    _install_addresses(endpoint + _PATH)
    _install_signed_routes()
    _install_errors()
    # Around the errors: what is refused here reaches no function.
    _install_limits()


def _install_addresses(base: str) -> None:
    @instead("find_api_scope", apigateway)
    def find(api_id: str) -> tuple[str, str] | None:
        for (account, region, stored), _ in apigateway._apis.all_items():
            if stored == api_id:
                return account, region
        return None

    @around("_parse_execute_api_url", app)
    def parse(original: Any, host: str, path: str) -> Any:
        # ApiEndpoint itself is called without a slash behind it.
        return original(host, f"{path}/" if re.fullmatch(f"{_PATH}[^/]+", path) else path)

    @around("_create_api", apigateway)
    def create(original: Any, data: dict[str, Any]) -> Any:
        status, headers, body = original(data)
        if status != 201:
            return status, headers, body
        answer = json.loads(body)
        answer["apiEndpoint"] = _move(answer["apiId"], base)
        return status, headers, json.dumps(answer).encode()

    resource = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    provision = resource["create"]

    def create_in_stack(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        api_id, attributes = provision(logical_id, props, stack_name)
        return api_id, {**attributes, "ApiEndpoint": _move(api_id, base)}

    resource["create"] = create_in_stack

    def local(spelled: re.Match[str]) -> str:
        known = apigateway.find_api_scope(spelled[1]) and _is_http(spelled[1])
        return f"{base}{spelled[1]}" if known else spelled[0]

    @around("_resolve_refs", engine, changesets, handlers, stacks)
    def resolve(original: Any, value: Any, *rest: Any, **more: Any) -> Any:
        resolved = original(value, *rest, **more)
        return _SPELLED.sub(local, resolved) if isinstance(resolved, str) else resolved


def _is_http(api_id: str) -> bool:
    return any(key[2] == api_id and api["protocolType"] == "HTTP" for key, api in apigateway._apis.all_items())


def _move(api_id: str, base: str) -> str:
    """Give an HTTP API its local endpoint; a WebSocket API keeps its own."""
    api = apigateway._apis[api_id]
    if api["protocolType"] == "HTTP":
        api["apiEndpoint"] = f"{base}{api_id}"
    return str(api["apiEndpoint"])


def _install_signed_routes() -> None:
    @around("_enforce_execute_api", app)
    def enforce(
        original: Any, api_id: str, stage: str, method: str, path: str, headers: Any, query: Any, *rest: Any, **more: Any
    ) -> Any:
        denied = original(api_id, stage, method, path, headers, query, *rest, **more)
        if apigateway.route_authorization_type(api_id, stage, method, path) != "AWS_IAM" or not _is_http(api_id):
            return denied
        caller = resolve_caller_identity(extract_access_key_id(headers, query)) or {}
        is_at_home = caller.get("accountId") == (apigateway.find_api_scope(api_id) or ("",))[0]
        if denied or not is_at_home:
            # Whoever is refused is not told why.
            return 403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}'
        return None


def _install_limits() -> None:
    @around("_invoke_lambda_proxy", apigateway)
    async def invoke(
        original: Any, integration: Any, api_id: str, stage: str, path: str, method: str, headers: Any, body: bytes,
        *given: Any, **more: Any,
    ) -> Any:
        # What else is in the event is a few kilobytes.
        if len(body or b"") > _BODY_LIMIT or _size_in_event(headers, body or b"") > _EVENT_LIMIT:
            return _TOO_LARGE
        return await original(integration, api_id, stage, path, method, headers, body, *given, **more)


def _size_in_event(headers: Any, body: bytes) -> int:
    if not apigateway._v2_request_body_is_text(headers.get("content-type")):
        return (len(body) + 2) // 3 * 4
    return len(json.dumps(body.decode(errors="replace"), ensure_ascii=False).encode())


def _install_errors() -> None:
    @around("lambda_execute_result_to_api_proxy_response", lambda_svc)
    def convert(original: Any, result: dict[str, Any]) -> Any:
        answered = _answered.get()
        if answered is not None and not result.get("error") and not result.get("throttle"):
            answered.append(True)
        return original(result)

    @around("_invoke_lambda_proxy", apigateway)
    async def invoke(original: Any, *given: Any, **more: Any) -> Any:
        answered: list[bool] = []
        token = _answered.set(answered)
        try:
            answer = await original(*given, **more)
        finally:
            _answered.reset(token)
        if answered:
            return answer
        return 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
