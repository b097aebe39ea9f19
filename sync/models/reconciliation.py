"""The dated statement whether both sides of a flow agree, what was found to differ, and what was seen to agree."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from sync.core.reconciling import Counts, sentence
from sync.models.base import SideChoices
from sync.models.flow import Flow, Revision
from sync.models.link import RecordLink
from sync.models.run import Run


class ReconciliationState(models.TextChoices):
    RUNNING = "running", "running"
    DONE = "done", "done"


class FindingChoices(models.TextChoices):
    MISSING = "missing", "missing"
    ORPHANED = "orphaned", "orphaned"
    UNEQUAL = "unequal", "unequal"
    TWIN = "twin", "twin"
    CONFLICT = "conflict", "in conflict"
    FAILED = "failed", "failed"
    IN_FLIGHT = "in_flight", "in flight"


class ReconciliationQuerySet(models.QuerySet["Reconciliation"]):
    def done(self) -> ReconciliationQuerySet:
        return self.filter(state=ReconciliationState.DONE)

    def latest_of_each_flow(self) -> ReconciliationQuerySet:
        newest = self.done().order_by().values("flow").annotate(newest=models.Max("pk")).values("newest")
        return self.filter(pk__in=newest)


class Reconciliation(models.Model):
    """One comparison of both sides.

    `as_of`: when reading began; whatever was changed later and differs is counted as in flight. `position`: where the
    next slice goes on. `buckets`: {side: [[born from, born before, count, latest, changes], ...]}, spans that need
    not be read again while their marks stand (sync.core.reconciling). `statement`: the signed text.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="reconciliations", db_index=False)
    run = models.OneToOneField(Run, null=True, on_delete=models.SET_NULL, related_name="reconciliation")
    revision = models.ForeignKey(Revision, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=8, choices=ReconciliationState.choices, default=ReconciliationState.RUNNING
    )
    heal = models.BooleanField(default=False)
    full = models.BooleanField("read everything", default=True)
    full_at = models.DateTimeField(null=True)  # as_of of the last one that read everything
    as_of = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    read_servicenow = models.PositiveIntegerField(default=0)
    read_salesforce = models.PositiveIntegerField(default=0)
    in_scope = models.PositiveIntegerField(default=0)
    paired = models.PositiveIntegerField(default=0)
    missing = models.PositiveIntegerField(default=0)
    orphaned = models.PositiveIntegerField(default=0)
    unequal = models.PositiveIntegerField(default=0)
    twins = models.PositiveIntegerField(default=0)
    conflicts = models.PositiveIntegerField("in conflict", default=0)
    failed = models.PositiveIntegerField(default=0)
    in_flight = models.PositiveIntegerField(default=0)
    healed = models.PositiveIntegerField(default=0)

    position = models.JSONField(null=True, editable=False)
    buckets = models.JSONField(null=True, editable=False)
    statement = models.TextField(blank=True, editable=False)

    objects = ReconciliationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        indexes = [models.Index(fields=["flow", "-id"], name="reconciliations_of_a_flow")]

    def __str__(self) -> str:
        return f"reconciliation {self.pk:,}" if self.pk else "new reconciliation"

    COUNTS = tuple(Counts.__dataclass_fields__)

    @property
    def counts(self) -> Counts:
        return Counts(**{name: getattr(self, name) for name in self.COUNTS})

    @property
    def sentence(self) -> str:
        return sentence(self.counts, self.as_of)

    def summary(self) -> dict[str, Any]:
        """What `reconcile --json` prints, beside its run."""
        return {
            **{name: getattr(self, name) for name in self.COUNTS},
            "agree": self.counts.agree,
            "full": self.full,
            "as_of": self.as_of.isoformat(),
            "sentence": self.sentence,
        }


class Suspect(models.Model):
    """What a reconciliation found, or still has to look at (`finding` "").

    A pair has its link. Without one, both ids mean that the record on `side` names the other as its counterpart, and
    one id that it has none. `side`: which record is read first.
    """

    reconciliation = models.ForeignKey(
        Reconciliation, on_delete=models.CASCADE, related_name="suspects", db_index=False
    )
    link = models.ForeignKey(RecordLink, null=True, on_delete=models.SET_NULL, related_name="+")
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    servicenow_id = models.CharField("sys_id", max_length=32, blank=True)
    servicenow_number = models.CharField("incident", max_length=80, blank=True)
    salesforce_id = models.CharField("Id", max_length=18, blank=True)
    salesforce_number = models.CharField("case", max_length=80, blank=True)
    finding = models.CharField(max_length=10, choices=FindingChoices.choices, blank=True)
    field_names = models.CharField("fields", max_length=1000, blank=True)
    note = models.CharField(max_length=500, blank=True)
    tried = models.BooleanField("tried to heal", default=False)

    class Meta:
        ordering = ("id",)
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["reconciliation", "servicenow_id", "salesforce_id"], name="one_suspect_a_pair"
            )
        ]
        indexes = [
            models.Index(fields=["reconciliation", "finding", "id"], name="suspects_by_finding"),
        ]

    def __str__(self) -> str:
        return f"{self.servicenow_number or self.servicenow_id or '–'} ↔ {self.salesforce_number or self.salesforce_id or '–'}"

    def end(self, side: str) -> str:
        return self.servicenow_id if side == SideChoices.SERVICENOW else self.salesforce_id


class Sighting(models.Model):
    """The last reconciliation that saw each end of a link in order, and when the record there was born.

    No field values and no digests: the base beside it says what was agreed on. A carried mark stands for a span whose
    records did not change since.
    """

    link = models.OneToOneField(
        RecordLink, primary_key=True, on_delete=models.CASCADE, related_name="sighting"
    )
    # Ids of reconciliations, without the cost of a foreign key: they are only compared.
    servicenow_in = models.BigIntegerField(null=True)
    servicenow_born = models.DateTimeField(null=True)
    salesforce_in = models.BigIntegerField(null=True)
    salesforce_born = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()


UNCHECKED = Q(finding="")
