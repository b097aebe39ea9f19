"""What several models share."""

from __future__ import annotations

import time
import uuid
from datetime import datetime

from django.db import models

from sync.entropy import random_bytes


def time_ordered_uuid(at: datetime | None = None) -> uuid.UUID:
    """UUID version 7 (RFC 9562): milliseconds, then 74 random bits; new rows land at the end of the index.

    `at`: the moment that the key names, where it is compared with a run's clock; now unless given.
    """
    milliseconds = time.time_ns() // 1_000_000 if at is None else int(at.timestamp() * 1000)
    value = milliseconds << 80 | int.from_bytes(random_bytes(10), "big")
    value = (value & ~(0xF << 76)) | (7 << 76)
    return uuid.UUID(int=(value & ~(0b11 << 62)) | (0b10 << 62))


def least_key(at: datetime) -> uuid.UUID:
    """Below every key that `time_ordered_uuid` makes at `at` or later, and above all those made before."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80)


class UUIDKey(models.Model):
    """A key made by us before the row is saved, so that it can be part of what is authenticated (`Sealed`)."""

    id = models.UUIDField(primary_key=True, default=time_ordered_uuid, editable=False)

    class Meta:
        abstract = True


class SideChoices(models.TextChoices):
    SERVICENOW = "servicenow", "ServiceNow"
    SALESFORCE = "salesforce", "Salesforce"


class Lane(models.TextChoices):
    LIVE = "live", "live"
    BACKFILL = "backfill", "backfill"


class OperationChoices(models.TextChoices):
    CREATE = "create", "create"
    UPDATE = "update", "update"
    ADOPT = "adopt", "adopt"
    DELETE = "delete", "delete"
    SKIP = "skip", "skip"


class OutcomeChoices(models.TextChoices):
    CREATED = "created", "created"
    UPDATED = "updated", "updated"
    ADOPTED = "adopted", "adopted"
    DELETED = "deleted", "deleted"
    UNCHANGED = "unchanged", "unchanged"
    CONFLICT = "conflict", "conflict"
    WAITING = "waiting", "waiting"
    FAILED = "failed", "failed"
    IN_DOUBT = "in_doubt", "in doubt"
    DEFERRED = "deferred", "deferred"
