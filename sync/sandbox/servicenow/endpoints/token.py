"""`POST /oauth_token.do`: parameters count in a form body alone."""

from __future__ import annotations

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
        return Response.json(platform.tokens.grant(request.form(), platform.now()))
    except Denied:
        return oauth_refused()
