"""Work outside a request: later, or again and again, in a given account and region."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack import app

logger = logging.getLogger("local")


def later(seconds: float, work: Callable[..., Any], *args: Any) -> None:
    """Call ``work`` on the server's loop after a while, in the caller's account and region."""
    context = contextvars.copy_context()
    loop = app._MAIN_LOOP
    loop.call_soon_threadsafe(lambda: loop.call_later(seconds, _safely, work, *args, context=context), context=context)


def every(seconds: float, name: str, work: Callable[[], Any]) -> None:
    """Call ``work`` again and again on a thread of its own."""

    def repeat() -> None:
        while True:
            time.sleep(seconds)
            _safely(work)

    threading.Thread(target=repeat, name=name, daemon=True).start()


def _safely(work: Callable[..., Any], *args: Any) -> None:
    try:
        work(*args)
    except Exception:
        logger.exception("%s failed", getattr(work, "__name__", work))
