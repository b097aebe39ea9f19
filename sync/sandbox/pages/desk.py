"""What the pages ask of a platform: its tables, rows, people and deeds, in words both platforms share.

Moments are texts, `2026-03-02 08:00:00`, in UTC. Every deed is done as a person under the platform's own rules and
raises `ControlError` with the platform's own words when it is refused; so do names and ids that are not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PAGE_SIZE = 50
MAX_LINES = 100  # entries of a record's history or comments on its page, the newest
MAX_OPTIONS = 300  # rows of a table whose references are a list to choose from; of more, the id is typed


@dataclass(frozen=True, slots=True)
class Kind:
    """A table or object. `main`: people work with it; the others are the platform's own."""

    name: str
    label: str
    main: bool
    count: int  # living rows
    creates: bool
    keeps_deleted: bool


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """`options`: None for free text, else all there is to choose from. `main`: shown without asking for more.

    `long`: a text of several lines; `wide`: one that wants a whole line.
    """

    name: str
    label: str
    creatable: bool
    editable: bool
    required: bool = False
    main: bool = False
    long: bool = False
    wide: bool = False
    options: tuple[Option, ...] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of one record: `value` as a form sends it, `shown` as a person reads it, `link` to (kind, id)."""

    field: Field
    value: str
    shown: str
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    row_id: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of rows, newest first. `total` counts all that were found."""

    kind: Kind
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a record's history; `field` is "" for what happened to the record as a whole."""

    at: str
    by: str
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Comment:
    at: str
    by: str
    channel: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """`channels`: where a comment can go, as (value, label); `history` is None where the platform keeps none."""

    kind: Kind
    row_id: str
    title: str
    subtitle: str
    entries: tuple[Entry, ...]
    history: tuple[Change, ...] | None  # newest first
    comments: tuple[Comment, ...]  # newest first
    channels: tuple[Option, ...]
    deleted: bool
    editable: bool
    deletable: bool


class Desk(Protocol):
    """One platform as its pages see it. Every method may be called from any thread."""

    name: str  # `servicenow` or `salesforce`
    title: str
    kinds_are: str  # what the platform calls its tables
    administrator: str  # a user name who may do everything

    def now(self) -> str: ...

    def kinds(self) -> Sequence[Kind]: ...

    def people(self) -> Sequence[Option]:
        """Whom a visitor may act as: active, with a right to write, and no integration."""
        ...

    def listing(self, name: str, *, search: str = "", page: int = 1, deleted: bool = False) -> Listing: ...

    def form(self, name: str) -> tuple[Kind, Sequence[Entry]]:
        """The fields of a row that is to be made, with their defaults."""
        ...

    def record(self, name: str, row_id: str) -> Record: ...

    def add(self, name: str, fields: Mapping[str, str], *, by: str) -> str:
        """Returns the id of the new row."""
        ...

    def edit(self, name: str, row_id: str, fields: Mapping[str, str], *, by: str) -> None: ...

    def comment(self, name: str, row_id: str, channel: str, text: str, *, by: str) -> None: ...

    def delete(self, name: str, row_id: str, *, by: str) -> None: ...

    def undelete(self, name: str, row_id: str, *, by: str) -> None: ...
