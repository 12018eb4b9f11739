"""CodeBuild: builds run, and are told as AWS tells them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import REGION, Launcher, make_role, wait_for

BUILDSPEC = """
version: 0.2
env:
  variables: {COLOUR: blue}
  exported-variables: [DIGEST, COLOUR]
phases:
  install:
    commands: [echo installing $COLOUR]
  build:
    commands:
      - cat hello.txt
      - export DIGEST=$(git rev-parse HEAD)
      - cd ..
  post_build:
    commands:
      - test "$DIGEST" = "$CODEBUILD_RESOLVED_SOURCE_VERSION"
      - test "$PWD" != "$CODEBUILD_SRC_DIR"
"""
FAILING = """
version: 0.2
phases:
  build:
    commands: [echo first, exit 3, echo never]
    finally: [echo at last]
  post_build:
    commands: ['echo succeeding=$CODEBUILD_BUILD_SUCCEEDING']
"""


class Project:
    """A CodeBuild project of an account, and what its builds came to."""

    def __init__(self, launcher: Launcher, account: str, source: dict[str, Any], **more: Any):
        self.launcher, self.account = launcher, account
        self.api = launcher.client("codebuild", account)
        self.role = make_role(launcher, account, "build", "codebuild.amazonaws.com", more.pop("actions", "*"))
        self.api.create_project(
            name="shop", source=source, artifacts={"type": "NO_ARTIFACTS"}, serviceRole=self.role,
            environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
                         "environmentVariables": more.pop("variables", [])}, **more,
        )

    def start(self, **overrides: Any) -> str:
        return str(self.api.start_build(projectName="shop", **overrides)["build"]["id"])

    def read(self, build: str) -> dict[str, Any]:
        return dict(self.api.batch_get_builds(ids=[build])["builds"][0])

    def ended(self, build: str) -> dict[str, Any]:
        wait_for(lambda: self.read(build)["buildComplete"], 60)
        return self.read(build)

    def log(self, build: dict[str, Any]) -> list[str]:
        logs = self.launcher.client("logs", self.account)
        place = build["logs"]
        found = logs.get_log_events(
            logGroupName=place["groupName"], logStreamName=place["streamName"], startFromHead=True
        )
        return [event["message"] for event in found["events"]]

    def events(self, build: dict[str, Any]) -> list[dict[str, Any]]:
        def two() -> list[dict[str, Any]]:
            found = self.launcher.local("GET", f"events?account={self.account}")["events"]
            own = [e["event"] for e in found if e["event"]["resources"] == [build["arn"]]]
            return own if len(own) == 2 else []

        found: list[dict[str, Any]] = wait_for(two)
        return found


def _repository(launcher: Launcher, owner: str, files: dict[str, str]) -> str:
    """A bare repository at the place of https://github.com/<owner>/shop; its commit."""
    work = launcher.mirrors / owner / "work"
    work.mkdir(parents=True)
    for name, text in files.items():
        (work / name).write_text(text)
    who = {f"GIT_{role}_{part}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "m"],
                    ["clone", "-q", "--bare", ".", "../shop.git"]):
        subprocess.run(["git", *command], cwd=work, check=True, env={**os.environ, **who})
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, check=True, capture_output=True, text=True)
    return head.stdout.strip()


def _failed(build: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p["phaseType"], p["contexts"][0]["message"]) for p in build["phases"] if p.get("phaseStatus") == "FAILED"]


def test_a_commit_is_built_and_its_exports_are_read(launcher: Launcher, account: str) -> None:
    commit = _repository(launcher, account, {"buildspec.yml": BUILDSPEC, "hello.txt": "hello"})
    source = {"type": "GITHUB", "location": f"https://github.com/{account}/shop.git"}
    project = Project(launcher, account, source)
    build = project.ended(project.start(sourceVersion=commit))
    assert build["buildStatus"] == "SUCCEEDED", _failed(build)
    assert build["resolvedSourceVersion"] == commit
    assert build["exportedEnvironmentVariables"] == [
        {"name": "DIGEST", "value": commit}, {"name": "COLOUR", "value": "blue"}
    ]
    assert [p["phaseType"] for p in build["phases"]] == [
        "SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD",
        "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED",
    ]
    log = project.log(build)
    assert "hello" in log and "installing blue" in log, log
    assert build["logs"]["groupName"] == "/aws/codebuild/shop"
    assert build["logs"]["streamName"] == build["id"].split(":")[1]


