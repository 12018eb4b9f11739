"""CBOR, as far as Smithy RPC v2 uses it.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html, https://www.rfc-editor.org/rfc/rfc8949
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Any

from botocore.parsers import RpcV2CBORParser

_UNSIGNED, _NEGATIVE, _TEXT, _ARRAY, _MAP, _TAG = 0, 1, 3, 4, 5, 6
_EPOCH = 1


def loads(content: bytes) -> Any:
    """The value of a CBOR text; members that are null are left out."""
    parser = RpcV2CBORParser()
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(content))


def dumps(value: Any) -> bytes:
    """The CBOR text of a value; members that are None are left out."""
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case list():
            return _head(_ARRAY, len(value)) + b"".join(dumps(item) for item in value)
        case dict():
            members = [dumps(key) + dumps(item) for key, item in value.items() if item is not None]
            return _head(_MAP, len(members)) + b"".join(members)
        case datetime():
            return _head(_TAG, _EPOCH) + dumps(value.timestamp())
    raise TypeError(f"{type(value).__name__} has no CBOR")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = next(size for size in range(4) if number < 1 << (8 << size))
    return bytes([major << 5 | 24 + size]) + number.to_bytes(1 << size, "big")
