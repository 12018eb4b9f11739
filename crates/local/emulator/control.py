"""What tests and the demo ask of the launcher itself, under ``/_local/``; loopback only, so unauthenticated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from emulator import builds, events, failures, inbox, transitions

Query = dict[str, str]


def _events(query: Query, body: Any) -> Any:
    return {"events": events.recent(query.get("account"))}


def _lose(query: Query, body: Any) -> Any:
    events.lose(**body)
    return {}


def _builds(query: Query, body: Any) -> Any:
    return {"builds": builds.everything()}


def _failures(query: Query, body: Any) -> Any:
    return {"failures": [asdict(failure) for failure in failures.armed()]}


def _fail(query: Query, body: Any) -> Any:
    failures.arm(failures.Failure(**body))
    return {}


def _heal(query: Query, body: Any) -> Any:
    failures.disarm()
    return {}


def _transitions(query: Query, body: Any) -> Any:
    return transitions.of(query["execution"])


def _inbox(query: Query, body: Any) -> Any:
    return {"mails": inbox.mails(query.get("account"))}


def _confirm(query: Query, body: Any) -> Any:
    return {"confirmed": inbox.confirm(body["topic_arn"], body["address"])}


ROUTES: dict[tuple[str, str], Callable[[Query, Any], Any]] = {
    ("GET", "/_local/events"): _events,
    ("POST", "/_local/events/lose"): _lose,
    ("GET", "/_local/builds"): _builds,
    ("GET", "/_local/fail"): _failures,
    ("POST", "/_local/fail"): _fail,
    ("DELETE", "/_local/fail"): _heal,
    ("GET", "/_local/transitions"): _transitions,
    ("GET", "/_local/inbox"): _inbox,
    ("POST", "/_local/inbox/confirm"): _confirm,
}


def beside(aws: Any) -> Any:
    """The ASGI application that answers ``/_local/`` itself and leaves the rest to MiniStack."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/_local/"):
            await _answer(scope, receive, send)
        else:
            await aws(scope, receive, send)

    return application


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    raw = b""
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            break
    route = ROUTES.get((scope["method"], scope["path"]))
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    if route is None:
        status, answer = 404, {"error": f"no {scope['method']} {scope['path']}"}
    else:
        try:
            status, answer = 200, route(query, json.loads(raw or b"{}"))
        except (KeyError, TypeError, ValueError) as wrong:
            status, answer = 400, {"error": f"{type(wrong).__name__}: {wrong}"}
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
