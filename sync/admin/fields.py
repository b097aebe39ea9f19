"""Fields that a flow does not map yet, searched and given a counterpart, many at once: they become rows of its draft."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path

from integration_console.theme.templatetags.console import SCRIPT
from sync import offered
from sync.admin import sheets
from sync.admin.base import page_url, person
from sync.models import Flow
from sync.sheets import KINDS

PERMISSION = "sync.change_flow"
MOST = 400  # fields that one page shows


def urls(site: AdminSite) -> list[URLPattern]:
    return [path("<int:pk>/", site.admin_view(_on(site)), name="add_fields")]


def _on(site: AdminSite) -> Any:
    def served(request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        flow = Flow.objects.filter(pk=pk).first()
        if flow is None:
            raise Http404
        return _page(request, site.each_context(request), flow)

    return served


def _page(request: HttpRequest, context: dict[str, Any], flow: Flow) -> HttpResponse:
    """GET searches; POST shows what adding the chosen pairs would change, which is confirmed as an import is."""
    sides = offered.fields_of(flow)
    term = request.GET.get("q", "").strip().casefold()
    found = [
        (offer, like, request.POST.get(f"to-{offer.name}", ""))
        for offer, like in offered.unmapped(flow, sides)
        if term in f"{offer.name} {offer.label} {offer.words}".casefold()
    ]
    page = {
        **context, "title": "Add fields", "flow": flow, "owner": flow, "owner_url": page_url(flow), "sides": sides, "term": term,
        "found": found[:MOST], "more": max(0, len(found) - MOST), "kind": KINDS["fields"], "script": static(SCRIPT),
        "way": sheets.WAYS["fields"],
    }  # fmt: skip
    if request.method == "POST":
        text = _lines(request)
        data = {"file": None, "typed": text, "whole": False}
        page |= sheets.previewed(data, KINDS["fields"], flow, person(request)) if text else {"none": True}
    return TemplateResponse(request, "console/add_fields.html", page)


def _lines(request: HttpRequest) -> str:
    """The chosen pairs as the lines of a table."""
    out = io.StringIO()
    for name in request.POST:
        if name.startswith("to-") and (to := request.POST[name].strip()):
            csv.writer(out).writerow([name.removeprefix("to-"), to])
    return out.getvalue()
