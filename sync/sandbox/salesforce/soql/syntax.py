"""The syntax tree of a query, before anything is known about objects and fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps behind relationships: `Owner.Name` is ("Owner", "Name").

    `function` is what is done with it, an aggregate or a part of a date, in upper case; `alias` is what a
    SELECT list calls it. Both are empty for most.
    """

    parts: tuple[str, ...]
    at: int  # offset in the statement, for error texts
    function: str = ""
    alias: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What two mentions of the same field have in common."""
        return (self.function, *(part.lower() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string: what it says, and its source between the quotes, which LIKE reads again."""

    value: str
    raw: str


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool


@dataclass(frozen=True, slots=True)
class Null:
    pass


@dataclass(frozen=True, slots=True)
class Moment:
    """An unquoted date-time, in seconds since 1970 UTC."""

    value: int


@dataclass(frozen=True, slots=True)
class Day:
    """An unquoted date, `YYYY-MM-DD`."""

    value: str


@dataclass(frozen=True, slots=True)
class Period:
    """A date literal such as TODAY or LAST_N_DAYS:7: a span of days, not a moment."""

    name: str
    count: int = 0


Literal: TypeAlias = Text | Number | Boolean | Null | Moment | Day | Period


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of = != < <= > >= LIKE IN NOT IN INCLUDES EXCLUDES; all but sets have one value."""

    path: Path
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """A comparison with what another query finds: `Id NOT IN (SELECT ParentId FROM CaseComment)`."""

    path: Path
    operator: str  # IN or NOT IN
    query: Query


@dataclass(frozen=True, slots=True)
class Not:
    child: Condition


@dataclass(frozen=True, slots=True)
class And:
    children: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    children: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Join | Not | And | Or


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class TypeOf:
    """Which fields to show of what a polymorphic relationship leads to, by the object it really is."""

    relation: Path
    branches: tuple[tuple[str, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """`paths` is empty for COUNT(); `fields_group` names FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    statement: str
    sobject: str
    sobject_at: int
    paths: tuple[Path, ...] = ()
    fields_group: str = ""
    where: Condition | None = None
    group: tuple[Path, ...] = ()
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    children: tuple[Query, ...] = ()  # subqueries, whose `sobject` names a child relationship
    typeofs: tuple[TypeOf, ...] = ()

    @property
    def counts_only(self) -> bool:
        return not (self.paths or self.fields_group or self.children or self.typeofs)

    @property
    def aggregates(self) -> bool:
        """Whether the answer is about groups of rows and not about rows."""
        return bool(self.group) or any(path.function for path in self.paths)
