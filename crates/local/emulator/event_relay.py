"""Events that cross accounts.

A rule may have a bus of another account as its target. The receiving bus must allow it by its resource
policy, and the rule's role must allow ``events:PutEvents`` on that bus. The event keeps its id, account
and region, and it crosses once: a rule of the receiving account cannot send it to a third one.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, json_response, request_scope
from ministack.services import eventbridge, iam
from ministack.services.cloudformation import provisioners

from emulator.seams import around

logger = logging.getLogger("local.relay")


def install() -> None:
    @around("_dispatch_to_event_bus", eventbridge)
    def dispatch(original: Any, spec: Any, event: Any, rule: Any, path: Any, payload: Any = None) -> None:
        if spec.account_id == get_account_id():
            original(spec, event, rule, path, payload)
        elif event.get("_Crossed"):
            logger.warning("%s not delivered: an event crosses accounts once", spec)
        elif refusal := _refusal(spec, event, _role_of_target(rule, str(spec))):
            logger.warning("%s not delivered: %s", spec, refusal)
        else:
            _deliver(spec, event)

    @around("_put_permission", eventbridge)
    def put_permission(original: Any, data: dict[str, Any]) -> Any:
        # PutPermission also takes a whole policy, in place of one statement's parts.
        if "Policy" not in data:
            return original(data)
        try:
            policy = json.loads(data["Policy"])
        except json.JSONDecodeError:
            return error_response_json("InvalidParameterValueException", "Policy is not valid JSON", 400)
        eventbridge._event_bus_policies[data.get("EventBusName", "default")] = policy
        return json_response({})

    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Events::EventBusPolicy",
        {"create": _create_policy, "update": _update_policy, "delete": _delete_policy},
    )


def _deliver(spec: Any, event: dict[str, Any]) -> None:
    with request_scope(spec.account_id, spec.region):
        eventbridge._ensure_default_bus()
        bus = spec.resource.split("/", 1)[1]
        if bus not in eventbridge._event_buses:
            logger.warning("%s not delivered: no such bus", spec)
            return
        # The path of rules is forgotten: another account's rule of the same name is another rule.
        crossed = {**event, "EventBusName": bus, "_DispatchPath": [], "_Crossed": True}
        eventbridge._dispatch_event(crossed)
        eventbridge._archive_event(crossed)


def _role_of_target(rule: dict[str, Any], bus_arn: str) -> str:
    key = eventbridge._rule_key(rule.get("Name", ""), rule.get("EventBusName", "default"))
    targets = eventbridge._targets.get(key, [])
    return next((target.get("RoleArn", "") for target in targets if target.get("Arn") == bus_arn), "")


def _refusal(spec: Any, event: dict[str, Any], role: str) -> str | None:
    """Why the event may not cross, or None."""
    account = get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=role or f"arn:aws:iam::{account}:root",
        principal_type="AssumedRole" if role else "Root",
        principal_account=account,
        action="events:PutEvents",
        resource_arn=str(spec),
        region=spec.region,
        service_context={"events:source": event.get("Source"), "events:detail-type": event.get("DetailType")},
    )
    if role:
        name = role.rsplit("/", 1)[-1]
        known = iam._roles.get_scoped(account, None, name)
        if known is None or "events.amazonaws.com" not in json.dumps(known.get("AssumeRolePolicyDocument", "")):
            return f"EventBridge cannot assume {role}"
        if iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account)).decision != "Allow":
            return f"{role} may not events:PutEvents"
    with request_scope(spec.account_id, spec.region):
        policy = eventbridge._event_bus_policies.get(spec.resource.split("/", 1)[1])
    if policy is None or iam_evaluator.evaluate_resource_policy(_with_arns(policy), context).decision != "Allow":
        return "the bus' resource policy does not allow it"
    return None


def _with_arns(policy: dict[str, Any]) -> dict[str, Any]:
    """The policy with PutPermission's bare account ids spelled as IAM spells them."""
    statements = policy.get("Statement", [])
    spelled = []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        if isinstance(principal, str) and re.fullmatch(r"\d{12}", principal):
            principal = {"AWS": f"arn:aws:iam::{principal}:root"}
        spelled.append({**statement, "Principal": principal})
    return {**policy, "Statement": spelled}


def _create_policy(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    """AWS::Events::EventBusPolicy: one statement of a bus' policy, whole or in parts.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-events-eventbuspolicy.html
    """
    bus = eventbridge._event_bus_name_from_ref(props.get("EventBusName", "default"))[0]
    eventbridge._ensure_default_bus()
    if bus not in eventbridge._event_buses:
        raise ValueError(f"Event bus {bus} does not exist.")
    statement_id = props["StatementId"]
    if "Statement" in props:
        policy = eventbridge._event_bus_policies.setdefault(bus, {"Version": "2012-10-17", "Statement": []})
        others = [other for other in policy["Statement"] if other.get("Sid") != statement_id]
        policy["Statement"] = [*others, {**props["Statement"], "Sid": statement_id}]
    else:
        given = {"EventBusName": bus, "StatementId": statement_id}
        given |= {name: props[name] for name in ("Action", "Principal", "Condition") if name in props}
        eventbridge._put_permission(given)
    return f"{bus}|{statement_id}", {}


def _update_policy(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
    created = _create_policy("", new, stack_name)
    if created[0] != physical_id:
        _delete_policy(physical_id, old)
    return created


def _delete_policy(physical_id: str, props: dict[str, Any]) -> None:
    bus, statement_id = physical_id.split("|", 1)
    eventbridge._remove_permission({"EventBusName": bus, "StatementId": statement_id})
