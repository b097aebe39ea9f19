"""Conflicts: a choice by keyboard, two operators at one conflict, and the choice that becomes a rule."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from mappings.models import FieldRow
from sync.models import AuditEntry, Conflict, Flow, RecordLink, Revision, Run, Waiting
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.console import seed
from tests.console.test_actions import CONFIRMED, action_url
from tests.console.test_configuration import change_url
from tests.engine.both import make_both
from tests.engine.conftest import run_now

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
RULE = {**CONFIRMED, "policy": "servicenow", "reason": "The service desk owns the state."}


@pytest.fixture
def conflict(flow: Flow) -> Conflict:
    return seed.conflict(seed.link(flow, 1))


def choose(browser, conflict: Conflict, side: str, seen: str = ""):
    given = {**CONFIRMED, "side": side, "seen": seen}
    return browser.post(action_url(conflict, "decide"), given, follow=True)


def test_the_page_is_a_form_of_two_radio_buttons_that_takes_the_chosen_side(as_role, conflict):
    operator = as_role("operator")
    for page in (operator.get(change_url(conflict)), operator.get(change_url(conflict) + "?values=1")):
        assert page.content.decode().count('type="radio" name="side"') == 2

    page = choose(operator, conflict, "salesforce")

    conflict.refresh_from_db()
    assert (conflict.choice, conflict.state) == ("salesforce", "open")
    assert "Salesforce&#x27;s value of Status is taken" in page.content.decode()


def test_of_two_operators_at_one_conflict_the_second_is_told(as_role, root, conflict):
    choose(as_role("operator"), conflict, "salesforce")
    page = choose(root, conflict, "servicenow")

    conflict.refresh_from_db()
    assert conflict.choice == "salesforce"
    assert "operator has chosen Salesforce&#x27;s value of Status meanwhile" in page.content.decode()

    choose(root, conflict, "servicenow", seen="salesforce")
    conflict.refresh_from_db()
    assert conflict.choice == "servicenow"


def test_so_is_the_second_who_opened_a_buttons_dialog_before_the_first_chose(as_role, root, conflict):
    root.get(action_url(conflict, "take_servicenow"))
    choose(as_role("operator"), conflict, "salesforce")
    root.post(action_url(conflict, "take_servicenow"), {**CONFIRMED, "seen": ""})

    conflict.refresh_from_db()
    assert conflict.choice == "salesforce"


@pytest.mark.parametrize("role", ["viewer", "mapping editor", "auditor"])
def test_who_may_not_resolve_sees_no_form(as_role, conflict, role):
    assert 'name="side"' not in as_role(role).get(change_url(conflict)).content.decode()


def test_a_choice_becomes_a_rule_that_decides_the_others_of_its_kind(as_role, flow, conflict):
    other, chosen = (seed.conflict(seed.link(flow, number)) for number in (2, 3))
    Conflict.objects.filter(pk=chosen.pk).update(choice="salesforce")
    admin = as_role("administrator")
    assert (
        "2 open conflicts are decided by it" in admin.get(action_url(conflict, "make_rule")).content.decode()
    )

    page = admin.post(action_url(conflict, "make_rule"), RULE, follow=True)

    assert "the next run decides 2 open conflicts by it" in page.content.decode()
    assert FieldRow.objects.get(mapping=flow, salesforce="Status").conflict == "servicenow"
    revision = Revision.objects.get(flow=flow, number=2)
    assert RULE["reason"] in revision.reason
    assert {row.record_id for row in Waiting.objects.all()} == {
        conflict.link.servicenow_id,
        other.link.servicenow_id,
    }
    entry = AuditEntry.objects.get(action="conflict.made_rule")
    assert (entry.before["on conflict"], entry.after["on conflict"]) == ("as the flow", "servicenow")


def test_a_rule_does_not_publish_what_somebody_else_drafts(as_role, flow, conflict):
    FieldRow.objects.filter(mapping=flow, salesforce="Subject").update(default="None given")
    page = as_role("administrator").post(action_url(conflict, "make_rule"), RULE, follow=True)

    assert "has other changes that are not published" in page.content.decode()
    assert FieldRow.objects.get(mapping=flow, salesforce="Status").conflict == ""
    assert Revision.objects.filter(flow=flow).count() == 1


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor"])
def test_who_may_not_change_a_mapping_makes_no_rule(as_role, flow, conflict, role):
    person = as_role(role)

    assert action_url(conflict, "make_rule") not in person.get(change_url(conflict)).content.decode()
    assert person.post(action_url(conflict, "make_rule"), RULE).status_code == 403
    assert FieldRow.objects.get(mapping=flow, salesforce="Status").conflict == ""


def test_a_mapping_editor_makes_a_rule_and_one_who_may_not_publish_drafts_it(as_role, flow, conflict):
    editor, url = as_role("mapping editor"), action_url(conflict, "make_rule")
    right = Permission.objects.get(codename="publish_flow")
    Group.objects.get(name="mapping editor").permissions.remove(right)
    assert "decides nothing until somebody publishes it." in editor.get(url).content.decode()
    drafted = editor.post(url, RULE, follow=True).content.decode()

    assert "The rule for Status is in the draft until it is published." in drafted
    assert FieldRow.objects.get(mapping=flow, salesforce="Status").conflict == "servicenow"
    assert (Revision.objects.filter(flow=flow).count(), Waiting.objects.count()) == (1, 0)

    FieldRow.objects.filter(mapping=flow, salesforce="Status").update(conflict="")
    Group.objects.get(name="mapping editor").permissions.add(right)
    assert (
        "the next run decides 1 open conflict by it" in editor.post(url, RULE, follow=True).content.decode()
    )
    assert Revision.objects.filter(flow=flow).count() == 2


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


def test_the_next_run_decides_an_open_conflict_by_the_new_rule(transactional_db, pair, root):
    flow = make_both(pair, conflict="ask")
    pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)
    link = RecordLink.objects.get()
    pair.salesforce.edit("Case", link.salesforce_id, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", short_description="Ours")
    run_now(flow)

    root.post(action_url(Conflict.objects.get(), "make_rule"), RULE)
    Run.objects.active().update(status="cancelled", finished_at=timezone.now())
    flow.refresh_from_db()
    run_now(flow)

    assert [case["Subject"] for case in pair.salesforce.rows("Case")] == ["Ours"]
    assert not Conflict.objects.filter(state="open").exists()
