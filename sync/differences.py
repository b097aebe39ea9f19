"""What differs between two snapshots of a flow, row by row and setting by setting, in the words of its form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integration_console.theme import present
from mappings.spec import ValueMapSpec
from sync.models import Connection, Flow

ENDS = ("servicenow", "salesforce")
SETTINGS, FIELDS = "settings", "fields"
NOTHING = "–"
Snapshot = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """`part`: settings, fields, or the name of a value map. `before` and `after` are words, NOTHING where there is none."""

    part: str
    what: str
    before: str
    after: str

    @property
    def verb(self) -> str:
        return "added" if self.before == NOTHING else "removed" if self.after == NOTHING else "changed"

    def __str__(self) -> str:
        what = self.what if self.part in (SETTINGS, FIELDS) else f"{self.part} {self.what}"
        return (
            f"{what} {self.verb}"
            if self.verb != "changed"
            else f"{what}: {self.before}, becomes {self.after}"
        )


def connection_names() -> dict[str, str]:
    return {str(pk): name for pk, name in Connection.objects.values_list("pk", "name")}


def differences(before: Snapshot, after: Snapshot, names: Mapping[str, str]) -> list[Change]:
    """In the order of the form: settings, field rows, value maps. `names`: connection id -> its name."""
    return [
        *_settings(before, after, names),
        *_rows(before["fields"], after["fields"]),
        *_maps(before["value_maps"], after["value_maps"]),
    ]


def label(key: str) -> str:
    return str(Flow._meta.get_field(key).verbose_name)  # type: ignore[union-attr]


def choice(key: str, value: Any) -> Any:
    """The words of a choice for the code that is stored."""
    return dict(getattr(Flow._meta.get_field(key), "flatchoices", ())).get(value, value)


def _settings(before: Snapshot, after: Snapshot, names: Mapping[str, str]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *after)):
        if key in ("fields", "value_maps", "options") or before.get(key) == after.get(key):
            continue
        told = tuple(_said(key, data[key], names) if key in data else NOTHING for data in (before, after))
        side = next((present.SIDES[end][1] + " " for end in ENDS if key.startswith(f"{end}_")), "")
        yield Change(SETTINGS, f"{side}{label(key)}", *told)
    for line in present.compare(before.get("options") or {}, after.get("options") or {}):
        if line.changed:
            yield Change(SETTINGS, line.path, line.before, line.after)


def _said(key: str, value: Any, names: Mapping[str, str]) -> str:
    if key.endswith("_connection"):
        return names.get(str(value), "a connection that was deleted")
    return present.plain(choice(key, value))


def _rows(before: Iterable[Snapshot], after: Iterable[Snapshot]) -> Iterator[Change]:
    """Rows are the same by their id, or, where one was made anew, by the two fields that they join."""
    old = {row["id"]: row for row in before}
    new = {row["id"]: row for row in after}
    free = {row_ends(row): key for key, row in old.items() if key not in new}
    partner = {key: key if key in old else free.get(row_ends(row)) for key, row in new.items()}
    for key, row in old.items():
        if key not in partner.values():
            yield Change(FIELDS, row_ends(row), row_words(row), NOTHING)
    for key, row in new.items():
        was = old.get(partner[key] or "")
        if was is None:
            yield Change(FIELDS, row_ends(row), NOTHING, row_words(row))
        elif row_words(was) != row_words(row):
            yield Change(FIELDS, row_ends(row), row_words(was), row_words(row))
    kept = [partner[key] for key in new if partner[key]]
    if kept != [key for key in old if key in kept]:
        yield Change(
            FIELDS, "order of the rows", *(", ".join(map(row_ends, rows.values())) for rows in (old, new))
        )


def row_ends(row: Snapshot) -> str:
    """The two fields that a row joins."""
    here = ", ".join(row["servicenow"]) or (f"“{row['value']}”" if row["value"] else "nothing")
    return f"{here} – {row['salesforce']}"


def row_words(row: Snapshot) -> str:
    """A field row in one line."""
    here = ", ".join(row["servicenow"]) or "nothing"
    sign = present.ARROWS[row["direction"]][0] if row["direction"] else "–"
    parts = [f"{here} {sign} {row['salesforce']}", present.how(row["transform"])]
    for key, words in (("value_map", "value map {}"), ("value", "“{}”"), ("reverse", "back: {}"), ("default", "empty becomes “{}”"),
                       ("conflict", "on conflict: {}")):  # fmt: skip
        if row.get(key):
            parts.append(words.format(row[key]))
    return ", ".join([*parts, *(["required"] if row["required"] else [])])


def _maps(before: Mapping[str, Snapshot], after: Mapping[str, Snapshot]) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        yield from map_differences(before.get(name), after.get(name))


def map_differences(before: Snapshot | None, after: Snapshot | None) -> Iterator[Change]:
    """Entries and what becomes of unmapped values, of one value map; None: it is not used."""
    old, new = (ValueMapSpec.from_json(spec) if spec else None for spec in (before, after))
    name = next(spec.name for spec in (old, new) if spec)
    held, wanted = (_entries(spec) if spec else {} for spec in (old, new))
    for key in dict.fromkeys((*held, *wanted)):
        if held.get(key) != wanted.get(key):
            yield Change(name, key, held.get(key, NOTHING), wanted.get(key, NOTHING))
    for way in ("to_salesforce", "to_servicenow"):
        told = [_unmapped(getattr(spec, f"unmapped_{way}")) if spec else NOTHING for spec in (old, new)]
        if told[0] != told[1]:
            yield Change(name, f"unmapped values {present.ARROWS[way][0]}", *told)


def _entries(spec: ValueMapSpec) -> dict[str, str]:
    """What is looked up -> what it becomes. An entry both ways is told once, by its ServiceNow value."""
    told: dict[str, str] = {}
    for here, there, way in spec.entries():
        sign = present.ARROWS[way][0]
        along = ", ".join(f"{column}: {value}" for column, value in spec.along.get(here, {}).items())
        extra = f", along with {along}" if along else ""
        if way == "to_servicenow":
            told[f"{there or 'empty'} ({present.SIDES['salesforce'][1]})"] = (
                f"{sign} {here or 'empty'}{extra}"
            )
        else:
            told[here or "empty"] = f"{sign} {there or 'empty'}{extra}"
    return told


def _unmapped(rule: tuple[str, str]) -> str:
    return (
        f"become “{rule[1]}”"
        if rule[0] == "default"
        else {"fail": "fail", "pass": "pass through"}.get(rule[0], rule[0])
    )
