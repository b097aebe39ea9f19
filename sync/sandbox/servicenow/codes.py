"""Authorization codes: made when a person allows a client, redeemed once, in time, by that client alone.

Source: RFC 6749 section 4.1 and RFC 7636; how long the platform's own codes live is UNVERIFIED and a switch.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Code:
    client_id: str
    redirect_uri: str
    user_id: str
    expires: datetime
    challenge: str = ""  # of PKCE, S256; "" when the client sent none


class Codes:
    """Callers hold the platform's lock."""

    def __init__(self) -> None:
        self._open: dict[str, Code] = {}

    def issue(self, code: Code) -> str:
        value = secrets.token_urlsafe(32)
        self._open[value] = code
        return value

    def redeem(
        self, value: str, *, client_id: str, redirect_uri: str, verifier: str, now: datetime
    ) -> str | None:
        """The sys_id of the person who allowed it. A code is spent by the first attempt, also a wrong one."""
        code = self._open.pop(value, None)
        if code is None or code.expires <= now:
            return None
        if (code.client_id, code.redirect_uri) != (client_id, redirect_uri):
            return None
        return code.user_id if _proves(verifier, code.challenge) else None


def _proves(verifier: str, challenge: str) -> bool:
    if not challenge:
        return True
    return hmac.compare_digest(s256(verifier), challenge)


def s256(verifier: str) -> str:
    """The code challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def may_return_to(redirect_uri: str, registered: tuple[str, ...]) -> bool:
    """Whether the registry's entry lists the address; one that lists none takes any on this machine."""
    if not redirect_uri.isprintable():
        return False  # it becomes a header
    if registered:
        return redirect_uri in registered
    try:
        parts = urlsplit(redirect_uri)
        local = parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK
    except ValueError:
        return False
    # Browsers take a backslash for a slash, so that another host may stand before it; RFC 6749 section 3.1.2 forbids fragments.
    return local and not set(redirect_uri) & set("\\@#")
