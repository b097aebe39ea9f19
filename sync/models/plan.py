"""What a dry run found to be written, kept to be approved and applied exactly so."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from sync.encryption import Sealed
from sync.models.base import OperationChoices, SideChoices, UUIDKey
from sync.models.flow import Flow
from sync.models.link import RecordLink
from sync.models.run import Run


class PlanStage(models.TextChoices):
    PLANNED = "planned", "planned"
    APPROVED = "approved", "approved"
    APPLYING = "applying", "being applied"
    APPLIED = "applied", "applied"


class Plan(models.Model):
    """The plan of one dry run. Approved by somebody else than who asked for it, where the flow demands that."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="plan")
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="plans")
    stage = models.CharField(max_length=10, choices=PlanStage.choices, default=PlanStage.PLANNED)
    made_at = models.DateTimeField(auto_now_add=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by_name = models.CharField(max_length=150, blank=True)
    approved_at = models.DateTimeField(null=True)
    # The run that applies it, or did last; a second one goes on where the first ended early.
    applying = models.OneToOneField(Run, null=True, on_delete=models.SET_NULL, related_name="applies")
    applied_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-run",)
        default_permissions = ("view",)
        permissions = [("approve_plan", "Can approve a plan"), ("apply_plan", "Can apply a plan")]

    def __str__(self) -> str:
        return f"plan of run {self.run_id:,}"


class ItemFate(models.TextChoices):
    PLANNED = "planned", "planned"
    APPLIED = "applied", "applied"
    STALE = "stale", "stale"
    REFUSED = "refused", "refused"
    IN_DOUBT = "in_doubt", "in doubt"


class PlanItem(UUIDKey):
    """One write to one side of one record.

    `content`: {"fields": [{"row", "field", "source", "now", "will", "note", "rule"}], "extra": {field: value}}, values as
    they were found. `read`: the side whose record brought it up; the versions are those of the looks that it was planned on.
    """

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="items")
    link = models.ForeignKey(
        RecordLink, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    side = models.CharField(max_length=12, choices=SideChoices.choices)  # where it writes
    read = models.CharField(max_length=12, choices=SideChoices.choices)
    operation = models.CharField(max_length=8, choices=OperationChoices.choices)
    servicenow_id = models.CharField(max_length=32, blank=True)
    servicenow_number = models.CharField(max_length=80, blank=True)
    salesforce_id = models.CharField(max_length=18, blank=True)
    salesforce_number = models.CharField(max_length=80, blank=True)
    servicenow_version = models.DateTimeField(null=True)  # sys_updated_on when it was planned
    salesforce_version = models.DateTimeField(null=True)  # SystemModstamp, likewise
    field_names = models.CharField(max_length=1000, blank=True)
    ending = models.CharField(
        max_length=24, blank=True
    )  # the link's state once it is done, where that ends the pair
    fate = models.CharField(max_length=10, choices=ItemFate.choices, default=ItemFate.PLANNED)
    code = models.CharField(max_length=80, blank=True)  # why it was left
    moved = models.CharField(max_length=1000, blank=True)  # fields that were not as planned on
    settled_at = models.DateTimeField(null=True)
    content_sealed = models.BinaryField(null=True, editable=False)

    content = Sealed("content_sealed")

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "side", "read", "servicenow_id", "salesforce_id"], name="one_item_a_write"
            )
        ]
        indexes = [models.Index(fields=["plan", "fate", "id"], name="items_of_a_plan")]

    def __str__(self) -> str:
        return f"{self.operation} {self.servicenow_number or self.salesforce_number or self.servicenow_id or self.salesforce_id}"

    def end(self, side: str) -> str:
        return self.servicenow_id if side == SideChoices.SERVICENOW else self.salesforce_id
