"""What is failing, paused or silent now, worst first. It looks at states that the page has read already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.urls import reverse

from integration_console.theme.flow_lines import silent_since

_WORST_FIRST = ("failing", "in doubt", "silent", "behind", "paused", "changed")


@dataclass(frozen=True, slots=True)
class Alert:
    word: str  # of the console's status words
    name: str
    text: str
    url: str
    since: datetime | None = None
    along: tuple[tuple[str, str], ...] = ()  # names and addresses of others with the same word and text

    @property
    def tone(self) -> str:
        """Silence is a warning, as in the flow's own line."""
        return "warning" if self.word == "silent" else self.word


def alerts(flows: Iterable[Any], facts: Mapping[str, Any], now: datetime) -> list[Alert]:
    found = [*_of_connections(facts["connections"], now), *_of_flows(flows, now), *_of_the_rest(facts)]
    return _together(sorted(found, key=lambda alert: _WORST_FIRST.index(alert.word)))


def _together(found: Iterable[Alert]) -> list[Alert]:
    """One refused login pauses every flow of its connection: that is one thing to mend, told once."""
    told: dict[tuple[str, str], Alert] = {}
    for alert in found:
        first = told.setdefault((alert.word, alert.text), alert)
        if first is not alert:
            told[alert.word, alert.text] = replace(first, along=(*first.along, (alert.name, alert.url)))
    return list(told.values())


def _of_connections(connections: Iterable[Any], now: datetime) -> Iterator[Alert]:
    for row in connections:
        url = reverse("admin:sync_connection_change", args=[row.pk])
        if row.circuit_open_until and row.circuit_open_until > now:
            text = f"The platform does not answer; nothing is sent until {row.circuit_open_until:%H:%M} UTC."
            yield Alert("failing", row.name, text, url)
        elif row.health == "failing":
            yield Alert("failing", row.name, row.health_message, url, row.health_at)
        if row.blocked_until and row.blocked_until > now:
            text = f"Its calls are used up; nothing is sent until {row.blocked_until:%H:%M} UTC."
            yield Alert("paused", row.name, text, url)


def _of_flows(flows: Iterable[Any], now: datetime) -> Iterator[Alert]:
    for flow in flows:
        url = reverse("admin:sync_flow_change", args=[flow.pk])
        if not flow.enabled:
            continue
        if flow.paused_reason:
            yield Alert("paused", flow.name, flow.paused_reason, url)
        elif flow.health in ("failing", "behind"):
            yield Alert(flow.health, flow.name, flow.health_message, url)
        if flow.deletions_paused:
            yield Alert("paused", flow.name, f"Deletions wait for a person. {flow.deletions_paused}", url)
        yield from _of_mapping(flow, url)
        if since := silent_since(flow, now):
            text = "Three of its ticks and ten minutes passed without a finished poll."
            yield Alert("silent", flow.name, text, url, since)


def _of_mapping(flow: Any, url: str) -> Iterator[Alert]:
    """What the published mapping does not fit any more, and what changed over there of the fields that it names."""
    report = getattr(flow, "lint", None)
    if report is None or not (report.errors or report.changes):
        return
    told = [each["text"] for each in report.findings if each["severity"] == "error"] or report.changes
    more = f" And {len(told) - 2:,} more." if len(told) > 2 else ""
    yield Alert("changed", flow.name, f"Its mapping: {' '.join(told[:2])}{more}", url, report.made_at)


def _of_the_rest(facts: Mapping[str, Any]) -> Iterator[Alert]:
    for name, seen_at in facts["silent_workers"]:
        yield Alert(
            "silent", name, "This worker is not heard of.", reverse("admin:sync_worker_changelist"), seen_at
        )
    if doubtful := facts["doubtful_actions"]:
        url = reverse("admin:sync_actionrun_changelist") + "?status__exact=in_doubt"
        what = "1 action is" if doubtful == 1 else f"{doubtful:,} actions are"
        yield Alert("in doubt", "Actions", f"{what} in doubt; a person says whether it happened.", url)
