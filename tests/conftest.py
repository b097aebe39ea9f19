"""Fixtures for all tests: a configured pair of connections and a flow, without any platform behind them."""

from __future__ import annotations

import os

import pytest

from sync import services
from sync.models import Connection, Flow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `services` want PostgreSQL and Redis; without their addresses they say so and are skipped."""
    if os.environ.get("REDIS_URL") and os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return
    for item in items:
        if item.get_closest_marker("services"):
            item.add_marker(
                pytest.mark.skip(reason="DATABASE_URL and REDIS_URL name no PostgreSQL and Redis")
            )


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
