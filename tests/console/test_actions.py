"""Every action is a confirmed POST that asks for a permission."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse

from integration_console.theme.actions import Rules
from mappings.models import ValueMap
from sync.models import AuditEntry, DeadLetter, Flow, Question, Run, Waiting
from tests.console import seed

CONFIRMED = {"_form_submitted": "on"}
pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def action_url(target, name: str) -> str:
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_{name}", args=[target.pk])


def offered(model_admin, request) -> list:
    """Every action a page of this admin has: on rows, on the record's page, in the list, beside Save."""
    names = {
        name
        for attribute in ("actions_row", "actions_detail", "actions_list", "actions_submit_line")
        for name in model_admin._extract_action_names(getattr(model_admin, attribute, ()))
    }
    chosen = [entry[0] for entry in model_admin.get_actions(request).values()]
    return [getattr(model_admin, name) for name in names] + chosen


def test_every_action_of_every_page_was_made_by_the_wrapper(root):
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    found = [action for page in admin.site._registry.values() for action in offered(page, request)]

    assert len(found) >= 12
    assert [action for action in found if not isinstance(getattr(action, "rules", None), Rules)] == []


def test_the_queue_has_no_pages_of_its_own():
    assert [model for model in admin.site._registry if model._meta.app_label == "django_q"] == []


@pytest.mark.parametrize(("role", "gone", "status"), [("viewer", False, 403), ("operator", True, 404)])
def test_a_dialog_that_comes_too_late_renews_the_page_which_says_why(as_role, flow, role, gone, status):
    url = reverse("admin:sync_flow_pause", args=[flow.pk + gone])
    browser, sent = as_role(role), {**CONFIRMED, "reason": "Maintenance."}
    refused = browser.post(url, sent, headers={"HX-Request": "true"})

    assert (refused.status_code, refused.headers["HX-Refresh"], refused.content) == (status, "true", b"")
    assert "Nothing was done: " in browser.get("/admin/").content.decode()
    assert browser.post(url, sent).status_code == status


@pytest.mark.parametrize("name", ["run_now", "dry_run", "resync", "pause"])
def test_opening_a_dialog_changes_nothing(root, flow, name):
    before = AuditEntry.objects.count()
    reply = root.get(action_url(flow, name))

    assert reply.status_code == 200
    assert b"_form_submitted" in reply.content
    assert (Run.objects.count(), AuditEntry.objects.count()) == (0, before)


def test_a_post_without_the_dialogs_form_asks_again_and_changes_nothing(root, flow):
    reply = root.post(action_url(flow, "run_now"))

    assert reply.status_code == 200
    assert Run.objects.count() == 0


def test_run_now_queues_a_run_with_an_audit_entry_that_names_the_person(as_role, flow):
    reply = as_role("operator").post(action_url(flow, "run_now"), CONFIRMED)

    run = Run.objects.get()
    assert reply.url == reverse("admin:sync_run_change", args=[run.pk])
    assert (run.kind, run.mode, run.lane, run.asked_by_name) == ("manual", "write", "live", "operator")
    assert AuditEntry.objects.get(action="run.started").actor_name == "operator"


def test_a_dialog_sent_by_the_page_answers_with_where_to_go(as_role, flow):
    reply = as_role("operator").post(action_url(flow, "dry_run"), CONFIRMED, headers={"HX-Request": "true"})

    assert Run.objects.get().mode == "dry"
    assert reply.headers["HX-Redirect"] == reverse("admin:sync_run_change", args=[Run.objects.get().pk])


def test_a_second_run_is_refused_with_a_sentence_that_names_the_first(as_role, flow):
    operator = as_role("operator")
    operator.post(action_url(flow, "run_now"), CONFIRMED)
    reply = operator.post(action_url(flow, "run_now"), CONFIRMED, follow=True)

    assert Run.objects.count() == 1
    assert f"Run {Run.objects.get().pk:,} (manual) of incidents-to-cases is active" in reply.content.decode()


def test_a_resync_takes_numbers_and_ids_in_any_mixture(as_role, flow):
    names = ["a" * 32, "INC0010004", "00001001"]
    as_role("operator").post(
        action_url(flow, "resync"), {**CONFIRMED, "ids": f"{names[0]} {names[1]},\n{names[2]}"}
    )

    assert Run.objects.get().params == {"ids": names}


