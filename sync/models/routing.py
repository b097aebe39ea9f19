"""Where a pair stands among the desks of its flow's routing table, and who handed it over to whom."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from sync.encryption import Sealed
from sync.models.base import UUIDKey
from sync.models.flow import Flow
from sync.models.link import RecordLink


class Placement(UUIDKey):
    """As a run last saw it. `seen`: the values by which it was placed, by side, so that a changed table places it anew.

    `belongs`: the desk that it should be on; `here`, `there`: the desks that have it in ServiceNow and Salesforce, "" for none.
    """

    link = models.OneToOneField(RecordLink, on_delete=models.CASCADE, related_name="placement")
    belongs = models.CharField(max_length=80, blank=True)
    here = models.CharField(max_length=80, blank=True)
    there = models.CharField(max_length=80, blank=True)
    wrong = models.BooleanField(default=False)
    group_id = models.CharField(max_length=32, blank=True)
    person_id = models.CharField(max_length=32, blank=True)
    owner_id = models.CharField(max_length=18, blank=True)
    seen_at = models.DateTimeField()
    seen_sealed = models.BinaryField(null=True, editable=False)

    seen = Sealed("seen_sealed")

    class Meta:
        default_permissions = ()
        # The list of records asks for those on the wrong desk.
        indexes = [models.Index(fields=["wrong"], condition=Q(wrong=True), name="placements_amiss")]

    def __str__(self) -> str:
        return self.belongs or "no desk"


class HandOverState(models.TextChoices):
    ASKED = "asked", "asked for"
    DONE = "done", "done"
    REPLACED = "replaced", "replaced by a later one"


class HandOver(UUIDKey):
    """A person's word that a pair goes to another desk: carried out by the next run, then noted on both records.

    The ids are those of the desk when it was asked for. One at most is open for a pair; a later one replaces it.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="hand_overs", db_index=False)
    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="hand_overs")
    state = models.CharField(max_length=8, choices=HandOverState.choices, default=HandOverState.ASKED)
    from_desk = models.CharField(max_length=80, blank=True)
    to_desk = models.CharField(max_length=80)
    group_id = models.CharField(max_length=32)
    queue_id = models.CharField(max_length=18)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150)
    reason_sealed = models.BinaryField(null=True, editable=False)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    reason = Sealed("reason_sealed")

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["link"], condition=Q(state=HandOverState.ASKED), name="one_open_hand_over_a_pair"
            ),
        ]
        indexes = [
            # Asked by each page: whether any is open.
            models.Index(fields=["flow"], condition=Q(state=HandOverState.ASKED), name="hand_overs_open"),
        ]

    def __str__(self) -> str:
        return f"{self.from_desk or 'no desk'} → {self.to_desk}"
