"""Which rows of an object changed or went in a span of time: ids only, to the minute.

Source: REST guide, "Get Updated" and "Get Deleted"; SOAP guide, the results of getUpdated() and getDeleted().
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.values import render_datetime
from sync.sandbox.wire import Response

MAX_IDS = 600_000
_MINUTE, _DAY = 60, 24 * 3600  # seconds
_UPDATED_REACH, _DELETED_REACH = 30 * _DAY, 15 * _DAY


@api("GET", "/sobjects/{name}/updated")
def updated(call: Call, name: str) -> Response:
    view = call.org.view(name)
    start, end = _window(call, _UPDATED_REACH)
    ids = [row_id for _, row_id in _changed(view, start, end, deleted=False)]
    _check_size(len(ids))
    return Response.json({"ids": ids, "latestDateCovered": render_datetime(_covered(call, end))})


@api("GET", "/sobjects/{name}/deleted")
def deleted(call: Call, name: str) -> Response:
    view = call.org.view(name)
    start, end = _window(call, _DELETED_REACH)
    purged = [(stamp, row_id) for stamp, row_id in view.table.purged if start <= stamp < end]
    gone = sorted([*_changed(view, start, end, deleted=True), *purged])
    _check_size(len(gone))
    return Response.json(
        {
            "deletedRecords": [
                {"id": row_id, "deletedDate": render_datetime(stamp)} for stamp, row_id in gone
            ],
            "earliestDateAvailable": render_datetime(call.org.now() - _DELETED_REACH),
            "latestDateCovered": render_datetime(_covered(call, end)),
        }
    )


def _changed(view: View, start: int, end: int, *, deleted: bool) -> Iterator[tuple[int, str]]:
    """Yield stamp and id of rows last touched in `[start, end)`; a row's deletion is its last touch."""
    table = view.table
    for row in table.scan(start):
        stamp = int(row.values[table.stamp_slot] or 0)
        if stamp >= end:
            return
        if bool(row.values[table.deleted_slot]) is deleted:
            yield stamp, str(row.values[0])


def _window(call: Call, reach: int) -> tuple[int, int]:
    """Return the asked span, whole minutes in seconds since 1970 UTC. Raises Refusal."""
    start, end = (_moment(call, name) for name in ("start", "end"))
    if end - start < _MINUTE:
        raise Refusal(
            "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate"
        )
    if start < call.org.now() - reach:
        raise Refusal("INVALID_REPLICATION_DATE", f"startDate cannot be more than {reach // _DAY} days ago")
    return start, end


def _moment(call: Call, name: str) -> int:
    text = call.request.query.get(name, "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("INVALID_REPLICATION_DATE", f"{name} is not a date and time: {text}") from None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return seconds - seconds % _MINUTE


def _covered(call: Call, end: int) -> int:
    """Return until when the answer is complete: what this very minute brings is not covered yet."""
    now = call.org.now()
    return min(end, now - now % _MINUTE)


def _check_size(size: int) -> None:
    if size > MAX_IDS:
        raise Refusal("EXCEEDED_ID_LIMIT", f"The date span holds more than {MAX_IDS} ids")
