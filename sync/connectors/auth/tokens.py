"""Access tokens: what a token answer says, how long it may be used, and where one process keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sync.connectors.addresses import checked_instance_url
from sync.connectors.base import Token
from sync.connectors.http import Answer, Purpose, Transport, unusable
from sync.core.records import Side

# A token is renewed this long before its end, or at nine tenths of its life if that is later: ServiceNow hands
# the running token out again with a shrinking life, and a fixed margin would ask for it on every call.
EXPIRY_MARGIN = timedelta(seconds=30)


def usable(token: Token) -> bool:
    """Whether calls may go out with it. One that holds a refresh token alone is not for calls."""
    return bool(token.access_token) and (token.expires_at is None or token.expires_at > datetime.now(UTC))


def sendable(token: object) -> bool:
    """Whether this is an access token as RFC 6749 (A.12) has it: printable ASCII, which a header can carry."""
    return isinstance(token, str) and token != "" and token.isascii() and token.isprintable()


def token_of(answer: Answer, transport: Transport, old: Token | None) -> Token:
    """The token in a token endpoint's answer. A refresh token that is not answered anew stays the old one."""
    data = answer.data
    if not isinstance(data, dict) or not sendable(data.get("access_token")):
        unusable(answer, Purpose.TOKEN, "something else than a token")
    return Token(
        access_token=data["access_token"],
        instance_url=data_origin(str(data.get("instance_url") or ""), transport),
        expires_at=_expiry(data.get("expires_in")),
        generation=next_generation(old),
        refresh_token=str(data.get("refresh_token") or (old.refresh_token if old else "")),
        identity=str(data.get("id") or ""),
    )


def data_origin(named: str, transport: Transport) -> str:
    """Where data calls go: Salesforce names it with each login, and it is checked before a token is sent there."""
    if transport.profile.system is not Side.SALESFORCE or not named:
        return transport.origin
    return checked_instance_url(named, login_url=transport.origin, policy=transport.policy)


def next_generation(old: Token | None) -> int:
    return (old.generation if old else 0) + 1


def _expiry(expires_in: object) -> datetime | None:
    """When to stop using a token that lives `expires_in` seconds from now; None where the platform does not say."""
    try:
        life = timedelta(seconds=float(str(expires_in)))
    except (ValueError, OverflowError):
        return None
    return datetime.now(UTC) + max(life - EXPIRY_MARGIN, life * 0.9)


class InMemoryTokenStore:
    """A token store for one process: tests, probes of a connection not yet saved."""

    def __init__(self, token: Token | None = None) -> None:
        self._token = token
        self._lock = threading.Lock()

    def load(self) -> Token | None:
        return self._token

    def refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        with self._lock:
            held = self._token
            if (
                held is None
                or not usable(held)
                or (stale is not None and held.generation <= stale.generation)
            ):
                held = self._token = fetch(held)
            return held
