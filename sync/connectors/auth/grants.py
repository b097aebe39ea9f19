"""The OAuth grants as requests to the token endpoint: one function a grant, each answers a token.

Sources: RFC 6749, RFC 7523; Salesforce help, "OAuth Authorization Flows"; ServiceNow, "OAuth API request parameters".
"""

from __future__ import annotations

from collections.abc import Mapping

from sync.connectors.auth.assertion import assertion
from sync.connectors.auth.credentials import credential
from sync.connectors.auth.tokens import token_of
from sync.connectors.base import Profile, Token
from sync.connectors.http import Purpose, Transport
from sync.core.records import Side

TOKEN_PATHS = {Side.SERVICENOW: "/oauth_token.do", Side.SALESFORCE: "/services/oauth2/token"}
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def ask_for_token(transport: Transport, form: Mapping[str, str], old: Token | None) -> Token:
    """Raises AuthenticationError for a refusal. Parameters that are empty are left out."""
    answer = transport.request(
        "POST",
        transport.origin + TOKEN_PATHS[transport.profile.system],
        purpose=Purpose.TOKEN,
        data={name: value for name, value in form.items() if value},
    )
    return token_of(answer, transport, old)


def client(profile: Profile) -> dict[str, str]:
    return {name: credential(profile, name) for name in ("client_id", "client_secret")}


def client_credentials(transport: Transport, old: Token | None) -> Token:
    form = {"grant_type": "client_credentials", **client(transport.profile)}
    return ask_for_token(transport, form, old)


def password(transport: Transport, old: Token | None) -> Token:
    profile = transport.profile
    form = {
        "grant_type": "password",
        **client(profile),
        "username": profile.username,
        "password": credential(profile, "password") + credential(profile, "security_token"),
    }
    return ask_for_token(transport, form, old)


def refresh_token(transport: Transport, old: Token | None) -> Token:
    """By the newest refresh token: one that the platform gave later outranks the configured one, which it ended."""
    newest = (old.refresh_token if old else "") or credential(transport.profile, "refresh_token")
    form = {"grant_type": "refresh_token", **client(transport.profile), "refresh_token": newest}
    return ask_for_token(transport, form, old)


def jwt_bearer(transport: Transport, old: Token | None) -> Token:
    """ServiceNow wants the client's secret beside the assertion, Salesforce does not."""
    named = client(transport.profile) if transport.profile.system is Side.SERVICENOW else {}
    form = {"grant_type": _JWT_BEARER, **named, "assertion": assertion(transport)}
    return ask_for_token(transport, form, old)
