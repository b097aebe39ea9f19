"""How a connection proves who it is: a table of methods, and one token for all threads and processes."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sync.connectors.addresses import checked_instance_url
from sync.connectors.base import Profile, Token, TokenStore
from sync.connectors.http import Answer, Purpose, TokenRejected, Transport, unusable
from sync.core.records import Side
from sync.errors import AuthenticationError, ConfigurationError

T = TypeVar("T")

# A token is renewed this long before its end, or at nine tenths of its life if that is later: ServiceNow hands
# the running token out again with a shrinking life, and a fixed margin would ask for it on every call.
EXPIRY_MARGIN = timedelta(seconds=30)
# A refused login is not tried again for a while: repeated bad logins lock the user on both platforms.
REFUSED_FOR_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Credential:
    """One thing a method needs. `username` is a field of the profile, all others are keys of its secrets."""

    name: str
    label: str
    help: str = ""
    secret: bool = True


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """One way to log in. `form` makes the token request's body; None means a header on every call instead."""

    label: str
    needs: tuple[Credential, ...]
    form: Callable[[Profile], dict[str, str]] | None
    legacy: bool = False
    help: str = ""

    def missing(self, profile: Profile) -> tuple[Credential, ...]:
        return tuple(
            need for need in self.needs if not credential(profile, need.name) and need is not SECURITY_TOKEN
        )


def credential(profile: Profile, name: str) -> str:
    return profile.username if name == "username" else profile.secrets.get(name, "")


CLIENT_ID = Credential("client_id", "Client ID", secret=False)
CLIENT_SECRET = Credential("client_secret", "Client secret")
USERNAME = Credential("username", "User name", secret=False)
PASSWORD = Credential("password", "Password")
SECURITY_TOKEN = Credential(
    "security_token", "Security token", "Sent by Salesforce by e-mail; empty if the network is trusted there."
)


def _client(profile: Profile) -> dict[str, str]:
    return {name: credential(profile, name) for name in ("client_id", "client_secret")}


def _client_credentials(profile: Profile) -> dict[str, str]:
    return {"grant_type": "client_credentials", **_client(profile)}


def _password(profile: Profile) -> dict[str, str]:
    password = credential(profile, "password") + credential(profile, "security_token")
    return {"grant_type": "password", **_client(profile), "username": profile.username, "password": password}


METHODS: Mapping[tuple[Side, str], AuthMethod] = {
    (Side.SERVICENOW, "oauth_client_credentials"): AuthMethod(
        "OAuth client credentials",
        (CLIENT_ID, CLIENT_SECRET),
        _client_credentials,
        help="Runs as the OAuth Application User of the registry entry; the grant is enabled by a system property.",
    ),
    (Side.SERVICENOW, "oauth_password"): AuthMethod(
        "OAuth password",
        (CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD),
        _password,
        legacy=True,
        help="The user must not be marked Web service access only.",
    ),
    (Side.SERVICENOW, "basic"): AuthMethod(
        "Basic", (USERNAME, PASSWORD), None, legacy=True, help="Sends the password with every call."
    ),
    (Side.SALESFORCE, "oauth_client_credentials"): AuthMethod(
        "OAuth client credentials",
        (CLIENT_ID, CLIENT_SECRET),
        _client_credentials,
        help="The address must be the org's own My Domain; the app needs an execution user.",
    ),
    (Side.SALESFORCE, "oauth_password"): AuthMethod(
        "OAuth password",
        (CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD, SECURITY_TOKEN),
        _password,
        legacy=True,
        help="Blocked by default in orgs made since 2023.",
    ),
}
TOKEN_PATHS = {Side.SERVICENOW: "/oauth_token.do", Side.SALESFORCE: "/services/oauth2/token"}


def method_of(profile: Profile) -> AuthMethod:
    """The profile's method, or ConfigurationError naming what is unknown or missing."""
    method = METHODS.get((profile.system, profile.auth))
    if method is None:
        known = ", ".join(name for system, name in METHODS if system is profile.system)
        raise ConfigurationError(
            f"{profile.name}: there is no authentication method {profile.auth!r}.",
            code="unknown_auth",
            advice=f"Choose one of {known}.",
        )
    if missing := method.missing(profile):
        names = ", ".join(need.label for need in missing)
        raise ConfigurationError(
            f"{profile.name}: {names} missing.",
            code="missing_credentials",
            advice="Fill the connection's credentials.",
        )
    return method


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
            if self._method.form is None:
                raise _rejected(self._profile, error) from error
            token = self._renewed(token)
        try:
            return call(token)
        except TokenRejected as error:
            raise _rejected(self._profile, error) from error

    def token(self) -> Token:
        if self._method.form is None:
            return self._basic()
        token = self._token or self._tokens.load()
        if token is None or not usable(token):
            return self._renewed(token)
        self._token = token
        return token

    def headers(self, token: Token) -> dict[str, str]:
        scheme = "Basic" if self._method.form is None else "Bearer"
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
        assert self._method.form is not None
        answer = self._transport.request(
            "POST",
            self._transport.origin + TOKEN_PATHS[self._profile.system],
            purpose=Purpose.TOKEN,
            data=self._method.form(self._profile),
        )
        token = _token(answer, self._transport)
        return replace(token, generation=(old.generation if old else 0) + 1)


def usable(token: Token) -> bool:
    return token.expires_at is None or token.expires_at > datetime.now(UTC)


def _token(answer: Answer, transport: Transport) -> Token:
    data = answer.data
    if not isinstance(data, dict) or not isinstance(data.get("access_token"), str):
        unusable(answer, Purpose.TOKEN, "something else than a token")
    instance_url = transport.origin
    if transport.profile.system is Side.SALESFORCE:
        named = str(data.get("instance_url") or transport.origin)
        instance_url = checked_instance_url(named, login_url=transport.origin, policy=transport.policy)
    return Token(
        access_token=data["access_token"],
        instance_url=instance_url,
        expires_at=_expiry(data.get("expires_in")),
        generation=1,
        refresh_token=str(data.get("refresh_token") or ""),
        identity=str(data.get("id") or ""),
    )


def _expiry(expires_in: object) -> datetime | None:
    """When to stop using a token that lives `expires_in` seconds from now; None where the platform does not say."""
    try:
        life = timedelta(seconds=float(str(expires_in)))
    except ValueError:
        return None
    return datetime.now(UTC) + max(life - EXPIRY_MARGIN, life * 0.9)


def _rejected(profile: Profile, error: TokenRejected) -> AuthenticationError:
    if METHODS[profile.system, profile.auth].form is None:
        advice = "Check user name and password, and that the user is active, not locked out and needs no second factor."
    else:
        advice = "The platform issued a token and then refused it: check the user's session and API access policies."
    return AuthenticationError(
        f"{profile.name}: {error.message}", code="rejected", advice=advice, request_id=error.request_id
    )


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
