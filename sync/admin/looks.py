"""Preview and impact on a flow's page: a POST asks, polls follow until a worker has answered, values open for those who may."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integration_console.theme import present
from sync import looks, revisions, services
from sync.admin.base import person
from sync.admin.counted import SYSTEMS
from sync.admin.mapped import Names
from sync.admin.record_fields import HIDDEN
from sync.admin.values import PERMISSION as SEE_VALUES
from sync.models import Flow, Question, RecordLink
from sync.models.question import QuestionKind, QuestionState

PREVIEW, IMPACT = "console/preview.html", "console/impact.html"
# Verdict of a record -> the word whose colour it has, and what the page says.
RECORDS: Mapping[str, tuple[str, str]] = {
    "created": ("created", "would be created"),
    "updated": ("updated", "would be updated"),
    "adopted": ("adopted", "would be paired"),
    "deleted": ("deleted", "would be deleted"),
    "unchanged": ("ok", "nothing to write"),
    "conflict": ("conflict", "conflict"),
    "waiting": ("waiting", "would wait"),
    "failed": ("failed", "would be refused"),
    "in_doubt": ("in_doubt", "in doubt"),
    "outside": ("skipped", "gets no counterpart"),
}
ROWS: Mapping[str, tuple[str, str]] = {
    "written": ("planned", "would be written"),
    "refused": ("refused", "would be refused"),
    "conflict": ("conflict", "conflict"),
    "same": ("ok", "stands there already"),
    "left": ("left", "left as it is"),
    "other_way": ("skipped", "writes the other way"),
    "settled": ("left", "once the source changes"),
    "no_record": ("skipped", "no record to read"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "written": ("planned", "would be written"),
    "refused": ("refused", "would be refused"),
    "conflicts": ("conflict", "conflict"),
    "later": ("left", "once the source changes"),
}


class LooksShown:
    """The two fragments of a flow's page."""

    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What becomes of single records, field by field."""
        flow = self.visible(request, object_id)  # type: ignore[attr-defined]
        names = list(filter(None, re.split(r"[\s,;\x00]+", request.POST.get("names", ""))))
        of = looks.PUBLISHED if request.POST.get("of") == looks.PUBLISHED else looks.DRAFT
        return _fragment(
            request, flow, QuestionKind.PREVIEW, PREVIEW,
            lambda by: looks.ask_preview(flow=flow, by=by, names=names, of=of),
        )  # fmt: skip

    def impact(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the draft would change over all linked records."""
        flow = self.visible(request, object_id)  # type: ignore[attr-defined]
        return _fragment(
            request, flow, QuestionKind.IMPACT, IMPACT, lambda by: looks.ask_impact(flow=flow, by=by)
        )


def on_page(flow: Flow, by: User) -> dict[str, Any]:
    """What a flow's page knows of its last preview and impact, values left shut."""
    if not by.has_perm(looks.PERMISSION):
        return {}
    last = Question.objects.filter(flow=flow).select_related("asked_by")
    preview = last.filter(kind=QuestionKind.PREVIEW).first()
    impact = last.filter(kind=QuestionKind.IMPACT).first()
    return {
        "looks": True,
        "preview": {"question": preview, "shut": True} if preview else None,
        "impact": _impact(flow, impact, None) if impact else None,
        "newest": looks.NEWEST,
    }


def _fragment(request: HttpRequest, flow: Flow, kind: QuestionKind, template: str, ask: Any) -> HttpResponse:
    by = person(request)
    if not by.has_perm(looks.PERMISSION):
        raise PermissionDenied
    if request.method == "POST":
        try:
            question = ask(by)
        except services.Refused as refused:
            return TemplateResponse(request, template, {"flow": flow, "problem": str(refused)})
    else:
        question = _question(request, flow, kind)
    values = _opened(question, flow, by) if question.state == QuestionState.ANSWERED else None
    make = _preview if kind is QuestionKind.PREVIEW else _impact
    context = {"flow": flow, str(kind): make(flow, question, values), "may_open": by.has_perm(SEE_VALUES)}
    return TemplateResponse(request, template, context)


def _question(request: HttpRequest, flow: Flow, kind: QuestionKind) -> Question:
    number = request.GET.get("question", "")
    asked = Question.objects.filter(flow=flow, kind=kind).select_related("asked_by")
    question = asked.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if question is None:
        raise Http404
    return question


