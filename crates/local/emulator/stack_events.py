"""CloudFormation tells EventBridge about every change of a stack's status (and nothing about change sets).

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

from emulator import background, events
from emulator.seams import around

# MiniStack notes the event in the middle of the change; who reads the stack on the event must see it finished.
DELAY_SECONDS = 0.05


def install() -> None:
    @around("_add_event", stacks, changesets, handlers)
    def add_event(
        original: Any,
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        *rest: Any,
        **options: Any,
    ) -> None:
        whole_stack = resource_type == "AWS::CloudFormation::Stack" and logical_id == stack_name
        if not whole_stack and status.startswith("UPDATE_") and _is_new(stack_id, logical_id):
            # MiniStack calls it an update when an update of the stack creates a resource.
            status = status.replace("UPDATE_", "CREATE_", 1)
        statuses = [status]
        if whole_stack and status == "UPDATE_COMPLETE":
            # MiniStack removes what an update replaced without saying so.
            statuses.insert(0, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for each in statuses:
            original(stack_id, stack_name, logical_id, resource_type, each, reason, *rest, **options)
            if whole_stack:
                token = stacks.CLIENT_REQUEST_TOKEN.get()
                background.later(DELAY_SECONDS, _publish, get_account_id(), stack_id, each, reason, token)


def _is_new(stack_id: str, logical_id: str) -> bool:
    """Whether a resource has not been there before, or has been deleted."""
    past = [e for e in cloudformation._stack_events.get(stack_id, []) if e["LogicalResourceId"] == logical_id]
    completed = [e["ResourceStatus"] for e in past if e["ResourceStatus"].endswith("_COMPLETE")]
    return not completed or completed[-1] == "DELETE_COMPLETE"


def _publish(account: str, stack_id: str, status: str, reason: str, token: str) -> None:
    region = stack_id.split(":")[3]
    detail = {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": token,
    }
    with request_scope(account, region):
        events.publish("aws.cloudformation", "CloudFormation Stack Status Change", detail, [stack_id])
