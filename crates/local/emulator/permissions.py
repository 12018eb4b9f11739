"""What a request is judged by: the caller as conditions see it, and the resource as policies name it.

- ``aws:PrincipalArn`` of a role's session is the role's ARN,
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
- builds are authorized on their project,
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodebuild.html
- a function invoked by an alias or a version is authorized on the alias' or the version's ARN,
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
- ``dynamodb:LeadingKeys`` are the partition keys of the items that a call reads or writes one by one,
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
  (Of a transaction's items each is judged by the keys of all of them, which refuses more than AWS does. A query's key
  is not told: MiniStack reads its expression only later.)
- a change set is executed on its stack, also where it alone is named,
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
- parameters below a path are read by whoever may read that path,
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
- who looks at alarms is authorized on the alarm or on ``alarm:*``, but who looks at composite ones too on ``*``,
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
  https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
"""

from __future__ import annotations

import contextvars
import json
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import cloudformation, dynamodb, iam

from emulator.seams import around

# The further resources that the request being judged names.
_further: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("further", default=())


def install() -> None:
    @around("_resolve_condition_key", iam_evaluator)
    def condition_key(original: Any, key: str, context: Any) -> Any:
        if key.lower() == "aws:principalarn":
            return role_arn(context.principal_arn)
        return original(key, context)

    @around("dynamodb_service_context", iam_actions)
    def dynamodb_context(original: Any, body: bytes) -> Any:
        keys = _leading_keys(body)
        return {**original(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}

    @around("extract_resource_arn", iam_actions)
    def resource(
        original: Any, service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str,
        account: str,
    ) -> Any:
        found = original(service, method, path, headers, body, query, region, account)
        if service == "lambda" and path.endswith("invocations"):
            qualifier = iam_actions._query_param(query, "Qualifier")
            return f"{found}:{qualifier}" if qualifier and len(found.split(":")) == 7 else found
        if service == "codebuild":
            first, *others = _projects(body, f"arn:aws:codebuild:{region}:{account}:project/") or [found]
            _further.set(tuple(others))
            return first
        if service == "cloudformation" and found == "*":
            return _stack_of_change_set(iam_actions._query_param(query, "ChangeSetName")) or found
        if service == "ssm" and found == "*" and (below := _asked(body).get("Path")):
            return f"arn:aws:ssm:{region}:{account}:parameter/{str(below).strip('/')}"
        if service == "monitoring":
            operation = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
            return _alarms(operation, _asked(body), f"arn:aws:cloudwatch:{region}:{account}:alarm:") or found
        return found

    @around("enforce", iam_evaluator)
    def enforce(
        original: Any, access_key: str, action: str, service: str, region: str, resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        further = _further.get()
        _further.set(())
        for arn in (resource_arn, *further):
            if denied := original(access_key, action, service, region, arn, service_context):
                return denied
        return None


def role_arn(principal: str) -> str:
    """The ARN of the role behind a session; any other principal as it is."""
    if ":assumed-role/" not in principal:
        return principal
    account, name = principal.split(":")[4], iam_evaluator._role_name_from_assumed_arn(principal)
    # The session's ARN leaves out the role's path.
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn") or f"arn:aws:iam::{account}:role/{name}")


def _asked(body: bytes) -> dict[str, Any]:
    """What a call in JSON asks for; nothing where it is not."""
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _leading_keys(body: bytes) -> list[str]:
    """The partition keys of the items that a call names."""
    asked = _asked(body)
    actions = [action for item in asked.get("TransactItems") or [] for action in item.values()]
    found = []
    for action in actions or [asked]:
        table = dynamodb._tables.get(str(action.get("TableName")).rsplit("/", 1)[-1]) or {}
        item = action.get("Item") or action.get("Key") or {}
        found += [str(value) for value in item.get(table.get("pk_name"), {}).values()]
    return found


def _stack_of_change_set(arn: str) -> str:
    # Change sets are kept by account and region: another account's is not found.
    return str((cloudformation._change_sets.get(arn) or {}).get("StackId") or "")


def _alarms(operation: str, asked: dict[str, Any], prefix: str) -> str:
    if operation in ("DescribeAlarms", "DescribeAlarmHistory"):
        everything = "CompositeAlarm" in (asked.get("AlarmTypes") or [])
        return "*" if everything else f"{prefix}{asked.get('AlarmName') or '*'}"
    return str(asked.get("ResourceARN") or "")


def _projects(body: bytes, prefix: str) -> list[str]:
    """The projects that a call names by themselves or by their builds."""
    asked = _asked(body)
    builds = [*(asked.get("ids") or []), *([asked["id"]] if "id" in asked else [])]
    names = [str(build).rsplit(":build/", 1)[-1].rsplit(":", 1)[0] for build in builds]
    names += [*(asked.get("names") or []), *([asked["projectName"]] if "projectName" in asked else [])]
    return list(dict.fromkeys(prefix + str(name).rsplit(":project/", 1)[-1] for name in names))
