"""One token for all threads and processes: who renews it, and what a refusal stops."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sync.connectors.auth.credentials import credential
from sync.connectors.auth.methods import METHODS, AuthMethod, method_of
from sync.connectors.auth.tokens import usable
from sync.connectors.base import Profile, Token, TokenStore
from sync.connectors.http import TokenRejected, Transport
from sync.errors import AuthenticationError

T = TypeVar("T")

# A refused login is not tried again for a while: repeated bad logins lock the user on both platforms.
REFUSED_FOR_SECONDS = 60.0


class Authoriser:
    """Gives calls their Authorization header. One refresh serves all callers; a refused one stops them all."""

    def __init__(self, transport: Transport, tokens: TokenStore) -> None:
        self._transport = transport
        self._profile = transport.profile
        self._method = method_of(transport.profile)
        self._tokens = tokens
        self._token: Token | None = None
        self._refusal: tuple[float, AuthenticationError] | None = None
        self._lock = threading.Lock()

    def run(self, call: Callable[[Token], T]) -> T:
        """Call with a token; a 401 means nothing was done, so renew it once and repeat once, also for writes."""
        token = self.token()
        try:
            return call(token)
        except TokenRejected as error:
            if self._method.log_in is None:
                raise _rejected(self._profile, error) from error
            token = self._renewed(token)
        try:
            return call(token)
        except TokenRejected as error:
            raise _rejected(self._profile, error) from error

    def token(self) -> Token:
        if self._method.log_in is None:
            return self._basic()
        token = self._token or self._tokens.load()
        if token is None or not usable(token):
            return self._renewed(token)
        self._token = token
        return token

    def headers(self, token: Token) -> dict[str, str]:
        scheme = "Basic" if self._method.log_in is None else "Bearer"
        return {"Authorization": f"{scheme} {token.access_token}"}

    def _basic(self) -> Token:
        if self._token is None:
            pair = f"{self._profile.username}:{credential(self._profile, 'password')}"
            encoded = base64.b64encode(pair.encode()).decode()
            self._token = Token(encoded, self._transport.origin, None, 0, identity=self._profile.username)
        return self._token

    def _renewed(self, stale: Token | None) -> Token:
        with self._lock:
            if (
                self._token
                and usable(self._token)
                and self._token.generation > (stale.generation if stale else -1)
            ):
                return self._token
            self._raise_recent_refusal()
            try:
                self._token = self._tokens.refresh(stale, self._fetch)
            except AuthenticationError as error:
                self._refusal = (time.monotonic(), error)
                raise
            return self._token

    def _raise_recent_refusal(self) -> None:
        if self._refusal and time.monotonic() - self._refusal[0] < REFUSED_FOR_SECONDS:
            error = self._refusal[1]
            raise AuthenticationError(
                error.message, code=error.code, advice=error.advice, request_id=error.request_id
            )

    def _fetch(self, old: Token | None) -> Token:
        log_in = self._method.log_in
        assert log_in is not None
        return with_advice(self._method, lambda: log_in(self._transport, old))


def with_advice(method: AuthMethod, log_in: Callable[[], Token]) -> Token:
    """Log in; a refusal without a reason is told with what this method needs over there."""
    try:
        return log_in()
    except AuthenticationError as error:
        if not method.refused:
            raise
        raise AuthenticationError(
            error.message, code=error.code, advice=method.refused, request_id=error.request_id
        ) from error


def _rejected(profile: Profile, error: TokenRejected) -> AuthenticationError:
    if METHODS[profile.system, profile.auth].log_in is None:
        advice = "Check user name and password, and that the user is active, not locked out and needs no second factor."
    else:
        advice = "The platform issued a token and then refused it: check the user's session and API access policies."
    return AuthenticationError(
        f"{profile.name}: {error.message}", code="rejected", advice=advice, request_id=error.request_id
    )
