"""Temporary credentials of a service role, as an AWS service gets them by assuming it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import botocore.session
from ministack.core import iam_evaluator
from ministack.services import iam, sts

LIFETIME_SECONDS = 12 * 3600


def trusts(role_arn: str, service: str) -> bool:
    """Whether the role exists and lets the service assume it."""
    role = iam._roles.get_scoped(role_arn.split(":")[4], None, role_arn.rsplit("/", 1)[-1]) if role_arn else None
    document = role["AssumeRolePolicyDocument"] if role else {}
    document = json.loads(document) if isinstance(document, str) else document
    statements = document.get("Statement", [])
    return any(
        statement.get("Effect") == "Allow"
        and iam_evaluator._service_principal_matches(statement.get("Principal"), service)
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def assume(role_arn: str, session: str) -> dict[str, str]:
    """Credentials, as environment variables, which the emulator's IAM judges by the role's policies."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    credentials = {
        "AWS_ACCESS_KEY_ID": f"ASIA{secrets.token_hex(8).upper()}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_SESSION_TOKEN": secrets.token_hex(64),
    }
    sts.register_session(
        credentials["AWS_ACCESS_KEY_ID"],
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "UserId": f"{sts._role_id(role_arn)}:{session}",
            "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": credentials["AWS_SESSION_TOKEN"],
            "Expiration": time.time() + LIFETIME_SECONDS,
            "AccountId": account,
            "PrincipalType": "AssumedRole",
        },
    )
    return credentials


def clients(credentials: dict[str, str], endpoint: str, region: str) -> Callable[[str], Any]:
    """Makes clients that call the emulator with these credentials."""
    session = botocore.session.Session()

    def client(service: str) -> Any:
        return session.create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"],
        )

    return client
