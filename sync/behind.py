"""Fields behind a reference, as forms offer them: from what was last read of the tables there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mappings.linting.behind import gather, reference_of, trail
from sync.core.records import FieldSchema, Side
from sync.engine.schemas import schema_of
from sync.models import CachedSchema, Flow
from sync.offered import Offer, way_behind

DEPTH = 4  # references that are followed one behind the other
_NAME = "{path}.x"  # some field behind the path


@dataclass(frozen=True, slots=True)
class Behind:
    """`path`: the reference, caller_id or caller_id.manager. `unread`: the table that must be read first; "" if none must.

    `trouble`: why nothing can be offered.
    """

    path: str
    table: str = ""
    fields: Sequence[Offer] = ()
    unread: str = ""
    trouble: str = ""


def fields_behind(flow: Flow, side: Side, path: str) -> Behind:
    """What a name may end with that begins with `path` and a dot. A query for each table on the way."""
    heads = path.split(".")
    if len(heads) > DEPTH:
        return Behind(path, trouble=f"Names go behind {DEPTH} references at most.")
    table = flow.servicenow_table if side is Side.SERVICENOW else flow.salesforce_object
    kept = CachedSchema.objects.filter(connection=getattr(flow, f"{side}_connection_id"))

    def fetch(name: str) -> Mapping[str, FieldSchema] | None:
        row = kept.filter(name=name).first()
        return schema_of(row).fields if row else None

    fields = fetch(table)
    if fields is None:
        return Behind(path, unread=table)
    name = _NAME.format(path=path)
    known = gather(side, table, fields, [name], fetch)
    found = trail(side, table, name, known)
    if found.needs:
        return Behind(path, found.table, unread=found.needs)
    there = known.get(found.table)
    if not found.table:
        return Behind(path, trouble=f"{path} leads to several objects: type the name.")
    if found.missing != "x" or there is None:
        return Behind(path, trouble=f"{found.table} has no reference {found.missing}.")
    words = " > ".join(_labels(side, table, heads, known))
    offers = [
        Offer(
            f"{path}.{each.name}",
            f"{words} > {each.label or each.name}",
            Offer.of(each, {}, side).words,
            way=f"{path}.{way}" if (way := way_behind(side, each)) else "",
        )
        for each in there.values()
    ]
    return Behind(path, found.table, sorted(offers, key=lambda offer: (offer.label.casefold(), offer.name)))


def _labels(
    side: Side, table: str, heads: Sequence[str], known: Mapping[str, Mapping[str, FieldSchema]]
) -> list[str]:
    """What people read for each reference of a path that leads somewhere."""
    found = []
    for head in heads:
        reference = reference_of(side, head, known[table])
        assert reference is not None
        found.append((reference.label or head).removesuffix(" ID"))
        (table,) = reference.reference_to
    return found
