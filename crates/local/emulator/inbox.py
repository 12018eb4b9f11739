"""Mail that SNS sends: an inbox instead of addresses.

A subscription by mail is pending, and gets nothing, until its owner confirms it,
https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import AccountRegionScopedDict
from ministack.services import sns

from emulator.seams import around

PROTOCOLS = ("email", "email-json")

_lock = threading.Lock()
_mails: list[dict[str, Any]] = []


def mails(account: str | None) -> list[dict[str, Any]]:
    """The mails sent so far by one account's topics or by all, oldest first."""
    with _lock:
        return [mail for mail in _mails if account in (None, mail["account"])]


def confirm(topic_arn: str, address: str) -> int:
    """Confirm an address' subscriptions of a topic; how many there are."""
    topic = sns._topic_by_arn_any_scope(topic_arn)
    found = [sub for sub in (topic or {}).get("subscriptions", []) if sub["endpoint"] == address]
    for subscription in found:
        subscription["confirmed"] = True
        subscription["attributes"]["PendingConfirmation"] = "false"
    if topic:
        sns._refresh_subscription_counts(topic)
    return len(found)


def install(auto_confirm: bool, leave_pending: frozenset[str]) -> None:
    @around("_fanout", sns)
    def fanout(
        original: Any, topic_arn: str, message_id: str, message: str, subject: str, *rest: Any, **more: Any
    ) -> None:
        _deliver(topic_arn, message_id, message, subject, *rest[:2])
        original(topic_arn, message_id, message, subject, *rest, **more)

    def waits(subscription: dict[str, Any]) -> bool:
        by_mail = subscription["protocol"] in PROTOCOLS
        return by_mail and (not auto_confirm or subscription["endpoint"] in leave_pending)

    sns._sub_arn_to_topic = _Subscribed(waits)

    @around("_subscribe", sns)
    def subscribe(original: Any, params: dict[str, Any]) -> Any:
        status, headers, body = original(params)
        if sns._p(params, "ReturnSubscriptionArn") != "true":
            body = _hide_pending(body, sns._p(params, "TopicArn"), b"pending confirmation")
        return status, headers, body

    # https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html
    @around("_list_subscriptions_by_topic", sns)
    def list_by_topic(original: Any, params: dict[str, Any]) -> Any:
        status, headers, body = original(params)
        return status, headers, _hide_pending(body, sns._p(params, "TopicArn"), b"PendingConfirmation")


def _hide_pending(body: bytes, topic_arn: str, instead: bytes) -> bytes:
    """A subscription has no ARN that anybody is told before it is confirmed."""
    topic = sns._topic_by_arn_any_scope(topic_arn)
    for subscription in (topic or {}).get("subscriptions", []):
        if subscription["protocol"] in PROTOCOLS and not subscription["confirmed"]:
            body = body.replace(subscription["arn"].encode(), instead)
    return body


class _Subscribed(AccountRegionScopedDict):  # type: ignore[misc]
    """MiniStack's index of subscriptions: all of its ways to subscribe put the new one in here last."""

    __slots__ = ("_waits",)

    def __init__(self, waits: Callable[[dict[str, Any]], bool]) -> None:
        super().__init__()
        self._waits = waits

    def __setitem__(self, arn: str, topic_arn: str) -> None:
        super().__setitem__(arn, topic_arn)
        topic = sns._topic_by_arn_any_scope(topic_arn)
        for subscription in (topic or {}).get("subscriptions", []):
            if subscription["arn"] == arn and self._waits(subscription):
                _set_pending(topic, subscription)


def _set_pending(topic: dict[str, Any], subscription: dict[str, Any]) -> None:
    subscription["confirmed"] = False
    subscription["attributes"].update(PendingConfirmation="true", ConfirmationWasAuthenticated="false")
    sns._refresh_subscription_counts(topic)


def _deliver(
    topic_arn: str, message_id: str, message: str, subject: str, structure: str = "", attributes: Any = None
) -> None:
    topic = sns._topic_by_arn_any_scope(topic_arn)
    for subscription in (topic or {}).get("subscriptions", []):
        protocol = subscription["protocol"]
        if protocol not in PROTOCOLS or not subscription["confirmed"]:
            continue
        body = sns._resolve_message_for_protocol(message, structure, protocol)
        if not sns._matches_filter_policy(subscription, attributes or {}, body):
            continue
        if protocol == "email-json":
            body = sns._build_envelope(topic_arn, message_id, body, subject, attributes or {}, False)
        mail = {
            "account": parse_arn(topic_arn).account_id,
            "topic_arn": topic_arn,
            "to": subscription["endpoint"],
            "subject": subject or "AWS Notification Message",
            "body": body,
            "at": datetime.now(UTC).isoformat(),
        }
        with _lock:
            _mails.append(mail)
