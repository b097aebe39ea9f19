"""The instance as a whole: one lock around its state, and a function from request to response."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from threading import RLock
from typing import Any, TypeVar
from urllib.parse import urlencode

from sync.sandbox.clock import OffsetClock
from sync.sandbox.commits import Commits
from sync.sandbox.counters import Counters
from sync.sandbox.dialects import as_text
from sync.sandbox.platform import ControlError, PlatformContext
from sync.sandbox.platform import Row as PlainRow
from sync.sandbox.servicenow import errors, instance
from sync.sandbox.servicenow.access import SYSTEM, Access, Principal, principal_of
from sync.sandbox.servicenow.dialect import PROPERTIES, Dialect
from sync.sandbox.servicenow.hiding import hidden, hide
from sync.sandbox.servicenow.limits import RateRules
from sync.sandbox.servicenow.oauth import Client, Tokens
from sync.sandbox.servicenow.records import Input, Records
from sync.sandbox.servicenow.restoring import undelete
from sync.sandbox.servicenow.schema import REGISTRY, SYS_CLASS, SYS_ID, Registry, Row, Table
from sync.sandbox.servicenow.semaphores import Semaphores
from sync.sandbox.servicenow.sessions import Sessions
from sync.sandbox.servicenow.store import Store
from sync.sandbox.wire import Request, Response, Router

T = TypeVar("T")
_FREE = frozenset({401, 429})  # calls that were not let in


class ServiceNowPlatform:
    """Endpoints reach the parts by name; whoever calls a part holds `lock`."""

    name = "servicenow"

    def __init__(self, context: PlatformContext) -> None:
        self.url = context.url
        self.lock = RLock()
        self.store = Store(REGISTRY, context.seed)
        self.access = Access()
        self.records = Records(self.store, self.access, self.now)
        self.sessions = Sessions()
        self.semaphores = Semaphores(lambda: self.dialect)
        self.rates = RateRules()
        demo = context.credentials.servicenow
        self.tokens = Tokens(
            self.store,
            [Client(demo.client_id, demo.client_secret, demo.username)],
            {
                demo.username: demo.password,
                demo.admin_username: demo.admin_password,
                demo.no_role_username: demo.no_role_password,
            },
        )
        self._clock = context.clock
        self._counters = Counters(self._duplicates)
        self.commits = Commits(self._clock.unshifted)
        self.store.watched_by(self.commits)

    @property
    def registry(self) -> Registry:
        return self.store.registry

    @property
    def clock(self) -> OffsetClock:
        return self._clock

    @property
    def counters(self) -> Counters:
        return self._counters

    @property
    def dialect(self) -> Dialect:
        return self.store.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        with self.lock:
            for switch, name in PROPERTIES.items():
                if getattr(dialect, switch) != getattr(self.dialect, switch):
                    self.set_property(name, as_text(getattr(dialect, switch)))
            self.store.turn(dialect)
        self.semaphores.wake()

    def set_property(self, name: str, value: str) -> None:
        """Set a system property, as an administrator does."""
        row = self.store.first("sys_properties", "name", name)
        known = {"sys_id": row[SYS_ID]} if row is not None else {}
        self.records.raw(self.registry["sys_properties"], {**known, "name": name, "value": value})

    @contextmanager
    def admit(self, request: Request) -> Iterator[Response | None]:
        """The gates a call passes before any work: its session's turn, then a semaphore of the node."""
        with self.sessions.admit(request) as refusal:
            if refusal is not None:
                yield refusal
                return
            with self.semaphores.admit(request) as turned_away:
                yield turned_away

    def now(self) -> datetime:
        return self._clock.now()

    def template(self, path: str) -> str:
        return ROUTER.template(path)

    def handle(self, request: Request) -> Response:
        longest = self.dialect.longest_url
        if longest and len(request.path) + len(urlencode(request.query)) > longest:
            return errors.url_too_long(self.dialect.long_url_status)
        override = request.headers.get("x-http-method-override")
        if override and request.method == "POST":
            request = replace(request, method=override.upper())
        with self.lock, self.commits.seen(reading=request.method == "GET"):
            response = ROUTER.dispatch(self, request)
        if request.path.startswith("/api/") and response.status not in _FREE:
            self._counters.bill()
        response.headers.setdefault("Cache-Control", "no-cache,no-store,must-revalidate,max-age=-1")
        if "cookie" not in request.headers:
            response.headers["Set-Cookie"] = self.sessions.cookie()
        return response

    def authenticated(self, request: Request, answer: Callable[[Principal], Response]) -> Response:
        """Answer for the caller whom the Authorization header names, within their rate rule."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        bearer = scheme.lower() == "bearer"
        user = self.tokens.bearer(value, self.now()) if bearer else self.tokens.basic(value)
        if user is None:
            return errors.not_authenticated("BEARER" if bearer else "Basic")
        principal = principal_of(self.store, user)
        headers, refusal = self.rates.spend(principal.user_name, self.now())
        response = refusal or answer(principal)
        response.headers.update(headers)
        return response

    def class_of(self, row: Row) -> Table:
        """The table a row really belongs to, also when it was reached through the one its class extends."""
        return self.registry[row[SYS_CLASS]]

    # Orders of a person or a test, see sync.sandbox.platform.

    def rows(self, name: str) -> list[PlainRow]:
        with self.lock:
            table = self._table(name)
            names = [column.name for column in table.columns]
            return [dict(zip(names, row, strict=False)) for row in self.store.every(name)]

    def add(self, name: str, fields: Mapping[str, Any], *, by: str = "") -> PlainRow:
        with self.lock, self.commits.people():
            table = self._table(name)
            given = Input(self._person(by), fields, form=True)
            return self._plain(table, self._obeyed(lambda: self.records.insert(table, given)))

    def edit(self, name: str, row_id: str, fields: Mapping[str, Any], *, by: str = "") -> PlainRow:
        with self.lock, self.commits.people():
            row = self._row(name, row_id)
            table = self.class_of(row)
            given = Input(self._person(by), fields, form=True)
            return self._plain(table, self._obeyed(lambda: self.records.update(table, row, given)))

    def delete(self, name: str, row_id: str, *, by: str = "") -> None:
        with self.lock, self.commits.people():
            row = self._row(name, row_id)
            self._obeyed(lambda: self.records.delete(self.class_of(row), row, self._person(by)))

    def undelete(self, name: str, row_id: str, *, by: str = "") -> PlainRow:
        """Restore a deleted record of an audited table; takes an administrator."""
        with self.lock, self.commits.people():
            table, person = self._table(name), self._person(by)
            row = self._obeyed(lambda: undelete(self.store, self.records, table, row_id, person))
            return self._plain(self.class_of(row), row)

    def merge(self, name: str, row_id: str, losers: Sequence[str], *, by: str = "") -> PlainRow:
        raise ControlError("This platform merges no records.")

    def migrate(self, name: str, values: Mapping[str, str]) -> PlainRow:
        """Store a row past rules and automatic stamps, as imports and scripts do: also backdated, as late commits look.

        With the sys_id of a row that exists, its named columns alone change.
        """
        with self.lock, self.commits.people():
            table = self._table(name)
            unknown = sorted(set(values) - set(table.position))
            if unknown:
                raise ControlError(f"{name} has no column {', '.join(unknown)}.")
            return self._plain(table, self.records.raw(table, values))

    def empty_recycle_bin(self, name: str) -> int:
        """Clear Deleted Records of a table, from which `undelete` restores."""
        with self.lock:
            table = self._table(name)
            at = self.registry["sys_audit_delete"].position["tablename"]
            deleted = self.store.data("sys_audit_delete")
            gone = [row[SYS_ID] for row in deleted.by_id.values() if row[at] == table.name]
            for sys_id in gone:
                deleted.remove(sys_id)
            return len(gone)

    def set_up(self, order: Mapping[str, Any]) -> None:
        """Set system properties by name; one that does not exist is made. No properties: `access`, which are access rules, and
        `absent_tables`, which the instance is without from then on, as where a plugin is not active."""
        with self.lock, self.commits.people():
            properties = dict(order)
            if "access" in properties:
                hide(self.access, self.registry, properties.pop("access"))
            if "absent_tables" in properties:
                self._lack(properties.pop("absent_tables"))
            for name, value in properties.items():
                self.set_property(name, str(value).lower() if isinstance(value, bool) else str(value))

    def _lack(self, names: object) -> None:
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ControlError("absent_tables is a list of names.")
        lacking = [name for name in names if REGISTRY.get(name) is None]
        if lacking or (essential := [name for name in names if name.startswith("sys_")]):
            raise ControlError(f"No instance is without {', '.join(lacking or essential)}, or there is none.")
        self.store.drop(names)

    def settings_shown(self) -> Mapping[str, Any]:
        """The system properties by name, and the access rules."""
        properties = {row["name"]: row["value"] for row in self.rows("sys_properties")}
        with self.lock:
            absent = [table.name for table in REGISTRY if self.registry.get(table.name) is None]
            return {**properties, "access": hidden(self.access), "absent_tables": absent}

    def expire_tokens(self) -> int:
        with self.lock:
            return self.tokens.expire_all()

    def spend_budget(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"user": "sync.user", "limit": 100, "used": 99}`: a rate rule for the clock hour; limit 0 removes it."""
        user = str(order.get("user", "sync.user"))
        limit, used = int(order.get("limit", 0)), int(order.get("used", 0))
        with self.lock:
            left = self.rates.set(user, limit, used, self.now())
        return {"user": user, "limit": limit, "left": left}

    def _table(self, name: str) -> Table:
        table = self.registry.get(name)
        if table is None:
            raise ControlError(f"There is no table {name}.")
        return table

    def _row(self, name: str, row_id: str) -> Row:
        row = self.store.find(self._table(name).name, row_id)
        if row is None:
            raise ControlError(f"There is no {name} with sys_id {row_id}.")
        return row

    def _person(self, user_name: str) -> Principal:
        if not user_name:
            return SYSTEM
        user = self.tokens.user_named(user_name)
        if user is None:
            raise ControlError(f"There is no active user {user_name}.")
        return principal_of(self.store, user)

    def _obeyed(self, deed: Callable[[], T]) -> T:
        try:
            return deed()
        except errors.Refused as refused:
            raise ControlError(str(refused)) from refused

    def _plain(self, table: Table, row: Row) -> PlainRow:
        return {column.name: value for column, value in zip(table.columns, row, strict=True)}

    def _duplicates(self) -> dict[str, int]:
        """Incidents beyond the first that carry one correlation_id."""
        with self.lock:
            at = self.registry["incident"].position["correlation_id"]
            keys = [row[at] for row in self.store.every("incident") if row[at]]
            return {"incident.correlation_id": len(keys) - len(set(keys))}


class InstanceRouter(Router[ServiceNowPlatform]):
    """The routes of the instance, which a batch also follows without a call of its own for each item."""

    def inner(self, platform: ServiceNowPlatform, request: Request) -> Response:
        """Answer a request within a request, uncounted: the batch that carries it was the call."""
        found = self._find(request.path)
        if found is None:
            return errors.no_resource(platform.dialect.unknown_path_status)
        route, params = found
        handler = route.handlers.get(request.method)
        if handler is None:
            return errors.wrong_method()
        with platform.commits.seen(reading=request.method == "GET"):
            return handler(platform, request, **params)


ROUTER = InstanceRouter(
    not_found=lambda platform, request: errors.no_resource(platform.dialect.unknown_path_status),
    wrong_method=lambda platform, request: errors.wrong_method(),
)


def build(context: PlatformContext) -> ServiceNowPlatform:
    """An instance with its dictionary, its people, groups and roles, and no task yet."""
    # The endpoints register themselves with the router above, which must exist first.
    from sync.sandbox.servicenow import endpoints, tables  # noqa: F401

    platform = ServiceNowPlatform(context)
    instance.furnish(platform.records, platform.store, context)
    return platform
