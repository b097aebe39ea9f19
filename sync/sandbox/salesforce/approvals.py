"""The connected app, and what a person allowed it: codes that are used once and refresh tokens that stay."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.sessions import LoginRefused

_CODE_LIFE = 15 * 60  # seconds
_CALLBACKS = frozenset(
    f"{scheme}://{host}:8000/oauth/callback/"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1")
)


@dataclass(frozen=True, slots=True)
class ConnectedApp:
    """How the app is set up in the org.

    `public_key` (PEM) checks the assertions of the JWT bearer flow; empty: the flow is not set up.
    `preauthorised`: an administrator approved the app for its users; otherwise each must have approved it.
    `approves_itself`: the authorize page answers at once, without a person to log in and allow.
    """

    public_key: str = ""
    preauthorised: bool = True
    redirect_uris: frozenset[str] = _CALLBACKS
    pkce_required: bool = False
    secret_required: bool = True
    rotates_refresh_tokens: bool = False
    approves_itself: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code; `issued_at` in seconds since 1970 UTC, `challenge` empty without PKCE."""

    username: str
    redirect_uri: str
    challenge: str
    issued_at: int


@dataclass(slots=True)
class RefreshToken:
    """Who allowed it, and which access tokens it brought: they end with it."""

    username: str
    access_tokens: set[str] = field(default_factory=set)


class Approvals:
    """Codes and refresh tokens of the app. The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._codes: dict[str, Code] = {}
        self._refresh_tokens: dict[str, RefreshToken] = {}

    def issue_code(self, username: str, redirect_uri: str, challenge: str) -> str:
        code = secrets.token_urlsafe(32)
        self._codes[code] = Code(username, redirect_uri, challenge, self._org.now())
        return code

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> str:
        """Return who allowed it; the code is spent whatever comes out. Raises LoginRefused."""
        found = self._codes.pop(code, None)
        if found is None:
            raise LoginRefused("invalid_grant", "invalid authorization code")
        if self._org.now() - found.issued_at >= _CODE_LIFE:
            raise LoginRefused("invalid_grant", "expired authorization code")
        if redirect_uri != found.redirect_uri:
            raise LoginRefused("redirect_uri_mismatch", "redirect_uri must match configuration")
        if found.challenge and not hmac.compare_digest(_challenge(verifier), found.challenge.encode()):
            raise LoginRefused("invalid_grant", "invalid code verifier")
        return found.username

    def issue_refresh_token(self, username: str, access_token: str) -> str:
        token = secrets.token_urlsafe(60)
        self._refresh_tokens[token] = RefreshToken(username, {access_token})
        return token

    def refresh_token(self, token: str) -> RefreshToken | None:
        return self._refresh_tokens.get(token)

    def withdraw(self, token: str) -> RefreshToken | None:
        """Forget a refresh token and return what it was."""
        return self._refresh_tokens.pop(token, None)

    def has_approved(self, username: str) -> bool:
        return any(each.username == username for each in self._refresh_tokens.values())


def _challenge(verifier: str) -> bytes:
    """Return the S256 challenge of a verifier (RFC 7636, section 4.2); the platform knows no other method."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
