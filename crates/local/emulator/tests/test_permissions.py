"""What policies and conditions decide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, Launcher, allow, make_function


def _session(launcher: Launcher, account: str, name: str, policy: str | None = None) -> dict[str, str]:
    """Credentials of a new role that its own account trusts."""
    iam = launcher.client("iam", account)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return _assume(launcher, account, role)


def _assume(launcher: Launcher, account: str, role: str, credentials: dict[str, str] | None = None) -> dict[str, str]:
    sts = launcher.client("sts", account, credentials)
    return dict(sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"])


def _bucket(launcher: Launcher, account: str, name: str) -> Any:
    s3 = launcher.client("s3", account)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def _refused(call: Any, **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as failed:
        call(**given)
    answer = failed.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("operator", ["ArnEquals", "ArnLike", "StringEquals", "StringLike"])
def test_a_bucket_policy_names_a_role_by_its_principal_arn(
    launcher: Launcher, account: str, other_account: str, operator: str
) -> None:
    source, target = f"source-{account}", f"target-{other_account}"
    s3 = _bucket(launcher, account, source)
    _bucket(launcher, other_account, target)
    s3.put_object(Bucket=source, Key="k", Body=b"template")
    statement = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{other_account}:root"}, "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{source}/*",
        "Condition": {operator: {"aws:PrincipalArn": f"arn:aws:iam::{other_account}:role/copier"}},
    }
    s3.put_bucket_policy(Bucket=source, Policy=json.dumps({"Statement": [statement]}))
    may = allow(["s3:GetObject", "s3:PutObject"])
    copier = launcher.client("s3", other_account, _session(launcher, other_account, "copier", may))
    stranger = launcher.client("s3", other_account, _session(launcher, other_account, "stranger", may))
    copy = {"Bucket": target, "Key": "copied", "CopySource": f"{source}/k"}
    for other in (stranger, launcher.client("s3", other_account)):
        assert _refused(other.get_object, Bucket=source, Key="k") == ("AccessDenied", 403)
        assert _refused(other.copy_object, **copy) == ("AccessDenied", 403)
    assert copier.get_object(Bucket=source, Key="k")["Body"].read() == b"template"
    copier.copy_object(**copy)
    assert copier.get_object(Bucket=target, Key="copied")["Body"].read() == b"template"
    # A condition that excludes the role does so too.
    excluding = {operator.replace("Equals", "NotEquals").replace("Like", "NotLike"): statement["Condition"][operator]}
    s3.put_bucket_policy(Bucket=source, Policy=json.dumps({"Statement": [{**statement, "Condition": excluding}]}))
    assert _refused(copier.get_object, Bucket=source, Key="k") == ("AccessDenied", 403)
    assert stranger.get_object(Bucket=source, Key="k")["Body"].read() == b"template"


def test_a_role_with_a_path_has_it_in_its_principal_arn(
    launcher: Launcher, account: str, other_account: str
) -> None:
    bucket = f"source-{account}"
    s3 = _bucket(launcher, account, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"template")
    iam = launcher.client("iam", other_account)
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{other_account}:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="reader", Path="/lockgate/", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=allow("s3:GetObject"))
    assert role == f"arn:aws:iam::{other_account}:role/lockgate/reader"
    reader = launcher.client("s3", other_account, _assume(launcher, other_account, role))
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    for arn, allowed in ((role.replace("lockgate/", ""), False), (role, True)):
        named = {**statement, "Condition": {"ArnEquals": {"aws:PrincipalArn": arn}}}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [named]}))
        if allowed:
            assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"template"
        else:
            assert _refused(reader.get_object, Bucket=bucket, Key="k") == ("AccessDenied", 403)


def test_a_trust_policy_names_a_role_by_its_principal_arn(
    launcher: Launcher, account: str, other_account: str
) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole",
             "Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/gate"}}}
    iam = launcher.client("iam", other_account)
    role = iam.create_role(RoleName="target", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]
    may = allow("sts:AssumeRole")
    assert _assume(launcher, account, role["Arn"], _session(launcher, account, "gate", may))
    stranger = launcher.client("sts", account, _session(launcher, account, "stranger", may))
    assert _refused(stranger.assume_role, RoleArn=role["Arn"], RoleSessionName="s1") == ("AccessDenied", 403)


def test_builds_are_read_by_who_may_read_their_projects(launcher: Launcher, account: str) -> None:
    project = f"arn:aws:codebuild:{REGION}:{account}:project/mine"
    may = allow(["codebuild:BatchGetBuilds", "codebuild:StopBuild"], project)
    builds = launcher.client("codebuild", account, _session(launcher, account, "builder", may))
    mine, others = "mine:00000000-0000-0000-0000-000000000000", "other:00000000-0000-0000-0000-000000000000"
    for identifier in (mine, f"arn:aws:codebuild:{REGION}:{account}:build/{mine}"):
        assert builds.batch_get_builds(ids=[identifier])["buildsNotFound"] == [identifier]
    assert _refused(builds.stop_build, id=mine) == ("ResourceNotFoundException", 400)
    for named in ([others], [mine, others]):
        assert _refused(builds.batch_get_builds, ids=named)[0] == "AccessDeniedException"
    assert _refused(builds.stop_build, id=others)[0] == "AccessDeniedException"


def test_an_invocation_is_judged_by_its_qualifier(launcher: Launcher, account: str) -> None:
    function = make_function(launcher, account, "f", "def handler(event, context):\n    return 1\n")
    api = launcher.client("lambda", account)
    api.create_alias(FunctionName="f", Name="live", FunctionVersion=api.publish_version(FunctionName="f")["Version"])
    alias, plain = (
        launcher.client("lambda", account, _session(launcher, account, name, allow("lambda:InvokeFunction", resource)))
        for name, resource in (("alias", f"{function}:live"), ("plain", function))
    )
    assert alias.invoke(FunctionName="f", Qualifier="live")["StatusCode"] == 200
    assert alias.invoke(FunctionName=f"{function}:live")["StatusCode"] == 200
    assert plain.invoke(FunctionName="f")["StatusCode"] == 200
    assert _refused(alias.invoke, FunctionName="f") == ("AccessDeniedException", 403)
    assert _refused(plain.invoke, FunctionName="f", Qualifier="live") == ("AccessDeniedException", 403)


def test_parameters_below_a_path_are_read_by_who_may_read_that_path(launcher: Launcher, account: str) -> None:
    launcher.client("ssm", account).put_parameter(Name="/apps/acme/shop", Type="String", Value="shop")
    may = allow(["ssm:GetParametersByPath"], f"arn:aws:ssm:{REGION}:{account}:parameter/apps")
    ssm = launcher.client("ssm", account, _session(launcher, account, "reader", may))
    found = ssm.get_parameters_by_path(Path="/apps", Recursive=True)["Parameters"]
    assert [parameter["Value"] for parameter in found] == ["shop"]
    assert _refused(ssm.get_parameters_by_path, Path="/secrets")[0] == "AccessDeniedException"


def test_who_may_not_list_is_not_told_that_a_key_is_missing(
    launcher: Launcher, account: str, other_account: str
) -> None:
    bucket = f"private-{account}"
    s3 = _bucket(launcher, account, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    lister, reader = (
        launcher.client("s3", account, _session(launcher, account, name, allow(actions)))
        for name, actions in (("lister", ["s3:GetObject", "s3:ListBucket"]), ("reader", ["s3:GetObject"]))
    )
    for client, code, head in ((s3, ("NoSuchKey", 404), "404"), (lister, ("NoSuchKey", 404), "404"),
                               (reader, ("AccessDenied", 403), "403")):
        client.head_object(Bucket=bucket, Key="k")
        assert _refused(client.get_object, Bucket=bucket, Key="missing") == code
        assert _refused(client.head_object, Bucket=bucket, Key="missing") == (head, int(head))
    # Across accounts the bucket's policy must allow it too.
    foreign = launcher.client(
        "s3", other_account, _session(launcher, other_account, "lister", allow(["s3:GetObject", "s3:ListBucket"]))
    )
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{other_account}:root"},
                 "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement]}))
    assert _refused(foreign.get_object, Bucket=bucket, Key="missing") == ("AccessDenied", 403)
    listing = {**statement, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement, listing]}))
    assert _refused(foreign.get_object, Bucket=bucket, Key="missing") == ("NoSuchKey", 404)


def test_items_are_written_by_who_may_write_below_their_partition_key(launcher: Launcher, account: str) -> None:
    launcher.client("dynamodb", account).create_table(
        TableName="table", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    statement = {
        "Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], "Resource": "*",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["delivery#*", "pin#*"]}},
    }
    policy = json.dumps({"Statement": [statement]})
    dynamodb = launcher.client("dynamodb", account, _session(launcher, account, "webhook", policy))

    def key(pk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": "x"}}

    def put(*keys: str) -> list[dict[str, Any]]:
        return [{"Put": {"TableName": "table", "Item": key(pk)}} for pk in keys]

    for own in ("delivery#1", "pin#acme/shop"):
        dynamodb.put_item(TableName="table", Item=key(own))
        dynamodb.update_item(TableName="table", Key=key(own))
        dynamodb.transact_write_items(TransactItems=put(own))
        dynamodb.delete_item(TableName="table", Key=key(own))
    for foreign in ("approval#1", "deployment#delivery#1", "pin", ""):
        for call, given in [
            (dynamodb.put_item, {"TableName": "table", "Item": key(foreign)}),
            (dynamodb.update_item, {"TableName": "table", "Key": key(foreign)}),
            (dynamodb.delete_item, {"TableName": "table", "Key": key(foreign)}),
            (dynamodb.transact_write_items, {"TransactItems": put("pin#1", foreign)}),
        ]:
            assert _refused(call, **given)[0] == "AccessDeniedException", (call, foreign)


def test_a_change_set_is_executed_on_its_stack(launcher: Launcher, account: str) -> None:
    root = launcher.client("cloudformation", account)
    sets = {}
    for stack in ("mine", "yours"):
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": stack}}}}
        made = root.create_change_set(
            StackName=stack, ChangeSetName="c", ChangeSetType="CREATE", TemplateBody=json.dumps(template)
        )
        sets[stack] = made["Id"]
        root.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"], WaiterConfig={"Delay": 1})
    yours = f"arn:aws:cloudformation:{REGION}:{account}:stack/yours/*"
    deny = {"Effect": "Deny", "Action": "cloudformation:ExecuteChangeSet", "Resource": yours}
    may = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may, deny]})
    deployer = launcher.client("cloudformation", account, _session(launcher, account, "deployer", policy))
    assert _refused(deployer.execute_change_set, ChangeSetName=sets["yours"]) == ("AccessDenied", 403)
    deployer.execute_change_set(ChangeSetName=sets["mine"])
