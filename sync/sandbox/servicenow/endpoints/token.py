"""`/oauth_token.do`, whose parameters count in a form body, and the two names of revocation.

The application may also name itself by HTTP Basic (RFC 6749 section 2.3.1): PySNC and pysnow do, since the library
they ask for tokens with does. The vendor's page of parameters does not speak of it, so this is a switch.
"""

from __future__ import annotations

import base64

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
    form = _form(request, by_basic=platform.dialect.client_may_come_by_basic)
    try:
        return Response.json(grants.answer(platform.tokens, form, platform.now()))
    except Denied:
        named = platform.dialect.oauth_failures_name_their_cause
        return oauth_refused(grants.cause(platform.tokens, form) if named else "")


def _form(request: Request, *, by_basic: bool) -> dict[str, str]:
    """The body; PySNC sends the assertion of a JWT in a header beside it, or the application's secret in another."""
    scheme, _, assertion = request.headers.get("authentication", "").partition(" ")
    beside = {"assertion": assertion} if scheme.lower() == "bearer" else {}
    return (_application(request) if by_basic else {}) | beside | request.form()


def _application(request: Request) -> dict[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": name, "client_secret": secret} if scheme.lower() == "basic" else {}


@ROUTER.route("GET|POST", "/oauth_revoke_token.do")
@ROUTER.route("GET|POST", "/oauth_revoke.do")
def revoke(platform: ServiceNowPlatform, request: Request) -> Response:
    """200 for a token that ended; for one that is unknown, as RFC 7009 has it or as the switch says."""
    platform.counters.token_request()
    ended = platform.tokens.revoke({**request.query, **request.form()}.get("token", ""))
    return Response.empty(200 if ended else platform.dialect.revoked_unknown_token_status)
