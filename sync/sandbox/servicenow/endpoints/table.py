"""The Table API: `/api/now/table/{table}` and `/api/now/table/{table}/{sys_id}`, in every version.

Source: the vendor's Table API page and the clients that tell what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.endpoints.routing import VERSIONS
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.servicenow.query import Compiled, compile_query, escape, parse
from sync.sandbox.servicenow.records import Input
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.scripts import Caller
from sync.sandbox.servicenow.search import Found, resolve, search
from sync.sandbox.servicenow.views import Shape, View
from sync.sandbox.wire import BadJson, Request, Response

DEFAULT_LIMIT = 10_000
MAX_BODY = 10 * 1024 * 1024
Endpoint = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call on a table that exists."""

    platform: ServiceNowPlatform
    principal: Principal
    table: Table
    request: Request

    def option(self, name: str) -> bool:
        return self.request.query.get(name, "") == "true"

    def view(self, table: Table | None = None) -> View:
        fields = self.request.query.get("sysparm_fields", "")
        shape = Shape(
            fields=tuple(name.strip() for name in fields.split(",") if name.strip()),
            display=self.request.query.get("sysparm_display_value", "false"),
            plain_references=self.option("sysparm_exclude_reference_link"),
        )
        platform = self.platform
        return View(platform.store, platform.access, table or self.table, self.principal, shape, platform.url)

    def given(self) -> Input:
        """The body as a write. Raises BadJson; only the first record of an array counts."""
        data = self.request.json()
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
        if self.request.headers.get("x-no-response-body") == "true" and self.request.method != "GET":
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
                return _guarded(endpoint, Call(platform, principal, found, request), params)

            return platform.authenticated(request, answer)

        for version in VERSIONS:
            ROUTER.route(method, f"/api/now/{version}table/{{table}}{rest}")(serve)
        return endpoint

    return register


def _guarded(endpoint: Endpoint, call: Call, params: Mapping[str, str]) -> Response:
    refusal = _negotiate(call.request)
    if refusal is not None:
        return refusal
    try:
        return endpoint(call, **params)
    except errors.Refused as refused:
        return refused.response()
    except BadJson:
        return errors.unreadable("Exception while reading request")


def _negotiate(request: Request) -> Response | None:
    accept = request.headers.get("accept", "*/*")
    if "json" not in accept and "*/*" not in accept and "application/*" not in accept:
        return errors.error(406, "Not acceptable")  # UNVERIFIED wording; XML is not simulated
    if len(request.body) > MAX_BODY:
        size = len(request.body)
        return errors.unreadable(
            f"Rejected large REST payload with content-length = {size} bytes. Max allowed: {MAX_BODY} bytes."
        )
    kind = request.headers.get("content-type", "application/json")
    if request.body and "json" not in kind:
        return errors.error(415, "Unsupported media type")  # UNVERIFIED wording
    return None


@_route("GET", "")
def list_rows(call: Call) -> Response:
    query = call.request.query
    offset, limit = number(query, "sysparm_offset", 0), number(query, "sysparm_limit", DEFAULT_LIMIT)
    wanted = compiled(call)
    refuse = wanted.broken and call.platform.store.setting("glide.invalid_query.returns_no_rows") == "true"
    found = Found([], 0)
    if not refuse:
        found = search(
            call.platform.store,
            call.table,
            wanted,
            offset=offset,
            limit=limit,
            count=not call.option("sysparm_no_count"),
        )
    view, access = call.view(), call.platform.access
    # The limit came first: rows the caller may not read leave the page short.
    seen = [view.render(row) for row in found.rows if access.reads(call.principal, call.table, row)]
    if not seen and "/v1/" in call.request.path:
        return errors.not_found()
    return Response.json({"result": seen}, 200, paging(call, found.total, offset, limit))


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
    store, principal = call.platform.store, call.principal
    text = call.request.query.get("sysparm_query") or _shortcut(call.request.query)
    caller = Caller(principal.user_id, principal.user_name, principal.time_zone, call.platform.now())

    def operand(path: str) -> Any:
        return resolve(store, call.table, principal.time_zone, path)

    return compile_query(parse(text), operand, caller)


def _shortcut(query: Mapping[str, str]) -> str:
    """`?active=true&state=2`, the short form that counts only where there is no sysparm_query."""
    return "^".join(
        f"{name}={escape(value)}" for name, value in query.items() if not name.startswith("sysparm_")
    )


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
