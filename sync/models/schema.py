"""What a platform says of a table or object: as it was read last, what changed since, and what the linter makes of it."""

from __future__ import annotations

from django.db import models

from sync.models.connection import Connection
from sync.models.flow import Flow


class CachedSchema(models.Model):
    """`fields`: field name -> FieldSchema as JSON, as visible to the connection's user. `record_types`: RecordType as JSON.

    `stale`: a request has failed in a way that speaks against it; it is read again before anything is built on it.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="schemas")
    name = models.CharField(max_length=80)
    fields = models.JSONField(default=dict)
    record_types = models.JSONField(null=True)  # None: from before they were read
    fetched_at = models.DateTimeField()
    stale = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="one_schema_a_name")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"


class SchemaChange(models.Model):
    """What was not as before when a schema was read again: by a platform's upgrade, an administrator, or access control.

    `what`, `before`, `after` and `record_type`: see sync.core.schemas.Difference. It happened between `read_before` and `seen_at`.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="schema_changes")
    name = models.CharField(max_length=80)
    field = models.CharField(max_length=255)
    what = models.CharField(max_length=20)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    record_type = models.CharField(max_length=80, blank=True, db_default="")
    read_before = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        # A connection's page: the newest of its changes; an alert: those since a flow was published.
        indexes = [models.Index(fields=["connection", "-seen_at"], name="schema_changes_by_time")]

    def __str__(self) -> str:
        return f"{self.name}.{self.field}: {self.what}"


class LintReport(models.Model):
    """What the linter said last of a flow's published revision. `findings`: mappings.linting.Finding as JSON.

    `changes`: what changed over there of late, since it was published, of fields that it names; a sentence each.
    """

    flow = models.OneToOneField(Flow, on_delete=models.CASCADE, related_name="lint")
    findings = models.JSONField(default=list)
    changes = models.JSONField(default=list, db_default=[])
    errors = models.PositiveIntegerField(default=0)
    warnings = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.flow}: {self.errors:,} errors, {self.warnings:,} warnings"
