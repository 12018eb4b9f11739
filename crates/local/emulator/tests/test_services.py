"""What other services do that the product relies on: S3, STS, CloudFormation, Lambda."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, Launcher, allow, make_function, make_role, wait_for

BODY = b"template"
DIGEST = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
TOPIC = {"Type": "AWS::SNS::Topic"}


def _bucket(launcher: Launcher, account: str, name: str) -> Any:
    s3 = launcher.client("s3", account)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def _code(failed: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = failed.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_is_put_once_under_its_digest(launcher: Launcher, account: str) -> None:
    bucket = f"artifacts-{account}"
    s3 = _bucket(launcher, account, bucket)
    put = {"Bucket": bucket, "Key": "k", "Body": BODY, "ChecksumSHA256": DIGEST, "IfNoneMatch": "*"}
    assert s3.put_object(**put)["ChecksumSHA256"] == DIGEST
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == DIGEST
    with pytest.raises(ClientError) as again:
        s3.put_object(**put)
    assert _code(again) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as wrong:
        s3.put_object(**{**put, "Key": "other", "Body": b"altered"})
    assert _code(wrong) == ("BadDigest", 400)


def _assumed(launcher: Launcher, account: str, role: str, **more: Any) -> dict[str, str]:
    answer = launcher.client("sts", account).assume_role(RoleArn=role, RoleSessionName="lockgate", **more)
    return dict(answer["Credentials"])


def _copier(launcher: Launcher, account: str, trusted: str, actions: list[str]) -> str:
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"}, "Action": actions,
             "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}
    iam = launcher.client("iam", account)
    role = iam.create_role(RoleName="copier", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    iam.put_role_policy(RoleName="copier", PolicyName="p", PolicyDocument=allow(["s3:GetObject", "s3:PutObject"]))
    return str(role["Role"]["Arn"])


def test_a_role_copies_between_accounts_only_if_both_sides_allow(
    launcher: Launcher, account: str, other_account: str
) -> None:
    tools, target = f"tools-{account}", f"target-{other_account}"
    s3 = _bucket(launcher, account, tools)
    _bucket(launcher, other_account, target)
    s3.put_object(Bucket=tools, Key="k", Body=BODY, ChecksumSHA256=DIGEST)
    role = _copier(launcher, other_account, account, ["sts:AssumeRole"])
    copier = launcher.client("s3", other_account, _assumed(launcher, account, role, ExternalId="secret"))
    copy = {"Bucket": target, "Key": "copied", "CopySource": f"{tools}/k"}
    for principal, resource in ((None, ""), (f"{role}x", "*"), (role, "other/*")):
        if principal:
            statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject",
                         "Resource": f"arn:aws:s3:::{tools}/{resource}"}
            s3.put_bucket_policy(Bucket=tools, Policy=json.dumps({"Statement": [statement]}))
        with pytest.raises(ClientError) as refused:
            copier.copy_object(**copy)
        assert _code(refused) == ("AccessDenied", 403)
    statement["Resource"] = f"arn:aws:s3:::{tools}/k"
    s3.put_bucket_policy(Bucket=tools, Policy=json.dumps({"Statement": [statement]}))
    assert copier.copy_object(**copy)["CopyObjectResult"]["ChecksumSHA256"] == DIGEST
    copied = launcher.client("s3", other_account).get_object(Bucket=target, Key="copied", ChecksumMode="ENABLED")
    assert copied["Body"].read() == BODY and copied["ChecksumSHA256"] == DIGEST
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=tools)["Contents"]] == ["k"]


def test_session_tags_need_their_own_permission(launcher: Launcher, account: str, other_account: str) -> None:
    role = _copier(launcher, other_account, account, ["sts:AssumeRole"])
    tags = [{"Key": "deployment", "Value": "d"}]
    for more in ({}, {"ExternalId": "wrong"}, {"ExternalId": "secret", "Tags": tags}):
        with pytest.raises(ClientError) as refused:
            _assumed(launcher, account, role, **more)
        assert _code(refused) == ("AccessDenied", 403)
    launcher.client("iam", other_account).delete_role_policy(RoleName="copier", PolicyName="p")
    launcher.client("iam", other_account).delete_role(RoleName="copier")
    role = _copier(launcher, other_account, account, ["sts:AssumeRole", "sts:TagSession"])
    assert _assumed(launcher, account, role, ExternalId="secret", Tags=tags)


def test_a_bucket_that_wants_tls_is_served(launcher: Launcher, account: str) -> None:
    bucket = f"tls-{account}"
    s3 = _bucket(launcher, account, bucket)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [deny]}))
    role = make_role(launcher, account, "r", "lambda.amazonaws.com")
    launcher.client("iam", account).update_assume_role_policy(
        RoleName="r", PolicyDocument=json.dumps({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}]}))
    launcher.client("s3", account, _assumed(launcher, account, role)).put_object(Bucket=bucket, Key="k", Body=b"")


class Stack:
    """A stack that is changed by change sets."""

    def __init__(self, launcher: Launcher, account: str):
        self.api = launcher.client("cloudformation", account)

    def prepare(self, name: str, resources: dict[str, Any], kind: str = "UPDATE") -> dict[str, Any]:
        self.api.create_change_set(
            StackName="s", ChangeSetName=name, ChangeSetType=kind, TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        )
        wait_for(lambda: self.read(name)["Status"] in ("CREATE_COMPLETE", "FAILED"))
        return self.read(name)

    def read(self, name: str) -> dict[str, Any]:
        return dict(self.api.describe_change_set(StackName="s", ChangeSetName=name))

    def execute(self, name: str) -> str:
        self.api.execute_change_set(StackName="s", ChangeSetName=name, ClientRequestToken=f"token-{name}")
        wait_for(lambda: not self.status().endswith("IN_PROGRESS"), 20)
        return self.status()

    def status(self) -> str:
        return str(self.api.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])

    def events(self) -> list[dict[str, Any]]:
        return list(self.api.describe_stack_events(StackName="s")["StackEvents"])


def test_change_sets_go_through_their_states(launcher: Launcher, account: str) -> None:
    stack = Stack(launcher, account)
    prepared = stack.prepare("first", {"A": TOPIC}, "CREATE")
    assert (prepared["Status"], prepared["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert stack.status() == "REVIEW_IN_PROGRESS"
    assert stack.execute("first") == "CREATE_COMPLETE"
    assert stack.read("first")["ExecutionStatus"] == "EXECUTE_COMPLETE"
    with pytest.raises(ClientError) as again:
        stack.execute("first")
    assert _code(again) == ("InvalidChangeSetStatus", 400)
    empty = stack.prepare("same", {"A": TOPIC})
    assert (empty["Status"], empty["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in empty["StatusReason"]
    stack.api.delete_change_set(StackName="s", ChangeSetName="same")
    with pytest.raises(ClientError) as gone:
        stack.read("same")
    assert _code(gone) == ("ChangeSetNotFound", 404)
    stack.prepare("more", {"A": TOPIC, "B": TOPIC})
    assert stack.execute("more") == "UPDATE_COMPLETE"
    assert [e["ResourceStatus"] for e in stack.events() if e["LogicalResourceId"] == "B"] == [
        "CREATE_COMPLETE", "CREATE_IN_PROGRESS"
    ]
    own = [(e["ResourceStatus"], e.get("ClientRequestToken")) for e in stack.events() if e["LogicalResourceId"] == "s"]
    assert own == [
        ("UPDATE_COMPLETE", "token-more"), ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "token-more"),
        ("UPDATE_IN_PROGRESS", "token-more"), ("CREATE_COMPLETE", "token-first"),
        ("CREATE_IN_PROGRESS", "token-first"), ("REVIEW_IN_PROGRESS", None),
    ]


def test_a_failed_update_goes_back(launcher: Launcher, account: str) -> None:
    stack = Stack(launcher, account)
    stack.prepare("first", {"A": TOPIC}, "CREATE")
    stack.execute("first")
    alarm = {"ComparisonOperator": "Bad", "EvaluationPeriods": 1, "Threshold": 1, "MetricName": "m", "Namespace": "n",
             "Period": 60, "Statistic": "Sum"}
    stack.prepare("bad", {"A": TOPIC, "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}})
    assert stack.execute("bad") == "UPDATE_ROLLBACK_COMPLETE"
    failed = next(e for e in stack.events() if e["ResourceStatus"] == "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "Alarm"
    assert "comparisonOperator" in failed["ResourceStatusReason"]


def test_every_type_of_the_products_stacks_deploys(launcher: Launcher, account: str) -> None:
    def service(name: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": {"Service": name}, "Action": "sts:AssumeRole"}
        return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [statement]}}}

    any_put = {"Statement": [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"}]}
    key = [{"AttributeName": "pk", "KeyType": "HASH"}]
    index = {"IndexName": "open", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}
    table = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": key,
             "BillingMode": "PAY_PER_REQUEST", "GlobalSecondaryIndexes": [index]}
    ref, arn = (lambda n: {"Ref": n}), (lambda n: {"Fn::GetAtt": [n, "Arn"]})
    definition = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Fn}", "End": True}}}
    anyone = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    own = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "s3:*", "Resource": "*"}]}
    types: dict[str, tuple[str, dict[str, Any]]] = {
        "Role": ("IAM::Role", service("lambda.amazonaws.com")["Properties"]),
        "Policy": ("IAM::Policy", {"PolicyName": "p", "PolicyDocument": any_put, "Roles": [ref("Role")]}),
        "Managed": ("IAM::ManagedPolicy", {"PolicyDocument": any_put, "Roles": [ref("Role")]}),
        "Key": ("KMS::Key", {"KeyPolicy": anyone, "EnableKeyRotation": True}),
        "Log": ("Logs::LogGroup", {"RetentionInDays": 30}),
        "Table": ("DynamoDB::Table", table),
        "Global": ("DynamoDB::GlobalTable", {**table, "Replicas": [{"Region": REGION}]}),
        "Bucket": ("S3::Bucket", {"VersioningConfiguration": {"Status": "Enabled"}}),
        "BucketPolicy": ("S3::BucketPolicy", {"Bucket": ref("Bucket"), "PolicyDocument": own}),
        "Topic": ("SNS::Topic", {}),
        "TopicPolicy": ("SNS::TopicPolicy", {"Topics": [ref("Topic")], "PolicyDocument": anyone}),
        "Mail": ("SNS::Subscription", {"TopicArn": ref("Topic"), "Protocol": "email", "Endpoint": "a@b.c"}),
        "Queue": ("SQS::Queue", {}),
        "QueuePolicy": ("SQS::QueuePolicy", {"Queues": [ref("Queue")], "PolicyDocument": anyone}),
        "Fn": ("Lambda::Function", {"Runtime": "provided.al2023", "Handler": "bootstrap", "Role": arn("Role"),
                                    "Code": {"ZipFile": "x"}, "LoggingConfig": {"LogFormat": "JSON"}}),
        "Version": ("Lambda::Version", {"FunctionName": ref("Fn")}),
        "Live": ("Lambda::Alias", {"FunctionName": ref("Fn"), "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]},
                                   "Name": "live"}),
        "Async": ("Lambda::EventInvokeConfig", {"FunctionName": ref("Fn"), "Qualifier": "$LATEST",
                                                "MaximumRetryAttempts": 1}),
        "Permission": ("Lambda::Permission", {"FunctionName": ref("Live"), "Action": "lambda:InvokeFunction",
                                              "Principal": "events.amazonaws.com"}),
        "Bus": ("Events::EventBus", {"Name": "own"}),
        "BusPolicy": ("Events::EventBusPolicy", {"EventBusName": ref("Bus"), "StatementId": "s", "Principal": account,
                                                 "Action": "events:PutEvents"}),
        "Rule": ("Events::Rule", {"EventPattern": {"source": ["own"]}, "EventBusName": ref("Bus"),
                                  "Targets": [{"Id": "t", "Arn": arn("Queue")}]}),
        "MachineRole": ("IAM::Role", service("states.amazonaws.com")["Properties"]),
        "Machine": ("StepFunctions::StateMachine", {
            "DefinitionString": json.dumps(definition), "DefinitionSubstitutions": {"Fn": ref("Live")},
            "RoleArn": arn("MachineRole")}),
        "BuildRole": ("IAM::Role", service("codebuild.amazonaws.com")["Properties"]),
        "Project": ("CodeBuild::Project", {
            "ServiceRole": arn("BuildRole"), "Artifacts": {"Type": "NO_ARTIFACTS"}, "Source": {"Type": "NO_SOURCE"},
            "Environment": {"Type": "ARM_CONTAINER", "Image": "i", "ComputeType": "BUILD_GENERAL1_SMALL"},
            "LogsConfig": {"CloudWatchLogs": {"Status": "ENABLED", "GroupName": ref("Log")}}}),
        "Api": ("ApiGatewayV2::Api", {"Name": "intake", "ProtocolType": "HTTP"}),
        "Integration": ("ApiGatewayV2::Integration", {"ApiId": ref("Api"), "IntegrationType": "AWS_PROXY",
                                                      "IntegrationUri": ref("Live"), "PayloadFormatVersion": "2.0"}),
        "Route": ("ApiGatewayV2::Route", {"ApiId": ref("Api"), "RouteKey": "POST /github",
                                          "Target": {"Fn::Join": ["/", ["integrations", ref("Integration")]]}}),
        "Stage": ("ApiGatewayV2::Stage", {"ApiId": ref("Api"), "StageName": "$default", "AutoDeploy": True,
                                          "AccessLogSettings": {"DestinationArn": arn("Log"),
                                                                "Format": "$context.status"}}),
        "Parameter": ("SSM::Parameter", {"Type": "String", "Value": "v", "Name": "/lockgate"}),
        "Alarm": ("CloudWatch::Alarm", {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1,
                                        "Threshold": 0, "MetricName": "Errors", "Namespace": "AWS/Lambda",
                                        "Period": 60, "Statistic": "Sum", "AlarmActions": [ref("Topic")]}),
    }
    resources = {name: {"Type": f"AWS::{kind}", "Properties": props} for name, (kind, props) in types.items()}
    stack = Stack(launcher, account)
    assert len(stack.prepare("all", resources, "CREATE")["Changes"]) == len(types)
    reasons = [(e["LogicalResourceId"], e.get("ResourceStatusReason")) for e in stack.events()]
    assert stack.execute("all") == "CREATE_COMPLETE", reasons
    machine = launcher.client("stepfunctions", account).list_state_machines()["stateMachines"][0]["stateMachineArn"]
    described = launcher.client("stepfunctions", account).describe_state_machine(stateMachineArn=machine)
    assert json.loads(described["definition"])["States"]["A"]["Resource"].endswith(":live")


def test_a_failed_event_is_tried_again_and_then_put_aside(launcher: Launcher, account: str) -> None:
    sqs = launcher.client("sqs", account)
    url = sqs.create_queue(QueueName="failed")["QueueUrl"]
    code = "def handler(event, context):\n    raise ValueError('no')\n"
    function = make_function(launcher, account, "bad", code)
    api = launcher.client("lambda", account)
    version = api.publish_version(FunctionName="bad")["Version"]
    api.create_alias(FunctionName="bad", Name="live", FunctionVersion=version)
    api.put_function_event_invoke_config(
        FunctionName="bad", Qualifier="live", MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{account}:failed"}},
    )
    events = launcher.client("events", account)
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["own"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": f"{function}:live", "Input": '{"n": 1}'}])
    events.put_events(Entries=[{"Source": "own", "DetailType": "d", "Detail": "{}"}])
    # The retry comes after a minute, which is 0.6 s here, and the function's start before it.
    [message] = wait_for(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), 50)
    aside = json.loads(message["Body"])
    assert aside["requestPayload"] == {"n": 1} and aside["responsePayload"]["errorType"] == "ValueError"
