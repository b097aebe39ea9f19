"""Decrypted values on a page: hidden until a person with the permission opens them, which the audit log notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from sync import services
from sync.admin.base import person
from sync.models import ActionRun, Conflict, DeadLetter, Event, Plan, RecordLink, RemoteCall

PERMISSION = "sync.view_payload"


def opened(
    request: HttpRequest,
    target: ActionRun | Conflict | DeadLetter | Event | Plan | RecordLink | RemoteCall,
    read: Callable[[], Any],
) -> dict[str, Any]:
    """Context of a page with values: `may_open`, `is_open` and, only then, `values`.

    The entry in the audit log is written before anything is decrypted. A link alone (`?values=1`) is enough to ask:
    looking changes nothing but the log.
    """
    may_open = person(request).has_perm(PERMISSION)
    is_open = may_open and request.GET.get("values") == "1"
    if is_open:
        services.look_at_payload(target=target, by=person(request))
    return {"may_open": may_open, "is_open": is_open, "values": read() if is_open else None}
