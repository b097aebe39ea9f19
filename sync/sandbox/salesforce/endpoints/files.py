"""The bytes of a file's version."""

from __future__ import annotations

import base64

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.wire import Response


@api("GET", "/sobjects/ContentVersion/{record_id}/VersionData")
def version_data(call: Call, record_id: str) -> Response:
    view = call.org.view("ContentVersion")
    if view.field("VersionData") is None:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    row = call.org.living(view, record_id)
    data = base64.b64decode(str(row.values[view.slot("VersionData")] or ""))
    return Response(200, data, {"Content-Type": "application/octet-stream"})
