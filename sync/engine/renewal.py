"""Pairs at rest whose mapping has changed since they were brought to rest: which they are, and which of their fields.

Nothing is asked of a platform: the base of a link holds the values on which both sides agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from mappings.apply import CompiledMapping, CompiledRow, MappingError, canonical, compile_mapping
from mappings.cells import CellError, maps_of
from mappings.spec import Environment, FieldSpec
from sync.core.merge import QUIET, Base, Policy, agree, merge_field
from sync.models import Flow, RecordLink, Revision
from sync.models.link import LinkState
from sync.revisions import mapping_spec

AT_ONCE = 2000  # links whose bases are opened together
_ANEW = Policy(renewed=True)
_BESIDE = ("conflict", "required")  # what of a row has no part in what a value becomes


def changed_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Ids of the rows of two snapshots that may make something else of the same value."""
    old = {row["id"]: _told(row, before) for row in before["fields"]}
    return {row["id"] for row in after["fields"] if row["id"] in old and old[row["id"]] != _told(row, after)}


def _told(row: Mapping[str, Any], snapshot: Mapping[str, Any]) -> tuple[Any, ...]:
    try:
        named = maps_of(FieldSpec.from_json(row))
    except CellError:
        named = ()
    held = {name: value for name, value in row.items() if name not in _BESIDE}
    return (
        held, row["direction"] or snapshot["direction"], snapshot["time_zone"],
        [snapshot["value_maps"].get(name) for name in named],
    )  # fmt: skip


@dataclass(frozen=True)
class Renewal:
    """`earlier`: row -> what it was in revisions before the present one, where that may have made something else of a value."""

    flow: Flow
    earlier: Mapping[str, Sequence[CompiledRow]]

    @classmethod
    def of(
        cls,
        flow: Flow,
        present: Revision,
        numbers: Sequence[int],
        mapping: CompiledMapping,
        environment: Environment,
    ) -> Renewal:
        """`numbers`: of the revisions that pairs may have been brought to rest by; one that no longer compiles is left out."""
        found: dict[str, list[CompiledRow]] = {row.id: [] for row in mapping.rows}
        for revision in Revision.objects.filter(flow=flow, number__in=numbers).order_by("-number"):
            try:
                compiled = compile_mapping(mapping_spec(revision.snapshot), environment)
            except MappingError:
                continue
            for id in changed_rows(revision.snapshot, present.snapshot):
                if id in found and (row := compiled.row(id)) is not None:
                    found[id].append(row)
        return cls(flow, {id: rows for id, rows in found.items() if rows})

    def concerns(self, row: str, base: Base | None) -> bool:
        """Whether an earlier revision made the values of one another on which both sides agree."""
        return base is not None and any(agree(each, *base, canonical) for each in self.earlier.get(row, ()))

    def moves(self, mapping: CompiledMapping, base: Mapping[str, Sequence[Any]]) -> list[str]:
        """The rows that the mapping now makes otherwise than both sides stand. `base`: of one link."""
        found = []
        for row in mapping.rows:
            held = base.get(row.id) if row.id in self.earlier else None
            known = (held[0], held[1]) if held is not None else None
            if known is None or not self.concerns(row.id, known):
                continue
            if merge_field(row, *known, known, _ANEW, canonical).move not in QUIET:
                found.append(row.id)
        return found

    def links(self) -> QuerySet[RecordLink]:
        return RecordLink.objects.filter(flow=self.flow, state=LinkState.ACTIVE, base_sealed__isnull=False)

    def pages(
        self, mapping: CompiledMapping, size: int, after: str | None = None
    ) -> Iterator[tuple[list[RecordLink], str]]:
        """The links with a field that is made otherwise, youngest first, each page with the last link that was looked at."""
        wanted: list[RecordLink] = []
        for link in self.each(after) if self.earlier else ():
            if self.moves(mapping, link.base or {}):
                wanted.append(link)
            if len(wanted) == size:
                yield wanted, str(link.pk)
                wanted = []
        if wanted:
            yield wanted, str(wanted[-1].pk)

    def each(self, after: str | None = None) -> Iterator[RecordLink]:
        """Every living link of the flow, youngest first, from the one behind `after`."""
        links = self.links().order_by("-pk").only("pk", "servicenow_id", "salesforce_id", "base_sealed")
        while page := list((links.filter(pk__lt=after) if after else links)[:AT_ONCE]):
            yield from page
            after = str(page[-1].pk)
