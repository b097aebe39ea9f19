"""Fixtures for all tests: a configured pair of connections and a flow, without any platform behind them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import Model
from django.db.models.signals import post_migrate

from sync import services
from sync.models import Connection, Flow
from tests.migrated import copied, remove

BROUGHT: tuple[type[Model], ...] = (ContentType, Permission, Group, Group.permissions.through)
# Files that take longest, longest first: begun last, one of them would keep a single process busy at the end.
LONGEST = (
    "simulation/test_even_seeds", "simulation/test_odd_seeds", "test_running_product", "test_worker", "console/test_browser_axe", "console/test_browser_roles", "console/test_browser", "test_demo",
    "engine/test_comments", "engine/test_attachments", "engine/test_both_ways", "engine/test_trouble",
    "engine/test_kills", "engine/test_reconcile", "engine/test_adversary", "engine/test_restored",
    "engine/test_first_load", "engine/test_attachments_killed", "engine/test_kills_both_ways", "console/test_pages",
    "engine/test_history", "engine/test_overtaken", "engine/test_breaker", "engine/test_resync",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than there are cores, because many a story waits: for a page, a process, a lease."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    turns = {root / f"{name}.py": turn for turn, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))
    _skip_what_wants_services(items)


def _skip_what_wants_services(items: list[pytest.Item]) -> None:
    """Tests marked `services` want PostgreSQL and Redis; without their addresses they say so and are skipped."""
    if os.environ.get("REDIS_URL") and os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return
    for item in items:
        if item.get_closest_marker("services"):
            item.add_marker(
                pytest.mark.skip(reason="DATABASE_URL and REDIS_URL name no PostgreSQL and Redis")
            )


@pytest.fixture(scope="session")
def copied_database(django_db_modify_db_settings: None) -> Iterator[bool]:
    """On SQLite, a copy of a database that is migrated already, in the place of this process's own; gone at the end."""
    given = settings.DATABASES["default"]
    if given["ENGINE"] != "django.db.backends.sqlite3":
        yield False
        return
    path = Path(given["TEST"]["NAME"])
    copied(path)
    yield True
    connections.close_all()
    remove(path)


@pytest.fixture(scope="session")
def django_db_keepdb(copied_database: bool) -> bool:
    """Whether the database that is there is used."""
    return copied_database


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """A test with transactions of its own empties every table after it: what the migrations brought is put back.

    Row by row as it was. Django would work content types and permissions out again from the models, which takes
    longer than many a test, and the roles not at all.
    """
    with django_db_blocker.unblock():
        brought = {model: list(model._default_manager.values()) for model in BROUGHT}
    last = list(apps.get_app_configs())[-1]

    def put_back(sender: Any, **_: Any) -> None:
        if sender is last and not Group.objects.exists():
            for model, rows in brought.items():
                model._default_manager.bulk_create(model(**row) for row in rows)

    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
    post_migrate.connect(put_back, weak=False)


@pytest.fixture
def incidents_flow(db) -> Flow:
    """A published flow from incidents to cases; nothing listens at its addresses."""
    ends = {
        system: Connection.objects.create(
            name=f"acme-{system}", system=system, url=f"https://127.0.0.1:{port}"
        )
        for system, port in (("servicenow", 1), ("salesforce", 2))
    }
    flow = Flow.objects.create(
        name="incidents-to-cases", servicenow_connection=ends["servicenow"], salesforce_connection=ends["salesforce"]
    )  # fmt: skip
    flow.rows.create(servicenow="short_description", salesforce="Subject")
    services.publish_flow(flow=flow, by=None)
    flow.refresh_from_db()
    return flow
