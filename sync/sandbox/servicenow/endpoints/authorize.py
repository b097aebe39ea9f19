"""`/oauth_auth.do`: a person logs in and allows a client, or does not, and is sent back to it with a code.

The real platform asks on two pages, one to log in and one to allow; here they are one form. A client or an address that
is not registered is told to the person and never redirected, because that would send people anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from html import escape
from urllib.parse import urlencode

from sync.sandbox.servicenow.codes import Code, may_return_to
from sync.sandbox.servicenow.platform import ROUTER, ServiceNowPlatform
from sync.sandbox.servicenow.schema import SYS_ID
from sync.sandbox.wire import Request, Response

_ASKED = ("response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method")
_HTML = "text/html;charset=UTF-8"


@ROUTER.route("GET", "/oauth_auth.do")
def ask(platform: ServiceNowPlatform, request: Request) -> Response:
    problem = _problem(platform, request.query)
    return _refusal(problem) if problem else _page(request.query)


@ROUTER.route("POST", "/oauth_auth.do")
def decide(platform: ServiceNowPlatform, request: Request) -> Response:
    form = request.form()
    problem = _problem(platform, form)
    if problem:
        return _refusal(problem)
    if form.get("decision") != "allow":
        return _back(form, error="access_denied")
    user = platform.tokens.interactive_login(form.get("user_name", ""), form.get("user_password", ""))
    if user is None:
        return _page(form, "User name or password invalid.", 401)
    expires = platform.now() + timedelta(seconds=platform.dialect.authorization_code_seconds)
    code = Code(
        form["client_id"], form["redirect_uri"], user[SYS_ID], expires, form.get("code_challenge", "")
    )
    return _back(form, code=platform.tokens.codes.issue(code))


def _problem(platform: ServiceNowPlatform, asked: Mapping[str, str]) -> str:
    client = platform.tokens.client(asked.get("client_id", ""))
    if client is None:
        return "Invalid client_id."
    if not may_return_to(asked.get("redirect_uri", ""), client.redirect_urls):
        return "Invalid redirect_uri."
    if asked.get("response_type") != "code":
        return "Invalid response_type."
    if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
        return "Invalid code_challenge_method."
    return ""


def _back(asked: Mapping[str, str], **outcome: str) -> Response:
    """A redirect with what came of it and the client's own state."""
    address = asked["redirect_uri"]
    state = {"state": asked["state"]} if "state" in asked else {}
    joint = "&" if "?" in address else "?"
    return Response.empty(302, {"Location": f"{address}{joint}{urlencode({**outcome, **state})}"})


def _refusal(problem: str) -> Response:
    return Response.text(f"<!DOCTYPE html><title>OAuth</title><p>{escape(problem)}</p>", 400, _HTML)


def _page(asked: Mapping[str, str], problem: str = "", status: int = 200) -> Response:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(asked[name])}">'
        for name in _ASKED
        if name in asked
    )
    return Response.text(
        '<!DOCTYPE html><html lang="en"><title>Log in and allow access</title>'
        f'<p role="alert">{escape(problem)}</p><form method="post" action="/oauth_auth.do">{hidden}'
        '<label>User name <input name="user_name"></label> '
        '<label>Password <input name="user_password" type="password"></label> '
        '<button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny">Deny</button></form></html>',
        status,
        _HTML,
    )
