"""Tokens: who holds which, who a bearer or basic header is, and what a token answer says.

Source: the platform's pages on OAuth API request and response parameters; failures as many projects observed them.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.sandbox.servicenow.assertions import Assertions
from sync.sandbox.servicenow.codes import Codes
from sync.sandbox.servicenow.schema import SYS_ID, Row
from sync.sandbox.servicenow.store import Store

ACCESS_LIFETIME = timedelta(seconds=1800)
REFRESH_LIFETIME = timedelta(days=100)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Client:
    """One entry of the application registry; client_credentials runs as `user_name`."""

    client_id: str
    secret: str
    user_name: str
    redirect_urls: tuple[str, ...] = ()  # none: any address on this machine


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    client_id: str
    user_id: str
    expires: datetime

    def seconds_left(self, now: datetime) -> int:
        return int((self.expires - now).total_seconds())


class Denied(Exception):
    """Whatever was wrong: the platform does not tell."""


class Tokens:
    """Clients, passwords and tokens. Callers hold the platform's lock."""

    def __init__(self, store: Store, clients: list[Client], passwords: Mapping[str, str]) -> None:
        self._store = store
        self._clients = {client.client_id: client for client in clients}
        self._passwords = dict(passwords)
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self.assertions = Assertions()
        self.codes = Codes()

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def proven_client(self, client_id: str, secret: str) -> Client:
        """The registry's entry. Raises Denied for an unknown one and for a wrong secret alike."""
        client = self._clients.get(client_id)
        if client is None or not _same(client.secret, secret):
            raise Denied
        return client

    def revoke(self, value: str) -> bool:
        """End an access or refresh token; whether there was one."""
        ended = [self._access.pop(value, None), self._refresh.pop(value, None)]
        return any(token is not None for token in ended)

    def for_machines(self, user: Row | None) -> Row | None:
        """The user of a grant without a person; that those of web services alone may be is UNVERIFIED."""
        if user is None or self._store.dialect.web_only_users_have_client_credentials:
            return user
        return None if self.flag(user, "web_service_access_only") else user

    @property
    def refreshes_machines(self) -> bool:
        return self._store.dialect.client_credentials_gives_refresh_token

    def expire_all(self) -> int:
        """End every access token; refresh tokens live on."""
        ended = len(self._access)
        self._access.clear()
        return ended

    def set_password(self, user_name: str, password: str) -> None:
        self._passwords[user_name] = password

    def bearer(self, value: str, now: datetime) -> Row | None:
        """The user of a live token, while they are active."""
        token = self._access.get(value)
        if token is None or token.expires <= now:
            return None
        return self.user(token.user_id)

    def basic(self, encoded: str) -> Row | None:
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:  # no Base64, no ASCII, or no UTF-8 within
            return None
        return self.login(name, password)

    def login(self, user_name: str, password: str) -> Row | None:
        known = self._passwords.get(user_name)
        if known is None or not _same(known, password):
            return None
        return self._usable(self._store.first("sys_user", "user_name", user_name))

    def interactive_login(self, user_name: str, password: str) -> Row | None:
        """A login as on the platform's own page, which users of web services alone do not have."""
        user = self.login(user_name, password)
        return None if user is None or self.flag(user, "web_service_access_only") else user

    def user_named(self, user_name: str) -> Row | None:
        return self.user_with("user_name", user_name)

    def user_with(self, column: str, value: str) -> Row | None:
        return self._usable(self._store.first("sys_user", column, value))

    def user(self, sys_id: str) -> Row | None:
        return self._usable(self._store.find("sys_user", sys_id))

    def refreshed(self, value: str, client: Client, now: datetime) -> Row | None:
        token = self._refresh.get(value)
        if token is None or token.expires <= now or token.client_id != client.client_id:
            return None
        return self.user(token.user_id)

    def flag(self, user: Row, name: str) -> bool:
        return user[self._store.registry["sys_user"].position[name]] == "true"

    def _usable(self, user: Row | None) -> Row | None:
        if user is None or not self.flag(user, "active") or self.flag(user, "locked_out"):
            return None
        return user

    def answer(self, client: Client, user: Row, now: datetime, *, with_refresh: bool) -> dict[str, object]:
        """The live token is handed out again, with what is left of its time."""
        token = self._current(self._access, client, user, now, ACCESS_LIFETIME)
        answer: dict[str, object] = {"access_token": token.value}
        if with_refresh:
            answer["refresh_token"] = self._current(self._refresh, client, user, now, REFRESH_LIFETIME).value
        return {
            **answer,
            "scope": "useraccount",
            "token_type": "Bearer",
            "expires_in": token.seconds_left(now),
        }

    def _current(
        self, tokens: dict[str, Token], client: Client, user: Row, now: datetime, lifetime: timedelta
    ) -> Token:
        owner = (client.client_id, user[SYS_ID])
        for token in tokens.values():
            if (token.client_id, token.user_id) == owner and token.seconds_left(now) > 0:
                return token
        token = Token(secrets.token_urlsafe(48), *owner, now + lifetime)
        tokens[token.value] = token
        return token


def _same(one: str, two: str) -> bool:
    return hmac.compare_digest(one.encode(), two.encode())
