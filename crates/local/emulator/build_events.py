"""CodeBuild tells EventBridge that a build has begun and how it ended.

https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html#sample-build-notifications-ref
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope

from emulator import events


def publish(build: dict[str, Any]) -> None:
    """The build's state as it is now, on the bus of its own account and region."""
    region, account = build["arn"].split(":")[3:5]
    detail = {
        "build-status": build["buildStatus"],
        "project-name": build["projectName"],
        "build-id": build["arn"],
        "additional-information": _information(build),
        "current-phase": "SUBMITTED" if build["buildStatus"] == "IN_PROGRESS" else "COMPLETED",
        "current-phase-context": "[]",
        "version": "1",
    }
    with request_scope(account, region):
        events.publish("aws.codebuild", "CodeBuild Build State Change", detail, [build["arn"]])


def _information(build: dict[str, Any]) -> dict[str, Any]:
    environment, source, logs = build["environment"], build["source"], build["logs"]
    variables = environment.get("environmentVariables", [])
    information = {
        "artifact": {"location": ""},
        "environment": {
            "image": environment.get("image"),
            "privileged-mode": environment.get("privilegedMode", False),
            "compute-type": environment.get("computeType"),
            "type": environment.get("type"),
            "environment-variables": [{"type": "PLAINTEXT", **variable} for variable in variables],
        },
        "timeout-in-minutes": build["timeoutInMinutes"],
        "build-complete": build["buildComplete"],
        "build-number": build["buildNumber"],
        "initiator": build["initiator"],
        "build-start-time": _written(build["startTime"]),
        "source": {name: source[name] for name in ("location", "type") if source.get(name)},
        "source-version": build.get("sourceVersion", ""),
        "logs": {
            "group-name": logs["groupName"],
            "stream-name": logs["streamName"],
            "deep-link": logs["deepLink"],
        },
        "phases": [_phase(phase) for phase in build["phases"]],
        "queued-timeout-in-minutes": build["queuedTimeoutInMinutes"],
    }
    if build.get("exportedEnvironmentVariables"):
        information["exported-environment-variables"] = build["exportedEnvironmentVariables"]
    return information


def _phase(phase: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"phase-type": phase["phaseType"], "start-time": _written(phase["startTime"])}
    if "endTime" in phase:
        context = phase["contexts"][0]
        told |= {
            "phase-context": [f"{context['statusCode']}: {context['message']}"],
            "end-time": _written(phase["endTime"]),
            "duration-in-seconds": phase["durationInSeconds"],
            "phase-status": phase["phaseStatus"],
        }
    return told


def _written(seconds: float) -> str:
    """``Sep 1, 2017 4:12:29 PM``"""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%b} {at.day}, {at:%Y} {int(at.strftime('%I'))}:{at:%M:%S %p}"
