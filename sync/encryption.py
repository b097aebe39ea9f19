"""Authenticated encryption of what the database keeps: AES-256-GCM with a key id in each token.

A token is `b"1" + len(key id) + key id + nonce(12) + ciphertext`. The associated data names table, column and
row, so a token moved to another row or column does not open. The first key of ENCRYPTION_KEYS encrypts; any
listed key opens, so keys rotate without downtime (`manage.py rotate_keys`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from sync import jsons
from sync.entropy import random_bytes

VERSION = b"1"
NONCE = 12
TAG = 16


class DecryptionError(Exception):
    """A stored value cannot be opened: its key is not listed, or it was altered or moved."""


class Keyring:
    def __init__(self, keys: dict[str, bytes]) -> None:
        self.raw = keys
        self.ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.first = next(iter(keys))
        self.prefix = VERSION + bytes([len(self.first)]) + self.first.encode()

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = random_bytes(NONCE)
        return self.prefix + nonce + self.ciphers[self.first].encrypt(nonce, plain, context.encode())

    def unseal(self, token: bytes, context: str) -> bytes:
        key_id, body = self._split(bytes(token))
        cipher = self.ciphers.get(key_id)
        if cipher is None:
            raise DecryptionError(
                f"This value was encrypted with key {key_id!r}, which ENCRYPTION_KEYS does not list. "
                "Add that key (it may stand last) and try again."
            )
        try:
            return cipher.decrypt(body[:NONCE], body[NONCE:], context.encode())
        except InvalidTag:
            raise DecryptionError(
                f"Key {key_id!r} does not open this value of {context.rsplit(':', 1)[0]}: the key's bytes differ from those "
                "it was encrypted with, or the row was altered. Restore the original ENCRYPTION_KEYS."
            ) from None

    def key_id(self, token: bytes) -> str:
        return self._split(bytes(token))[0]

    def mac(self, purpose: str, message: bytes, key_id: str = "") -> str:
        """HMAC-SHA256 under a key derived from the named key (the first if ""), as hex."""
        derived = hmac.new(self.raw[key_id or self.first], purpose.encode(), hashlib.sha256).digest()
        return hmac.new(derived, message, hashlib.sha256).hexdigest()

    @staticmethod
    def _split(token: bytes) -> tuple[str, bytes]:
        if token[:1] != VERSION or len(token) < 2 + NONCE:
            raise DecryptionError("This value is not one of ours: it has no version mark.")
        end = 2 + token[1]
        if len(token) < end + NONCE + TAG:
            raise DecryptionError("This value is cut short.")
        return token[2:end].decode(errors="replace"), token[end:]


def parse_keys(text: str) -> dict[str, bytes]:
    """Read `id:base64,id:base64`, ids of ASCII letters. Raises ImproperlyConfigured naming the entry, never its bytes."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        key_id, colon, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not colon or not 0 < len(key_id) < 32 or not key_id.isascii() or len(key) != 32:
            raise ImproperlyConfigured(
                f"ENCRYPTION_KEYS: entry {number} must be id:base64 of exactly 32 bytes "
                "(make one with: python -c 'import base64,os; print(base64.b64encode(os.urandom(32)).decode())')."
            )
        if key_id in keys:
            raise ImproperlyConfigured(
                f"ENCRYPTION_KEYS: entry {number} has the id of an earlier one; give it another."
            )
        keys[key_id] = key
    if not keys:
        raise ImproperlyConfigured("ENCRYPTION_KEYS is empty. `make setup` writes a key into .env.")
    return keys


@lru_cache(maxsize=4)
def _keyring(text: str) -> Keyring:
    return Keyring(parse_keys(text))


def keyring() -> Keyring:
    return _keyring(settings.ENCRYPTION_KEYS)


def context(table: str, column: str, key: object) -> str:
    """What a token is bound to."""
    return f"{table}.{column}:{key}"


def seal_json(value: Any, bound_to: str) -> bytes:
    return keyring().seal(jsons.dumps(value), bound_to)


class Sealed(property):
    """A model attribute kept encrypted as JSON in a binary column; None when the column is empty.

    The model's primary key must be made by us before the first assignment (`UUIDKey`), because it is part of
    the authenticated data. Assign whole values; changes inside a value are not noticed.
    """

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(self._open, self._close)

    def _context(self, row: models.Model) -> str:
        return context(row._meta.db_table, self.column, row.pk)

    def _open(self, row: models.Model) -> Any:
        token = getattr(row, self.column)
        return jsons.loads(keyring().unseal(token, self._context(row))) if token else None

    def _close(self, row: models.Model, value: Any) -> None:
        setattr(row, self.column, None if value is None else seal_json(value, self._context(row)))

    def reseal(self, row: models.Model) -> bool:
        """Encrypt again under the first key; False if it already was."""
        token = getattr(row, self.column)
        if not token or keyring().key_id(token) == keyring().first:
            return False
        setattr(
            row, self.column, keyring().seal(keyring().unseal(token, self._context(row)), self._context(row))
        )
        return True


def sealed_attributes(model: type[models.Model]) -> dict[str, Sealed]:
    return {
        name: value
        for klass in model.__mro__
        for name, value in vars(klass).items()
        if isinstance(value, Sealed)
    }
