"""CodeBuild: StartBuild, StopBuild and BatchGetBuilds, with builds that really run, two at a time.

https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
"""

from __future__ import annotations

import contextvars
import copy
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import codebuild

from emulator import build_events, build_run, service_role
from emulator.build_run import Build, BuildRun
from emulator.seams import instead
from emulator.settings import Settings

RUNNING_AT_ONCE = 2

_OVERRIDES = {
    "sourceTypeOverride": ("source", "type"),
    "sourceLocationOverride": ("source", "location"),
    "buildspecOverride": ("source", "buildspec"),
    "imageOverride": ("environment", "image"),
    "computeTypeOverride": ("environment", "computeType"),
    "environmentTypeOverride": ("environment", "type"),
    "privilegedModeOverride": ("environment", "privilegedMode"),
}
_NOT_ASSUMED = (
    "CodeBuild is not authorized to perform: sts:AssumeRole on service role. Please verify that: 1) The provided "
    "service role exists, 2) The role name is case-sensitive and matches exactly, and 3) The role has the necessary "
    "trust policy configured."
)

Key = tuple[str, str, str]

_settings: Settings
_lock = threading.Lock()
_runs: dict[str, BuildRun] = {}
_by_token: dict[Key, Build] = {}
_numbers: dict[Key, int] = {}
_queue = ThreadPoolExecutor(RUNNING_AT_ONCE, thread_name_prefix="build")


def install(settings: Settings) -> None:
    global _settings
    _settings = settings
    instead("_start_build", codebuild)(_start_build)
    instead("_batch_get_builds", codebuild)(_batch_get_builds)
    instead("_stop_build", codebuild)(_stop_build)


def everything() -> list[Build]:
    """All builds of all accounts."""
    return [_without_empty(copy.deepcopy(build)) for build in codebuild._builds.all_values()]


def _start_build(data: dict[str, Any]) -> Any:
    name = data.get("projectName", "")
    project = codebuild._projects.get(codebuild._project_name_from_identifier(name) or "")
    if project is None:
        return error_response_json("ResourceNotFoundException", f"Project cannot be found: {name}", 400)
    token = data.get("idempotencyToken")
    key = (get_account_id(), get_region(), f"{project['name']} {token}")
    with _lock:
        if token and key in _by_token:
            return json_response({"build": copy.deepcopy(_by_token[key])})
        build = _new_build(project, data)
        if not service_role.trusts(build["serviceRole"], "codebuild.amazonaws.com"):
            return error_response_json("InvalidInputException", _NOT_ASSUMED, 400)
        if token:
            _by_token[key] = build
    codebuild._builds[build["id"]] = build
    run = _runs[build["id"]] = BuildRun(build, project, _settings, build_events.publish)
    answer = json_response({"build": copy.deepcopy(build)})
    build_events.publish(build)
    _queue.submit(contextvars.copy_context().run, run.run)
    return answer


def _batch_get_builds(data: dict[str, Any]) -> Any:
    found, missing = [], []
    for asked in data.get("ids", []):
        build = codebuild._builds.get(asked.rsplit(":build/", 1)[-1])
        if build is None:
            missing.append(asked)
        else:
            found.append(_without_empty(copy.deepcopy(build)))
    return json_response({"builds": found, "buildsNotFound": missing})


def _stop_build(data: dict[str, Any]) -> Any:
    asked = data.get("id", "")
    build = codebuild._builds.get(asked.rsplit(":build/", 1)[-1])
    if build is None:
        return error_response_json("ResourceNotFoundException", f"Build cannot be found: {asked}", 400)
    if build["buildStatus"] == "IN_PROGRESS":
        _runs[build["id"]].stop("STOPPED")
    return json_response({"build": _without_empty(copy.deepcopy(build))})


def _without_empty(build: Build) -> Build:
    """A phase that has not ended has no status."""
    for phase in build["phases"]:
        if phase.get("phaseStatus", "") is None:
            del phase["phaseStatus"]
    return build


def _new_build(project: dict[str, Any], data: dict[str, Any]) -> Build:
    """The build's record: the project's definition with the overrides of this call."""
    account, region, name = get_account_id(), get_region(), project["name"]
    number = _numbers[account, region, name] = _numbers.get((account, region, name), 0) + 1
    identifier = str(uuid.uuid4())
    parts = {part: copy.deepcopy(project.get(part) or {}) for part in ("source", "environment")}
    for override, (part, member) in _OVERRIDES.items():
        if override in data:
            parts[part][member] = data[override]
    variables = {v["name"]: v for v in parts["environment"].get("environmentVariables", [])}
    variables |= {v["name"]: v for v in data.get("environmentVariablesOverride", [])}
    parts["environment"]["environmentVariables"] = list(variables.values())
    logs = data.get("logsConfigOverride") or project.get("logsConfig") or {}
    build = {
        "id": f"{name}:{identifier}",
        "arn": f"arn:aws:codebuild:{region}:{account}:build/{name}:{identifier}",
        "buildNumber": number,
        "startTime": time.time(),
        "currentPhase": "SUBMITTED",
        "buildStatus": "IN_PROGRESS",
        "buildComplete": False,
        "projectName": name,
        "phases": [],
        **parts,
        "sourceVersion": data.get("sourceVersion", project.get("sourceVersion", "")),
        "secondarySources": data.get("secondarySourcesOverride", project.get("secondarySources", [])),
        "secondarySourceVersions": data.get(
            "secondarySourcesVersionOverride", project.get("secondarySourceVersions", [])
        ),
        "artifacts": {"location": ""},
        "cache": {"type": "NO_CACHE"},
        "serviceRole": data.get("serviceRoleOverride", project["serviceRole"]),
        "logs": _logs(logs.get("cloudWatchLogs") or {}, name, identifier),
        "timeoutInMinutes": data.get("timeoutInMinutesOverride", project.get("timeoutInMinutes", 60)),
        "queuedTimeoutInMinutes": data.get(
            "queuedTimeoutInMinutesOverride", project.get("queuedTimeoutInMinutes", 480)
        ),
        "initiator": iam_evaluator.caller_arn().split(":", 5)[5].removeprefix("assumed-role/").removeprefix("user/"),
        "encryptionKey": project["encryptionKey"],
    }
    build_run.begin_phase(build, "SUBMITTED")
    build_run.end_phase(build, "SUCCEEDED")
    build_run.begin_phase(build, "QUEUED")
    return build


def _logs(configured: dict[str, Any], project: str, identifier: str) -> dict[str, Any]:
    """Where the log is; with a configured stream name the build's id comes behind it."""
    account, region = get_account_id(), get_region()
    group = configured.get("groupName") or f"/aws/codebuild/{project}"
    stream = f"{configured['streamName']}/{identifier}" if configured.get("streamName") else identifier
    # The console encodes twice and writes $ for %.
    group_link, stream_link = (quote(quote(part, safe=""), safe="").replace("%", "$") for part in (group, stream))
    return {
        "groupName": group,
        "streamName": stream,
        "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/"
        f"{group_link}/log-events/{stream_link}",
        "cloudWatchLogsArn": f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}",
        "cloudWatchLogs": {"status": "ENABLED", **({"groupName": group} if configured.get("groupName") else {})},
    }
