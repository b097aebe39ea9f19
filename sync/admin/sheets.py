"""A table as a file: exported, and taken over again after a page that shows what would change."""

from __future__ import annotations

import io
import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from integration_console.theme.admin import list_exported
from integration_console.theme.exporting import download
from integration_console.theme.toolkit import Switch, Textarea
from mappings.sheets import MOST_ROWS, Line, Problem, Unreadable
from sync import services, sheets
from sync.admin.base import page_url, person
from sync.sheets import KINDS, Kind, Preview

SHOWN = 200  # changes that a preview lists of each kind
WAYS = {
    "fields": "The rows become the flow's draft: runs go on as before until it is published.",
    "value-map": "Runs go on with the map as it was published; the flows that use it are then offered for publishing.",
    "user-table": "A user table acts at once: the next run looks the new names up.",
}
MAY = {"add": "add", "change": "change", "delete": "remove"}  # a permission's word, and the page's
EXAMPLES = {
    "fields": "short_description, Subject",
    "value-map": "2, Working",
    "user-table": "abel.tuter, abel@acme.example",
}


def urls(site: AdminSite) -> list[URLPattern]:
    pages = (("", _page, "sheet"), ("export.csv", _csv, "sheet_csv"))
    return [
        path(f"<slug:kind>/<int:pk>/{route}", site.admin_view(_on(view, site)), name=name)
        for route, view, name in pages
    ]


def _on(view: Any, site: AdminSite) -> Any:
    """The view with table and owner, for those who may see them."""

    def served(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
        found = KINDS.get(kind)
        if not request.user.has_perm(found.see if found else "sync.view_flow"):
            raise PermissionDenied
        owner = found.owner._default_manager.filter(pk=pk).first() if found else None
        if found is None or owner is None:
            raise Http404
        answer: HttpResponse = view(request, site.each_context(request), found, owner)
        return answer

    return served


def sheet_url(kind: str, owner: Model) -> str:
    return reverse("sheet", args=[kind, owner.pk])


class FileForm(forms.Form):
    file = forms.FileField(
        required=False, label="CSV file", help_text=f"UTF-8, at most {MOST_ROWS:,} rows.",
        widget=forms.FileInput(attrs={"class": "ic-file", "accept": ".csv,.txt,text/csv"}),
    )  # fmt: skip
    typed = forms.CharField(
        required=False,
        strip=False,
        label="Or lines",
        widget=Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    whole = forms.BooleanField(
        required=False, label="This is the whole table", widget=Switch(),
        help_text="Rows that the file does not have are removed. Otherwise they stay.",
    )  # fmt: skip

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["typed"].help_text = f"One row a line: {EXAMPLES[kind.name]}"

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(data.get("file")) == bool((data.get("typed") or "").strip()):
            raise forms.ValidationError("Choose a file, or paste lines: one of the two.")
        return data


def _csv(request: HttpRequest, context: dict[str, Any], kind: Kind, owner: Any) -> HttpResponse:
    list_exported.send(sender=kind.rows, what=f"{kind.noun} of {owner}", kind="csv", query="")
    return download(sheets.exported(kind, owner), f"{owner}-{kind.name}", "csv")


def _page(request: HttpRequest, context: dict[str, Any], kind: Kind, owner: Any) -> HttpResponse:
    """GET offers both ways; POST of a file shows what it would change; POST of what was shown takes it over."""
    changes = request.user.has_perm(kind.change)
    if request.method == "POST" and not changes:
        raise PermissionDenied
    if request.method == "POST" and "rows" in request.POST:
        return _take_over(request, kind, owner)
    form = FileForm(request.POST or None, request.FILES or None, kind=kind)
    found: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        found = previewed(form.cleaned_data, kind, owner, person(request))
    page = {
        **context, "title": f"{owner}: {kind.noun} as a file", "kind": kind, "owner": owner, "owner_url": page_url(owner), "form": form,
        "may_change": changes, "way": WAYS[kind.name], "rows": len(sheets.held(kind, owner)), **found,
    }  # fmt: skip
    return TemplateResponse(request, "console/sheet.html", page)


def previewed(data: dict[str, Any], kind: Kind, owner: Any, by: User) -> dict[str, Any]:
    """What the page shows of a file. The rows travel with the page, so that exactly those are taken over."""
    file, whole = data["file"], data["whole"]
    stream = file.file if file else io.BytesIO(data["typed"].encode())
    try:
        found = sheets.preview(kind, owner, stream, whole=whole, typed=not file)
    except Unreadable as error:
        return {"problems": [error.problem]}
    found.problems += [
        Problem(
            0,
            f"Your role does not let you {MAY[permission.partition('.')[2].partition('_')[0]]} {kind.noun}.",
        )
        for permission in sheets.lacking(kind, found.plan, by)
    ]
    steps = {
        verb: [(step, sheets.words(step.after or step.before or {}), sheets.changed_words(step)) for step in found.plan.of(verb)[:SHOWN]]
        for verb in ("added", "changed", "removed")
    }  # fmt: skip
    counts = {verb: len(found.plan.of(verb)) for verb in (*steps, "unchanged")}
    return {
        "problems": found.problems[:50], "steps": steps, "counts": counts, "plan": found.plan, "whole": whole,
        "sent": _sent(found), "seen": found.seen, "source": file.name if file else "the typed lines",
    }  # fmt: skip


def _sent(found: Preview) -> str:
    return json.dumps([[step.line, dict(step.after or {})] for step in found.plan.steps if step.line])


def _storable(text: str) -> str:
    """Raises ValueError for what no database takes, and no file was read with: zero bytes and halves of characters."""
    if "\x00" in text:
        raise ValueError("a zero byte")
    text.encode()
    return text


def _take_over(request: HttpRequest, kind: Kind, owner: Any) -> HttpResponse:
    back = HttpResponseRedirect(sheet_url(kind.name, owner))
    try:
        sent = json.loads(request.POST["rows"])
        lines = [
            Line(int(number), {name: _storable(str(cells[name])) for name in kind.sheet.columns})
            for number, cells in sent
        ]
    except (ValueError, KeyError, TypeError, OverflowError):
        messages.error(request, "The preview did not arrive whole. Choose the file again.")
        return back
    try:
        done = sheets.take_over(
            kind=kind, owner=owner, lines=lines[:MOST_ROWS], whole=request.POST.get("whole") == "on",
            seen=request.POST.get("seen", ""), by=person(request), source=request.POST.get("source", ""),
        )  # fmt: skip
    except services.Refused as refused:
        messages.error(request, str(refused))
        return back
    told = ", ".join(f"{len(done.of(verb)):,} {verb}" for verb in ("added", "changed", "removed", "unchanged"))  # fmt: skip
    link = {"fields": f"?flow={owner.pk}", "value-map": f"?map={owner.pk}"}.get(kind.name)
    more = format_html(' <a class="ic-link" href="{}{}">See what differs and publish</a>', reverse("drafts"), link) if link else ""  # fmt: skip
    messages.success(request, format_html("{}: {}.{}", owner, told, more))
    return HttpResponseRedirect(page_url(owner))
