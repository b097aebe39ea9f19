from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from tests.console import seed


@pytest.fixture
def as_role(db):
    """A logged-in browser for a person with one role."""

    def log_in(role: str) -> Client:
        user = User.objects.create_user(role.replace(" ", "."), password="correct horse", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="correct horse"))
    return client


@pytest.fixture
def flow(db):
    return seed.flow(*seed.connections())


@pytest.fixture
def busy(db):
    """A console in use; the cache table that logins and pages may ask for exists."""
    call_command("createcachetable")
    return seed.everything()
