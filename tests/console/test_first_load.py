"""The page of a run that several workers share."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from sync.models import BulkJob, Flow, Partition, Run

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def loading(flow: Flow) -> Run:
    """A run of 100,000 records: of 16 parts five are done and two are held, one of which awaits a job."""
    now = timezone.now()
    run = Run.objects.create(
        flow=flow, lane="backfill", kind="resync", status="running", revision=flow.revision, parts=16,
        expected=100_000, read=36_000, created=35_990, failed=10, started_at=now - timedelta(hours=9),
        progress_at=now, step="loading in parts",
    )  # fmt: skip
    for number in range(16):
        read = 6_000 if number < 6 else 0
        held = number in (5, 6)
        part = Partition.objects.create(
            run=run, number=number, side="servicenow", bounds={}, entered=True, expected=6_250,
            state="done" if number < 5 else "open", counts={"read": read}, worked=read / 100,
            token=str(number) if held else "", holder="elsewhere", until=now + timedelta(hours=1) if held else None,
        )  # fmt: skip
    BulkJob.objects.create(partition=part, job_id="750000000000001AAA", records=6_250, opened_at=now)
    return run


def test_a_run_in_parts_tells_parts_workers_rate_and_time_left(as_role, incidents_flow):
    run = loading(incidents_flow)

    page = as_role("viewer").get(reverse("admin:sync_run_change", args=[run.pk])).content.decode()

    assert "<b>5 of 16</b> parts done" in page
    assert "2 at work" in page
    assert "1 bulk job with 6,250 records under way" in page
    # 100 records a second and worker, whatever the hours in which nobody worked: 64,000 by two of them.
    assert "200/s" in page
    assert "5 min left" in page
