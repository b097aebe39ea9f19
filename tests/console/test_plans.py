"""The page of a plan: what would be written and why, approved by somebody else, then applied."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sync.models import AuditEntry, Flow, Plan, PlanItem, Run
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


@pytest.fixture
def asked(flow: Flow) -> Plan:
    """A plan of three writes that the operator asked for."""
    dry = seed.run(flow, timezone.now(), kind="manual", mode="dry", asked_by_name="operator")
    return seed.plan(dry, [seed.link(flow, number) for number in (1, 2, 3)])


@pytest.fixture
def careful(flow: Flow, asked: Plan) -> Plan:
    Flow.objects.filter(pk=flow.pk).update(options={"approval": True})
    return asked


def url(plan: Plan, deed: str = "change") -> str:
    return reverse(f"admin:sync_plan_{deed}", args=[plan.pk])


def page_of(client: Client, plan: Plan, **given: str) -> str:
    return client.get(url(plan), given).content.decode()


def text_of(body: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", body).split())


def press(client: Client, plan: Plan, deed: str) -> str:
    reply = client.post(url(plan, deed), {"_form_submitted": "on"}, follow=True)
    return text_of(reply.content.decode())


def test_a_run_leads_to_its_plan_whose_values_are_opened_and_noted(as_role, asked):
    operator = as_role("operator")
    run_page = operator.get(reverse("admin:sync_run_change", args=[asked.run_id])).content.decode()
    assert url(asked) in run_page
    assert "The plan: 3 writes" in run_page

    assert "Closed" not in page_of(operator, asked)
    told = text_of(page_of(operator, asked, values="1"))
    assert "INC0010001" in told
    assert "Status Working Closed planned" in told
    assert AuditEntry.objects.filter(action="payload.opened", object_id=str(asked.pk)).count() == 1


def test_a_viewer_sees_which_fields_and_no_value(as_role, asked):
    told = page_of(as_role("viewer"), asked, values="1")

    assert "Status" in told
    assert "Closed" not in told


def test_who_asked_cannot_approve_and_somebody_else_can(as_role, careful):
    operator = as_role("operator")
    flow_page = operator.get(reverse("admin:sync_flow_change", args=[careful.flow_id])).content.decode()
    assert "1 plan to approve" in flow_page
    assert "You asked for it: somebody else" in text_of(page_of(operator, careful))
    assert "You asked for this plan" in press(operator, careful, "approve")
    assert "demands that somebody else approves it" in press(operator, careful, "apply")
    assert not Run.objects.filter(kind="apply").exists()

    assert "is approved" in press(as_role("administrator"), careful, "approve")
    careful.refresh_from_db()
    assert (careful.stage, careful.approved_by_name) == ("approved", "administrator")
    assert AuditEntry.objects.get(action="plan.approved").actor_name == "administrator"
    press(operator, careful, "apply")
    run = Run.objects.get(kind="apply")
    assert (run.lane, run.params["plan"], run.asked_by_name) == ("backfill", careful.pk, "operator")


def test_the_newest_plan_stands_first(as_role, flow, asked):
    newer = seed.plan(seed.run(flow, timezone.now(), kind="manual", mode="dry"), [seed.link(flow, 4)])

    listed = as_role("viewer").get(reverse("admin:sync_plan_changelist")).context["cl"].result_list
    assert [plan.pk for plan in listed] == [newer.pk, asked.pk]


def test_the_overview_and_the_menu_say_how_many_plans_wait_to_who_may_see_them(as_role, careful):
    def menu(client: Client) -> list[str]:
        groups = client.get(reverse("admin:sync_plan_changelist")).context["sidebar_navigation"]
        return [item.get("badge", "") for group in groups for item in group["items"] if item["title"] == "Plans"]  # fmt: skip

    operator = as_role("operator")
    overview = text_of(operator.get(reverse("admin:index")).content.decode())
    assert "1 plan waits for approval Look" in overview
    assert menu(operator) == ["1"]
    waiting = reverse("admin:sync_plan_changelist") + "?waits=yes"
    assert waiting in operator.get(reverse("overview")).content.decode()
    assert f"run {careful.run_id:,}" in text_of(operator.get(waiting).content.decode())

    Group.objects.get(name="viewer").permissions.remove(Permission.objects.get(codename="view_plan"))
    viewer = as_role("viewer")
    assert "for approval" not in viewer.get(reverse("admin:index")).content.decode()

    press(as_role("administrator"), careful, "approve")
    assert "for approval" not in operator.get(reverse("admin:index")).content.decode()
    assert menu(operator) == [""]
    assert f"run {careful.run_id:,}" not in text_of(operator.get(waiting).content.decode())


def test_a_plan_that_needs_nobody_is_applied_at_once_and_not_twice(as_role, asked):
    operator = as_role("operator")
    assert "3 writes of incidents-to-cases" in text_of(operator.get(url(asked, "apply")).content.decode())
    press(operator, asked, "apply")
    run = Run.objects.get(kind="apply")

    assert f"Run {run.pk} is applying it" in press(operator, asked, "apply").replace(",", "")
    assert Run.objects.filter(kind="apply").count() == 1
    assert "applied by run" in text_of(page_of(operator, asked))


def test_what_was_left_is_named_with_the_reason_and_found_by_its_number(as_role, asked):
    first = asked.items.first()
    PlanItem.objects.filter(pk=first.pk).update(fate="stale", code="MOVED", moved="Status")
    Plan.objects.filter(pk=asked.pk).update(stage="applied", applied_at=timezone.now())

    told = text_of(page_of(as_role("viewer"), asked, fate="stale"))

    assert first.servicenow_number in told
    assert "stale Status What it was planned on has changed since; nothing was overwritten." in told
    others = asked.items.exclude(pk=first.pk)
    assert not [other for other in others if other.servicenow_number in told]


def test_the_demand_for_approval_is_a_switch_of_the_flow_and_a_key_of_its_file(root, flow):
    from sync.configuration.export import export

    assert "approval" not in export()
    Flow.objects.filter(pk=flow.pk).update(options={"approval": True})

    assert "approval: true" in export()
    page = root.get(reverse("admin:sync_flow_change", args=[flow.pk])).content.decode()
    assert re.search(r'<input[^>]*name="approval"[^>]*checked', page)


def test_a_second_person_may_be_of_the_same_role(as_role, careful):
    press(as_role("operator"), careful, "approve")
    second = User.objects.create_user("second.operator", password="correct horse", is_staff=True)
    second.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(second)

    assert "is approved" in press(client, careful, "approve")
