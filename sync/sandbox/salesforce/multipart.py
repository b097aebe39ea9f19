"""A record whose bytes travel beside it, as multipart/form-data.

Source: REST guide, "Insert or Update Blob Data": the part of JSON comes first, the part of bytes is named
after its field.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(r'[; ]name="([^"]*)"')


def sent_record(call: Call) -> dict[str, Any]:
    """Return the record of a create, its bytes as base64 text. Raises Refusal."""
    kind = call.request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return call.json_object()
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise Refusal("INVALID_MULTIPART_REQUEST", "Multipart message has no boundary")
    record: Any = None
    blobs: dict[str, str] = {}
    for head, data in _parts(call.request.body, boundary.group(1).encode()):
        name = _NAME.search(head)
        if "application/json" in head.lower() and record is None:
            record = _json(data)
        elif name is not None:
            blobs[name.group(1)] = base64.b64encode(data).decode()
    if not isinstance(record, dict):
        raise Refusal("INVALID_MULTIPART_REQUEST", "Multipart message must include a part of JSON")
    return record | blobs


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes]]:
    """Split a body into the head and the data of each part."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]
    split = (piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces)
    return [(head.decode("utf-8", "replace"), data) for head, _, data in split]


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Refusal("JSON_PARSER_ERROR", f"Unexpected character: {error}") from error
