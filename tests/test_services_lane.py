"""On PostgreSQL and Redis: what SQLite cannot show."""

from __future__ import annotations

import threading

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django_q.brokers import get_broker

from sync import audit, services
from sync.models import AuditEntry, Flow, Run
from sync.recipes import shipped
from sync.recipes.use import use_recipe

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

WRITERS = 6


def beside_each_other(work) -> list[services.Refused]:
    """Run `work` in several threads at once; returns the refusals. Any other exception fails the test."""
    raised: list[services.Refused] = []
    start = threading.Barrier(WRITERS)

    def one() -> None:
        start.wait()
        try:
            work()
        except services.Refused as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_the_lane_runs_on_what_it_says():
    assert connection.vendor == "postgresql"
    assert "redis" in settings.CACHES["default"]["BACKEND"]
    assert type(get_broker()).__name__ == "Redis"


def test_audit_entries_written_at_once_form_one_chain():
    assert beside_each_other(lambda: audit.record("flow.changed", label="at once")) == []

    assert AuditEntry.objects.count() == WRITERS
    assert list(audit.verify()) == []


def test_of_many_runs_asked_for_at_once_one_is_queued(incidents_flow):
    refused = beside_each_other(lambda: services.request_run(flow=incidents_flow, by=None, enqueue=False))

    assert Run.objects.count() == 1
    assert len(refused) == WRITERS - 1


def test_of_a_recipe_used_many_times_at_once_under_one_name_one_flow_is_made(incidents_flow):
    ends = {side: getattr(incidents_flow, f"{side}_connection") for side in ("servicenow", "salesforce")}

    refused = beside_each_other(
        lambda: use_recipe(recipe=shipped()["progress-notices"], name="notices", by=None, **ends)
    )

    assert Flow.objects.filter(name="notices").count() == 1
    assert len(refused) == WRITERS - 1
    assert all("notices" in str(each) for each in refused)


def test_the_cache_is_shared():
    cache.set("greeting", "hello", 60)

    assert cache.get("greeting") == "hello"
