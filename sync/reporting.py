"""The report: a flow's newest pairs counted by what they hold, from the console's own rows. It asks no platform.

Every query is bounded: the newest LOOKED_AT pairs of the console, of these the newest PAIRS of the flow, and the newest
conflicts of DAYS days. What is counted is said with the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from django.utils import timezone

from mappings.cells import columns_of
from mappings.models import UserTableEntry
from mappings.spec import FieldSpec
from sync.models import CachedSchema, Conflict, Flow, RecordLink

LOOKED_AT, PAIRS, CONFLICTS, DAYS = 10_000, 1_000, 10_000, 30
SHOWN = 12  # values of a breakdown; the others are summed
# Which mapped fields a breakdown reads: by column of ServiceNow or field of Salesforce.
FIELDS: Mapping[str, frozenset[str]] = {
    "state": frozenset({"state", "incident_state", "Status"}),
    "priority": frozenset({"priority", "Priority"}),
    "owner": frozenset({"assigned_to", "OwnerId"}),
    "account": frozenset({"account", "company", "AccountId"}),
}
AGES = (
    (1, "under a day"),
    (7, "1 to 7 days"),
    (30, "7 to 30 days"),
    (90, "30 to 90 days"),
    (10**6, "over 90 days"),
)
OTHERS, EMPTY = "all others", "empty"


@dataclass(frozen=True, slots=True)
class Line:
    """How many pairs hold a value on a side. `label`: what people read for it over there; "" where it says no more."""

    value: str
    servicenow: int
    salesforce: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A duration over the pairs that tell both its ends; hours."""

    name: str
    pairs: int
    median_hours: float | None
    longest_hours: float | None
    needs: str


@dataclass(frozen=True, slots=True)
class Report:
    """`pairs` were counted; `complete`: the flow has no others."""

    flow: str
    at: datetime
    pairs: int
    complete: bool
    by: Mapping[str, Sequence[Line]]
    spans: Sequence[Span]
    disagreements: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.astimezone(UTC).isoformat(), "days_of_disagreements": DAYS}

    def rows(self) -> Iterable[tuple[str, str, int | float | str, int | float | str, str]]:
        """What is counted, its value, the numbers of both sides (or median and longest hours), and the value's label."""
        yield (
            "pairs counted",
            "all of the flow" if self.complete else "the newest",
            self.pairs,
            self.pairs,
            "",
        )
        for name, lines in self.by.items():
            for line in lines:
                yield name, line.value, line.servicenow, line.salesforce, line.label
        for span in self.spans:
            yield (
                span.name,
                "hours: median, longest",
                _or_dash(span.median_hours),
                _or_dash(span.longest_hours),
                "",
            )
        for field, count in self.disagreements.items():
            yield f"disagreements in {DAYS} days", field, count, count, ""


def _or_dash(hours: float | None) -> float | str:
    return "–" if hours is None else hours


def report(flow: Flow, *, with_values: bool, at_most: int = PAIRS, now: datetime | None = None) -> Report:
    """Raises nothing for what is not mapped: a breakdown is then absent. Without values only clear columns are read."""
    now = now or timezone.now()
    looked_at = list(RecordLink.objects.order_by("-pk").values_list("pk", "flow_id")[:LOOKED_AT])
    mine = [pk for pk, of_flow in looked_at if of_flow == flow.pk]
    links = list(_links(mine[:at_most], with_values))
    rows = (flow.revision.snapshot["fields"] if flow.revision else []) if with_values else []
    bases = [(link, link.base or {}) for link in links] if with_values else []
    return Report(
        flow=flow.name,
        at=now,
        pairs=len(links),
        complete=len(mine) <= at_most and len(looked_at) < LOOKED_AT,
        by={
            "link state": _counted((link.get_state_display(),) * 2 for link in links),
            **_by_value(flow, rows, bases),
            "last change": _aged(
                ((link.servicenow_changed_at, link.salesforce_changed_at) for link in links), now
            ),
            "age of the pair": _aged(((link.created_at, link.created_at) for link in links), now),
        },
        spans=_spans(rows, bases) if with_values else (),
        disagreements=_disagreements(flow, now),
    )


def _links(keys: Sequence[Any], with_values: bool) -> Iterable[RecordLink]:
    for start in range(0, len(keys), 500):
        found = RecordLink.objects.filter(pk__in=keys[start : start + 500])
        yield from (
            found.defer("fields_sealed") if with_values else found.defer("fields_sealed", "base_sealed")
        )


def _by_value(flow: Flow, rows: Sequence[Mapping[str, Any]], bases: Sequence[Any]) -> dict[str, list[Line]]:
    found = {}
    labels = _labels(flow)
    for name, fields in FIELDS.items():
        row = next((row for row in rows if fields & {row["salesforce"], *_columns(row)}), None)
        if row is None:
            continue
        names = _people(flow) if name == "owner" else {}
        pairs = (_said(base.get(row["id"]), names) for _, base in bases)
        of_columns = [labels[0].get(column, {}) for column in _columns(row)[:1]]
        found[name] = _labelled(_counted(pairs), [*of_columns, labels[1].get(row["salesforce"], {})])
    return found


