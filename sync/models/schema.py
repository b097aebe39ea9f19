"""What a platform says of a table or object, cached: fields, types, lengths, choices."""

from __future__ import annotations

from django.db import models

from sync.models.connection import Connection


class CachedSchema(models.Model):
    """`fields`: field name -> FieldSchema as JSON, as visible to the connection's user."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="schemas")
    name = models.CharField(max_length=80)
    fields = models.JSONField(default=dict)
    fetched_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="one_schema_a_name")]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"
