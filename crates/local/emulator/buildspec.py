"""A build specification, version 0.2, as CodeBuild reads it.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

PHASES = ("install", "pre_build", "build", "post_build")


class BuildspecError(ValueError):
    """The text is no build specification; the message is what CodeBuild says after YAML_FILE_ERROR."""


@dataclass(frozen=True)
class Phase:
    """Commands of one phase; those of ``finally`` run even after a failure."""

    commands: tuple[str, ...] = ()
    finally_: tuple[str, ...] = ()
    continue_on_failure: bool = False
    abort_on_failure: bool = False


@dataclass(frozen=True)
class Buildspec:
    shell: str = "sh"
    variables: dict[str, str] = field(default_factory=dict)
    parameter_store: dict[str, str] = field(default_factory=dict)
    secrets_manager: dict[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    phases: dict[str, Phase] = field(default_factory=dict)


def parse(text: str) -> Buildspec:
    """The build specification in a YAML (or JSON) text."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise BuildspecError(str(wrong)) from wrong
    if not isinstance(document, dict):
        raise BuildspecError("the build specification is not a mapping")
    version = document.get("version")
    if str(version) != "0.2":
        raise BuildspecError(f"unsupported version {version}; this launcher runs 0.2")
    environment = document.get("env") or {}
    return Buildspec(
        shell=environment.get("shell", "sh"),
        variables={name: _text(value) for name, value in (environment.get("variables") or {}).items()},
        parameter_store=dict(environment.get("parameter-store") or {}),
        secrets_manager=dict(environment.get("secrets-manager") or {}),
        exported=tuple(environment.get("exported-variables") or ()),
        phases={name: _phase(name, body) for name, body in (document.get("phases") or {}).items()},
    )


def _phase(name: str, body: Any) -> Phase:
    if name not in PHASES:
        raise BuildspecError(f"unknown phase {name}")
    body = body or {}
    on_failure = body.get("on-failure", "")
    if on_failure not in ("", "ABORT", "CONTINUE"):
        raise BuildspecError(f"on-failure {on_failure} is not ABORT or CONTINUE")
    return Phase(
        commands=_commands(body.get("commands")),
        finally_=_commands(body.get("finally")),
        continue_on_failure=on_failure == "CONTINUE",
        abort_on_failure=on_failure == "ABORT",
    )


def _commands(given: Any) -> tuple[str, ...]:
    commands = [given] if isinstance(given, str) else given or []
    for command in commands:
        # "- echo a: b" is a YAML mapping, which is the most frequent mistake in a buildspec.
        if not isinstance(command, str):
            raise BuildspecError(f"Expected Commands[] to be of string type: found {command!r} instead")
    return tuple(commands)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
