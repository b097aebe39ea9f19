"""How many calls were made over a connection: what its budget is reckoned by."""

from __future__ import annotations

from django.db import models

from sync.models.connection import Connection


class CallCount(models.Model):
    """Calls of all workers in one hour, by the platform's clock. Kept for two days.

    `rule`: the platform's id of the limit that the calls count under, "" where it names none; `allowed`: what it allows.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="call_counts")
    hour = models.DateTimeField()
    rule = models.CharField(max_length=64, blank=True)
    calls = models.PositiveIntegerField(default=0)
    allowed = models.PositiveBigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["connection", "hour", "rule"], name="one_count_an_hour_and_rule")
        ]
