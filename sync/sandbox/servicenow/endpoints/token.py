"""`/oauth_token.do`, whose parameters count in a form body alone, and the two names of revocation."""

from __future__ import annotations

from sync.sandbox.servicenow import grants
from sync.sandbox.servicenow.errors import oauth_refused
from sync.sandbox.servicenow.oauth import FORM, Denied
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.wire import Request, Response


@ROUTER.route("POST", "/oauth_token.do")
def token(platform: ServiceNowPlatform, request: Request) -> Response:
    platform.counters.token_request()
    if not request.headers.get("content-type", "").startswith(FORM):
        return oauth_refused()
    try:
        return Response.json(grants.answer(platform.tokens, _form(request), platform.now()))
    except Denied:
        return oauth_refused()


def _form(request: Request) -> dict[str, str]:
    """The body; PySNC sends the assertion of a JWT in a header beside it."""
    scheme, _, assertion = request.headers.get("authentication", "").partition(" ")
    return ({"assertion": assertion} if scheme.lower() == "bearer" else {}) | request.form()


@ROUTER.route("GET|POST", "/oauth_revoke_token.do")
@ROUTER.route("GET|POST", "/oauth_revoke.do")
def revoke(platform: ServiceNowPlatform, request: Request) -> Response:
    """200 whether or not there was such a token, as RFC 7009 has it; the platform's own body is UNVERIFIED."""
    platform.counters.token_request()
    platform.tokens.revoke({**request.query, **request.form()}.get("token", ""))
    return Response.empty(200)
