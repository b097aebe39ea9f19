"""Short addresses for long ones: `/api/now/tinyurl`, and `sysparm_tiny` wherever a query is read.

Not in the vendor's reference. Source: the platform's own browser scripts (GlideNavigation) and ServiceNow's developer
program code snippets; the itsm collection reads tables so. UNVERIFIED: the status, and that parameters beside the key win.
"""

from __future__ import annotations

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.wire import Response


@api_route("POST", "tinyurl")
def shorten(api: ApiCall) -> Response:
    url = api.body().get("url")
    if not isinstance(url, str) or "?" not in url:
        raise errors.Refused(None, message="Missing parameter: url", status=400)  # UNVERIFIED wording
    page, _, data = url.partition("?")
    api.platform.records.system_row(
        "sys_tiny_url",
        {"tiny_url": (key := api.platform.store.new_id()), "data": data},
        by=api.principal.user_name,
        at=stamp(api.platform.now()),
    )
    return Response.json({"result": f"{page}?sysparm_tiny={key}"}, 201)
