"""What the org is made of: the list of objects and the description of one."""

from __future__ import annotations

from typing import Any

from sync.sandbox.salesforce.conditional import header_time
from sync.sandbox.salesforce.record_types import MASTER_ID
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.rules import default_record_type
from sync.sandbox.salesforce.schema import SOAP_TYPES, Field, OnDelete, SObject
from sync.sandbox.salesforce.soql.children import CHILD_NAMES
from sync.sandbox.wire import Response

_BYTES_PER_CHARACTER = 3  # byteLength counts UTF-8 bytes


@api("GET", "/sobjects")
def describe_global(call: Call) -> Response:
    views = sorted(call.org.views.values(), key=lambda view: view.name)
    return Response.json(
        {
            "encoding": "UTF-8",
            "maxBatchSize": 200,
            "sobjects": [_summary(call, view.sobject) for view in views],
        }
    )


@api("GET", "/sobjects/{name}")
def basic_information(call: Call, name: str) -> Response:
    view = call.org.view(name)
    return Response.json({"objectDescribe": _summary(call, view.sobject), "recentItems": []})


@api("GET", "/sobjects/{name}/describe")
def describe(call: Call, name: str) -> Response:
    view = call.org.view(name)
    known = header_time(call.request, "if-modified-since")
    if known is not None and call.org.schema_changed <= known:
        return Response.empty(304)
    described = _summary(call, view.sobject) | {
        "fields": [_field(field) for field in view.sobject.fields],
        "childRelationships": _children(call, view.name),
        "recordTypeInfos": _record_types(call, view.name),
        "namedLayoutInfos": [],
        "supportedScopes": [],
        "actionOverrides": [],
        "defaultImplementation": None,
        "listviewable": None,
        "lookupLayoutable": None,
    }
    return Response.json(described)


def _summary(call: Call, sobject: SObject) -> dict[str, Any]:
    url = f"{call.base}/sobjects/{sobject.name}"
    return {
        "name": sobject.name,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "keyPrefix": sobject.prefix,
        "custom": sobject.name.endswith("__c"),
        "customSetting": False,
        "createable": sobject.createable,
        "updateable": sobject.updateable,
        "deletable": sobject.deletable,
        "undeletable": sobject.deletable,
        "queryable": True,
        "retrieveable": True,
        "searchable": sobject.createable,
        "replicateable": True,
        "mergeable": False,
        "triggerable": sobject.createable,
        "layoutable": sobject.createable,
        "activateable": False,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isSubtype": False,
        "mruEnabled": sobject.createable,
        "urls": {
            "sobject": url,
            "describe": f"{url}/describe",
            "rowTemplate": f"{url}/{{ID}}",
        },
    }


def _field(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": field.label,
        **_measures(field),
        **_permissions(field),
        **_key(field),
        **_use_in_queries(field),
        **_picklist(field),
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship,
        "namePointing": field.polymorphic,
        "polymorphicForeignKey": field.polymorphic,
        "nameField": field.name_field,
        "custom": field.custom,
        "calculated": field.calculated,
        "autoNumber": field.auto_number,
        "compoundFieldName": "Name" if field.name in ("FirstName", "LastName") else None,
        "extraTypeInfo": "plaintextarea" if field.long else None,
        **_SAME_FOR_ALL,
    }


# What clients expect of every field and no field of this org has.
_SAME_FOR_ALL: dict[str, Any] = {
    "calculatedFormula": None,
    "relationshipOrder": None,
    "cascadeDelete": False,
    "restrictedDelete": False,
    "deprecatedAndHidden": False,
    "encrypted": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "writeRequiresMasterRead": False,
}


def _measures(field: Field) -> dict[str, Any]:
    is_text = field.type not in ("boolean", "datetime", "date", "int", "double", "currency")
    return {
        "type": field.type,
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "length": field.length,
        "byteLength": field.length * _BYTES_PER_CHARACTER if is_text else 0,
        "digits": 9 if field.type == "int" else 0,
        "precision": 18 if field.type in ("double", "currency") else 0,
        "scale": 0,
    }


def _permissions(field: Field) -> dict[str, Any]:
    return {
        "nillable": field.nillable,
        "createable": field.createable,
        "updateable": field.updateable,
        "defaultedOnCreate": field.defaulted,
        "defaultValue": False if field.type == "boolean" else None,
        "permissionable": field.custom or (field.nillable and field.updateable),
    }


def _key(field: Field) -> dict[str, Any]:
    return {
        "unique": field.unique,
        "externalId": field.external_id,
        "idLookup": field.id_lookup,
        "caseSensitive": field.case_sensitive,
    }


def _use_in_queries(field: Field) -> dict[str, Any]:
    return {
        "filterable": not field.long,
        "sortable": not field.long,
        "groupable": field.groupable,
        "aggregatable": field.aggregatable,
    }


def _picklist(field: Field) -> dict[str, Any]:
    return {
        "restrictedPicklist": field.type == "picklist" and field.restricted,
        "picklistValues": [
            {
                "active": choice.active,
                "defaultValue": choice.default,
                "label": choice.value,
                "validFor": None,
                "value": choice.value,
            }
            for choice in field.choices
        ],
        "dependentPicklist": False,
        "controllerName": None,
    }


def _children(call: Call, name: str) -> list[dict[str, Any]]:
    """Return which fields of which objects point here."""
    return [
        {
            "cascadeDelete": field.on_delete is OnDelete.CASCADE,
            "childSObject": view.name,
            "deprecatedAndHidden": False,
            "field": field.name,
            "relationshipName": CHILD_NAMES.get((view.name, field.name)),
            "restrictedDelete": field.on_delete is OnDelete.RESTRICT,
        }
        for view in call.org.views.values()
        for field in view.sobject.fields
        if name in field.reference_to
    ]


def _record_types(call: Call, name: str) -> list[dict[str, Any]]:
    """Return the object's record types and the master, which is what rows get unless a profile names another default."""
    default = default_record_type(call.org, name) or MASTER_ID
    told = [
        (record_type_id, each.name, each.developer_name, each.active)
        for record_type_id, each in call.org.record_types.items()
        if each.sobject == name
    ]
    return [
        _record_type(call, name, *each, default=each[0] == default)
        for each in (*told, (MASTER_ID, "Master", "Master", True))
    ]


def _record_type(
    call: Call,
    sobject: str,
    record_type_id: str,
    name: str,
    developer_name: str,
    active: bool,
    *,
    default: bool,
) -> dict[str, Any]:
    return {
        "active": active,
        "available": active,
        "defaultRecordTypeMapping": default,
        "developerName": developer_name,
        "master": record_type_id == MASTER_ID,
        "name": name,
        "recordTypeId": record_type_id,
        "urls": {"layout": f"{call.base}/sobjects/{sobject}/describe/layouts/{record_type_id}"},
    }
