"""Who changed what, when, from where: append-only, each entry chained to the one before by HMAC."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads. Entries are added one at a time, each upon the one before it (`sync.audit.record`)."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit entries are never deleted.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never changed.")

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are written one at a time.")


class AuditEntry(models.Model):
    """`before` and `after` never hold a secret. `mac` covers every column and the previous entry's mac.

    Every column but `actor`, that is: it is emptied when the person's account is deleted, and `actor_name` stays.
    The key is derived from ENCRYPTION_KEYS and not in the database; `key_id` says from which.
    """

    number = models.PositiveBigIntegerField(unique=True)  # 1, 2, 3 …: a gap is a missing entry
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150)
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=80)  # connection.changed, run.started, login.failed …
    object_type = models.CharField(max_length=80, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_label = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    key_id = models.CharField(max_length=32)
    previous_mac = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        default_permissions = ("view",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit log"
        # What the list offers to filter by, and what it then shows, newest first.
        indexes = [
            models.Index(fields=["action", "-number"], name="audit_by_action"),
            models.Index(fields=["object_type", "-number"], name="audit_by_type"),
            models.Index(fields=["actor_name", "-number"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.actor_name} {self.action} {self.object_label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Audit entries are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Audit entries are never deleted.")
