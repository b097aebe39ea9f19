"""OAuth: the token endpoint and who the token's user is.

Answers follow the platform: errors are objects, not the arrays of data calls, and none says `expires_in`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.salesforce.sessions import LoginRefused, Session
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

_NO_STORE = {"Cache-Control": "no-store"}
Answer = dict[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """How a grant type is answered, and whether the client must name itself beside it."""

    run: Callable[[SalesforcePlatform, Mapping[str, str]], Answer]
    names_client: bool = True
    secret_optional: bool = False


def _client_credentials(platform: SalesforcePlatform, form: Mapping[str, str]) -> Answer:
    return granted(platform, platform.sessions.open(platform.credentials.username))


def _password(platform: SalesforcePlatform, form: Mapping[str, str]) -> Answer:
    username = form.get("username", "")
    platform.sessions.check_password(username, form.get("password", ""))
    return granted(platform, platform.sessions.open(platform.credentials.username))


GRANTS: dict[str, Grant] = {
    "client_credentials": Grant(_client_credentials),
    "password": Grant(_password),
}


@ROUTES.route("POST", "/services/oauth2/token")
def token(platform: SalesforcePlatform, request: Request) -> Response:
    platform.counters.token_request()
    form = request.form()
    with platform.org.lock:
        try:
            grant = GRANTS.get(form.get("grant_type", ""))
            if grant is None:
                raise LoginRefused("unsupported_grant_type", "grant type not supported")
            if grant.names_client:
                check_client(platform, request, form, secret_optional=grant.secret_optional)
            answer = grant.run(platform, form)
            _count(platform)
        except LoginRefused as refusal:
            return login_refused(refusal)
        return Response.json(answer, headers=_NO_STORE)


def _count(platform: SalesforcePlatform) -> None:
    """Spend a call of the day on a login, if the org counts it so. Raises LoginRefused."""
    if not platform.dialect.logins_count_as_calls:
        return
    try:
        platform.budget.charge()
        platform.counters.bill()
    except Refusal as refusal:
        raise LoginRefused("rate_limit_exceeded", str(refusal)) from refusal


def login_refused(refusal: LoginRefused, status: int = 400) -> Response:
    return Response.json(
        {"error": refusal.error, "error_description": refusal.description}, status, _NO_STORE
    )


def check_client(
    platform: SalesforcePlatform, request: Request, form: Mapping[str, str], *, secret_optional: bool = False
) -> None:
    """Raises LoginRefused. A public client may leave its secret out where the app allows that."""
    client_id, secret = _client(request, form)
    if secret_optional and not secret and not platform.app.secret_required:
        platform.sessions.check_client_id(client_id)
    else:
        platform.sessions.check_client(client_id, secret)


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the client's id and secret, from HTTP Basic if it is there, else from the body."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:  # no Base64, no ASCII, or no UTF-8 within
        raise LoginRefused("invalid_client", "invalid client credentials") from error
    return unquote(name), unquote(secret)


def granted(platform: SalesforcePlatform, session: Session) -> Answer:
    """Return the answer of most grants."""
    identity = f"{platform.url}/id/{platform.org_id}/{session.user_id}"
    issued_at = str(int(platform.clock.now().timestamp() * 1000))
    digest = hmac.digest(
        platform.credentials.client_secret.encode(), (identity + issued_at).encode(), hashlib.sha256
    )
    return {
        "access_token": session.token,
        "signature": base64.b64encode(digest).decode(),
        "scope": "api id",
        "instance_url": platform.url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


@ROUTES.route("GET|POST", "/services/oauth2/userinfo")
def userinfo(platform: SalesforcePlatform, request: Request) -> Response:
    with platform.org.lock:
        session = platform.sessions.find(request.headers.get("authorization", ""))
        if session is None:
            return Response.text("Bad_OAuth_Token", 403)
        return Response.json(_identity(platform, session.user_id))


def _identity(platform: SalesforcePlatform, user_id: str) -> dict[str, Any]:
    users = platform.org.tables["User"]
    row = users.rows[user_id].values

    def get(name: str) -> Any:
        return row[users.slots[name]]

    return {
        "sub": f"{platform.url}/id/{platform.org_id}/{user_id}",
        "user_id": user_id,
        "organization_id": platform.org_id,
        "preferred_username": get("Username"),
        "nickname": get("Alias"),
        "name": get("Name"),
        "email": get("Email"),
        "email_verified": True,
        "given_name": get("FirstName"),
        "family_name": get("LastName"),
        "zoneinfo": get("TimeZoneSidKey"),
        "active": get("IsActive"),
        "user_type": get("UserType"),
        "language": get("LanguageLocaleKey"),
        "locale": "en_US",
        "urls": {
            "rest": f"{platform.url}/services/data/v{{version}}/",
            "sobjects": f"{platform.url}/services/data/v{{version}}/sobjects/",
            "query": f"{platform.url}/services/data/v{{version}}/query/",
        },
    }
