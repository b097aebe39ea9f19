"""One execution of a flow in a lane."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from sync.models.base import Lane
from sync.models.flow import Flow, Revision


class RunStatus(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    SUCCEEDED = "succeeded", "succeeded"
    PARTIAL = "partial", "partial"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"
    DEFERRED = "deferred", "deferred"


ACTIVE = (RunStatus.QUEUED, RunStatus.RUNNING)
ONE_ACTIVE = "one_active_run_a_flow_and_lane"


class RunKind(models.TextChoices):
    POLL = "poll", "poll"
    EVENT = "event", "event"
    MANUAL = "manual", "manual"
    RESYNC = "resync", "resync"
    RETRY = "retry", "retry"
    HEAL = "heal", "heal"
    APPLY = "apply", "apply"
    RECONCILE = "reconcile", "reconcile"


FROM_CHECKPOINT = (
    RunKind.POLL,
    RunKind.EVENT,
    RunKind.MANUAL,
)  # unless they were asked for something narrower


RECONCILING = (RunKind.RECONCILE, RunKind.HEAL)
IN_BACKFILL = (RunKind.RESYNC, RunKind.APPLY, *RECONCILING)


class RunMode(models.TextChoices):
    WRITE = "write", "write"
    DRY = "dry", "dry run"


class RunQuerySet(models.QuerySet["Run"]):
    def active(self) -> RunQuerySet:
        return self.filter(status__in=ACTIVE)

    def deferred(self) -> RunQuerySet:
        """Runs that will go on by themselves."""
        return self.filter(status=RunStatus.DEFERRED, resume_at__isnull=False)

    def for_changelist(self) -> RunQuerySet:
        return self.select_related("flow", "revision").defer("params")


class Run(models.Model):
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="runs")
    lane = models.CharField(max_length=8, choices=Lane.choices, default=Lane.LIVE)
    kind = models.CharField(max_length=12, choices=RunKind.choices)
    mode = models.CharField(max_length=8, choices=RunMode.choices, default=RunMode.WRITE)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    revision = models.ForeignKey(Revision, null=True, on_delete=models.PROTECT, related_name="runs")
    # What was asked: {"since", "until": ISO 8601, "ids": [...], "first": nothing was linked, "plan": what is
    # applied, "renew": {"earlier": revisions, "pairs": as counted}} ; {} for a poll.
    params = models.JSONField(default=dict, blank=True)
    # Where the next slice goes on, beyond what checkpoints tell: {"sides": {side: columns of a checkpoint}} of a dry run,
    # {"ids": {side: how many are done}}, {"unsettled": {record: [side, outcome]}} counted and to be counted anew.
    position = models.JSONField(null=True, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_by_name = models.CharField(max_length=150, blank=True)
    asked_from = models.GenericIPAddressField(null=True)

    step = models.CharField(max_length=80, blank=True)  # what it is doing now
    expected = models.PositiveIntegerField(null=True)  # records the platform counted, for the bar
    read = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    adopted = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    conflicts = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    in_doubt = models.PositiveIntegerField(default=0)
    deferred = models.PositiveIntegerField(default=0)
    calls_servicenow = models.PositiveIntegerField(default=0)
    calls_salesforce = models.PositiveIntegerField(default=0)
    directions = models.JSONField(default=dict, blank=True)  # the same counts per direction
    # Comments and work notes carried (in a dry run: that would be), by direction and kind: {"to_salesforce": {"comments": 3}}.
    entries = models.JSONField(default=dict, db_default={}, blank=True)
    # Actions begun (in a dry run: that would be), by name: {"order-services": 3}.
    actions = models.JSONField(default=dict, db_default={}, blank=True)
    phases = models.JSONField(default=dict, blank=True)  # seconds by phase

    error_code = models.CharField(max_length=80, blank=True)
    error = models.CharField(max_length=1000, blank=True)
    advice = models.CharField(max_length=500, blank=True)
    cancel_requested = models.BooleanField(default=False)
    slices = models.PositiveIntegerField(default=0)
    # Into how many parts a first load is cut, for any number of workers; 0: one worker reads all of it.
    parts = models.PositiveIntegerField(default=0, db_default=0)
    resume_at = models.DateTimeField(null=True)  # a deferred run goes on by itself from then on
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    progress_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        permissions = [("cancel_run", "Can cancel a run")]
        constraints = [
            models.UniqueConstraint(fields=["flow", "lane"], condition=Q(status__in=ACTIVE), name=ONE_ACTIVE)
        ]
        indexes = [
            models.Index(fields=["flow", "-id"], name="runs_of_a_flow"),
            # The few at work, whose number stands in the menu of every page, and the list by status.
            models.Index(fields=["status", "-id"], name="runs_of_a_status"),
            # Every worker asks every few seconds which deferred runs may go on.
            models.Index(fields=["resume_at"], condition=Q(resume_at__isnull=False), name="runs_that_go_on"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk:,}" if self.pk else "new run"

    COUNTS = (
        "read created updated adopted deleted unchanged conflicts waiting failed in_doubt deferred".split()
    )

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def is_unfinished(self) -> bool:
        """Active, or deferred and going on by itself."""
        return self.is_active or (self.status == RunStatus.DEFERRED and self.resume_at is not None)

    @property
    def seconds(self) -> float:
        end = self.finished_at or self.progress_at
        return round((end - self.started_at).total_seconds(), 3) if self.started_at and end else 0.0

    def summary(self) -> dict[str, Any]:
        """What `run_flow --json` prints."""
        skipped = {"deferred"}
        return {
            "flow": self.flow.name,
            "run": self.pk,
            "kind": self.kind,
            "status": self.status,
            **{name: getattr(self, name) for name in self.COUNTS if name not in skipped},
            "api_calls": {"servicenow": self.calls_servicenow, "salesforce": self.calls_salesforce},
            "seconds": self.seconds,
            "directions": self.directions,
            **({"entries": self.entries} if self.entries else {}),
            **({"actions": self.actions} if self.actions else {}),
        }
