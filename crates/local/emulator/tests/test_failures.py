"""Calls that fail on request."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from conftest import Launcher, make_role, wait_for


@pytest.fixture(autouse=True)
def _heal(launcher: Launcher) -> Any:
    yield
    launcher.local("DELETE", "fail")


def _table(launcher: Launcher, account: str) -> Any:
    dynamodb = launcher.client("dynamodb", account)
    dynamodb.create_table(
        TableName="table", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    return dynamodb


def _fail(launcher: Launcher, account: str, service: str, action: str, kind: str, **more: Any) -> None:
    failure = {"account": account, "service": service, "action": action, "kind": kind, **more}
    launcher.local("POST", "fail", failure)


def _put(dynamodb: Any, key: str) -> str:
    try:
        dynamodb.put_item(TableName="table", Item={"k": {"S": key}})
    except ClientError as failed:
        return str(failed.response["Error"]["Code"])
    return "ok"


def test_the_chosen_calls_fail_and_no_others(launcher: Launcher, account: str, other_account: str) -> None:
    dynamodb = _table(launcher, account)
    _table(launcher, other_account)
    _fail(launcher, account, "dynamodb", "PutItem", "throttle", times=2, after=1)
    assert _put(launcher.client("dynamodb", other_account), "a") == "ok"
    assert dynamodb.scan(TableName="table")["Count"] == 0
    assert [_put(dynamodb, key) for key in "abcd"] == ["ok", "ThrottlingException", "ThrottlingException", "ok"]
    assert dynamodb.scan(TableName="table")["Count"] == 2


def test_a_failure_may_be_for_one_request_or_one_caller(launcher: Launcher, account: str) -> None:
    dynamodb = _table(launcher, account)
    role = make_role(launcher, account, "other", "lambda.amazonaws.com")
    statement = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    launcher.client("iam", account).update_assume_role_policy(
        RoleName="other", PolicyDocument=json.dumps({"Statement": [statement]})
    )
    assumed = launcher.client("sts", account).assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    _fail(launcher, account, "dynamodb", "PutItem", "error500", times=9, request_contains="special")
    _fail(launcher, account, "dynamodb", "PutItem", "error500", times=9, principal_contains="assumed-role/other")
    assert _put(dynamodb, "special") == "InternalServerError"
    assert _put(dynamodb, "plain") == "ok"
    assert _put(launcher.client("dynamodb", account, assumed), "plain") == "InternalServerError"


def test_an_answer_may_be_lost_after_the_call_took_effect(launcher: Launcher, account: str) -> None:
    dynamodb = _table(launcher, account)
    hasty = launcher.client("dynamodb", account, read_timeout=1)
    _fail(launcher, account, "dynamodb", "PutItem", "timeout", acted=True, hold_seconds=30)
    began = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        _put(hasty, "a")
    assert time.monotonic() - began < 20
    wait_for(lambda: dynamodb.scan(TableName="table")["Count"] == 1)


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "throttle", "error500"),
    [
        ("cloudformation", "DescribeStacks", {}, ("Throttling", 400), ("InternalFailure", 500)),
        ("s3", "ListBuckets", {}, ("SlowDown", 503), ("InternalError", 500)),
        ("s3", "CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "c/k"},
         ("SlowDown", 503), ("InternalError", 500)),
        ("stepfunctions", "ListStateMachines", {}, ("ThrottlingException", 400), ("InternalServerException", 500)),
        ("codebuild", "BatchGetBuilds", {"ids": ["a"]}, ("ThrottlingException", 400), ("InternalServerException", 500)),
        ("lambda", "Invoke", {"FunctionName": "f"}, ("TooManyRequestsException", 429), ("ServiceException", 500)),
        ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::1:role/a", "RoleSessionName": "ab"},
         ("Throttling", 400), ("InternalFailure", 500)),
    ],
)
def test_each_service_has_its_own_words(
    launcher: Launcher, account: str, service: str, operation: str, arguments: dict[str, Any],
    throttle: tuple[str, int], error500: tuple[str, int],
) -> None:
    client = launcher.client(service, account)
    name = {"stepfunctions": "states"}.get(service, service)
    action = {"ListBuckets": "ListAllMyBuckets"}.get(operation, operation)
    for kind, expected in (("throttle", throttle), ("error500", error500)):
        _fail(launcher, account, name, action, kind)
        method = next(m for m, o in client.meta.method_to_api_mapping.items() if o == operation)
        with pytest.raises(ClientError) as failed:
            getattr(client, method)(**arguments)
        answer = failed.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == expected
