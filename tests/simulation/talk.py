"""What people say on records and which files they put there: noted as they do it, to be looked for at the end."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sync.core.notes import JOURNAL, PUBLIC, STREAM, Exchange, Place
from sync.core.records import Side
from sync.models import RecordLink
from tests.simulation.platforms import PEOPLE, Platforms

_COMMENT_HOLDS = 3_650  # characters of such a text that a person can type into a CaseComment of 4,000 bytes


@dataclass(frozen=True, slots=True)
class Said:
    """An entry of a person. `paired`: its record was one of a pair by then."""

    side: Side
    id: str
    parent: str
    place: Place
    text: str
    paired: bool


@dataclass(frozen=True, slots=True)
class Put:
    """A file of a person."""

    side: Side
    id: str
    parent: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as its platform has it."""

    id: str
    parent: str
    place: Place
    by: str
    text: str


@dataclass
class Talk:
    platforms: Platforms
    exchange: Exchange
    said: list[Said] = field(default_factory=list)
    put: list[Put] = field(default_factory=list)

    # What people do

    def say(self, side: Side, parent: str, *, public: bool, length: int, quoting: int) -> None:
        """A text that nobody has said before; `quoting`: behind it, the entry of that number that stands there."""
        place = self._place(side, public=public)
        there = [each for each in self.shown(side) if each.parent == parent]
        quoted = f"\n> {there[quoting % len(there)].text}" if quoting and there else ""
        told = f"said{len(self.said)} by a person{quoted}"
        text = f"{told}\n{'öffnet nicht ' * (length // 13)}"[: max(length, len(told))].strip()
        if STREAM[place] != JOURNAL:
            text = text[:_COMMENT_HOLDS]
        before = {each.id for each in self.shown(side)}
        self._write(side, parent, place, text)
        (id,) = {each.id for each in self.shown(side)} - before
        self.said.append(Said(side, id, parent, place, text, self._is_paired(side, parent)))

    def _place(self, side: Side, *, public: bool) -> Place:
        """Where people of a side say what customers may see, and what they may not."""
        if side is Side.SERVICENOW:
            return Place.COMMENTS if public else Place.WORK_NOTES
        feed = any(
            pairing.there in (Place.FEED_PUBLIC, Place.FEED_INTERNAL) for pairing in self.exchange.pairings
        )
        if feed:
            return Place.FEED_PUBLIC if public else Place.FEED_INTERNAL
        return Place.PUBLISHED if public else Place.UNPUBLISHED

    def _write(self, side: Side, parent: str, place: Place, text: str) -> None:
        end, by = self.platforms.sides[side], PEOPLE[side]
        if side is Side.SERVICENOW:
            end.edit("incident", parent, by=by, **{place.value: text})
        elif STREAM[place] == "CaseComment":
            end.add("CaseComment", by=by, ParentId=parent, CommentBody=text, IsPublished=place in PUBLIC)
        else:
            seen_by = "AllUsers" if place in PUBLIC else "InternalUsers"
            end.add("FeedItem", by=by, ParentId=parent, Body=text, Type="TextPost", Visibility=seen_by)

    def attach(self, side: Side, parent: str, *, size: int, again: bool) -> None:
        """`again`: the bytes of the file that was put last, under another name."""
        number = len(self.put)
        content = f"file {number} ".encode().ljust(size, b".")
        if again and self.put:
            content = self.put[-1].content
        name = f"Plan {number}.txt"
        id = self.platforms.attach(side, parent, name, content)
        self.put.append(Put(side, id, parent, name, content))

    @staticmethod
    def _is_paired(side: Side, id: str) -> bool:
        return RecordLink.objects.filter(state="active", **{f"{side}_id": id}).exists()

    # What stands

    def shown(self, side: Side) -> Iterator[Shown]:
        """All entries of a side, whether readers see them yet or not."""
        if side is Side.SERVICENOW:
            for row in self.platforms.every(side, "sys_journal_field"):
                place = Place(row["element"])
                yield Shown(row["sys_id"], row["element_id"], place, row["sys_created_by"], row["value"])
            return
        for row in self.platforms.every(side, "CaseComment"):
            place = Place.PUBLISHED if row["IsPublished"] else Place.UNPUBLISHED
            yield Shown(row["Id"], row["ParentId"], place, row["CreatedById"], row["CommentBody"])
        for row in self.platforms.every(side, "FeedItem"):
            place = Place.FEED_PUBLIC if row["Visibility"] == "AllUsers" else Place.FEED_INTERNAL
            yield Shown(row["Id"], row["ParentId"], place, row["CreatedById"], row["Body"])

    def files(self, side: Side) -> Iterator[Put]:
        if side is Side.SERVICENOW:
            contents = self.platforms.world.servicenow.platform.store.contents
            for row in self.platforms.every(side, "sys_attachment"):
                yield Put(side, row["sys_id"], row["table_sys_id"], row["file_name"], contents[row["sys_id"]])
            return
        places: dict[Any, list[str]] = {}
        for link in self.platforms.every(side, "ContentDocumentLink"):
            places.setdefault(link["ContentDocumentId"], []).append(link["LinkedEntityId"])
        for row in self.platforms.every(side, "ContentVersion"):
            for place in places.get(row["ContentDocumentId"], ()):
                if place.startswith("500"):
                    named, content = (
                        f"{row['Title']}.{row['FileExtension']}",
                        base64.b64decode(row["VersionData"]),
                    )
                    yield Put(side, row["Id"], place, named, content)

    def made_by_us(self) -> int:
        """Entries and files that stand anywhere and that nobody but the engine can have made."""
        everything = sum(1 for side in Side for _ in (*self.shown(side), *self.files(side)))
        return everything - len(self.said) - len(self.put)
