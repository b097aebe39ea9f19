"""An operator at work in a real Chromium, found by role and label."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from mappings.models import ValueMap
from sync.models import Conflict, Flow, Question, Run
from tests.console import seed

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER TESTED: /usr/bin/chromium is not installed"),
]
WIDE, NARROW = (1440, 900), (390, 820)
PATIENCE = 90_000  # milliseconds for a page of a machine that does much else; what is there is not waited for


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
        "1"  # playwright's loop makes Django refuse the ORM in this thread
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def console(transactional_db) -> Flow:
    call_command("createcachetable", verbosity=0)
    User.objects.create_superuser("alice", password="correct horse")
    return seed.everything(records=13)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: blocked by the policy, an error in a script, a request elsewhere."""
    return []


def log_in(page) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()


def come_back(context, url: str) -> None:
    """Be logged in without the form, as somebody who was here before."""
    client = Client()
    client.force_login(User.objects.get(username="alice"))
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": session.key, "value": session.value, "url": url}])


@pytest.fixture
def open_page(chromium, live_server, console, complaints):
    """Open the overview in a window of this size and colour scheme; the browser's complaints are collected."""
    contexts = []

    def open_page(size: tuple[int, int] = WIDE, scheme: str = "light", *, by_form: bool = False):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, base_url=live_server.url
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((live_server.url, "data:")) else complaints.append(request.url)
            ),
        )
        if by_form:
            log_in(page)
        else:
            come_back(context, live_server.url)
            page.goto("/admin/")
        page.get_by_role("heading", name="Overview").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_an_operator_runs_a_flow_and_watches_it_end(open_page, console, complaints):
    from playwright.sync_api import expect

    Run.objects.active().update(status="cancelled", finished_at=timezone.now())
    page = open_page(by_form=True)
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_page_is_wider_than_its_window_or_offends_the_policy(open_page, console, complaints, size, scheme):
    run = Run.objects.get(status="partial")
    page = open_page(size, scheme)
    for path in (
        "/admin/",
        "/admin/sync/flow/",
        f"/admin/sync/flow/{console.pk}/change/#rows",
        f"/admin/sync/run/{run.pk}/change/",
        f"/admin/sync/recordlink/{console.links.first().pk}/change/?values=1",
        "/admin/sync/deadletter/",
        "/admin/sync/conflict/",
        f"/admin/sync/conflict/{Conflict.objects.get().pk}/change/?values=1",
        f"/admin/mappings/valuemap/{ValueMap.objects.get().pk}/change/",
        "/admin/sync/connection/add/",
        "/admin/recipes/incident-case/",
        "/admin/sync/auditentry/",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
    assert complaints == []
