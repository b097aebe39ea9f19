"""Which worker processes live, and whether their queue still moves."""

from __future__ import annotations

from django.db import models


class Worker(models.Model):
    """`canary_at`: when a task sent through the queue last ran; older than the watchdog's bound, the cluster is stuck."""

    name = models.CharField(max_length=200, unique=True)  # host and process
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    canary_at = models.DateTimeField(null=True)
    restarts = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-seen_at",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name
