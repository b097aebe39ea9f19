"""What was read of a connection's tables or objects, and what changed there: a fragment of its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sync import inspecting
from sync.admin.base import person
from sync.linting import in_a_sentence
from sync.models import Connection, Question, SchemaChange
from sync.models.question import QuestionKind, QuestionState

TEMPLATE = "console/schemas.html"
SHOWN = 20


def shown(connection: Connection) -> dict[str, Any]:
    asked = Question.objects.filter(connection=connection, kind=QuestionKind.SCHEMAS)
    question = asked.select_related("asked_by").first()
    changes = SchemaChange.objects.filter(connection=connection).order_by("-seen_at", "pk")
    return {
        "connection": connection,
        "schemas": {
            "rows": connection.schemas.defer("fields").order_by("name"),
            "changes": [(in_a_sentence(change), change) for change in changes[:SHOWN]],
            "waiting": question if question and question.state == QuestionState.ASKED else None,
            "troubles": [
                line["text"] for line in question.answer.get("findings", ())
            ] if question and question.state == QuestionState.FAILED else [],
        },
    }  # fmt: skip


def fragment(request: HttpRequest, connection: Connection) -> HttpResponse:
    """Raises PermissionDenied for a person who may not have it asked."""
    if request.method == "POST":
        inspecting.read_schemas(connection=connection, by=person(request))
    return TemplateResponse(request, TEMPLATE, shown(connection))
