"""Many rows in one call. A well-formed call is always 200; each record has its own result, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Problem, Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.select import renderer
from sync.sandbox.salesforce.soql.syntax import Path
from sync.sandbox.salesforce.store import Row
from sync.sandbox.salesforce.upserting import key_field, upsert
from sync.sandbox.wire import Response

MAX_WRITES, MAX_READS, MAX_TYPE_CHUNKS = 200, 2000, 10
_ROLLED_BACK = Problem(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
_ID = ("Id", "id", "ID", "iD")  # names of fields are the same in either case
Record = Mapping[str, Any]
Result = dict[str, Any]


@api("POST", "/composite/sobjects")
def create(call: Call) -> Response:
    records, all_or_none = _records(call)
    writer = call.writer()

    def write(record: Record) -> Result:
        if _id_of(record) is not None:
            raise Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", "Id")
        return _done(writer.insert(writer.view(_type(record)), record))

    return _respond(call, writer, records, write, all_or_none)


@api("PATCH", "/composite/sobjects")
def update(call: Call) -> Response:
    records, all_or_none = _records(call)
    writer = call.writer()
    seen: set[str] = set()

    def write(record: Record) -> Result:
        view, record_id = writer.view(_type(record)), _id_of(record)
        if record_id is None:
            raise Refusal("MISSING_ARGUMENT", "Id not specified in an update call", "Id")
        row = _living(call, view, record_id)
        _refuse_repeat(seen, str(row.values[0]), "duplicate id specified")
        writer.update(view, row, {name: value for name, value in record.items() if name.lower() != "id"})
        return _done(row)

    return _respond(call, writer, records, write, all_or_none)


@api("PATCH", "/composite/sobjects/{name}/{field}")
def upsert_all(call: Call, name: str, field: str) -> Response:
    records, all_or_none = _records(call)
    view, writer = call.org.view(name), call.writer()
    key = key_field(view, field)
    seen: set[str] = set()

    def write(record: Record) -> Result:
        return _upsert(writer, view, key, record, seen)

    return _respond(call, writer, records, write, all_or_none, failed={"created": False})


def _upsert(writer: Writer, view: View, key: Field, record: Record, seen: set[str]) -> Result:
    if _id_of(record) is not None:
        raise Refusal("INVALID_FIELD", "The Id field should not be specified in the sobject data.", "Id")
    value = record.get(key.name)
    if value is None:
        value = next((value for name, value in record.items() if name.lower() == key.name.lower()), None)
    if value is None or value == "":
        raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", key.name)
    _refuse_repeat(seen, str(value).lower(), f"Duplicate external id specified: {value}", key.name)
    matches = view.table.find(key.name, str(value))
    if len(matches) > 1:
        ids = ", ".join(str(row.values[0]) for row in matches)
        raise Refusal(
            "DUPLICATE_EXTERNAL_ID", f"{key.label}: more than one record found for external id field: [{ids}]"
        )
    row, created = upsert(writer, view, key, value, record, matches)
    return _done(row, created=created)


@api("DELETE", "/composite/sobjects")
def delete(call: Call) -> Response:
    ids = [part for part in call.request.query.get("ids", "").split(",") if part]
    _check_size(len(ids), MAX_WRITES)
    all_or_none = call.request.query.get("allOrNone", "").lower() == "true"
    writer = call.writer()

    def write(record: Record) -> Result:
        table = call.org.table_of(record["id"])
        if table is None or to18(record["id"]) is None:
            raise Refusal("MALFORMED_ID", f"malformed id {record['id']}")
        view = writer.view(table.sobject.name)
        row = _living(call, view, record["id"])
        writer.delete(view, row)
        return _done(row)

    return _respond(call, writer, [{"id": each} for each in ids], write, all_or_none)


@api("GET", "/composite/sobjects/{name}")
def retrieve_by_url(call: Call, name: str) -> Response:
    query = call.request.query
    return _retrieve(call, name, query.get("ids", "").split(","), query.get("fields", "").split(","))


@api("POST", "/composite/sobjects/{name}")
def retrieve(call: Call, name: str) -> Response:
    body = call.json_object()
    ids, fields = body.get("ids"), body.get("fields")
    if not isinstance(ids, list) or not isinstance(fields, list):
        raise Refusal("MISSING_ARGUMENT", "ids and fields are required")
    return _retrieve(call, name, ids, fields)


def _retrieve(call: Call, name: str, ids: Sequence[object], fields: Sequence[str]) -> Response:
    """Answer the rows in the order of their ids, null for those that are missing or deleted."""
    _check_size(len(ids), MAX_READS)
    view = call.org.view(name)
    paths = tuple(Path(tuple(str(field).strip().split(".")), 0) for field in fields)
    render = renderer(Columns(call.org, view, ""), view, paths, f"{call.base}/sobjects")
    rows = (view.table.rows.get(to18(record_id) or "") for record_id in ids)
    deleted = view.table.deleted_slot
    return Response.json(
        [render(row.values) if row is not None and not row.values[deleted] else None for row in rows]
    )


# What all writing calls share


def _records(call: Call) -> tuple[list[Record], bool]:
    """Return the records and whether one failure undoes all. Raises Refusal for the whole call."""
    body = call.json_object()
    records = body.get("records")
    if not isinstance(records, list):
        raise Refusal("MISSING_ARGUMENT", "records is a required field")
    _check_size(len(records), MAX_WRITES)
    for record in records:
        if not isinstance(record, dict) or not _type(record):
            raise Refusal("MISSING_ARGUMENT", "Every record needs attributes with a type.")
    if sum(1 for _ in groupby(_type(record) for record in records)) > MAX_TYPE_CHUNKS:
        raise Refusal(
            "EXCEEDED_MAX_TYPES_LIMIT", f"Too many type changes, {MAX_TYPE_CHUNKS} chunks are allowed"
        )
    if call.org.dialect.unknown_field_fails_whole_collection:
        _refuse_unknown_fields(call, records)
    return records, body.get("allOrNone") is True


def _check_size(size: int, maximum: int) -> None:
    if size > maximum:
        raise Refusal(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {maximum} records into this call",
        )


def _refuse_unknown_fields(call: Call, records: Iterable[Record]) -> None:
    for record in records:
        view = call.org.views.get(_type(record).lower())
        for name in record:
            if view is not None and name.lower() not in ("attributes", *view.by_name, *view.by_relationship):
                raise Refusal(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {view.name}", name
                )


def _type(record: Record) -> str:
    attributes = record.get("attributes")
    return str(attributes.get("type") or "") if isinstance(attributes, dict) else ""


def _id_of(record: Record) -> object:
    return next((record[name] for name in _ID if name in record), None)


def _living(call: Call, view: View, record_id: object) -> Row:
    """Return the row to write. In a collection an unknown id is a bad reference, not a missing resource."""
    try:
        return call.org.living(view, record_id)
    except Refusal as refusal:
        if refusal.problem.code != "NOT_FOUND":
            raise
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id") from refusal


def _refuse_repeat(seen: set[str], key: str, message: str, *fields: str) -> None:
    if key in seen:
        raise Refusal("DUPLICATE_VALUE", message, *fields)
    seen.add(key)


def _done(row: Row, **more: bool) -> Result:
    return {"id": row.values[0], "success": True, "errors": [], **more}


def _respond(
    call: Call,
    writer: Writer,
    records: Sequence[Record],
    write: Callable[[Record], Result],
    all_or_none: bool,
    failed: Result | None = None,
) -> Response:
    """Write every record and answer a result for each; `failed` is what a failure carries beside it."""
    results: list[Result] = []
    refusals = 0
    for record in records:
        try:
            results.append(write(record))
        except Refusal as refusal:
            refusals += 1
            results.append(_failure(refusal.problem, failed))
    if all_or_none and refusals:
        writer.rollback()
        results = [_failure(_ROLLED_BACK, failed) if each["success"] else each for each in results]
    call.count(writer)
    return Response.json(results)


def _failure(problem: Problem, more: Result | None) -> Result:
    return {"success": False, "errors": [problem.as_record_error()], **(more or {})}
