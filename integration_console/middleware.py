"""Headers on every page, and who is acting during a request."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from sync.actor import Actor, acting_as

GetResponse = Callable[[HttpRequest], HttpResponse]


class ContentSecurityPolicyMiddleware:
    """Send settings.SECURE_CSP (the name Django 6 gives the same setting) with every page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = "; ".join(f"{name} {' '.join(values)}" for name, values in settings.SECURE_CSP.items())

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        return response


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