def test_a_branch_is_built_without_saying_git(launcher: Launcher, account: str) -> None:
    commit = _repository(launcher, account, {"buildspec.yml": BUILDSPEC, "hello.txt": "hello"})
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": FAILING})
    build = project.ended(project.start(
        sourceTypeOverride="GITHUB", sourceLocationOverride=f"https://github.com/{account}/shop",
        sourceVersion="main", buildspecOverride="buildspec.yml",
    ))
    assert build["buildStatus"] == "SUCCEEDED", _failed(build)
    assert build["resolvedSourceVersion"] == commit


def test_a_failing_command_ends_its_phase_and_post_build_still_runs(launcher: Launcher, account: str) -> None:
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": FAILING})
    build = project.ended(project.start())
    assert build["buildStatus"] == "FAILED"
    assert _failed(build) == [("BUILD", "Error while executing command: exit 3. Reason: exit status 3")]
    log = project.log(build)
    assert "at last" in log and "never" not in log and "succeeding=0" in log


@pytest.mark.parametrize(
    ("version", "spec", "phase", "message"),
    [
        ("no-such", "buildspec.yml", "DOWNLOAD_SOURCE",
         "reference not found for primary source and source version no-such"),
        ("main", "none.yml", "DOWNLOAD_SOURCE", "no such file or directory"),
        ("main", "version: 0.2\nphases:\n  build:\n    commands:\n      - echo a: b\n", "DOWNLOAD_SOURCE",
         "Expected Commands[] to be of string type"),
        ("main", "version: 0.2\nphases:\n  install:\n    commands: ['false']\n", "INSTALL", "exit status 1"),
    ],
)
def test_what_fails_says_why(
    launcher: Launcher, account: str, version: str, spec: str, phase: str, message: str
) -> None:
    _repository(launcher, account, {"buildspec.yml": BUILDSPEC})
    source = {"type": "GITHUB", "location": f"https://github.com/{account}/shop.git"}
    project = Project(launcher, account, source)
    build = project.ended(project.start(sourceVersion=version, buildspecOverride=spec))
    assert build["buildStatus"] == "FAILED"
    [(failed, why)] = _failed(build)
    assert failed == phase and message in why
    assert "POST_BUILD" not in [p["phaseType"] for p in build["phases"]]


def test_sources_from_s3_and_variables_from_elsewhere(launcher: Launcher, account: str) -> None:
    s3, ssm = launcher.client("s3", account), launcher.client("ssm", account)
    bucket = f"sources-{account}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        script = zipfile.ZipInfo("tool.sh")
        script.external_attr = 0o755 << 16
        files.writestr(script, "#!/bin/sh\necho tool says $1\n")
    s3.put_object(Bucket=bucket, Key="tool.zip", Body=archive.getvalue())
    ssm.put_parameter(Name="/token", Type="String", Value="from-ssm")
    spec = "version: 0.2\nphases:\n  build:\n    commands: ['$CODEBUILD_SRC_DIR_tool/tool.sh $TOKEN-$OTHER']\n"
    project = Project(
        launcher, account, {"type": "NO_SOURCE", "buildspec": spec},
        secondarySources=[{"type": "S3", "location": f"{bucket}/tool.zip", "sourceIdentifier": "tool"}],
        variables=[{"name": "TOKEN", "value": "/token", "type": "PARAMETER_STORE"}, {"name": "OTHER", "value": "x"}],
    )
    build = project.ended(project.start(environmentVariablesOverride=[{"name": "OTHER", "value": "y"}]))
    assert build["buildStatus"] == "SUCCEEDED", _failed(build)
    assert "tool says from-ssm-y" in project.log(build)


def test_a_build_acts_as_its_service_role(launcher: Launcher, account: str) -> None:
    code = (
        "import botocore.session as b; make = b.get_session().create_client; "
        "print(make('sts').get_caller_identity()['Arn']); make('s3').list_buckets()"
    )
    spec = json.dumps({"version": 0.2, "phases": {"build": {"commands": [f'{sys.executable} -c "{code}"']}}})
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": spec}, actions=["logs:*"])
    build = project.ended(project.start())
    assert build["buildStatus"] == "FAILED"
    log = "\n".join(project.log(build))
    assert f"arn:aws:sts::{account}:assumed-role/build/AWSCodeBuild-" in log
    assert "is not authorized to perform: s3:ListAllMyBuckets" in log


