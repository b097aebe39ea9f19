"""What a page wants to know from a platform: asked by POST, answered by a worker, polled by the page."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from sync.encryption import Sealed
from sync.models.base import UUIDKey
from sync.models.connection import Connection
from sync.models.flow import Flow


class QuestionKind(models.TextChoices):
    TEST_CONNECTION = "test_connection", "Test connection"
    COUNT = "count", "Count of records"
    RECIPE = "recipe", "Checks of a recipe"
    PREVIEW = "preview", "Preview of a mapping"
    IMPACT = "impact", "Impact of a draft"
    PEOPLE = "people", "Matching of users"
    SCHEMAS = "schemas", "Reading of schemas"
    HITS = "hits", "Count of records hit"
    RENEWAL = "renewal", "Count of pairs made otherwise"


class QuestionState(models.TextChoices):
    ASKED = "asked", "waiting for a worker"
    ANSWERED = "answered", "answered"
    FAILED = "failed", "failed"


class Question(models.Model):
    """`answer` of a connection test: {"findings": [{"code", "status", "text", "advice"}], "facts": {...}}.

    A count is asked of a `flow`: `params` are those of the run that is being considered (Run.params, and its "kind"), and the
    answer is {"sides": [{"side", "name", "records", "entering"}], "linked", "unknown": [...]} (sync.counting).

    The checks of a recipe are asked of neither alone: `params` are {"recipe", "servicenow", "salesforce"} with the ids of two
    connections, and the findings name their "side" as well (sync.recipes.checks).

    A preview and an impact are asked of a flow: `params` are {"of": draft or published, "digest": of that snapshot, "names": [...]}
    (sync.looks). Their values stand in `sealed`, a row of its own.

    Matching of users is asked of the `flow` that says on which platforms: `params` are {"table", "by", "column"}, and the answer is
    {"pairs": [{"servicenow", "salesforce", "label", "inactive"}], "ambiguous", "alone", "read", "gone"} (sync.matching).

    Schemas are read for a `flow` or a `connection`, or of one "table" on a "side" of the flow by `params`: {"read": [{"connection", "name", "fields", "changes"}]} (sync.schemas). The hits
    of a flow's findings: {"hits": {key of the finding: {"records", "of"}}}; `of` is set where only so many were looked at (sync.hits).

    What a revision makes otherwise of pairs at rest: `params` are {"revision", "earlier"} with numbers, and the answer is {"pairs",
    "linked", "looked", "fields": [{"field", "to", "pairs"}], "writes": {side: pairs}, "calls": {side: count}, "run": that sends them} (sync.renewing).
    """

    kind = models.CharField(max_length=20, choices=QuestionKind.choices)
    connection = models.ForeignKey(Connection, null=True, on_delete=models.CASCADE, related_name="questions")
    flow = models.ForeignKey(Flow, null=True, on_delete=models.CASCADE, related_name="questions")
    params = models.JSONField(null=True)
    state = models.CharField(max_length=10, choices=QuestionState.choices, default=QuestionState.ASKED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        # The Overview counts them: answers are large, and none of them is read for it.
        indexes = [models.Index(fields=["asked_at"], condition=Q(state="asked"), name="questions_open")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.flow or self.connection or (self.params or {}).get('recipe')}"


class SealedAnswer(UUIDKey):
    """The part of an answer that quotes values of the platforms: a list as long as the answer's own."""

    question = models.OneToOneField(Question, on_delete=models.CASCADE, related_name="sealed")
    content_sealed = models.BinaryField(null=True, editable=False)

    content = Sealed("content_sealed")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"values of {self.question}"
