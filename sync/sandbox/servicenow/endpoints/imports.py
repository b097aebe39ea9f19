"""The Import Set API: `/api/now/import/{staging}`, one row at a time or many.

Source: the vendor's Import Set API page; error entries as users observed them, also with 201. Many rows are keyed by
column labels, as they are by default. The platform transforms them later; here it is done before the answer, as on an
instance that is quick, unless the system property `sandbox.import.seconds_until_transformed` says when.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.records import Input
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.tables.imports import SYS_IMPORT_SET, SYS_IMPORT_SET_ROW
from sync.sandbox.servicenow.transforms import Outcome, TransformMap, map_named, maps_of, transform
from sync.sandbox.servicenow.values import as_text, reference_name
from sync.sandbox.wire import BadJson, Response

LATER = "sandbox.import.seconds_until_transformed"
_WROTE = {"inserted": "created", "updated": "updated"}


@api_route("POST", "import/{staging}")
def load_one(api: ApiCall, staging: str) -> Response:
    table = _staging(api, staging)
    loaded = _transform(api, table, _stage(api, table, _set(api, table, "processed"), api.body()))
    return Response.json(_answer(api, table, loaded[-1], [_entry(api, table, row) for row in loaded]), 201)


@api_route("POST", "import/{staging}/insertMultiple")
def load_many(api: ApiCall, staging: str) -> Response:
    table = _staging(api, staging)
    given = api.body().get("records")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadJson("no list of records")
    by_label = {column.label: column.name for column in table.own}
    import_set = _set(api, table, "loaded")
    staged = [
        _stage(api, table, import_set, {by_label[label]: each[label] for label in each if label in by_label})[
            SYS_ID
        ]
        for each in given
    ]
    wait = api.platform.store.setting(LATER)
    finish = partial(_transform_all, api, table, import_set, staged)
    if wait.isdigit() and int(wait):
        api.platform.clock.call_in(int(wait), finish)
    else:
        finish()
    return Response.json({"import_set_id": import_set[SYS_ID], "multi_import_set_id": ""}, 201)


@api_route("GET", "import/{staging}/{sys_id}")
def read_outcome(api: ApiCall, staging: str, sys_id: str) -> Response:
    table = _staging(api, staging)
    row = api.readable(table, sys_id)
    return Response.json(_answer(api, table, row, [_entry(api, table, row)]))


def _staging(api: ApiCall, name: str) -> Table:
    table = api.table(name)
    if table.parent is not SYS_IMPORT_SET_ROW:
        raise errors.Refused(None, message=f"Invalid staging table {name}", status=400)  # UNVERIFIED wording
    role = api.platform.dialect.import_set_role
    if not api.principal.has(table.writers if role == "either" else frozenset({role})):
        raise errors.acl("Insert")
    return table


def _set(api: ApiCall, table: Table, state: str) -> Row:
    values = {
        "number": api.platform.records.next_number(SYS_IMPORT_SET),
        "table_name": table.name,
        "state": state,
    }
    return api.platform.records.system_row(SYS_IMPORT_SET.name, values, **_now(api))


def _stage(api: ApiCall, table: Table, import_set: Row, fields: Mapping[str, Any]) -> Row:
    texts = {name: _flat(value) for name, value in fields.items()}
    row = api.platform.records.insert(table, Input(api.principal, texts))
    values = {"sys_id": row[SYS_ID], "sys_import_set": import_set[SYS_ID], "sys_import_state": "pending"}
    return api.platform.records.raw(table, values)


def _transform_all(api: ApiCall, table: Table, import_set: Row, staged: list[str]) -> None:
    """Transform those of the staged rows that are still there."""
    with api.platform.lock:
        found = (api.platform.store.find(table.name, sys_id) for sys_id in staged)
        for row in [each for each in found if each is not None]:
            _transform(api, table, row)
        api.platform.records.raw(SYS_IMPORT_SET, {"sys_id": import_set[SYS_ID], "state": "processed"})


def _transform(api: ApiCall, table: Table, row: Row) -> list[Row]:
    """The row as it stands after each map, of which it remembers the last; as it is where there is no map."""
    outcomes = [
        (each, _transformed(api, each, table, row)) for each in maps_of(api.platform.store, table.name)
    ]
    after = [api.platform.records.raw(table, {"sys_id": row[SYS_ID], **_told(*each)}) for each in outcomes]
    return after or [row]


def _transformed(api: ApiCall, mapped: TransformMap, table: Table, row: Row) -> Outcome:
    platform, trouble = api.platform, api.request.trouble
    if trouble is not None and trouble.strikes(row[SYS_ID]):
        return Outcome("error", comment=f"{trouble.code}: {trouble.text(row[SYS_ID])}")
    outcome = transform(platform.store, platform.records, mapped, table, row, api.principal)
    if outcome.status in _WROTE:
        platform.counters.wrote(**{_WROTE[outcome.status]: 1})
    return outcome


def _told(mapped: TransformMap, outcome: Outcome) -> dict[str, str]:
    return {
        "sys_transform_map": mapped.sys_id,
        "sys_target_table": mapped.target,
        "sys_import_state": outcome.status,
        "sys_import_state_comment": outcome.comment,
        "sys_target_sys_id": outcome.target[SYS_ID] if outcome.target else "",
    }


def _flat(value: object) -> str:
    """Nested values are stored as Java prints them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}={_flat(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return as_text(value)


def _answer(api: ApiCall, table: Table, row: Row, entries: list[dict[str, str] | None]) -> dict[str, object]:
    import_set = row[table.position["sys_import_set"]]
    return {
        "import_set": reference_name(api.platform.store, SYS_IMPORT_SET.name, import_set),
        "staging_table": table.name,
        "result": [each for each in entries if each is not None],
    }


def _entry(api: ApiCall, table: Table, row: Row) -> dict[str, str] | None:
    """What a map made of the row; None where no map has run, or it is gone."""

    def of(name: str) -> str:
        return row[table.position[name]]

    store, status = api.platform.store, of("sys_import_state")
    mapped = map_named(store, of("sys_transform_map"))
    if mapped is None:
        return None
    entry = {"transform_map": mapped.name, "table": mapped.target}
    target = of("sys_target_sys_id")
    if target:
        entry["display_name"] = store.registry[mapped.target].display
        entry["display_value"] = reference_name(store, mapped.target, target)
        entry["record_link"] = f"{api.platform.url}/api/now/table/{mapped.target}/{target}"
        entry["sys_id"] = target
    entry["status"] = status
    if of("sys_import_state_comment"):
        entry["error_message" if status == "error" else "status_message"] = of("sys_import_state_comment")
    return entry


def _now(api: ApiCall) -> dict[str, str]:
    return {"by": api.principal.user_name, "at": stamp(api.platform.now())}
