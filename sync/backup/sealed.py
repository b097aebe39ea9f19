"""The file of a backup: a line that says what it is, a clear header, then frames of lines, each sealed by `sync.encryption`.

    integration-console backup\\n
    length of the header (4 bytes, big-endian), header: JSON
    frames: length (4 bytes; the highest bit marks the last one), token

A frame is sealed under the first of ENCRYPTION_KEYS, bound to the header's digest, its own number and whether it is the
last: what was altered, moved, taken from another backup or cut off does not open. Memory holds one frame at a time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sync import jsons
from sync.encryption import DecryptionError, Keyring, keyring

MAGIC = b"integration-console backup\n"
FORMAT = 1
FRAME = 1 << 20  # bytes of lines in a frame, about
LAST = 1 << 31
LARGEST_HEADER, LARGEST_FRAME = 1 << 20, 1 << 28  # nothing of ours is longer
FINGERPRINT = "backup key fingerprint"
LENGTH = struct.Struct(">I")


class BackupError(Exception):
    """The file cannot be used; the message says why and what to do. Nothing was written because of it."""


def fingerprint(ring: Keyring, key_id: str) -> str:
    """Tells two keys of the same id apart, and nothing of either."""
    return ring.mac(FINGERPRINT, b"", key_id)[:16]


class Writer:
    """Takes lines (JSON values), one after the other; `save_as` makes one."""

    def __init__(self, file: IO[bytes], header: Mapping[str, Any], frame: int = FRAME) -> None:
        self._file, self._ring, self._frame = file, keyring(), frame
        encoded = jsons.dumps({**header, "format": FORMAT, "keys": _fingerprints(self._ring)})
        self._bound_to = _digest(encoded)
        self._lines: list[bytes] = []
        self._held = self._number = 0
        file.write(MAGIC + LENGTH.pack(len(encoded)) + encoded)

    def write(self, line: bytes) -> None:
        """`line`: JSON without a line feed."""
        self._lines.append(line)
        self._held += len(line) + 1
        if self._held >= self._frame:
            self._flush(last=False)

    def close(self) -> None:
        self._flush(last=True)

    def _flush(self, *, last: bool) -> None:
        plain = zlib.compress(b"\n".join(self._lines), 1)
        token = self._ring.seal(plain, _context(self._bound_to, self._number, last))
        self._file.write(LENGTH.pack(len(token) | (LAST if last else 0)) + token)
        self._lines, self._held, self._number = [], 0, self._number + 1


@contextmanager
def save_as(path: Path, header: Mapping[str, Any], *, replace: bool) -> Iterator[Writer]:
    """A file that appears under its name when it is complete, readable by its owner alone.

    Raises BackupError if the name is taken (unless `replace`), OSError for what the disk refuses.
    """
    if path.is_dir():
        raise BackupError(f"{path} is a directory: name a file in it.")
    if path.exists() and not replace:
        raise BackupError(f"{path} exists already. Name another file, or overwrite it with --force.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            writer = Writer(file, header)
            yield writer
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _settle_name(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _settle_name(folder: Path) -> None:
    """A rename is durable once its directory is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Reader:
    """A backup's header, and as often as wanted its lines. Raises BackupError for whatever is not as it was written."""

    def __init__(self, path: Path) -> None:
        self.path, self._ring = path, keyring()
        try:
            with path.open("rb") as file:
                encoded = self._read_header(file)
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error
        self.header: dict[str, Any] = _parsed_header(path, encoded)
        self._bound_to, self._begins = _digest(encoded), len(MAGIC) + LENGTH.size + len(encoded)
        self.require_keys([str(self.header["key"])])

    def _read_header(self, file: IO[bytes]) -> bytes:
        if file.read(len(MAGIC)) != MAGIC:
            raise BackupError(f"{self.path} is no backup of this console.")
        encoded = _read_block(file, LENGTH.unpack(_exactly(file, LENGTH.size, self.path))[0], LARGEST_HEADER)
        if encoded is None:
            raise self._damaged("in its first lines")
        return encoded

    def require_keys(self, key_ids: Iterator[str] | list[str]) -> None:
        """Raises BackupError, naming it, for a key that ENCRYPTION_KEYS lacks or holds with other bytes."""
        for key_id in key_ids:
            if key_id not in self._ring.raw:
                raise BackupError(
                    f"{self.path} needs the encryption key {key_id!r}, which ENCRYPTION_KEYS does not list. "
                    "Add that key (it may stand last) and try again."
                )
            known = str(self.header["keys"].get(key_id, ""))
            if known and not hmac.compare_digest(known, fingerprint(self._ring, key_id)):
                raise BackupError(
                    f"The key {key_id!r} of ENCRYPTION_KEYS is another one than {self.path} was made with. "
                    "Put back the keys that were kept with it."
                )

    def lines(self) -> Iterator[Any]:
        """Every line in order. Ends in BackupError if the file does not end where its writer ended it."""
        with self.path.open("rb") as file:
            file.seek(self._begins)
            number, last = 0, False
            while not last:
                marked = LENGTH.unpack(_exactly(file, LENGTH.size, self.path))[0]
                last = bool(marked & LAST)
                token = _read_block(file, marked & ~LAST, LARGEST_FRAME)
                if token is None:
                    raise self._damaged(f"at part {number + 1:,}")
                yield from map(jsons.loads, self._opened(token, number, last).split(b"\n"))
                number += 1
            if file.read(1):
                raise self._damaged("behind its end")

    def _opened(self, token: bytes, number: int, last: bool) -> bytes:
        try:
            return zlib.decompress(self._ring.unseal(token, _context(self._bound_to, number, last)))
        except (DecryptionError, zlib.error):
            raise self._damaged(f"at part {number + 1:,}") from None

    def _damaged(self, where: str) -> BackupError:
        return BackupError(
            f"{self.path} was altered or damaged {where}. Nothing of it was used: take another copy."
        )


def _parsed_header(path: Path, encoded: bytes) -> dict[str, Any]:
    try:
        header = jsons.loads(encoded)
        number = int(header["format"])
        if not isinstance(header["keys"], dict) or not isinstance(header["key"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"{path} was altered or damaged in its first lines: take another copy.") from None
    if number > FORMAT:
        raise BackupError(
            f"{path} was made by a newer release of the console (format {number}; this one reads {FORMAT}). "
            "Install that release, or a later one, and restore there."
        )
    return dict(header)


def _exactly(file: IO[bytes], count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise BackupError(
            f"{path} is cut short: it ends before its end mark. Nothing of it was used: take another copy."
        )
    return data


def _read_block(file: IO[bytes], length: int, most: int) -> bytes | None:
    """None for a length that none of ours has, or that the file does not hold."""
    if length > most:
        return None
    data = file.read(length)
    return data if len(data) == length else None


def _context(bound_to: str, number: int, last: bool) -> str:
    return f"backup.{bound_to}:{number}{'.' if last else ''}"


def _digest(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()


def _fingerprints(ring: Keyring) -> dict[str, str]:
    return {key_id: fingerprint(ring, key_id) for key_id in ring.raw}
