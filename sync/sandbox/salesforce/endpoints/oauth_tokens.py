"""What a token is worth, and its end.

Source: Salesforce help, "OpenID Connect Token Introspection" and "Revoke OAuth Tokens".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.sandbox.salesforce.endpoints.oauth import check_client, login_refused
from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.salesforce.sessions import LoginRefused
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform


@ROUTES.route("POST", "/services/oauth2/introspect")
def introspect(platform: SalesforcePlatform, request: Request) -> Response:
    form = request.form()
    with platform.org.lock:
        try:
            check_client(platform, request, form)
        except LoginRefused as refusal:
            return login_refused(refusal, 401)
        return Response.json(_worth(platform, form.get("token", "")))


def _worth(platform: SalesforcePlatform, token: str) -> dict[str, Any]:
    common = {
        "active": True,
        "scope": "api id",
        "client_id": platform.credentials.client_id,
        "username": platform.credentials.username,
    }
    session = platform.sessions.living(token)
    if session is not None:
        return common | {
            "sub": f"{platform.url}/id/{platform.org_id}/{session.user_id}",
            "token_type": "access_token",
            "exp": session.used_at + platform.org.dialect.session_seconds,
            "iat": session.opened_at,
            "nbf": session.opened_at,
        }
    if platform.approvals.refresh_token(token) is not None:
        return common | {"token_type": "refresh_token"}
    return {"active": False}


@ROUTES.route("GET|POST", "/services/oauth2/revoke")
def revoke(platform: SalesforcePlatform, request: Request) -> Response:
    """End an access token, or a refresh token together with every access token it brought."""
    token = (request.query if request.method == "GET" else request.form()).get("token", "")
    with platform.org.lock:
        approval = platform.approvals.withdraw(token)
        for access_token in approval.access_tokens if approval else ():
            platform.sessions.end(access_token)
        if approval is None and not platform.sessions.end(token):
            return login_refused(LoginRefused("invalid_token", "invalid token"))
        return Response.empty(200)
