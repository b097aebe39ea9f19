"""Merging accounts or contacts, as a person does it: the winner takes over what hangs on the losers.

A loser goes to the recycle bin with the winner's id in MasterRecordId, which is all that others see of it. Source: SOAP
guide, "merge()"; Help, "Merge Duplicate Accounts". Calling merge() itself is not simulated.
"""

from __future__ import annotations

from collections.abc import Sequence

from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.store import Row

MERGED = "MasterRecordId"
_MOST_LOSERS = 2


def merge(writer: Writer, view: View, winner: Row, losers: Sequence[Row]) -> None:
    """Raises Refusal for another object, for more than two losers, and for a row merged into itself."""
    if MERGED not in view.table.slots:
        raise Refusal("INVALID_TYPE", f"{view.name} cannot be merged.")
    if not 0 < len(losers) <= _MOST_LOSERS or winner in losers:
        raise Refusal("INVALID_NUMBER_OF_MERGE_RECORDS", "A merge has one or two other records to take over.")
    for loser in losers:
        _hand_over(writer, view, winner, loser)
        writer.amend(view.table, loser, {MERGED: winner.values[0], "IsDeleted": True})
    writer.amend(view.table, winner, {})


def _hand_over(writer: Writer, view: View, winner: Row, loser: Row) -> None:
    """What there is one of each stays behind and goes with the loser."""
    for table, field in writer.org.cascades.referrers(view.name):
        for row in list(table.referring(field.name, str(loser.values[0]))):
            if table.sobject.one_of_each and _has_it(writer, table.name, field.name, winner, row):
                writer.amend(table, row, {"IsDeleted": True})
                continue
            itself = row is winner or row is loser
            writer.amend(table, row, {field.name: None if itself else winner.values[0]})


def _has_it(writer: Writer, name: str, field: str, winner: Row, row: Row) -> bool:
    table = writer.org.tables[name]
    others = [table.slots[each] for each in table.sobject.one_of_each if each != field]
    mine = table.referring(field, str(winner.values[0]))
    return any(all(each.values[slot] == row.values[slot] for slot in others) for each in mine)
