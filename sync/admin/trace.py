"""Trace: one box for a number, sys_id, Case number or Id, which leads to the record's page or says that nothing is known."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import SearchResult, Select
from sync import services
from sync.admin.base import list_url, page_url, person
from sync.models import Flow, RecordLink, Waiting
from sync.tracing import Traced, trace

SEE = "sync.view_recordlink"
SYNC = "sync.sync_recordlink"


def urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("", site.admin_view(_page), name="trace"),
        path("sync/", site.admin_view(_sync), name="trace_sync"),
    ]


def found_by(request: HttpRequest, typed: str) -> Traced:
    """What this person may see of it."""
    may = request.user.has_perm
    return trace(typed, letters=may("sync.view_deadletter"), waiting=may("sync.view_waiting"))


def in_palette(request: HttpRequest, typed: str) -> list[SearchResult]:
    """The theme's command palette asks this for what is typed there."""
    if not request.user.has_perm(SEE):
        return []
    found = found_by(request, typed)
    return [SearchResult(str(link), f"record of {link.flow.name}", page_url(link), "link") for link in found.links]  # fmt: skip


def _page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(SEE):
        raise PermissionDenied
    typed = request.GET.get("q", "")
    found = found_by(request, typed)
    if (only := found.only) is not None:
        return HttpResponseRedirect(_page_of(only))
    context = {
        **_site(request),
        "title": "Trace",
        "typed": typed,
        "found": found,
        "waiting_url": list_url(Waiting),
        "may_sync": request.user.has_perm(SYNC) and bool(found.sought.name),
    }
    return TemplateResponse(request, "console/trace.html", context)


def _page_of(found: Any) -> str:
    return list_url(Waiting, q=found.record_id) if isinstance(found, Waiting) else page_url(found)


def _site(request: HttpRequest) -> dict[str, Any]:
    from django.contrib import admin

    return admin.site.each_context(request)


class SyncForm(ActionForm):
    flow = forms.ModelChoiceField(
        Flow.objects.none(), widget=Select(), help_text="Whose records it is one of, or would be."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ready = Flow.objects.filter(enabled=True, paused_reason="", revision__isnull=False)
        flow: Any = self.fields["flow"]
        flow.queryset = ready.order_by("name")


def _sync(request: HttpRequest) -> HttpResponse:
    """GET says what would be read; only a POST of its form asks for it."""
    if not (request.user.has_perm(SEE) and request.user.has_perm(SYNC)):
        raise PermissionDenied
    asked = found_by(request, request.GET.get("q", "")).sought
    if not asked.name:
        return HttpResponseRedirect(reverse("trace"))
    form = SyncForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            run = services.sync_named(flow=form.cleaned_data["flow"], name=asked.name, by=person(request))
        except services.Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"Run {run.pk:,} reads {asked.name}.")
            return HttpResponseRedirect(page_url(run))
    dialog = {
        "title": f"Sync {asked.text} now?",
        "description": "Reads this one record in the backfill lane, from the side that has it, and writes what differs. Where "
        "it has no counterpart yet it gets one, if the flow's conditions take it in. Nothing else is read.",
        "form_submit_text": "Sync this now",
    }
    page = {**_site(request), "title": "Sync one record", "dialog": dialog, "form": form, "opts": RecordLink._meta,
            "asked": asked}  # fmt: skip
    return TemplateResponse(request, "console/trace_sync.html", page)
