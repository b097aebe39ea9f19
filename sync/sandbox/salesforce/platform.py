"""The simulated Salesforce org as the server and the tests see it: a function from request to response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sync.sandbox.clock import OffsetClock
from sync.sandbox.commits import Commits
from sync.sandbox.counters import Counters
from sync.sandbox.credentials import SalesforceCredentials
from sync.sandbox.dialects import switches
from sync.sandbox.platform import ControlError, PlatformContext
from sync.sandbox.salesforce import endpoints
from sync.sandbox.salesforce.approvals import Approvals, ConnectedApp
from sync.sandbox.salesforce.cursors import Cursors
from sync.sandbox.salesforce.dialect import Dialect
from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.jobs import Jobs
from sync.sandbox.salesforce.merging import merge
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.seeding import ADMINISTRATOR, seed
from sync.sandbox.salesforce.sessions import Budget, Sessions
from sync.sandbox.salesforce.settings import Settings
from sync.sandbox.salesforce.store import Row, Values
from sync.sandbox.salesforce.values import render
from sync.sandbox.setting_up import changed, refuse_unknown, shown
from sync.sandbox.wire import Request, Response

endpoints.load()


class SalesforcePlatform:
    """One org. Thread-safe: a call holds the org's lock from its session check to its answer."""

    name = "salesforce"

    def __init__(
        self,
        clock: OffsetClock,
        credentials: SalesforceCredentials,
        *,
        url: str,
        dialect: Dialect | None = None,
        number: int = 1,
    ) -> None:
        self.clock = clock
        self.credentials = credentials
        self.url = url
        self.org = Org(clock, url, dialect or Dialect())
        self.org_id = seed(self.org, credentials, max(1, number))
        self.sessions = Sessions(self.org, credentials, self.org_id)
        self.app = ConnectedApp()
        self.approvals = Approvals(self.org)
        self.budget = Budget(self.org)
        self.cursors = Cursors(self.org)
        self.jobs = Jobs(self.org)
        self.counters = Counters(self._duplicates)
        self.commits = Commits(clock.unshifted)
        for table in self.org.tables.values():
            table.commits = self.commits

    @property
    def dialect(self) -> Dialect:
        return self.org.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        with self.org.lock:
            self.org.dialect = dialect

    @property
    def settings(self) -> Settings:
        return self.org.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        with self.org.lock:
            self.org.settings = settings

    def handle(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        method = (
            request.query.get("_HttpMethod", request.method) if request.method == "POST" else request.method
        )
        if path != request.path or method != request.method:
            request = replace(request, path=path, method=method.upper())
        return ROUTES.dispatch(self, request)

    def template(self, path: str) -> str:
        return ROUTES.template(path.rstrip("/"))

    # What a person does, past the API but under the org's rules

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the living rows of an object in the order of their creation."""
        with self.org.lock:
            view = self._view(name)
            deleted = view.table.deleted_slot
            return [
                self._row(view, row.values) for row in view.table.rows.values() if not row.values[deleted]
            ]

    def add(self, name: str, fields: Mapping[str, Any], *, by: str = "") -> dict[str, Any]:
        with self.org.lock, self.commits.people():
            view = self._view(name)
            try:
                return self._row(view, self._writer(by).insert(view, fields).values)
            except Refusal as refusal:
                raise ControlError(str(refusal)) from refusal

    def edit(self, name: str, row_id: str, fields: Mapping[str, Any], *, by: str = "") -> dict[str, Any]:
        with self.org.lock, self.commits.people():
            view = self._view(name)
            try:
                row = self.org.living(view, row_id)
                self._writer(by).update(view, row, fields)
            except Refusal as refusal:
                raise ControlError(str(refusal)) from refusal
            return self._row(view, row.values)

    def delete(self, name: str, row_id: str, *, by: str = "") -> None:
        with self.org.lock, self.commits.people():
            view = self._view(name)
            try:
                self._writer(by).delete(view, self.org.living(view, row_id))
            except Refusal as refusal:
                raise ControlError(str(refusal)) from refusal

    def undelete(self, name: str, row_id: str, *, by: str = "") -> dict[str, Any]:
        """Take a row back out of the recycle bin."""
        with self.org.lock, self.commits.people():
            view = self._view(name)
            row = view.table.rows.get(to18(row_id) or "")
            if row is None:
                raise ControlError(f"There is no {name} {row_id} in the recycle bin.")
            try:
                self._writer(by).undelete(view, row)
            except Refusal as refusal:
                raise ControlError(str(refusal)) from refusal
            return self._row(view, row.values)

    def merge(self, name: str, row_id: str, losers: Sequence[str], *, by: str = "") -> dict[str, Any]:
        """Merge one or two accounts, or contacts, into another."""
        with self.org.lock, self.commits.people():
            view = self._view(name)
            try:
                winner = self.org.living(view, row_id)
                merge(self._writer(by), view, winner, [self.org.living(view, each) for each in losers])
            except Refusal as refusal:
                raise ControlError(str(refusal)) from refusal
            return self._row(view, winner.values)

    def lock(self, name: str, row_id: str) -> None:
        """Submit a row for approval: until `unlock`, nobody but the administrator may write it."""
        with self.org.lock:
            self.org.approval_locks.add(str(self.org.living(self._view(name), row_id).values[0]))

    def unlock(self, name: str, row_id: str) -> None:
        with self.org.lock:
            self.org.approval_locks.discard(str(self.org.living(self._view(name), row_id).values[0]))

    def empty_recycle_bin(self, name: str) -> int:
        """Forget the deleted rows of an object for good, and what went with them; the number of the former."""
        with self.org.lock, self.commits.people():
            table = self._view(name).table
            deleted = table.in_bin()
            for row in deleted:
                self.org.cascades.purge(table, row)
            return len(deleted)

    def history(self, name: str, row_id: str) -> list[dict[str, Any]]:
        """Return the field history of a row, oldest first, as dicts of field, old, new, by, at."""
        with self.org.lock:
            row: Row = self.org.living(self._view(name), row_id)
            return [
                {"field": each.field, "old": each.old, "new": each.new, "by": each.by, "at": each.at}
                for each in row.history
            ]

    def set_up(self, order: Mapping[str, Any]) -> None:
        """Change settings of the connected app and of the org, by the names of their fields; switches are apart."""
        refuse_unknown(order, self.app, self.settings, self.dialect, but=switches(self.dialect))
        with self.org.lock:
            self.app, self.settings = changed(self.app, order), changed(self.settings, order)
            self.dialect = changed(self.dialect, order)

    def settings_shown(self) -> Mapping[str, Any]:
        apart = switches(self.dialect)
        of_org = {name: value for name, value in shown(self.dialect).items() if name not in apart}
        return shown(self.app) | shown(self.settings) | of_org

    def expire_tokens(self) -> int:
        with self.org.lock:
            return self.sessions.expire_all()

    def spend_budget(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Leave `remaining` calls of the daily budget, none unless said."""
        with self.org.lock:
            self.budget.leave(int(order.get("remaining", 0)))
            return {"Max": self.budget.maximum, "Remaining": self.budget.maximum - self.budget.used}

    def _duplicates(self) -> dict[str, int]:
        with self.org.lock:
            return self.org.duplicates()

    def _view(self, name: str) -> View:
        view = self.org.people_views.get(name.lower())
        if view is None:
            raise ControlError(f"There is no object {name}.")
        return view

    def _row(self, view: View, values: Values) -> dict[str, Any]:
        return {field.name: render(field, values[view.slot(field.name)]) for field in view.sobject.fields}

    def _writer(self, by: str) -> Writer:
        username = by or ADMINISTRATOR
        users = self.org.tables["User"]
        found = users.find("Username", username) or users.find("Username", f"{username}@acme.example")
        if not found:
            raise ControlError(f"There is no user {username}.")
        return Writer(self.org, str(found[0].values[0]), person=True)


def build(context: PlatformContext) -> SalesforcePlatform:
    """Build the org as the sandbox pair asks for it."""
    return SalesforcePlatform(
        context.clock, context.credentials.salesforce, url=context.url, number=context.seed
    )
