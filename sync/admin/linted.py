"""What the linter says, on a flow's page: above the form, beside each row, and where saving would publish an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from integration_console.theme import present
from mappings.admin.rows import FieldRowFormSet, FieldRowInline
from mappings.linting import Finding
from mappings.models import FieldRow
from sync import inspecting, linting, revisions
from sync.admin.base import person
from sync.mending import number_of
from sync.models import Flow, Question
from sync.models.question import QuestionKind, QuestionState

TEMPLATE = "console/linted.html"
ASKED = {"schemas": QuestionKind.SCHEMAS, "hits": QuestionKind.HITS}


class LintedRowFormSet(FieldRowFormSet):
    """Refuses what may not be published, unless it is kept as a draft."""

    publishes = True  # whether this person may

    def does_more(self) -> bool:
        """Of the actions that are sent with the rows: the flow's own form has been read before."""
        return bool(self.instance.options.get("actions"))

    def clean(self) -> None:
        super().clean()
        flow = self.instance
        kept_back = not self.publishes or self.data.get("keep_draft")
        if self.spec is None or any(self.errors) or kept_back or not _has_ends(flow):
            return
        snapshot = revisions.assembled(flow, self.spec.fields, self.spec.value_maps)
        if flow.revision is not None and flow.revision.digest == revisions.digest(
            json.loads(json.dumps(snapshot))
        ):
            return  # nothing is published
        linted = linting.lint_spec(flow, snapshot, self.spec)
        self._tell_errors(linted.errors)
        new = linting.unargued(linted, flow.revision)
        if new and not str(self.data.get("reason", "")).strip():
            raise ValidationError(
                f"There are warnings: say in Reason why it is published all the same, or keep it as a draft. {linting.in_words(new)}"
            )

    def _tell_errors(self, errors: Iterable[Finding]) -> None:
        """Beside the row that each is about, and all together above them."""
        told = list(errors)
        rows = {str(form.instance.pk): form for form in self._kept()}
        for finding in told:
            if finding.row in rows:
                part = finding.side if finding.side in ("servicenow", "salesforce") else "transform"
                rows[finding.row].add_error(part, f"{finding.text} {finding.advice}")
        if told:
            raise ValidationError(
                f"Not published: {linting.in_words(told)} Mend it, keep it as a draft, or, if it was changed over there since, "
                "have both schemas read again."
            )


class ErrorsFilter(admin.SimpleListFilter):
    """Of a list of flows: whose published mapping has errors, as it was last looked at."""

    title = "mapping"
    parameter_name = "mapping"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("errors", "has errors"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flow]) -> QuerySet[Flow]:
        return queryset.filter(lint__errors__gt=0) if self.value() == "errors" else queryset


def errors_noted(flow: Flow) -> int:
    """How many the published mapping was last found to have; what a list shows looks at no mapping itself."""
    report = getattr(flow, "lint", None)
    return report.errors if report is not None else 0


def _has_ends(flow: Flow) -> bool:
    return flow.servicenow_connection_id is not None and flow.salesforce_connection_id is not None


class LintedRowInline(FieldRowInline):
    """The mapping with what the linter says of each row."""

    formset = LintedRowFormSet
    fields: ClassVar[Any] = (*FieldRowInline.fields, "checked")
    readonly_fields = ("checked",)
    linted: linting.Linted | None = None

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        self.linted = lint_of(request, obj) if obj is not None else None
        made = super().get_formset(request, obj, **kwargs)
        return type(made.__name__, (made,), {"publishes": request.user.has_perm("sync.publish_flow")})

    def checked(self, obj: FieldRow) -> SafeString | str:
        if self.linted is None or obj._state.adding:
            return ""
        found = [each for each in self.linted.findings if each.row == str(obj.pk)]
        if not found:
            return (
                SafeString('<span class="ic-dim">not read</span>')
                if self.linted.unread
                else present.badge("ok")
            )
        return format_html_join("", '<div title="{}">{}</div>', (
            (f"{each.text} {each.advice}", present.badge(each.severity, present.words(each.code))) for each in found
        ))  # fmt: skip


def lint_of(request: HttpRequest, flow: Flow) -> linting.Linted:
    """Of the draft, once a page."""
    held: dict[Any, linting.Linted] = request.__dict__.setdefault("_linted", {})
    if flow.pk not in held:
        held[flow.pk] = linting.lint_flow(flow)
    return held[flow.pk]


@dataclass(frozen=True, slots=True)
class Line:
    """`hits`: how many records, in words, as counted last; "" while nobody counted. `number`: names the finding in an address."""

    finding: Finding
    hits: str
    number: str


def shown(request: HttpRequest, flow: Flow) -> dict[str, Any]:
    """What the panel above the form needs, and the fragment that takes its place while a worker is asked."""
    linted = lint_of(request, flow)
    newest: dict[str, Question] = {}
    asked = Question.objects.filter(flow=flow, kind__in=ASKED.values()).select_related("asked_by")
    for question in asked[:20]:
        newest.setdefault(question.kind, question)
    counted = newest.get(QuestionKind.HITS)
    hits = counted.answer.get("hits", {}) if counted else {}
    return {
        "lint": {
            "lines": [Line(each, in_words(hits.get(each.key)), number_of(each)) for each in linted.findings],
            "errors": len(linted.errors),
            "warnings": len(linted.warnings),
            "errors_told": _many(len(linted.errors), "error"),
            "warnings_told": _many(len(linted.warnings), "warning"),
            "unread": [present.side_name(side) for side in linted.unread],
            "read": [(present.side_name(side), at) for side, at in linted.read_at.items() if at],
            "countable": any(each.hit for each in linted.findings),
            "counted": counted if counted and counted.state != QuestionState.ASKED else None,
            "waiting": [each for each in newest.values() if each.state == QuestionState.ASKED],
            "troubles": [
                line["text"] for each in newest.values() if each.state == QuestionState.FAILED
                for line in each.answer.get("findings", ())
            ],
        },
        "flow": flow,
    }  # fmt: skip


def _many(count: int, noun: str) -> str:
    return f"{present.number(count)} {noun}{'' if count == 1 else 's'}"


def in_words(hit: dict[str, Any] | None) -> str:
    """What a count says of one finding."""
    if not hit:
        return ""
    if hit["records"] is None:
        return f"not counted: {hit.get('trouble', '')}"
    if hit["of"]:
        return f"{present.number(hit['records'])} of the {present.number(hit['of'])} records updated last"
    return _many(hit["records"], "record")


def fragment(request: HttpRequest, flow: Flow) -> HttpResponse:
    """POST asks a worker (raises PermissionDenied); GET shows how things stand."""
    if request.method == "POST":
        if request.POST.get("ask") == "hits":
            inspecting.count_hits(flow=flow, by=person(request))
        else:
            inspecting.read_schemas(flow=flow, by=person(request))
    return TemplateResponse(request, TEMPLATE, shown(request, flow))
