"""Fields that a flow does not map yet, searched and given a counterpart, many at once: they become rows of its draft."""

from __future__ import annotations

import csv
import io
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import URLPattern, path

from integration_console.theme.templatetags.console import SCRIPT
from mappings.spec import Direction
from sync import inspecting, offered
from sync.admin import sheets
from sync.admin.base import page_url, person
from sync.behind import fields_behind
from sync.core.records import Side
from sync.models import Flow, Question
from sync.models.question import QuestionKind, QuestionState
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
    """GET searches; POST shows what adding the chosen pairs would change, which is confirmed as an import is.

    What is searched with a dot is looked for behind the reference before it.
    """
    sides = offered.fields_of(flow)
    term = request.GET.get("q", "").strip()
    path, dot, rest = term.rpartition(".")
    reads = request.method == "POST" and "read" in request.POST
    if reads and dot:
        inspecting.read_table(flow=flow, side=Side.SERVICENOW, path=path, by=person(request))
    there = fields_behind(flow, Side.SERVICENOW, path) if dot else None
    wanted = (rest if dot else term).casefold()
    found = [
        (offer, like, request.POST.get(f"to-{offer.name}", ""))
        for offer, like in offered.unmapped(flow, sides, there.fields if there else None)
        if wanted in f"{offer.name.rpartition('.')[2]} {offer.label} {offer.words}".casefold()
    ]
    page = {
        **context, "title": "Add fields", "flow": flow, "owner": flow, "owner_url": page_url(flow), "sides": sides, "term": term,
        "found": found[:MOST], "more": max(0, len(found) - MOST), "kind": KINDS["fields"], "script": static(SCRIPT),
        "way": sheets.WAYS["fields"], "behind": there, "reading": bool(there and there.unread and _is_read(flow)),
    }  # fmt: skip
    if request.method == "POST" and not reads:
        text = _lines(request)
        data = {"file": None, "typed": text, "whole": False}
        page |= sheets.previewed(data, KINDS["fields"], flow, person(request)) if text else {"none": True}
    return TemplateResponse(request, "console/add_fields.html", page)


def _is_read(flow: Flow) -> bool:
    return Question.objects.filter(flow=flow, kind=QuestionKind.SCHEMAS, state=QuestionState.ASKED).exists()


def _lines(request: HttpRequest) -> str:
    """The chosen pairs as the lines of a table. What lies behind a reference goes one way."""
    chosen = [
        (name.removeprefix("to-"), to)
        for name in request.POST
        if name.startswith("to-") and (to := request.POST[name].strip())
    ]
    if not chosen:
        return ""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(["servicenow", "salesforce", "direction"])
    for here, there in chosen:
        lines.writerow([here, there, Direction.TO_SALESFORCE if "." in here else ""])
    return out.getvalue()


def behind(request: HttpRequest, flow: Flow) -> HttpResponse:
    """`side` and `path` as parameters; a POST raises PermissionDenied for who may not have anything read."""
    asked = request.POST if request.method == "POST" else request.GET
    if asked.get("side") not in list(Side):
        raise Http404
    side, path = Side(asked["side"]), asked.get("path", "")[:200]
    if request.method == "POST":
        inspecting.read_table(flow=flow, side=side, path=path, by=person(request))
    found = fields_behind(flow, side, path)
    return JsonResponse({
        "options": [[each.name, f"{each.label} · {each.words}"] for each in found.fields],
        "unread": found.unread, "trouble": found.trouble,
    })  # fmt: skip
