"""SOQL over HTTP: one statement, and the pages that follow it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

from sync.sandbox.salesforce.cursors import Cursor
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.soql.parser import MAX_LEVELS
from sync.sandbox.salesforce.soql.run import run
from sync.sandbox.wire import Response

MAX_URI = 16_384  # bytes of a request line's target
_DEEP_SINCE = 58  # the version since which a subquery may have subqueries
_SMALLEST_PAGE, _LARGEST_PAGE = 200, 2000
_TOO_LONG = "<html><head><title>414 URI Too Long</title></head><body><h1>URI Too Long</h1></body></html>"


@api("GET", "/query")
def query(call: Call) -> Response:
    return _first_page(call, "query", include_deleted=False)


@api("GET", "/queryAll")
def query_all(call: Call) -> Response:
    return _first_page(call, "queryAll", include_deleted=True)


@api("GET", "/query/{locator}")
def query_more(call: Call, locator: str) -> Response:
    return _next_page(call, "query", locator)


@api("GET", "/queryAll/{locator}")
def query_all_more(call: Call, locator: str) -> Response:
    return _next_page(call, "queryAll", locator)


def _first_page(call: Call, resource: str, *, include_deleted: bool) -> Response:
    statement = call.request.query.get("q")
    if not statement:
        raise Refusal("MALFORMED_QUERY", "A query string has to be specified")
    if call.unit is None and _target_length(call, statement) > MAX_URI:
        return Response.text(_TOO_LONG, 414, "text/html;charset=UTF-8")
    base = f"{call.base}/sobjects"
    levels = MAX_LEVELS if call.version >= _DEEP_SINCE else 2
    answer = run(call.org, statement, call.zone, base, include_deleted=include_deleted, levels=levels)
    if answer.counts_only:
        return Response.json({"totalSize": len(answer.rows), "done": True, "records": []})
    size = len(answer.rows) if answer.aggregates else _page_size(call)
    cursor = Cursor(answer.rows, answer.render, size, call.org.now())
    return _page(call, resource, cursor, 0)


def _next_page(call: Call, resource: str, locator: str) -> Response:
    key, _, position = locator.rpartition("-")
    cursor = call.platform.cursors.find(call.user_id, key)
    if not position.isdecimal() or int(position) > len(cursor.rows):
        raise Refusal("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, resource, cursor, int(position))


def _page(call: Call, resource: str, cursor: Cursor, start: int) -> Response:
    end = start + cursor.page_size
    render = cursor.render
    body: dict[str, Any] = {
        "totalSize": len(cursor.rows),
        "done": end >= len(cursor.rows),
        "records": [render(row.values) for row in cursor.rows[start:end]],
    }
    if not body["done"]:
        key = cursor.key or call.platform.cursors.open(call.user_id, cursor)
        body["nextRecordsUrl"] = f"{call.base}/{resource}/{key}-{end}"
    return Response.json(body)


def _target_length(call: Call, statement: str) -> int:
    """Return about the size of the request's target: exact for clients that encode blanks as `+`."""
    return len(call.request.path) + len("?q=") + len(quote_plus(statement))


def _page_size(call: Call) -> int:
    """Return the page size: 2000 unless the options ask for less, never under 200."""
    for option in call.request.headers.get("sforce-query-options", "").split(","):
        name, _, size = option.partition("=")
        if name.strip().lower() == "batchsize" and size.strip().isdecimal():
            return min(max(int(size), _SMALLEST_PAGE), _LARGEST_PAGE)
    return _LARGEST_PAGE
