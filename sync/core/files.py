"""Files on their way from one system to the other: what is known of one, which are carried, and the bytes passing by."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from mimetypes import MimeTypes
from typing import Any, Protocol

from sync.core.records import Side
from sync.errors import TransientError

MEGABYTE = 1024 * 1024
USUAL_SIZE = 25 * MEGABYTE  # the largest file that is carried unless a flow says otherwise
ANY_TYPE = "application/octet-stream"
PLAIN_NAME = "attachment"  # of a file whose own name leaves nothing
_TYPES = MimeTypes()  # Python's own table: what a machine has in /etc must not decide what is carried
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+_-]*\Z")
_KEPT_SUFFIX = 20  # characters of an extension that survive when a name is cut
_SEPARATORS = re.compile(r"[\\/]+")


@dataclass(frozen=True, slots=True)
class File:
    """A file as its platform lists it, on one record. A digest is "" where the platform does not tell that kind."""

    id: str  # sys_id of sys_attachment, Id of ContentVersion
    parent: str  # the record that shows it
    name: str
    content_type: str
    size: int  # bytes
    sha256: str = ""
    md5: str = ""
    added_at: datetime | None = None
    latest: bool = True  # False: a version that a newer one has replaced

    def has_content_of(self, sha256: str, md5: str) -> bool:
        """Whether the platform's own digest says that these are the bytes."""
        pairs = ((self.sha256, sha256), (self.md5, md5))
        known = [(mine.lower(), theirs.lower()) for mine, theirs in pairs if mine and theirs]
        return bool(known) and all(mine == theirs for mine, theirs in known)


@dataclass(frozen=True, slots=True)
class NewFile:
    """What a file is to be on the other side. `name` and `content_type` are made by `safe_name` and `safe_type`."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What the platform says of a file it took; a digest is "" where it does not say it."""

    id: str
    sha256: str = ""


class Stream(Protocol):
    """Bytes as they come. Raises only `sync.errors`."""

    def read(self, most: int, /) -> bytes:
        """The next bytes, at least one and at most `most`; b"" at the end."""
        ...

    def close(self) -> None: ...


# Names


def safe_name(name: str, *, characters: int, octets: int = 255) -> str:
    """A name that can do no harm and fits: its last part only, without control characters, cut before its extension.

    `octets`: of UTF-8, which is what file systems count. Emoji and letters of any script stay.
    """
    last = _SEPARATORS.split(name.strip().rstrip("/\\"))[-1]
    plain = "".join(letter for letter in last if not _is_harmful(letter)).strip().lstrip(".").strip()
    return _cut(plain, characters, octets) or PLAIN_NAME


def _is_harmful(letter: str) -> bool:
    """Control and format characters, among them line ends and those that turn the reading direction; half a letter.

    Two format characters stay, because emoji and some scripts are written with them.
    """
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or (
        unicodedata.category(letter) == "Cf" and letter not in "\u200c\u200d"
    )


