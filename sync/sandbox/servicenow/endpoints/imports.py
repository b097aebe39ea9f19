"""The Import Set API: `/api/now/import/{staging}`, one row at a time or many.

Source: the vendor's Import Set API page; error entries as users observed them, also with 201. Many rows are keyed by
column labels, as they are by default. The platform transforms them later; here it is done before the answer, which
a client that polls cannot tell from an instance that is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.records import Input
from sync.sandbox.servicenow.schema import SYS_ID, Row, Table
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.tables.imports import SYS_IMPORT_SET, SYS_IMPORT_SET_ROW
from sync.sandbox.servicenow.transforms import TRANSFORMS, Outcome, transform
from sync.sandbox.servicenow.values import as_text, reference_name
from sync.sandbox.wire import BadJson, Response

_WROTE = {"inserted": "created", "updated": "updated"}


@api_route("POST", "import/{staging}")
def load_one(api: ApiCall, staging: str) -> Response:
    table = _staging(api, staging)
    loaded = _load(api, table, _set(api, table), api.body())
    return Response.json(_answer(api, table, loaded), 201)


@api_route("POST", "import/{staging}/insertMultiple")
def load_many(api: ApiCall, staging: str) -> Response:
    table = _staging(api, staging)
    given = api.body().get("records")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadJson("no list of records")
    by_label = {column.label: column.name for column in table.own}
    import_set = _set(api, table)
    for each in given:
        _load(api, table, import_set, {by_label[label]: each[label] for label in each if label in by_label})
    return Response.json({"import_set_id": import_set[SYS_ID], "multi_import_set_id": ""}, 201)


@api_route("GET", "import/{staging}/{sys_id}")
def read_outcome(api: ApiCall, staging: str, sys_id: str) -> Response:
    table = _staging(api, staging)
    return Response.json(_answer(api, table, api.readable(table, sys_id)))


def _staging(api: ApiCall, name: str) -> Table:
    table = api.table(name)
    if table.parent is not SYS_IMPORT_SET_ROW:
        raise errors.Refused(None, message=f"Invalid staging table {name}", status=400)  # UNVERIFIED wording
    if not api.principal.has(table.writers):
        raise errors.acl("Insert")
    return table


def _set(api: ApiCall, table: Table) -> Row:
    values = {
        "number": api.platform.records.next_number(SYS_IMPORT_SET),
        "table_name": table.name,
        "state": "processed",
    }
    return api.platform.records.system_row(SYS_IMPORT_SET.name, values, **_now(api))


def _load(api: ApiCall, table: Table, import_set: Row, fields: Mapping[str, Any]) -> Row:
    """Stage one row and transform it; the row as it stands afterwards."""
    texts = {name: _flat(value) for name, value in fields.items()}
    platform, mapped = api.platform, TRANSFORMS[table.name]
    row = platform.records.insert(table, Input(api.principal, texts))
    outcome = transform(platform.store, platform.records, mapped, table, row, api.principal)
    if outcome.status in _WROTE:
        platform.counters.wrote(**{_WROTE[outcome.status]: 1})
    return platform.records.raw(
        table,
        {
            "sys_id": row[SYS_ID],
            "sys_import_set": import_set[SYS_ID],
            "sys_target_table": mapped.target,
            **_told(outcome),
        },
    )


def _told(outcome: Outcome) -> dict[str, str]:
    return {
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


def _answer(api: ApiCall, table: Table, row: Row) -> dict[str, object]:
    def of(name: str) -> str:
        return row[table.position[name]]

    mapped, status, store = TRANSFORMS[table.name], of("sys_import_state"), api.platform.store
    entry: dict[str, str] = {"transform_map": mapped.name, "table": mapped.target}
    target = of("sys_target_sys_id")
    if target:
        entry["display_name"] = store.registry[mapped.target].display
        entry["display_value"] = reference_name(store, mapped.target, target)
        entry["record_link"] = f"{api.platform.url}/api/now/table/{mapped.target}/{target}"
        entry["sys_id"] = target
    entry["status"] = status
    if of("sys_import_state_comment"):
        entry["error_message" if status == "error" else "status_message"] = of("sys_import_state_comment")
    return {
        "import_set": reference_name(store, SYS_IMPORT_SET.name, of("sys_import_set")),
        "staging_table": table.name,
        "result": [entry],
    }


def _now(api: ApiCall) -> dict[str, str]:
    return {"by": api.principal.user_name, "at": stamp(api.platform.now())}
