"""What an admin installs on each side, held against what the shipped recipes need."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import make_update_set
from sync.configuration.documents import Document
from sync.configuration.live import asked_of
from sync.recipes.shelf import shipped

DEPLOY = Path(__file__).parents[1] / "deploy"
SALESFORCE = DEPLOY / "salesforce"
META = {"m": "http://soap.sforce.com/2006/04/metadata"}
# Platform fields that no permission set lists: always there for whoever sees the record, or no field at all.
UNLISTED = {
    "Id",
    "Name",
    "FirstName",
    "LastName",
    "OwnerId",
    "Case.Status",
    "CaseNumber",
    "IsEscalated",
    "RecordType",
}
LISTED_OBJECTS = ("Account", "Asset", "Case", "Contact")


def fields() -> dict[str, dict[str, ElementTree.Element]]:
    found: dict[str, dict[str, ElementTree.Element]] = defaultdict(dict)
    for path in SALESFORCE.glob("*/main/default/objects/*/fields/*.field-meta.xml"):
        root = ElementTree.parse(path).getroot()
        assert text(root, "fullName") == path.name.removesuffix(".field-meta.xml")
        found[path.parts[-3]][text(root, "fullName")] = root
    return found


def text(root: ElementTree.Element, name: str) -> str:
    return root.findtext(f"m:{name}", "", META)


def granted() -> set[str]:
    roots = [
        ElementTree.parse(path).getroot() for path in SALESFORCE.glob("*/main/default/permissionsets/*.xml")
    ]
    return {text(each, "field") for root in roots for each in root.findall("m:fieldPermissions", META)}


def named_by_recipes() -> dict[str, set[str]]:
    """Object -> the fields that shipped recipes read, write or go by."""
    found: dict[str, set[str]] = defaultdict(set)
    for recipe in shipped().values():
        for flow in recipe.flows:
            end = flow.salesforce
            found[end.object] |= {end.external_id} - {""}
            found[end.object] |= set(re.findall(r"(?<![\w.])\w+__c\b", f"{end.scope} {end.enter}"))
            for asked in asked_of(Document(flows=(flow,))).get("salesforce", ()):
                found[asked.table.name] |= {column.name for column in asked.columns if column.name}
    return found


def test_every_field_of_ours_that_a_recipe_names_is_installed_and_nothing_beside_it():
    installed = {(name, field) for name, fields_ in fields().items() for field in fields_}
    needed = {
        (name, field)
        for name, named in named_by_recipes().items()
        for field in named
        if field.endswith("__c")
    }

    assert needed - installed == set()
    assert {field for _, field in installed - needed} <= {
        "ServiceNow_Products__c",
        "ServiceNow_URL__c",
        "ServiceNow_Sys_Id__c",
    }


def test_the_key_of_every_object_is_a_unique_external_id_of_eighty_characters():
    keys = [each["ServiceNow_Sys_Id__c"] for each in fields().values() if "ServiceNow_Sys_Id__c" in each]

    assert len(keys) == 4
    for key in keys:
        assert [text(key, name) for name in ("type", "length", "externalId", "unique")] == [
            "Text",
            "80",
            "true",
            "true",
        ]


def test_the_permission_sets_open_every_field_that_a_recipe_names():
    opened = granted()
    ours = {f"{name}.{field}" for name, fields_ in fields().items() for field in fields_}
    mapped = {
        f"{name}.{re.sub('^Billing.*', 'BillingAddress', field)}"
        for name, named in named_by_recipes().items()
        for field in named
        if name in LISTED_OBJECTS and "." not in field
    }

    assert ours <= opened
    assert {
        each for each in mapped - opened if each not in UNLISTED and each.partition(".")[2] not in UNLISTED
    } == set()


def test_the_permission_sets_give_no_more_than_is_needed():
    for path in SALESFORCE.glob("*/main/default/permissionsets/*.xml"):
        root = ElementTree.parse(path).getroot()
        for each in root.findall("m:objectPermissions", META):
            assert (text(each, "allowDelete"), text(each, "modifyAllRecords")) == ("false", "false")
        assert {text(each, "name") for each in root.findall("m:userPermissions", META)} <= {"ApiEnabled"}


def test_the_project_names_the_directories_that_are_there():
    project = json.loads((SALESFORCE / "sfdx-project.json").read_text())

    assert {entry["path"] for entry in project["packageDirectories"]} == {
        path.name for path in SALESFORCE.iterdir() if path.is_dir()
    }


@pytest.fixture
def update_set():
    return ElementTree.parse(DEPLOY / "servicenow" / "integration_console.xml").getroot()


def test_the_update_set_is_what_its_script_writes():
    assert make_update_set.update_set() == make_update_set.TARGET.read_text(encoding="utf-8")


def test_the_update_set_lets_its_role_read_the_tables_of_the_platform_that_recipes_name(update_set):
    rows = [
        ElementTree.fromstring(change.findtext("payload"))[0]
        for change in update_set.findall("sys_update_xml")
    ]
    controls = {row.findtext("name"): row for row in rows if row.tag == "sys_security_acl"}
    rights = " ".join(
        need.name
        for recipe in shipped().values()
        for need in recipe.needs.of("servicenow")
        if need.what == "right"
    )
    named = set(re.findall(r"\bsys_\w+", rights)) - {
        "sys_attachment"
    }  # files go by the rights to their record

    assert named | {"sys_audit", "sys_audit_delete"} <= controls.keys()
    assert {name.removesuffix(".*") for name in controls} == {name for name in controls if "." not in name}
    assert {row.findtext("operation") for row in controls.values()} == {"read"}


def test_every_access_control_is_bound_to_the_role_and_every_change_to_the_set(update_set):
    changes = update_set.findall("sys_update_xml")
    rows = [ElementTree.fromstring(change.findtext("payload"))[0] for change in changes]
    role = next(row.findtext("sys_id") for row in rows if row.tag == "sys_user_role")
    bound = {
        row.findtext("sys_security_acl"): row.findtext("sys_user_role")
        for row in rows
        if row.tag == "sys_security_acl_role"
    }

    assert {change.findtext("remote_update_set") for change in changes} == {
        update_set.findtext("sys_remote_update_set/sys_id")
    }
    assert bound == {row.findtext("sys_id"): role for row in rows if row.tag == "sys_security_acl"}
    assert len({row.findtext("sys_id") for row in rows}) == len(rows)
