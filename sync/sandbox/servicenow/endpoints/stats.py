"""The Aggregate API: `/api/now/stats/{table}`.

Whether rows hidden one by one are counted, as in X-Total-Count, is a switch; a table the caller may not read counts nothing.
"""

from __future__ import annotations

import sys
from functools import partial

from sync.sandbox.servicenow.aggregates import (
    FUNCTIONS,
    Group,
    Wanted,
    as_number,
    grouped,
    parse_having,
    passes,
    reckon,
    stats,
)
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.endpoints.table import Call, compiled
from sync.sandbox.servicenow.schema import Row, Table
from sync.sandbox.servicenow.search import search
from sync.sandbox.servicenow.terms import Operand, resolve
from sync.sandbox.wire import Response


@api_route("GET", "stats/{table}")
def aggregate(api: ApiCall, table: str) -> Response:
    query = api.request.query
    found = api.table(table)
    wanted = Wanted(
        query.get("sysparm_count") == "true",
        {name: _operands(api, found, f"sysparm_{name}_fields") for name in FUNCTIONS},
        _operands(api, found, "sysparm_group_by"),
    )
    having = parse_having(query.get("sysparm_having", ""))
    operands = {each.field: operand for each in having if (operand := _operand(api, found, each.field))}
    groups = [group for group in grouped(wanted, _rows(api, found)) if passes(having, operands, group)]
    for order in reversed([each for each in query.get("sysparm_order_by", "").split(",") if each]):
        _sort(api, found, wanted, groups, order)
    answers = [_answer(api, wanted, group) for group in groups]
    if wanted.groups:
        return Response.json({"result": answers})
    return Response.json({"result": answers[0] if answers else {"stats": {}}})


def _rows(api: ApiCall, table: Table) -> list[Row]:
    if not api.principal.has(table.readers):
        return []
    call = Call(api.platform, api.principal, table, api.request)
    found = search(api.platform.store, table, compiled(call), offset=0, limit=sys.maxsize, count=False)
    if api.platform.dialect.aggregates_count_hidden_rows:
        return found.rows
    return [row for row in found.rows if api.platform.access.reads(api.principal, table, row)]


def _operand(api: ApiCall, table: Table, name: str) -> Operand | None:
    platform, who = api.platform, api.principal
    return resolve(platform.store, table, who.time_zone, name, partial(platform.access.sees, who))


def _operands(api: ApiCall, table: Table, parameter: str) -> list[tuple[str, Operand]]:
    """The columns a parameter names; unknown ones are dropped."""
    names = [name.strip() for name in api.request.query.get(parameter, "").split(",")]
    return [(name, operand) for name in names if (operand := _operand(api, table, name))]


def _sort(api: ApiCall, table: Table, wanted: Wanted, groups: list[Group], order: str) -> None:
    """By a grouped column, or by a figure such as `AVG^impact` or `COUNT`; `^DESC` at the end turns it round."""
    name, _, rest = order.removesuffix("^DESC").partition("^")
    function = name.lower()
    operand = _operand(api, table, rest)
    columns = [column for column, _ in wanted.groups]
    if name in columns:
        at = columns.index(name)
        groups.sort(key=lambda group: group.keys[at], reverse=order.endswith("^DESC"))
    elif function == "count":
        groups.sort(key=lambda group: len(group.rows), reverse=order.endswith("^DESC"))
    elif function in FUNCTIONS and operand is not None:
        groups.sort(
            key=lambda group: as_number(reckon(function, operand, group.rows)) or 0,
            reverse=order.endswith("^DESC"),
        )


def _answer(api: ApiCall, wanted: Wanted, group: Group) -> dict[str, object]:
    answer: dict[str, object] = {"stats": stats(wanted, group)}
    if wanted.groups:
        display = api.request.query.get("sysparm_display_value", "false")
        answer["groupby_fields"] = [
            _field(name, operand, value, group.rows[0], display)
            for (name, operand), value in zip(wanted.groups, group.keys, strict=True)
        ]
    return answer


def _field(name: str, operand: Operand, value: str, row: Row, display: str) -> dict[str, str]:
    shown = operand.show(row)
    return {
        "true": {"field": name, "value": shown},
        "all": {"field": name, "value": value, "display_value": shown},
    }.get(display, {"field": name, "value": value})
