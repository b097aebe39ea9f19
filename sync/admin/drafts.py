"""What is drafted and not published, published together; and any two states of a flow, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import TextInput
from mappings.models import ValueMap
from sync import drafts, revisions, services
from sync.admin.base import person, rules
from sync.causes import users_of
from sync.differences import FIELDS, SETTINGS, Change, connection_names, differences
from sync.models import Flow, Revision

DRAFT = "draft"  # in place of a revision's number
OFFERED = 200  # revisions to choose from
TOLD = 12  # changes that a dialog lists
HEADINGS = {SETTINGS: "Settings", FIELDS: "Fields"}


def urls(site: AdminSite) -> list[URLPattern]:
    pages = (("", _drafts, "drafts"), ("compare/<int:pk>/", _compare, "compare_revisions"))
    return [path(route, site.admin_view(_on(view, site)), name=name) for route, view, name in pages]


def _on(view: Any, site: AdminSite) -> Any:
    def served(request: HttpRequest, **parts: Any) -> HttpResponse:
        if not request.user.has_perm("sync.view_revision"):
            raise PermissionDenied
        answer: HttpResponse = view(request, site.each_context(request), **parts)
        return answer

    return served


def grouped(changes: Iterable[Change]) -> list[tuple[str, list[Change]]]:
    """Changes under the heading of their part."""
    parts = groupby(changes, key=lambda change: change.part)
    return [(HEADINGS.get(part, f"Value map {part}"), list(found)) for part, found in parts]


class PublishForm(forms.Form):
    reason = forms.CharField(
        max_length=255, widget=TextInput(), help_text="Why; it stands at each revision and in the audit log."
    )


def _drafts(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """GET shows the drafts of all flows, of one, or of those that share a value map; POST publishes the chosen ones."""
    sent = request.method == "POST"
    if sent and not request.user.has_perm("sync.publish_flow"):
        raise PermissionDenied
    form = PublishForm(request.POST if sent else None)
    if sent and form.is_valid():
        try:
            made = drafts.publish_together(
                seen=_seen(request), by=person(request), reason=form.cleaned_data["reason"]
            )
        except services.Refused as refused:
            messages.error(request, str(refused))
        else:
            told = ", ".join(f"revision {each.number:,} of {each.flow.name}" for each in made)
            messages.success(request, f"Published {told}.") if made else messages.warning(
                request, "Nothing was chosen, so nothing is published."
            )
            return HttpResponseRedirect(request.get_full_path())
    found = drafts.drafted(_asked(request))
    chosen = set(request.POST.getlist("flow")) if sent else {str(draft.flow.pk) for draft in found}
    shown = [(draft, grouped(draft.changes), str(draft.flow.pk) in chosen) for draft in found]
    page = {**context, "title": "Drafts", "shown": shown, "form": form, "shared": _map(request),
            "may_publish": request.user.has_perm("sync.publish_flow")}  # fmt: skip
    return TemplateResponse(request, "console/drafts.html", page)


def _seen(request: HttpRequest) -> dict[int, str]:
    """Chosen flows and the digest of what the page showed of each."""
    return {
        int(pk): request.POST.get(f"digest-{pk}", "")
        for pk in request.POST.getlist("flow")
        if pk.isdecimal() and len(pk) < 19
    }


def _asked(request: HttpRequest) -> QuerySet[Flow]:
    flows = Flow.objects.all()
    if value_map := _map(request):
        return flows.filter(pk__in=[flow.pk for flow in users_of(value_map)])
    if (pk := request.GET.get("flow", "")).isdecimal() and len(pk) < 19:
        flow = flows.filter(pk=int(pk)).first()
        return flows.filter(Q(pk=pk) | Q(pk__in=_beside(flow))) if flow else flows.none()
    return flows


def _beside(flow: Flow) -> set[int]:
    """The flows that a value map of this one is shared with, where it is what differs."""
    parts = {change.part for change in drafts.draft_of(flow).changes} - {SETTINGS, FIELDS}
    return {user.pk for each in ValueMap.objects.filter(name__in=parts) for user in users_of(each)}


def _map(request: HttpRequest) -> ValueMap | None:
    pk = request.GET.get("map", "")
    return ValueMap.objects.filter(pk=int(pk)).first() if pk.isdecimal() and len(pk) < 19 else None


def _compare(request: HttpRequest, context: dict[str, Any], pk: int) -> HttpResponse:
    flow = Flow.objects.select_related("revision", "user_table").filter(pk=pk).first()
    if flow is None:
        raise Http404
    before, after = _state(flow, request.GET.get("from", "")), _state(flow, request.GET.get("to", DRAFT))
    if before is None or after is None:
        raise Http404
    numbers = list(flow.revisions.values_list("number", "author_name", "reason")[:OFFERED])
    changes = differences(before[1], after[1], connection_names())
    page = {
        **context, "title": "Compare", "flow": flow, "changes": changes, "parts": grouped(changes),
        "before": before[0], "after": after[0], "numbers": numbers, "draft": DRAFT,
        "from": request.GET.get("from", "") or (str(flow.revision.number) if flow.revision else DRAFT),
        "to": request.GET.get("to", DRAFT),
    }  # fmt: skip
    return TemplateResponse(request, "console/compare.html", page)


def _state(flow: Flow, asked: str) -> tuple[str, dict[str, Any]] | None:
    """A name and the snapshot of a revision by its number, of the draft, or ("") of what runs use."""
    if asked == DRAFT or (not asked and flow.revision is None):
        return "the draft", drafts.plain(revisions.snapshot(flow))
    found = flow.revision
    if asked:
        is_number = asked.isdecimal() and len(asked) < 10
        found = flow.revisions.filter(number=int(asked)).first() if is_number else None
    return (f"revision {found.number:,}", found.snapshot) if found else None


def compare_url(flow: Flow, **ends: Any) -> str:
    return f"{reverse('compare_revisions', args=[flow.pk])}?{urlencode(ends)}"


class RollBackForm(ActionForm):
    reason = forms.CharField(
        max_length=255,
        widget=TextInput(),
        help_text="Why; it stands at the new revision and in the audit log.",
    )
    seen = forms.CharField(widget=forms.HiddenInput(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.target is not None:
            self.fields["seen"].initial = drafts.draft_of(self.target.flow).digest


def _is_elsewhere(revision: Revision) -> bool:
    return revision.flow.revision_id != revision.pk or revisions.differs(revision.flow)


def _consequences(revision: Revision) -> str:
    way = drafts.way_back(revision)
    if way.problems:
        return "It cannot be done: " + " ".join(way.problems)
    if not way.changes:
        return "Nothing would change: the flow is what this revision holds already."
    more = f"; and {len(way.changes) - TOLD:,} more" if len(way.changes) > TOLD else ""
    told = "; ".join(map(str, way.changes[:TOLD]))
    shared = " ".join(
        f"The value map {name} goes back for {', '.join(others)}, too, whose draft differs until it is published."
        for name, others in way.shared.items()
    )
    return (
        f"Changes {told}{more}. Then publishes this as the next revision, which runs use from their next start. What is drafted now "
        f"is replaced. {shared}".strip()
    )


ROLL_BACK = rules(
    permission="sync.publish_flow",
    also=("sync.change_flow", "mappings.change_valuemap"),
    title=lambda revision: f"Roll {revision.flow.name} back to revision {revision.number:,}?",
    description=_consequences,
    submit="Roll back and publish",
    form=RollBackForm,
    when=_is_elsewhere,
)
