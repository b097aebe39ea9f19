"""What needs a person (dead letters, conflicts) and what waits and retries itself."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from sync.encryption import Sealed
from sync.models.base import OperationChoices, SideChoices, UUIDKey
from sync.models.flow import Flow, Revision
from sync.models.link import RecordLink
from sync.models.run import Run


class DeadLetterState(models.TextChoices):
    OPEN = "open", "open"
    RETRIED = "retried", "queued again"
    CLOSED = "closed", "closed by itself"
    IGNORED = "ignored", "ignored"


class DeadLetter(UUIDKey):
    """A record that needs a person. At most one open per record and side written; a newer failure updates it.

    `side` is where the write was meant to go, `record_id` the source record. `content`: {"value", "message", "values"}.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="dead_letters", db_index=False)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.ForeignKey(Revision, null=True, on_delete=models.PROTECT, related_name="+")
    link = models.ForeignKey(RecordLink, null=True, on_delete=models.CASCADE, related_name="dead_letters")
    side = models.CharField("written to", max_length=12, choices=SideChoices.choices)
    record_id = models.CharField(max_length=32)
    record_number = models.CharField("record", max_length=80, blank=True)
    operation = models.CharField(max_length=8, choices=OperationChoices.choices)
    state = models.CharField(max_length=8, choices=DeadLetterState.choices, default=DeadLetterState.OPEN)
    code = models.CharField(max_length=80)
    field = models.CharField(max_length=200, blank=True)
    rule = models.CharField(max_length=500, blank=True)  # what the platform or mapping demands
    # Keyed digest of the value, where many records may fail for the same one: they are one cause. "": not told apart.
    cause = models.CharField(max_length=32, blank=True, db_default="", default="", editable=False)
    advice = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    content_sealed = models.BinaryField(null=True, editable=False)

    content = Sealed("content_sealed")

    class Meta:
        ordering = ("-last_at",)
        default_permissions = ("view",)
        permissions = [
            ("retry_deadletter", "Can retry dead letters"),
            ("ignore_deadletter", "Can ignore dead letters"),
        ]
        verbose_name = "dead letter"
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "side", "record_id"],
                condition=Q(state="open"),
                name="one_open_dead_letter_a_record",
            )
        ]
        indexes = [
            # The open ones, asked for at each poll.
            models.Index(fields=["flow", "state"], name="letters_of_a_flow"),
            # The list, newest first; of the open ones alone, whose number stands in the menu of every page.
            models.Index(fields=["-last_at", "-id"], name="letters_by_time"),
            models.Index(fields=["state", "-last_at", "-id"], name="letters_of_a_state"),
            # What the list offers to filter by.
            models.Index(fields=["code"], name="letters_by_code"),
            models.Index(fields=["field"], name="letters_by_field"),
        ]

    def __str__(self) -> str:
        return f"{self.record_number or self.record_id}: {self.code}"


class WaitingReason(models.TextChoices):
    IN_DOUBT = "in_doubt", "outcome unknown"
    REFERENCE = "reference", "a reference has no counterpart yet"
    LOCKED = "locked", "the platform held the row"
    CLAIMED = "claimed", "another lane held the record"
    UNSENT = "unsent", "not sent"
    RETRY = "retry", "asked for by a person"
    CHANGED = "changed", "changed while it was written"
    GUARD = "guard", "too many records disappeared at once"
    KEY = "key", "its counterpart does not carry the key yet"


class Waiting(models.Model):
    """A record to read and plan again by itself, not before `due_at`; gone when it comes to rest."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="waiting_records")
    side = models.CharField(max_length=12, choices=SideChoices.choices)  # side of the source record
    record_id = models.CharField(max_length=32)
    record_number = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=12, choices=WaitingReason.choices)
    message = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    since = models.DateTimeField()
    due_at = models.DateTimeField()

    class Meta:
        ordering = ("due_at", "id")
        default_permissions = ("view",)
        verbose_name = "waiting record"
        constraints = [
            models.UniqueConstraint(fields=["flow", "side", "record_id"], name="one_wait_a_record"),
        ]

    def __str__(self) -> str:
        return f"{self.record_number or self.record_id}: {self.get_reason_display()}"


class ConflictState(models.TextChoices):
    OPEN = "open", "open"
    RESOLVED = "resolved", "resolved"
    BY_RULE = "by_rule", "decided by rule"
    GONE = "gone", "closed by itself"


class Conflict(UUIDKey):
    """Both sides changed one field.

    `values`: {"base": [ServiceNow, Salesforce], "servicenow", "salesforce", "servicenow_by", "servicenow_at", ...,
    "reckoning"}; where history was read, "servicenow_field_by" and "..._field_at" tell of the field what the others tell of
    the record. `choice`: whose value a person has chosen, until the next run has written it.
    """

    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="conflicts")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.ForeignKey(Revision, null=True, on_delete=models.PROTECT, related_name="+")
    row = models.UUIDField()  # field row
    field = models.CharField(max_length=200)  # Salesforce field, for lists
    state = models.CharField(max_length=8, choices=ConflictState.choices, default=ConflictState.OPEN)
    rule = models.CharField(max_length=80, blank=True)  # which policy decided
    choice = models.CharField(max_length=12, choices=SideChoices.choices, blank=True)
    at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    values_sealed = models.BinaryField(null=True, editable=False)

    values = Sealed("values_sealed")

    class Meta:
        ordering = ("-at",)
        default_permissions = ("view",)
        permissions = [("resolve_conflict", "Can resolve conflicts")]
        constraints = [
            models.UniqueConstraint(
                fields=["link", "row"], condition=Q(state="open"), name="one_open_conflict_a_field"
            )
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="conflicts_by_time"),
            # The open ones among all that ever were: the list, the menu's badge, the oldest on the Overview.
            models.Index(fields=["state", "-at", "-id"], name="conflicts_of_a_state"),
            models.Index(fields=["field"], name="conflicts_by_field"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.get_state_display()}"
