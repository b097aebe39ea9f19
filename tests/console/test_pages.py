"""What the pages of a console in use show, and to whom."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from sync.models import (
    AuditEntry,
    Connection,
    Flow,
    RecordLink,
    Run,
    Waiting,
)

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def change_url(target) -> str:
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])


def test_every_page_opens_for_a_superuser(root, in_use):
    seen = 0
    for model, page in admin.site._registry.items():
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}_"
        assert root.get(reverse(base + "changelist")).status_code == 200
        if (row := model._default_manager.first()) is not None:
            assert root.get(reverse(base + "change", args=[row.pk])).status_code == 200
            seen += 1
        if type(page).has_add_permission.__qualname__.startswith("ReadOnly"):
            assert root.get(reverse(base + "add")).status_code == 403
    assert seen >= 12


@pytest.mark.parametrize("role", ["viewer", "operator", "mapping editor", "administrator", "auditor"])
def test_every_role_can_open_the_pages_in_its_menu(as_role, in_use, role):
    person = as_role(role)
    menu = person.get(reverse("admin:index")).context["sidebar_navigation"]
    links = [item["link"] for group in menu for item in group["items"]]

    assert len(links) > 10
    assert {person.get(link).status_code for link in links} == {200}
    assert person.get(change_url(Flow.objects.first())).status_code == 200
    assert person.get(change_url(Connection.objects.first())).status_code == 200


def test_a_viewer_opens_nothing_that_changes_anything(as_role, in_use):
    viewer = as_role("viewer")

    assert viewer.get(reverse("admin:sync_flow_add")).status_code == 403
    assert viewer.post(change_url(Flow.objects.first()), {"name": "mine"}).status_code == 403
    assert viewer.get(reverse("admin:sync_auditentry_changelist")).status_code == 403
    assert viewer.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_a_refused_and_an_unknown_page_say_what_to_do_in_the_consoles_own_words(as_role, in_use):
    viewer = as_role("viewer")

    assert "An administrator can give you a role" in viewer.get("/admin/auth/user/").content.decode()
    assert "There is no such page" in viewer.get("/nowhere").content.decode()


def test_the_overview_says_what_needs_attention(root, in_use):
    body = root.get(reverse("admin:index")).content.decode()

    assert "1 flow needs attention" in body
    assert "Status value 8 is not mapped" in body
    assert "38,112 of 100,000" in body
    assert "First steps" not in body


def test_the_overview_counts_what_is_in_doubt_among_the_waiting(root, in_use):
    flow, since = Flow.objects.first(), timezone.now()
    for number, reason in enumerate(("in_doubt", "in_doubt", "locked")):
        Waiting.objects.create(
            flow=flow, side="servicenow", record_id=f"{number}" * 32, reason=reason, since=since, due_at=since
        )

    assert "2 in doubt, settle by themselves" in root.get(reverse("admin:index")).content.decode()


def test_an_active_run_asks_for_its_progress_again_and_an_ended_one_does_not(root, in_use):
    live, done = Run.objects.get(status="running"), Run.objects.get(status="partial")
    while_running = root.get(reverse("admin:sync_run_progress", args=[live.pk])).content.decode()
    afterwards = root.get(reverse("admin:sync_run_progress", args=[done.pk])).content.decode()

    assert 'hx-trigger="every 2s"' in while_running
    assert "7,320 of 12,000 records" in while_running
    assert "61 %" in while_running
    assert "hx-trigger" not in afterwards


def test_a_runs_counts_lead_to_its_records_of_that_outcome(root, in_use):
    done = Run.objects.get(status="partial")
    page = root.get(change_url(done) + "?outcome=failed")

    assert f"{change_url(done)}?outcome=failed#events" in page.content.decode()
    assert {event.outcome for event in page.context["page"]} == {"failed"}
    assert len(page.context["page"]) == 7


@pytest.mark.parametrize(
    "term", ["INC0010007", "00001007", "1007", f"{7:032x}", f"500{7:012}AAA", f"500{7:012}"]
)
def test_a_record_is_found_by_any_of_its_names(root, in_use, term):
    page = root.get(reverse("admin:sync_recordlink_changelist"), {"q": term})

    assert [link.servicenow_number for link in page.context["cl"].result_list] == ["INC0010007"]


def test_values_are_hidden_until_a_permitted_person_opens_them_and_that_is_noted(as_role, in_use):
    link = RecordLink.objects.get(servicenow_number="INC0010001")
    operator, viewer = as_role("operator"), as_role("viewer")
    secret = link.base[str(link.flow.rows.get(salesforce="Subject").pk)][0]

    assert secret not in operator.get(change_url(link)).content.decode()
    assert secret not in viewer.get(change_url(link) + "?values=1").content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()

    assert secret in operator.get(change_url(link) + "?values=1").content.decode()
    entry = AuditEntry.objects.get(action="payload.opened")
    assert (entry.actor_name, entry.object_id) == ("operator", str(link.pk))


def test_a_conflict_shows_both_sides_and_the_value_agreed_before(root, in_use):
    link = RecordLink.objects.get(conflicts__state="open")
    lines = {
        line.salesforce_field: line for line in root.get(change_url(link) + "?values=1").context["values"]
    }

    status = lines["Status"]
    assert (status.servicenow, status.agreed, status.salesforce, status.status) == (
        "6",
        "2 ↔ Working",
        "Escalated",
        "conflict",
    )


def test_the_audit_log_is_for_reading_even_for_a_superuser(root, in_use):
    entry = AuditEntry.objects.get(action="flow.published")
    page = change_url(entry)

    assert "short_description" in root.get(page).content.decode()
    root.post(page, {"action": "forged", "actor_name": "forged"})
    assert root.get(reverse("admin:sync_auditentry_add")).status_code == 403
    assert (
        root.post(reverse("admin:sync_auditentry_delete", args=[entry.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert AuditEntry.objects.get(pk=entry.pk).action == "flow.published"


def test_every_page_carries_the_policy_and_no_inline_script(root, in_use):
    pages = [reverse("admin:index"), change_url(Flow.objects.first()), change_url(Run.objects.first())]
    for url in pages:
        reply = root.get(url)
        assert "script-src 'self' 'unsafe-eval'" in reply.headers["Content-Security-Policy"]
        assert "<script>" not in reply.content.decode()
        assert not re.search(r"<[a-z][^<>]*\son[a-z]+=", reply.content.decode())
