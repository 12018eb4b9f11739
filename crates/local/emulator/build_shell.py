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
while read -r _command < "$1"; do
  . "$_command" < /dev/null
  printf '%s %s\\n' "$2" "$?"
done
"""


class BuildShell:
    """A shell in its own process group; it is started again when a command ended it."""

    def __init__(self, shell: str, folder: Path, start_in: Path, environment: dict[str, str], log: Callable[[str], None]):
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
        os.mkfifo(self._names)

    def run(self, command: str) -> int:
        """Run a command to its end; its exit status."""
        if self._process is None:
            self._start()
        self._count += 1
        script = self._folder / f"command-{self._count}"
        script.write_text(command + "\n")
        return self._read_until_mark() if self._hand_over(script) else self._ended()

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
        self._process = GroupedPopen(
            [self._shell, "-c", _LOOP, "build", str(self._names), self._mark],
            cwd=self._start_in,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._buffer = b""

    def _hand_over(self, script: Path) -> bool:
        """Give the shell the next file; False if it is dead."""
        assert self._process is not None
        while self._process.poll() is None and not self._stopped.is_set():
            try:
                # Opening fails as long as the shell has not opened the other end.
                pipe = os.open(self._names, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                self._stopped.wait(0.005)
                continue
            os.write(pipe, f"{script}\n".encode())
            os.close(pipe)
            return True
        return False

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
        return status if status >= 0 else 128 - status
