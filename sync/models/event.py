"""What happened: one row per record touched, one per remote call that wrote or failed, hourly totals."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from sync.encryption import Sealed
from sync.models.base import OperationChoices, OutcomeChoices, SideChoices, UUIDKey
from sync.models.connection import Connection
from sync.models.flow import Flow, Revision
from sync.models.run import Run


class Event(UUIDKey):
    """`side`: where it wrote or would have. `detail`: {"fields": [{"row", "field", "from", "was", "sent", "note"}], ...}."""

    # Written by the thousand: only the two indexes that pages read by.
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="events", db_index=False)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="events", db_index=False)
    revision = models.ForeignKey(
        Revision, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    link = models.ForeignKey(
        "sync.RecordLink", null=True, on_delete=models.SET_NULL, related_name="events", db_index=False
    )
    at = models.DateTimeField()
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    operation = models.CharField(max_length=8, choices=OperationChoices.choices)
    outcome = models.CharField(max_length=10, choices=OutcomeChoices.choices)
    code = models.CharField(max_length=80, blank=True)
    servicenow_id = models.CharField(max_length=32, blank=True)
    servicenow_number = models.CharField(max_length=80, blank=True)
    salesforce_id = models.CharField(max_length=18, blank=True)
    salesforce_number = models.CharField(max_length=80, blank=True)
    field_names = models.CharField(max_length=1000, blank=True)  # clear, for lists: "Status, Priority"
    detail_sealed = models.BinaryField(null=True, editable=False)

    detail = Sealed("detail_sealed")

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [
            # A run's events, newest first, and those of one outcome among them. The key ascends, so that new rows are appended.
            models.Index(fields=["run", "id", "outcome"], name="events_of_a_run"),
            models.Index(fields=["link", "-id"], name="events_of_a_record"),
        ]

    def __str__(self) -> str:
        return (
            f"{self.operation} {self.servicenow_number or self.servicenow_id}: {self.get_outcome_display()}"
        )


class RemoteCall(UUIDKey):
    """One remote call that wrote or failed; bodies only of failures, cut at 64 KiB."""

    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="calls")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="calls")
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    status = models.PositiveSmallIntegerField()  # 0: no answer came
    milliseconds = models.PositiveIntegerField()
    request_id = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=500, blank=True)
    bodies_sealed = models.BinaryField(null=True, editable=False)

    bodies = Sealed("bodies_sealed")

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        verbose_name = "call"
        indexes = [
            # Those that failed among very many that wrote; a call that succeeds is in neither.
            models.Index(fields=["-id"], condition=Q(status__gte=400), name="calls_that_failed"),
            models.Index(fields=["-id"], condition=Q(status=0), name="calls_without_answer"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status or 'no answer'}"


class HourlyTotal(models.Model):
    """Counts per flow, hour (UTC), side written and outcome; written with the checkpoint, read by dashboards alone.

    Read by flow and span of hours, never by hours alone: so the one index that keeps them unique serves the pages too.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="totals", db_index=False)
    hour = models.DateTimeField()
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    outcome = models.CharField(max_length=10, choices=OutcomeChoices.choices)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["flow", "hour", "side", "outcome"], name="one_total_an_hour")
        ]
