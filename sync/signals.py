"""Deeds that no service does are noted in the audit log here: logins, and configuration saved on the admin's pages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.dispatch import receiver
from django.http import HttpRequest

from integration_console.middleware import client_ip
from integration_console.theme.admin import configuration_saved, list_exported
from sync import audit
from sync.actor import Actor, acting_as


def _actor(request: HttpRequest | None, user: User | None = None, name: str = "") -> Actor:
    """Whoever the request is about. During a login the middleware does not know them yet."""
    ip = client_ip(request) if request is not None else ""
    return Actor(user_id=user.pk if user else None, name=(str(user) if user else name)[:150], ip=ip)


@receiver(user_logged_in)
def note_login(
    sender: object, request: HttpRequest | None = None, user: User | None = None, **kwargs: Any
) -> None:
    if request is not None:
        request.session["began"] = request.session["seen"] = (
            time.time()
        )  # what SessionLimitMiddleware goes by
    with acting_as(_actor(request, user)):
        audit.record("login.succeeded", user)


@receiver(user_logged_out)
def note_logout(
    sender: object, request: HttpRequest | None = None, user: User | None = None, **kwargs: Any
) -> None:
    if user is not None:
        with acting_as(_actor(request, user)):
            audit.record("login.ended", user)


@receiver(user_login_failed)
def note_failed_login(
    sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    """The name that was tried, cut; never the password."""
    tried = str(credentials.get("username", ""))[:150]
    with acting_as(_actor(request, name=tried)):
        audit.record("login.failed", label=tried)


@receiver(configuration_saved)
def note_configuration(
    sender: object,
    action: str,
    target: Model,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    **kwargs: Any,
) -> None:
    noun = str(target._meta.verbose_name).replace(" ", "_")
    audit.record(f"{noun}.{action}", target, before=before, after=after)


@receiver(list_exported)
def note_export(sender: object, what: str, kind: str, query: str, **kwargs: Any) -> None:
    audit.record("list.exported", label=what, after={"as": kind, "filter": query})
