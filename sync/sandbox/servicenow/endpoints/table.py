"""The Table API: `/api/now/table/{table}` and `/api/now/table/{table}/{sys_id}`, in every version.

Source: the vendor's Table API page and the clients that tell what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from urllib.parse import urlencode

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.endpoints.routing import VERSIONS, expanded, with_head
from sync.sandbox.servicenow.formats import body_of, in_format
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.servicenow.query import Compiled, compile_query, escape, parse
from sync.sandbox.servicenow.records import Input
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.search import Found, search
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.terms import Scope, groups_of
from sync.sandbox.servicenow.views import Shape, View, fields_of
from sync.sandbox.wire import BadJson, Request, Response

DEFAULT_LIMIT = 10_000
Endpoint = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call on a table that exists."""

    platform: ServiceNowPlatform
    principal: Principal
    table: Table
    request: Request

    @property
    def scope(self) -> Scope:
        store, who = self.platform.store, self.principal
        groups = partial(groups_of, store, who.user_id)
        caller = Caller(who.user_id, who.user_name, who.time_zone, self.platform.now(), store.dialect, groups)
        return Scope(store, self.table, caller, partial(self.platform.access.sees, who))

    def option(self, name: str) -> bool:
        return self.request.query.get(name, "").lower() == "true"  # pysnow writes Python's True

    def view(self, table: Table | None = None) -> View:
        query, shown = self.request.query, table or self.table
        named = tuple(name.strip() for name in query.get("sysparm_fields", "").split(",") if name.strip())
        shape = Shape(
            fields=named or fields_of(self.platform.store, shown, query.get("sysparm_view", "")),
            display=query.get("sysparm_display_value", "false").lower(),
            plain_references=self.option("sysparm_exclude_reference_link"),
        )
        platform = self.platform
        return View(platform.store, platform.access, shown, self.principal, shape, platform.url)

    def given(self) -> Input:
        """The body as a write. Raises BadJson and Refused; only the first record of an array counts."""
        data = body_of(self.request) if self.request.body else {}  # PySNC inserts an empty record so
        if isinstance(data, list):
            data = data[0] if data else {}
        if not isinstance(data, dict):
            raise BadJson("not an object")
        return Input(self.principal, data, display_values=self.option("sysparm_input_display_value"))

    def readable(self, sys_id: str) -> Row | None:
        row = self.platform.store.find(self.table.name, sys_id)
        if row is None or not self.platform.access.reads(self.principal, self.table, row):
            return None
        return row

    def shown(self, row: Row, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        if self.request.headers.get("x-no-response-body") == "true" and self.request.method not in (
            "GET",
            "HEAD",
        ):
            return Response.empty(status, headers)
        return Response.json({"result": self.view().render(row)}, status, headers)


def _route(method: str, rest: str) -> Callable[[Endpoint], Endpoint]:
    """Serve a Table API path in all its versions, for callers who are known and tables that exist."""

    def register(endpoint: Callable[..., Response]) -> Endpoint:
        @wraps(endpoint)
        def serve(platform: ServiceNowPlatform, request: Request, table: str, **params: str) -> Response:
            def answer(principal: Principal) -> Response:
                found = platform.registry.get(table)
                if found is None:
                    return errors.invalid_table(table)
                call = Call(platform, principal, found, expanded(platform, request))
                return _guarded(endpoint, call, params)

            return in_format(request, lambda request: platform.authenticated(request, answer))

        for version in VERSIONS:
            ROUTER.route(with_head(method), f"/api/now/{version}table/{{table}}{rest}")(serve)
        return endpoint

    return register


def _guarded(endpoint: Endpoint, call: Call, params: Mapping[str, str]) -> Response:
    try:
        return endpoint(call, **params)
    except errors.Refused as refused:
        return refused.response()
    except BadJson:
        return errors.unreadable("Exception while reading request")


@_route("GET", "")
def list_rows(call: Call) -> Response:
    query = call.request.query
    offset, limit = number(query, "sysparm_offset", 0), number(query, "sysparm_limit", DEFAULT_LIMIT)
    wanted = compiled(call)
    refuse = wanted.broken and call.platform.store.setting("glide.invalid_query.returns_no_rows") == "true"
    found = Found([], 0)
    dialect = call.platform.dialect
    counts = not (call.option("sysparm_no_count") and dialect.no_count_omits_total)
    if not refuse:
        found = search(_shown_store(call), call.table, wanted, offset=offset, limit=limit, count=counts)
    view, access = call.view(), call.platform.access
    # The limit came first: rows the caller may not read leave the page short.
    seen = [view.render(row) for row in found.rows if access.reads(call.principal, call.table, row)]
    if not seen and "/v1/" in call.request.path:
        return errors.not_found()
    return Response.json({"result": seen}, 200, paging(call, found.total if counts else None, offset, limit))


def _shown_store(call: Call) -> Store:
    """The rows a list reads: those of now, or of a replica that lags behind."""
    store, late = call.platform.store, call.platform.dialect.reads_own_writes_late
    if not late:
        return store
    return store.as_of(call.table.name, stamp(call.platform.now() - timedelta(seconds=late)))


@_route("POST", "")
def create_row(call: Call) -> Response:
    row = call.platform.records.insert(call.table, call.given())
    call.platform.counters.wrote(created=1)
    return call.shown(
        row, 201, {"Location": f"{call.platform.url}/api/now/table/{call.table.name}/{row[SYS_ID]}"}
    )


@_route("GET", "/{sys_id}")
def read_row(call: Call, sys_id: str) -> Response:
    row = call.readable(sys_id)
    return errors.not_found() if row is None else call.shown(row)


@_route("PUT|PATCH", "/{sys_id}")
def update_row(call: Call, sys_id: str) -> Response:
    """PUT merges too: it blanks nothing that is not named."""
    given, row = call.given(), call.readable(sys_id)
    if row is None:
        return errors.not_found()
    row = call.platform.records.update(call.platform.class_of(row), row, given)
    call.platform.counters.wrote(updated=1)
    return call.shown(row)


@_route("DELETE", "/{sys_id}")
def delete_row(call: Call, sys_id: str) -> Response:
    row = call.readable(sys_id)
    if row is None:
        return errors.not_found()
    call.platform.records.delete(call.platform.class_of(row), row, call.principal)
    call.platform.counters.wrote(deleted=1)
    return Response.empty(204)


def number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdigit() else default


def compiled(call: Call) -> Compiled:
    text = call.request.query.get("sysparm_query") or _shortcut(call)
    return compile_query(parse(text), call.scope)


def _shortcut(call: Call) -> str:
    """`?active=true&state=2`, the short form that counts only where there is no sysparm_query.

    Choices and references may be named by what people read: `state=Closed`, `assigned_to=Beth Anglin`, and a user also
    by their user name.
    """
    given = call.request.query.items()
    return "^".join(_shown_equals(call, *each) for each in given if not each[0].startswith("sysparm_"))


def _shown_equals(call: Call, name: str, value: str) -> str:
    plain, column = f"{name}={escape(value)}", call.table.by_name.get(name)
    if column is None:
        return plain
    if column.choices:
        labels = call.platform.store.choices(call.table, name)
        meant = {label.casefold(): each for each, label in labels.items()}.get(value.casefold(), value)
        return plain if value in labels else f"{name}={escape(meant)}"
    target = call.platform.registry.get(column.reference)
    if target is None or not value:
        return plain
    readable = {target.display, "user_name"} & set(target.by_name)
    return "^OR".join([plain, *(f"{name}.{each}={escape(value)}" for each in sorted(readable))])


def paging(call: Call, total: int | None, offset: int, limit: int) -> dict[str, str]:
    """X-Total-Count counts what matches, not what the caller may see; no Link where one page suffices."""
    if total is None:
        return {}
    headers = {"X-Total-Count": str(total)}
    if total > limit > 0 and not call.option("sysparm_suppress_pagination_header"):
        last = (total - 1) // limit * limit
        steps = {"first": 0, "prev": offset - limit, "next": offset + limit, "last": last}
        wanted = {rel: at for rel, at in steps.items() if rel in ("first", "last") or 0 <= at < total}
        headers["Link"] = ",".join(
            f'<{_page_url(call, at, limit)}>;rel="{rel}"' for rel, at in wanted.items()
        )
    return headers


def _page_url(call: Call, offset: int, limit: int) -> str:
    query = {**call.request.query, "sysparm_limit": str(limit), "sysparm_offset": str(offset)}
    return f"{call.platform.url}{call.request.path}?{urlencode(query)}"
