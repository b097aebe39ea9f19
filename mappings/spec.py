"""What a mapping says, without a database: the pure shapes that compile, lint and revisions share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from mappings.html import reference


class Direction(StrEnum):
    TO_SALESFORCE = "to_salesforce"
    TO_SERVICENOW = "to_servicenow"
    BOTH = "both"

    def within(self, outer: Direction) -> bool:
        """A row's direction may narrow its flow's and never widen it."""
        return outer is Direction.BOTH or self is outer

    @property
    def writes_salesforce(self) -> bool:
        return self is not Direction.TO_SERVICENOW

    @property
    def writes_servicenow(self) -> bool:
        return self is not Direction.TO_SALESFORCE


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field row. `direction` None means as the flow; `servicenow` may name several columns, in order.

    `transform`: the name of one, or a formula. `reverse`: a formula of the Salesforce field, where the way back is not
    simply the inverse.
    """

    id: str
    servicenow: tuple[str, ...]
    salesforce: str
    direction: Direction | None = None
    transform: str = "copy"
    value_map: str = ""
    value: str = ""
    default: str = ""
    required: bool = False
    conflict: str = ""
    reverse: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without `reverse` where there is none, so that the revisions from before it are still equal to what they hold."""
        found = {**asdict(self), "servicenow": list(self.servicenow)}
        return found if self.reverse else {name: value for name, value in found.items() if name != "reverse"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FieldSpec:
        direction = Direction(data["direction"]) if data["direction"] else None
        return cls(**{**data, "servicenow": tuple(data["servicenow"]), "direction": direction})


@dataclass(frozen=True, slots=True)
class ValueMapSpec:
    """`unmapped_*`: (fail | pass | default, the default).

    `along`: ServiceNow value -> columns that go with it where they are empty: a close code with Resolved.
    """

    name: str
    to_salesforce: Mapping[str, str]
    to_servicenow: Mapping[str, str]
    unmapped_to_salesforce: tuple[str, str] = ("fail", "")
    unmapped_to_servicenow: tuple[str, str] = ("fail", "")
    along: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def entries(self) -> Iterator[tuple[str, str, Direction]]:
        """(ServiceNow value, Salesforce value, direction) of each entry; one that goes both ways is one."""
        for here, there in self.to_salesforce.items():
            both = self.to_servicenow.get(there) == here
            yield here, there, Direction.BOTH if both else Direction.TO_SALESFORCE
        for there, here in self.to_servicenow.items():
            if self.to_salesforce.get(here) != there:
                yield here, there, Direction.TO_SERVICENOW

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ValueMapSpec:
        return cls(
            name=data["name"],
            to_salesforce=data["to_salesforce"],
            to_servicenow=data["to_servicenow"],
            unmapped_to_salesforce=tuple(data["unmapped_to_salesforce"]),
            unmapped_to_servicenow=tuple(data["unmapped_to_servicenow"]),
            along=data.get("along", {}),
        )


@dataclass(frozen=True, slots=True)
class PeopleSpec:
    """Resolved ids of a user table, each way; who is inactive there is left out. Fallbacks are ids or ""."""

    to_salesforce: Mapping[str, str] = field(default_factory=dict)  # sys_id -> Id
    to_servicenow: Mapping[str, str] = field(default_factory=dict)  # Id -> sys_id
    fallback_to_salesforce: str = ""
    fallback_to_servicenow: str = ""
    groups: frozenset[str] = frozenset()  # the sys_ids that are groups


@dataclass(frozen=True, slots=True)
class MappingSpec:
    direction: Direction
    fields: tuple[FieldSpec, ...]
    value_maps: Mapping[str, ValueMapSpec]
    time_zone: str = "UTC"


def no_counterpart(flow: str, to: str, id: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What compiling needs to know of the world: people, lengths, and where records can be looked at.

    `lengths`: greatest number of characters of a target field, by Salesforce or ServiceNow field name; absent = no limit known.
    `servicenow_record_url`: format string with {id}. `counterpart`: (flow, to which side, id) -> the id on that side of
    the record which the flow has linked, or "". `key_of`: sys_id -> the key by which Salesforce names that record;
    `sys_id_of`: the way back, "" for what is no key of this instance.
    """

    people: PeopleSpec = field(default_factory=PeopleSpec)
    salesforce_lengths: Mapping[str, int] = field(default_factory=dict)
    servicenow_lengths: Mapping[str, int] = field(default_factory=dict)
    servicenow_record_url: str = "{id}"
    counterpart: Callable[[str, str, str], str] = no_counterpart
    picture: Callable[[str], str] = reference  # where Salesforce shows a picture of ServiceNow, by its sys_id
    key_of: Callable[[str], str] = str
    sys_id_of: Callable[[str], str] = str
