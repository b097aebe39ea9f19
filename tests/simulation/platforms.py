"""One pair of platforms for many schedules: emptied between them, since building a pair costs more than a schedule."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sync.core.records import Side
from sync.sandbox.clock import Deed, ManualClock
from sync.sandbox.commits import Commits, Rows
from sync.sandbox.inprocess import World, in_process
from sync.sandbox.salesforce.dialect import Dialect as OrgDialect
from sync.sandbox.salesforce.ids import series
from sync.sandbox.salesforce.store import Table
from sync.sandbox.servicenow.dialect import Dialect as InstanceDialect
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.wire import Request

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NAMES = {Side.SERVICENOW: "incident", Side.SALESFORCE: "Case"}
PEOPLE = {Side.SERVICENOW: "beth.anglin", Side.SALESFORCE: "fred.luddy"}
_FILLED_ON_SERVICENOW = (
    "incident",
    "sys_audit",
    "sys_audit_delete",
    "problem",
    "sys_journal_field",
    "sys_attachment",
)
_FILLED_ON_SALESFORCE = (
    "Case", "CaseComment", "FeedItem", "Task", "ContentVersion", "ContentDocument", "ContentDocumentLink",
)  # fmt: skip


class RowLocks(Commits):
    """Late commits as a database has them: our write waits for the row's lock, so what it goes over is committed."""

    def written(self, rows: Rows, key: str, earlier: object) -> None:
        if self._writer == "api" and not self._shifting:
            self._flights.pop((rows.name, key), None)
        super().written(rows, key, earlier)


class WatchedClock(ManualClock):
    """`look`: called after each appointment, so that what a late request does is seen at the moment when it does it."""

    look: Callable[[], object] = staticmethod(lambda: None)

    def call_at(self, moment: datetime, deed: Deed) -> None:
        super().call_at(moment, lambda: (deed(), self.look()))


class Platforms:
    """`world` with helpers that both sides share; raw values by column."""

    def __init__(self) -> None:
        self.clock = WatchedClock()
        self.world: World = in_process(seed=1, clock=self.clock)
        self.sides = {Side.SERVICENOW: self.world.servicenow, Side.SALESFORCE: self.world.salesforce}
        instance, org = self.world.servicenow.platform, self.world.salesforce.platform
        instance.commits = RowLocks(instance.clock.unshifted)
        instance.store.watched_by(instance.commits)
        org.commits = RowLocks(org.clock.unshifted)
        for table in org.org.tables.values():
            table.commits = org.commits
        self.doors = {side: self.world.doors[each.url] for side, each in self.sides.items()}

    def empty(self, seed: int) -> None:
        """As built: no task and no Case, no orders, the clock at its start, and ids in their first order."""
        self.clock._appointments.clear()
        self.clock.set(START + timedelta(milliseconds=seed % 997))
        for each in self.sides.values():
            each.clear_faults()
            each.platform.clock.offset = timedelta(0)
            each.platform.commits.clear()
            each.platform.commits._flights.clear()
        self._empty_servicenow(seed)
        self._empty_salesforce()

    def _empty_servicenow(self, seed: int) -> None:
        instance = self.world.servicenow.platform
        if instance.dialect != InstanceDialect():
            instance.dialect = InstanceDialect()
        instance.store._random = random.Random(seed)
        instance.records._numbers.clear()
        for name in _FILLED_ON_SERVICENOW:
            data = instance.store.data(name)
            data.by_id.clear()
            data.changed.clear()
            data.version += 1
        instance.store.contents.clear()

    def _empty_salesforce(self) -> None:
        org = self.world.salesforce.platform.org
        if org.dialect != OrgDialect():
            org.dialect = OrgDialect()
        org._numbers.clear()
        for name in _FILLED_ON_SALESFORCE:
            _empty(org.tables[name])

    def rows(self, side: Side) -> Iterator[tuple[str, dict[str, Any]]]:
        """All rows that are not deleted, as they are newest, whether readers see them yet or not: id and the columns that the flow maps."""
        if side is Side.SERVICENOW:
            data = self.world.servicenow.platform.store.data("incident")
            at = data.table.position
            for sys_id, row in data.by_id.items():
                yield sys_id, {name: row[at[name]] for name in COLUMNS[side]}
        else:
            table = self.world.salesforce.platform.org.tables["Case"]
            for id, case in table.rows.items():
                if case.values[table.deleted_slot]:
                    continue
                yield id, {name: case.values[table.slots[name]] for name in COLUMNS[side]}

    def every(self, side: Side, name: str) -> Iterator[dict[str, Any]]:
        """All rows of a table or object that are not deleted, as they are newest, with all their columns."""
        if side is Side.SERVICENOW:
            data = self.world.servicenow.platform.store.data(name)
            names = [column.name for column in data.table.columns]
            yield from (dict(zip(names, row, strict=True)) for row in data.by_id.values())
        else:
            table = self.world.salesforce.platform.org.tables[name]
            for row in table.rows.values():
                if not row.values[table.deleted_slot]:
                    yield {name: row.values[slot] for name, slot in table.slots.items()}

    def attach(self, side: Side, parent: str, name: str, content: bytes) -> str:
        """A person puts a file on a record; returns its id."""
        if side is Side.SALESFORCE:
            data = base64.b64encode(content).decode()
            version = self.sides[side].add(
                "ContentVersion",
                by=PEOPLE[side],
                PathOnClient=name,
                VersionData=data,
                FirstPublishLocationId=parent,
            )
            return str(version["Id"])
        held = self.world.credentials.servicenow
        login = base64.b64encode(f"{held.username}:{held.password}".encode()).decode()
        place = urlencode({"table_name": NAMES[side], "table_sys_id": parent, "file_name": name})
        headers = {"Authorization": f"Basic {login}", "Content-Type": "text/plain"}
        request = Request.build("POST", f"/api/now/attachment/file?{place}", headers=headers, body=content)
        instance = self.world.servicenow.platform
        with instance.commits.people():
            return str(instance.handle(request).data()["result"]["sys_id"])

    def unseen_until(self, side: Side, id: str) -> datetime | None:
        """When a row's newest version comes into sight of readers; None if it is."""
        flight = self.sides[side].platform.commits._flights.get((NAMES[side], id))
        return flight.until if flight is not None and flight.until > self.clock.now() else None

    def stamp(self, side: Side) -> str:
        return stamp(self.sides[side].platform.clock.now())


def _empty(table: Table) -> None:
    table.rows.clear()
    table.by_stamp.clear()
    table.ids = series(table.sobject.prefix)
    table.in_id_order, table._last_id = True, ""
    for index in (*table.indexes.values(), *table.references.values()):
        index.clear()


COLUMNS = {
    Side.SERVICENOW: (
        "short_description", "u_symptom", "description", "state", "correlation_id", "sys_mod_count", "sys_updated_on",
    ),
    Side.SALESFORCE: (
        "Subject", "SuppliedName", "Description", "Status", "ServiceNow_Sys_Id__c", "LastModifiedDate", "SystemModstamp",
    ),
}  # fmt: skip
