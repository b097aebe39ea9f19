"""What pages show where there is little or nothing yet."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.admin.base import list_url
from sync.models import Connection, DeadLetter, Question
from tests.console import seed
from tests.console.test_pages import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def test_a_connection_whose_limit_is_not_known_shows_no_bar(root, flow):
    Connection.objects.update(calls_allowed=None, calls_seen_at=None)
    page = root.get(reverse("admin:index")).content.decode()

    assert "no limit known" in page
    assert 'class="ic-bar' not in page
    assert "seen –" not in page


def test_an_empty_console_shows_the_first_steps(root):
    body = root.get(reverse("admin:index")).content.decode()

    assert "Nothing is synchronised yet" in body
    assert "Connect ServiceNow" in body
    assert reverse("admin:sync_connection_add") in body


def test_a_login_without_a_page_in_mind_leads_to_the_overview(client, django_user_model):
    django_user_model.objects.create_user("bob", password="correct horse", is_staff=True)
    reply = client.post(reverse("admin:login"), {"username": "bob", "password": "correct horse"})

    assert reply.url == reverse("admin:index")


def test_somebody_without_a_role_is_told_whom_to_ask(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("carol", is_staff=True))

    assert "You have no role yet" in client.get(reverse("admin:index")).content.decode()


def test_a_failed_run_explains_itself_in_four_parts(root, flow):
    run = seed.run(flow, timezone.now(), status="failed", error="Invalid client secret", error_code="authentication",
                   advice="Enter the client secret again.", expected=800)  # fmt: skip
    body = root.get(change_url(run)).content.decode()

    assert "Invalid client secret" in body
    assert "The platform refused the credentials" in body
    assert "412 of 800 records were read before it" in body
    assert "Enter the client secret again." in body


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


def test_probes_past_the_proxy_are_answered_and_not_sent_to_https(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503  # no worker, but an answer
    assert client.get("/admin/").status_code == 301


def test_a_list_of_dead_letters_tells_the_cause_of_each(root, flow):
    letter = seed.dead_letter(seed.link(flow, 1))

    page = root.get(list_url(DeadLetter)).content.decode()

    assert letter.rule in page
    assert letter.advice in page


def test_an_empty_list_says_what_will_appear_in_it_and_a_filtered_one_how_to_see_all(root, flow):
    empty = root.get(list_url(DeadLetter)).content.decode()
    seed.dead_letter(seed.link(flow, 1))
    filtered = root.get(list_url(DeadLetter, q="nobody has this number")).content.decode()

    assert "No dead letters yet" in empty
    assert "A record that a platform refuses" in empty
    assert "No dead letters match" in filtered
    assert "Show all" in filtered
