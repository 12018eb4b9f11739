"""One launcher for all tests; a test has accounts of its own, and so its own AWS."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

EMULATOR = Path(__file__).resolve().parent.parent
REGION = "eu-west-1"
TOOLS = "100000000000"

_accounts = itertools.count(200000000001)


class Launcher:
    """A running launcher and the ways to talk to it."""

    def __init__(self, folder: Path, *more: str):
        self.state = folder / "state"
        self.mirrors = folder / "mirrors"
        self.mirrors.mkdir(parents=True)
        command = [sys.executable, str(EMULATOR), "--port", "0", "--account", TOOLS, "--region", REGION]
        command += ["--state-dir", str(self.state), "--git-mirrors", str(self.mirrors)]
        command += ["--build-path", os.environ["PATH"], "--build-env", "PYTHONPATH", *more]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())
        self.endpoint = self.ready["endpoint"]
        self.clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, account: str, credentials: dict[str, str] | None = None, **config: Any) -> Any:
        keys = credentials or {"AccessKeyId": account, "SecretAccessKey": "test"}
        wanted = (service, keys["AccessKeyId"], str(config))
        if wanted not in self.clients:
            self.clients[wanted] = self._new_client(service, keys, config)
        return self.clients[wanted]

    def _new_client(self, service: str, keys: dict[str, str], config: dict[str, Any]) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def local(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_local/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(10)


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    started = Launcher(tmp_path_factory.mktemp("emulator"), "--schedule-scale", "0.01")
    yield started
    started.stop()


@pytest.fixture
def account() -> str:
    return str(next(_accounts))


@pytest.fixture
def other_account() -> str:
    return str(next(_accounts))


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of a condition."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {condition}")


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str | list[str], resource: str | list[str] = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(launcher: Launcher, account: str, name: str, service: str, actions: str | list[str] = "*") -> str:
    iam = launcher.client("iam", account)
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow(actions))
    return arn


# A custom runtime, as the product's functions are: it names its errors itself.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
BOOTSTRAP = """#!{python}
import json, os, urllib.request

{code}

BASE = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(BASE + "next") as invocation:
        request, event = invocation.headers["Lambda-Runtime-Aws-Request-Id"], json.load(invocation)
    try:
        path, answer = "/response", handler(event, None)
    except Exception as wrong:
        path, answer = "/error", {{"errorType": type(wrong).__name__, "errorMessage": str(wrong)}}
    urllib.request.urlopen(BASE + request + path, json.dumps(answer).encode()).close()
"""


def make_function(launcher: Launcher, account: str, name: str, code: str, **more: Any) -> str:
    """A function of a custom runtime whose ``handler`` is given in Python."""
    role = make_role(launcher, account, f"{name}-role", "lambda.amazonaws.com")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        files.writestr(bootstrap, BOOTSTRAP.format(python=sys.executable, code=code))
    created = launcher.client("lambda", account).create_function(
        FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": archive.getvalue()}, Timeout=120, **more,
    )
    return str(created["FunctionArn"])
