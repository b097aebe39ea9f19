"""The grants beyond client credentials and password: JWT bearer, authorization code and refresh token.

Source: Salesforce help, "OAuth 2.0 JWT Bearer Flow", "OAuth 2.0 Web Server Flow", "OAuth 2.0 Refresh Token Flow".
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt

from sync.sandbox.salesforce.endpoints.oauth import GRANTS, Answer, Grant, granted
from sync.sandbox.salesforce.routing import ROUTES
from sync.sandbox.salesforce.sessions import LoginRefused
from sync.sandbox.wire import Request, Response

if TYPE_CHECKING:
    from sync.sandbox.salesforce.platform import SalesforcePlatform

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
_HTML = "text/html;charset=UTF-8"
_ASKED = ("client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method")


def _jwt_bearer(platform: SalesforcePlatform, form: Mapping[str, str]) -> Answer:
    """Answer without refresh token, signature or issue time, as the flow is documented."""
    claims = _claims(platform, form.get("assertion", ""))
    platform.sessions.check_client_id(str(claims.get("iss", "")))
    if str(claims.get("aud", "")).rstrip("/") not in (*_AUDIENCES, platform.url):
        raise LoginRefused("invalid_grant", "audience is invalid")
    expires = str(claims.get("exp", ""))  # some clients send the number as a string, which the platform takes
    if not expires.isdecimal() or int(expires) <= platform.clock.now().timestamp():
        raise LoginRefused("invalid_grant", "expired authorization code")
    username = str(claims.get("sub", ""))
    known = username.lower() == platform.credentials.username.lower()
    if not known or not (platform.app.preauthorised or platform.approvals.has_approved(username)):
        raise LoginRefused("invalid_grant", "user hasn't approved this consumer")
    answer = granted(platform, platform.sessions.open(platform.credentials.username))
    return {name: value for name, value in answer.items() if name not in ("signature", "issued_at")}


def _claims(platform: SalesforcePlatform, assertion: str) -> dict[str, Any]:
    """Return what a rightly signed assertion says; its times are left to the org's own clock."""
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion,
            platform.app.public_key,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise LoginRefused("invalid_grant", "invalid assertion") from error
    return claims


def _authorization_code(platform: SalesforcePlatform, form: Mapping[str, str]) -> Answer:
    code, uri, verifier = (form.get(name, "") for name in ("code", "redirect_uri", "code_verifier"))
    username = platform.approvals.redeem(code, uri, verifier)
    session = platform.sessions.open(username)
    refresh_token = platform.approvals.issue_refresh_token(username, session.token)
    scope = "refresh_token api id"
    return granted(platform, session) | {"refresh_token": refresh_token, "scope": scope}


def _refresh(platform: SalesforcePlatform, form: Mapping[str, str]) -> Answer:
    """Answer a new access token; the refresh token itself returns only where it is rotated."""
    token = form.get("refresh_token", "")
    known = platform.approvals.refresh_token(token)
    if known is None:
        raise LoginRefused("invalid_grant", "expired access/refresh token")
    session = platform.sessions.open(known.username)
    known.access_tokens.add(session.token)
    answer = granted(platform, session)
    if platform.app.rotates_refresh_tokens:
        platform.approvals.withdraw(token)
        answer["refresh_token"] = platform.approvals.issue_refresh_token(known.username, session.token)
    return answer


GRANTS[_JWT_BEARER] = Grant(_jwt_bearer, names_client=False)
GRANTS["authorization_code"] = Grant(_authorization_code, secret_optional=True)
GRANTS["refresh_token"] = Grant(_refresh, secret_optional=True)


# The page where a person allows it


@ROUTES.route("GET", "/services/oauth2/authorize")
def authorize(platform: SalesforcePlatform, request: Request) -> Response:
    with platform.org.lock:
        refused = _refused_request(platform, request.query)
        if refused is not None:
            return refused
        if platform.app.approves_itself:
            return _approved(platform, request.query)
        return Response.text(_page(platform, request.query), content_type=_HTML)


@ROUTES.route("POST", "/services/oauth2/authorize")
def allow(platform: SalesforcePlatform, request: Request) -> Response:
    form = request.form()
    with platform.org.lock:
        refused = _refused_request(platform, form)
        if refused is not None:
            return refused
        if form.get("decision") == "deny":
            return _redirect(form, error="access_denied", error_description="end-user denied authorization")
        if not platform.sessions.knows(
            form.get("username", ""), form.get("password", ""), security_token=False
        ):
            return Response.text(_page(platform, form, "Please check your password."), content_type=_HTML)
        return _approved(platform, form)


def _refused_request(platform: SalesforcePlatform, asked: Mapping[str, str]) -> Response | None:
    """Return the refusal of a wrong request: as a page while it is unclear whom a redirect would tell."""
    app = platform.app
    try:
        platform.sessions.check_client_id(asked.get("client_id", ""))
    except LoginRefused as refusal:
        return Response.text(f"error={refusal.error}&error_description={refusal.description}", 400)
    if asked.get("redirect_uri") not in app.redirect_uris:
        return Response.text("error=redirect_uri_mismatch", 400)
    if asked.get("response_type") != "code":
        return _redirect(asked, error="unsupported_response_type", error_description="response type unknown")
    challenge, method = asked.get("code_challenge", ""), asked.get("code_challenge_method", "S256")
    if (app.pkce_required and not challenge) or (challenge and method != "S256"):
        return _redirect(asked, error="invalid_request", error_description="missing required code challenge")
    return None


def _approved(platform: SalesforcePlatform, asked: Mapping[str, str]) -> Response:
    code = platform.approvals.issue_code(
        platform.credentials.username, asked["redirect_uri"], asked.get("code_challenge", "")
    )
    return _redirect(asked, code=code)


def _redirect(asked: Mapping[str, str], **said: str) -> Response:
    if "state" in asked:
        said["state"] = asked["state"]
    joint = "&" if "?" in asked["redirect_uri"] else "?"
    return Response.empty(302, {"Location": asked["redirect_uri"] + joint + urlencode(said)})


def _page(platform: SalesforcePlatform, asked: Mapping[str, str], problem: str = "") -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(asked[name])}">'
        for name in _ASKED
        if name in asked
    )
    return (
        f"<!doctype html><title>Allow access?</title><h1>Allow access?</h1><p>{escape(problem)}</p>"
        f'<form method="post" action="/services/oauth2/authorize">{hidden}'
        f'<label>Username <input name="username" value="{escape(platform.credentials.username)}"></label> '
        '<label>Password <input name="password" type="password"></label> '
        '<button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny">Deny</button></form>'
    )
