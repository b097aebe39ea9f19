"""What the pages of this package share: how an action is refused, how the person is named, links between pages."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integration_console.theme.actions import Rules
from sync import services
from sync.models import Connection, RecordLink

rules = partial(Rules, refusals=(services.Refused,))


def person(request: HttpRequest) -> User:
    """Who presses the button; the admin lets nobody in who is not logged in."""
    assert isinstance(request.user, User)
    return request.user


def page_url(target: Model) -> str:
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])


def list_url(model: type[Model], **filters: Any) -> str:
    from django.utils.http import urlencode

    base = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{base}?{urlencode(filters)}" if filters else base


def link_to(target: Model | None, label: str = "") -> SafeString:
    if target is None:
        return SafeString("–")
    return format_html('<a class="ic-link" href="{}">{}</a>', page_url(target), label or str(target))


def servicenow_url(connection: Connection, table: str, sys_id: str) -> str:
    """The record in ServiceNow's own pages; "" if the address is not one to link to."""
    return _below(connection, f"/nav_to.do?uri={table}.do?sys_id={sys_id}") if sys_id else ""


def salesforce_url(connection: Connection, name: str, record_id: str) -> str:
    return _below(connection, f"/lightning/r/{name}/{record_id}/view") if record_id else ""


def _below(connection: Connection, path: str) -> str:
    return connection.url.rstrip("/") + path if connection.url.startswith("https://") else ""


def links_out(link: RecordLink) -> dict[str, str]:
    return {
        "servicenow": servicenow_url(link.servicenow_connection, link.servicenow_table, link.servicenow_id),
        "salesforce": salesforce_url(link.salesforce_connection, link.salesforce_object, link.salesforce_id),
    }
