"""The authorization code grant: where a person allows the console in, what the code is worth, and taking it back.

Sources: RFC 6749 section 4.1, RFC 7636 (PKCE), RFC 7009 (revocation); Salesforce help, "OAuth 2.0 Web Server Flow" and
"Revoke OAuth Tokens"; ServiceNow, "OAuth inbound".
"""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlencode, urlsplit

from sync.connectors.addresses import checked_origin
from sync.connectors.auth.credentials import credential
from sync.connectors.auth.grants import ask_for_token, client
from sync.connectors.base import Profile, Token
from sync.connectors.http import Answer, Purpose, Transport
from sync.core.records import Side
from sync.errors import AuthenticationError, ConfigurationError, SyncError, TransientError

_AUTHORIZE = {Side.SERVICENOW: "/oauth_auth.do", Side.SALESFORCE: "/services/oauth2/authorize"}
_REVOKE = {Side.SERVICENOW: "/oauth_revoke_token.do", Side.SALESFORCE: "/services/oauth2/revoke"}
# The least that keeps records in step and outlives the session. ServiceNow gives its one scope by itself. Salesforce
# asks for a login even where a session is open: whoever presses Connect seldom is the integration user.
_MORE = {
    Side.SERVICENOW: {},
    Side.SALESFORCE: {"scope": "api refresh_token", "prompt": "login"},
}


def authorize_url(profile: Profile, *, state: str, verifier: str, redirect_uri: str) -> str:
    """The platform's page that asks the person. Raises ConfigurationError for an address that is none."""
    asked = {
        "response_type": "code",
        "client_id": credential(profile, "client_id"),
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **_MORE[profile.system],
    }
    return f"{checked_origin(profile.url)}{_AUTHORIZE[profile.system]}?{urlencode(asked)}"


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of RFC 7636."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def exchange(transport: Transport, *, code: str, verifier: str, redirect_uri: str) -> Token:
    """The tokens that a code is worth, once. Raises AuthenticationError, also if no refresh token is among them."""
    form = {
        "grant_type": "authorization_code",
        **client(transport.profile),
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
    }
    token = ask_for_token(transport, form, None)
    if not token.refresh_token:
        raise AuthenticationError(
            "The platform let the console in for a session only: it gave no refresh token.",
            code="no_refresh_token",
            advice="Add the scope refresh_token (Perform requests at any time) to the app, then press Connect again.",
        )
    return token


def revoke(transport: Transport, token: str) -> None:
    """End a refresh token over there, also one that has ended already. Raises a SyncError unless it is certain.

    ServiceNow documents the token in the address, where logs on the way would keep it. That the body does as well is
    unverified, and it answers 200 to anything: so it is asked whether the token still counts.
    """
    transport.request(
        "POST",
        transport.origin + _REVOKE[transport.profile.system],
        purpose=Purpose.TOKEN,
        data={"token": token},
        judge=_not_revoked,
    )
    if transport.profile.system is Side.SERVICENOW:
        _refuse_living(transport, token)


def _refuse_living(transport: Transport, token: str) -> None:
    form = {"grant_type": "refresh_token", **client(transport.profile), "refresh_token": token}
    try:
        ask_for_token(transport, form, None)
    except AuthenticationError:
        return
    raise ConfigurationError("The platform still accepts the token after its revocation.", code="not_revoked")


def _not_revoked(answer: Answer) -> SyncError | None:
    """Both answer 200 without a body; Salesforce calls a token that has ended invalid_token."""
    if answer.status_code == 200 or (answer.status_code == 400 and b"invalid_token" in answer.content):
        return None
    kind = TransientError if answer.status_code >= 500 else ConfigurationError
    return kind(
        f"{urlsplit(answer.url).netloc} answered {answer.status_code} to the revocation.",
        code=f"HTTP_{answer.status_code}",
        request_id=answer.request_id,
    )
