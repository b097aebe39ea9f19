"""Each lane of a flow: who works in it, and how far each side has been read."""

from __future__ import annotations

from django.db import models

from sync.models.base import Lane, SideChoices
from sync.models.flow import Flow


class LaneLease(models.Model):
    """`token` is "" or names the run's attempt that holds the lane until `until` (database host's clock)."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="leases")
    lane = models.CharField(max_length=8, choices=Lane.choices)
    token = models.CharField(max_length=32, blank=True)
    holder = models.CharField(
        max_length=200, blank=True
    )  # host, process: so that a dead one on this host is known
    until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["flow", "lane"], name="one_lease_a_lane")]


class Checkpoint(models.Model):
    """How far a side has been read, and the poll under way, which resumes after a crash where it stood.

    `stream`: "" for the records themselves; what is followed beside them (deletions) has a checkpoint of its own.
    `watermark`: the next poll starts there (overlap already taken off). `poll_*` are null between polls.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="checkpoints")
    lane = models.CharField(max_length=8, choices=Lane.choices)
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    stream = models.CharField(max_length=20, blank=True)
    watermark = models.DateTimeField(null=True)
    poll_run = models.ForeignKey("sync.Run", null=True, on_delete=models.SET_NULL, related_name="+")
    poll_started = models.DateTimeField(null=True)  # server time when this poll began
    poll_at = models.DateTimeField(null=True)  # cursor
    poll_id = models.CharField(max_length=32, blank=True)
    poll_top = models.DateTimeField(null=True)  # highest stamp seen
    completed_at = models.DateTimeField(null=True)  # server time when the last finished poll began

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "lane", "side", "stream"], name="one_checkpoint_a_side_and_stream"
            )
        ]