def _cut(name: str, characters: int, octets: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _KEPT_SUFFIX:
        stem, dot, suffix = name, "", ""
    while stem and (len(stem + dot + suffix) > characters or len((stem + dot + suffix).encode()) > octets):
        stem = stem[:-1]
    return f"{stem.rstrip()}{dot}{suffix}" if stem else suffix


def safe_type(content_type: str, name: str) -> str:
    """The media type alone if it is one, else the one that the name's extension stands for."""
    told = content_type.partition(";")[0].strip().lower()
    if _TYPE.match(told) and told != ANY_TYPE:
        return told
    return _TYPES.guess_type(name, strict=False)[0] or ANY_TYPE


def same_name(one: str, other: str) -> bool:
    """Whether two names are one to a person: platforms may compose letters anew, and compare without regard to case."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


# Which files are carried


@dataclass(frozen=True, slots=True)
class FileRules:
    """A flow's `attachments`. Patterns: `image/*` is compared with the type, `*.exe` with the name."""

    direction: str  # both, to_salesforce, to_servicenow
    max_size: int = USUAL_SIZE  # bytes
    types: tuple[str, ...] = ()  # empty: all
    excluded: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> FileRules | None:
        """From a revision's settings; None where the flow carries no files."""
        stored = (settings.get("options") or {}).get("attachments")
        if not isinstance(stored, Mapping):
            return None
        return cls(
            str(stored.get("direction") or settings["direction"]),
            size_of(stored),
            patterns_of(stored.get("types")),
            patterns_of(stored.get("except")),
        )

    @property
    def sources(self) -> tuple[Side, ...]:
        """The sides whose files are carried to the other one."""
        return tuple(
            side for side in Side if self.direction == "both" or self.direction == f"to_{side.other}"
        )

    @property
    def mark(self) -> str:
        """Names the rules by which a file was left behind: under other ones it is judged anew."""
        text = repr((self.max_size, self.types, self.excluded))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def against(self, name: str, content_type: str, size: int) -> str:
        """Why such a file is not carried, as a sentence; "" if it is."""
        if size > self.max_size:
            return f"It has {shown(size)}; the flow carries files of up to {shown(self.max_size)}."
        if self.types and not _matching(self.types, name, content_type):
            return (
                f"Its type, {content_type}, is none of those that the flow carries: {', '.join(self.types)}."
            )
        if pattern := _matching(self.excluded, name, content_type):
            return f"The flow leaves files like {pattern} behind."
        return ""


def _matching(patterns: Iterable[str], name: str, content_type: str) -> str:
    """The first pattern that fits, without regard to case; "" if none does."""
    for pattern in patterns:
        told = content_type if "/" in pattern else name
        if fnmatchcase(told.casefold(), pattern.casefold()):
            return pattern
    return ""


def shown(size: int) -> str:
    """A number of bytes as people say it: 900 bytes, 12 KB, 25 MB, 1.5 GB."""
    for unit, name in ((1024 * MEGABYTE, "GB"), (MEGABYTE, "MB"), (1024, "KB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} byte{'' if size == 1 else 's'}"


_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": MEGABYTE, "gb": 1024 * MEGABYTE}
_SIZE = re.compile(r"(\d{1,10}(?:\.\d{1,3})?)\s*([kmg]?b?)\Z", re.IGNORECASE)
LARGEST = 2 * 1024 * MEGABYTE  # that Salesforce takes as multipart


def parse_size(text: str) -> int | None:
    """Bytes of `25 MB`, `900 KB`, `1.5 GB` or a plain number; None for what is no size from 1 byte to 2 GB."""
    found = _SIZE.match(text.strip())
    if found is None:
        return None
    unit = found[2].lower()
    size = round(float(found[1]) * _UNITS[unit if unit in _UNITS else f"{unit}b"])
    return size if 1 <= size <= LARGEST else None


def size_of(stored: Mapping[str, Any]) -> int:
    """The largest size of stored rules; as a text where it was stored before files were carried."""
    found = stored.get("max_size")
    return (parse_size(found) if isinstance(found, str) else found) or USUAL_SIZE


def patterns_of(stored: Any) -> tuple[str, ...]:
    """The same of patterns."""
    parts = stored.split(",") if isinstance(stored, str) else stored or ()
    return tuple(text for text in (str(part).strip() for part in parts) if text)


def exact_size(size: int) -> str:
    """The shortest text that `parse_size` reads as this very number."""
    short = shown(size)
    return short if size >= 1024 and parse_size(short) == size else str(size)


# The bytes passing by


@dataclass(slots=True)
class Digests:
    """Both platforms' digests of what has passed so far: ServiceNow tells SHA-256, Salesforce MD5."""

    size: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)
    _md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        self._sha256.update(piece)
        self._md5.update(piece)

    @property
    def sha256(self) -> str:
        return str(self._sha256.hexdigest())

    @property
    def md5(self) -> str:
        return str(self._md5.hexdigest())


class Passing:
    """A file between the answer that brings it and the request that takes it: nothing is kept but the piece at hand.

    Hands on exactly as many bytes as were announced. The last of them only after `seal` was told both digests: what
    that raises keeps the request from ever being whole, so that the platform cannot have executed it.
    `beat` is called before each piece, and may raise as well. Raises TransientError for a source that says too
    little or too much.
    """

    def __init__(
        self, source: Stream, size: int, seal: Callable[[Digests], None], beat: Callable[[], None]
    ) -> None:
        self._source, self._left, self._seal, self._beat = source, size, seal, beat
        self._digests = Digests()
        if not size:
            self._finish()

    def read(self, most: int) -> bytes:
        if not self._left or most < 1:
            return b""
        self._beat()
        piece = self._source.read(min(most, self._left))
        if not piece:
            raise TransientError(f"The file ended {self._left:,} bytes too early.", code="file_cut")
        self._digests.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._finish()
        return piece

    def close(self) -> None:
        self._source.close()

    def _finish(self) -> None:
        if self._source.read(1):
            raise TransientError("The file is longer than its platform said.", code="file_changed")
        self._seal(self._digests)
