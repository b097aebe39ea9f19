"""`recipe:` says what a flow does not; a recipe's file is read as strictly as the configuration file."""

from __future__ import annotations

from itertools import combinations

import pytest

from mappings.models import UserTable, ValueMap
from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.models import AuditEntry, Connection, Flow
from sync.recipes import read_recipe, shipped
from sync.recipes.reading import written
from sync.recipes.shelf import SHELF

TEXT = (SHELF / "incident-case.yaml").read_text()
CONNECTIONS = """version: 1
connections:
  - {name: acme-servicenow, system: servicenow, url: "https://acme.service-now.com"}
  - {name: acme-salesforce, system: salesforce, url: "https://acme.my.salesforce.com"}
"""


def using(*more: str, servicenow: str = "", salesforce: str = "", recipe: str = "incident-case") -> str:
    keys = (
        "name: severe-incidents",
        f"recipe: {recipe}",
        f"servicenow: {{connection: acme-servicenow{servicenow}}}",
        f"salesforce: {{connection: acme-salesforce{salesforce}}}",
        *more,
    )
    return f"{CONNECTIONS}flows:\n  - " + "\n    ".join(keys) + "\n"


def flow_of(read, text: str):
    (flow,) = read(text).document.flows
    return flow


def problems(reading, *given: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        reading(*given)
    return str(caught.value).splitlines()


def test_a_flow_that_says_its_connections_alone_is_whole(read):
    recipe = shipped()["incident-case"]

    document = read(using()).document

    (flow,) = document.flows
    assert [row.salesforce for row in flow.fields] == [row.salesforce for row in recipe.flows[0].fields]
    assert (flow.servicenow.table, flow.servicenow.enter) == ("incident", "active=true^severity=1")
    assert {doc.name for doc in document.value_maps} == {doc.name for doc in recipe.value_maps}
    assert [doc.name for doc in document.user_tables] == ["incident-case-people"]


def test_what_the_flow_says_overrides_the_recipe_and_an_empty_key_leaves_it_out(read):
    text = using(
        "conflict: ask",
        "attachments: ~",
        "fields: [{servicenow: short_description, salesforce: Subject}]",
        servicenow=", enter: active=true",
        salesforce=", lookup: ServiceNow_Number__c",
    )

    document = read(text).document

    (flow,) = document.flows
    assert (flow.conflict, flow.attachments, len(flow.fields)) == ("ask", None, 1)
    assert (flow.servicenow.enter, flow.servicenow.table) == ("active=true", "incident")
    assert (flow.salesforce.lookup, flow.salesforce.external_id) == ("ServiceNow_Number__c", "")
    assert document.value_maps == ()


def test_an_unknown_recipe_is_told_with_those_there_are_and_is_the_only_problem(read):
    there_are = [written(name, part.name) for name, recipe in shipped().items() for part in recipe.parts]
    assert problems(read, using(recipe="incidents-case")) == [
        "acme.yaml:7, flows[severe-incidents].recipe: There is no recipe 'incidents-case'. "
        f"Did you mean 'incident-case'? There are: {', '.join(there_are)}."
    ]


def test_a_problem_in_a_part_that_was_filled_in_points_at_the_users_own_line(read):
    found = problems(read, using("direction: to_salesforce"))

    assert found[0].startswith(
        "acme.yaml:7, flows[severe-incidents].create: The flow's direction writes nothing"
    )
    assert {line.partition(",")[0] for line in found} == {"acme.yaml:7"}


@pytest.mark.django_db
def test_maps_come_along_once_and_are_the_users_own_from_then_on(bring_in):
    ValueMap.objects.create(name="incident-priority-case-priority")

    bring_in(using())
    ValueMap.objects.get(name="incident-state-case-status").entries.filter(servicenow="8").delete()
    bring_in(export(), environ={})  # publishes the edited map
    audited = AuditEntry.objects.count()
    plan = bring_in(using(), pruning=True)

    assert [str(change) for change in plan.changes] == []
    assert plan.notices == []
    assert AuditEntry.objects.count() == audited
    assert ValueMap.objects.get(name="incident-state-case-status").entries.count() == 6
    assert ValueMap.objects.get(name="incident-priority-case-priority").entries.count() == 0


ALTERED = (
    "attachments: ~",
    "comments: {work_notes: {salesforce: feed_internal}}",
    "schedule: ~",
    "conflict: newest",
    "user_table: ~",
    "create: ~",
    "deletions: {salesforce: unlink}",
)


@pytest.mark.django_db
def test_an_export_is_whole_whatever_the_flow_leaves_out(bring_in):
    for chosen in [(), *combinations(ALTERED, 1), *combinations(ALTERED, 6), ALTERED]:
        bring_in(using(*chosen, servicenow=", enter: active=true", salesforce=", lookup: Subject"))
        text = export()
        assert "recipe: incident-case" in text
        assert "short_description" in text
        assert bring_in(text, environ={}).changes == [], chosen
        Flow.objects.update(revision=None)
        for model in (Flow, ValueMap, UserTable, Connection):
            model.objects.all().delete()
        bring_in(text, environ={})
        assert export() == text, chosen


BROKEN = {
    "empty": ("", "The file is empty."),
    "no YAML": ("a: [", "This is not YAML"),
    "an alias": (TEXT.replace("direction: both\n", "direction: &a both\n  tie: *a\n"), "Aliases (*a) are not taken"),
    "a tag": ("name: !!python/object:os.system x", "Tags (tag:yaml.org,2002:python/object:os.system) are not taken"),
    "a list": ("- name: x", "Expected keys like name"),
    "a key unknown": (TEXT.replace("summary:", "sumary:"), "There is no key 'sumary' here. Did you mean 'summary'?"),
    "a connection": (TEXT.replace("{table: incident", "{connection: mine, table: incident"), "A recipe names no connection"),
    "a need of no kind": (TEXT.replace("what: role", "what: rule"), "'rule' is not one of plugin, role"),
    "nothing to say": (TEXT.replace("title: Incident and Case", 'title: " "'), "Say something here."),
    "no end": (TEXT.replace("  servicenow: {table: incident", "  tie: {table: incident"), "The key 'servicenow' is missing."),
    "a map unused": (TEXT.replace("name: incident-state-case-status", "name: states"), "No flow of the recipe uses it."),
    "a name of its own": (TEXT.replace("flow:\n", "flow:\n  enabled: true\n"), "A recipe says no 'enabled'"),
    "no mapping": (TEXT.replace("transform: user}", "transform: users}"), "'users' is not one of"),
    "a table unknown": (TEXT.replace("user_table: incident-case-people", "user_table: folk"), "There is no user table 'folk'."),
    "needs as a text": (TEXT.replace("then:\n", "then: nothing\nthem:\n"), "Expected a list of sentences"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_recipe_is_refused_with_its_line(text, said):
    found = problems(lambda given: read_recipe(given, file="broken.yaml"), text)

    assert all(line.startswith("broken.yaml:") for line in found)
    assert any(said in line for line in found), found


def test_a_shipped_recipe_bears_the_name_of_its_file():
    assert sorted(shipped()) == sorted(file.stem for file in SHELF.glob("*.yaml"))
