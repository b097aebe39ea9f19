"""The fields of a pair on its page: both sides as last known, what they agreed on, and who wrote each last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from integration_console.theme import present
from mappings.apply import canonical
from mappings.cells import columns_of
from mappings.spec import FieldSpec
from sync.models import DeadLetter, Event, RecordLink
from sync.models.base import OutcomeChoices, SideChoices

LOOKED_THROUGH = 50  # of the newest events, for who wrote a field last; their values stay sealed
HIDDEN = "hidden"
WROTE = (OutcomeChoices.CREATED, OutcomeChoices.UPDATED, OutcomeChoices.ADOPTED)


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One mapped field of a pair. Values are as last agreed; with an open conflict or a dead letter, as they were found.

    `wrote`: the last event that wrote it, where it is among the newest.
    """

    row: str
    servicenow_field: str
    direction: str
    salesforce_field: str
    how: str
    servicenow: str
    agreed: str
    salesforce: str
    status: str
    wrote: Event | None


def field_lines(link: RecordLink, snapshot: Mapping[str, Any], wrote: Mapping[str, Event]) -> list[FieldLine]:
    """With their values; decrypts, so call it only for somebody who may look."""
    base = link.base or {}
    clashes = {str(conflict.row): conflict.values or {} for conflict in link.conflicts.filter(state="open")}
    found = _as_found(link)
    return [
        _line(row, snapshot["direction"], wrote, base.get(row["id"]), clashes.get(row["id"]), found)
        for row in snapshot["fields"]
    ]


def hidden_lines(snapshot: Mapping[str, Any], wrote: Mapping[str, Event]) -> list[FieldLine]:
    """The same without values: names, direction, and who wrote each last."""
    return [
        FieldLine(*_head(row, snapshot["direction"]), HIDDEN, HIDDEN, HIDDEN, "", _wrote(row, wrote))
        for row in snapshot["fields"]
    ]


def last_writes(link: RecordLink) -> dict[str, Event]:
    """Field as an event names it -> the newest event that wrote it. One query; nothing is decrypted."""
    events = Event.objects.filter(link=link).defer("detail_sealed", "revision__snapshot")
    found: dict[str, Event] = {}
    for event in events.select_related("run", "revision")[:LOOKED_THROUGH]:
        if event.outcome in WROTE and not (event.run and event.run.mode == "dry"):
            for name in event.field_names.split(", "):
                found.setdefault(name, event)
    return found


def _wrote(row: Mapping[str, Any], wrote: Mapping[str, Event]) -> Event | None:
    events = [wrote[name] for name in (row["salesforce"], *row["servicenow"]) if name in wrote]
    return max(events, key=lambda event: event.pk, default=None)


def _head(row: Mapping[str, Any], direction: str) -> tuple[str, str, str, str, str]:
    columns = ", ".join(columns_of(FieldSpec.from_json(row))) or "constant"
    how = present.how(row["value_map"] or row["transform"])
    return row["id"], columns, row["direction"] or direction, row["salesforce"], how


def _line(
    row: Mapping[str, Any],
    direction: str,
    wrote: Mapping[str, Event],
    agreed: Any,
    clash: Mapping[str, Any] | None,
    found: Mapping[str, Mapping[str, Any]],
) -> FieldLine:
    here, there = agreed if agreed else (None, None)
    columns = columns_of(FieldSpec.from_json(row))
    now_here = clash["servicenow"] if clash else _read(found["servicenow"], columns, here)
    now_there = clash["salesforce"] if clash else _read(found["salesforce"], (row["salesforce"],), there)
    moved = bool(agreed) and (canonical(now_here), canonical(now_there)) != (
        canonical(here),
        canonical(there),
    )
    return FieldLine(
        *_head(row, direction),
        shown(now_here, agreed), _agreed(here, there, agreed), shown(now_there, agreed),
        "conflict" if clash else "changed" if moved else "ok" if agreed else "not written yet", _wrote(row, wrote),
    )  # fmt: skip


def _agreed(here: Any, there: Any, agreed: Any) -> str:
    """One value where both sides hold the same, else what each held."""
    if not agreed or canonical(here) == canonical(there):
        return shown(there, agreed)
    return f"{shown(here, agreed)} ↔ {shown(there, agreed)}"


def _as_found(link: RecordLink) -> dict[str, Mapping[str, Any]]:
    """Values of both sides that were read after the base moved last, and came to no rest: those of open dead letters."""
    found: dict[str, Mapping[str, Any]] = {"servicenow": {}, "salesforce": {}}
    letters: Iterable[DeadLetter] = link.dead_letters.filter(state="open").order_by("last_at")
    for letter in letters:
        if link.synced_at is None or letter.last_at >= link.synced_at:
            content = letter.content or {}
            source = "servicenow" if letter.side == SideChoices.SALESFORCE else "salesforce"
            found[source] = {**found[source], **(content.get("source") or {})}
            found[str(letter.side)] = {**found[str(letter.side)], **(content.get("target") or {})}
    return found


def _read(values: Mapping[str, Any], names: tuple[str, ...], otherwise: Any) -> Any:
    """The value of these columns in what was read, if all of them were."""
    if not names or any(name not in values for name in names):
        return otherwise
    return values[names[0]] if len(names) == 1 else [values[name] for name in names]


def shown(value: Any, agreed: Any) -> str:
    """Values of the platforms are shown as they are, without thousands separators: they are often codes."""
    if agreed is None and value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return (
        str(value) if isinstance(value, int | float) and not isinstance(value, bool) else present.plain(value)
    )
