"""An operator at work in a real Chromium, found by role and label."""

from __future__ import annotations

import re

from django.utils import timezone

from sync.models import Flow, Question, Run
from tests.console import seed
from tests.console.browsing import in_browser

pytestmark = in_browser


def test_an_operator_runs_a_flow_and_watches_it_end(window, console, complaints):
    from playwright.sync_api import expect

    Run.objects.active().update(status="cancelled", finished_at=timezone.now())
    page = window(logged_in=False)
    page.goto("/admin/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="incidents-to-cases").click()
    page.get_by_role("link", name="Run now").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_role("heading", name="Run incidents-to-cases now?")).to_be_visible()
    assert not Run.objects.active().exists()

    dialog.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("waits for a worker")).to_be_visible()
    run = Run.objects.active().get()
    assert (run.kind, run.asked_by_name) == ("manual", "alice")

    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(
        status="running", started_at=now, read=300, expected=1_200, step="page 1, writing"
    )
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    expect(page.get_by_role("link", name="Cancel")).to_be_visible()

    Run.objects.filter(pk=run.pk).update(
        status="succeeded", finished_at=timezone.now(), read=1_200, created=1_200
    )
    expect(page.locator("#run-progress").get_by_text("succeeded")).to_be_visible(timeout=10_000)
    expect(page.locator("#run-progress")).not_to_have_attribute("hx-trigger", re.compile("."))
    expect(page.get_by_role("link", name="Cancel")).to_be_hidden(timeout=10_000)
    assert complaints == []


def test_how_many_records_a_resync_reads_is_said_before_it_is_confirmed(open_page, console, complaints):
    from playwright.sync_api import expect

    page = open_page()
    page.get_by_role("link", name="incidents-to-cases").click()
    page.get_by_role("link", name="Resync").click()
    dialog = page.locator("#dialog")
    expect(dialog.get_by_text("Counting on both sides")).to_be_visible()

    side = {"side": "servicenow", "name": "incident", "records": 1_234, "entering": None}
    question = Question.objects.get(kind="count")
    question.state, question.answered_at = "answered", timezone.now()
    question.answer = {"sides": [side], "linked": 12, "unknown": []}
    question.save()

    expect(dialog.get_by_text("ServiceNow: 1,234 × incident to look at.")).to_be_visible(timeout=10_000)
    assert not Run.objects.filter(kind="resync", status="queued").exists()
    assert complaints == []


def test_a_record_is_found_by_its_number_and_its_values_are_opened(open_page, console, complaints):
    from playwright.sync_api import expect

    page = open_page()
    page.locator("a[href='/admin/sync/recordlink/']").first.click()
    page.locator("#searchbar").fill("INC0010003")
    page.locator("#searchbar").press("Enter")
    page.get_by_role("link", name="INC0010003").click()
    expect(page.get_by_text("hidden").first).to_be_visible()

    page.get_by_role("link", name="Show values").click()
    expect(page.get_by_role("cell", name=seed.SUBJECTS[3], exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="Open in ServiceNow")).to_have_attribute("target", "_blank")
    assert complaints == []


def test_the_secrets_shown_are_those_of_the_chosen_method(open_page, console, complaints):
    from playwright.sync_api import expect

    page = open_page()
    page.locator("a[href='/admin/sync/connection/']").first.click()
    page.get_by_role("link", name="acme-servicenow").click()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.get_by_label("Password")).to_have_value("")

    page.get_by_label("Method").select_option("oauth_client_credentials")
    expect(page.get_by_label("Password")).to_be_hidden()
    expect(page.get_by_label("Client secret")).to_be_visible()
    assert complaints == []


def test_a_recipe_is_checked_and_becomes_a_flow_of_ones_own(open_page, console, complaints):
    from playwright.sync_api import expect

    page = open_page()
    page.get_by_role("link", name="Recipes").click()
    page.get_by_role("link", name="Incident and Case").click()
    page.get_by_role("button", name="Run the checks").click()
    expect(page.locator("#checks").get_by_text("waiting for a worker")).to_be_visible()

    question = Question.objects.get(kind="recipe")
    question.state, question.answered_at = "answered", timezone.now()
    amiss = {
        "side": "salesforce",
        "code": "key",
        "status": "error",
        "text": "No key.",
        "advice": "Create it.",
    }
    question.answer = {"findings": [amiss]}
    question.save()
    expect(page.get_by_text("Create it.")).to_be_visible(timeout=10_000)
    expect(page.locator("#checks")).not_to_have_attribute("hx-trigger", re.compile("."))

    page.get_by_role("button", name="Use …").click()
    page.get_by_label("Name of the flow").fill("severe-incidents")
    page.get_by_role("button", name="Use this recipe").click()
    expect(page.get_by_role("alert")).to_contain_text("Taken already: value map incident-state-case-status.")
    assert not Flow.objects.filter(name="severe-incidents").exists()

    page.get_by_label("Share what is there already").check()
    page.get_by_role("button", name="Use this recipe").click()
    expect(page.get_by_text("Not published yet")).to_be_visible()
    flow = Flow.objects.get(name="severe-incidents")
    assert (flow.enabled, flow.revision, flow.recipe) == (False, None, "incident-case")
    assert complaints == []
