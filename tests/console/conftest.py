from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.test.client import ClientHandler

from tests.console import seed
from tests.console.browsing import chromium, complaints, console, empty_console, open_page, window
from tests.worlds import rolled_back

__all__ = ["chromium", "complaints", "console", "empty_console", "open_page", "window"]


@pytest.fixture(scope="session")
def handler() -> ClientHandler:
    """The console as one process serves it: a new one for each browser would look through all static files again."""
    return ClientHandler(enforce_csrf_checks=False)


@pytest.fixture
def browser(handler) -> Callable[[], Client]:
    def browser() -> Client:
        client = Client()
        client.handler = handler
        return client

    return browser


@pytest.fixture
def as_role(db, browser):
    """A logged-in browser for a person with one role."""

    def log_in(role: str) -> Client:
        user = User.objects.create_user(role.replace(" ", "."), password="correct horse", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = browser()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(db, browser) -> Client:
    client = browser()
    client.force_login(User.objects.create_superuser("root", password="correct horse"))
    return client


@pytest.fixture
def flow(db):
    return seed.flow(*seed.connections())


@pytest.fixture
def busy(db):
    return console_in_use()


@pytest.fixture(scope="module")
def in_use(django_db_setup, django_db_blocker):
    """What `busy` is, made once for all tests of a module, which must all want it."""
    with rolled_back(django_db_blocker):
        yield console_in_use()


def console_in_use():
    """A console in use; the cache table that logins and pages may ask for exists."""
    call_command("createcachetable")
    return seed.everything()
