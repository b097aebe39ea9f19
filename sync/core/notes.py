"""What people say on a record: which place of one side goes to which of the other, how an entry is told to be ours, and how
a long one is cut into parts.

An entry of ours begins with a line that names author and time and ends with a mark: the entry it was made from, which part
of it this is, and a tag that nobody else can make. The mark tells our entries apart wherever they stand, so that none is
carried back; a person who quotes one has written an entry of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from sync.core.records import Side
from sync.errors import ConfigurationError

CONSOLE = "Integration Console"
NAMES = {Side.SERVICENOW: "ServiceNow", Side.SALESFORCE: "Salesforce"}


class Place(StrEnum):
    """Where an entry stands: a journal column of ServiceNow, a comment or a post of Salesforce."""

    COMMENTS = "comments"
    WORK_NOTES = "work_notes"
    PUBLISHED = "published_comment"
    UNPUBLISHED = "unpublished_comment"
    FEED_PUBLIC = "feed_public"
    FEED_INTERNAL = "feed_internal"


JOURNAL, COMMENT, FEED = "sys_journal_field", "CaseComment", "FeedItem"
STREAM = {
    Place.COMMENTS: JOURNAL,
    Place.WORK_NOTES: JOURNAL,
    Place.PUBLISHED: COMMENT,
    Place.UNPUBLISHED: COMMENT,
    Place.FEED_PUBLIC: FEED,
    Place.FEED_INTERNAL: FEED,
}
SIDE = {JOURNAL: Side.SERVICENOW, COMMENT: Side.SALESFORCE, FEED: Side.SALESFORCE}
# Bytes of UTF-8 that an entry may have. CaseComment: Object Reference, "CommentBody", at most 4,000 bytes. FeedItem: 10,000
# characters, of which none has less than a byte. A journal column is declared with 4,000 characters; whether a longer entry is
# cut is documented nowhere, so none is made.
LIMIT = {JOURNAL: 4000, COMMENT: 4000, FEED: 10_000}
# Who sees what stands there: customers, too, or colleagues alone.
PUBLIC = frozenset({Place.COMMENTS, Place.PUBLISHED, Place.FEED_PUBLIC})
KINDS = (Place.COMMENTS, Place.WORK_NOTES)
# The places in Salesforce that either column may be told to meet; internal ones come first where they are the usual ones.
CHANNELS: Mapping[Place, tuple[Place, ...]] = {
    Place.COMMENTS: (Place.PUBLISHED, Place.FEED_PUBLIC),
    Place.WORK_NOTES: (Place.UNPUBLISHED, Place.FEED_INTERNAL, Place.PUBLISHED, Place.FEED_PUBLIC),
}
OFF = "off"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something somebody said on a record. A header is one without author's name and text.

    `by`: user_name, or 18-character user Id. `at`: creation, UTC, whole seconds, the platform's clock.
    """

    id: str
    parent: str
    place: Place
    by: str
    at: datetime
    author: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Headers oldest first by (creation, id). `read_at`: server time not later than the look-up."""

    entries: tuple[Entry, ...]
    read_at: datetime


# What goes where


def leaks(source: Place, target: Place) -> bool:
    """Whether customers would see there what only colleagues see here."""
    return source not in PUBLIC and target in PUBLIC


@dataclass(frozen=True, slots=True)
class Pairing:
    """A journal column and its place in Salesforce. `reason`: why a person let internal entries become public."""

    kind: Place
    there: Place
    direction: str
    reason: str = ""

    def way(self, source: Side) -> tuple[Place, Place] | None:
        """From where to where entries of `source` go; None if they do not go over."""
        here_to_there = source is Side.SERVICENOW
        if self.direction not in ("both", "to_salesforce" if here_to_there else "to_servicenow"):
            return None
        return (self.kind, self.there) if here_to_there else (self.there, self.kind)

    def allows(self, source: Place, target: Place) -> bool:
        """The leak guard: asked when a flow is compiled, and again of each entry before it is sent."""
        return not leaks(source, target) or bool(self.reason.strip())


@dataclass(frozen=True)
class Exchange:
    """All that a flow carries of what people say. `before_link`: also what was said before two records were a pair."""

    pairings: tuple[Pairing, ...] = ()
    before_link: bool = False

    @cached_property
    def sources(self) -> Mapping[Place, Pairing]:
        return {
            way[0]: pairing
            for pairing in self.pairings
            for side in Side
            if (way := pairing.way(side)) is not None
        }

    @property
    def streams(self) -> tuple[str, ...]:
        """What is polled: where entries to be carried come from."""
        return tuple(dict.fromkeys(STREAM[place] for place in self.sources))

    def pairing(self, kind: str) -> Pairing | None:
        return next((pairing for pairing in self.pairings if pairing.kind == kind), None)


NOTHING = Exchange()


def problems(option: Mapping[str, Any], direction: str, salesforce_object: str) -> Iterator[tuple[str, str]]:
    """What of a flow's `comments` contradicts itself or would leak: the key to mend, and a sentence."""
    pairings = [pairing for kind in KINDS if (pairing := _pairing(option, kind, direction)) is not None]
    for pairing in pairings:
        if pairing.there not in CHANNELS[pairing.kind]:
            offered = ", ".join(CHANNELS[pairing.kind])
            yield (
                pairing.kind,
                f"{_words(pairing.kind)} do not go to {pairing.there}; choose one of {offered}, {OFF}.",
            )
            continue
        if direction not in ("both", pairing.direction):
            yield (
                f"{pairing.kind}.direction",
                f"{pairing.direction} is wider than the flow's {direction}; it may only narrow it.",
            )
        if STREAM[pairing.there] == COMMENT and salesforce_object != "Case":
            yield pairing.kind, f"Only a Case has comments; on {salesforce_object} choose a feed post."
        for side in Side:
            way = pairing.way(side)
            if way is not None and not pairing.allows(*way):
                yield (
                    f"{pairing.kind}.public",
                    f"{_words(way[0])} are internal, and {_words(way[1])} are seen by customers: "
                    "tick that they may become public and give the reason, or choose an internal place.",
                )
    back = [pairing.there for pairing in pairings if pairing.way(Side.SALESFORCE)]
    if len(back) != len(set(back)):
        yield (
            Place.WORK_NOTES,
            f"{_words(back[0])} would come back as comments and as work notes: let one of the two go to Salesforce alone.",
        )


