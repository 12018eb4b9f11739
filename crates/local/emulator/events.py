"""What passes the event buses: a record of it, the loss of it on request, and the way to publish."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge

from emulator.seams import around

KEPT = 2000

_lock = threading.Lock()
_recent: deque[dict[str, Any]] = deque(maxlen=KEPT)
_lost: set[tuple[str, str, str]] = set()


def publish(source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
    """Put an AWS service's own event on the default bus of the current account and region."""
    entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "Resources": resources}
    # Rules are found by account, and an account that was never asked has no default bus yet.
    eventbridge._ensure_default_bus()
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def lose(account: str, source: str, on: bool, contains: str = "") -> None:
    """Begin or stop to drop one source's events that contain a text, before one account's rules see them."""
    with _lock:
        (_lost.add if on else _lost.discard)((account, source, contains))


def _is_lost(account: str, event: dict[str, Any]) -> bool:
    with _lock:
        texts = [text for lossy, source, text in _lost if (lossy, source) == (account, event.get("Source", ""))]
    return any(text in str(event.get("Detail", "")) for text in texts)


def recent(account: str | None) -> list[dict[str, Any]]:
    """The latest events, oldest first, of one account's buses or of all."""
    with _lock:
        return [entry for entry in _recent if account in (None, entry["bus_account"])]


def install() -> None:
    @around("_dispatch_event", eventbridge)
    def dispatch(original: Any, event: dict[str, Any], view: Any = None) -> None:
        account = get_account_id()
        view = view or eventbridge._pattern_event_view(event)
        lost = _is_lost(account, event)
        with _lock:
            _recent.append(
                {
                    "bus_account": account,
                    "bus_region": get_region(),
                    "bus": event.get("EventBusName", "default"),
                    "lost": lost,
                    "event": view.event_with_detail(),
                }
            )
        if not lost:
            original(event, view)