def _opened(question: Question, flow: Flow, by: User) -> list[Any] | None:
    """The values, for those who may open payloads; each record whose values are shown is noted in the audit log."""
    if not by.has_perm(SEE_VALUES) or not hasattr(question, "sealed"):
        return None
    content: list[Any] = question.sealed.content or []
    if question.kind == QuestionKind.PREVIEW:
        keys = {record["link"] for record in question.answer.get("records", ())}
    else:
        keys = {sample["link"] for samples in content for sample in samples}
    for link in RecordLink.objects.filter(pk__in=keys - {""}).only(
        "pk", "servicenow_number", "salesforce_number"
    ):
        services.look_at_payload(target=link, by=by)
    if "" in keys:
        services.look_at_payload(target=flow, by=by)
    return content


@dataclass(frozen=True, slots=True)
class CellShown:
    badge: tuple[str, str]
    code: str
    source: str
    steps: Sequence[Mapping[str, str]]
    result: str
    note: str
    now: str
    there: str
    text: str
    advice: str
    plain: bool  # whether there is more to show than the verdict


def _preview(flow: Flow, question: Question, values: list[Any] | None) -> dict[str, Any]:
    answer, names = question.answer, Names.known(flow)
    records = answer.get("records", [])
    heads = [
        {**record, "badge": RECORDS.get(record["verdict"], ("", record["verdict"])),
         **({name: values[at][name] for name in ("text", "advice", "notes")} if values else {})}
        for at, record in enumerate(records)
    ]  # fmt: skip
    rows = [
        {
            **_row(row), "cells": [
                _cell(record["rows"][place], values[at]["rows"][place] if values else None, names)
                for at, record in enumerate(records)
            ],
        }
        for place, row in enumerate(answer.get("rows", []))
    ]  # fmt: skip
    return {"question": question, "heads": heads, "rows": rows, "unknown": answer.get("unknown", []),
            "open": values is not None, **_told(question)}  # fmt: skip


def _told(question: Question) -> dict[str, Any]:
    waits = question.state == QuestionState.ASKED
    return {"waits": waits, "findings": question.answer.get("findings", []), "failed": question.state == QuestionState.FAILED}  # fmt: skip


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    how = row["value_map"] or row["transform"]
    return {"servicenow": ", ".join(row["servicenow"]) or "constant", "salesforce": row["salesforce"], "how": present.how(how)}  # fmt: skip


def _cell(clear: Mapping[str, Any], values: Mapping[str, Any] | None, names: Names) -> CellShown:
    badge = ROWS.get(clear["verdict"], ("", clear["verdict"]))
    if values is None:
        return CellShown(badge, clear["code"], HIDDEN, (), HIDDEN, "", HIDDEN, "", "", "", False)
    steps = [
        {"how": step["how"], "value": names.shown(step["value"]), "note": step["note"], "problem": step["problem"]}
        for step in values["steps"]
    ]  # fmt: skip
    return CellShown(
        badge, clear["code"], names.shown(values["source"]), steps, names.shown(values["result"]), values["note"],
        names.shown(values["now"]), SYSTEMS[clear["to"]], values["text"], values["advice"], clear["verdict"] != "no_record",
    )  # fmt: skip


def _impact(flow: Flow, question: Question, values: list[Any] | None) -> dict[str, Any]:
    answer, names = question.answer, Names.known(flow)
    rows = {row["id"]: _row(row) for row in answer.get("rows", [])}
    fields = [
        {
            **line, **rows.get(line["row"], {}), "way": f"to_{line['to']}",
            "counts": [(KINDS[kind], line[kind]) for kind in KINDS if line[kind]],
            "samples": [
                {**sample, "badge": KINDS[sample["kind"]], "now": names.shown(sample["now"]), "will": names.shown(sample["will"])}
                for sample in values[at]
            ] if values else [],
        }
        for at, line in enumerate(answer.get("fields", []))
    ]  # fmt: skip
    current = question.params and question.params.get("digest") == revisions.digest(revisions.snapshot(flow))
    return {"question": question, "answer": answer, "lines": fields, "open": values is not None,
            "stale": not current, **_told(question)}  # fmt: skip
