"""The parts of a first load: what each covers, how far it is, and who works on it."""

from __future__ import annotations

from typing import Any

from django.db import models

from sync.models.base import SideChoices
from sync.models.run import Run


class PartitionState(models.TextChoices):
    OPEN = "open", "open"
    DONE = "done", "done"


class Partition(models.Model):
    """A span of ids or births of one side, read by one worker at a time under a lease of its own.

    `bounds`: see sync.core.partitioning. `token`: "" or the attempt that holds it until `until` (database host's clock).
    `poll_*`: as of a Checkpoint, durable with each page. `counts`: by name of a run's column, also added to the run.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="partitions", db_index=False)
    number = models.PositiveIntegerField()  # in which order they are taken
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    bounds = models.JSONField(default=dict)
    entered = models.BooleanField(
        default=False
    )  # only records that meet `enter` are read: nothing was linked
    expected = models.PositiveIntegerField(default=0)  # records counted when it was cut
    state = models.CharField(max_length=8, choices=PartitionState.choices, default=PartitionState.OPEN)

    token = models.CharField(max_length=32, blank=True)
    holder = models.CharField(max_length=200, blank=True)
    until = models.DateTimeField(null=True)

    poll_started = models.DateTimeField(null=True)  # server time when its reading began
    poll_at = models.DateTimeField(null=True)  # cursor
    poll_id = models.CharField(max_length=32, blank=True)
    poll_top = models.DateTimeField(null=True)  # highest stamp seen

    counts = models.JSONField(default=dict)
    directions = models.JSONField(default=dict)  # the same counts per direction
    phases = models.JSONField(default=dict)  # seconds by phase
    position = models.JSONField(null=True, editable=False)  # {"unsettled": ...}, as of a run
    worked = models.FloatField(default=0.0)  # seconds, of all attempts

    class Meta:
        ordering = ("run_id", "number")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="one_partition_a_number"),
        ]
        indexes = [
            # Who holds what is asked before each page of any run.
            models.Index(fields=["until"], condition=~models.Q(token=""), name="partitions_held"),
        ]

    def __str__(self) -> str:
        return f"part {self.number + 1}"

    def count(self, name: str) -> int:
        return int((self.counts or {}).get(name, 0))

    def poll(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("poll_started", "poll_at", "poll_id", "poll_top")}


class BulkJob(models.Model):
    """An ingest job of Bulk API 2.0, written down before its data is sent: whoever goes on with the part finds it by its id."""

    partition = models.ForeignKey(Partition, on_delete=models.CASCADE, related_name="jobs")
    job_id = models.CharField(max_length=18, unique=True)
    records = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)  # when its results were recorded, or it was given up

    class Meta:
        ordering = ("id",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"job {self.job_id}"
