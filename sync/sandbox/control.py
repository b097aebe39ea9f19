"""Orders to a sandbox under `/__sandbox__/`, on the platform's own server: what a test or a person changes.

Every call needs the bearer token made at start. Control calls are not counted and meet no fault.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from sync.sandbox.counters import Counters
from sync.sandbox.faults import Fault
from sync.sandbox.platform import ControlError, Platform
from sync.sandbox.server import SandboxServer
from sync.sandbox.wire import BadJson, Request, Response, Router


@dataclass(frozen=True, slots=True)
class Control:
    """The controls of one system; a function from request to response, as a platform is."""

    platform: Platform
    server: SandboxServer
    token: str = field(repr=False)
    counters: Counters = field(default_factory=Counters)  # of control calls, which nobody asks for

    def handle(self, request: Request) -> Response:
        if not self._allowed(request.headers.get("authorization", "")):
            return Response.json({"error": "The control token is missing or wrong."}, 401)
        try:
            return ROUTER.dispatch(self, request)
        except (ControlError, BadJson, ValueError, TypeError) as error:
            return Response.json({"error": str(error)}, 400)

    def _allowed(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        return scheme == "Bearer" and hmac.compare_digest(token.encode(), self.token.encode())


ROUTER: Router[Control] = Router(
    not_found=lambda control, request: Response.json({"error": f"No control at {request.path}."}, 404),
    wrong_method=lambda control, request: Response.json({"error": f"No {request.method} here."}, 405),
)


def _body(request: Request) -> dict[str, Any]:
    data = request.json() if request.body else {}
    if not isinstance(data, dict):
        raise ControlError("The body must be a JSON object.")
    return data


def _row_order(request: Request) -> tuple[str, Mapping[str, Any]]:
    """The person and the fields of `{"by": "abel.tuter", "fields": {...}}`."""
    data = _body(request)
    fields = data.get("fields")
    if not isinstance(fields, dict):
        raise ControlError('A row needs {"by": user name, "fields": {name: value}}.')
    return str(data.get("by", "")), fields


@ROUTER.route("GET", "/__sandbox__/state")
def state(control: Control, request: Request) -> Response:
    platform, server = control.platform, control.server
    return Response.json(
        {
            "system": platform.name,
            "url": server.url,
            "now": platform.clock.now().isoformat(),
            "clock_offset_seconds": platform.clock.offset.total_seconds(),
            "delay_seconds": server.delay,
            "faults": [asdict(fault) for fault in server.faults.pending()],
            "counters": asdict(platform.counters.snapshot()),
        }
    )


@ROUTER.route("GET", "/__sandbox__/counters")
def counters(control: Control, request: Request) -> Response:
    return Response.json(asdict(control.platform.counters.snapshot()))


@ROUTER.route("POST", "/__sandbox__/reset_counters")
def reset_counters(control: Control, request: Request) -> Response:
    control.platform.counters.reset()
    return Response.empty(204)


@ROUTER.route("POST", "/__sandbox__/faults")
def add_fault(control: Control, request: Request) -> Response:
    control.server.faults.add(Fault.parse(_body(request)))
    return Response.json({"faults": len(control.server.faults.pending())}, 201)


@ROUTER.route("DELETE", "/__sandbox__/faults")
def clear_faults(control: Control, request: Request) -> Response:
    control.server.faults.clear()
    return Response.empty(204)


@ROUTER.route("POST", "/__sandbox__/delay")
def set_delay(control: Control, request: Request) -> Response:
    seconds = float(_body(request).get("seconds", 0))
    if not 0 <= seconds <= 60:
        raise ControlError("seconds must be between 0 and 60.")
    control.server.delay = seconds
    return Response.json({"seconds": seconds})


@ROUTER.route("POST", "/__sandbox__/clock")
def set_clock(control: Control, request: Request) -> Response:
    control.platform.clock.offset = timedelta(seconds=float(_body(request).get("offset_seconds", 0)))
    return Response.json({"now": control.platform.clock.now().isoformat()})


@ROUTER.route("POST", "/__sandbox__/expire_tokens")
def expire_tokens(control: Control, request: Request) -> Response:
    return Response.json({"expired": control.platform.expire_tokens()})


@ROUTER.route("POST", "/__sandbox__/spend_budget")
def spend_budget(control: Control, request: Request) -> Response:
    return Response.json(control.platform.spend_budget(_body(request)))


@ROUTER.route("GET", "/__sandbox__/rows/{name}")
def rows(control: Control, request: Request, name: str) -> Response:
    """The rows; query parameters filter by equality."""
    wanted = request.query.items()
    found = [
        row for row in control.platform.rows(name) if all(str(row.get(key)) == text for key, text in wanted)
    ]
    return Response.json({"rows": found})


@ROUTER.route("POST", "/__sandbox__/rows/{name}")
def add_row(control: Control, request: Request, name: str) -> Response:
    by, fields = _row_order(request)
    return Response.json({"row": control.platform.add(name, fields, by=by)}, 201)


@ROUTER.route("PATCH", "/__sandbox__/rows/{name}/{row_id}")
def edit_row(control: Control, request: Request, name: str, row_id: str) -> Response:
    by, fields = _row_order(request)
    return Response.json({"row": control.platform.edit(name, row_id, fields, by=by)})


@ROUTER.route("DELETE", "/__sandbox__/rows/{name}/{row_id}")
def delete_row(control: Control, request: Request, name: str, row_id: str) -> Response:
    control.platform.delete(name, row_id, by=request.query.get("by", ""))
    return Response.empty(204)


def controls(platform: Platform, server: SandboxServer, token: str) -> Callable[[Request], Response]:
    return Control(platform, server, token).handle
