"""HTTP APIs in front of functions, called as a browser or GitHub calls them."""

from __future__ import annotations

import datetime
import io
import json
import urllib.error
import urllib.request
import zipfile
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import REGION, Launcher, make_function, make_role, wait_for

CODE = """
def handler(event, context):
    if event["rawPath"] == "/fail":
        raise ValueError("secret detail")
    if event["rawPath"] == "/teapot":
        return {"statusCode": 418, "body": "short and stout"}
    return {"statusCode": 200, "body": event["rawPath"]}
"""


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failed:
        return failed.code, failed.read().decode()


def _api(launcher: Launcher, account: str, target: str) -> Any:
    gateway = launcher.client("apigatewayv2", account)
    api = gateway.create_api(Name="intake", ProtocolType="HTTP")
    integration = gateway.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=target, PayloadFormatVersion="2.0"
    )
    gateway.create_route(ApiId=api["ApiId"], RouteKey="$default", Target=f"integrations/{integration['IntegrationId']}")
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return api


def test_every_accounts_api_answers_without_a_signature(
    launcher: Launcher, account: str, other_account: str
) -> None:
    for owner in (account, other_account):
        api = _api(launcher, owner, make_function(launcher, owner, "f", CODE))
        assert api["ApiEndpoint"] == f"{launcher.endpoint}/_aws/execute-api/{api['ApiId']}"
        described = launcher.client("apigatewayv2", owner).get_api(ApiId=api["ApiId"])
        assert described["ApiEndpoint"] == api["ApiEndpoint"]
        assert _get(f"{api['ApiEndpoint']}/health") == (200, "/health")
        assert _get(f"{api['ApiEndpoint']}/a/b") == (200, "/a/b")
        assert _get(api["ApiEndpoint"]) == (200, "/")
        assert _get(f"{api['ApiEndpoint']}/teapot") == (418, "short and stout")
    assert _get(f"{launcher.endpoint}/_aws/execute-api/00000000/health")[0] == 404


def test_a_failing_function_tells_nothing_and_is_counted_once(launcher: Launcher, account: str) -> None:
    api = _api(launcher, account, make_function(launcher, account, "f", CODE))
    error = (500, '{"message":"Internal Server Error"}')
    assert _get(f"{api['ApiEndpoint']}/fail") == error
    assert _get(f"{api['ApiEndpoint']}/health")[0] == 200
    now = datetime.datetime.now(datetime.UTC)
    counted = {
        name: sum(point["Sum"] for point in launcher.client("cloudwatch", account).get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=name, Dimensions=[{"Name": "FunctionName", "Value": "f"}],
            StartTime=now - datetime.timedelta(minutes=5), EndTime=now + datetime.timedelta(minutes=5), Period=60,
            Statistics=["Sum"])["Datapoints"])
        for name in ("Errors", "Invocations")
    }
    assert counted == {"Errors": 1, "Invocations": 2}
    missing = _api(launcher, account, f"arn:aws:lambda:{REGION}:{account}:function:missing")
    assert _get(f"{missing['ApiEndpoint']}/health") == error


def test_what_neither_an_http_api_nor_a_function_takes_is_answered_413(launcher: Launcher, account: str) -> None:
    url = f"{_api(launcher, account, make_function(launcher, account, 'f', CODE))['ApiEndpoint']}/big"
    megabyte = 1024 * 1024

    def post(content_type: str, body: bytes) -> int:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as failed:
            return failed.code

    text, form = "application/json", "application/x-www-form-urlencoded"
    # Text is escaped in the event, and everything else is base64 there.
    assert post(text, b"x" * (6 * megabyte - 4096)) == 200
    assert post(text, b'"' * (4 * megabyte)) == 413
    assert post(text, b"x" * (6 * megabyte)) == 413
    assert post(form, b"x" * (4 * megabyte)) == 200
    assert post(form, b"x" * (5 * megabyte)) == 413
    assert post(form, b"x" * (10 * megabyte + 1)) == 413


