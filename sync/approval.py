"""Connect and Disconnect: a person lets the console in on the platform's own page (OAuth authorization code).

Three steps: `begin` remembers in the session what was asked and names the platform's page; the person allows it there;
`finish` takes what the platform sent back. Like every service these ask for the permission and leave an audit entry.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, MutableMapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from sync import audit, services
from sync.actor import current_actor
from sync.connectors.auth import METHODS, InMemoryTokenStore, with_advice
from sync.connectors.auth.approval import authorize_url, exchange, revoke
from sync.connectors.base import Profile, Token
from sync.connectors.login_advice import approval_advice
from sync.connectors.registry import open_connector, open_transport
from sync.core.records import Side
from sync.encryption import DecryptionError, keyring
from sync.engine import tokens
from sync.engine.connect import CallLog, profile_of
from sync.errors import SyncError
from sync.models import Connection, ConnectionToken
from sync.models.base import SideChoices
from sync.models.connection import ConnectionHealth

# Long enough to find the integration user's password, short enough that a forgotten window is worth nothing.
LIFETIME = timedelta(minutes=10)
_SESSION_KEY = "connection_approval"
_TIMEOUT = (5.0, 15.0)  # seconds: a person waits
_AGAIN = "Open the connection and press Connect again."
_SHOWN = 300  # characters of a stranger's text

Session = MutableMapping[str, Any]


class Failed(Exception):
    """Nobody was connected; `advice` says what to do. `connection` is None while it is unclear which was meant."""

    def __init__(
        self, message: str, advice: str, *, code: str = "", connection: Connection | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.code = code
        self.connection = connection


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `begin` left in the session. Only the verifier is a secret, and it is sealed."""

    connection: str
    user: int
    state: str
    verifier: str  # of PKCE, sealed
    redirect_uri: str
    grant: str  # the address and client that the person was sent to
    url: str
    at: str

    @property
    def over(self) -> bool:
        return timezone.now() - datetime.fromisoformat(self.at) > LIFETIME


def by_approval(connection: Connection) -> bool:
    method = METHODS.get((Side(connection.system), connection.auth))
    return method is not None and method.by_approval


def status(connection: Connection) -> tokens.Approval | None:
    """As whom, by whom and since when a connection of this method is connected; None if it is not."""
    return tokens.approval_of(connection) if by_approval(connection) else None


def begin(*, connection: Connection, by: User, session: Session, redirect_uri: str) -> None:
    """Remember a request for approval in the person's session; a newer one takes its place."""
    services.require(by, "sync.change_connection")
    if not by_approval(connection):
        raise services.Refused(
            f"{connection.name} logs in by {connection.get_auth_display()}, without Connect."
        )
    profile = profile_of(connection)
    if not profile.secrets.get("client_id"):
        raise services.Refused(f"Enter the client ID of {connection.name} and save it first.")
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    try:
        url = authorize_url(profile, state=state, verifier=verifier, redirect_uri=redirect_uri)
    except SyncError as error:
        raise services.Refused(f"{error.message} {error.advice}") from error
    sealed = base64.b64encode(keyring().seal(verifier.encode(), _bound_to(state))).decode()
    asked = _Asked(
        str(connection.pk), by.pk, state, sealed, redirect_uri, tokens.grant_mark(connection), url,
        timezone.now().isoformat(),
    )  # fmt: skip
    audit.record("connection.connect_begun", connection, after={"address": connection.url})
    session[_SESSION_KEY] = {name: getattr(asked, name) for name in _Asked.__slots__}


def page_to_visit(session: Session) -> tuple[Connection, str] | None:
    """The connection and the platform's page for the request in the session; None if there is none that counts."""
    asked = _asked(session)
    connection = Connection.objects.filter(pk=asked.connection).first() if asked and not asked.over else None
    return (connection, asked.url) if asked and connection else None


def finish(*, by: User, session: Session, answer: Mapping[str, str]) -> Connection:
    """Take what the platform sent the browser back with: check it, exchange the code, keep what it is worth.

    Raises Failed with what to do, and PermissionDenied.
    """
    services.require(by, "sync.change_connection")
    asked = _claim(by, session, answer.get("state", ""))
    connection = Connection.objects.filter(pk=asked.connection).first()
    if connection is None or not by_approval(connection):
        raise Failed(
            "The connection was deleted or given another method meanwhile.", "Look at the connections."
        )
    try:
        return _connect(connection, asked, answer)
    except Failed as failure:
        failure.connection = connection
        audit.record("connection.connect_failed", connection, after={"code": failure.code[:80]})
        raise


