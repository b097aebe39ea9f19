"""One row: create, read, update, delete, and upsert by external id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.sandbox.salesforce.conditional import header_matches, header_time, tag_headers
from sync.sandbox.salesforce.multipart import sent_record
from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.select import renderer
from sync.sandbox.salesforce.soql.syntax import Path
from sync.sandbox.salesforce.store import Row
from sync.sandbox.salesforce.upserting import key_field, upsert
from sync.sandbox.wire import Response

_UPSERT_ANSWERS_SINCE = 46  # the API version from which an upsert that updated has a body


@api("POST", "/sobjects/{name}")
def create(call: Call, name: str) -> Response:
    view, writer = call.org.view(name), call.writer()
    sent = sent_record(call)
    _refuse_id(sent, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call")
    row = writer.insert(view, sent)
    call.count(writer)
    return _created(call, view, row)


@api("GET", "/sobjects/{name}/{record_id}")
def read(call: Call, name: str, record_id: str) -> Response:
    view = call.org.view(name)
    return _show(call, view, _visible(call, view, record_id))


@api("PATCH", "/sobjects/{name}/{record_id}")
def update(call: Call, name: str, record_id: str) -> Response:
    view, writer = call.org.view(name), call.writer()
    sent = call.json_object()
    _refuse_id(sent, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    row = call.org.living(view, record_id)
    _refuse_modified(call, view, row)
    writer.update(view, row, sent)
    call.count(writer)
    return Response.empty(204, tag_headers(view.name, row))


@api("DELETE", "/sobjects/{name}/{record_id}")
def delete(call: Call, name: str, record_id: str) -> Response:
    view, writer = call.org.view(name), call.writer()
    writer.delete(view, call.org.living(view, record_id))
    call.count(writer)
    return Response.empty(204)


@api("GET", "/sobjects/{name}/{field}/{value}")
def read_by_key(call: Call, name: str, field: str, value: str) -> Response:
    view = call.org.view(name)
    matches = view.table.find(key_field(view, field).name, value)
    if len(matches) > 1:
        return _several(call, view, matches)
    if not matches:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    return _show(call, view, matches[0])


@api("PATCH", "/sobjects/{name}/{field}/{value}")
def upsert_by_key(call: Call, name: str, field: str, value: str) -> Response:
    view, writer = call.org.view(name), call.writer()
    key, sent = key_field(view, field), call.json_object()
    if any(column.lower() in (key.name.lower(), "id") for column in sent):
        raise Refusal("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    matches = view.table.find(key.name, value)
    if len(matches) > 1:
        return _several(call, view, matches)
    if not matches and call.request.query.get("updateOnly", "").lower() == "true":
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    row, created = upsert(writer, view, key, value, sent, matches)
    call.count(writer)
    if created:
        return _created(call, view, row, created=True)
    if call.version < _UPSERT_ANSWERS_SINCE:
        return Response.empty(204)
    return Response.json({"id": row.values[0], "success": True, "errors": [], "created": False})


@api("DELETE", "/sobjects/{name}/{field}/{value}")
def delete_by_key(call: Call, name: str, field: str, value: str) -> Response:
    view, writer = call.org.view(name), call.writer()
    matches = view.table.find(key_field(view, field).name, value)
    if len(matches) > 1:
        return _several(call, view, matches)
    if not matches:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    writer.delete(view, matches[0])
    call.count(writer)
    return Response.empty(204)


def _refuse_id(sent: Mapping[str, Any], code: str, message: str) -> None:
    if any(name.lower() == "id" for name in sent):
        raise Refusal(code, message, "Id")


def _created(call: Call, view: View, row: Row, **more: bool) -> Response:
    body: dict[str, Any] = {"id": row.values[0], "success": True, "errors": [], **more}
    return Response.json(body, 201, {"Location": _url(call, view, row)})


def _several(call: Call, view: View, matches: tuple[Row, ...]) -> Response:
    return Response.json([_url(call, view, row) for row in matches], 300)


def _url(call: Call, view: View, row: Row) -> str:
    return f"{call.base}/sobjects/{view.name}/{row.values[0]}"


def _visible(call: Call, view: View, record_id: str) -> Row:
    """Return a row to read. A deleted one is merely not found; only a write says that it is deleted."""
    try:
        return call.org.living(view, record_id)
    except Refusal as refusal:
        raise Refusal("NOT_FOUND", "The requested resource does not exist") from refusal


def _show(call: Call, view: View, row: Row) -> Response:
    tags = tag_headers(view.name, row)
    if _is_known(call, view, row):
        return Response.empty(304, tags)
    asked = call.request.query.get("fields", "")
    names = [name.strip() for name in asked.split(",")] if asked else [f.name for f in view.sobject.fields]
    columns = Columns(call.org, view, asked)
    paths = tuple(Path(tuple(name.split(".")), 0) for name in names)
    return Response.json(renderer(columns, view, paths, f"{call.base}/sobjects")(row.values), headers=tags)


def _is_known(call: Call, view: View, row: Row) -> bool:
    """Whether a reader has this version, by its tag or else by its time. Raises Refusal if another was asked for."""
    if header_matches(call.request, "if-match", view.name, row) is False:
        raise _precondition_failed()
    match = header_matches(call.request, "if-none-match", view.name, row)
    if match is not None:
        return match
    known = header_time(call.request, "if-modified-since")
    return known is not None and not _modified_after(call, view, row, known)


def _refuse_modified(call: Call, view: View, row: Row) -> None:
    """Obey the conditions of a write; whether those of a composite's part count is a switch. Raises Refusal."""
    since = header_time(call.request, "if-unmodified-since")
    match = header_matches(call.request, "if-match", view.name, row)
    none_match = header_matches(call.request, "if-none-match", view.name, row)
    if call.unit is not None and not call.org.dialect.conditional_check_in_composite_subrequests:
        return
    late = match is None and since is not None and _modified_after(call, view, row, since)
    if late or match is False or none_match:
        raise _precondition_failed()


def _precondition_failed() -> Refusal:
    return Refusal("PRECONDITION_FAILED", "The resource has been modified since the given time.")


def _modified_after(call: Call, view: View, row: Row, moment: int) -> bool:
    """Compare in spans of so many seconds as the dialect says."""
    grain = max(1, call.org.dialect.if_unmodified_since_grain)
    return int(row.values[view.slot("LastModifiedDate")] or 0) // grain > moment // grain
