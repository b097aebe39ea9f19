"""Routing tables of the file: what is wrong with one, and how it is applied and exported."""

from __future__ import annotations

import re
from typing import Any

from mappings import routing
from mappings.models import Desk, Route, RoutingTable
from sync.configuration.documents import RouteDoc, RoutingTableDoc
from sync.configuration.plan import Plan, bring
from sync.configuration.problems import Remarks

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,4}")


def check_routing(doc: RoutingTableDoc, remarks: Remarks) -> None:
    path = f"routing_tables[{doc.name}]"
    for index, each in enumerate(doc.routes):
        where = f"{path}.routes[{index}]"
        if bool(each.servicenow) == bool(each.salesforce):
            remarks.problem(
                each.line, where, "Name the field that is looked at: servicenow or salesforce, one of them."
            )
        elif not _FIELD.fullmatch(each.servicenow or each.salesforce):
            remarks.problem(
                each.line, where, f"{each.servicenow or each.salesforce!r} is no name of a field."
            )
    for trouble in routing.troubles(_desks(doc), _routes(doc)):
        line = (doc.desks if trouble.part == "desks" else doc.routes)[trouble.index].line
        remarks.problem(line, f"{path}.{trouble.part}[{trouble.index}]", trouble.text)


def _desks(doc: RoutingTableDoc) -> list[routing.Desk]:
    return [routing.Desk(desk.name, desk.works_in, desk.servicenow, desk.salesforce) for desk in doc.desks]


def _routes(doc: RoutingTableDoc) -> list[routing.Route]:
    return [routing.Route(*_of(each), each.value, each.desk) for each in doc.routes]


def _of(route: RouteDoc) -> tuple[str, str]:
    return ("servicenow", route.servicenow) if route.servicenow else ("salesforce", route.salesforce)


def apply_routing_table(doc: RoutingTableDoc, plan: Plan) -> None:
    """Desks and routes follow the file in its order; equal ones are left as they are, with what was resolved for them."""
    brought = bring(RoutingTable, doc.name, {"description": doc.description})
    desks = [
        {
            "name": desk.name,
            "works_in": desk.works_in,
            "servicenow": desk.servicenow,
            "salesforce": desk.salesforce,
        }
        for desk in doc.desks
    ]
    routes = [
        {"side": side, "field": field, "value": each.value, "desk": each.desk}
        for each in doc.routes
        for side, field in [_of(each)]
    ]
    details = _follow(brought.row, Desk, desks, "desk") + _follow(brought.row, Route, routes, "route")
    brought.noted(plan, details)


def _follow(table: RoutingTable, model: Any, wanted: list[dict[str, str]], noun: str) -> list[str]:
    held = (
        {
            tuple(str(getattr(row, name)) for name in wanted[0]): row
            for row in model.objects.filter(table=table)
        }
        if wanted
        else {}
    )
    keys = [tuple(values.values()) for values in wanted]
    gone = (
        [row for key, row in held.items() if key not in keys]
        if wanted
        else list(model.objects.filter(table=table))
    )
    for row in gone:
        row.delete()
    details = [f"{noun} removed: {row}" for row in gone]
    for position, (key, values) in enumerate(zip(keys, wanted, strict=True)):
        row = held.get(key)
        if row is None:
            details.append(f"{noun} added: {model.objects.create(table=table, position=position, **values)}")
        elif row.position != position:
            row.position = position
            row.save(update_fields=["position"])
            details.append(f"{noun} moved: {row}")
    return details


def exported(row: RoutingTable) -> dict[str, Any]:
    desks = [
        {"name": desk.name, "servicenow": desk.servicenow, "salesforce": desk.salesforce}
        | ({"works_in": desk.works_in} if desk.works_in != "servicenow" else {})
        for desk in row.desks.all()
    ]
    routes = [{each.side: each.field, "value": each.value, "desk": each.desk} for each in row.routes.all()]
    return {
        "name": row.name,
        **({"description": row.description} if row.description else {}),
        "desks": desks,
        **({"routes": routes} if routes else {}),
    }
