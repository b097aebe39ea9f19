"""What the pages show, to whom, and what they cost."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sync.models import (
    AuditEntry,
    Connection,
    Flow,
    Question,
    RecordLink,
    Run,
    Waiting,
    Worker,
)
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

# Queries of a list page with 50 rows: six of the session and the menu's badges, the rest its own.
LIST_QUERIES = {
    "sync_flow": 11,
    "sync_run": 11,
    "sync_recordlink": 11,
    "sync_deadletter": 13,
    "sync_conflict": 12,
    "sync_waiting": 11,
    "sync_remotecall": 12,
    "sync_connection": 10,
    "sync_auditentry": 13,
    "sync_worker": 10,
    "mappings_valuemap": 10,
    "mappings_usertable": 10,
    "auth_user": 12,
}
OVERVIEW_QUERIES = 20


def change_url(target) -> str:
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])


@pytest.fixture
def fifty(flow):
    """Fifty rows of everything that lists many."""
    now = timezone.now()
    for number in range(1, 51):
        link = seed.link(flow, number)
        run = seed.run(flow, now - timedelta(minutes=number))
        seed.dead_letter(link, run)
        seed.conflict(link)
        seed.call(run)
        Waiting.objects.create(flow=flow, side="servicenow", record_id=link.servicenow_id, reason="retry",
                               since=now, due_at=now)  # fmt: skip
        Worker.objects.create(name=f"host:{number}", started_at=now, seen_at=now)
    for number in range(49):
        seed.flow(flow.servicenow_connection, flow.salesforce_connection, f"flow-{number}")
    return flow


@pytest.mark.parametrize("name", LIST_QUERIES)
def test_a_list_asks_a_fixed_number_of_queries(root, fifty, name):
    url = reverse(f"admin:{name}_changelist")
    root.get(url)
    with CaptureQueriesContext(connection) as asked:
        assert root.get(url).status_code == 200

    assert len(asked) <= LIST_QUERIES[name], [query["sql"][:120] for query in asked]


def test_the_overview_asks_a_fixed_number_of_queries_however_many_flows(root, fifty):
    seed.totals(fifty, timezone.now(), random.Random(1))
    with CaptureQueriesContext(connection) as asked:
        root.get(reverse("admin:index"))

    assert len(asked) <= OVERVIEW_QUERIES, [query["sql"][:120] for query in asked]


def test_every_page_opens_for_a_superuser(root, busy):
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
def test_every_role_can_open_the_pages_in_its_menu(as_role, busy, role):
    person = as_role(role)
    menu = person.get(reverse("admin:index")).context["sidebar_navigation"]
    links = [item["link"] for group in menu for item in group["items"]]

    assert len(links) > 10
    assert {person.get(link).status_code for link in links} == {200}
    assert person.get(change_url(Flow.objects.first())).status_code == 200
    assert person.get(change_url(Connection.objects.first())).status_code == 200


def test_a_viewer_opens_nothing_that_changes_anything(as_role, busy):
    viewer = as_role("viewer")

    assert viewer.get(reverse("admin:sync_flow_add")).status_code == 403
    assert viewer.post(change_url(Flow.objects.first()), {"name": "mine"}).status_code == 403
    assert viewer.get(reverse("admin:sync_auditentry_changelist")).status_code == 403
    assert viewer.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_a_refused_and_an_unknown_page_say_what_to_do_in_the_consoles_own_words(as_role, busy):
    viewer = as_role("viewer")

    assert "An administrator can give you a role" in viewer.get("/admin/auth/user/").content.decode()
    assert "There is no such page" in viewer.get("/nowhere").content.decode()


def test_a_connection_whose_limit_is_not_known_shows_no_bar(root, flow):
    Connection.objects.update(calls_allowed=None, calls_seen_at=None)
    page = root.get(reverse("admin:index")).content.decode()

    assert "no limit known" in page
    assert 'class="ic-bar' not in page
    assert "seen –" not in page


def test_the_overview_says_what_needs_attention(root, busy):
    body = root.get(reverse("admin:index")).content.decode()

    assert "1 flow needs attention" in body
    assert "Status value 8 is not mapped" in body
    assert "38,112 of 100,000" in body
    assert "First steps" not in body


def test_an_empty_console_shows_the_first_steps(root):
    body = root.get(reverse("admin:index")).content.decode()

    assert "Nothing is synchronised yet" in body
    assert "Connect a ServiceNow instance" in body
    assert reverse("admin:sync_connection_add") in body


def test_a_login_without_a_page_in_mind_leads_to_the_overview(client, django_user_model):
    django_user_model.objects.create_user("bob", password="correct horse", is_staff=True)
    reply = client.post(reverse("admin:login"), {"username": "bob", "password": "correct horse"})

    assert reply.url == reverse("admin:index")


def test_somebody_without_a_role_is_told_whom_to_ask(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("carol", is_staff=True))

    assert "You have no role yet" in client.get(reverse("admin:index")).content.decode()


def test_an_active_run_asks_for_its_progress_again_and_an_ended_one_does_not(root, busy):
    live, done = Run.objects.get(status="running"), Run.objects.get(status="partial")
    while_running = root.get(reverse("admin:sync_run_progress", args=[live.pk])).content.decode()
    afterwards = root.get(reverse("admin:sync_run_progress", args=[done.pk])).content.decode()

    assert 'hx-trigger="every 2s"' in while_running
    assert "7,320 of 12,000 records" in while_running
    assert "61 %" in while_running
    assert "hx-trigger" not in afterwards


def test_a_runs_counts_lead_to_its_records_of_that_outcome(root, busy):
    done = Run.objects.get(status="partial")
    page = root.get(change_url(done) + "?outcome=failed")

    assert f"{change_url(done)}?outcome=failed#events" in page.content.decode()
    assert {event.outcome for event in page.context["page"]} == {"failed"}
    assert len(page.context["page"]) == 7


def test_a_failed_run_explains_itself_in_four_parts(root, flow):
    run = seed.run(flow, timezone.now(), status="failed", error="Invalid client secret", error_code="authentication",
                   advice="Enter the client secret again.", expected=800)  # fmt: skip
    body = root.get(change_url(run)).content.decode()

    assert "Invalid client secret" in body
    assert "The platform refused the credentials" in body
    assert "412 of 800 records were read before it" in body
    assert "Enter the client secret again." in body


@pytest.mark.parametrize(
    "term", ["INC0010007", "00001007", "1007", f"{7:032x}", f"500{7:012}AAA", f"500{7:012}"]
)
def test_a_record_is_found_by_any_of_its_names(root, busy, term):
    page = root.get(reverse("admin:sync_recordlink_changelist"), {"q": term})

    assert [link.servicenow_number for link in page.context["cl"].result_list] == ["INC0010007"]


def test_a_dry_run_says_what_its_failures_mean_although_it_leaves_no_dead_letters(root, flow):
    dry = seed.run(flow, timezone.now(), mode="dry", status="partial", failed=1)
    seed.event(seed.link(flow, 1), dry, "failed", code="UNMAPPED_USER")
    page = root.get(reverse("admin:sync_run_change", args=[dry.pk])).content.decode()

    assert "The user table has no active counterpart" in page
    assert "give the table a fallback" in page


def test_a_record_links_out_to_both_systems(root, flow):
    body = root.get(change_url(seed.link(flow, 7))).content.decode()

    assert f"https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id={7:032x}" in body
    assert f"https://acme.my.salesforce.com/lightning/r/Case/500{7:012}AAA/view" in body


def test_values_are_hidden_until_a_permitted_person_opens_them_and_that_is_noted(as_role, busy):
    link = RecordLink.objects.get(servicenow_number="INC0010001")
    operator, viewer = as_role("operator"), as_role("viewer")
    secret = link.base[str(link.flow.rows.get(salesforce="Subject").pk)][0]

    assert secret not in operator.get(change_url(link)).content.decode()
    assert secret not in viewer.get(change_url(link) + "?values=1").content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()

    assert secret in operator.get(change_url(link) + "?values=1").content.decode()
    entry = AuditEntry.objects.get(action="payload.opened")
    assert (entry.actor_name, entry.object_id) == ("operator", str(link.pk))


def test_a_conflict_shows_both_sides_and_the_value_agreed_before(root, busy):
    link = RecordLink.objects.get(conflicts__state="open")
    lines = {
        line.salesforce_field: line for line in root.get(change_url(link) + "?values=1").context["values"]
    }

    status = lines["Status"]
    assert (status.servicenow, status.agreed, status.salesforce, status.status) == (
        "6",
        "Working",
        "Escalated",
        "conflict",
    )


def test_a_dead_letter_tells_what_to_do_and_shows_its_payload_as_a_table(as_role, flow):
    letter = seed.dead_letter(seed.link(flow, 1))
    body = as_role("operator").get(change_url(letter) + "?values=1").content.decode()

    assert "Add 8 to the value map" in body
    assert "Printer on the third floor" in body
    assert "{&#x27;" not in body
    assert "{&quot;" not in body


def test_a_waiting_test_asks_again_and_an_answered_one_lists_its_findings(root, flow):
    connection = flow.servicenow_connection
    question = Question.objects.create(kind="test_connection", connection=connection)
    url = reverse("admin:sync_connection_proved", args=[connection.pk])
    assert 'hx-trigger="every 2s"' in root.get(url).content.decode()

    question.delete()
    seed.answered(connection)
    body = root.get(url).content.decode()
    assert "hx-trigger" not in body
    assert "sys_dictionary cannot be read." in body


def test_the_audit_log_is_for_reading_even_for_a_superuser(root, busy):
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


def test_every_page_carries_the_policy_and_no_inline_script(root, busy):
    pages = [reverse("admin:index"), change_url(Flow.objects.first()), change_url(Run.objects.first())]
    for url in pages:
        reply = root.get(url)
        assert "script-src 'self' 'unsafe-eval'" in reply.headers["Content-Security-Policy"]
        assert "<script>" not in reply.content.decode()
        assert "onclick=" not in reply.content.decode()


def test_probes_past_the_proxy_are_answered_and_not_sent_to_https(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503  # no worker, but an answer
    assert client.get("/admin/").status_code == 301
