"""A user table matched: a form that asks, what a worker proposes, and the boxes by which a person confirms."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integration_console.theme.toolkit import Select, TextInput
from mappings.models import UserTable
from sync import matching, services, sheets
from sync.admin.base import page_url, person
from sync.models import Question
from sync.models.question import QuestionState

SHOWN = 500  # proposals at a time; the next ones follow once these are confirmed


def urls(site: AdminSite) -> list[URLPattern]:
    return [path("<int:pk>/", site.admin_view(_on(site)), name="match_people")]


def _on(site: AdminSite) -> Any:
    def served(request: HttpRequest, pk: int) -> HttpResponse:
        if not request.user.has_perm(matching.PERMISSION):
            raise PermissionDenied
        table = UserTable.objects.filter(pk=pk).first()
        if table is None:
            raise Http404
        return _page(request, site.each_context(request), table)

    return served


class MatchForm(forms.Form):
    by = forms.ChoiceField(
        label="Matched by", widget=Select(), choices=[(key, way.label) for key, way in matching.WAYS.items()]
    )
    column = forms.CharField(
        label="Column in ServiceNow", required=False, max_length=80, widget=TextInput(),
        help_text="Empty: email, employee_number, and user_name for the federation id.",
    )  # fmt: skip


def _page(request: HttpRequest, context: dict[str, Any], table: UserTable) -> HttpResponse:
    """GET shows the last proposals; POST asks for new ones, or confirms those that are chosen."""
    asked = request.method == "POST" and "confirm" not in request.POST
    form = MatchForm(request.POST if asked else None)
    question = matching.last(table)
    if request.method == "POST" and not asked:
        return _confirm(request, table, question)
    if asked and form.is_valid():
        try:
            matching.ask(table=table, way=form.cleaned_data["by"], column=form.cleaned_data["column"], by=person(request))  # fmt: skip
        except services.Refused as refused:
            form.add_error(None, str(refused))
        else:
            return HttpResponseRedirect(request.path)
    found, known = matching.proposals(question, table) if question else ([], 0)
    page = {
        **context, "title": f"{table}: who is who", "table": table, "table_url": page_url(table), "form": form, "question": question,
        "waits": question is not None and question.state == QuestionState.ASKED, "found": found[:SHOWN],
        "more": max(0, len(found) - SHOWN), "known": known, "seen": sheets.state_of(sheets.KINDS["user-table"], table),
        "by": matching.WAYS[question.params["by"]].label if question and question.params else "",
    }  # fmt: skip
    return TemplateResponse(request, "console/match_people.html", page)


def _confirm(request: HttpRequest, table: UserTable, question: Question | None) -> HttpResponse:
    back = HttpResponseRedirect(reverse("match_people", args=[table.pk]))
    if question is None or str(question.pk) != request.POST.get("question"):
        messages.error(request, "There are newer proposals than those you saw. Look at them.")
        return back
    chosen = {int(each) for each in request.POST.getlist("pair") if each.isdecimal() and len(each) < 9}
    try:
        done = matching.confirm(
            table=table,
            question=question,
            chosen=chosen,
            seen=request.POST.get("seen", ""),
            by=person(request),
        )
    except services.Refused as refused:
        messages.error(request, str(refused))
        return back
    told = ", ".join(f"{len(done.of(verb)):,} {verb}" for verb in ("added", "changed") if done.of(verb))
    messages.success(request, f"{table}: {told or 'nothing chosen, nothing changed'}.")
    return back
