"""JSON, fast where it can be and forgiving where it must.

orjson is several times faster than the standard library and stricter: it refuses lone surrogates, which platforms do
send, and whole numbers beyond 64 bits. Those few values go the slow way.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

# What we encode is built by us and holds no cycles; looking for them costs a third of the encoding.
_slow_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def dumps(value: Any) -> bytes:
    """Compact JSON as UTF-8; a lone surrogate is kept as it is. Raises TypeError for what JSON cannot hold."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _slow_dumps(value).encode("utf-8", "surrogatepass")


def loads(data: bytes) -> Any:
    """The value. Raises json.JSONDecodeError or UnicodeDecodeError, both ValueErrors, for what is no JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8", "surrogatepass"))
