"""Ends every registered process group once the launcher is gone, however it went.

Reads ``+<group>`` and ``-<group>`` lines from standard input, whose other end only the launcher holds.
It runs in its own session, so that a signal to the launcher's group does not take it along.
"""

import os
import signal
import sys


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


main()
