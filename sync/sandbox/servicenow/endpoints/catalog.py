"""The Service Catalog API: `/api/sn_sc/servicecatalog/items`, one item with its variables, and `order_now`.

Source: the vendor's Service Catalog API page. Its variables' keys are those that public clients read. Carts, wish lists,
order guides, record producers and user criteria are not simulated; each active item may be ordered by everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sync.sandbox.servicenow.endpoints.routing import ApiCall, Endpoint, api_route
from sync.sandbox.servicenow.endpoints.table import number
from sync.sandbox.servicenow.ordering import Order, Orders, refused
from sync.sandbox.servicenow.schema import SYS_ID, Row
from sync.sandbox.servicenow.tables.catalog import (
    FRIENDLY_TYPES,
    ITEM_OPTION_NEW,
    QUESTION_CHOICE,
    SC_CAT_ITEM,
    SC_CATALOG,
    SC_CATEGORY,
)
from sync.sandbox.servicenow.values import as_text
from sync.sandbox.wire import Response

_BASE = "/api/sn_sc/"
_VERSIONS = ("", "v1/")
DEFAULT_LIMIT = 10_000
_AT = SC_CAT_ITEM.position
_UNSEEN = "Security constraints prevent viewing of Item"  # UNVERIFIED wording
_ORDERED_TYPES = frozenset({"Record Producer", "Order Guide"})


def _route(method: str, path: str) -> Callable[[Endpoint], Endpoint]:
    return api_route(method, f"servicecatalog/{path}", _VERSIONS, base=_BASE)


@_route("GET", "items")
def list_items(call: ApiCall) -> Response:
    query = call.request.query
    offset, limit = number(query, "sysparm_offset", 0), number(query, "sysparm_limit", DEFAULT_LIMIT)
    items = [row for row in call.platform.store.every("sc_cat_item") if _wanted(row, query)]
    items.sort(key=lambda row: (int(row[_AT["order"]] or "0"), row[_AT["name"]]))
    shown = [_item(call, row) for row in items[offset : offset + limit]]
    return Response.json({"result": shown})


@_route("GET", "items/{sys_id}")
def read_item(call: ApiCall, sys_id: str) -> Response:
    orders = _orders(call)
    item = orders.visible(sys_id, _UNSEEN)
    scripts: dict[str, list[object]] = {"onChange": [], "onSubmit": [], "onLoad": []}
    return Response.json(
        {
            "result": {
                **_item(call, item),
                "categories": _categories(call, item),
                "variables": [_variable(call, row) for row in orders.questions(item)],
                "ui_policy": [],
                "client_script": scripts,
                "data_lookup": [],
            }
        }
    )


@_route("GET", "items/{sys_id}/variables")
def read_variables(call: ApiCall, sys_id: str) -> Response:
    orders = _orders(call)
    item = orders.visible(sys_id, _UNSEEN)
    return Response.json({"result": [_variable(call, row) for row in orders.questions(item)]})


@_route("POST", "items/{sys_id}/order_now")
def order_now(call: ApiCall, sys_id: str) -> Response:
    """Each call is another order: nothing in it is a key."""
    body = call.body()
    answers = body.get("variables") or {}
    if not isinstance(answers, Mapping):
        raise refused("Invalid Request", 404)
    order = Order(
        quantity=body.get("sysparm_quantity"),
        answers=answers,
        requested_for=as_text(body.get("sysparm_requested_for")),
        special_instructions=as_text(body.get("special_instructions")),  # as CartJS takes it; UNVERIFIED here
        delivery_address=as_text(body.get("delivery_address")),
        validated=as_text(body.get("sysparm_no_validation")) != "true",
    )
    request = _orders(call).place(sys_id, order, call.principal)
    call.platform.counters.wrote(created=1)
    placed = request[call.platform.registry["sc_request"].position["number"]]
    return Response.json(
        {
            "result": {
                "sys_id": request[SYS_ID],
                "number": placed,
                "request_number": placed,
                "request_id": request[SYS_ID],
                "table": "sc_request",
            }
        }
    )


def _orders(call: ApiCall) -> Orders:
    return Orders(call.platform.store, call.platform.records)


def _wanted(row: Row, query: Mapping[str, str]) -> bool:
    """Another `sysparm_type` than the two that are named is ignored; of those two there are none here."""
    text = query.get("sysparm_text", "").strip('"').casefold()
    said = f"{row[_AT['name']]} {row[_AT['short_description']]} {row[_AT['description']]}".casefold()
    catalog, category = query.get("sysparm_catalog"), query.get("sysparm_category")
    return (
        row[_AT["active"]] == "true"
        and text in said
        and (not catalog or catalog in row[_AT["sc_catalogs"]].split(","))
        and (not category or category == row[_AT["category"]])
        and query.get("sysparm_type", "") not in _ORDERED_TYPES
    )


def _item(call: ApiCall, row: Row) -> dict[str, object]:
    category = call.platform.store.find("sc_category", row[_AT["category"]])
    return {
        "sys_id": row[SYS_ID],
        "name": row[_AT["name"]],
        "short_description": row[_AT["short_description"]],
        "description": row[_AT["description"]],
        "sys_class_name": "sc_cat_item",
        "type": "catalog_item",
        "content_type": "",
        "kb_article": "",
        "icon": "images/icons/catalog_item.gifx",
        "picture": "",
        "url": "",
        "order": int(row[_AT["order"]] or "0"),
        "catalogs": _catalogs(call, row),
        "category": None if category is None else _titled(category, SC_CATEGORY.position["title"]),
        "show_quantity": row[_AT["no_quantity"]] != "true",
        **_prices(row),
    }


def _prices(row: Row) -> dict[str, object]:
    """An item that costs nothing shows no price."""
    price, recurring = float(row[_AT["price"]] or 0), float(row[_AT["recurring_price"]] or 0)
    if not price and not recurring:
        return {"show_price": False}
    return {
        "show_price": True,
        "price": f"${price:,.2f}",
        "localized_price": f"${price:,.2f}",
        "price_currency": "USD",
        "local_currency": "USD",
        "recurring_price": f"${recurring:,.2f}",
        "localized_recurring_price": f"${recurring:,.2f}",
        "recurring_price_currency": "USD",
        "recurring_frequency": row[_AT["recurring_frequency"]] or None,
    }


def _titled(row: Row, at: int) -> dict[str, object]:
    return {"sys_id": row[SYS_ID], "title": row[at]}


def _catalogs(call: ApiCall, row: Row) -> list[dict[str, object]]:
    ids = [each for each in row[_AT["sc_catalogs"]].split(",") if each]
    found = [catalog for each in ids if (catalog := call.platform.store.find("sc_catalog", each)) is not None]
    return [_titled(catalog, SC_CATALOG.position["title"]) for catalog in found]


def _categories(call: ApiCall, row: Row) -> list[dict[str, object]]:
    at = SC_CATEGORY.position
    category = call.platform.store.find("sc_category", row[_AT["category"]])
    if category is None:
        return []
    parent = call.platform.store.find("sc_category", category[at["parent"]]) or category
    inner = {**_titled(category, at["title"]), "active": category[at["active"]] == "true"}
    return [{**_titled(parent, at["title"]), "active": parent[at["active"]] == "true", "category": inner}]


def _variable(call: ApiCall, row: Row) -> dict[str, object]:
    at, kind = ITEM_OPTION_NEW.position, row[ITEM_OPTION_NEW.position["type"]]
    choices = QUESTION_CHOICE.position
    mine = [
        each
        for each in call.platform.store.every("question_choice")
        if each[choices["question"]] == row[SYS_ID]
    ]
    mine.sort(key=lambda each: int(each[choices["order"]] or "0"))
    options = [{"label": each[choices["text"]], "value": each[choices["value"]]} for each in mine]
    return {
        "id": f"IO:{row[SYS_ID]}",
        "name": row[at["name"]],
        "label": row[at["question_text"]],
        "type": int(kind or "6"),
        "friendly_type": FRIENDLY_TYPES.get(kind, ""),
        "mandatory": row[at["mandatory"]] == "true",
        "active": True,
        "read_only": False,
        "value": row[at["default_value"]],
        "displayvalue": row[at["default_value"]],
        "help_text": row[at["help_text"]],
        **({"reference": row[at["reference"]]} if kind == "8" else {}),
        **({"choices": options} if options else {}),
    }
