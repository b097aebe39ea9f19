"""What a connection's page tells of its calls, and of a platform that is left in peace."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.models import CallCount, Connection
from tests.console import seed

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def page(client, connection: Connection) -> str:
    return client.get(reverse("admin:sync_connection_change", args=[connection.pk])).content.decode()


def test_the_page_tells_each_limit_and_what_is_kept(root) -> None:
    servicenow, salesforce = seed.connections()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    CallCount.objects.create(connection=servicenow, hour=hour, rule="ab" * 16, calls=1_204, allowed=20_000)
    Connection.objects.filter(pk=salesforce.pk).update(limit_requests=5_000)

    here, there = page(root, servicenow), page(root, salesforce)

    assert "1,204 of 20,000 calls this hour (ours); the last 2,000 are kept for the live lane." in here
    assert "38,112 of 100,000 calls within 24 hours (everybody&#x27;s)" in there
    assert "0 of 5,000 calls within 24 hours (ours)" in there


def test_the_page_says_until_when_nothing_is_sent(root) -> None:
    servicenow, salesforce = seed.connections()
    now = timezone.now()
    until = now + timedelta(minutes=5)
    Connection.objects.filter(pk=servicenow.pk).update(blocked_until=until)
    Connection.objects.filter(pk=salesforce.pk).update(
        circuit_open_until=until, circuit_openings=3, health="failing"
    )

    assert f"Nothing is sent until {until:%H:%M} UTC" in page(root, servicenow)
    assert f"Opened 3 times in a row: nothing is sent until {until:%H:%M:%S} UTC" in page(root, salesforce)
    Connection.objects.filter(pk=salesforce.pk).update(circuit_open_until=now - timedelta(seconds=1))
    assert "the next run tries whether the platform is back" in page(root, salesforce)
    Connection.objects.filter(pk=salesforce.pk).update(circuit_open_until=None)
    assert "left in peace" not in page(root, salesforce)
