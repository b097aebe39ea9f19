"""What is said on either side of the demo's first pair; the next run carries it."""

from __future__ import annotations

from contextlib import closing

from sync.core.records import Operation, Side, Write
from sync.engine.connect import open_connector
from sync.models import Connection, Flow, RecordLink, Run

_INCIDENT = {
    "comments": "We are looking into it. Does it happen on another screen, too?",
    "work_notes": "Same symptom as last week; see the known errors.",
}
_CASE = "The customer sends a photo tomorrow."


def say_something(flow: Flow) -> None:
    """Nothing where no two records belong together yet."""
    link = RecordLink.objects.filter(flow=flow).order_by("servicenow_number").first()
    if link is None:
        return
    said = Write("note", Operation.UPDATE, _INCIDENT, link.servicenow_id)
    _write(flow.servicenow_connection, link.servicenow_table, said)
    comment = {"ParentId": link.salesforce_id, "CommentBody": _CASE, "IsPublished": True}
    _write(flow.salesforce_connection, "CaseComment", Write("comment", Operation.CREATE, comment))


def _write(held: Connection, name: str, write: Write) -> None:
    with closing(open_connector(held)) as connector:
        for _ in connector.write(name, [write]):
            pass


def told(run: Run) -> list[str]:
    """What the run carried of it, in a line, if anything."""
    counts = [
        f"{kind.replace('_', ' ')} to {_NAMES[way]}: {count:,}"
        for way, kinds in sorted(run.entries.items())
        for kind, count in sorted(kinds.items())
    ]
    return [f"  carried to the other side: {', '.join(counts)}"] if counts else []


_NAMES = {f"to_{Side.SERVICENOW}": "ServiceNow", f"to_{Side.SALESFORCE}": "Salesforce"}
