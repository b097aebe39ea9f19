"""What a configuration file says, as types. `line` is where each part begins, for messages about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mappings.cells import maps_of
from mappings.spec import Direction, FieldSpec
from sync.configuration.rules import BULK
from sync.core.files import USUAL_SIZE
from sync.core.notes import OFF

GUARD = "live"  # where Salesforce is written only over what was read: two-way fields of the live lane


@dataclass(frozen=True, slots=True)
class Limits:
    line: int = 0
    concurrency: int = 4
    requests: int = 0
    per: str = "hour"
    reserve: int = 10  # per cent


@dataclass(frozen=True, slots=True)
class ConnectionDoc:
    """`secrets`: name -> the environment variable that holds it. Other texts may name variables as `${NAME}`."""

    line: int
    name: str
    system: str
    url: str
    auth: str = "oauth_client_credentials"
    username: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: str = ""
    api_version: str = ""
    audience: str = ""
    key_id: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class PerDirection:
    line: int = 0
    to_salesforce: str = ""
    to_servicenow: str = ""


@dataclass(frozen=True, slots=True)
class PairDoc:
    """An entry of a value map (then perhaps with `along`), or (with `kind`) of a user table."""

    line: int
    servicenow: str
    salesforce: str
    direction: str = "both"
    kind: str = "user"
    along: Mapping[str, str] = field(default_factory=dict)  # ServiceNow column -> value


@dataclass(frozen=True, slots=True)
class ValueMapDoc:
    line: int
    name: str
    description: str = ""
    unmapped: PerDirection = field(default_factory=PerDirection)
    default: PerDirection = field(default_factory=PerDirection)
    entries: tuple[PairDoc, ...] = ()


@dataclass(frozen=True, slots=True)
class UserTableDoc:
    line: int
    name: str
    fallback: PerDirection = field(default_factory=PerDirection)
    entries: tuple[PairDoc, ...] = ()


@dataclass(frozen=True, slots=True)
class DeskDoc:
    """`servicenow`: a group's name. `salesforce`: a queue's DeveloperName."""

    line: int
    name: str
    servicenow: str
    salesforce: str
    works_in: str = "servicenow"


@dataclass(frozen=True, slots=True)
class RouteDoc:
    """One of `servicenow` and `salesforce` names the field that is looked at."""

    line: int
    value: str
    desk: str
    servicenow: str = ""
    salesforce: str = ""


@dataclass(frozen=True, slots=True)
class RoutingTableDoc:
    line: int
    name: str
    description: str = ""
    desks: tuple[DeskDoc, ...] = ()
    routes: tuple[RouteDoc, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldDoc:
    line: int
    salesforce: str
    servicenow: str = ""  # several columns with ", " between
    direction: str = ""
    transform: str = ""
    value_map: str = ""
    value: str = ""
    default: str = ""
    required: bool = False
    conflict: str = ""
    reverse: str = ""

    @property
    def how(self) -> str:
        """The row's transform; a row that names a value map and nothing else looks its value up there."""
        return self.transform or ("value_map" if self.value_map else "copy")

    def spec(self) -> FieldSpec:
        """The row as the mapping takes it."""
        return FieldSpec(
            id="",
            servicenow=tuple(name.strip() for name in self.servicenow.split(",") if name.strip()),
            salesforce=self.salesforce,
            direction=Direction(self.direction) if self.direction else None,
            transform=self.how,
            value_map=self.value_map,
            value=self.value,
            reverse=self.reverse,
        )


@dataclass(frozen=True, slots=True)
class ServiceNowEnd:
    """At most one of `coalesce` and `field` names a column; neither: the key is a derived sys_id."""

    line: int
    connection: str
    table: str
    scope: str = ""
    enter: str = ""
    coalesce: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class SalesforceEnd:
    line: int
    connection: str
    object: str
    scope: str = ""
    enter: str = ""
    external_id: str = ""
    lookup: str = ""
    key_prefix: str = ""  # before the sys_id: nothing, or `instance`


