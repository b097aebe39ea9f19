"""What the endpoints beside the Table API share: versions in the path, who calls, and refusals as answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.formats import body_of, in_format
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.servicenow.schema import Row, Table
from sync.sandbox.wire import BadJson, Request, Response, parse_query

VERSIONS = ("", "v1/", "v2/")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One authenticated call."""

    platform: ServiceNowPlatform
    principal: Principal
    request: Request

    def table(self, name: str) -> Table:
        """Raises Refused for a table that does not exist."""
        found = self.platform.registry.get(name)
        if found is None:
            raise errors.Refused(None, message=f"Invalid table {name}", status=400)
        return found

    def readable(self, table: Table, sys_id: str) -> Row:
        """Raises Refused for a row that is missing or may not be read, which look the same."""
        row = self.platform.store.find(table.name, sys_id)
        if row is None or not self.platform.access.reads(self.principal, table, row):
            raise errors.missing()
        return row

    def body(self) -> dict[str, Any]:
        """The body as an object. Raises BadJson, and Refused for a format that is not served."""
        data = body_of(self.request)
        if not isinstance(data, dict):
            raise BadJson("not an object")
        return data


Endpoint = Callable[..., Response]


def api_route(
    method: str, path: str, versions: Iterable[str] = VERSIONS, *, raw: bool = False, base: str = "/api/now/"
) -> Callable[[Endpoint], Endpoint]:
    """Serve `{base}{version}{path}` for callers who are known; the endpoint is called with `(ApiCall, **params)`.

    `raw`: the answer is a file, and no format is agreed on.
    """

    def register(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        def serve(platform: ServiceNowPlatform, request: Request, **params: str) -> Response:
            def answer(principal: Principal) -> Response:
                call = ApiCall(platform, principal, expanded(platform, request))
                return _guarded(endpoint, call, params)

            if raw:
                return platform.authenticated(request, answer)
            return in_format(request, lambda request: platform.authenticated(request, answer))

        for version in versions:
            ROUTER.route(with_head(method), f"{base}{version}{path}")(serve)
        return endpoint

    return register


def expanded(platform: ServiceNowPlatform, request: Request) -> Request:
    """The request with the parameters that a `sysparm_tiny` stands for; its own win. An unknown key stands for none."""
    key = request.query.get("sysparm_tiny")
    row = platform.store.first("sys_tiny_url", "tiny_url", key) if key else None
    if row is None:
        return request
    kept = parse_query(row[platform.registry["sys_tiny_url"].position["data"]])
    own = {name: value for name, value in request.query.items() if name != "sysparm_tiny"}
    return replace(request, query={**kept, **own})


def with_head(method: str) -> str:
    """HEAD is answered wherever GET is; the server leaves the body out."""
    return "GET|HEAD" if method == "GET" else method


def _guarded(endpoint: Endpoint, call: ApiCall, params: dict[str, str]) -> Response:
    try:
        return endpoint(call, **params)
    except errors.Refused as refused:
        return refused.response()
    except BadJson:
        return errors.unreadable("Exception while reading request")
