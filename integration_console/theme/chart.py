"""Two weeks of hourly totals as a picture: stacked columns of all flows, and a line of small ones for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Sum

DAY = timedelta(hours=24)
CHART_DAYS = 14
SYNCED = ("created", "updated", "adopted", "deleted")
TROUBLED = ("failed", "conflict")
# From the bottom of a bar to its top: outcome group, colour, outcomes in it.
STACK = (
    ("synced", "green", SYNCED),
    ("waiting", "grey", ("waiting", "deferred")),
    ("conflict", "amber", ("conflict",)),
    ("in doubt", "violet", ("in_doubt",)),
    ("failed", "red", ("failed",)),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of an hour's column, in the chart's units: 336 wide, 100 high."""

    x: int
    y: float
    height: float
    colour: str
    title: str


def chart(now: datetime, flows: Sequence[int]) -> dict[str, Any]:
    """Records per hour of the last two weeks as stacked columns, oldest left; `flows`: keys of all of them."""
    from sync.models import HourlyTotal

    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=CHART_DAYS) + timedelta(hours=1)
    rows = (
        HourlyTotal.objects.filter(flow__in=flows, hour__gte=start)
        .values_list("hour", "outcome")
        .annotate(total=Sum("count"))
    )
    hours: dict[datetime, dict[str, int]] = defaultdict(dict)
    for hour, outcome, total in rows:
        hours[hour][outcome] = total
    columns = {
        hour: [sum(counts.get(o, 0) for o in outcomes) for _, _, outcomes in STACK]
        for hour, counts in hours.items()
    }
    top = max((sum(parts) for parts in columns.values()), default=0)
    bars = [bar for hour, parts in sorted(columns.items()) for bar in _bars(hour, parts, start, top)]
    days = [start + timedelta(days=offset) for offset in range(0, CHART_DAYS, 2)]
    return {"bars": bars, "top": top, "days": days, "legend": [(name, colour) for name, colour, _ in STACK]}


def _bars(hour: datetime, parts: list[int], start: datetime, top: int) -> Iterable[Bar]:
    x = int((hour - start).total_seconds() // 3600)
    filled = 0.0
    title = f"{hour:%d %b %H:00} UTC: " + ", ".join(
        f"{count:,} {name}" for count, (name, _, _) in zip(parts, STACK, strict=True) if count
    )
    for count, (_, colour, _) in zip(parts, STACK, strict=True):
        if count:
            height = count * 100 / top
            filled += height
            yield Bar(x, round(100 - filled, 2), round(height, 2), colour, title)


@dataclass(frozen=True, slots=True)
class Spark:
    """Fourteen columns of 24 hours, oldest left, in units of 7 wide and 20 high; `words` say the same."""

    bars: tuple[Bar, ...]
    words: str


def sparks(now: datetime, flows: Sequence[int]) -> dict[int, Spark]:
    """How busy each flow was, by its key: one query that answers with one row a flow."""
    from sync.models import HourlyTotal

    start = _hour(now) + timedelta(hours=1) - DAY * CHART_DAYS
    sums = {
        f"{name}_{day}": Sum("count", filter=Q(outcome__in=outcomes, **_within(start, day)), default=0)
        for name, outcomes in (("synced", SYNCED), ("troubled", TROUBLED))
        for day in range(CHART_DAYS)
    }
    rows = HourlyTotal.objects.filter(flow__in=flows, hour__gte=start).values("flow").annotate(**sums)
    return {row["flow"]: _spark(row, start) for row in rows}


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def _within(start: datetime, day: int) -> Mapping[str, datetime]:
    return {"hour__gte": start + DAY * day, "hour__lt": start + DAY * (day + 1)}


def _spark(row: Mapping[str, Any], start: datetime) -> Spark:
    days = [(row[f"synced_{day}"], row[f"troubled_{day}"]) for day in range(CHART_DAYS)]
    top = max(sum(counts) for counts in days) or 1
    bars = tuple(bar for day, counts in enumerate(days) for bar in _spark_bars(day, counts, top, start))
    synced, troubled = (sum(each) for each in zip(*days, strict=True))
    return Spark(bars, f"{synced:,} synced and {troubled:,} failed or in conflict in {CHART_DAYS} days")


def _spark_bars(day: int, counts: tuple[int, int], top: int, start: datetime) -> Iterable[Bar]:
    title = f"24 h from {start + DAY * day:%d %b %H:00} UTC: {counts[0]:,} synced, {counts[1]:,} failed or in conflict"
    filled = 0.0
    for count, colour in zip(counts, ("green", "red"), strict=True):
        if count:
            height = max(count * 20 / top, 1)  # one in ten thousand is still to be seen
            filled = min(filled + height, 20)
            yield Bar(day * 7, round(20 - filled, 2), round(height, 2), colour, title)
