"""How often a login was tried of late: what the throttle counts by."""

from __future__ import annotations

from django.db import models


class LoginTally(models.Model):
    """Attempts in a span that began at `since`. `key` is a digest: what was typed as a name may be a password."""

    key = models.CharField(max_length=64, primary_key=True)
    since = models.DateTimeField(db_index=True)
    attempts = models.PositiveIntegerField(default=1)

    class Meta:
        default_permissions = ()
