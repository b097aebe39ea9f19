"""Files on linked records: what was found, what became of it, and what was about to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from sync.core.files import shown
from sync.encryption import Sealed
from sync.models.attention import DeadLetter
from sync.models.base import SideChoices, UUIDKey
from sync.models.flow import Flow
from sync.models.link import RecordLink

LETTER_FIELD = "attachment"  # of a dead letter that is about a file and not about its record


class AttachmentStatus(models.TextChoices):
    PLANNED = "planned", "planned"
    SENT = "sent", "on its way"
    DONE = "done", "carried"
    IN_DOUBT = "in_doubt", "in doubt"
    REFUSED = "refused", "refused"
    SKIPPED = "skipped", "left behind"


# Whose request may have been executed although no answer says so.
UNSETTLED = (AttachmentStatus.SENT, AttachmentStatus.IN_DOUBT)

WITHOUT_COPY = (AttachmentStatus.PLANNED, AttachmentStatus.REFUSED, AttachmentStatus.SKIPPED)


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def plan_again(self, letters: Iterable[DeadLetter]) -> set[UUID]:
        """Files of these dead letters are tried again by the next run; returns which letters are about files."""
        mine = [letter for letter in letters if letter.field == LETTER_FIELD]
        for letter in mine:
            refused = self.filter(
                flow=letter.flow_id, source_id=letter.record_id, status=AttachmentStatus.REFUSED
            )
            refused.update(status=AttachmentStatus.PLANNED, attempts=0, due_at=None, since=Now())
        return {letter.pk for letter in mine}


class Attachment(UUIDKey):
    """A file of one side of a link, by the id it has there; `target_id`: our copy of it on the other side.

    The row is the intent: committed before the request leaves. Both digests are committed before its last bytes do
    (`sealed_at`), so that what is not sealed was never executed, and what is sealed is looked for by them.
    `content`: {"name", "type", "message"}. `rules`: mark of those by which it was left behind.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="+", db_index=False)
    link = models.ForeignKey(RecordLink, on_delete=models.CASCADE, related_name="+", db_index=False)
    side = models.CharField(max_length=12, choices=SideChoices.choices)  # where it was found
    source_id = models.CharField(max_length=32)
    target_id = models.CharField(max_length=32, blank=True)
    status = models.CharField(
        max_length=8, choices=AttachmentStatus.choices, default=AttachmentStatus.PLANNED
    )
    reason = models.CharField(max_length=500, blank=True)  # why it is not carried: sizes, types and patterns
    code = models.CharField(max_length=80, blank=True)
    size = models.BigIntegerField()  # bytes
    sha256 = models.CharField(max_length=64, blank=True)
    md5 = models.CharField(max_length=32, blank=True)
    rules = models.CharField(max_length=16, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    since = models.DateTimeField()  # patience is counted from here
    due_at = models.DateTimeField(null=True)  # not to be tried before
    at = models.DateTimeField(null=True)  # of the intent; database host's clock
    sealed_at = models.DateTimeField(
        null=True
    )  # when both digests were committed, before the last bytes left
    done_at = models.DateTimeField(null=True)
    content_sealed = models.BinaryField(null=True, editable=False)

    content = Sealed("content_sealed")

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["link", "side", "source_id"], name="one_row_an_attachment")
        ]
        # Asked by each run: what is planned, what is in doubt, what was left behind by other rules.
        indexes = [models.Index(fields=["flow", "status", "rules"], name="attachments_of_a_flow")]

    @property
    def shown_size(self) -> str:
        return shown(self.size)

    @property
    def told(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.content or {}
        return found

    def __str__(self) -> str:
        return f"attachment of {self.shown_size}: {self.get_status_display()}"
