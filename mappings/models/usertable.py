"""User tables: which ServiceNow user or group is which Salesforce user or queue. Data, not revision: they act at once."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from mappings.models.mapping import DirectionChoices
from mappings.spec import Direction

FALLBACKS = frozenset({"fallback_to_salesforce", "fallback_to_servicenow"})


class Kind(models.TextChoices):
    USER = "user", "user ↔ user"
    GROUP = "group", "group ↔ queue"


class UserTable(models.Model):
    name = models.SlugField(max_length=80, unique=True)
    fallback_to_salesforce = models.CharField(
        max_length=120,
        blank=True,
        help_text="Username or queue DeveloperName that owns what nobody else does.",
    )
    fallback_to_servicenow = models.CharField(
        max_length=120, blank=True, help_text="user_name or group name."
    )
    fallback_salesforce_id = models.CharField(max_length=18, blank=True, editable=False)
    fallback_servicenow_id = models.CharField(max_length=32, blank=True, editable=False)
    resolved_at = models.DateTimeField(
        null=True, editable=False
    )  # when all names were last looked up; null: now

    class Meta:
        ordering = ("name",)
        verbose_name = "user table"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A change of names makes the stored ids stale: they are looked up before the next run."""
        written = kwargs.get("update_fields")
        if not written:
            self.resolved_at = None
        elif not FALLBACKS.isdisjoint(written):
            self.resolved_at = None
            kwargs["update_fields"] = [*written, "resolved_at"]
        super().save(*args, **kwargs)


class UserTableEntry(models.Model):
    """Names are what people edit; ids are resolved from both platforms and stored."""

    table = models.ForeignKey(UserTable, on_delete=models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.USER)
    servicenow = models.CharField("ServiceNow user_name or group", max_length=120)
    salesforce = models.CharField("Salesforce Username or queue", max_length=120)
    direction = models.CharField(
        max_length=16,
        choices=DirectionChoices.choices,
        default=Direction.BOTH,
        help_text="One preferred entry each way: make the others one-way.",
    )
    servicenow_id = models.CharField(max_length=32, blank=True, editable=False)
    servicenow_active = models.BooleanField(null=True, editable=False)
    salesforce_id = models.CharField(max_length=18, blank=True, editable=False)
    salesforce_active = models.BooleanField(null=True, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("kind", "servicenow")
        verbose_name = "entry"
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["table", "kind", "servicenow"],
                condition=~Q(direction=Direction.TO_SERVICENOW),
                name="one_person_going_out",
                violation_error_message="This ServiceNow name already has an entry going to Salesforce.",
            ),
            models.UniqueConstraint(
                fields=["table", "kind", "salesforce"],
                condition=~Q(direction=Direction.TO_SALESFORCE),
                name="one_person_coming_back",
                violation_error_message="This Salesforce name already has an entry coming back; make one of them one-way.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.servicenow} – {self.salesforce}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        UserTable.objects.filter(pk=self.table_id).update(resolved_at=None)
