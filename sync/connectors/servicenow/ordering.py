"""Ordering a catalog item: what a person does with *Order now*.

Source: ServiceNow REST API reference, Service Catalog API, `POST /items/{sys_id}/order_now`. An instance with two-step
checkout only puts the item into the user's cart and answers with that cart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.connectors.results import failed_alike
from sync.connectors.servicenow.instance import Instance
from sync.core.records import Operation, Refusal, Reply, Write, WriteResult
from sync.errors import OutcomeUnknownError, SyncError

ORDER_NOW = "order_now"


def invoke(instance: Instance, action: str, subject: str, inputs: Mapping[str, Any]) -> WriteResult:
    if action != ORDER_NOW:
        refusal = Refusal("UNSUPPORTED_OPERATION", f"ServiceNow cannot be asked for {action}.")
        return WriteResult(subject, Reply.REFUSED, refusal=refusal)
    try:
        return _ordered(subject, instance.order_now(subject, inputs))
    except SyncError as error:
        return failed_alike([Write(subject, Operation.CREATE, {})], error)[0]


def _ordered(item: str, result: Mapping[str, Any]) -> WriteResult:
    id = str(result.get("request_id") or result.get("sys_id") or "")
    if id:
        return WriteResult(item, Reply.DONE, id, created=True, stored=dict(result))
    if result.get("cart_id"):
        refusal = Refusal("TWO_STEP_CHECKOUT", "The instance put the item into a cart and ordered nothing.")
        return WriteResult(item, Reply.REFUSED, refusal=refusal)
    fault = OutcomeUnknownError("ServiceNow answered an order without a request.", code="bad_answer")
    return WriteResult(item, Reply.UNKNOWN, message=fault.message, fault=fault)
