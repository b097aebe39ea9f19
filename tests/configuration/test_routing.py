"""Routing tables in the file: applied, exported, refused where they contradict themselves, and brought along by a recipe."""

from __future__ import annotations

import pytest

from mappings.models import Desk, Route, RoutingTable
from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.models import AuditEntry, Flow
from sync.recipes import shipped
from tests.configuration.test_recipes import using

HEAD = "version: 1\nrouting_tables:\n"
TABLE = """  - name: desks
    desks:
      - {name: Network, servicenow: Network, salesforce: Network_Queue}
      - {name: Front, servicenow: Service Desk, salesforce: Service_Desk, works_in: salesforce}
    routes:
      - {salesforce: RecordType.DeveloperName, value: Question, desk: Front}
      - {servicenow: category, value: network, desk: Network}
"""


@pytest.mark.django_db
def test_a_table_is_applied_in_its_order_exported_alike_and_keeps_what_was_looked_up(bring_in):
    bring_in(HEAD + TABLE)
    Desk.objects.update(servicenow_id="a" * 32)
    RoutingTable.objects.update(resolved_at="2026-11-29T00:00:00+00:00")

    assert bring_in(export(), environ={}).changes == []
    bring_in(HEAD + TABLE.replace("value: network", "value: lan"))

    assert Desk.objects.filter(servicenow_id="a" * 32).count() == 2
    assert RoutingTable.objects.get().resolved_at is None
    assert [str(route) for route in Route.objects.all()] == [
        "RecordType.DeveloperName = Question → Front",
        "category = lan → Network",
    ]
    details = AuditEntry.objects.filter(action="routing_table.changed").latest("pk").after["details"]
    assert details == ["route removed: category = network → Network", "route added: category = lan → Network"]


BROKEN = {
    "no such desk": ("desk: Front}\n      - {serv", "desk: Back}\n      - {serv", "There is no desk 'Back' in this table."),
    "two of a name": ("name: Front", "name: Network", "Another desk has the name 'Network' already."),
    "two of a group": ("servicenow: Service Desk", "servicenow: Network", "Another desk has the group 'Network' already."),
    "no field": ("{servicenow: category, value", "{value", "servicenow or salesforce, one of them"),
    "both fields": ("{servicenow: category", "{servicenow: category, salesforce: Type", "one of them"),
    "no name": ("servicenow: category", 'servicenow: "a^b"', "is no name of a field"),
    "twice": ("salesforce: RecordType.DeveloperName, value: Question", "servicenow: category, value: network", "to a desk already"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), BROKEN.values(), ids=BROKEN)
def test_a_table_that_contradicts_itself_is_refused_with_its_line(read, old, new, said):
    assert old in TABLE
    with pytest.raises(InvalidConfiguration, match=r"routing_tables\[desks\]") as caught:
        read(HEAD + TABLE.replace(old, new))
    assert said in str(caught.value)


@pytest.mark.django_db
def test_a_recipe_brings_its_table_along_and_a_flow_may_name_its_own(bring_in):
    bring_in(using())
    recipe = shipped()["incident-case"]
    flow = Flow.objects.get()
    assert flow.routing_table.name == "incident-case-desks"
    assert flow.routing_table.desks.count() == len(recipe.routing_tables[0].desks)
    assert [str(change) for change in bring_in(using(), pruning=True).changes] == []

    own = using("routing_table: desks") + "routing_tables:\n" + TABLE
    bring_in(own)
    assert Flow.objects.get().routing_table.name == "desks"
    bring_in(using("routing_table: ~"))
    assert Flow.objects.get().routing_table is None
    assert "routing_table: null" in export()


def test_an_unknown_table_is_told_with_the_one_that_was_meant(read):
    with pytest.raises(
        InvalidConfiguration, match="There is no routing table 'dekss'. Did you mean 'desks'?"
    ):
        read(using("routing_table: dekss") + "routing_tables:\n" + TABLE)
