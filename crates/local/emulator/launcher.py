"""Starts the local AWS and ends it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import logging
import os
import resource
import signal
import socket
import socketserver
import sys
import tempfile
import threading
from dataclasses import replace
from typing import Any

from emulator import processes, settings

MINISTACK = "1.5.33"
# AWS's own value, https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
LAMBDA_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/bin"


def main() -> None:
    """Read the command line, start everything, serve until told to stop."""
    given = settings.parse(sys.argv[1:], os.environ)
    refuse_other_ministack()
    try:
        listener = socket.create_server(("127.0.0.1", given.port))
    except OSError as taken:
        sys.exit(f"emulator: cannot listen on 127.0.0.1:{given.port}: {taken.strerror}")
    given = replace(given, port=listener.getsockname()[1])
    announce = sys.stdout
    sys.stdout = sys.stderr
    prepare_process(given)
    processes.start_reaper()
    end_on_signal_or_closed_stdin()
    # MiniStack reads its environment while it is imported, hence not at the top.
    from emulator import parts

    application = parts.install(given)
    asyncio.run(serve(application, listener, announce, given))


def refuse_other_ministack() -> None:
    """This launcher wraps private functions of one exact version."""
    try:
        found = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        found = "none"
    if found != MINISTACK:
        sys.exit(f"emulator: needs ministack {MINISTACK}, found {found}")


def prepare_process(given: settings.Settings) -> None:
    """Environment, temporary folder, log file and file limit, before MiniStack is imported."""
    temporary = given.state_dir / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(temporary)
    # MiniStack hands its whole environment to every function, so it has nothing else in it.
    os.environ.clear()
    os.environ.update(
        {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(given.port),
            "MINISTACK_ACCOUNT_ID": given.account,
            "MINISTACK_REGION": given.region,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AWS_ENDPOINT_URL": given.endpoint,
            "PATH": LAMBDA_PATH,
        }
    )
    logging.basicConfig(
        filename=given.state_dir / "emulator.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s [%(name)s] %(message)s",
    )
    warnings = logging.StreamHandler(sys.stderr)
    warnings.setLevel(logging.ERROR)
    logging.getLogger().addHandler(warnings)
    # 45 ms become 12 ms per invocation: the Runtime API server answers in two small writes.
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def end_on_signal_or_closed_stdin() -> None:
    """End at once: nothing is kept, and waiting for open requests would only delay the parent."""

    def end(*_: Any) -> None:
        try:
            processes.end_all()
        finally:
            os._exit(0)

    def watch_stdin() -> None:
        try:
            while os.read(0, 4096):
                pass
        finally:
            end()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=watch_stdin, name="stdin", daemon=True).start()


async def serve(application: Any, listener: socket.socket, announce: Any, given: settings.Settings) -> None:
    """Answer HTTP until the process ends."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.errorlog = logging.getLogger("hypercorn.error")
    ready = asyncio.create_task(announce_when_ready(announce, given))
    # A trigger of ours, which never comes, keeps Hypercorn from taking the signals.
    await hypercorn_serve(application, config, shutdown_trigger=asyncio.Event().wait)
    await ready


async def announce_when_ready(announce: Any, given: settings.Settings) -> None:
    """Print the one line that the parent waits for, once the server answers."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", given.port)
            writer.write(b"GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            answered = b"200" in await reader.readline()
            writer.close()
            if answered:
                break
        except OSError:
            pass
        await asyncio.sleep(0.02)
    print(json.dumps({"endpoint": given.endpoint, "pid": os.getpid()}), file=announce, flush=True)
