"""What the command line says, read once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The launcher's whole configuration; nothing reads an environment variable after this."""

    port: int
    account: str
    region: str
    state_dir: Path
    git_mirrors: Path
    build_path: str
    schedule_scale: float
    wait_scale: float
    auto_confirm_mail: bool
    leave_pending: frozenset[str]
    build_environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def parse(arguments: list[str], environment: Mapping[str, str]) -> Settings:
    """The settings that the command line gives; from the environment come only the variables that it names."""
    parser = argparse.ArgumentParser(
        prog="emulator",
        description="AWS on one machine. Ends on SIGTERM, on SIGINT, and when standard input is closed.",
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port, 0 chooses a free one")
    parser.add_argument("--account", type=_account, required=True, help="account of requests that name none")
    parser.add_argument("--region", required=True)
    parser.add_argument("--state-dir", type=Path, required=True, help="log file, temporary files and build folders")
    parser.add_argument("--git-mirrors", type=Path, required=True, help="https://github.com/a/b.git is DIR/a/b.git")
    parser.add_argument("--build-path", required=True, help="PATH of the commands that a build runs")
    parser.add_argument("--build-env", action="append", default=[], metavar="NAME", help="a variable builds see too")
    parser.add_argument("--schedule-scale", type=float, default=1.0, help="rate(1 minute) fires every 60 x this")
    parser.add_argument("--wait-scale", type=float, default=1.0, help="Wait states and retries last x this")
    parser.add_argument("--auto-confirm-mail", action="store_true", help="mail subscriptions need no confirmation")
    parser.add_argument("--leave-pending", action="append", default=[], metavar="ADDRESS", help="but this one does")
    given = parser.parse_args(arguments)
    return Settings(
        port=given.port,
        account=given.account,
        region=given.region,
        state_dir=given.state_dir.resolve(),
        git_mirrors=given.git_mirrors.resolve(),
        build_path=given.build_path,
        schedule_scale=given.schedule_scale,
        wait_scale=given.wait_scale,
        auto_confirm_mail=given.auto_confirm_mail,
        leave_pending=frozenset(given.leave_pending),
        # Package managers find their configuration below HOME.
        build_environment={name: environment[name] for name in ("HOME", *given.build_env) if name in environment},
    )


def _account(text: str) -> str:
    if not re.fullmatch(r"\d{12}", text):
        raise argparse.ArgumentTypeError("an account has 12 digits")
    return text
