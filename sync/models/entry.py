"""What people said on one record of a pair and what of it was carried to the other."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import models
from django.db.models import Q

from sync.core.notes import PUBLIC
from sync.core.records import Side
from sync.encryption import Sealed
from sync.models.attention import DeadLetter
from sync.models.base import SideChoices, UUIDKey
from sync.models.flow import Flow
from sync.models.link import RecordLink
from sync.models.run import Run


class Kind(models.TextChoices):
    COMMENTS = "comments", "comment"
    WORK_NOTES = "work_notes", "work note"


class EntryStatus(models.TextChoices):
    PLANNED = "planned", "waits to be sent"
    SENT = "sent", "sent"
    DONE = "done", "done"
    IN_DOUBT = "in_doubt", "in doubt"
    REFUSED = "refused", "refused"
    LEFT = "left", "left alone"


PAIR_ENDED = "PAIR_ENDED"  # code of one that was left because its pair was no more

UNDER_WAY = (EntryStatus.PLANNED, EntryStatus.SENT, EntryStatus.IN_DOUBT)
SETTLED_BY_LOOKING = (EntryStatus.SENT, EntryStatus.IN_DOUBT)


class JournalEntryQuerySet(models.QuerySet["JournalEntry"]):
    def plan_again(self, letters: Iterable[DeadLetter]) -> set[UUID]:
        """Have the refused parts that these letters tell of sent once more; returns the letters that are about entries."""
        return {
            letter.pk
            for letter in letters
            if self._of(letter).update(status=EntryStatus.PLANNED, due_at=None)
        }

    def live_again(self, links: Iterable[UUID]) -> None:
        """What was said while these pairs were ended is to be carried."""
        left = self.filter(link__in=list(links), status=EntryStatus.LEFT, code=PAIR_ENDED)
        left.update(status=EntryStatus.PLANNED, code="", due_at=None)

    def _of(self, letter: DeadLetter) -> JournalEntryQuerySet:
        """None for a letter about a record."""
        refused = self.filter(flow_id=letter.flow_id, source_id=letter.record_id, status=EntryStatus.REFUSED)
        return refused.exclude(side=letter.side)


class JournalEntry(UUIDKey):
    """One part of an entry on its way to the other side: the intent before its request, the result after it.

    `side`: where it was written; `source_id`: its own id there. `target_id`: of the entry we made of it, as soon as that is
    known (ServiceNow tells it when it is read). `text`: what is to be sent; empty once nothing is to be sent any more.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="entries", db_index=False)
    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="entries")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    place = models.CharField(max_length=20)  # sync.core.notes.Place: where it was written
    target_place = models.CharField(max_length=20, blank=True)  # and where it was sent
    source_id = models.CharField(max_length=32)
    part = models.PositiveSmallIntegerField(default=1)
    parts = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=8, choices=EntryStatus.choices, default=EntryStatus.PLANNED)
    target_id = models.CharField(max_length=32, blank=True)
    written_at = models.DateTimeField()  # the entry's own stamp, the platform's clock
    intent_at = models.DateTimeField(null=True)  # database host's clock, before sending
    lease_token = models.CharField(max_length=32, blank=True)
    due_at = models.DateTimeField(null=True)  # not to be sent before
    attempts = models.PositiveIntegerField(default=0)
    code = models.CharField(max_length=80, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    text_sealed = models.BinaryField(null=True, editable=False)

    text = Sealed("text_sealed")

    objects = JournalEntryQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        verbose_name = "entry"
        constraints = [
            models.UniqueConstraint(fields=["source_id", "link", "side", "part"], name="one_row_a_part"),
        ]
        indexes = [
            models.Index(fields=["target_id"], name="entries_made_by_us"),
            # Asked at each poll: what is still to be sent, and what may have been.
            models.Index(
                fields=["flow", "status"], condition=Q(status__in=UNDER_WAY), name="entries_under_way"
            ),
        ]

    @property
    def way(self) -> dict[str, str]:
        """Where it goes, as an event tells it."""
        return {"side": Side(self.side).other.value}

    @property
    def seen_by(self) -> str:
        """Who sees it where it was sent; "" while it was not."""
        if not self.target_place:
            return ""
        return "customers" if self.target_place in PUBLIC else "colleagues"

    def __str__(self) -> str:
        numbered = f", part {self.part} of {self.parts}" if self.parts > 1 else ""
        return f"{self.get_kind_display()}{numbered}: {self.get_status_display()}"
