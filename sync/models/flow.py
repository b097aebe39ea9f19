"""A flow: one configured synchronisation, its numbered revisions and its schedules."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from mappings.models import Mapping
from sync.models.base import SideChoices
from sync.models.connection import Connection


class FlowHealth(models.TextChoices):
    HEALTHY = "healthy", "healthy"
    BEHIND = "behind", "behind"
    FAILING = "failing", "failing"
    PAUSED = "paused", "paused"
    DISABLED = "disabled", "disabled"


class Adopt(models.TextChoices):
    SERVICENOW = "servicenow", "ServiceNow's value"
    SALESFORCE = "salesforce", "Salesforce's value"
    NEWEST = "newest", "the newest record's value"
    ASK = "ask", "ask a person"
    REFUSE = "refuse", "refuse: dead letter"


class Drift(models.TextChoices):
    LEAVE = "leave", "leave it"
    RESTORE = "restore", "restore our value"


class OnLeave(models.TextChoices):
    KEEP = "keep", "keep following"
    UNLINK = "unlink", "unlink"
    CLOSE = "close", "close"


class KeyStrategy(models.TextChoices):
    EXTERNAL_ID = "external_id", "external id (unique)"
    LOOKUP = "lookup", "look-up of an existing field"
    SYS_ID = "sys_id", "derived sys_id"
    COALESCE = "coalesce", "import set coalesce"
    FIELD = "field", "field"


NIGHTLY = "0 3 * * *"


class Flow(Mapping):
    recipe = models.CharField(max_length=80, blank=True)
    enabled = models.BooleanField(default=True)
    paused_reason = models.CharField(max_length=500, blank=True, editable=False)  # not empty: paused
    # Not empty: more records have disappeared than policies may act on unasked; `allowance` is what a person allowed since.
    deletions_paused = models.CharField(max_length=500, blank=True, editable=False)
    deletions_allowance = models.PositiveIntegerField(default=0, editable=False)
    health = models.CharField(
        max_length=10, choices=FlowHealth.choices, default=FlowHealth.HEALTHY, editable=False
    )
    health_message = models.CharField(max_length=500, blank=True, editable=False)

    servicenow_connection = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        related_name="+",
        limit_choices_to={"system": SideChoices.SERVICENOW},
    )
    servicenow_table = models.CharField("table", max_length=80, default="incident")
    servicenow_scope = models.TextField(
        "scope", blank=True, help_text="Encoded query, always part of reading."
    )
    servicenow_enter = models.TextField(
        "enter",
        blank=True,
        help_text="Encoded query: which unlinked records get a counterpart; empty: all in scope.",
    )
    servicenow_key = models.CharField(max_length=12, default=KeyStrategy.SYS_ID, choices=KeyStrategy.choices)
    servicenow_key_field = models.CharField(max_length=80, blank=True)

    salesforce_connection = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        related_name="+",
        limit_choices_to={"system": SideChoices.SALESFORCE},
    )
    salesforce_object = models.CharField("object", max_length=80, default="Case")
    salesforce_scope = models.TextField(
        "scope", blank=True, help_text="SOQL condition, always part of reading."
    )
    salesforce_enter = models.TextField(
        "enter",
        blank=True,
        help_text="SOQL condition: which unlinked records get a counterpart; empty: all in scope.",
    )
    salesforce_key = models.CharField(
        max_length=12, default=KeyStrategy.EXTERNAL_ID, choices=KeyStrategy.choices
    )
    salesforce_key_field = models.CharField(
        "key field",
        max_length=80,
        default="ServiceNow_Sys_Id__c",
        blank=True,  # a flow that only acts makes no counterparts
    )

    # Data, not revision, like a user table: which desk its records belong to.
    routing_table = models.ForeignKey(
        "mappings.RoutingTable", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Which desk a record belongs to; its page says when it is on another, and it can be handed over.",
    )  # fmt: skip
    create_in_salesforce = models.BooleanField(default=True)
    create_in_servicenow = models.BooleanField(default=False)
    tie = models.CharField(max_length=12, choices=SideChoices.choices, default=SideChoices.SERVICENOW)
    adopt = models.CharField(
        max_length=12,
        choices=Adopt.choices,
        blank=True,
        help_text="A record that exists already on the other side: whose values count. Empty: ask for two-way, ServiceNow for one-way.",
    )
    drift = models.CharField(max_length=8, choices=Drift.choices, default=Drift.LEAVE)
    on_leave = models.CharField(max_length=8, choices=OnLeave.choices, default=OnLeave.KEEP)
    start = models.CharField(
        max_length=32,
        default="everything",
        help_text="What the first poll reads: everything, now (only what changes from then on), or an ISO 8601 time with its offset.",
    )
    overlap = models.PositiveIntegerField(
        default=300, help_text="Seconds that are read again, for records that commit late."
    )
    patience = models.PositiveIntegerField(
        default=86_400, help_text="Seconds a waiting record is retried before it is a dead letter."
    )
    reconcile = models.CharField(
        max_length=80,
        blank=True,
        default=NIGHTLY,
        db_default=NIGHTLY,
        help_text="When both sides are compared whole: five fields of cron in the flow's time zone; empty: never.",
    )
    reconcile_at = models.DateTimeField(null=True, editable=False)  # when it is due next
    # Of a restored console, until both sides were read again: the moment of the backup. What changed since then on a
    # platform, the bases do not know (sync.engine.recovery).
    restored_from = models.DateTimeField(null=True, editable=False)
    # Settings without a column of their own: guard, bulk, deletions, comments, attachments.
    options = models.JSONField(default=dict, blank=True)

    revision = models.ForeignKey(
        "sync.Revision", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        permissions = [
            ("run_flow", "Can run a flow"),
            ("resync_flow", "Can resync a flow"),
            ("pause_flow", "Can pause and resume a flow"),
            ("publish_flow", "Can publish a revision"),
            ("use_recipe", "Can make a flow from a recipe"),
            ("preview_flow", "Can preview a mapping and its impact"),
            ("check_recipe", "Can ask the platforms whether a recipe would work"),
            ("lint_flow", "Can have schemas read and records counted for the linter"),
        ]


class RevisionQuerySet(models.QuerySet["Revision"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Revisions are never changed.")


class Revision(models.Model):
    """An immutable snapshot of a flow, its field rows and each value map used."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    snapshot = models.JSONField()
    digest = models.CharField(max_length=64)  # SHA-256 of the canonical snapshot
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    author_name = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    # What the linter warned of when it was published, by key: argued for by the reason of this revision or an earlier one.
    warnings = models.JSONField(default=list, db_default=[])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="one_revision_a_number")]

    def __str__(self) -> str:
        return f"revision {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Revisions are never changed.")
        super().save(*args, **kwargs)


class Schedule(models.Model):
    """When a flow runs by itself; ticked by every worker, a due row is claimed by moving `next_at`."""

    flow = models.OneToOneField(Flow, on_delete=models.CASCADE, related_name="schedule")
    cron = models.CharField(
        max_length=80, blank=True, help_text="Five fields, or six with seconds last; empty: never."
    )
    enabled = models.BooleanField(default=True)
    next_at = models.DateTimeField(null=True, editable=False)
    last_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        default_permissions = ("view", "change")
        indexes = [models.Index(fields=["next_at"], name="schedule_due")]  # the tick: next_at <= now

    def __str__(self) -> str:
        return self.cron or "never"
