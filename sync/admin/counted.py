"""What a run is going to do, in words: its first run, and how many records were counted beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integration_console.theme import present
from sync.admin.costs import counted_cost
from sync.models import Checkpoint, Flow, Question, RecordLink
from sync.models.base import Lane
from sync.models.question import QuestionKind

FIRST = "first"
SYSTEMS = {"servicenow": "ServiceNow", "salesforce": "Salesforce"}


def is_first(flow: Flow) -> bool:
    """Whether the flow has never read a side to its end, and nothing is linked yet."""
    read = Checkpoint.objects.filter(flow=flow, lane=Lane.LIVE, completed_at__isnull=False)
    return not read.exists() and not RecordLink.objects.filter(flow=flow).exists()


def first_words(flow: Flow) -> list[str]:
    """What the first run of the published revision reads and creates, a sentence each."""
    if flow.revision is None:
        return []
    settings = flow.revision.snapshot
    start = settings.get("start") or "everything"
    reads = {
        "everything": "The first run reads everything in scope.",
        "now": "The first run leaves what is there alone: the flow takes what changes from that moment on.",
    }.get(start, f"The first run reads what was updated at or after {start}.")
    return [reads, *_creates(settings)]


def _creates(settings: Mapping[str, Any]) -> list[str]:
    """One sentence for each side in which the flow makes records."""
    names = {"servicenow": settings["servicenow_table"], "salesforce": settings["salesforce_object"]}
    found = []
    for here, there in (("servicenow", "salesforce"), ("salesforce", "servicenow")):
        if not settings.get(f"create_in_{there}") or settings["direction"] == f"to_{here}":
            continue
        enter = settings[f"{here}_enter"]
        which = f"that meets “{enter}” and has" if enter else "in scope that has"
        found.append(
            f"Each {names[here]} of {SYSTEMS[here]} {which} no counterpart gets a {names[there]} in {SYSTEMS[there]}."
        )
    return found or ["It creates no records."]


def last_count(flow: Flow, kind: str) -> Question | None:
    asked = Question.objects.filter(flow=flow, kind=QuestionKind.COUNT, params__kind=kind)
    return asked.select_related("asked_by").first()


def sentences(question: Question) -> list[str]:
    """The answer to a count; a failed one says why."""
    answer = question.answer
    if "findings" in answer:
        return [" ".join(filter(None, (line["text"], line["advice"]))) for line in answer["findings"]]
    sides = answer.get("sides", ())
    told = [_side(line) for line in sides]
    if not sides:
        told = ["Nothing to read: only what changes from then on."]
    told.append(
        f"{present.number(answer.get('linked', 0))} pairs are linked now; only what differs is written."
    )
    if cost := counted_cost(sides):
        told.append(cost)
    if answer.get("unknown"):
        told.append(f"Not found: {', '.join(answer['unknown'][:20])}.")
    return told


def _side(line: Mapping[str, Any]) -> str:
    read = f"{SYSTEMS[line['side']]}: {present.number(line['records'])} × {line['name']} to look at"
    if line["entering"] is None:
        return f"{read}."
    return f"{read}, of which {present.number(line['entering'])} get a counterpart if they have none."
