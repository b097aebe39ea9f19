"""Tokens by which a program reads the report and nothing else."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ReportToken(models.Model):
    """`digest`: SHA-256 of the token, which is random and shown once; `hint` are its first characters."""

    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-made_at",)
        default_permissions = ()
        permissions = [("manage_reporttoken", "Can make and revoke tokens of the report")]
        verbose_name = "report token"

    def __str__(self) -> str:
        return self.name
