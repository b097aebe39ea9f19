"""Versions, the resources of a version, and what is left of the org's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.sandbox.salesforce.routing import NEWEST, OLDEST, ROUTES, Call, api
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

_SEASONS = ("Spring", "Summer", "Winter")
_RESOURCES = ("actions", "composite", "jobs", "limits", "query", "queryAll", "sobjects")


def _label(version: int) -> str:
    """Return a release's name: 66 is Spring '26, and there are three a year."""
    season, year = (version - 66) % 3, 26 + (version - 66) // 3
    return f"{_SEASONS[season]} '{year + (season == 2)}"


@ROUTES.route("GET", "/services/data")
def versions(platform: SalesforcePlatform, request: Request) -> Response:
    """List the versions; the only data call without a token."""
    numbers = range(OLDEST, NEWEST + 1)
    return Response.json(
        [
            {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in numbers
        ]
    )


@api("GET", "")
def resources(call: Call) -> Response:
    identity = f"{call.platform.url}/id/{call.platform.org_id}/{call.user_id}"
    return Response.json({"identity": identity, **{name: f"{call.base}/{name}" for name in _RESOURCES}})


@api("GET", "/limits")
def limits(call: Call) -> Response:
    budget = call.platform.budget
    daily = {"Max": budget.maximum, "Remaining": max(0, budget.maximum - budget.used)}
    return Response.json(
        {
            "DailyApiRequests": daily,
            "DailyBulkApiBatches": {"Max": 15000, "Remaining": 15000},
            "DailyBulkV2QueryJobs": {"Max": 10000, "Remaining": 10000},
            "DataStorageMB": {"Max": 10240, "Remaining": 9216},
            "FileStorageMB": {"Max": 10240, "Remaining": 9216},
        }
    )
