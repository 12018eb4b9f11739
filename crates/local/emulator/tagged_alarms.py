"""The Resource Groups Tagging API knows alarms, as ``cloudwatch:alarm``.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
https://docs.aws.amazon.com/ARG/latest/userguide/supported-resources.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_region
from ministack.services import cloudwatch, tagging


def install() -> None:
    tagging._COLLECTORS["cloudwatch"] = _collect


def _collect() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for arn, tags in cloudwatch._resource_tags.items():
        spec = parse_arn(arn)
        if spec.region == get_region() and spec.resource.startswith("alarm:"):
            yield arn, tagging._normalise_flat(tags)
