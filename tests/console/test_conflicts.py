"""Conflicts: what a person sees of one, who may see it, and what choosing a side does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from sync import revisions
from sync.models import AuditEntry, Conflict, Flow, RecordLink, Run, Waiting
from sync.sandbox.pair import Pair, PairConfig, start_pair
from tests.console import seed
from tests.console.test_actions import CONFIRMED, action_url
from tests.console.test_configuration import change_url
from tests.engine.both import make_both
from tests.engine.conftest import run_now

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.fixture
def both_ways(flow: Flow) -> Flow:
    """The seed's flow both ways, with a way back for Escalated alone."""
    flow.rows.filter(salesforce="Origin").update(direction="to_salesforce")
    states = flow.rows.get(salesforce="Status").value_map
    assert states is not None
    states.entries.create(servicenow="2", salesforce="Escalated", direction="to_servicenow")
    Flow.objects.update(direction="both")
    flow.refresh_from_db()
    revisions.publish(flow, author_id=None, author_name="Alice", reason="")
    return flow


@pytest.fixture
def conflict(both_ways: Flow) -> Conflict:
    return clash(both_ways, 1)


def clash(flow: Flow, number: int, **values: object) -> Conflict:
    """ServiceNow says resolved, Salesforce says escalated; it was Working before."""
    made = seed.conflict(seed.link(flow, number))
    made.rule = "ask"
    made.values = {
        **made.values, "servicenow_by": "fred.luddy", "servicenow_at": (timezone.now() - timedelta(minutes=9)).isoformat(),
        "salesforce_by": "005000000000001AAA", "salesforce_at": timezone.now().isoformat(),
        "reckoning": "ServiceNow until 10:00:00; Salesforce until 10:00:01 UTC: a tie", **values,
    }  # fmt: skip
    made.save()
    return made


def texts(page: str) -> str:
    return " ".join(page.split())


def test_a_page_shows_both_values_the_base_who_wrote_them_and_what_each_choice_writes(as_role, conflict):
    page = as_role("operator").get(change_url(conflict) + "?values=1")

    shown = page.context["values"]
    assert (shown.servicenow.value, shown.base, shown.salesforce.value) == (
        "6",
        ("2", "Working"),
        "Escalated",
    )
    assert (shown.servicenow.by, shown.salesforce.by) == ("fred.luddy", "abel@acme.example")
    assert (shown.servicenow.field, shown.salesforce.field) == ("state", "Status")
    body = texts(page.content.decode())
    assert "Taking it writes “Closed” to Salesforce." in body
    assert "Taking it writes “2” to ServiceNow." in body
    assert "a tie" in body
    assert "The flow asks a person" in body
    assert AuditEntry.objects.get(action="payload.opened").object_id == str(conflict.pk)


def test_values_are_hidden_until_somebody_with_the_permission_opens_them(as_role, conflict):
    operator, viewer = as_role("operator"), as_role("viewer")
    for page in (
        operator.get(change_url(conflict)),
        viewer.get(change_url(conflict) + "?values=1"),
        operator.get(reverse("admin:sync_conflict_changelist")),
    ):
        assert page.status_code == 200
        assert "Escalated" not in page.content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_a_choice_that_cannot_be_written_says_so_before_it_is_made(as_role, both_ways):
    unknown = clash(both_ways, 2, salesforce="New since Monday")
    page = texts(as_role("operator").get(change_url(unknown) + "?values=1").content.decode())

    assert "Taking it writes nothing: Salesforce value" in page
    assert "is not in the value map" in page


def test_a_persons_choice_waits_for_the_next_run_and_can_be_changed_until_then(as_role, conflict):
    operator = as_role("operator")
    asked = operator.get(action_url(conflict, "take_salesforce"))
    assert "writes Salesforce&#x27;s value over ServiceNow&#x27;s" in asked.content.decode()
    assert not Run.objects.exists()

    page = operator.post(action_url(conflict, "take_salesforce"), CONFIRMED, follow=True).content.decode()

    conflict.refresh_from_db()
    assert (conflict.state, conflict.choice) == ("open", "salesforce")
    assert "chosen by operator, waits for the next run" in texts(page)
    assert action_url(conflict, "take_servicenow") in page
    assert action_url(conflict, "take_salesforce") not in page
    assert Run.objects.get().kind == "retry"
    assert Waiting.objects.get().record_id == conflict.link.servicenow_id
    assert AuditEntry.objects.get(action="conflicts.resolved").actor_name == "operator"


def test_a_selection_is_resolved_with_a_chosen_side_after_a_page_that_asks(as_role, both_ways):
    chosen = [clash(both_ways, number) for number in (1, 2, 3)]
    operator, url = as_role("operator"), reverse("admin:sync_conflict_changelist")
    given = {"action": "take_chosen", "_selected_action": [str(one.pk) for one in chosen[:2]]}

    assert "Resolve 2 conflicts?" in operator.post(url, given).content.decode()
    assert not Conflict.objects.exclude(choice="").exists()
    page = operator.post(url, {**given, **CONFIRMED, "side": "servicenow"}, follow=True).content.decode()

    assert [Conflict.objects.get(pk=one.pk).choice for one in chosen] == ["servicenow", "servicenow", ""]
    assert page.count("chosen by operator, waits for the next run") == 2