def exchange_of(option: Any, direction: str, salesforce_object: str) -> Exchange:
    """What a revision's snapshot says. Raises ConfigurationError for what contradicts itself or would leak."""
    if not isinstance(option, Mapping) or not option:
        return NOTHING
    for where, problem in problems(option, direction, salesforce_object):
        raise ConfigurationError(
            f"comments.{where}: {problem}",
            code="leak_guard" if where.endswith(".public") else "bad_comments",
            advice="Correct the flow's comments and work notes, and publish it.",
        )
    found = [pairing for kind in KINDS if (pairing := _pairing(option, kind, direction)) is not None]
    return Exchange(tuple(found), option.get("before_link") == "carry")


def _pairing(option: Mapping[str, Any], kind: Place, direction: str) -> Pairing | None:
    said = option.get(kind)
    channel = said.get("salesforce", OFF) if isinstance(said, Mapping) else OFF
    if channel == OFF or not isinstance(said, Mapping):
        return None
    public = said.get("public")
    reason = str(public.get("reason") or "") if isinstance(public, Mapping) else ""
    try:
        there = Place(channel)
    except ValueError:
        raise ConfigurationError(
            f"comments.{kind}: there is no place {channel!r}.", code="bad_comments"
        ) from None
    return Pairing(kind, there, str(said.get("direction") or direction), reason)


WORDS = {
    Place.COMMENTS: "comments",
    Place.WORK_NOTES: "work notes",
    Place.PUBLISHED: "published case comments",
    Place.UNPUBLISHED: "unpublished case comments",
    Place.FEED_PUBLIC: "feed posts for all users",
    Place.FEED_INTERNAL: "feed posts for internal users",
}


def _words(place: Place) -> str:
    return WORDS[place][:1].upper() + WORDS[place][1:]


# Marks


@dataclass(frozen=True, slots=True)
class Mark:
    """Which entry of the other side, and which part of it, an entry of ours was made from."""

    source: str
    part: int
    tag: str = ""

    @property
    def message(self) -> str:
        """What the tag signs."""
        return f"{self.source}:{self.part}"

    @property
    def opening(self) -> str:
        """How it begins, whichever key it is signed under."""
        return f"[sync:{self.message}:"

    def __str__(self) -> str:
        return f"{self.opening}{self.tag}]"


