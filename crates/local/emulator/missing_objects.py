"""An object that is not there is refused, not missing, to callers who may not list the bucket.

With ``s3:ListBucket`` on the bucket the answer is 404, without it 403.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import s3

from emulator.seams import around


def install() -> None:
    @around("handle_request", s3)
    async def handle(
        original: Any, method: str, path: str, headers: Any, body: bytes, query: Any, *rest: Any, **more: Any
    ) -> Any:
        # The original leaves a foreign bucket's request in its owner's account.
        caller = get_account_id()
        answer = await original(method, path, headers, body, query, *rest, **more)
        if answer[0] != 404 or more.get("internal") or iam_actions._s3_action(method, path, query) != "GetObject":
            return answer
        bucket, key = s3._parse_bucket_key(path, headers)
        owner = s3._bucket_owner_account(bucket)
        if owner is None or _may_list(bucket, owner, caller, method, key, headers, query, body):
            return answer
        arn = f'"arn:aws:s3:::{bucket}"'
        message = iam_actions.identity_denial_message("s3:ListBucket", iam_evaluator.caller_arn(), arn, False)
        status, answered, content = s3._error("AccessDenied", message, 403, f"/{bucket}/{key}")
        return status, {**answer[1], **answered}, b"" if method == "HEAD" else content


def _may_list(
    bucket: str, owner: str, caller: str, method: str, key: str, headers: Any, query: Any, body: bytes
) -> bool:
    access_key = s3._request_access_key(method, key, headers, query, body)
    with request_scope(caller, get_region()):
        if access_key and iam_evaluator.enforce(
            access_key, "s3:ListBucket", "s3", get_region(), resource_arn=f"arn:aws:s3:::{bucket}"
        ):
            return False
        if access_key and caller == owner:
            return True
        return bool(s3._foreign_bucket_allows(owner, bucket, "", "GET", {}, caller if access_key else "", headers))
