"""What the published mapping makes of values that a page shows: their other side, and the names of people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integration_console.theme import present
from mappings.apply import CompiledMapping, CompiledRow, MappingError, compile_mapping
from mappings.models import UserTableEntry
from mappings.spec import Environment
from sync import people, revisions
from sync.core.records import Side
from sync.models import Flow

NOTHING = "–"


def compiled(flow: Flow) -> CompiledMapping | None:
    """The published mapping, knowing who is who; None while none is published, or where it does not compile."""
    if flow.revision is None:
        return None
    environment = Environment(people=people.people_spec(flow.user_table))
    try:
        return compile_mapping(revisions.mapping_spec(flow.revision.snapshot), environment)
    except (MappingError, KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Names:
    """Ids of people and groups of either side -> the names that the user tables know them by."""

    of: dict[str, str] = field(default_factory=dict)

    @classmethod
    def known(cls, flow: Flow) -> Names:
        entries = UserTableEntry.objects.filter(table=flow.user_table) if flow.user_table_id else ()
        found = {entry.servicenow_id: entry.servicenow for entry in entries}
        found |= {entry.salesforce_id: entry.salesforce for entry in entries}
        found.pop("", None)
        return cls(found)

    def shown(self, value: Any) -> str:
        """A platform's value as people read it: names for known ids, and no thousands separators, as it is often a code."""
        if isinstance(value, list):
            return ", ".join(self.shown(part) for part in value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return self.of.get(value, value) if isinstance(value, str) and value else present.plain(value)

    def person(self, by: str, flow: Flow) -> str:
        """Who made an edit: a name where it is known, this console where it was its own user."""
        own = {flow.servicenow_connection.own_user, flow.salesforce_connection.own_user}
        if by and by in own:
            return "this console"
        return self.of.get(by, by) if by else "somebody whose name was not read"


def becomes(row: CompiledRow, side: Side, servicenow: Any, salesforce: Any, names: Names) -> str:
    """What taking `side`'s value writes on the other side, in words; "" if the row writes nothing there."""
    if row.one_way == side:
        return ""
    try:
        projected = (
            row.to_salesforce(servicenow)
            if side is Side.SERVICENOW
            else row.to_servicenow(salesforce, servicenow)
        )
    except ValueError as problem:
        return f"nothing: {problem}"
    note = f" ({projected.note})" if projected.note else ""
    return f"“{names.shown(projected.value)}”{note}"
