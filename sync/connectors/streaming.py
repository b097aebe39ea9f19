"""Bodies that are never whole in memory: one that is sent while it is made, one that is read while it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import requests
import urllib3

from sync.core.files import Passing
from sync.errors import SyncError, TransientError

PIECE = 64 * 1024
# Seconds within which a platform must take the next piece of a body. urllib3 lets the time to connect bound that.
TAKES_WITHIN = 30.0


class Outgoing:
    """The body of an upload: a head, a file as it passes by, a tail. Its length is known before anything is sent.

    requests asks for `__len__` and `__iter__`, urllib3 calls `read`. `fault`: what kept the file from coming; the
    request was cut off in its middle then, and no platform executes half of one.
    """

    def __init__(self, content: Passing, size: int, head: bytes = b"", tail: bytes = b"") -> None:
        self._head, self._content, self._tail = head, content, tail
        self._length = len(head) + size + len(tail)
        self.fault: SyncError | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE):
            yield piece

    def read(self, most: int = PIECE) -> bytes:
        if self._head:
            piece, self._head = self._head[:most], self._head[most:]
            return piece
        try:
            if piece := self._content.read(most):
                return piece
        except SyncError as error:
            self.fault = error
            raise
        piece, self._tail = self._tail[:most], self._tail[most:]
        return piece


class Incoming:
    """The body of an answer, read as it comes; to be closed, which tells the observer how the call ended."""

    def __init__(
        self, response: requests.Response, where: str, ended: Callable[[SyncError | None], None]
    ) -> None:
        self._response, self._where, self._ended = response, where, ended
        self._fault: SyncError | None = None

    def read(self, most: int) -> bytes:
        try:
            return bytes(self._response.raw.read1(most, decode_content=True))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._fault = TransientError(
                f"{self._where} broke off in the middle of a file: {type(error).__name__}.", code="file_cut"
            )
            raise self._fault from error

    def close(self) -> None:
        """What has not been read is dropped with its connection."""
        self._response.close()
        ended, self._ended = self._ended, _nothing
        ended(self._fault)


def _nothing(_: SyncError | None) -> None:
    """Told already."""