def test_a_resync_takes_a_span_of_time_with_an_offset(as_role, flow):
    operator = as_role("operator")
    unclear = operator.post(action_url(flow, "resync"), {**CONFIRMED, "since": "2026-11-01T00:00"})
    assert "Add the offset" in unclear.content.decode()
    assert Run.objects.count() == 0

    operator.post(action_url(flow, "resync"), {**CONFIRMED, "since": "2026-11-01T00:00+00:00", "ids": "a, b"})
    run = Run.objects.get()
    assert (run.lane, run.kind) == ("backfill", "resync")
    assert run.params == {"since": "2026-11-01T00:00:00+00:00", "ids": ["a", "b"]}


def test_pause_needs_a_reason_and_resume_takes_it_away(as_role, flow):
    operator = as_role("operator")
    operator.post(action_url(flow, "pause"), CONFIRMED)
    assert Flow.objects.get().paused_reason == ""

    operator.post(action_url(flow, "pause"), {**CONFIRMED, "reason": "Maintenance."})
    assert Flow.objects.get().paused_reason == "Maintenance."

    operator.post(action_url(flow, "resume"), CONFIRMED)
    assert Flow.objects.get().paused_reason == ""


def test_a_queued_run_is_cancelled_at_once(as_role, flow):
    run = seed.run(flow, flow.created_at, status="queued", finished_at=None)
    as_role("operator").post(action_url(run, "cancel"), CONFIRMED)

    run.refresh_from_db()
    assert run.status == "cancelled"


def test_test_connection_asks_a_question_for_a_worker(as_role, flow):
    as_role("operator").post(action_url(flow.salesforce_connection, "test"), CONFIRMED)

    assert Question.objects.get().state == "asked"


def test_sync_now_reads_one_record_again(as_role, flow):
    link = seed.link(flow, 1)
    as_role("operator").post(action_url(link, "sync_now"), CONFIRMED)

    assert Run.objects.get().params == {"ids": [link.servicenow_id]}


def test_a_dead_letter_is_retried(as_role, flow):
    letter = seed.dead_letter(seed.link(flow, 1))
    as_role("operator").post(action_url(letter, "retry"), CONFIRMED)

    letter.refresh_from_db()
    assert letter.state == "retried"
    assert Waiting.objects.get().record_id == letter.record_id


def test_chosen_dead_letters_are_retried_after_a_page_that_asks(as_role, flow):
    letters = [seed.dead_letter(seed.link(flow, number)) for number in (1, 2, 3)]
    operator, url = as_role("operator"), reverse("admin:sync_deadletter_changelist")
    chosen = {"action": "retry_chosen", "_selected_action": [str(letter.pk) for letter in letters[:2]]}

    asked = operator.post(url, chosen)
    assert "Retry 2 dead letters?" in asked.content.decode()
    assert DeadLetter.objects.filter(state="open").count() == 3

    operator.post(url, {**chosen, **CONFIRMED})
    assert DeadLetter.objects.filter(state="open").count() == 1


def test_chosen_dead_letters_are_ignored_with_a_reason_in_the_audit_log(as_role, flow):
    letter = seed.dead_letter(seed.link(flow, 1))
    chosen = {"action": "ignore_chosen", "_selected_action": [str(letter.pk)], **CONFIRMED}
    as_role("operator").post(
        reverse("admin:sync_deadletter_changelist"), {**chosen, "reason": "A duplicate."}
    )

    letter.refresh_from_db()
    assert letter.state == "ignored"
    assert AuditEntry.objects.get(action="dead_letters.ignored").after["reason"] == "A duplicate."


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["run_now", "dry_run", "resync", "pause", "resume"])
def test_who_may_not_press_a_flows_button_gets_a_403(as_role, flow, name, method):
    viewer = as_role("viewer")

    assert getattr(viewer, method)(action_url(flow, name), CONFIRMED).status_code == 403
    assert Run.objects.count() == 0


def test_who_may_not_press_a_button_does_not_see_it(as_role, flow):
    link = action_url(flow, "run_now")
    page = reverse("admin:sync_flow_change", args=[flow.pk])

    assert link not in as_role("viewer").get(page).content.decode()
    assert link in as_role("operator").get(page).content.decode()


def test_who_may_not_retry_is_not_offered_it_for_chosen_rows(as_role, flow):
    seed.dead_letter(seed.link(flow, 1))
    url = reverse("admin:sync_deadletter_changelist")

    assert "retry_chosen" not in as_role("viewer").get(url).content.decode()
    assert "retry_chosen" in as_role("operator").get(url).content.decode()


def test_nothing_is_deleted_in_bulk(root, flow):
    body = root.get(reverse("admin:mappings_valuemap_changelist")).content.decode()

    assert ValueMap.objects.exists()
    assert "delete_selected" not in body
