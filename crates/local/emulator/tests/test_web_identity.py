"""Which workflows of GitHub Actions get a role: the trust of the CDK app's own template, judged by another evaluator."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import Launcher

TEMPLATE = Path(__file__).resolve().parents[4] / "infra/tests/snapshots/pipeline.json"
ISSUER = "token.actions.githubusercontent.com"
DEPLOY = "repo:acme/shop:environment:deploy"


def _role(name: str) -> dict[str, Any]:
    resources = json.loads(TEMPLATE.read_text())["Resources"].values()
    return next(found["Properties"] for found in resources if found.get("Properties", {}).get("RoleName") == name)


def _token(**claims: Any) -> str:
    """As GitHub makes it, but for the signature, which the local AWS does not check."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iss": f"https://{ISSUER}", "aud": "sts.amazonaws.com", **claims})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


@pytest.fixture
def arn(launcher: Launcher, account: str) -> str:
    """The role that starts deployments, with the trust that the template gives it."""
    iam = launcher.client("iam", account)
    provider = iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])
    role = _role("lockgate-actions-deployments")
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    statement["Principal"] = {"Federated": provider["OpenIDConnectProviderArn"]}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = iam.create_role(RoleName=role["RoleName"], AssumeRolePolicyDocument=trust)
    return str(made["Role"]["Arn"])


def _assume(launcher: Launcher, account: str, arn: str, token: str) -> dict[str, Any]:
    sts = launcher.client("sts", account)
    return dict(sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="run", WebIdentityToken=token))


@pytest.mark.parametrize("subject", [DEPLOY, "repo:acme@123456/blog@456789:ref:refs/heads/main"])
def test_a_workflow_that_is_trusted_gets_the_role(launcher: Launcher, account: str, arn: str, subject: str) -> None:
    session = _assume(launcher, account, arn, _token(sub=subject))
    assert session["AssumedRoleUser"]["Arn"].endswith(":assumed-role/lockgate-actions-deployments/run")
    sts = launcher.client("sts", account, session["Credentials"])
    assert sts.get_caller_identity()["Arn"] == session["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "repo:acme/shop:environment:deploy2"},
        {"sub": "repo:acme/shop:environment:Deploy"},
        {"sub": "repo:acme/shop:environment:deplo"},
        {"sub": "repo:acme/shop:environment:*"},
        {"sub": "repo:acme/shop:ref:refs/heads/main"},
        {"sub": "repo:acme/shop:pull_request"},
        {"sub": "repo:acme/shop"},
        {"sub": "repo:acme/shop-2:environment:deploy"},
        {"sub": "repo:evil/shop:environment:deploy"},
        {"sub": "xrepo:acme/shop:environment:deploy"},
        # The name is somebody else's by now, or the ids are.
        {"sub": "repo:acme@999/shop@999:environment:deploy"},
        {"sub": "repo:acme/blog:ref:refs/heads/main"},
        {"sub": "repo:acme@123456/blog@999:ref:refs/heads/main"},
        # It may deploy Lockgate, which is another role.
        {"sub": "repo:acme/lockgate:environment:tools"},
        {},
        {"sub": DEPLOY, "aud": "https://github.com/acme"},
        {"sub": DEPLOY, "aud": "sts.amazonaws.com.evil.example"},
        {"sub": DEPLOY, "aud": None},
        {"sub": DEPLOY, "iss": "https://token.actions.githubusercontent.com.evil.example"},
        {"sub": DEPLOY, "iss": "https://gitlab.com"},
    ],
    ids=str,
)
def test_every_other_token_is_refused(launcher: Launcher, account: str, arn: str, claims: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        _assume(launcher, account, arn, _token(**claims))
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("AccessDenied", 403)
