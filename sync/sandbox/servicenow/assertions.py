"""Signed assertions of the JWT bearer grant: which keys a client signs with, and which assertions count.

Source: the platform's page on configuring an OAuth JWT endpoint; RFC 7523. `iss` and `aud` are the client's id, `sub`
names the user, `exp` and `jti` are required, a `jti` counts once, and clocks may differ by nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

_REQUIRED = ("iss", "aud", "sub", "exp", "jti")
# The platform is asked for the time, not the machine: its clock may be wrong on purpose.
_OPTIONS: Any = {"require": list(_REQUIRED), "verify_exp": False, "verify_nbf": False, "verify_iat": False}
PUBLIC_KEY_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
SHARED_KEY_ALGORITHMS = ("HS256",)


@dataclass(frozen=True, slots=True)
class _Verifier:
    key: str
    algorithms: Sequence[str]


class Assertions:
    """The keys that were uploaded for clients, and the `jti` seen. Callers hold the platform's lock."""

    def __init__(self) -> None:
        self._verifiers: dict[str, list[_Verifier]] = {}
        self._seen: set[tuple[str, str]] = set()

    def trust(self, client_id: str, public_key: str) -> None:
        """Accept what the private half of this PEM key signs, as after uploading its certificate."""
        self._verifiers.setdefault(client_id, []).append(_Verifier(public_key, PUBLIC_KEY_ALGORITHMS))

    def trust_shared(self, client_id: str, key: str) -> None:
        """Accept HS256 under a key that both sides hold."""
        self._verifiers.setdefault(client_id, []).append(_Verifier(key, SHARED_KEY_ALGORITHMS))

    def subject(self, client_id: str, assertion: str, now: datetime) -> str | None:
        """Whom a valid assertion speaks for, which it does once; None for every other."""
        claims = self._claims(client_id, assertion)
        if claims is None or not _timely(claims, now):
            return None
        once = (client_id, str(claims["jti"]))
        if once in self._seen:
            return None
        self._seen.add(once)
        return str(claims["sub"])

    def _claims(self, client_id: str, assertion: str) -> dict[str, Any] | None:
        for verifier in self._verifiers.get(client_id, ()):
            try:
                return jwt.decode(
                    assertion,
                    verifier.key,
                    algorithms=list(verifier.algorithms),
                    audience=client_id,
                    issuer=client_id,
                    options=_OPTIONS,
                )
            except (jwt.PyJWTError, ValueError, TypeError):  # the last two: a key of another kind
                continue
        return None


def _timely(claims: dict[str, Any], now: datetime) -> bool:
    expires, not_before = claims["exp"], claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(not_before, int | float):
        return False
    return not_before <= now.timestamp() < expires
