"""Orders to a sandbox under `/__sandbox__/`, on the platform's own server: what a test or a person changes.

Every call needs the bearer token made at start. Control calls are not counted and meet no fault.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sync.sandbox.counters import Counters
from sync.sandbox.dialects import described, turned
from sync.sandbox.gate import WHOLE_BUDGET, Front
from sync.sandbox.orders import give
from sync.sandbox.pages import UI_PREFIX, Pages
from sync.sandbox.platform import ControlError, Platform
from sync.sandbox.wire import BadJson, Request, Response, Router


@dataclass(frozen=True, slots=True)
class Control:
    """The controls of one system; a function from request to response, as a platform is."""

    platform: Platform
    server: Front
    token: str = field(repr=False)
    counters: Counters = field(default_factory=Counters)  # of control calls, which nobody asks for
    pages: Pages | None = None

    def handle(self, request: Request) -> Response:
        if self.pages is not None and request.path.startswith(UI_PREFIX):
            return self.pages.handle(request)
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
            "delay_seconds": server.gate.delay,
            "jitter_seconds": server.gate.jitter,
            "faults": [asdict(fault) for fault in server.gate.faults.pending()],
            "late_commits": [asdict(rule) for rule in platform.commits.pending()],
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


@ROUTER.route("POST", "/__sandbox__/orders")
def take_orders(control: Control, request: Request) -> Response:
    """One order or a list under `orders`, as in a scenario file; later ones are not given once one is refused."""
    data = _body(request)
    orders = data.get("orders", [data])
    if not isinstance(orders, list) or not all(isinstance(each, dict) for each in orders):
        raise ControlError("orders is a list of orders.")
    for order in orders:
        give(control, order)
    return Response.json({"given": len(orders)}, 201)


@ROUTER.route("POST", "/__sandbox__/faults")
def add_fault(control: Control, request: Request) -> Response:
    give(control, {"fault": _body(request)})
    return Response.json({"faults": len(control.server.gate.faults.pending())}, 201)


@ROUTER.route("DELETE", "/__sandbox__/faults")
def clear_faults(control: Control, request: Request) -> Response:
    control.server.gate.faults.clear()
    return Response.empty(204)


@ROUTER.route("POST", "/__sandbox__/delay")
def set_delay(control: Control, request: Request) -> Response:
    give(control, {"delay": _body(request)})
    gate = control.server.gate
    return Response.json({"seconds": gate.delay, "jitter": gate.jitter})


@ROUTER.route("POST", "/__sandbox__/commit_late")
def commit_late(control: Control, request: Request) -> Response:
    """Let readers see writes to a table late."""
    give(control, {"commit_late": _body(request)})
    return Response.json({"late_commits": len(control.platform.commits.pending())}, 201)


@ROUTER.route("DELETE", "/__sandbox__/commit_late")
def clear_late_commits(control: Control, request: Request) -> Response:
    control.platform.commits.clear()
    return Response.empty(204)


@ROUTER.route("POST", "/__sandbox__/clock")
def set_clock(control: Control, request: Request) -> Response:
    """Be wrong by `offset_seconds`, now or `after` so many seconds."""
    data = _body(request)
    after = data.pop("after", 0)
    give(control, {"clock": data, "after": after})
    return Response.json({"now": control.platform.clock.now().isoformat()})


@ROUTER.route("GET", "/__sandbox__/settings")
def settings(control: Control, request: Request) -> Response:
    return Response.json(control.platform.settings_shown())


@ROUTER.route("PATCH", "/__sandbox__/settings")
def set_up(control: Control, request: Request) -> Response:
    """Change settings by name: of the connected app and the org, or system properties."""
    control.platform.set_up(_body(request))
    return Response.json(control.platform.settings_shown())


@ROUTER.route("GET", "/__sandbox__/dialect")
def dialect(control: Control, request: Request) -> Response:
    """Every switch with its value, default, question and readings."""
    return Response.json(described(control.platform.dialect))


@ROUTER.route("POST", "/__sandbox__/dialect")
def set_dialect(control: Control, request: Request) -> Response:
    """Set switches, `{name: value}`; the others stay."""
    control.platform.dialect = turned(control.platform.dialect, _body(request))
    return Response.json(described(control.platform.dialect))


@ROUTER.route("POST", "/__sandbox__/expire_tokens")
def expire_tokens(control: Control, request: Request) -> Response:
    return Response.json({"expired": control.platform.expire_tokens()})


@ROUTER.route("POST", "/__sandbox__/spend_budget")
def spend_budget(control: Control, request: Request) -> Response:
    """All of it, or what the body says: `remaining` in Salesforce; `user`, `limit` and `used` in ServiceNow."""
    return Response.json(control.platform.spend_budget(_body(request) or WHOLE_BUDGET))


@ROUTER.route("POST", "/__sandbox__/page_link")
def page_link(control: Control, request: Request) -> Response:
    """An address that opens the system's pages in one browser."""
    if control.pages is None:
        raise ControlError("This server has no pages.")
    return Response.json({"url": control.pages.link()}, 201)


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


@ROUTER.route("POST", "/__sandbox__/rows/{name}/{row_id}/undelete")
def undelete_row(control: Control, request: Request, name: str, row_id: str) -> Response:
    by = str(_body(request).get("by", ""))
    return Response.json({"row": control.platform.undelete(name, row_id, by=by)})


@ROUTER.route("POST", "/__sandbox__/rows/{name}/{row_id}/merge")
def merge_rows(control: Control, request: Request, name: str, row_id: str) -> Response:
    """`{"losers": [ids]}` into the row, as a person of Salesforce does."""
    data = _body(request)
    losers = data.get("losers")
    if not isinstance(losers, list):
        raise ControlError('A merge needs {"losers": [ids]}.')
    by = str(data.get("by", ""))
    merged = control.platform.merge(name, row_id, [str(each) for each in losers], by=by)
    return Response.json({"row": merged})


@ROUTER.route("DELETE", "/__sandbox__/recycle_bin/{name}")
def empty_recycle_bin(control: Control, request: Request, name: str) -> Response:
    return Response.json({"forgotten": control.platform.empty_recycle_bin(name)})


def controls(
    platform: Platform, server: Front, token: str, pages: Pages | None = None
) -> Callable[[Request], Response]:
    return Control(platform, server, token, pages=pages).handle
