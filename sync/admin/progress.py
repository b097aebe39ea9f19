"""A run in words: how far it is, how fast, how long it still takes, and what an error means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from integration_console.theme import present
from sync.engine.parts import Standing, standing
from sync.models import Run

# Our own codes (sync.errors) and what they mean to a person. A platform's own code is shown as it is.
MEANINGS: Mapping[str, str] = {
    "configuration": "Something that the flow or its connection names is not as it should be; repeating would not help.",
    "authentication": "The platform refused the credentials of the connection.",
    "schema": "A table, object or field that the mapping names is not there, or our user may not see it.",
    "transient": "The platform or the network was not available for a while. Nothing was lost.",
    "rate_limit": "The platform asked to slow down.",
    "budget_spent": "The calls that the platform allows in this window are used up.",
    "outcome_unknown": "A write was sent and no answer came. It is looked up before anything else is written.",
    "stale": "A plan is written only where both sides still show what it was made of. Nothing was overwritten.",
    "aborted": "The run was ended before it was done.",
    "lease_lost": "Another worker took the lane over, because this one was silent for too long.",
}
OTHERWISE = "The flow cannot go on until this is mended."


@dataclass(frozen=True, slots=True)
class Progress:
    """`percent` is None while nobody knows how many records there are."""

    done: int
    expected: int | None
    percent: int | None
    rate: str
    left: str
    parts: Standing | None  # of a run that several workers share


def progress(run: Run) -> Progress:
    seconds = (
        (timezone.now() - run.started_at).total_seconds() if run.started_at and run.is_active else run.seconds
    )
    rate = run.read / seconds if seconds else 0.0
    parts = standing(run, timezone.now())
    if parts is not None and run.is_active:
        rate = parts.rate
    remaining = max(run.expected - run.read, 0) if run.expected else 0
    return Progress(
        done=run.read,
        expected=run.expected,
        percent=present.percent(run.read, run.expected) if run.expected else None,
        rate=f"{rate:,.0f}/s" if rate >= 1 else f"{rate:.1f}/s" if rate else "",
        left=f"{present.span(remaining / rate)} left" if run.is_active and rate and remaining else "",
        parts=parts,
    )


@dataclass(frozen=True, slots=True)
class Explained:
    """An error in four parts."""

    happened: str
    code: str
    meaning: str
    reach: str
    advice: str


def explained(run: Run) -> Explained | None:
    if not run.error and not run.error_code:
        return None
    known = f" of {run.expected:,}" if run.expected else ""
    return Explained(
        happened=run.error or "The run ended with an error.",
        code=run.error_code,
        meaning=MEANINGS.get(run.error_code, OTHERWISE),
        reach=f"{run.read:,}{known} records were read before it; what was written stays written, and the next run "
        "goes on from the checkpoint.",
        advice=run.advice or "Mend the cause, then run the flow again.",
    )
