"""A file on either side of the demo's first pair, as people would have put it there; the next run carries them."""

from __future__ import annotations

import struct
import zlib
from contextlib import closing
from functools import partial
from io import BytesIO

from sync.core.files import Digests, NewFile, Passing
from sync.core.records import Side
from sync.engine.connect import open_connector
from sync.models import Attachment, Flow, RecordLink
from sync.models.attachment import AttachmentStatus


def put_files(flow: Flow) -> None:
    """Nothing where no two records belong together yet."""
    link = RecordLink.objects.filter(flow=flow).order_by("servicenow_number").first()
    if link is None:
        return
    picture, note = _picture(), b"Seen by the customer desk.\nThe customer sends a photo tomorrow.\n"
    _put(link, Side.SERVICENOW, NewFile("screen.png", "image/png", len(picture)), picture)
    _put(link, Side.SALESFORCE, NewFile("note.txt", "text/plain", len(note)), note)


def _put(link: RecordLink, side: Side, file: NewFile, content: bytes) -> None:
    flow = link.flow
    held, name = (
        (flow.servicenow_connection, flow.servicenow_table)
        if side is Side.SERVICENOW
        else (flow.salesforce_connection, flow.salesforce_object)
    )
    with closing(open_connector(held)) as connector:
        opened = partial(_passing, content)
        connector.files.add(name, link.end(side), file, opened)


def _passing(content: bytes) -> Passing:
    return Passing(BytesIO(content), len(content), _unsealed, _unhurried)


def _unsealed(_: Digests) -> None:
    """Nobody has to know it again."""


def _unhurried() -> None:
    """It is small."""


def carried(flow: Flow) -> list[str]:
    """What became of them, in a line, if anything did."""
    rows = Attachment.objects.filter(flow=flow, status=AttachmentStatus.DONE).select_related("link")
    told = [f"{row.told['name']} from {getattr(row.link, f'{row.side}_number')}" for row in rows]
    return [f"  carried to the other side: {' and '.join(told)}"] if told else []


def _picture(size: int = 64) -> bytes:
    """A PNG of one colour that fades. Source of the format: W3C, "Portable Network Graphics"."""
    rows = b"".join(b"\0" + bytes((200 - row * 2, 60, row * 3)) * size for row in range(size))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