def _labels(flow: Flow) -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, Mapping[str, str]]]:
    """For either side, field -> choice -> label, as far as a run has described the table or object and it is kept."""
    ends = (
        (flow.servicenow_connection_id, flow.servicenow_table),
        (flow.salesforce_connection_id, flow.salesforce_object),
    )
    kept = CachedSchema.objects.filter(
        connection__in=[end for end, _ in ends], name__in=[name for _, name in ends]
    )
    known = {
        (row.connection_id, row.name): {
            name: dict(zip(field.get("choices", ()), field.get("labels", ()), strict=False))
            for name, field in row.fields.items()
        }
        for row in kept
    }
    return known.get(ends[0], {}), known.get(ends[1], {})


def _labelled(lines: Iterable[Line], labels: Iterable[Mapping[str, str]]) -> list[Line]:
    """The two sides may call one value differently: both are named then."""
    of = list(labels)
    return [
        replace(
            line,
            label=" / ".join(
                dict.fromkeys(
                    label for names in of if (label := names.get(line.value)) and label != line.value
                )
            ),
        )
        for line in lines
    ]


def _columns(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(columns_of(FieldSpec.from_json(row)))


def _said(agreed: Any, names: Mapping[str, str]) -> tuple[str, str]:
    """Both values as text; a multi-column value by its first."""
    if not agreed:
        return "not written yet", "not written yet"
    here, there = (
        str((value[0] if isinstance(value, list) and value else value) or EMPTY) for value in agreed
    )
    return names.get(here, here), names.get(there, there)


def _people(flow: Flow) -> dict[str, str]:
    """Ids of people and groups with the names that the flow's user table knows them by."""
    rows = UserTableEntry.objects.filter(table=flow.user_table_id).exclude(
        servicenow_id="", salesforce_id=""
    )[:CONFLICTS]
    known = [(row.servicenow_id, row.servicenow) for row in rows] + [
        (row.salesforce_id, row.salesforce) for row in rows
    ]
    return {id: name for id, name in known if id}


def _counted(pairs: Iterable[tuple[str, str]]) -> list[Line]:
    here, there = Counter[str](), Counter[str]()
    for left, right in pairs:
        here[left] += 1
        there[right] += 1
    ranked = [value for value, _ in (here + there).most_common()]
    lines = [Line(value, here[value], there[value]) for value in ranked[:SHOWN]]
    rest = ranked[SHOWN:]
    if rest:
        lines.append(Line(OTHERS, sum(here[value] for value in rest), sum(there[value] for value in rest)))
    return lines


def _aged(moments: Iterable[tuple[datetime | None, datetime | None]], now: datetime) -> list[Line]:
    counts = {line.value: line for line in _counted((_age(a, now), _age(b, now)) for a, b in moments)}
    return [counts[name] for name in (*(name for _, name in AGES), "not known") if name in counts]


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "not known"
    days = (now - moment) / timedelta(days=1)
    return next(name for limit, name in AGES if days < limit)


def _spans(rows: Sequence[Mapping[str, Any]], bases: Sequence[Any]) -> tuple[Span, ...]:
    """From what the mapping carries: the console keeps no other moment of the records' lives."""
    at = {column: row["id"] for row in rows for column in _columns(row)}

    def moment(base: Mapping[str, Any], *columns: str) -> datetime | None:
        found = (base.get(at[column]) for column in columns if column in at)
        return next((when for agreed in found if agreed and (when := _moment(agreed[0]))), None)

    born = ((moment(base, "opened_at", "sys_created_on"), link.created_at) for link, base in bases
            if link.born_in == "servicenow")  # fmt: skip
    closed = ((moment(base, "resolved_at"), moment(base, "closed_at")) for _, base in bases)
    return (
        _span("from incident to Case", born, "a mapped opened_at or sys_created_on"),
        _span("from resolved to closed", closed, "mapped columns resolved_at and closed_at"),
    )


def _span(name: str, ends: Iterable[tuple[datetime | None, datetime | None]], needs: str) -> Span:
    hours = [
        (until - since) / timedelta(hours=1) for since, until in ends if since and until and until >= since
    ]
    if not hours:
        return Span(name, 0, None, None, needs)
    return Span(name, len(hours), round(median(hours), 1), round(max(hours), 1), needs)


def _moment(value: Any) -> datetime | None:
    """ServiceNow's own form, UTC, or ISO 8601; None for what is neither."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _disagreements(flow: Flow, now: datetime) -> dict[str, int]:
    since = now - timedelta(days=DAYS)
    newest = (
        Conflict.objects.filter(at__gte=since).order_by("-pk").values_list("field", "link__flow")[:CONFLICTS]
    )
    return dict(Counter(field for field, of_flow in newest if of_flow == flow.pk).most_common())
