"""The launcher as a process: how it starts, and that nothing is left when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import EMULATOR, REGION, TOOLS, Launcher, make_function, make_role, wait_for
from measure_idle import measure, park_executions

SHOW_ENVIRONMENT = "import os\ndef handler(event, context):\n    return dict(os.environ)\n"


def _children(pid: int) -> set[int]:
    """Every process whose ancestor is this one, and the groups they lead."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in listed.splitlines())}
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= new
    return found


def _alive(pids: set[int]) -> set[int]:
    def running(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    return {pid for pid in pids if running(pid)}


def _start_busy(tmp_path: Path) -> tuple[Launcher, set[int]]:
    """A launcher with a function worker and a build that runs for long."""
    started = Launcher(tmp_path)
    make_function(started, TOOLS, "show", SHOW_ENVIRONMENT)
    started.client("lambda", TOOLS).invoke(FunctionName="show")
    codebuild = started.client("codebuild", TOOLS)
    role = make_role(started, TOOLS, "build", "codebuild.amazonaws.com")
    spec = "version: 0.2\nphases:\n  build:\n    commands:\n      - sleep 301 & sleep 302\n"
    codebuild.create_project(
        name="long", source={"type": "NO_SOURCE", "buildspec": spec}, artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"}, serviceRole=role,
    )
    codebuild.start_build(projectName="long")
    # The reaper, the worker, the build's shell and its two sleeps.
    wait_for(lambda: len(_children(started.process.pid)) >= 5)
    return started, _children(started.process.pid)


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT", "SIGKILL"])
def test_it_ends_fast_and_leaves_no_process(tmp_path: Path, how: str) -> None:
    started, children = _start_busy(tmp_path)
    began = time.monotonic()
    if how == "stdin":
        assert started.process.stdin is not None
        started.process.stdin.close()
    else:
        os.kill(started.process.pid, getattr(signal, how))
    code = started.process.wait(5)
    assert time.monotonic() - began < 10
    assert code == (-signal.SIGKILL if how == "SIGKILL" else 0)
    wait_for(lambda: not _alive(children), 3)


def test_it_prints_one_line_and_listens_on_loopback_only(launcher: Launcher) -> None:
    assert launcher.ready == {"endpoint": launcher.endpoint, "pid": launcher.process.pid}
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout.splitlines()
    own = [line.split()[3] for line in listening if f"pid={launcher.process.pid}," in line]
    assert own and all(address.startswith("127.0.0.1:") for address in own)


def test_a_function_sees_no_environment_but_its_own(launcher: Launcher, account: str) -> None:
    make_function(launcher, account, "show", SHOW_ENVIRONMENT)
    answer = launcher.client("lambda", account).invoke(FunctionName="show")
    seen = json.load(answer["Payload"])
    assert seen["AWS_ENDPOINT_URL"] == launcher.endpoint
    assert seen["AWS_REGION"] == REGION
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    # What AWS gives, and the endpoint; nothing of the launcher or of who started it.
    # LC_CTYPE is Python's own doing.
    others = {name for name in seen if not name.startswith(("AWS_", "LAMBDA_", "_HANDLER"))}
    assert others - {"LC_CTYPE"} == {"PATH", "LANG", "TZ"}


def test_another_ministack_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "ministack-9.9.9.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 9.9.9\n")
    refused = subprocess.run(
        [sys.executable, str(EMULATOR), "--account", TOOLS, "--region", REGION, "--state-dir", str(tmp_path),
         "--git-mirrors", str(tmp_path), "--build-path", "/bin"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )
    assert refused.returncode == 1
    assert refused.stderr == "emulator: needs ministack 1.5.33, found 9.9.9\n"


def test_nothing_is_polled_while_executions_wait(tmp_path: Path) -> None:
    started = Launcher(tmp_path)
    try:
        park_executions(started, 20)
        # Schedules look five times a second and alarms every two seconds. If each execution looked once a second, twenty
        # more would come. The start may still have its effects; what is polled goes on for ever.
        wait_for(lambda: measure(started.process.pid, 3).wake_ups < 10, 60)
    finally:
        started.stop()
