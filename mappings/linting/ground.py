"""All that the linter looks at: a mapping, what both sides say of their fields, and who is who. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mappings.apply import CompiledRow
from mappings.cells import maps_of
from mappings.grammar import DISPLAY
from mappings.linting.behind import Trail, trail
from mappings.spec import Direction, Environment, FieldSpec, MappingSpec, PeopleSpec

SERVICENOW, SALESFORCE = "servicenow", "salesforce"
SYSTEMS = {SERVICENOW: "ServiceNow", SALESFORCE: "Salesforce"}


class FieldFacts(Protocol):
    """What a platform says of a field to our user. `length`: characters, 0 where no limit is known."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def required(self) -> bool: ...  # on create
    @property
    def createable(self) -> bool: ...
    @property
    def updateable(self) -> bool: ...
    @property
    def restricted(self) -> bool: ...  # to its choices
    @property
    def choices(self) -> tuple[str, ...]: ...
    @property
    def reference_to(self) -> tuple[str, ...]: ...
    @property
    def relationship(self) -> str: ...  # by which a name of Salesforce goes behind the reference


@dataclass(frozen=True, slots=True)
class Behind:
    """A field behind a reference, by its whole path: read, never written, and empty wherever the reference is."""

    name: str
    type: str
    length: int
    restricted: bool
    choices: tuple[str, ...]
    reference_to: tuple[str, ...]
    relationship: str
    required: bool = False
    createable: bool = False
    updateable: bool = False


class TypeFacts(Protocol):
    """A record type of a Salesforce object that our user may give its records; see sync.core.records.RecordType."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def default(self) -> bool: ...
    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]: ...


@dataclass(frozen=True, slots=True)
class Way:
    """A record type that records of the flow may have; None: one that narrows nothing.

    `when`: alternatives of what the ServiceNow columns hold (column -> value) of which it comes; () or {} where anything may.
    """

    type: TypeFacts | None
    when: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """One side. `fields` None: nobody has read them yet, and nothing is said of them.

    `creates`: whether the flow makes records here. `enter`: which of its records get a counterpart over there.
    `filled`: fields that the flow itself fills, beside its rows. `record_types`: () where there is but one way to use it.
    `behind`: of the tables behind its references, as far as somebody has read them.
    """

    name: str
    fields: Mapping[str, FieldFacts] | None = None
    creates: bool = False
    enter: str = ""
    filled: frozenset[str] = frozenset()
    record_types: tuple[TypeFacts, ...] = ()
    side: str = SERVICENOW
    behind: Mapping[str, Mapping[str, FieldFacts]] = field(default_factory=dict)

    def get(self, name: str) -> FieldFacts | None:
        if self.fields is None:
            return None
        found = self.fields.get(name)
        if found is not None or "." not in name or name.endswith(f".{DISPLAY}"):
            return found
        there = self.trail(name).facts
        return there and Behind(
            name, there.type, there.length, there.restricted, there.choices, there.reference_to, there.relationship
        )  # fmt: skip

    def trail(self, name: str) -> Trail[FieldFacts]:
        """Where a name of it leads, also behind a reference."""
        known = dict(self.behind) if self.fields is None else {**self.behind, self.name: self.fields}
        return trail(self.side, self.name, name, known)

    @property
    def lengths(self) -> dict[str, int]:
        return {name: each.length for name, each in (self.fields or {}).items() if each.length}


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the user table. Ids "" and activity None: not found, or not looked up yet (`resolved` tells)."""

    kind: str
    servicenow: str
    salesforce: str
    direction: Direction = Direction.BOTH
    servicenow_id: str = ""
    salesforce_id: str = ""
    servicenow_active: bool | None = None
    salesforce_active: bool | None = None
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """`members` None: the flow names no user table. `fallbacks`: sides that have a name to fall back on.

    `ways`: the record types that the flow's records may have, which follow from its rows (mappings.linting.recordtypes).
    """

    spec: MappingSpec
    servicenow: End
    salesforce: End
    members: tuple[Member, ...] | None = None
    people: PeopleSpec = field(default_factory=PeopleSpec)
    fallbacks: frozenset[str] = frozenset()
    ways: tuple[Way, ...] = ()

    def end(self, side: str) -> End:
        return self.servicenow if side == SERVICENOW else self.salesforce

    @property
    def unbounded(self) -> Environment:
        """What rows compile against where texts are not to be cut."""
        return Environment(people=self.people)

    @property
    def environment(self) -> Environment:
        return Environment(
            people=self.people,
            salesforce_lengths=self.salesforce.lengths,
            servicenow_lengths=self.servicenow.lengths,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A row under inspection: as it is written, compiled, and compiled without any limit of length."""

    ground: Ground
    field: FieldSpec
    compiled: CompiledRow
    unbounded: CompiledRow

    @property
    def label(self) -> str:
        here = ", ".join(self.compiled.columns or self.field.servicenow) or self.field.value or "a constant"
        return f"{here} and {self.field.salesforce}"

    @property
    def maps(self) -> tuple[str, ...]:
        return maps_of(self.field)

    def writes(self, side: str) -> bool:
        way = self.compiled.direction
        return way.writes_salesforce if side == SALESFORCE else way.writes_servicenow

    @property
    def both(self) -> bool:
        return self.writes(SALESFORCE) and self.writes(SERVICENOW)

    def facts(self, side: str) -> list[FieldFacts | None]:
        """Of the columns that the row reads or writes there, in order; what is not known or lies elsewhere is None."""
        names = self.compiled.columns if side == SERVICENOW else (self.field.salesforce,)
        return [self.ground.end(side).get(name) for name in names]

    def targets(self, side: str) -> list[FieldFacts]:
        """Of the fields that the row writes there, as far as they are known."""
        if not self.writes(side):
            return []
        names = self.field.servicenow if side == SERVICENOW else (self.field.salesforce,)
        end = self.ground.end(side)
        return [found for name in names if (found := end.get(name)) is not None]
