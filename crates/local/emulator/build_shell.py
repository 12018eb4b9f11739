"""One shell for all commands of a build, so that what one exports the next one sees."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from emulator.processes import GroupedPopen, end_group

# The shell sources one file after the other; the names come through a pipe file, and the results go into the
# output behind a mark that no command prints, so that they stay in order with what the command printed.
_LOOP = """
_build_pipe=$1 _build_mark=$2
while read -r _build_command < "$_build_pipe"; do
  . "$_build_command" < /dev/null
  printf '%s %s\\n' "$_build_mark" "$?"
done
"""


class BuildShell:
    """A shell in its own process group; it is started again when a command ended it."""

    def __init__(
        self, shell: str, folder: Path, start_in: Path, environment: dict[str, str], log: Callable[[str], None]
    ):
        self._shell = shell
        self._folder = folder
        self._start_in = start_in
        self._environment = environment
        self._log = log
        self._mark = f"#{secrets.token_hex(16)}"
        self._names = folder / "commands"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()
        self._count = 0

    def run(self, command: str) -> int:
        """Run a command to its end; its exit status."""
        if self._stopped.is_set():
            return 1
        if self._process is None:
            self._start()
        self._count += 1
        script = self._folder / f"command-{self._count}"
        script.write_text(command + "\n")
        os.write(self._pipe, f"{script}\n".encode())
        return self._read_until_mark()

    def set(self, name: str, value: str) -> None:
        """Export a variable; the value needs no quoting, because only this program chooses it."""
        self._environment[name] = value
        self.run(f"export {name}={value}")

    def exported(self) -> dict[str, str]:
        """The variables that the commands have exported so far."""
        kept = self._folder / "environment"
        if self.run(f"env -0 > '{kept}'") != 0:
            return dict(self._environment)
        pairs = kept.read_bytes().decode(errors="replace").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def stop(self) -> None:
        """End the commands, those in the background too."""
        self._stopped.set()
        if self._process is not None:
            end_group(self._process.pid)

    def _start(self) -> None:
        # Open for reading too, so that the shell never finds the end of it; new, lest it hold an unread command.
        self._names.unlink(missing_ok=True)
        os.mkfifo(self._names)
        self._pipe = os.open(self._names, os.O_RDWR)
        self._buffer = b""
        self._process = GroupedPopen(
            [self._shell, "-c", _LOOP, "build", str(self._names), self._mark],
            cwd=self._start_in,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if self._stopped.is_set():
            end_group(self._process.pid)

    def _read_until_mark(self) -> int:
        assert self._process is not None and self._process.stdout is not None
        output = self._process.stdout.fileno()
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                text, mark, status = line.decode(errors="replace").partition(self._mark)
                if text or not mark:
                    self._log(text)
                if mark:
                    return int(status)
            if select.select([output], [], [], 0.1)[0]:
                read = os.read(output, 65536)
                self._buffer += read
                if read:
                    continue
            elif self._process.poll() is None:
                continue
            # The command ended the shell ("exit 1", "set -e"), or the build was stopped.
            if self._buffer:
                self._log(self._buffer.decode(errors="replace"))
            return self._ended()

    def _ended(self) -> int:
        assert self._process is not None
        status = self._process.wait()
        self._process = None
        os.close(self._pipe)
        return status if status >= 0 else 128 - status
