"""What formulas and transforms may ask of the world beyond the values at hand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mappings.html import reference
from mappings.spec import Environment, MappingSpec, PeopleSpec, ValueMapSpec, no_counterpart


@dataclass(frozen=True, slots=True)
class Tools:
    """`to`: the side that the values go to, "salesforce" or "servicenow".

    `counterpart`: (flow, to which side, id) -> the id on that side of the record which the flow has linked, or "".
    `record_url`: format string with {id}. `picture`: where Salesforce shows a picture of ServiceNow, by its sys_id.
    `key_of`, `sys_id_of`: the key by which Salesforce names a record of ServiceNow, and the way back.
    `longest`: characters of the Salesforce field that the value goes to; 0 = no limit known.
    """

    value_maps: Mapping[str, ValueMapSpec] = field(default_factory=dict)
    people: PeopleSpec = field(default_factory=PeopleSpec)
    counterpart: Callable[[str, str, str], str] = no_counterpart
    record_url: str = "{id}"
    picture: Callable[[str], str] = reference
    key_of: Callable[[str], str] = str
    sys_id_of: Callable[[str], str] = str
    time_zone: str = "UTC"
    longest: int = 0
    to: str = "salesforce"

    @classmethod
    def of(cls, mapping: MappingSpec, env: Environment) -> Tools:
        return cls(
            mapping.value_maps,
            env.people,
            env.counterpart,
            env.servicenow_record_url,
            env.picture,
            env.key_of,
            env.sys_id_of,
            mapping.time_zone,
        )

    def towards(self, side: str) -> Tools:
        return replace(self, to=side)


NO_TOOLS = Tools()
