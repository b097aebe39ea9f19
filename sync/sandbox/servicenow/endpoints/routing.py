"""What the endpoints beside the Table API share: versions in the path, who calls, and refusals as answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.servicenow.schema import Row, Table
from sync.sandbox.wire import BadJson, Request, Response

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
        """The body as a JSON object. Raises BadJson."""
        data = self.request.json()
        if not isinstance(data, dict):
            raise BadJson("not an object")
        return data


Endpoint = Callable[..., Response]


def api_route(method: str, path: str, versions: Iterable[str] = VERSIONS) -> Callable[[Endpoint], Endpoint]:
    """Serve `/api/now/{version}{path}` for callers who are known; the endpoint is called with `(ApiCall, **params)`."""

    def register(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        def serve(platform: ServiceNowPlatform, request: Request, **params: str) -> Response:
            def answer(principal: Principal) -> Response:
                return _guarded(endpoint, ApiCall(platform, principal, request), params)

            return platform.authenticated(request, answer)

        for version in versions:
            ROUTER.route(method, f"/api/now/{version}{path}")(serve)
        return endpoint

    return register


def _guarded(endpoint: Endpoint, call: ApiCall, params: dict[str, str]) -> Response:
    try:
        return endpoint(call, **params)
    except errors.Refused as refused:
        return refused.response()
    except BadJson:
        return errors.unreadable("Exception while reading request")
