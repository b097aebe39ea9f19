"""What deleting a row does to the rows that refer to it, and how an undelete takes that back.

Source: Help, "Recycle Bin" and "Delete Records"; Object Reference. That a reference which is emptied moves its
row's SystemModstamp alone is made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field, OnDelete
from sync.sandbox.salesforce.store import Row, Stored, Table

if TYPE_CHECKING:
    from sync.sandbox.salesforce.saving import Writer


@dataclass(frozen=True, slots=True)
class Follower:
    """A row that changed because another was deleted: it went too, or `cleared` of it was emptied."""

    table: Table
    row: Row
    cleared: str = ""


class Cascades:
    """Who refers to whom, and what followed each row into the recycle bin. The caller holds the org's lock."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self._referrers: dict[str, list[tuple[Table, Field]]] = {}
        for table in tables.values():
            for field in table.sobject.fields:
                for target in field.reference_to if field.on_delete else ():
                    self._referrers.setdefault(target, []).append((table, field))
        self._followers: dict[str, list[Follower]] = {}

    def referrers(self, name: str) -> list[tuple[Table, Field]]:
        """The tables and fields by which rows hang on those of an object."""
        return self._referrers.get(name, [])

    def delete(self, writer: Writer, table: Table, row: Row) -> None:
        """Let what hangs on a row that is being deleted follow it. Raises Refusal (DELETE_FAILED)."""
        followers = list(self._following(table, row))
        for each in followers:
            if each.cleared:
                _refer(writer, each, None)
            else:
                writer.amend(each.table, each.row, {"IsDeleted": True})
        if followers:
            self._remember(writer, str(row.values[0]), followers)

    def undelete(self, writer: Writer, row: Row) -> None:
        """Bring back what followed a row, and the references to it that nobody filled meanwhile."""
        row_id = str(row.values[0])
        for each in self._followers.get(row_id, ()):
            values = each.row.values
            if each.table.rows.get(str(values[0])) is not each.row:
                continue
            if not each.cleared:
                writer.amend(each.table, each.row, {"IsDeleted": False})
            elif values[each.table.slots[each.cleared]] is None:
                _refer(writer, each, row_id)
        self._remember(writer, row_id, [])

    def followed_another(self, row: Row) -> bool:
        """Tell whether a row is in the bin only because another is."""
        gone = (each for followers in self._followers.values() for each in followers if not each.cleared)
        return any(each.row is row for each in gone)

    def purge(self, table: Table, row: Row) -> None:
        """Forget a deleted row and what followed it, past the recycle bin."""
        table.purge(row)
        for each in self._followers.pop(str(row.values[0]), ()):
            if not each.cleared:
                each.table.purge(each.row)

    def _following(self, table: Table, row: Row) -> Iterator[Follower]:
        row_id = str(row.values[0])
        for child, field in self.referrers(table.sobject.name):
            rows = list(child.referring(field.name, row_id))
            if rows and field.on_delete is OnDelete.RESTRICT:
                raise _refusal(table, row, child, rows)
            for each in rows:
                if field.on_delete is OnDelete.CLEAR:
                    yield Follower(child, each, field.name)
                else:
                    yield from self._following(child, each)
                    yield Follower(child, each)

    def _remember(self, writer: Writer, row_id: str, followers: list[Follower]) -> None:
        before = self._followers.get(row_id, [])
        self._followers[row_id] = followers

        def undo() -> None:
            self._followers[row_id] = before

        writer.on_undo(undo)


def _refer(writer: Writer, follower: Follower, to: Stored) -> None:
    changed = {follower.cleared: to, "SystemModstamp": writer.org.now()}
    writer.revise(follower.table.name, follower.row, changed)


def _refusal(table: Table, row: Row, child: Table, rows: list[Row]) -> Refusal:
    def name(table: Table, row: Row) -> str:
        fields = (field.name for field in table.sobject.fields if field.name_field)
        return str(row.values[table.slots[next(fields, "Id")]])

    others = ", ".join(name(child, each) for each in rows[:5])
    return Refusal(
        "DELETE_FAILED",
        f"Your attempt to delete {name(table, row)} could not be completed because it is associated with the "
        f"following {child.sobject.plural.lower()}.: {others}\n",
    )