def test_a_stack_tells_the_endpoint_in_every_spelling(launcher: Launcher, account: str) -> None:
    function = make_function(launcher, account, "f", CODE)
    ref = {"Ref": "Api"}
    host = ["https://", ref, ".execute-api.", {"Ref": "AWS::Region"}, ".", {"Ref": "AWS::URLSuffix"}, "/"]
    template = {
        "Resources": {
            "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "intake", "ProtocolType": "HTTP"}},
            "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": {
                "ApiId": ref, "IntegrationType": "AWS_PROXY", "IntegrationUri": function,
                "PayloadFormatVersion": "2.0"}},
            "Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": {
                "ApiId": ref, "RouteKey": "GET /health", "Target": {"Fn::Sub": "integrations/${Integration}"}}},
            "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {
                "ApiId": ref, "StageName": "$default", "AutoDeploy": True}},
        },
        "Outputs": {
            "Attribute": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}},
            "Joined": {"Value": {"Fn::Join": ["", host]}},
            "Substituted": {"Value": {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.amazonaws.com"}},
            "Other": {"Value": {"Fn::Sub": "https://00000000.execute-api.${AWS::Region}.amazonaws.com"}},
        },
    }
    stacks = launcher.client("cloudformation", account)
    stacks.create_stack(StackName="s", TemplateBody=json.dumps(template))

    def described() -> Any:
        return stacks.describe_stacks(StackName="s")["Stacks"][0]

    wait_for(lambda: described()["StackStatus"] == "CREATE_COMPLETE")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described()["Outputs"]}
    url = outputs["Attribute"]
    assert url.startswith(f"{launcher.endpoint}/_aws/execute-api/")
    assert (outputs["Joined"], outputs["Substituted"]) == (f"{url}/", url)
    assert outputs["Other"] == f"https://00000000.execute-api.{REGION}.amazonaws.com"
    assert _get(f"{url}/health") == (200, "/health")


def test_a_python_function_has_boto3(launcher: Launcher, account: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("app.py", (
            "import boto3\n"
            "def handler(event, context):\n"
            "    return boto3.client('sts').get_caller_identity()['Arn']\n"
        ))
    api = launcher.client("lambda", account)
    api.create_function(
        FunctionName="p", Runtime="python3.12", Handler="app.handler", Code={"ZipFile": archive.getvalue()},
        Role=make_role(launcher, account, "p-role", "lambda.amazonaws.com"), Timeout=20,
    )
    answer = json.load(api.invoke(FunctionName="p")["Payload"])
    assert answer.startswith(f"arn:aws:sts::{account}:assumed-role/p-role/")


CALLER = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["authorizer"]["iam"]["userArn"]}
"""


def _signed_get(url: str, key: str, secret: str) -> tuple[int, str]:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(key, secret), "execute-api", REGION).add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers)), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as failed:
        return failed.code, failed.read().decode()


def _user(launcher: Launcher, account: str, name: str, allowed: str | None) -> tuple[str, str]:
    iam = launcher.client("iam", account)
    iam.create_user(UserName=name)
    if allowed:
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": allowed}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]
        iam.attach_user_policy(UserName=name, PolicyArn=policy["Arn"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_a_route_that_asks_iam_lets_in_whom_a_policy_of_its_own_account_allows(
    launcher: Launcher, account: str, other_account: str
) -> None:
    api = _api(launcher, account, make_function(launcher, account, "f", CALLER))
    gateway = launcher.client("apigatewayv2", account)
    (route,) = gateway.get_routes(ApiId=api["ApiId"])["Items"]
    gateway.create_route(
        ApiId=api["ApiId"], RouteKey="GET /things", Target=route["Target"], AuthorizationType="AWS_IAM"
    )
    things = f"{api['ApiEndpoint']}/things"

    def arn(owner: str, path: str) -> str:
        return f"arn:aws:execute-api:{REGION}:{owner}:{api['ApiId']}/$default/GET/{path}"

    friend = _user(launcher, account, "friend", arn(account, "things"))
    assert _signed_get(things, *friend) == (200, f"arn:aws:iam::{account}:user/friend")
    forbidden = (403, '{"message":"Forbidden"}')
    assert _signed_get(things, friend[0], "wrong") == forbidden
    assert _signed_get(things, *_user(launcher, account, "stranger", None)) == forbidden
    assert _signed_get(things, *_user(launcher, account, "elsewhere", arn(account, "others"))) == forbidden
    for place, allowed in enumerate([arn(account, "things"), arn(other_account, "things"), "*"]):
        foreigner = _user(launcher, other_account, f"foreigner-{place}", allowed)
        assert _signed_get(things, *foreigner) == forbidden
    assert _signed_get(things, other_account, "root") == forbidden
    assert _get(things) == forbidden
