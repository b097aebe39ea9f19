"""Random bytes for keys and nonces that are made by the thousand: one call to the system serves many of them."""

from __future__ import annotations

import os
import threading

_STOCK = 4096  # bytes asked of the system at once


class _Stock(threading.local):
    """Bytes that this thread has not given out yet; no byte is given out twice."""

    left = b""
    at = 0


_stock = _Stock()


def random_bytes(count: int) -> bytes:
    """`count` (at most 4096) bytes of the system's cryptographic source, `os.urandom`."""
    start, end = _stock.at, _stock.at + count
    if end > len(_stock.left):
        _stock.left, start, end = os.urandom(_STOCK), 0, count
    _stock.at = end
    return _stock.left[start:end]


def _forget() -> None:
    _stock.left = b""


# A forked child would give out the same bytes as its parent, and a nonce must never come twice.
os.register_at_fork(after_in_child=_forget)
