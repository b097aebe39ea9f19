"""Field rows, value maps and user tables as CSV: out of the database, and back into it as a plan that a person confirms."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model

from integration_console.theme.exporting import cell
from integration_console.theme.present import ARROWS
from mappings import checks
from mappings.apply import MappingError, compile_mapping
from mappings.cells import maps_of
from mappings.models import FieldRow, UserTable, UserTableEntry, ValueMap, ValueMapEntry
from mappings.models.valuemap import parse_along
from mappings.sheets import FIELDS, PEOPLE, VALUES, Line, Plan, Problem, Row, Sheet, Step, plan, read
from mappings.spec import Direction, Environment, MappingSpec
from sync import audit
from sync.configuration.problems import did_you_mean
from sync.constraints import breaks
from sync.models import Flow
from sync.services import Refused, require

NOTED = 200  # rows that an entry of the audit log names
_TRUE, _FALSE = ("yes", "true", "1", "x"), ("", "no", "false", "0")


@dataclass(frozen=True, slots=True)
class Kind:
    """A table that stands below an owner. `link`: the column of a row that names it."""

    name: str
    noun: str
    sheet: Sheet
    owner: type[Model]
    rows: type[Model]
    link: str
    order: tuple[str, ...]
    see: str
    change: str

    @property
    def is_ordered(self) -> bool:
        return self.order[0] == "position"


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("fields", "field rows", FIELDS, Flow, FieldRow, "mapping", ("position", "id"), "sync.view_flow", "sync.change_flow"),
        Kind("value-map", "entries", VALUES, ValueMap, ValueMapEntry, "value_map", ("position", "id"), "mappings.view_valuemap",
             "mappings.change_valuemap"),
        Kind("user-table", "entries", PEOPLE, UserTable, UserTableEntry, "table", ("kind", "servicenow", "salesforce", "id"),
             "mappings.view_usertable", "mappings.change_usertable"),
    )
}  # fmt: skip


@dataclass(slots=True)
class Preview:
    """What taking a file over would do. `seen` tells the state of the table that it was made of."""

    plan: Plan
    problems: list[Problem]
    seen: str
    rows: list[tuple[Step, Any]] = field(
        default_factory=list
    )  # each step that stays, with the row to be written


def held(kind: Kind, owner: Any) -> list[Any]:
    rows = kind.rows._default_manager.filter(**{kind.link: owner}).order_by(*kind.order)
    return list(rows.select_related("value_map") if kind.rows is FieldRow else rows)


def row_of(kind: Kind, row: Any) -> Row:
    return {name: _text(getattr(row, name)) for name in kind.sheet.columns}


def _text(value: Any) -> str:
    return "yes" if value is True else "" if value in (None, False) else str(value)


def exported(kind: Kind, owner: Any) -> str:
    """The table as CSV that no spreadsheet runs, and that is read back as it was."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(kind.sheet.columns)
    for row in held(kind, owner):
        writer.writerow([guarded(text) for text in row_of(kind, row).values()])
    return out.getvalue()


def guarded(text: str) -> str:
    """`cell`, and the reader's way back told apart: a text of its own that begins with an apostrophe gets another."""
    return f"'{text}" if text.startswith("'") else cell(text)


def preview(kind: Kind, owner: Any, file: IO[bytes], *, whole: bool, typed: bool = False) -> Preview:
    """Read the file and say what it would change; writes nothing. Raises Unreadable for what is no such table."""
    lines, problems = read(file, kind.sheet, typed=typed)
    return previewed(kind, owner, lines, problems, whole=whole)


def previewed(
    kind: Kind, owner: Any, lines: Sequence[Line], problems: Sequence[Problem] = (), *, whole: bool
) -> Preview:
    present = held(kind, owner)
    found = plan([row_of(kind, row) for row in present], lines, kind.sheet, whole=whole, completed=_COMPLETED[kind.name])  # fmt: skip
    made = Preview(found, list(problems), _digest(kind, present))
    maps = {each.name: each for each in ValueMap.objects.prefetch_related("entries")} if kind.rows is FieldRow else {}  # fmt: skip
    for step in found.steps:
        if step.after is None:
            continue
        row = present[step.index] if step.index is not None else kind.rows(**{kind.link: owner})
        if step.verb != "unchanged":
            made.problems += [Problem(step.line, text) for text in _take(row, step.after, maps)]
        made.rows.append((step, row))
    if not made.problems:
        made.problems += _together(kind, owner, made.rows, maps)
    return made


def _completed_field(row: Row) -> Row:
    """A row that names a value map and no way looks its value up there, as in a configuration file."""
    required = row["required"].casefold()
    told = "yes" if required in _TRUE else "" if required in _FALSE else row["required"]
    return {**row, "required": told, "transform": row["transform"] or ("value_map" if row["value_map"] else "copy")}  # fmt: skip


_COMPLETED: Mapping[str, Callable[[Row], Row]] = {"fields": _completed_field, "value-map": dict, "user-table": dict}  # fmt: skip


def state_of(kind: Kind, owner: Any) -> str:
    """What tells the table as it is now from any other state of it."""
    return _digest(kind, held(kind, owner))


def _digest(kind: Kind, rows: Iterable[Any]) -> str:
    return sha256(repr([(str(row.pk), *row_of(kind, row).values()) for row in rows]).encode()).hexdigest()


def _take(row: Any, cells: Row, maps: Mapping[str, ValueMap]) -> list[str]:
    """Give the row what the file says; returns what is wrong with it by itself."""
    problems: list[str] = []
    for name, text in cells.items():
        if name == "value_map":
            row.value_map = maps.get(text)
            if text and row.value_map is None:
                problems.append(f"value_map: there is no value map “{text}”.{did_you_mean(text, maps)}")
        elif name == "required":
            row.required = text == "yes"
            if text not in ("yes", ""):
                problems.append(f"required: “{text}” is neither yes nor no.")
        else:
            setattr(row, name, text)
    try:
        row.clean_fields(exclude=("mapping", "table", "value_map"))
        row.clean()
    except ValidationError as error:
        problems += [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]
    return problems


