"""The fragment of a flow's page that counts records before a run: a POST asks, polls follow until a worker has answered."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sync import services
from sync.admin import counted
from sync.admin.base import person
from sync.admin.flow_actions import ResyncForm
from sync.models import Flow, Question
from sync.models.question import QuestionKind, QuestionState
from sync.models.run import RunKind

TEMPLATE = "console/count.html"


def fragment(request: HttpRequest, flow: Flow) -> HttpResponse:
    """Raises PermissionDenied for a person who could not start such a run."""
    if request.method == "POST":
        return TemplateResponse(request, TEMPLATE, _ask(request, flow))
    number = request.GET.get("question", "")
    asked = Question.objects.filter(flow=flow, kind=QuestionKind.COUNT)
    question = asked.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if question is None:
        raise Http404
    return TemplateResponse(request, TEMPLATE, _shown(flow, question))


def last(flow: Flow) -> dict[str, Any]:
    """What the page of a flow that has not run yet shows of the last count of its first run."""
    question = counted.last_count(flow, counted.FIRST)
    return _shown(flow, question) if question else {}


def _ask(request: HttpRequest, flow: Flow) -> dict[str, Any]:
    if request.POST.get("kind") == counted.FIRST:
        return _shown(flow, services.count_run(flow=flow, by=person(request), kind=counted.FIRST))
    form = ResyncForm(request.POST, target=flow)
    form.fields.pop("_form_submitted", None)
    if not form.is_valid():
        return {"flow": flow, "problem": "Not counted yet: correct what is entered above."}
    asked = {name: form.cleaned_data[name] for name in ("since", "until", "ids")}
    question = services.count_run(flow=flow, by=person(request), kind=RunKind.RESYNC, **asked)
    return _shown(flow, question)


def _shown(flow: Flow, question: Question) -> dict[str, Any]:
    waiting = question.state == QuestionState.ASKED
    return {
        "flow": flow,
        "count": question,
        "count_waits": waiting,
        "told": [] if waiting else counted.sentences(question),
    }
