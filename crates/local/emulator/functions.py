"""What runs when a function, one of its versions or one of its aliases is invoked."""

from __future__ import annotations

import logging
from typing import Any

from ministack.services import lambda_svc

logger = logging.getLogger("local.functions")


def record_of(reference: str) -> dict[str, Any] | None:
    """MiniStack's record of a function, with the ARN by which it is invoked, or None if there is none.

    The ARN matters: retries are configured by alias, and CloudWatch measures by alias.
    """
    function, config, name = lambda_svc._get_func_record_for_ref(reference)
    if not function or not config:
        logger.warning("no function %s", name)
        return None
    if reference.startswith("arn:"):
        config = {**config, "FunctionArn": reference}
    return dict(lambda_svc._execution_record_for_config(function, config))