def test_a_selection_leaves_what_somebody_else_chose_meanwhile_and_tells_it(as_role, root, both_ways):
    before, meanwhile, free = (clash(both_ways, number) for number in (1, 2, 3))
    operator, url = as_role("operator"), reverse("admin:sync_conflict_changelist")
    root.post(action_url(before, "take_salesforce"), CONFIRMED)
    given = {"action": "take_chosen", "_selected_action": [str(one.pk) for one in (before, meanwhile, free)]}
    asked = operator.post(url, given)
    root.post(action_url(meanwhile, "take_salesforce"), CONFIRMED)

    sent = {**given, **CONFIRMED, "side": "servicenow", "seen": asked.context["form"]["seen"].value()}
    page = texts(operator.post(url, sent, follow=True).content.decode())

    chosen = [Conflict.objects.get(pk=one.pk).choice for one in (before, meanwhile, free)]
    assert chosen == [
        "servicenow",
        "salesforce",
        "servicenow",
    ]  # the first was seen to be chosen, and asked for
    assert "2 conflicts wait for the next run." in page
    assert f"{meanwhile.link}: Status, root chose Salesforce." in page


def test_a_selection_sent_without_what_was_seen_overrides_nobody(as_role, root, both_ways):
    taken = clash(both_ways, 1)
    root.post(action_url(taken, "take_salesforce"), CONFIRMED)
    given = {
        "action": "take_chosen",
        "_selected_action": [str(taken.pk)],
        "side": "servicenow",
        "seen": "[1]",
    }
    url = reverse("admin:sync_conflict_changelist")
    page = as_role("operator").post(url, {**given, **CONFIRMED}, follow=True)

    assert Conflict.objects.get().choice == "salesforce"
    assert "Nothing was taken." in page.content.decode()


@pytest.mark.parametrize("role", ["viewer", "mapping editor", "auditor"])
@pytest.mark.parametrize("name", ["take_servicenow", "take_salesforce"])
def test_who_may_not_resolve_sees_no_button_and_gets_a_403(as_role, conflict, role, name):
    person = as_role(role)

    assert person.post(action_url(conflict, name), CONFIRMED).status_code == 403
    assert action_url(conflict, name) not in person.get(change_url(conflict)).content.decode()
    conflict.refresh_from_db()
    assert conflict.choice == ""


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_operators_and_administrators_may_resolve(as_role, conflict, role):
    assert action_url(conflict, "take_servicenow") in as_role(role).get(change_url(conflict)).content.decode()


def test_one_that_closed_meanwhile_says_so_and_nothing_is_written(as_role, conflict):
    Conflict.objects.update(state="gone", resolved_at=timezone.now())
    reply = as_role("operator").post(action_url(conflict, "take_servicenow"), CONFIRMED, follow=True)

    assert "This conflict is closed already: closed by itself." in reply.content.decode()
    assert not Run.objects.exists()


def test_others_of_the_kind_are_a_list_to_choose_from(as_role, both_ways):
    first, *_ = [clash(both_ways, number) for number in (1, 2, 3)]
    operator = as_role("operator")
    page = operator.get(change_url(first))

    assert "2 more open conflicts" in page.content.decode()
    assert operator.get(page.context["siblings_url"]).context["cl"].result_count == 3


def test_one_decided_by_rule_tells_what_went_under(as_role, both_ways):
    made = clash(both_ways, 1, written_to="salesforce", sent="Closed")
    Conflict.objects.update(state="by_rule", rule="newest", resolved_at=timezone.now())
    page = texts(as_role("operator").get(change_url(made) + "?values=1").content.decode())

    assert "Salesforce was given “Closed” over “Escalated”." in page
    assert "The newest record counts." in page
    assert "Taking it writes" not in page


def test_a_field_that_is_not_mapped_any_more_is_still_shown(as_role, conflict, both_ways):
    both_ways.rows.filter(salesforce="Status").delete()
    revisions.publish(both_ways, author_id=None, author_name="Alice", reason="")
    page = as_role("operator").get(change_url(conflict) + "?values=1").content.decode()

    assert "The published mapping has no such field any more." in page
    assert "Escalated" in page


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig()) as running:
        yield running


def test_from_the_edit_on_both_sides_to_the_value_that_was_chosen(transactional_db, pair, root):
    flow = make_both(pair, conflict="ask")
    pair.servicenow.add("incident", short_description="Printer on fire")
    run_now(flow)
    link = RecordLink.objects.get()
    pair.salesforce.edit("Case", link.salesforce_id, by="abel.tuter", Subject="Theirs")
    pair.servicenow.edit("incident", link.servicenow_id, by="fred.luddy", short_description="Ours")
    run_now(flow)
    conflict = Conflict.objects.get()

    shown = root.get(change_url(conflict) + "?values=1").context["values"]
    assert (shown.servicenow.value, shown.servicenow.taking) == ("Ours", "“Ours”")
    assert (shown.salesforce.value, shown.salesforce.by) == ("Theirs", "abel.tuter@acme.example")
    root.post(action_url(conflict, "take_salesforce"), CONFIRMED)
    Run.objects.active().update(status="cancelled", finished_at=timezone.now())
    run_now(flow)

    assert pair.servicenow.rows("incident")[0]["short_description"] == "Theirs"
    page = root.get(change_url(conflict)).content.decode()
    assert "root chose Salesforce, written" in page
    assert action_url(conflict, "take_servicenow") not in page
