"""What Test connection says of each flow: the field, the right or the role that is missing, and what is too much."""

from __future__ import annotations

import pytest

from sync import services
from sync.configuration.apply import apply, known_names
from sync.configuration.parse import parse
from sync.management.commands.demo import FILE, variables
from sync.models import Connection, Flow
from sync.questions import answer
from sync.sandbox.cli import describe
from sync.sandbox.pair import PairConfig, start_pair
from sync.sandbox.servicenow.instance import fixed_id

FLOW = "incidents-to-cases"
KNOWLEDGE = fixed_id("sys_user_role", "knowledge")


@pytest.fixture(scope="module")
def pair():
    with start_pair(PairConfig(incidents=3)) as pair:
        yield pair


@pytest.fixture(autouse=True)
def nothing_hidden(pair):
    yield
    pair.servicenow.platform.access.hidden_rows.clear()


@pytest.fixture
def flow(db, pair) -> Flow:
    given = variables(describe(pair))
    apply(
        parse(FILE.read_text(), file=FILE.name, known=known_names(), environ=given),
        environ=given,
        reason="A test wants it",
    )
    return Flow.objects.get(name=FLOW)


def lines(name: str, code: str = "flow") -> list[tuple[str, str]]:
    asked = services.test_connection(connection=Connection.objects.get(name=name), by=None, enqueue=False)
    return [
        (line["status"], line["text"]) for line in answer(asked.pk).answer["findings"] if line["code"] == code
    ]


def of_flow(name: str) -> tuple[str, str]:
    return next(line for line in lines(name) if line[1].startswith(f"{FLOW}:"))


def test_a_flow_that_lacks_nothing_is_told_so_on_both_sides(flow):
    assert of_flow("acme-salesforce") == ("ok", f"{FLOW}: nothing that it names of Case is missing.")
    assert of_flow("acme-servicenow") == ("ok", f"{FLOW}: nothing that it names of incident is missing.")


def test_a_field_that_is_not_there_is_named_with_its_flow(flow):
    flow.rows.filter(salesforce="Subject").update(salesforce="Subjekt__c")

    assert of_flow("acme-salesforce") == (
        "error", f"{FLOW}: Case has no Subjekt__c, or the user cannot see it.",
    )  # fmt: skip
    assert Connection.objects.get(name="acme-salesforce").health == "failing"


def test_a_field_that_may_only_be_read_is_named_with_its_flow(flow):
    flow.rows.filter(salesforce="Subject").update(salesforce="CaseNumber")

    assert of_flow("acme-salesforce") == ("error", f"{FLOW}: the user may not write Case.CaseNumber.")


def test_a_column_hidden_by_access_control_is_named_with_its_flow(flow, pair):
    hidden = pair.servicenow.platform.access.hidden_fields
    hidden.add(("incident", "description"))
    try:
        status, text = of_flow("acme-servicenow")
    finally:
        hidden.clear()

    assert status == "error"
    assert "description" in text


def test_a_role_that_the_recipe_names_and_the_user_has_not_is_named(flow, pair):
    Flow.objects.filter(pk=flow.pk).update(recipe="knowledge")
    platform = pair.servicenow.platform
    at = platform.store.registry["sys_user_has_role"].position
    grants = [row for row in platform.store.every("sys_user_has_role") if row[at["role"]] == KNOWLEDGE]
    platform.access.hidden_rows |= {row[at["sys_id"]] for row in grants}

    assert of_flow("acme-servicenow") == (
        "warning", f"{FLOW}: the user does not have knowledge, which its recipe names.",
    )  # fmt: skip


def test_modify_all_data_is_more_than_any_flow_needs(flow, pair):
    assert lines("acme-salesforce", "excess") == []

    pair.salesforce.platform.org.seed("UserPermissionAccess", {"PermissionsModifyAllData": True})
    assert lines("acme-salesforce", "excess") == [
        ("warning", "The user has Modify All Data: more than any flow needs.")
    ]