@dataclass(frozen=True, slots=True)
class Create:
    line: int = 0
    salesforce: bool = True
    servicenow: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """What a record is given whose counterpart was deleted: field -> value, by its own side."""

    line: int = 0
    servicenow: Mapping[str, str] = field(default_factory=dict)
    salesforce: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deletions:
    """By the side that a record was deleted on: what happens to the other one. ignore, close, unlink, delete."""

    line: int = 0
    servicenow: str = "ignore"
    salesforce: str = "ignore"
    close: Closing = field(default_factory=Closing)


@dataclass(frozen=True, slots=True)
class Attachments:
    """Which files of linked records are carried. `direction` "": the flow's own. `types` empty: all."""

    line: int = 0
    direction: str = ""
    max_size: int = USUAL_SIZE  # bytes
    types: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Public:
    """A person's word that internal entries may become public, and why."""

    line: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """Where a journal column's entries go in Salesforce, and come from. `direction` "": the flow's."""

    line: int = 0
    salesforce: str = OFF
    direction: str = ""
    public: Public = field(default_factory=Public)


@dataclass(frozen=True, slots=True)
class Comments:
    """`before_link`: what was said before two records were a pair is left or carried."""

    line: int = 0
    comments: Said = field(default_factory=Said)
    work_notes: Said = field(default_factory=Said)
    before_link: str = "leave"


@dataclass(frozen=True, slots=True)
class Actions:
    """What is done beside keeping fields in step: plain texts, lists and keys. `lines`: of each part, by its path."""

    line: int = 0
    said: Sequence[Any] = ()
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FlowDoc:
    """`enabled` None: as it is now."""

    line: int
    name: str
    servicenow: ServiceNowEnd
    salesforce: SalesforceEnd
    recipe: str = ""
    enabled: bool | None = None
    direction: str = "to_salesforce"
    create: Create = field(default_factory=Create)
    conflict: str = "newest"
    tie: str = "servicenow"
    adopt: str = ""
    drift: str = "leave"
    on_leave: str = "keep"
    user_table: str = ""
    routing_table: str = ""
    schedule: str = ""
    time_zone: str = "UTC"
    start: str = "everything"
    overlap: int = 300  # seconds
    patience: int = 86_400  # seconds
    reconcile: str = "0 3 * * *"  # cron in the flow's time zone; "": never
    guard: str = GUARD
    bulk: str | int = BULK
    approval: bool = False  # a plan is approved by a second person before it is applied
    deletions: Deletions = field(default_factory=Deletions)
    comments: Comments = field(default_factory=Comments)
    attachments: Attachments | None = None  # None: no files are carried
    actions: Actions = field(default_factory=Actions)
    fields: tuple[FieldDoc, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The sides whose records it follows."""
        return {"to_salesforce": ("servicenow",), "to_servicenow": ("salesforce",)}.get(
            self.direction, ("servicenow", "salesforce")
        )

    @property
    def maps(self) -> set[str]:
        """The value maps that its rows name, in themselves or in formulas."""
        return {name for row in self.fields for name in maps_of(row.spec())}


@dataclass(frozen=True, slots=True)
class Document:
    connections: tuple[ConnectionDoc, ...] = ()
    value_maps: tuple[ValueMapDoc, ...] = ()
    user_tables: tuple[UserTableDoc, ...] = ()
    routing_tables: tuple[RoutingTableDoc, ...] = ()
    flows: tuple[FlowDoc, ...] = ()


@dataclass(frozen=True, slots=True)
class MadeFlow:
    """A flow made of a recipe, by names: what other flows of the recipe refer to."""

    name: str
    recipe: str
    servicenow: str = ""
    salesforce: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """Names that exist already, which a file may refer to without defining them. Connections: name -> system."""

    connections: Mapping[str, str] = field(default_factory=dict)
    value_maps: frozenset[str] = frozenset()
    user_tables: frozenset[str] = frozenset()
    routing_tables: frozenset[str] = frozenset()
    made: tuple[MadeFlow, ...] = ()
