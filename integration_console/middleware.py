"""Headers on every page, and who is acting during a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone

from sync.actor import Actor, acting_as
from sync.logins import TooManyLogins

GetResponse = Callable[[HttpRequest], HttpResponse]


class ContentSecurityPolicyMiddleware:
    """Send settings.SECURE_CSP (the name Django 6 gives the same setting) with every page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = "; ".join(f"{name} {' '.join(values)}" for name, values in settings.SECURE_CSP.items())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


class SessionLimitMiddleware:
    """Log out whoever did nothing for SESSION_IDLE_SECONDS, and anybody SESSION_COOKIE_AGE seconds after the login.

    A page that asks for its own news does nothing: polls are told by the theme's header, and are all GET.
    """

    NOTED_EVERY = 60  # seconds; a session is not written for each page

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_the_login(request, self.get_response(request))
        now = time.time()
        began = request.session.setdefault("began", now)
        seen = request.session.setdefault("seen", now)
        if now - began > settings.SESSION_COOKIE_AGE or now - seen > settings.SESSION_IDLE_SECONDS:
            return _expired(request)
        polls = request.method == "GET" and "HX-Request" in request.headers
        if not polls and now - seen > self.NOTED_EVERY:
            request.session["seen"] = now
        return self.get_response(request)


def _to_the_login(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Who logged out elsewhere and presses a button in a dialog sees the login and not an empty dialog."""
    wanted = response.status_code == 302 and response["Location"].startswith(resolve_url(settings.LOGIN_URL))
    return _dialog_to_login(request) if wanted and "HX-Request" in request.headers else response


def _dialog_to_login(request: HttpRequest) -> HttpResponse:
    parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    to = redirect_to_login(f"{parts.path or '/admin/'}?{parts.query}".rstrip("?"))
    return HttpResponse(headers={"HX-Redirect": to.url})


def _expired(request: HttpRequest) -> HttpResponse:
    """To the login, and from there back to the page; what was sent is not carried out."""
    logout(request)
    messages.info(request, "Your session has ended. Log in again; what you sent last was not carried out.")
    page = request.get_full_path() if request.method == "GET" else resolve_url(settings.LOGIN_REDIRECT_URL)
    if "HX-Request" in request.headers:
        return _dialog_to_login(request)
    return redirect_to_login(page)


class ThrottleMiddleware:
    """The page that tells whoever tried too often when to try again."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooManyLogins):
            return None
        seconds = max(1, int((exception.until - timezone.now()).total_seconds()) + 1)
        said = {"until": exception.until.astimezone(UTC), "minutes": -(-seconds // 60)}
        page = render(request, "429.html", said, status=429)
        page.headers["Retry-After"] = str(seconds)
        return page


class ActorMiddleware:
    """Name the person and address behind the request, for the audit log."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user if request.user.is_authenticated else None
        with acting_as(Actor(user_id=user.pk if user else None, name=str(user or ""), ip=client_ip(request))):
            return self.get_response(request)


def client_ip(request: HttpRequest) -> str:
    """The peer's address, or the nearest untrusted one of X-Forwarded-For if the peer is a trusted proxy."""
    address = str(request.META.get("REMOTE_ADDR", ""))
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    while hops and _trusted(address):
        address = hops.pop()
    return address if _is_address(address) else ""


def _trusted(address: str) -> bool:
    return _is_address(address) and any(
        ip_address(address) in ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
