"""One build from its place in the queue to its end.

The order of phases, and which of them still run after a failure:
https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html
The variables that a build sees:
https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ministack.services import codebuild

from emulator import build_source, buildspec, service_role
from emulator.build_shell import BuildShell
from emulator.settings import Settings

Build = dict[str, Any]


class PhaseFailed(Exception):
    """A phase ended badly; the status code and the message are those of its context."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BuildRun:
    """Runs a build on the calling thread; ``stop`` may come from another."""

    def __init__(self, build: Build, project: dict[str, Any], settings: Settings, changed: Callable[[Build], None]):
        self._build = build
        self._project = project
        self._settings = settings
        self._changed = changed
        self._folder = settings.state_dir / "builds" / build["id"].split(":")[1]
        self._source = self._folder / "source"
        self._shell: BuildShell | None = None
        self._verdict: str | None = None
        self._lock = threading.Lock()
        self._log: Callable[[str], None] = lambda line: None

    def stop(self, verdict: str) -> None:
        """End the build early, as STOPPED or TIMED_OUT."""
        with self._lock:
            if self._verdict is None:
                self._verdict = verdict
            if self._shell is not None:
                self._shell.stop()

    def run(self) -> None:
        """Go through all phases; whatever happens, the build gets an end."""
        self._end_phase(self._verdict or "SUCCEEDED")
        timer = threading.Timer(self._build["timeoutInMinutes"] * 60, self.stop, ["TIMED_OUT"])
        timer.daemon = True
        timer.start()
        try:
            status = self._run_phases() if self._verdict is None else self._verdict
        except Exception as broken:
            self._end_phase("FAULT", "INTERNAL_SERVICE_ERROR", str(broken))
            status = "FAULT"
        finally:
            timer.cancel()
            if self._shell is not None:
                self._shell.stop()
        self._finish(status)

    def _run_phases(self) -> str:
        """Everything between the queue and the end; the build's status."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("PROVISIONING", self._provision),
            ("DOWNLOAD_SOURCE", self._download),
        )
        for name, step in steps:
            if not self._phase(name, step):
                return self._verdict or "FAILED"
        succeeded = True
        for name in buildspec.PHASES:
            phase = self._spec.phases.get(name, buildspec.Phase())
            if self._phase(name.upper(), partial(self._run_commands, phase)):
                continue
            succeeded = False
            if self._verdict is not None:
                return self._verdict
            assert self._shell is not None
            self._shell.set("CODEBUILD_BUILD_SUCCEEDING", "0")
            # A failed build still has its post_build, unless on-failure is ABORT; a failed install has nothing more.
            if not phase.continue_on_failure and (name != "build" or phase.abort_on_failure):
                break
        self._export()
        if self._phases[-1]["phaseType"] == "POST_BUILD":
            self._phase("UPLOAD_ARTIFACTS", lambda: None)
        return self._verdict or ("SUCCEEDED" if succeeded else "FAILED")

    def _provision(self) -> None:
        """Assume the service role, open the log."""
        name, region = self._build["id"].split(":")[1], self._build["arn"].split(":")[3]
        self._credentials = service_role.assume(self._build["serviceRole"], f"AWSCodeBuild-{name}")
        self._client = service_role.clients(self._credentials, self._settings.endpoint, region)
        logs, place = self._client("logs"), self._build["logs"]
        try:
            try:
                logs.create_log_stream(logGroupName=place["groupName"], logStreamName=place["streamName"])
            except logs.exceptions.ResourceNotFoundException:
                # Only a group that is not there needs the right to create one.
                logs.create_log_group(logGroupName=place["groupName"])
                logs.create_log_stream(logGroupName=place["groupName"], logStreamName=place["streamName"])
        except logs.exceptions.ClientError as refused:
            raise self._log_refused(refused) from refused
        self._log = codebuild._log_sink(self._build)

    def _log_refused(self, refused: Exception) -> PhaseFailed:
        message = (
            f"Service role {self._build['serviceRole']} does not allow AWS CodeBuild to create Amazon CloudWatch Logs "
            f"log streams for build {self._build['arn']}. Error message: {refused}"
        )
        return PhaseFailed("ACCESS_DENIED", message)

    def _download(self) -> None:
        """Get the sources and read the build specification."""
        self._folder.mkdir(parents=True)
        (self._folder / "tmp").mkdir()
        source, version = self._build["source"], self._build.get("sourceVersion", "")
        self._environment = self._base_environment()
        try:
            resolved = self._fetch(source, version, self._source)
            for other in self._build.get("secondarySources", []):
                folder = self._folder / f"source-{other['sourceIdentifier']}"
                self._fetch(other, self._secondary_version(other), folder)
                self._environment[f"CODEBUILD_SRC_DIR_{other['sourceIdentifier']}"] = str(folder)
        except build_source.SourceError as wrong:
            raise PhaseFailed("CLIENT_ERROR", str(wrong)) from wrong
        if resolved:
            self._build["resolvedSourceVersion"] = resolved
            self._environment["CODEBUILD_RESOLVED_SOURCE_VERSION"] = resolved
        try:
            self._spec = buildspec.parse(self._buildspec_text())
        except buildspec.BuildspecError as wrong:
            raise PhaseFailed("YAML_FILE_ERROR", f"{wrong}") from wrong
        self._environment |= self._variables()
        self._shell = BuildShell(self._spec.shell, self._folder, self._source, self._environment, self._log)

    def _fetch(self, source: dict[str, Any], version: str, into: Path) -> str:
        match source["type"]:
            case "GITHUB":
                return build_source.fetch_git(source["location"], version, into, self._environment)
            case "S3":
                return build_source.fetch_s3(self._client, source["location"], version, into)
            case "NO_SOURCE":
                into.mkdir(parents=True)
                return ""
            case other:
                raise build_source.SourceError(f"this launcher has no source type {other}")

    def _secondary_version(self, source: dict[str, Any]) -> str:
        versions = self._build.get("secondarySourceVersions", [])
        chosen = (v["sourceVersion"] for v in versions if v["sourceIdentifier"] == source["sourceIdentifier"])
        return str(next(chosen, ""))

    def _buildspec_text(self) -> str:
        given: str = self._build["source"].get("buildspec") or "buildspec.yml"
        if "\n" in given or given.lstrip().startswith("{"):
            return given
        file = (self._source / given).resolve()
        if not file.is_file() or not file.is_relative_to(self._source.resolve()):
            raise PhaseFailed("YAML_FILE_ERROR", f"stat {self._source / given}: no such file or directory")
        return file.read_text()

    def _base_environment(self) -> dict[str, str]:
        build, region = self._build, self._build["arn"].split(":")[3]
        given = {
            "PATH": self._settings.build_path,
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._folder / "tmp"),
            "CI": "true",
            "AWS_ENDPOINT_URL": self._settings.endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "CODEBUILD_CI": "true",
            "CODEBUILD_BUILD_ID": build["id"],
            "CODEBUILD_BUILD_ARN": build["arn"],
            "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
            "CODEBUILD_BUILD_IMAGE": build["environment"].get("image", ""),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_INITIATOR": build["initiator"],
            "CODEBUILD_LOG_PATH": build["logs"]["streamName"],
            "CODEBUILD_SOURCE_REPO_URL": build["source"].get("location", ""),
            "CODEBUILD_SOURCE_VERSION": build.get("sourceVersion", ""),
            "CODEBUILD_SRC_DIR": str(self._source),
            "CODEBUILD_START_TIME": str(int(build["startTime"] * 1000)),
        }
        git = build_source.git_environment(self._settings.git_mirrors)
        return self._settings.build_environment | given | self._credentials | git

    def _variables(self) -> dict[str, str]:
        """The build specification's variables, overridden by those of the project and of StartBuild."""
        spec = self._spec
        found = dict(spec.variables)
        found |= {name: self._parameter(path) for name, path in spec.parameter_store.items()}
        found |= {name: self._secret(reference) for name, reference in spec.secrets_manager.items()}
        for variable in self._build["environment"].get("environmentVariables", []):
            match variable.get("type", "PLAINTEXT"):
                case "PARAMETER_STORE":
                    found[variable["name"]] = self._parameter(variable["value"])
                case "SECRETS_MANAGER":
                    found[variable["name"]] = self._secret(variable["value"])
                case _:
                    found[variable["name"]] = variable["value"]
        return found

    def _parameter(self, name: str) -> str:
        ssm = self._client("ssm")
        try:
            return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
        except ssm.exceptions.ClientError as refused:
            raise PhaseFailed("Decrypted Variables Error", str(refused)) from refused

    def _secret(self, reference: str) -> str:
        """``secret-id:json-key:version-stage:version-id``, where all but the first are optional."""
        arn = reference.startswith("arn:")
        parts = reference.split(":")
        identifier, rest = (":".join(parts[:7]), parts[7:]) if arn else (parts[0], parts[1:])
        key, stage, version = [*rest, "", "", ""][:3]
        chosen = {name: value for name, value in (("VersionStage", stage), ("VersionId", version)) if value}
        manager = self._client("secretsmanager")
        try:
            text = manager.get_secret_value(SecretId=identifier, **chosen)["SecretString"]
        except manager.exceptions.ClientError as refused:
            raise PhaseFailed("Secrets Manager Error Message", str(refused)) from refused
        return str(json.loads(text)[key]) if key else str(text)

    def _run_commands(self, phase: buildspec.Phase) -> None:
        try:
            self._run_each(phase.commands)
        finally:
            if self._verdict is None:
                self._run_each(phase.finally_)

    def _run_each(self, commands: tuple[str, ...]) -> None:
        assert self._shell is not None
        for command in commands:
            self._say(f"Running command {command}")
            status = self._shell.run(command)
            if self._verdict is not None:
                raise PhaseFailed(self._verdict, "")
            if status != 0:
                message = f"Error while executing command: {command}. Reason: exit status {status}"
                raise PhaseFailed("COMMAND_EXECUTION_ERROR", message)

    def _export(self) -> None:
        assert self._shell is not None
        values = self._shell.exported() if self._spec.exported else {}
        self._build["exportedEnvironmentVariables"] = [
            {"name": name, "value": values.get(name, "")} for name in self._spec.exported
        ]

    @property
    def _phases(self) -> list[dict[str, Any]]:
        phases: list[dict[str, Any]] = self._build["phases"]
        return phases

    def _phase(self, name: str, work: Callable[[], None]) -> bool:
        """Do a phase's work; whether it succeeded."""
        begin_phase(self._build, name)
        self._say(f"Entering phase {name}")
        try:
            work()
        except PhaseFailed as failed:
            self._end_phase(self._verdict or "FAILED", failed.code, failed.message)
            return False
        if self._verdict is not None:
            self._end_phase(self._verdict)
            return False
        self._end_phase("SUCCEEDED")
        return True

    def _end_phase(self, status: str, code: str = "", message: str = "") -> None:
        phase = self._phases[-1]
        end_phase(self._build, status, code, message)
        self._say(f"Phase complete: {phase['phaseType']} State: {status}")
        self._say(f"Phase context status code: {code} Message: {message}")

    def _say(self, text: str) -> None:
        self._log(f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {text}")

    def _finish(self, status: str) -> None:
        if self._phases[-1]["phaseStatus"] is None:
            self._end_phase(status)
        begin_phase(self._build, "FINALIZING")
        # A failed build is left for a look; a good one would fill the disk.
        if status == "SUCCEEDED":
            shutil.rmtree(self._folder, ignore_errors=True)
        end_phase(self._build, "SUCCEEDED")
        finish(self._build, status)
        self._changed(self._build)


def begin_phase(build: Build, name: str) -> None:
    build["phases"].append({"phaseType": name, "phaseStatus": None, "startTime": time.time()})
    build["currentPhase"] = name


def end_phase(build: Build, status: str, code: str = "", message: str = "") -> None:
    phase = build["phases"][-1]
    ended = time.time()
    phase.update(
        phaseStatus=status,
        endTime=ended,
        durationInSeconds=int(ended - phase["startTime"]),
        contexts=[{"statusCode": code, "message": message}],
    )


def finish(build: Build, status: str) -> None:
    build["phases"].append({"phaseType": "COMPLETED", "startTime": time.time()})
    build.update(currentPhase="COMPLETED", endTime=time.time(), buildComplete=True, buildStatus=status)
