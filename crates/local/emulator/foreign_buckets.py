"""Buckets of other accounts, and the checksums that S3 answers.

- a bucket policy sees the caller's role or user, not only its account: the policies on both sides must allow,
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
- CopyObject reads from a bucket of another account,
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
- PutObject and CopyObject answer the checksums that they have stored,
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import s3

from emulator.seams import around

# The policy has been judged for the caller itself; MiniStack would ask again for the root of the caller's account.
_judged: contextvars.ContextVar[bool] = contextvars.ContextVar("judged", default=False)


def install() -> None:
    @around("evaluate_resource_policy", iam_evaluator)
    def evaluate(original: Any, *given: Any, **more: Any) -> Any:
        return iam_evaluator.EvalResult("ImplicitDeny") if _judged.get() else original(*given, **more)

    @around("_foreign_bucket_allows", s3)
    def allows(
        original: Any, owner: str, bucket: str, key: str, method: str, query: Any, caller: str, headers: Any = None
    ) -> bool:
        policy = s3._bucket_policies.get_scoped(owner, None, bucket)
        if policy and caller:
            decision = _decide(policy, owner, bucket, key, method, query, caller, headers or {})
            if decision in ("Allow", "Deny"):
                return bool(decision == "Allow")
        token = _judged.set(bool(caller))
        try:
            return bool(original(owner, bucket, key, method, query, caller, headers))
        finally:
            _judged.reset(token)

    @around("_copy_object", s3)
    def copy_object(original: Any, bucket: str, key: str, headers: dict[str, str]) -> Any:
        with _source_in_reach(headers):
            status, answered, body = original(bucket, key, headers)
        if status == 200:
            checksums = "".join(
                f"<Checksum{name}>{value}</Checksum{name}>" for name, value in _checksums(bucket, key).items()
            )
            body = body.replace(b"</CopyObjectResult>", f"{checksums}</CopyObjectResult>".encode())
        return status, answered, body

    @around("_put_object", s3)
    def put_object(original: Any, bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
        status, answered, content = original(bucket, key, body, headers)
        if status == 200:
            for name, value in _checksums(bucket, key).items():
                answered[f"x-amz-checksum-{name.lower()}"] = value
                answered["x-amz-checksum-type"] = "FULL_OBJECT"
        return status, answered, content


def _checksums(bucket: str, key: str) -> dict[str, str]:
    stored = s3._buckets[bucket]["objects"].get(key) or {}
    return dict(stored.get("checksums") or {})


def _decide(
    policy: str, owner: str, bucket: str, key: str, method: str, query: Any, caller: str, headers: dict[str, str]
) -> str:
    """What a bucket policy says about this caller and this request."""
    path = f"/{bucket}/{key}" if key else f"/{bucket}"
    action = f"s3:{iam_actions._s3_action(method, path, query) or 'GetObject'}"
    with request_scope(owner, get_region()):
        keys = iam_actions.s3_service_context(action, query, path, headers)
    principal = iam_evaluator.caller_arn()
    context = iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole" if ":assumed-role/" in principal else "User",
        principal_account=caller,
        action=action,
        resource_arn=f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}",
        region=get_region(),
        service_context={name.lower(): value for name, value in keys.items()},
    )
    return str(iam_evaluator.evaluate_resource_policy(policy, context).decision)


@contextlib.contextmanager
def _source_in_reach(headers: dict[str, str]) -> Iterator[None]:
    """Show a copy's source bucket to the destination's account for the time of the copy.

    Whether the caller may read it was decided before. MiniStack copies without giving way to another request.
    """
    source = unquote(headers.get("x-amz-copy-source", "").partition("?")[0]).lstrip("/")
    name, _, key = source.partition("/")
    owner, here = s3._bucket_owner_account(name), get_account_id()
    if owner in (None, here):
        yield
        return
    shown = [(s3._buckets, name), (s3._object_versions, (name, key))]
    for store, entry in shown:
        if (found := store.get_scoped(owner, None, entry)) is not None:
            store[entry] = found
    try:
        yield
    finally:
        for store, entry in shown:
            store.pop(entry, None)
