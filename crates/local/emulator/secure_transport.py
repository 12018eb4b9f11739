"""Loopback stands in for TLS: ``aws:SecureTransport`` is true for every request.

The policies of cdk bootstrap's bucket, and of every bucket made with ``enforceSSL``, refuse plain HTTP, which is
all that there is on this machine. They stay as they are; only the condition sees another value.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
"""

from __future__ import annotations

from typing import Any

from ministack import app

from emulator.seams import around


def install() -> None:
    @around("pin_request_origin", app)
    def pin(original: Any, source_ip: str, secure_transport: bool) -> None:
        original(source_ip, True)
