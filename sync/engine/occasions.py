"""Digests by which an action knows what it has followed already, and a step for whom it is done.

What they are made of may be a customer's value that can be guessed. So they are made under a key of the console's own, which
the database holds sealed, and bound to their record: who reads the database can neither try values out nor see which are
equal. That key never changes. A rotation of ENCRYPTION_KEYS seals it anew, and what was followed before is still known.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from sync.entropy import random_bytes
from sync.errors import ConfigurationError
from sync.models import ActionRun, DataKey

PURPOSE = "occasions of actions"
DIGITS = 32  # hexadecimal: 128 bits
BYTES = 32  # of a key


def occasion_of(key: bytes, action: str, side: str, record_id: str, words: str) -> str:
    """`words`: what set the action off, as `once` or the trigger tells it."""
    return digest(key, action, side, record_id, hashlib.sha256(words.encode()).hexdigest())


def digest(key: bytes, *parts: str) -> str:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:DIGITS]


def data_key() -> bytes:
    """The key of this console; made with the database, or here if that was emptied since. Raises ConfigurationError where it
    is gone while actions that it knows are there: under another key they would be done twice."""
    kept = _kept()
    if kept is None:
        used = ActionRun.objects.exists()
        kept = _kept()  # whoever made the first action had made the key before
        if kept is None and used:
            raise ConfigurationError(
                "The key by which actions know what they have followed is gone from the database.", code="DATA_KEY_GONE",
                advice="Restore the table sync_datakey from a backup of this database.",
            )  # fmt: skip
    return bytes.fromhex((kept or _made()).key)


def _kept() -> DataKey | None:
    return DataKey.objects.filter(purpose=PURPOSE).first()


def _made() -> DataKey:
    row = DataKey(purpose=PURPOSE)
    row.key = random_bytes(BYTES).hex()
    DataKey.objects.bulk_create([row], ignore_conflicts=True)  # another worker may be first
    return DataKey.objects.get(purpose=PURPOSE)
