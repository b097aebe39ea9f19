"""Placing an order of one catalog item: a request, its requested item, and the answers to the item's questions.

An order below 1,000 in price is approved at once, and its task made; a dearer one waits for the owner of the catalog
item. Source: the vendor's Service Catalog API page; the shipped request flow. What an order asks first and says in
refusal: support articles that show the script behind `order_now`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sync.sandbox.servicenow.access import Principal
from sync.sandbox.servicenow.errors import Refused
from sync.sandbox.servicenow.records import Input, Records
from sync.sandbox.servicenow.schema import SYS_ID, Row
from sync.sandbox.servicenow.store import Store
from sync.sandbox.servicenow.values import as_text

_QUANTITY = re.compile(r"\+?([0-9]*)")
_APPROVED_BELOW = 1000
Answers = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Order:
    """What a call asks for. `quantity` as JSON gave it; `requested_for` is a sys_id, "" the caller."""

    quantity: object
    answers: Answers
    requested_for: str = ""
    special_instructions: str = ""
    delivery_address: str = ""
    validated: bool = True


def refused(message: str, status: int = 400) -> Refused:
    return Refused("", message=message, status=status)


def amount(value: object) -> int:
    """Raises Refused for what is no whole number from 0 on; an empty text is one piece."""
    found = None if isinstance(value, bool | type(None)) else _QUANTITY.fullmatch(str(value))
    if found is None:
        raise refused("Invalid Quantity value")
    return int(found[1] or "1")


class Orders:
    """Orders of one instance; the caller holds its lock."""

    def __init__(self, store: Store, records: Records) -> None:
        self._store = store
        self._records = records
        self._at = store.registry["sc_cat_item"].position

    def visible(self, sys_id: str, refusal: str) -> Row:
        """An item that may be ordered. Raises Refused for one that is inactive or not there, which look the same."""
        item = self._store.find("sc_cat_item", sys_id)
        if item is None or item[self._at["active"]] != "true":
            raise refused(refusal)
        return item

    def questions(self, item: Row) -> list[Row]:
        """The item's active variables, in their order."""
        at = self._store.registry["item_option_new"].position
        mine = [
            row
            for row in self._store.every("item_option_new")
            if row[at["cat_item"]] == item[SYS_ID] and row[at["active"]] == "true"
        ]
        return sorted(mine, key=lambda row: (int(row[at["order"]] or "0"), row[SYS_ID]))

    def place(self, sys_id: str, order: Order, principal: Principal) -> Row:
        """The request that was made. Raises Refused before anything is written."""
        quantity = amount(order.quantity)
        item = self.visible(sys_id, "Security constraints prevent ordering of Item")
        if order.validated:
            self._need_answers(item, order.answers)
        requested_for = order.requested_for or principal.user_id
        if self._store.find("sys_user", requested_for) is None:
            raise refused("Invalid Request", 404)
        by = principal.as_platform()
        request = self._add(
            by,
            "sc_request",
            requested_for=requested_for,
            price=str(self._price(item) * quantity),
            special_instructions=order.special_instructions,
            delivery_address=order.delivery_address,
            short_description=item[self._at["short_description"]] or item[self._at["name"]],
        )
        self._add_item(by, request, item, quantity, requested_for, order.answers)
        return self._submit(by, request, item, quantity)

    def _add_item(
        self, by: Principal, request: Row, item: Row, quantity: int, requested_for: str, answers: Answers
    ) -> None:
        ordered = self._add(
            by,
            "sc_req_item",
            request=request[SYS_ID],
            parent=request[SYS_ID],
            requested_for=requested_for,
            cat_item=item[SYS_ID],
            quantity=str(quantity),
            price=item[self._at["price"]],
            recurring_price=item[self._at["recurring_price"]],
            short_description=item[self._at["short_description"]] or item[self._at["name"]],
        )
        at = self._store.registry["item_option_new"].position
        for question in self.questions(item):
            given = answers.get(question[at["name"]])
            answer = self._add(
                by,
                "sc_item_option",
                item_option_new=question[SYS_ID],
                value=question[at["default_value"]] if given is None else as_text(given),
                order=question[at["order"]],
            )
            self._add(by, "sc_item_option_mtom", request_item=ordered[SYS_ID], sc_item_option=answer[SYS_ID])

    def _submit(self, by: Principal, request: Row, item: Row, quantity: int) -> Row:
        table = self._store.registry["sc_request"]
        if self._price(item) * quantity < _APPROVED_BELOW:
            fields = {"approval": "approved", "request_state": "in_process", "stage": "fulfillment"}
            return self._records.update(table, request, Input(by, fields, form=True))
        if item[self._at["owner"]]:
            self._add(
                by, "sysapproval_approver", sysapproval=request[SYS_ID], approver=item[self._at["owner"]]
            )
        return self._records.update(table, request, Input(by, {"approval": "requested"}, form=True))

    def _need_answers(self, item: Row, answers: Answers) -> None:
        at = self._store.registry["item_option_new"].position
        needed = [row for row in self.questions(item) if row[at["mandatory"]] == "true"]
        if any(not as_text(answers.get(row[at["name"]])) and not row[at["default_value"]] for row in needed):
            raise refused("Mandatory Variables are required")

    def _price(self, item: Row) -> Decimal:
        return Decimal(item[self._at["price"]] or "0")

    def _add(self, by: Principal, name: str, **fields: str) -> Row:
        return self._records.insert(self._store.registry[name], Input(by, fields, form=True))