def _claim(by: User, session: Session, state: str) -> _Asked:
    """The request that this state belongs to, which is spent by that. A foreign state spends nothing."""
    asked = _asked(session)
    if asked is None or not hmac.compare_digest(asked.state.encode(), state.encode(errors="replace")):
        raise Failed(
            "This answer belongs to no request of this browser.",
            f"{_AGAIN} Finish in the same window, and begin at the address that the platform sends you back to.",
            code="unknown_state",
        )
    del session[_SESSION_KEY]
    # The session may have been read by another request at the same moment; of two, one adds the mark.
    mark = "approval-" + hashlib.sha256(state.encode()).hexdigest()
    if asked.user != by.pk or not cache.add(mark, 1, timeout=2 * LIFETIME.total_seconds()):
        raise Failed(
            "This request was answered already, or made by somebody else.", _AGAIN, code="used_state"
        )
    if asked.over:
        minutes = int(LIFETIME.total_seconds() // 60)
        raise Failed(f"The request is older than {minutes} minutes.", _AGAIN, code="expired_state")
    return asked


def _asked(session: Session) -> _Asked | None:
    held = session.get(_SESSION_KEY)
    return _Asked(**held) if isinstance(held, dict) and set(held) == set(_Asked.__slots__) else None


def _connect(connection: Connection, asked: _Asked, answer: Mapping[str, str]) -> Connection:
    name = SideChoices(connection.system).label
    if refusal := answer.get("error", ""):
        said = ": ".join(text for text in (refusal, answer.get("error_description", "")) if text)[:_SHOWN]
        raise Failed(f"{name} did not let the console in: {said}.", approval_advice(refusal), code=refusal)
    if not answer.get("code"):
        raise Failed(f"{name} sent no code.", _AGAIN, code="no_code")
    _refuse_changed(connection, asked)  # before anything is sent: code and verifier are for one address alone
    profile = replace(profile_of(connection), timeout=_TIMEOUT)
    log = CallLog(None, {profile.system: connection})
    verifier = _verifier(asked)
    try:
        with closing(open_transport(profile, log)) as transport:
            token = with_advice(
                METHODS[profile.system, profile.auth],
                lambda: exchange(
                    transport, code=answer["code"], verifier=verifier, redirect_uri=asked.redirect_uri
                ),
            )
        try:
            return _keep(connection, asked, token, profile, log)
        except (Failed, SyncError):
            # ServiceNow hands the living refresh token out again, and the connection may work by that one.
            if token.refresh_token != tokens.newest_refresh_token(connection):
                _take_back(profile, token.refresh_token)
            raise
    except SyncError as error:
        raise Failed(error.message, error.advice or _AGAIN, code=error.code) from error
    finally:
        log.save()


def _refuse_changed(connection: Connection, asked: _Asked) -> None:
    """Whoever could open a code at another address or client than the person was sent to would be let in as them."""
    if tokens.grant_mark(connection) != asked.grant:
        raise Failed("The connection was changed meanwhile.", _AGAIN, code="credentials_changed")


def _verifier(asked: _Asked) -> str:
    try:
        return keyring().unseal(base64.b64decode(asked.verifier), _bound_to(asked.state)).decode()
    except DecryptionError:
        raise Failed(
            "The request was made under a key that is no longer listed.", _AGAIN, code="key"
        ) from None


def _keep(connection: Connection, asked: _Asked, token: Token, profile: Profile, log: CallLog) -> Connection:
    """Ask the platform who let us in, check that it is the org the connection knows, and keep the tokens."""
    user, org_id = _who(profile, token, log)
    with transaction.atomic():
        held = Connection.objects.select_for_update().get(pk=connection.pk)
        _refuse_changed(held, asked)
        tokens.check_org(held, org_id)
        tokens.store_approval(held, token, user=user, by=current_actor().name)
        Connection.objects.filter(pk=held.pk).update(health=ConnectionHealth.UNKNOWN, health_message="")
        audit.record("connection.connected", held, after={"as": user, "org": org_id})
    return held


def _who(profile: Profile, token: Token, log: CallLog) -> tuple[str, str]:
    """User name and organisation or instance behind a token; raises Failed if even that cannot be asked."""
    known = replace(profile, secrets={**profile.secrets, "refresh_token": token.refresh_token})
    with closing(open_connector(known, InMemoryTokenStore(token), log)) as connector:
        probe = connector.probe()
    if not probe.user or not probe.org_id:
        error = next((finding for finding in probe.findings if finding.status == "error"), None)
        raise Failed(
            error.text if error else "The platform does not tell who let the console in.",
            (error.advice if error else "")
            or "Let the user use the API and read their own record, then connect again.",
            code=error.code if error else "identity",
        )
    return probe.user, probe.org_id


def disconnect(*, connection: Connection, by: User) -> bool:
    """Forget the approval here and revoke it over there. False if the platform could not be told, or refused."""
    services.require(by, "sync.change_connection")
    token, profile = tokens.newest_refresh_token(connection), profile_of(connection)
    if not token:
        raise services.Refused(f"{connection.name} is not connected.")
    revoked = _take_back(profile, token)
    with transaction.atomic():
        held = Connection.objects.select_for_update().get(pk=connection.pk)
        held.secrets = {
            name: value for name, value in (held.secrets or {}).items() if name != "refresh_token"
        }
        held.secrets_set = {name: mark for name, mark in held.secrets_set.items() if name != "refresh_token"}
        held.save(update_fields=["secrets_sealed", "secrets_set"])
        ConnectionToken.objects.filter(connection=held).update(token_sealed=None)
        Connection.objects.filter(pk=held.pk).update(health=ConnectionHealth.UNKNOWN, health_message="")
        audit.record("connection.disconnected", held, after={"revoked": revoked})
    return revoked


def _take_back(profile: Profile, token: str) -> bool:
    with (
        suppress(SyncError),
        closing(open_transport(replace(profile, timeout=_TIMEOUT), lambda call: None)) as there,
    ):
        revoke(there, token)
        return True
    return False


def _bound_to(state: str) -> str:
    return f"connection approval:{state}"
