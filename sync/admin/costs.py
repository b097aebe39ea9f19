"""What a run will probably cost, from what the flow's last run of that kind did: said before anybody confirms it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integration_console.theme import present
from sync.connectors.salesforce.writing import COLLECTION
from sync.engine.context import DEFAULT_PAGE
from sync.models import Flow, Run
from sync.models.run import FROM_CHECKPOINT, RunMode, RunStatus

_ENDED = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)


def last_cost(flow: Flow, kinds: Sequence[str] = FROM_CHECKPOINT) -> str:
    """A sentence about the last such run that came to its end; where there was none, what makes the number of calls."""
    last = Run.objects.filter(flow=flow, kind__in=kinds, mode=RunMode.WRITE, status__in=_ENDED).first()
    if last is None:
        return f"About one call to each side for {DEFAULT_PAGE:,} records that are read."
    read = f"The last one, run {last.pk:,}, read {_of(last.read, 'record')} in {present.span(last.seconds)}"
    return f"{read} with {_of(last.calls_servicenow, 'call')} to ServiceNow and {last.calls_salesforce:,} to Salesforce."


def counted_cost(sides: Sequence[Mapping[str, Any]]) -> str:
    """Calls for records that were counted: what reads them, and what creates every one that may get a counterpart.

    How many updates there will be is known only once they are compared, so that is said as a rate.
    """
    read = sum(_pages(side["records"], DEFAULT_PAGE) for side in sides)
    if not read:
        return ""
    made = sum(_pages(side["entering"] or 0, COLLECTION) for side in sides)
    creating = f", at most {_of(made, 'call')} to create counterparts" if made else ""
    return f"About {_of(2 * read, 'call')} to read and look them up{creating}; updates take 25 or more to a call."


def _pages(records: int, size: int) -> int:
    return -(-records // size)


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
