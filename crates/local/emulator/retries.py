"""How long a state waits before it is tried again: with ``MaxDelaySeconds`` and ``JitterStrategy``.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error
"""

from __future__ import annotations

import random
from typing import Any

from ministack.services import stepfunctions as sfn

from emulator.seams import around


def install(wait_scale: float) -> None:
    sfn._SFN_WAIT_SCALE = wait_scale

    @around("_find_matching_retrier", sfn)
    def find(original: Any, retriers: Any, error: str, counts: dict[int, int]) -> Any:
        retrier, index = original(retriers, error, counts)
        if retrier is None:
            return None, index
        # MiniStack multiplies interval and rate itself, so it gets this attempt's whole delay as the interval.
        return {**retrier, "IntervalSeconds": _delay(retrier, counts.get(index, 0)), "BackoffRate": 1.0}, index


def _delay(retrier: dict[str, Any], retried: int) -> float:
    delay = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** retried)
    delay = min(delay, retrier.get("MaxDelaySeconds", delay))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay
