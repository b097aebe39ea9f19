"""`manage.py seed_history`: made-up history that hangs together, and never beside a real connection."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db.models import Sum

from sync import audit
from sync.management.base import CannotRun
from sync.models import Connection, DeadLetter, Event, HourlyTotal, RecordLink, Run

pytestmark = pytest.mark.django_db


def test_a_history_hangs_together():
    call_command("seed_history", "--events=2500", "--links=300", "--dead-letters=120", verbosity=0)

    assert (Event.objects.count(), RecordLink.objects.count(), DeadLetter.objects.count()) == (2500, 300, 120)
    assert HourlyTotal.objects.aggregate(all=Sum("count"))["all"] == 2500
    assert Run.objects.aggregate(all=Sum("read"))["all"] == 2500
    assert Run.objects.order_by("id").last().failed == Event.objects.filter(
        run=Run.objects.order_by("id").last(), outcome="failed"
    ).count()  # fmt: skip
    event = Event.objects.select_related("link").order_by("?").first()
    assert event.link.servicenow_number == event.servicenow_number
    assert event.detail["fields"][0]["field"] == "Status"
    assert event.link.base
    assert list(audit.verify()) == []


def test_a_real_connection_keeps_made_up_history_out():
    Connection.objects.create(name="acme-servicenow", system="servicenow", url="https://acme.service-now.com")

    with pytest.raises(CannotRun, match="holds the connection acme-servicenow"):
        call_command("seed_history", "--events=10", "--links=10")

    assert not Event.objects.exists()


def test_history_is_made_up_once():
    call_command("seed_history", "--events=10", "--links=10", verbosity=0)

    with pytest.raises(CannotRun, match="seeded already"):
        call_command("seed_history", "--events=10", "--links=10")

    assert Event.objects.count() == 10
