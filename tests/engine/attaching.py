"""Files as people of either side add and see them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from sync.models import Flow
from sync.sandbox.pair import Pair
from sync.sandbox.wire import Request
from tests.engine.both import ROWS, make_both
from tests.engine.conftest import run_now

NO_PEOPLE = tuple(row for row in ROWS if row["salesforce"] != "OwnerId")
WRITES = "/api/now/attachment/file", "/sobjects/ContentVersion$"


def carrying(pair: Pair, **changes: Any) -> Flow:
    """A flow both ways that carries files, too."""
    options = {"attachments": changes.pop("attachments", {}), **changes.pop("options", {})}
    return make_both(pair, rows=NO_PEOPLE, options=options, **changes)


def a_pair(flow: Flow, pair: Pair) -> tuple[str, str]:
    """An incident and its Case."""
    incident = pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]
    run_now(flow)
    return incident, case_of(pair, incident)


def case_of(pair: Pair, incident: str) -> str:
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident)
    return str(case["Id"])


def put_on_incident(
    pair: Pair, incident: str, name: str, content: bytes, kind: str = "application/octet-stream"
) -> str:
    """The way of a browser or of another program; returns the sys_id."""
    held = pair.credentials.servicenow
    login = base64.b64encode(f"{held.username}:{held.password}".encode()).decode()
    place = urlencode({"table_name": "incident", "table_sys_id": incident, "file_name": name})
    headers = {"Authorization": f"Basic {login}", "Content-Type": kind}
    request = Request.build("POST", f"/api/now/attachment/file?{place}", headers=headers, body=content)
    answer = pair.servicenow.platform.handle(request)
    assert answer.status == 201, answer.body
    return str(answer.data()["result"]["sys_id"])


def put_on_case(pair: Pair, case: str, name: str, content: bytes, **fields: Any) -> str:
    """Returns the version's Id."""
    data = base64.b64encode(content).decode()
    row = pair.salesforce.add(
        "ContentVersion", PathOnClient=name, VersionData=data, **{"FirstPublishLocationId": case, **fields}
    )
    return str(row["Id"])


def on_incident(pair: Pair, incident: str) -> list[tuple[str, bytes]]:
    """Names and contents, in the order of the names."""
    rows = pair.servicenow.rows("sys_attachment", table_sys_id=incident)
    contents = pair.servicenow.platform.store.contents
    return sorted((row["file_name"], contents[row["sys_id"]]) for row in rows)


def on_case(pair: Pair, case: str) -> list[tuple[str, bytes]]:
    """The same of the versions whose document a Case shows, replaced ones too."""
    links = pair.salesforce.rows("ContentDocumentLink", LinkedEntityId=case)
    documents = {link["ContentDocumentId"] for link in links}
    rows = [row for row in pair.salesforce.rows("ContentVersion") if row["ContentDocumentId"] in documents]
    return sorted((_name(row), base64.b64decode(row["VersionData"])) for row in rows)


def _name(row: dict[str, Any]) -> str:
    return f"{row['Title']}.{row['FileExtension']}" if row["FileExtension"] else str(row["Title"])


def file_writes(pair: Pair) -> tuple[int, int]:
    """Files that callers put on each side, by the sandbox's own count of its routes."""
    return (
        pair.servicenow.counters.calls_to("POST /api/now/attachment/file"),
        pair.salesforce.counters.calls_to("POST /services/data/{version}/sobjects/{name}"),
    )
