"""What the org is made of: the list of objects and the description of one."""

from __future__ import annotations

from typing import Any

from sync.sandbox.salesforce.conditional import header_time
from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.schema import SOAP_TYPES, Field, SObject
from sync.sandbox.salesforce.soql.children import CHILD_NAMES
from sync.sandbox.wire import Response

MASTER_RECORD_TYPE = "012000000000000AAA"
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
        "fields": [_field(view, field) for field in view.sobject.fields],
        "childRelationships": _children(call, view.name),
        "recordTypeInfos": [_master(call, view.name)],
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


def _field(view: View, field: Field) -> dict[str, Any]:
    is_text = field.type not in ("boolean", "datetime", "date", "int", "double")
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type,
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "length": field.length,
        "byteLength": field.length * _BYTES_PER_CHARACTER if is_text else 0,
        "digits": 9 if field.type == "int" else 0,
        "precision": 18 if field.type == "double" else 0,
        "scale": 0,
        "nillable": field.nillable,
        "createable": field.createable,
        "updateable": field.updateable,
        "defaultedOnCreate": field.defaulted,
        "defaultValue": False if field.type == "boolean" else None,
        "unique": field.unique,
        "externalId": field.external_id,
        "idLookup": field.id_lookup,
        "caseSensitive": field.case_sensitive,
        "custom": field.custom,
        "calculated": field.calculated,
        "calculatedFormula": None,
        "autoNumber": field.auto_number,
        "nameField": field.name_field,
        "namePointing": field.polymorphic,
        "polymorphicForeignKey": field.polymorphic,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship,
        "relationshipOrder": None,
        "filterable": not field.long,
        "sortable": not field.long,
        "groupable": not field.long and field.type != "datetime",
        "aggregatable": not field.long and field.type != "boolean",
        "permissionable": field.custom or (field.nillable and field.updateable),
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
        "cascadeDelete": False,
        "restrictedDelete": False,
        "compoundFieldName": "Name" if field.name in ("FirstName", "LastName") else None,
        "deprecatedAndHidden": False,
        "encrypted": False,
        "extraTypeInfo": "plaintextarea" if field.long else None,
        "htmlFormatted": False,
        "inlineHelpText": None,
        "mask": None,
        "maskType": None,
        "writeRequiresMasterRead": False,
    }


def _children(call: Call, name: str) -> list[dict[str, Any]]:
    """Return which fields of which objects point here."""
    return [
        {
            "cascadeDelete": False,
            "childSObject": view.name,
            "deprecatedAndHidden": False,
            "field": field.name,
            "relationshipName": CHILD_NAMES.get((view.name, field.name)),
            "restrictedDelete": False,
        }
        for view in call.org.views.values()
        for field in view.sobject.fields
        if name in field.reference_to
    ]


def _master(call: Call, name: str) -> dict[str, Any]:
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": MASTER_RECORD_TYPE,
        "urls": {"layout": f"{call.base}/sobjects/{name}/describe/layouts/{MASTER_RECORD_TYPE}"},
    }
