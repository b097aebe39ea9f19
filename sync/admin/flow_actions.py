"""What the flow's buttons ask before they do anything."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integration_console.theme.actions import ActionForm
from integration_console.theme.toolkit import Textarea, TextInput
from sync.admin.base import rules
from sync.admin.costs import last_cost
from sync.admin.counted import first_words, is_first
from sync.models import Flow
from sync.models.run import RECONCILING

WHEN_HELP = "ISO 8601 with an offset, such as 2026-11-07T00:00:00+00:00. Means the record's last update."


def _moment(text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValidationError("This is no ISO 8601 time, such as 2026-11-07T00:00:00+00:00.") from None
    if moment.tzinfo is None:
        raise ValidationError("Add the offset, such as +00:00 for UTC, so that nobody has to guess it.")
    return moment


class ResyncForm(ActionForm):
    since = forms.CharField(required=False, label="From (inclusive)", widget=TextInput(), help_text=WHEN_HELP)
    until = forms.CharField(required=False, label="Until (exclusive)", widget=TextInput())
    ids = forms.CharField(
        required=False, label="Only these records", widget=Textarea(attrs={"rows": 3}),
        help_text="Numbers, sys_ids or Salesforce Ids, separated by commas or spaces. All three empty: every record in scope.",
    )  # fmt: skip

    @property
    def render_after_template(self) -> SafeString | str:  # type: ignore[override]
        """How many records that would be: asked by the page as soon as it is open, answered by a worker."""
        return render_to_string("console/count_ask.html", {"flow": self.target}) if self.target else ""

    def clean_since(self) -> datetime | None:
        return _moment(self.cleaned_data["since"])

    def clean_until(self) -> datetime | None:
        return _moment(self.cleaned_data["until"])

    def clean_ids(self) -> list[str]:
        return list(dict.fromkeys(filter(None, re.split(r"[\s,;]+", self.cleaned_data["ids"]))))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and since >= until:
            self.add_error("until", "The end must be later than the beginning.")
        return data


class PauseForm(ActionForm):
    reason = forms.CharField(
        widget=TextInput(), max_length=500, help_text="Shown to everyone while it is paused."
    )


def _can_run(flow: Flow) -> bool:
    return flow.enabled and not flow.paused_reason


RUN_NOW = rules(
    permission="sync.run_flow",
    title=lambda flow: f"Run {flow.name} now?",
    description=lambda flow: (
        " ".join(first_words(flow))
        if is_first(flow)
        else "Reads what changed since the last run and writes it, "
        f"with revision {flow.revision.number if flow.revision else 'none yet'}. {last_cost(flow)}"
    ),
    submit="Run now",
    when=_can_run,
)
DRY_RUN = rules(
    permission="sync.run_flow",
    title=lambda flow: f"Dry run of {flow.name}?",
    description=lambda flow: (
        "Reads and plans as a real run does, and writes nothing to either side, but spends the calls of the reading. "
        f"{last_cost(flow)}"
    ),
    submit="Dry run",
    when=_can_run,
)
RESYNC = rules(
    permission="sync.resync_flow",
    title=lambda flow: f"Resync {flow.name}?",
    description="Reads these records again in the backfill lane and writes only what differs. "
    "The schedule goes on beside it, and no watermark moves.",
    submit="Resync",
    form=ResyncForm,
    when=_can_run,
)
RECONCILE = rules(
    permission="sync.run_flow",
    title=lambda flow: f"Reconcile {flow.name}?",
    description=lambda flow: (
        "Compares both sides of every link in the backfill lane and states what differs. It writes nothing. "
        f"{last_cost(flow, RECONCILING)}"
    ),
    submit="Reconcile",
    when=_can_run,
)
PAUSE = rules(
    permission="sync.pause_flow",
    title=lambda flow: f"Pause {flow.name}?",
    description="No new run starts until it is resumed, so no calls are spent. Changes made meanwhile are read then; nothing is lost.",
    submit="Pause",
    form=PauseForm,
    when=lambda flow: not flow.paused_reason,
)
RESUME = rules(
    permission="sync.pause_flow",
    title=lambda flow: f"Resume {flow.name}?",
    description=lambda flow: (
        "The next run goes on from the checkpoint and reads all that changed meanwhile. "
        f"{last_cost(flow)} Why it was paused: {flow.paused_reason}"
    ),
    submit="Resume",
    when=lambda flow: bool(flow.paused_reason),
)
