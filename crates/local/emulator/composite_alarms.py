"""AWS::CloudWatch::CompositeAlarm: MiniStack knows composite alarms by its API only.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-compositealarm.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

_TYPE = "AWS::CloudWatch::CompositeAlarm"

Properties = dict[str, Any]


def install() -> None:
    provisioners._RESOURCE_HANDLERS.setdefault(
        _TYPE, {"create": _create, "update": _update, "update_with_logical_id": True, "delete": _delete}
    )
    provisioners._STACK_TAG_PROPERTY.setdefault(_TYPE, ("Tags", "list"))


def _create(logical_id: str, props: Properties, stack_name: str) -> tuple[str, dict[str, str]]:
    return _put(_name(logical_id, props, stack_name), props)


def _update(
    physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None
) -> tuple[str, dict[str, str]]:
    name = _name(logical_id or physical_id, new, stack_name)
    current = physical_id if physical_id in cloudwatch._composite_alarms else None
    replaced: tuple[str, dict[str, str]] | None = provisioners._rename_replacement(
        physical_id, old, new, stack_name, logical_id, name, current, _create, _delete
    )
    return replaced or _put(name, new)


def _delete(physical_id: str, props: Properties) -> None:
    _done(cloudwatch._delete_alarms({}, {"AlarmNames": [physical_id]}, False, True))


def _name(logical_id: str, props: Properties, stack_name: str) -> str:
    return str(props.get("AlarmName") or provisioners._physical_name(stack_name, logical_id, max_len=255))


def _put(name: str, props: Properties) -> tuple[str, dict[str, str]]:
    # The tags are set apart: PutCompositeAlarm refuses those of CloudFormation itself.
    given = {key: value for key, value in props.items() if key != "Tags"} | {"AlarmName": name}
    _done(cloudwatch._put_composite_alarm({}, given, False, True))
    cloudwatch.cloudformation_set_metric_alarm_tags(name, props.get("Tags") or [])
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def _done(answer: tuple[int, dict[str, str], bytes]) -> None:
    status, _, body = answer
    if status != 200:
        raise ValueError(json.loads(body)["message"])
