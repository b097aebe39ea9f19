"""Why records of a run failed, cause by cause, and the button that has them read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Select
from sync.admin.base import list_url, rules
from sync.connectors.advice import rule_and_advice
from sync.models import DeadLetter, Event, Run
from sync.models.attention import DeadLetterState
from sync.models.base import OutcomeChoices

RETRIED_AT_ONCE = 1_000  # each is a row of the waiting list, written while the person waits
LISTED = 50  # causes of a run
PARTS = ("code", "field", "rule", "advice")


@dataclass(frozen=True, slots=True)
class Cause:
    """`open`: how many of its dead letters still wait for a person. `url`: the records behind it."""

    code: str
    field: str
    rule: str
    advice: str
    count: int
    open: int
    url: str

    @property
    def key(self) -> str:
        """What a link and a form call it by."""
        return " · ".join(filter(None, (self.code, self.field, self.rule)))


def causes(run: Run) -> list[Cause]:
    """The run's failures by cause, largest first, with the list of the dead letters of each."""
    is_open = Count("pk", filter=Q(state=DeadLetterState.OPEN))
    letters = DeadLetter.objects.filter(run=run).order_by().values(*PARTS)
    found = [
        Cause(**group, url=_letters_url(run, group))
        for group in letters.annotate(count=Count("pk"), open=is_open).order_by("-count", "code")[:LISTED]
    ]
    return found or (_told_by_events(run) if run.failed else [])


def _letters_url(run: Run, group: dict[str, Any]) -> str:
    return list_url(DeadLetter, run=run.pk, code=group["code"], field=group["field"])


def _told_by_events(run: Run) -> list[Cause]:
    """A dry run leaves no dead letters: its events tell the codes, and those what to do."""
    events = Event.objects.filter(run=run, outcome=OutcomeChoices.FAILED).order_by().values("code")
    found = []
    for group in events.annotate(count=Count("pk")).order_by("-count")[:LISTED]:
        told = rule_and_advice(group["code"])
        found.append(
            Cause(**group, field="", rule=told.rule, advice=told.advice, open=0, url="?outcome=failed#events")
        )
    return found


def letters_of(run: Run, key: str) -> QuerySet[DeadLetter]:
    """The open dead letters of one cause of the run, or of all; at most RETRIED_AT_ONCE, the oldest first."""
    letters = DeadLetter.objects.filter(run=run, state=DeadLetterState.OPEN)
    if key:
        one = next(cause for cause in causes(run) if cause.key == key)
        letters = letters.filter(code=one.code, field=one.field, rule=one.rule, advice=one.advice)
    return letters.select_related("flow__revision").order_by("first_at", "pk")[:RETRIED_AT_ONCE]


class RetryForm(ActionForm):
    cause = forms.ChoiceField(required=False, widget=Select())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = [cause for cause in causes(self.target) if cause.open]
        self.fields["cause"].choices = [  # type: ignore[attr-defined]
            ("", f"All causes ({sum(cause.open for cause in found):,} records)"),
            *((cause.key, f"{cause.key} ({cause.open:,} records)") for cause in found),
        ]


def _has_open(run: Run) -> bool:
    return bool(run.failed) and DeadLetter.objects.filter(run=run, state=DeadLetterState.OPEN).exists()


RETRY_FAILURES = rules(
    permission="sync.retry_deadletter",
    title=lambda run: f"Retry what failed in run {run.pk:,}?",
    description="Reads these records again with the flow's next run, which is queued now, and plans their writes anew: one read "
    f"for up to 200 of them, and one write each that still differs. At most {RETRIED_AT_ONCE:,} at once.",
    submit="Retry",
    form=RetryForm,
    when=_has_open,
)
