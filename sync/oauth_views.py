"""The two pages around a platform's own: on the way there, and back with its answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sync import approval, services
from sync.models import Connection
from sync.models.base import SideChoices


def callback_url(request: HttpRequest) -> str:
    """Where platforms send people back to: below PUBLIC_URL, else below the address the browser used."""
    path = reverse("oauth_callback")
    return settings.PUBLIC_URL.rstrip("/") + path if settings.PUBLIC_URL else request.build_absolute_uri(path)


def refuse_other_host(request: HttpRequest) -> None:
    """The answer must come back to this session, and so to the host of its cookie."""
    host = urlsplit(settings.PUBLIC_URL).netloc
    if host and host != request.get_host():
        raise services.Refused(
            f"Open the console at {settings.PUBLIC_URL} to connect: that is where the platform sends you back to."
        )


@require_GET
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """Says where the browser goes next and sends it there. A redirect in answer to a form would break our own policy."""
    found = approval.page_to_visit(request.session)
    if found is None or not _staff(request):
        return redirect("admin:sync_connection_changelist")
    connection, url = found
    context = {
        "connection": connection,
        "url": url,
        "host": urlsplit(url).netloc,
        "system": _system(connection),
    }
    return render(
        request, "console/connection_leave.html", _page(request, f"Connect {connection.name}") | context
    )


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """What the platform sent back: connected, or a page that says why not and what to do."""
    person = _staff(request)
    if person is None:
        return render(request, "console/connection_logged_out.html", status=403)
    try:
        connection = approval.finish(by=person, session=request.session, answer=request.GET.dict())
    except approval.Failed as failure:
        context = {"failure": failure, "connection": failure.connection}
        return render(
            request, "console/connection_failed.html", _page(request, "Not connected") | context, status=400
        )
    held = approval.status(connection)
    messages.success(request, f"{connection.name} is connected as {held.user}." if held else "Connected.")
    if person.has_perm("sync.test_connection"):
        services.test_connection(connection=connection, by=person)
    return redirect("admin:sync_connection_change", connection.pk)


def _staff(request: HttpRequest) -> User | None:
    if not isinstance(request.user, User) or not admin.site.has_permission(request):
        return None
    if not request.user.has_perm("sync.change_connection"):
        raise PermissionDenied
    return request.user


def _page(request: HttpRequest, title: str) -> dict[str, object]:
    return {**admin.site.each_context(request), "title": title, "opts": Connection._meta}


def _system(connection: Connection) -> str:
    return SideChoices(connection.system).label
