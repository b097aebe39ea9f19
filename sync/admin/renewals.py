"""After publishing, on a flow's page: how many pairs at rest the revision makes otherwise, and the button that sends them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from integration_console.theme import present
from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Switch
from sync import renewing
from sync.admin.base import person, rules
from sync.admin.counted import SYSTEMS
from sync.models import Flow, Question
from sync.models.question import QuestionState
from sync.services import Refused

TEMPLATE = "console/renewal.html"


def shown(flow: Flow, *, asked: bool = False) -> dict[str, Any]:
    """Nothing where there is nothing to tell; `asked`: somebody waits for the answer, even if it is none."""
    question = renewing.present(flow)
    if question is None or (not asked and renewing.is_sent(question)):
        return {"flow": flow, "renewal": None}
    run = renewing.run_of(question)
    return {
        "flow": flow,
        "renewal": {
            "question": question,
            "waits": question.state == QuestionState.ASKED,
            "findings": question.answer.get("findings", []),
            "answer": question.answer,
            "fields": [f"{line['field']} {present.number(line['pairs'])}" for line in question.answer.get("fields", ())],
            "part": question.answer.get("looked", 0) < question.answer.get("linked", 0),
            "run": run,
            "open": run is None or not (run.is_unfinished or renewing.is_sent(question)),
        },
    }  # fmt: skip


def fragment(request: HttpRequest, flow: Flow) -> HttpResponse:
    """POST counts anew (raises PermissionDenied); GET shows how things stand."""
    if request.method == "POST":
        with suppress(Refused):  # published anew meanwhile: the page shows how that stands
            renewing.ask_again(flow=flow, by=person(request))
    return TemplateResponse(request, TEMPLATE, shown(flow, asked=True))


class SendForm(ActionForm):
    plan = forms.BooleanField(
        required=False,
        widget=Switch(),
        label="Only plan it",
        help_text="A dry run, whose plan names each write and can be approved and applied.",
    )


def _says(flow: Flow) -> str:
    question = renewing.present(flow)
    if question is None or question.state != QuestionState.ANSWERED:
        return "They are not counted yet."
    return (
        f"Reads {_pairs(question)} again in the backfill lane and gives each what revision {question.params['revision']:,} makes of it: "  # type: ignore[index]
        f"{_calls(question)} beside reading them, deferred where the budget is spent. Who was edited since is merged as ever."
    )


def _pairs(question: Question) -> str:
    pairs = int(question.answer["pairs"])
    return f"{pairs:,} pair{'' if pairs == 1 else 's'}"


def _calls(question: Question) -> str:
    told = [
        f"{calls:,} call{'' if calls == 1 else 's'} to {SYSTEMS[side]}"
        for side, calls in question.answer["calls"].items()
        if calls
    ]
    return f"at most {' and '.join(told)} to write them" if told else "no call to write them"


SEND_AGAIN = rules(
    permission=renewing.PERMISSION,
    title=lambda flow: f"Send the affected pairs of {flow.name} again?",
    description=_says,
    submit="Send again",
    form=SendForm,
    when=lambda flow: False,  # its link stands beside the count
)
