"""The parts of a multipart/form-data body (RFC 7578), in the order they came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'\bname="([^"]*)"')
_FILE_NAME = re.compile(r'\bfilename="([^"]*)"')
_DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Part:
    """One field, or a file when `file_name` is not empty."""

    name: str
    content: bytes
    file_name: str = ""
    content_type: str = _DEFAULT_TYPE

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


def parts(content_type: str, body: bytes) -> Iterator[Part]:
    """Nothing for a body that is not multipart."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not content_type.lower().startswith("multipart/form-data"):
        return
    marker = b"\r\n--" + boundary[1].encode()
    for piece in (b"\r\n" + body).split(marker)[1:]:
        head, found, content = piece.partition(b"\r\n\r\n")
        if found and not piece.startswith(b"--"):
            yield _part(head.decode("utf-8", "replace"), content)


def _part(head: str, content: bytes) -> Part:
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.splitlines())
    }
    disposition = headers.get("content-disposition", "")
    name, file_name = _NAME.search(disposition), _FILE_NAME.search(disposition)
    return Part(
        name[1] if name else "",
        content,
        file_name[1] if file_name else "",
        headers.get("content-type", _DEFAULT_TYPE),
    )
