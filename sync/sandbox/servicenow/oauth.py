"""Tokens: the endpoint `/oauth_token.do`, a function for each grant, and who a bearer or basic header is.

Source: the platform's pages on OAuth API request and response parameters; failures as many projects observed them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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

    def grant(self, form: Mapping[str, str], now: datetime) -> dict[str, object]:
        """Answer a token request. Raises Denied."""
        client = self._clients.get(form.get("client_id", ""))
        if client is None or not _same(client.secret, form.get("client_secret", "")):
            raise Denied
        grant = GRANTS.get(form.get("grant_type", ""))
        if grant is None:
            raise Denied
        user, with_refresh = grant(self, client, form, now)
        return self._answer(client, user, now, with_refresh=with_refresh)

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
        return self._usable(self._store.find("sys_user", token.user_id))

    def basic(self, encoded: str) -> Row | None:
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self.login(name, password)

    def login(self, user_name: str, password: str) -> Row | None:
        known = self._passwords.get(user_name)
        if known is None or not _same(known, password):
            return None
        return self._usable(self._store.first("sys_user", "user_name", user_name))

    def user_named(self, user_name: str) -> Row | None:
        return self._usable(self._store.first("sys_user", "user_name", user_name))

    def refreshed(self, value: str, client: Client, now: datetime) -> Row | None:
        token = self._refresh.get(value)
        if token is None or token.expires <= now or token.client_id != client.client_id:
            return None
        return self._usable(self._store.find("sys_user", token.user_id))

    def flag(self, user: Row, name: str) -> bool:
        return user[self._store.registry["sys_user"].position[name]] == "true"

    def _usable(self, user: Row | None) -> Row | None:
        if user is None or not self.flag(user, "active") or self.flag(user, "locked_out"):
            return None
        return user

    def _answer(self, client: Client, user: Row, now: datetime, *, with_refresh: bool) -> dict[str, object]:
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


# A grant names the user it logs in and whether a refresh token comes along. Raises Denied.
Grant = Callable[[Tokens, Client, Mapping[str, str], datetime], tuple[Row, bool]]


def _password(tokens: Tokens, client: Client, form: Mapping[str, str], now: datetime) -> tuple[Row, bool]:
    user = tokens.login(form.get("username", ""), form.get("password", ""))
    # Users of web services alone are not interactive, and this grant logs in interactively.
    if user is None or tokens.flag(user, "web_service_access_only"):
        raise Denied
    return user, True


def _client_credentials(
    tokens: Tokens, client: Client, form: Mapping[str, str], now: datetime
) -> tuple[Row, bool]:
    user = tokens.user_named(client.user_name)
    if user is None:
        raise Denied
    return user, False


def _refresh(tokens: Tokens, client: Client, form: Mapping[str, str], now: datetime) -> tuple[Row, bool]:
    user = tokens.refreshed(form.get("refresh_token", ""), client, now)
    if user is None:
        raise Denied
    return user, False


GRANTS: dict[str, Grant] = {
    "password": _password,
    "client_credentials": _client_credentials,
    "refresh_token": _refresh,
}


def _same(one: str, two: str) -> bool:
    return hmac.compare_digest(one.encode(), two.encode())