def _together(
    kind: Kind, owner: Any, rows: Sequence[tuple[Step, Any]], maps: Mapping[str, ValueMap]
) -> list[Problem]:
    """What the rows are to one another, as the forms tell it."""

    def name(index: int) -> str:
        step, row = rows[index]
        return f"line {step.line:,}" if step.line else f"the row {row} that is there already"

    found: list[checks.Trouble] = []
    if kind.rows is FieldRow:
        specs = [row.spec() for _, row in rows]
        named = {each for spec in specs for each in maps_of(spec)}
        tables = {each: maps[each].spec() for each in named if each in maps}
        spec = MappingSpec(Direction(owner.direction), tuple(specs), tables, owner.time_zone)
        found += checks.twice_written(specs, spec.direction, name)
        found += checks.uneven_parts(specs, tables)
        if not found:
            try:
                compile_mapping(spec, Environment())
            except MappingError as error:
                return [Problem(0, str(error))]
    else:
        found += checks.contradictions([row for _, row in rows], name)
        if kind.rows is ValueMapEntry:
            found += checks.companions([(row.servicenow, parse_along(row.along)) for _, row in rows], name)
    return [Problem(rows[each.index][0].line, f"{each.part}: {each.text}") for each in found]


def lacking(kind: Kind, done: Plan, by: User | None) -> list[str]:
    """Permissions for single rows that the editor's own form would ask for, and this person has not."""
    if by is None:
        return []
    meta = kind.rows._meta
    needed = [f"{meta.app_label}.{deed}_{meta.model_name}" for verb, deed in _DEEDS.items() if done.of(verb)]
    return [permission for permission in needed if not by.has_perm(permission)]


_DEEDS = {"added": "add", "changed": "change", "removed": "delete"}  # verb of a step -> of its permission


def take_over(
    *, kind: Kind, owner: Any, lines: Sequence[Line], whole: bool, seen: str, by: User | None, source: str
) -> Plan:
    """Write what a preview showed. A flow's rows become its draft; a user table acts at once. `source`: the file's name.

    Raises Refused where the table was edited since the preview, or rows are not right, and PermissionDenied where the form of the
    table would let this person not add, change or remove rows.
    """
    require(by, kind.change)
    with transaction.atomic():
        locked = kind.owner._default_manager.select_for_update(of=("self",)).get(pk=owner.pk)
        found = previewed(kind, locked, lines, whole=whole)
        if found.seen != seen:
            raise Refused(f"{owner} was edited after the preview was made. Look at a new one.")
        if found.problems:
            raise Refused(" ".join(map(str, found.problems[:5])))
        for permission in lacking(kind, found.plan, by):
            require(by, permission)
        if not found.plan.is_empty:
            try:
                with transaction.atomic():
                    _write(kind, locked, found)
            except IntegrityError as error:
                if not any(breaks(error, kind.rows, each.name) for each in kind.rows._meta.constraints):
                    raise
                raise Refused(
                    f"Two rows of {owner} would answer one question. Make one of them one-way."
                ) from None
            _note(kind, locked, found.plan, source)
    return found.plan


def _write(kind: Kind, owner: Any, found: Preview) -> None:
    """Rows that change are taken out first: one of them may get what another one had."""
    present = held(kind, owner)
    moved = [step.index for step in found.plan.steps if step.verb in ("changed", "removed") and step.index is not None]  # fmt: skip
    kind.rows._default_manager.filter(pk__in=[present[index].pk for index in moved]).delete()
    new: list[Any] = []
    still: list[Any] = []
    for position, (step, row) in enumerate(found.rows):
        is_moved = kind.is_ordered and row.position != position
        if is_moved:
            row.position = position
        if step.verb in ("added", "changed"):
            new.append(row)
        elif is_moved:
            still.append(row)
    kind.rows._default_manager.bulk_create(new)
    if still:
        kind.rows._default_manager.bulk_update(still, ["position"], batch_size=200)
    if kind.rows is UserTableEntry:
        UserTable.objects.filter(pk=owner.pk).update(resolved_at=None)  # the next run looks the names up


def _note(kind: Kind, owner: Any, done: Plan, source: str) -> None:
    told: dict[str, Any] = {"file": source[:120]}
    for verb in ("added", "changed", "removed"):
        steps = done.of(verb)
        told[verb] = len(steps)
        for step in steps[:NOTED]:
            told[f"{verb} {words(step.after or step.before or {})}"] = changed_words(step)
    audit.record(f"{str(owner._meta.verbose_name).replace(' ', '_')}.imported", owner, after=told)


def _said(name: str, text: str) -> str:
    return ARROWS.get(text, ("", text))[1] if name == "direction" else text or "empty"


def words(row: Row) -> str:
    """A row by what people know it by."""
    return f"{row['servicenow'] or 'empty'} – {row['salesforce'] or 'empty'}"


def changed_words(step: Step) -> str:
    """What differs, column by column; of a new or removed row what it holds."""
    before, after = step.before or {}, step.after or {}
    if step.verb == "changed":
        return ", ".join(
            f"{name}: {_said(name, before[name])} → {_said(name, after[name])}"
            for name in after
            if after[name] != before[name]
        )
    held = after or before
    return ", ".join(f"{name}: {_said(name, value)}" for name, value in held.items() if value and name not in ("servicenow", "salesforce"))  # fmt: skip
