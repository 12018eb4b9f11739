"""Every process that the launcher starts is a group of its own, and none outlives the launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_groups: set[int] = set()
_reaper: subprocess.Popen[str] | None = None


def start_reaper() -> None:
    """Start the process that cleans up when the launcher itself is killed."""
    global _reaper
    _reaper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        env={},
    )


class GroupedPopen(subprocess.Popen):  # type: ignore[type-arg]
    """A process that leads its own group; what it leaves behind when it ends is ended with it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "start_new_session": True})
        with _lock:
            _groups.add(self.pid)
            _tell("+", self.pid)

    def poll(self) -> int | None:
        code = super().poll()
        if code is not None:
            end_group(self.pid)
        return code

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        end_group(self.pid)
        return code


def end_group(group: int) -> None:
    """Kill what still runs in a group, and forget it."""
    with _lock:
        if group not in _groups:
            return
        _groups.discard(group)
        _kill(group)
        _tell("-", group)


def end_all() -> None:
    """Kill every group; no lock, because this is the last thing that happens."""
    for group in list(_groups):
        _kill(group)


def group_functions(*modules: Any) -> None:
    """Have MiniStack's function workers lead groups too, by giving its modules another ``subprocess``."""
    grouped = types.SimpleNamespace(**{**vars(subprocess), "Popen": GroupedPopen})
    for module in modules:
        if module.subprocess is not subprocess:
            raise RuntimeError(f"{module.__name__}.subprocess is not the module this launcher knows")
        module.subprocess = grouped


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _tell(sign: str, group: int) -> None:
    if _reaper is not None and _reaper.stdin is not None:
        try:
            _reaper.stdin.write(f"{sign}{group}\n")
            _reaper.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass
