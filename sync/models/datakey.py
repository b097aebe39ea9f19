"""Keys of the console's own, kept under ENCRYPTION_KEYS."""

from __future__ import annotations

from django.db import models

from sync.encryption import Sealed
from sync.models.base import UUIDKey


class DataKey(UUIDKey):
    """A random key for digests that must stay the same for ever: ENCRYPTION_KEYS may be rotated, and only seal it anew.

    `key`: 32 bytes in hexadecimal. Made once for its purpose and never replaced: what was digested under another one is not
    recognised.
    """

    purpose = models.CharField(max_length=40, unique=True)
    key_sealed = models.BinaryField(editable=False)

    key = Sealed("key_sealed")

    class Meta:
        default_permissions = ()
