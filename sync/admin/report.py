"""Report: what a flow's pairs hold, how long they take and where they disagree; as page, CSV and, by token, JSON."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from integration_console.theme import present
from integration_console.theme.admin import list_exported
from integration_console.theme.exporting import csv_text, download
from sync import report_tokens, services
from sync.admin.base import person
from sync.models import Flow, ReportToken
from sync.reporting import DAYS, PAIRS, Report, report

SEE, VALUES = "sync.view_recordlink", "sync.view_payload"


def urls(site: AdminSite) -> list[URLPattern]:
    pages = (
        ("", _page, "report"),
        ("export.csv", _csv, "report_csv"),
        ("token/", _make, "report_token"),
        ("token/<int:pk>/revoke/", _revoke, "report_token_revoke"),
    )
    return [path(route, site.admin_view(_on(view, site)), name=name) for route, view, name in pages]


def _on(view: Any, site: AdminSite) -> Any:
    def served(request: HttpRequest, **parts: Any) -> HttpResponse:
        if not request.user.has_perm(SEE):
            raise PermissionDenied
        answer: HttpResponse = view(request, site, **parts)
        return answer

    return served


def _page(request: HttpRequest, site: AdminSite, token: str = "") -> HttpResponse:
    flows = list(Flow.objects.order_by("name").only("pk", "name"))
    flow = _chosen(request)
    found = _report(request, flow) if flow else None
    manages = request.user.has_perm(report_tokens.PERMISSION)
    return TemplateResponse(request, "console/report.html", {
        **site.each_context(request), "title": "Report", "flows": flows, "flow": flow, "report": found, "days": DAYS,
        "most": PAIRS, "parts": _parts(found) if found else [], "may_open": request.user.has_perm(VALUES),
        "manages": manages, "token": token, "tokens": ReportToken.objects.select_related("made_by")[:50] if manages else (),
        "address": request.build_absolute_uri(reverse("report_json")),
    })  # fmt: skip


def _chosen(request: HttpRequest) -> Flow | None:
    named = request.GET.get("flow", "")
    flows = Flow.objects.select_related("revision").order_by("-enabled", "name")
    if not named:
        return flows.first()
    flow = flows.filter(name=named.replace("\x00", "")).first()
    if flow is None:
        raise Http404
    return flow


def _report(request: HttpRequest, flow: Flow) -> Report:
    """With what the pairs hold for those who may see values; that is noted as any look at values is."""
    may = request.user.has_perm(VALUES)
    if may:
        services.look_at_payload(target=flow, by=person(request))
    return report(flow, with_values=may)


def _parts(found: Report) -> list[dict[str, Any]]:
    """A table for each breakdown; the bars are percent of the pairs counted."""
    return [
        {
            "name": name,
            "lines": [
                (
                    line,
                    present.percent(line.servicenow, found.pairs),
                    present.percent(line.salesforce, found.pairs),
                )
                for line in lines
            ],
        }
        for name, lines in found.by.items()
        if lines
    ]


def _csv(request: HttpRequest, site: AdminSite) -> HttpResponse:
    flow = _chosen(request)
    if flow is None:
        raise Http404
    list_exported.send(
        sender=Flow, what=f"report of {flow.name}", kind="csv", query=request.GET.urlencode()[:500]
    )
    text = csv_text(("counted", "value", "ServiceNow", "Salesforce", "label"), _report(request, flow).rows())
    return download(text, f"report-{timezone.now():%Y%m%dT%H%M%SZ}", "csv")


def _acts(request: HttpRequest) -> bool:
    """Whether it is the form that was sent; a link leads to the page alone. Raises PermissionDenied."""
    if not request.user.has_perm(report_tokens.PERMISSION):
        raise PermissionDenied
    return request.method == "POST"


def _make(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The page again, with the new token on it: it is nowhere else."""
    if not _acts(request):
        return HttpResponseRedirect(reverse("report"))
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())[:80] or "unnamed"
    _, token = report_tokens.make(name=name, by=person(request))
    return _page(request, site, token)


def _revoke(request: HttpRequest, site: AdminSite, pk: int) -> HttpResponse:
    if not _acts(request):
        return HttpResponseRedirect(reverse("report"))
    row = ReportToken.objects.filter(pk=pk).first()
    if row is None:
        raise Http404
    report_tokens.revoke(token=row, by=person(request))
    return HttpResponseRedirect(reverse("report"))
