"""Is the process alive, and can it do its work?"""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

SILENT = timedelta(seconds=60)


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """200 if database, queue and a worker answer; else 503 naming what does not."""
    from sync.models import Worker

    parts: dict[str, str] = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        parts["database"] = "ok"
        canary = Worker.objects.order_by("-canary_at").first()
        now = timezone.now()
        parts["workers"] = (
            "ok" if canary and now - canary.seen_at < SILENT else "no worker has reported for a minute"
        )
        parts["queue"] = (
            "ok"
            if canary and canary.canary_at and now - canary.canary_at < SILENT * 2
            else "no task ran for two minutes"
        )
    except DatabaseError:
        parts["database"] = "does not answer, or is not migrated"
    good = len(parts) == 3 and all(value == "ok" for value in parts.values())
    return JsonResponse(parts, status=200 if good else 503)
