"""A connection's token in its encrypted row: who renews it, what outlives a change of credentials, and whose org it is."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from sync.connectors.auth import usable
from sync.connectors.base import Token
from sync.connectors.salesforce.ids import to_18
from sync.errors import ConfigurationError, TransientError
from sync.models import Connection, ConnectionToken

REFRESH_LEASE = timedelta(seconds=90)  # longer than a token request's own timeout


class StoredToken:
    """The connection's token in its encrypted row: one refresh for all threads and processes.

    Whoever wins the conditional update of `lease_until` fetches; the others wait until the generation rises. The row
    says under which credentials a token was obtained: under others it is not used, nor overwritten by who holds them.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.row_id = self._row(connection)
        self._login, self._grant = login_mark(connection), grant_mark(connection)
        self._thread = threading.get_ident()
        self._cached: Token | None = None

    @staticmethod
    def _row(connection: Connection) -> UUID:
        return ConnectionToken.objects.get_or_create(connection=connection)[0].pk

    def load(self) -> Token | None:
        if self._cached is None:
            with self._database():
                self._cached = self._read()
        return self._cached

    @contextmanager
    def _database(self) -> Iterator[None]:
        """The connector's threads end without telling Django: what they opened is closed here."""
        try:
            yield
        finally:
            if threading.get_ident() != self._thread:
                database.close()

    def refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        with self._database():
            return self._refresh(stale, fetch)

    def _refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        deadline = time.monotonic() + REFRESH_LEASE.total_seconds()
        while True:
            if present := self._newer(stale):
                return present
            if self._lease():
                # Only now nobody else renews: a refresh token that was read before may have been used up meanwhile.
                return self._newer(stale, release=True) or self._fetch(self._read() or stale, fetch)
            if time.monotonic() > deadline:
                raise TransientError(
                    "Another process holds the login of this connection and does not finish."
                )
            time.sleep(0.05)

    def _newer(self, stale: Token | None, *, release: bool = False) -> Token | None:
        """The stored token, if it is of use to one who holds `stale`."""
        present = self._read()
        if present is None or not usable(present):
            return None
        if stale is not None and present.generation <= stale.generation:
            return None
        if release:
            self._release()
        self._cached = present
        return present

    def _fetch(self, old: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        try:
            self._refuse_replaced()
            token = fetch(old)
            try:
                check_org(self.connection, org_of(token.identity))
            except ConfigurationError:
                # Not for calls; but the refresh token in it may be the only one that still counts.
                self._save(replace(token, access_token=""))
                raise
            note_user(self.connection, token.identity)
            self._cached = self._save(token)
        except BaseException:
            self._release()
            raise
        return self._cached

    def _save(self, token: Token) -> Token:
        """Keep access and refresh token in one commit. Raises TransientError if the credentials were changed meanwhile."""
        with transaction.atomic():
            row = ConnectionToken.objects.select_for_update().get(pk=self.row_id)
            row.lease_until = None
            self._refuse_replaced()
            row.generation += 1
            token = replace(token, generation=row.generation)
            row.token = _to_json(token) | {"login": self._login, "grant": self._grant}
            row.save(update_fields=["token_sealed", "generation", "lease_until"])
        return token

    def _refuse_replaced(self) -> None:
        """Whoever still holds the credentials of before neither logs in by them nor overwrites what came after."""
        if grant_mark(Connection.objects.get(pk=self.connection.pk)) != self._grant:
            raise TransientError(
                f"The credentials of {self.connection.name} were changed meanwhile; what starts now uses the new ones.",
                code="credentials_changed",
            )

    def _lease(self) -> bool:
        now = timezone.now()
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        return (
            ConnectionToken.objects.filter(free, pk=self.row_id).update(lease_until=now + REFRESH_LEASE) == 1
        )

    def _release(self) -> None:
        ConnectionToken.objects.filter(pk=self.row_id).update(lease_until=None)

    def _read(self) -> Token | None:
        row = ConnectionToken.objects.get(pk=self.row_id)
        return _still_good(row.token or {}, self._login, self._grant)


@dataclass(frozen=True, slots=True)
class Approval:
    """Who let the console in (a user over there), who pressed Connect here, and when (UTC)."""

    user: str
    by: str
    at: datetime


def approval_of(connection: Connection) -> Approval | None:
    """The approval by which the connection works; None if there is none for this address and client."""
    mark = (connection.secrets_set or {}).get("refresh_token", {})
    if not mark or mark.get("for") != approval_mark(connection):
        return None
    return Approval(str(mark["as"]), str(mark["by"]), datetime.fromisoformat(str(mark["at"])))


def secrets_of(connection: Connection) -> dict[str, str]:
    """The secrets that may be sent to the connection's address: an approval was given to one address and client alone."""
    secrets: dict[str, str] = dict(connection.secrets or {})
    if connection.auth == "oauth_authorization_code" and approval_of(connection) is None:
        secrets.pop("refresh_token", None)
    return secrets


def approval_mark(connection: Connection) -> str:
    """Stands for address and client; by when the client's id was entered, so that lists need not decrypt it."""
    return _mark(connection.url, (connection.secrets_set or {}).get("client_id", {}).get("at", ""))


def store_approval(connection: Connection, token: Token, *, user: str, by: str) -> None:
    """Put what a person's approval brought in place of what is held; inside the caller's transaction."""
    connection.secrets = {**(connection.secrets or {}), "refresh_token": token.refresh_token}
    mark = {"at": timezone.now().isoformat(), "by": by, "as": user, "for": approval_mark(connection)}
    connection.secrets_set = {**(connection.secrets_set or {}), "refresh_token": mark}
    connection.save(update_fields=["secrets_sealed", "secrets_set"])
    row, _ = ConnectionToken.objects.select_for_update().get_or_create(connection=connection)
    row.generation += 1
    marks = {"login": login_mark(connection), "grant": grant_mark(connection)}
    row.token = _to_json(replace(token, generation=row.generation)) | marks
    row.lease_until = None
    row.save(update_fields=["token_sealed", "generation", "lease_until"])


def newest_refresh_token(connection: Connection) -> str:
    """The refresh token that counts: the one given last, else the configured one; "" if there is none."""
    row = ConnectionToken.objects.filter(connection=connection).first()
    held = _still_good(row.token or {}, "", grant_mark(connection)) if row else None
    return (held.refresh_token if held else "") or secrets_of(connection).get("refresh_token", "")


def forget_access(connection: Connection) -> None:
    """Drop the access token. A refresh token stays if the connection, as it is now, is still the one it was given to."""
    with transaction.atomic():
        row = ConnectionToken.objects.select_for_update().filter(connection=connection).first()
        if row is None:
            return
        current = Connection.objects.get(pk=connection.pk)  # not what the caller read a while ago
        if _still_good(row.token or {}, "", grant_mark(current)) is None:
            row.token, row.lease_until = None, None
        else:
            row.token = (row.token or {}) | {"access_token": "", "login": ""}
        row.save(update_fields=["token_sealed", "lease_until"])


def login_mark(connection: Connection) -> str:
    """Stands for everything that a login is made with; kept beside the token, sealed."""
    secrets = connection.secrets or {}
    columns = ("url", "auth", "username", "audience", "key_id", "ca_bundle")
    return _mark([getattr(connection, name) for name in columns], secrets, connection.secrets_set)


def grant_mark(connection: Connection) -> str:
    """Stands for what a refresh token belongs to: address, method, client, and the configured token it followed.

    Entering a refresh token anew changes it even if it is the same one: what is entered outranks what is held.
    """
    secrets, entered = connection.secrets or {}, (connection.secrets_set or {}).get("refresh_token", {})
    names = ("client_id", "refresh_token")
    return _mark(
        [connection.url, connection.auth, *(secrets.get(name, "") for name in names)], entered.get("at", "")
    )


def _mark(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _still_good(data: dict[str, Any], login: str, grant: str) -> Token | None:
    """What of a stored token may be used under these credentials: all, the refresh token alone, or nothing."""
    if not data or data.get("grant") != grant:
        return None
    token = _from_json(data)
    if token.access_token and data.get("login") == login:
        return token
    return replace(token, access_token="") if token.refresh_token else None


def note_user(connection: Connection, identity: str) -> None:
    """Who we are in the org, from the identity URL: records name that user as their last editor after our writes."""
    user = to_18(identity.rstrip("/").rpartition("/")[2])
    if org_of(identity) and user.startswith("005") and user != connection.own_user:
        connection.own_user = user
        Connection.objects.filter(pk=connection.pk).update(own_user=user)


def check_org(connection: Connection, org_id: str) -> None:
    """A connection keeps the org or instance it first met. Raises ConfigurationError for another one behind the same URL."""
    if not org_id:
        return
    known = Connection.objects.filter(pk=connection.pk).values_list("org_id", flat=True).first()
    if not known:
        Connection.objects.filter(pk=connection.pk, org_id="").update(org_id=org_id)
    elif known != org_id:
        raise ConfigurationError(
            f"{connection.name} now leads to {org_id}, but its records were linked to {known}.",
            code="org_changed",
            advice="If this is another system, give it a connection and a flow of its own; if the same data was moved, tell the console so.",
        )


def org_of(identity: str) -> str:
    """The organisation in Salesforce's identity URL https://host/id/<organisation>/<user>; "" if it is none."""
    parts = identity.rstrip("/").split("/")
    return parts[-2] if len(parts) > 2 and parts[-2].startswith("00D") else ""


def _to_json(token: Token) -> dict[str, object]:
    return {
        "access_token": token.access_token,
        "instance_url": token.instance_url,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "generation": token.generation,
        "refresh_token": token.refresh_token,
        "identity": token.identity,
    }


def _from_json(data: dict[str, Any]) -> Token:
    expires = data["expires_at"]
    return Token(
        access_token=str(data["access_token"]),
        instance_url=str(data["instance_url"]),
        expires_at=datetime.fromisoformat(str(expires)) if expires else None,
        generation=int(str(data["generation"])),
        refresh_token=str(data["refresh_token"]),
        identity=str(data["identity"]),
    )