TAG = 16  # hexadecimal digits: 64 bits that nobody without the key can guess
_MARK = re.compile(rf"\[sync:([0-9A-Za-z]{{15,32}}):([1-9][0-9]{{0,4}}):([0-9a-f]{{{TAG}}})\]")
Verify = Callable[[Mark], bool]


def marks_in(text: str) -> Iterator[Mark]:
    """All that look like marks, in order, whatever stands round them."""
    for found in _MARK.finditer(text):
        yield Mark(found[1], int(found[2]), found[3])


def genuine(text: str, verify: Verify) -> Mark | None:
    """The first mark that we made; None where there is none."""
    return next((mark for mark in marks_in(text) if verify(mark)), None)


# Texts

MOST_OF_A_NAME = 80  # characters


def head(author: str, at: datetime, side: Side | None, mark: Mark, parts: int) -> str:
    """The first line of an entry of ours; `side` None: it was said in the console. A name cannot bring a mark or a line of its own."""
    name = " ".join(re.sub(r"[\[\]\s]+", " ", clean(author)).split())[:MOST_OF_A_NAME] or "unknown"
    numbered = f" · part {mark.part} of {parts}" if parts > 1 else ""
    return f"{name} · {at:%Y-%m-%d %H:%M} UTC · {NAMES[side] if side else CONSOLE}{numbered} {mark}"


def compose(text: str, limit: int, head_of: Callable[[int, int], str]) -> list[str]:
    """The entry's parts, each with its head (of part and number of parts) and none longer than `limit` bytes."""
    whole = clean(text)
    alone = f"{head_of(1, 1)}\n{whole}"
    if size(alone) <= limit:
        return [alone]
    digits = 1
    while True:
        most = 10**digits - 1
        pieces = list(split(whole, limit - size(head_of(most, most) + "\n")))
        if len(pieces) <= most:
            count = len(pieces)
            return [f"{head_of(part, count)}\n{piece}" for part, piece in enumerate(pieces, start=1)]
        digits += 1


def body(part: str) -> str:
    """What a part says below its head."""
    return part.partition("\n")[2]


def clean(text: str) -> str:
    """Text as either platform can hold it: line breaks of one kind, no NUL, no half of a surrogate pair."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def size(text: str) -> int:
    """Bytes in UTF-8, a line break counted as two: platforms may store it as CR LF."""
    return len(text.encode()) + text.count("\n")


def split(text: str, room: int) -> Iterator[str]:
    """Pieces of at most `room` bytes that joined give the text, cut where a reader would: behind a line, else a word.

    What is seen as one character (accents, emoji of several code points) stays whole, unless it alone has no room.
    Raises ValueError if `room` has none for a single code point.
    """
    if room < 4:
        raise ValueError("There is no room for text.")
    while text:
        most = _fitting(text, room)
        cut = most if most == len(text) else _cut(text, most)
        yield text[:cut]
        text = text[cut:]


def _fitting(text: str, room: int) -> int:
    """How many code points have room."""
    used = 0
    for count, point in enumerate(text[: room + 1]):
        used += size(point)
        if used > room:
            return count
    return min(len(text), room + 1)


def _cut(text: str, most: int) -> int:
    for separator in "\n", " ":
        found = text.rfind(separator, most - most // 4, most) + 1
        if found and not _joined(text, found):
            return found
    cut = most
    while cut and _joined(text, cut):
        cut -= 1
    return cut or most


_JOINER = "\u200d"


def _joined(text: str, at: int) -> bool:
    """Whether what stands before and behind `at` is seen as one character."""
    before, behind = text[at - 1], text[at]
    if unicodedata.category(behind).startswith("M") or _JOINER in (before, behind):
        return True
    if "\U0001f3fb" <= behind <= "\U0001f3ff":  # skin tones
        return True
    if not _is_regional(behind):
        return False
    flags = at
    while flags and _is_regional(text[flags - 1]):
        flags -= 1
    return (at - flags) % 2 == 1


def _is_regional(point: str) -> bool:
    """Half of a flag."""
    return "\U0001f1e6" <= point <= "\U0001f1ff"
