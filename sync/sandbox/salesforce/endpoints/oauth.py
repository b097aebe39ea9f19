"""OAuth: the token endpoint and who the token's user is.

Answers follow the platform: errors are objects, not the arrays of data calls, and none says `expires_in`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.salesforce.sessions import LoginRefused, Session
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform


def _client_credentials(platform: SalesforcePlatform, form: Mapping[str, str]) -> Session:
    return platform.sessions.open(platform.credentials.username)


def _password(platform: SalesforcePlatform, form: Mapping[str, str]) -> Session:
    username = form.get("username", "")
    platform.sessions.check_password(username, form.get("password", ""))
    return platform.sessions.open(platform.credentials.username)


GRANTS: dict[str, Callable[[SalesforcePlatform, Mapping[str, str]], Session]] = {
    "client_credentials": _client_credentials,
    "password": _password,
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
            platform.sessions.check_client(*_client(request, form))
            session = grant(platform, form)
        except LoginRefused as refusal:
            body = {"error": refusal.error, "error_description": refusal.description}
            return Response.json(body, 400, {"Cache-Control": "no-store"})
        return Response.json(_granted(platform, session), headers={"Cache-Control": "no-store"})


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the client's id and secret, from HTTP Basic if it is there, else from the body."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise LoginRefused("invalid_client", "invalid client credentials") from error
    return unquote(name), unquote(secret)


def _granted(platform: SalesforcePlatform, session: Session) -> dict[str, str]:
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


@ROUTES.route("GET", "/id/{org_id}/{user_id}")
def identity(platform: SalesforcePlatform, request: Request, org_id: str, user_id: str) -> Response:
    return userinfo(platform, request)


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