def test_a_role_that_does_not_trust_codebuild_is_refused(launcher: Launcher, account: str) -> None:
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": FAILING})
    other = make_role(launcher, account, "other", "lambda.amazonaws.com")
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole on service role"):
        project.start(serviceRoleOverride=other)


def test_stop_ends_a_build_with_all_its_processes(launcher: Launcher, account: str) -> None:
    # Of this run alone: others on this machine may sleep too.
    behind, before = f"sleep 1{os.getpid()}", f"sleep 2{os.getpid()}"
    spec = f"version: 0.2\nphases:\n  build:\n    commands: ['{behind} & {before}']\n"
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": spec})
    identifier = project.start()
    wait_for(lambda: project.read(identifier)["currentPhase"] == "BUILD")
    wait_for(lambda: _running(behind) and _running(before))
    project.api.stop_build(id=identifier)
    build = project.ended(identifier)
    assert build["buildStatus"] == "STOPPED"
    assert not _running(behind) and not _running(before)
    assert [e["detail"]["build-status"] for e in project.events(build)] == ["IN_PROGRESS", "STOPPED"]


def _running(command: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True).stdout.splitlines()
    return command in (line.strip() for line in listed)


def test_the_events_have_the_documented_shape(launcher: Launcher, account: str) -> None:
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": FAILING})
    build = project.ended(project.start())
    began, ended = project.events(build)
    assert began["source"] == ended["source"] == "aws.codebuild"
    assert began["detail-type"] == "CodeBuild Build State Change"
    assert (began["detail"]["build-status"], ended["detail"]["build-status"]) == ("IN_PROGRESS", "FAILED")
    assert ended["detail"]["build-id"] == build["arn"] and ended["detail"]["project-name"] == "shop"
    told = ended["detail"]["additional-information"]
    assert told["build-complete"] is True and told["logs"]["deep-link"] == build["logs"]["deepLink"]
    failed = next(p for p in told["phases"] if p.get("phase-status") == "FAILED")
    assert failed["phase-context"] == [
        "COMMAND_EXECUTION_ERROR: Error while executing command: exit 3. Reason: exit status 3"
    ]


def test_a_token_starts_one_build_and_two_run_at_once(launcher: Launcher, account: str, tmp_path: Path) -> None:
    may_end = tmp_path / "may-end"
    spec = f"version: 0.2\nphases:\n  build:\n    commands: ['until [ -e {may_end} ]; do sleep 0.1; done']\n"
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": spec})
    first = project.start(idempotencyToken="t")
    assert project.start(idempotencyToken="t") == first
    others = [project.start(), project.start()]
    try:
        wait_for(lambda: [project.read(b)["currentPhase"] for b in (first, *others)] == ["BUILD", "BUILD", "QUEUED"])
    finally:
        # Whatever came of it: builds that do not end would hold up those of the other tests.
        may_end.touch()
    assert [project.ended(b)["buildNumber"] for b in (first, *others)] == [1, 2, 3]
    answer = project.api.batch_get_builds(ids=[first, "shop:unknown"])
    assert answer["buildsNotFound"] == ["shop:unknown"] and len(answer["builds"]) == 1


def test_a_build_that_takes_too_long_is_timed_out(launcher: Launcher, account: str) -> None:
    spec = "version: 0.2\nphases:\n  build:\n    commands: [sleep 30]\n"
    project = Project(launcher, account, {"type": "NO_SOURCE", "buildspec": spec})
    # The API takes at least five minutes; the launcher is not so strict.
    project.api = launcher.client("codebuild", account, parameter_validation=False)
    build = project.ended(project.start(timeoutInMinutesOverride=0.1))
    assert build["buildStatus"] == "TIMED_OUT"
    assert [p["phaseType"] for p in build["phases"] if p.get("phaseStatus") == "TIMED_OUT"] == ["BUILD"]


def test_events_and_builds_are_told_as_json(launcher: Launcher) -> None:
    assert json.dumps(launcher.local("GET", "builds"))
