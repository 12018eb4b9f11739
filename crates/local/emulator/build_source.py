"""What a build works on: a commit of a Git repository, an object in S3, or nothing."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulator.processes import GroupedPopen

_NO_REVISION = "reference not found for primary source and source version"


class SourceError(Exception):
    """The source could not be had; the message is CodeBuild's."""


def git_environment(mirrors: Path) -> dict[str, str]:
    """Has Git read ``https://github.com/a/b.git`` from the mirror ``a/b.git``.

    https://git-scm.com/docs/git-config#Documentation/git-config.txt-GITCONFIGCOUNT
    """
    settings = {
        f"url.{mirrors.as_uri()}/.insteadOf": "https://github.com/",
        "safe.directory": "*",
        "advice.detachedHead": "false",
    }
    pairs = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
    for index, (key, value) in enumerate(settings.items()):
        pairs[f"GIT_CONFIG_KEY_{index}"] = key
        pairs[f"GIT_CONFIG_VALUE_{index}"] = value
    return pairs


def fetch_git(location: str, version: str, into: Path, environment: dict[str, str]) -> str:
    """Check a version out and say which commit it is.

    A version is a commit, a branch, a tag, ``pr/<number>``, or a reference and a commit that leads to it:
    ``refs/pull/<number>/head^{<commit>}``.
    https://docs.aws.amazon.com/codebuild/latest/userguide/sample-source-version.html
    """
    _git(["clone", "--quiet", "--no-checkout", "--", location, str(into)], into.parent, environment)
    reference, caret, commit = version.partition("^{")
    if caret:
        _git(["fetch", "--quiet", "origin", f"{reference}:refs/build"], into, environment)
        version = commit.removesuffix("}")
    elif version.startswith("pr/"):
        wanted = f"refs/pull/{version.removeprefix('pr/')}/head"
        _git(["fetch", "--quiet", "origin", f"{wanted}:refs/build"], into, environment)
        version = "refs/build"
    short = version.removeprefix("refs/heads/")
    candidates = [f"refs/remotes/origin/{short}", version] if version else ["HEAD"]
    commit = next(filter(None, (_commit(name, into, environment) for name in candidates)), None)
    if commit is None:
        raise SourceError(f"{_NO_REVISION} {version}")
    _git(["checkout", "--quiet", "--detach", commit], into, environment)
    return commit


def fetch_s3(client: Callable[[str], Any], location: str, version: str, into: Path) -> str:
    """Extract an archive from S3, or copy what is below a prefix; the object's version, if it has one."""
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    s3 = client("s3")
    into.mkdir(parents=True, exist_ok=True)
    try:
        if key.endswith("/") or not key:
            _copy_prefix(s3, bucket, key, into)
            return ""
        chosen = {"VersionId": version} if version else {}
        answer = s3.get_object(Bucket=bucket, Key=key, **chosen)
    except s3.exceptions.ClientError as wrong:
        raise SourceError(f"{wrong} for source {location}") from wrong
    content = answer["Body"].read()
    if zipfile.is_zipfile(io.BytesIO(content)):
        _extract_apart(content, into)
    else:
        (into / Path(key).name).write_bytes(content)
    return str(answer.get("VersionId", ""))


def _copy_prefix(s3: Any, bucket: str, prefix: str, into: Path) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            target = (into / found["Key"].removeprefix(prefix)).resolve()
            if target.is_relative_to(into.resolve()) and not found["Key"].endswith("/"):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())


def _extract_apart(content: bytes, into: Path) -> None:
    """Extract in a process of its own.

    Whatever another thread starts while this process writes a program has that file open as well, until it runs something
    else, and a program that anybody has open for writing cannot be run: "Text file busy" (execve(2), ETXTBSY).
    """
    command = [sys.executable, "-c", "from emulator.build_source import main; main()", str(into)]
    folder = Path(__file__).parent.parent
    extracted = subprocess.run(command, cwd=folder, input=content, capture_output=True)
    if extracted.returncode != 0:
        raise SourceError(extracted.stderr.decode(errors="replace").strip().splitlines()[-1])


def main() -> None:
    """Extract the archive on standard input into the folder that is named."""
    extract(sys.stdin.buffer.read(), Path(sys.argv[1]))


def extract(content: bytes, into: Path) -> None:
    """Extract an archive, with the permissions that its entries have."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            extracted = Path(archive.extract(entry, into))
            # zipfile forgets the permissions, and a build may well run a script or a program of its source.
            mode = entry.external_attr >> 16 & 0o777
            if mode and extracted.is_file():
                extracted.chmod(mode)


def _commit(name: str, repository: Path, environment: dict[str, str]) -> str | None:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def _git(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    process = GroupedPopen(
        ["git", *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _, said = process.communicate()
    if process.returncode != 0:
        raise SourceError(said.strip().splitlines()[-1] if said.strip() else f"git {arguments[0]} failed")
