"""The grants of `/oauth_token.do`, a function for each.

Source: the platform's page on OAuth API request parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sync.sandbox.servicenow.oauth import Client, Denied, Tokens
from sync.sandbox.servicenow.schema import Row

Form = Mapping[str, str]

# A grant names the user it logs in, or nobody, and whether a refresh token comes along.
Grant = Callable[[Tokens, Client, Form, datetime], tuple[Row | None, bool]]


def answer(tokens: Tokens, form: Form, now: datetime) -> dict[str, object]:
    """Answer a token request. Raises Denied, whatever was wrong."""
    client = tokens.proven_client(form.get("client_id", ""), form.get("client_secret", ""))
    grant = GRANTS.get(form.get("grant_type", ""))
    user, with_refresh = grant(tokens, client, form, now) if grant else (None, False)
    if user is None:
        raise Denied
    return tokens.answer(client, user, now, with_refresh=with_refresh)


def cause(tokens: Tokens, form: Form) -> str:
    """Why a request was denied, as RFC 6749, section 5.2, names it."""
    try:
        tokens.proven_client(form.get("client_id", ""), form.get("client_secret", ""))
    except Denied:
        return "invalid_client"
    return "invalid_grant" if form.get("grant_type") in GRANTS else "unsupported_grant_type"


def _password(tokens: Tokens, client: Client, form: Form, now: datetime) -> tuple[Row | None, bool]:
    return tokens.interactive_login(form.get("username", ""), form.get("password", "")), True


def _client_credentials(tokens: Tokens, client: Client, form: Form, now: datetime) -> tuple[Row | None, bool]:
    return tokens.for_machines(tokens.user_named(client.user_name)), tokens.refreshes_machines


def _refresh(tokens: Tokens, client: Client, form: Form, now: datetime) -> tuple[Row | None, bool]:
    return tokens.refreshed(form.get("refresh_token", ""), client, now), False


def _jwt_bearer(tokens: Tokens, client: Client, form: Form, now: datetime) -> tuple[Row | None, bool]:
    """`sub` is a user name or an e-mail address."""
    subject = tokens.assertions.subject(client.client_id, form.get("assertion", ""), now)
    if not subject:
        return None, False
    user = tokens.user_named(subject) or tokens.user_with("email", subject)
    return tokens.for_machines(user), False


def _authorization_code(tokens: Tokens, client: Client, form: Form, now: datetime) -> tuple[Row | None, bool]:
    user_id = tokens.codes.redeem(
        form.get("code", ""),
        client_id=client.client_id,
        redirect_uri=form.get("redirect_uri", ""),
        verifier=form.get("code_verifier", ""),
        now=now,
    )
    return (tokens.user(user_id) if user_id else None), True


GRANTS: dict[str, Grant] = {
    "password": _password,
    "client_credentials": _client_credentials,
    "refresh_token": _refresh,
    "urn:ietf:params:oauth:grant-type:jwt-bearer": _jwt_bearer,
    "authorization_code": _authorization_code,
}
