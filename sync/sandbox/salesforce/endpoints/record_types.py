"""The values of an object's picklists by record type, as the User Interface API tells them.

Source: User Interface API guide, "Get Values for All Picklist Fields of a Record Type". `eTag` is made up.
"""

from __future__ import annotations

from typing import Any

from sync.sandbox.salesforce.ids import to18
from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.record_types import MASTER_ID, RecordType
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.schema import Choice, Field
from sync.sandbox.wire import Response


@api("GET", "/ui-api/object-info/{name}/picklist-values/{record_type_id}")
def picklist_values(call: Call, name: str, record_type_id: str) -> Response:
    view = call.org.view(name)
    record_type = _record_type(call, view, record_type_id)
    values = {
        field.name: _values(call, view, field, record_type, record_type_id)
        for field in view.sobject.fields
        if field.type == "picklist"
    }
    return Response.json({"eTag": _etag(call), "picklistFieldValues": values})


@api("GET", "/ui-api/object-info/{name}/picklist-values/{record_type_id}/{field}")
def values_of_one(call: Call, name: str, record_type_id: str, field: str) -> Response:
    view = call.org.view(name)
    record_type, found = _record_type(call, view, record_type_id), view.field(field)
    if found is None or found.type != "picklist":
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    return Response.json(_values(call, view, found, record_type, record_type_id))


def _record_type(call: Call, view: View, record_type_id: str) -> RecordType | None:
    """Return a record type of the object, None for the master. Raises Refusal (NOT_FOUND)."""
    full = to18(record_type_id) or ""
    if full == MASTER_ID:
        return None
    found = call.org.record_types.get(full)
    if found is None or found.sobject != view.name:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    return found


def _values(
    call: Call, view: View, field: Field, record_type: RecordType | None, record_type_id: str
) -> dict[str, Any]:
    choices = field.choices if record_type is None else record_type.choices(field)
    default = next((_value(choice) for choice in choices if choice.default), None)
    path = f"{call.base}/ui-api/object-info/{view.name}/picklist-values/{record_type_id}/{field.name}"
    return {
        "controllerValues": {},
        "defaultValue": default,
        "eTag": _etag(call),
        "url": path,
        "values": [_value(choice) for choice in choices if choice.active],
    }


def _value(choice: Choice) -> dict[str, Any]:
    return {"attributes": None, "label": choice.value, "validFor": [], "value": choice.value}


def _etag(call: Call) -> str:
    return f"{call.org.schema_changed:032x}"
