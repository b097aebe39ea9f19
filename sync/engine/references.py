"""Counterparts of records that other flows have linked: a contact's account, an asset's company."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from mappings.apply import CompiledRow
from sync.core.records import Record, Side
from sync.engine.bulk import chunks
from sync.errors import ConfigurationError
from sync.models import Flow, RecordLink
from sync.models.link import END, LinkState

Key = tuple[str, Side, str]  # flow, the side that is written, the id on the other one


@dataclass
class References:
    """Of one run. What a page refers to is looked up at once; what else is asked for, one by one.

    Nothing is remembered from page to page: the other flow goes on meanwhile.
    """

    flow: Flow
    _rows: Sequence[CompiledRow] = ()
    _flows: dict[str, Flow] = field(default_factory=dict)
    _found: dict[Key, str] = field(default_factory=dict)

    def follow(self, rows: Iterable[CompiledRow]) -> None:
        """The rows that refer to records of other flows. Raises ConfigurationError for a flow that cannot be meant."""
        self._rows = [row for row in rows if row.references]
        for row in self._rows:
            for reference in row.references:
                self._flows[reference.flow] = self._named(reference.flow, f"The row for {row.target}")

    def __call__(self, flow: str, to: str, id: str) -> str:
        """The id on the side `to` of the record that the flow has linked, or another flow of its table and object; "" if
        there is none that both sides have."""
        key = (flow, Side(to), id)
        if flow not in self._flows:
            self._flows[flow] = self._named(flow, "A text of an action")
        if key not in self._found:
            self._ask(flow, Side(to), [id])
        return self._found[key]

    def forget(self) -> None:
        """What is asked for next is asked anew."""
        self._found.clear()

    def look_up(self, side: Side, records: Sequence[Record]) -> None:
        """Everything that these records of `side` refer to, anew."""
        self._found.clear()
        wanted: dict[str, set[str]] = defaultdict(set)
        for row in self._rows:
            for flow, column in row.references:
                name = column if side is Side.SERVICENOW else row.target
                wanted[flow] |= {str(id) for record in records if (id := record.values.get(name))}
        for flow, ids in wanted.items():
            self._ask(flow, side.other, sorted(ids))

    def _ask(self, flow: str, to: Side, ids: Sequence[str]) -> None:
        living = RecordLink.objects.filter(_pairs_of(self._flows[flow]), state=LinkState.ACTIVE)
        self._found.update(((flow, to, id), "") for id in ids)
        for part in chunks(ids):
            pairs = living.filter(**{f"{END[to.other]}__in": part}).values_list(END[to.other], END[to])
            self._found.update(((flow, to, here), there) for here, there in pairs)

    def _named(self, name: str, what: str) -> Flow:
        found = Flow.objects.filter(name=name).first()
        ends = ("servicenow_connection_id", "salesforce_connection_id")
        if found is None or any(getattr(found, end) != getattr(self.flow, end) for end in ends):
            raise ConfigurationError(
                f"{what} refers to records of the flow {name}, and there is no such flow between these "
                "two systems.",
                code="bad_reference",
                advice="Name the flow that links those records: one of the same two connections.",
            )
        return found


def _pairs_of(flow: Flow) -> Q:
    """Its own, and those of its table and object that another flow follows: a record has one counterpart, whoever linked it."""
    return Q(flow_id=flow.pk) | Q(
        servicenow_connection_id=flow.servicenow_connection_id,
        servicenow_table=flow.servicenow_table,
        salesforce_connection_id=flow.salesforce_connection_id,
        salesforce_object=flow.salesforce_object,
    )
