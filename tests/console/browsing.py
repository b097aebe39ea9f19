"""A real Chromium at the running console: one browser for all tests of this package, logged in by a session cookie."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from sync.engine.execute import execute
from sync.models import Flow, Question, Run
from sync.questions import answer
from tests.console import seed

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDE, NARROW = (1440, 900), (390, 820)
PATIENCE = 90_000  # milliseconds for a page of a machine that does much else; what is there is not waited for

in_browser = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="NO BROWSER TESTED: /usr/bin/chromium is not installed"),
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    # Playwright's loop makes Django refuse the ORM in this thread.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS, timeout=PATIENCE)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def empty_console(transactional_db: None) -> User:
    """Nothing but Alice, a superuser."""
    call_command("createcachetable", verbosity=0)
    return User.objects.create_superuser("alice", password="correct horse")


@pytest.fixture
def console(empty_console: User) -> Flow:
    return seed.everything(records=13)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: blocked by the policy, an error in a script, a request elsewhere."""
    return []


def person(role: str) -> User:
    """Alice, or somebody who has that role and its name."""
    if not role:
        return User.objects.get(username="alice")
    user, _ = User.objects.get_or_create(username=role.replace(" ", "."), is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    return user


def come_back(context: Any, url: str, role: str = "") -> None:
    """Be logged in without the form, as somebody who was here before."""
    client = Client()
    client.force_login(person(role))
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": session.key, "value": session.value, "url": url}])


@pytest.fixture
def window(
    chromium: Any, live_server: Any, empty_console: User, complaints: list[str]
) -> Iterator[Callable[..., Any]]:
    """An empty window of this size for a person of this role; the browser's complaints are collected."""
    contexts = []

    def window(
        role: str = "", size: tuple[int, int] = WIDE, *, logged_in: bool = True, **options: Any
    ) -> Any:
        viewport = {"width": size[0], "height": size[1]}
        context = chromium.new_context(viewport=viewport, base_url=live_server.url, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((live_server.url, "data:"))
                else complaints.append(request.url))  # fmt: skip
        if logged_in:
            come_back(context, live_server.url, role)
        return page

    yield window
    for context in contexts:
        context.close()


@pytest.fixture
def open_page(window: Callable[..., Any], console: Flow) -> Callable[..., Any]:
    """The Overview of a console in use."""

    def open_page(role: str = "", size: tuple[int, int] = WIDE) -> Any:
        page = window(role, size)
        page.goto("/admin/")
        page.get_by_role("heading", name="Overview").wait_for()
        return page

    return open_page


def work() -> None:
    """What a worker does with all that is queued and asked now."""
    for run in Run.objects.filter(status="queued"):
        execute(run.pk)
    for question in Question.objects.filter(state="asked"):
        answer(question.pk)
