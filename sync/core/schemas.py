"""What changed between two looks at a table or object. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sync.core.records import RECORD_TYPE, FieldSchema, RecordType, Schema

# What a mapping can depend on; a label is not among it.
_FACTS = ("type", "length", "required", "createable", "updateable", "unique", "restricted", "reference_to")
ADDED, REMOVED, CHOICES, DEFAULT = "added", "removed", "choices", "default"


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: added, removed, choices, or the fact that differs. Of choices `before` is what went, `after` what came.

    `record_type`: the one that came, went, or offers other choices of the field. `default` of RecordTypeId: the names of
    what a new record got and gets.
    """

    field: str
    what: str
    before: Any = None
    after: Any = None
    record_type: str = ""


def differences(before: Schema, after: Schema) -> Iterator[Difference]:
    """Field by field, in the order of their names."""
    for name in sorted({*before.fields, *after.fields}):
        was, now = before.fields.get(name), after.fields.get(name)
        if was is None and now is not None:
            yield Difference(name, ADDED, None, now.type)
        elif now is None and was is not None:
            yield Difference(name, REMOVED, was.type, None)
        elif was is not None and now is not None:
            yield from _of_field(was, now)
    yield from _of_record_types(before, after)


def _of_field(was: FieldSchema, now: FieldSchema) -> Iterator[Difference]:
    for fact in _FACTS:
        old, new = getattr(was, fact), getattr(now, fact)
        if old != new:
            yield Difference(was.name, fact, _plain(old), _plain(new))
    yield from _of_choices(was.name, was.choices, now.choices)


def _of_choices(
    name: str, was: Sequence[str], now: Sequence[str], record_type: str = ""
) -> Iterator[Difference]:
    gone = [value for value in was if value not in now]
    came = [value for value in now if value not in was]
    if gone or came:
        yield Difference(name, CHOICES, gone, came, record_type)


def _of_record_types(before: Schema, after: Schema) -> Iterator[Difference]:
    """What a type offers beside what the list itself lost or gained, which is told once."""
    was, now = ({each.name: each for each in schema.record_types} for schema in (before, after))
    for name in sorted({*was, *now}):
        if name not in was:
            yield Difference(RECORD_TYPE, ADDED, None, now[name].label, name)
        elif name not in now:
            yield Difference(RECORD_TYPE, REMOVED, was[name].label, None, name)
        else:
            yield from _of_offers(before, after, was[name], now[name])
    old, new = ([each.name for each in types.values() if each.default] for types in (was, now))
    if old != new and was and now:
        yield Difference(RECORD_TYPE, DEFAULT, old, new)


def _of_offers(before: Schema, after: Schema, was: RecordType, now: RecordType) -> Iterator[Difference]:
    for name in sorted({*was.choices, *now.choices}):
        if name in before.fields and name in after.fields:
            lists = before.fields[name].choices, after.fields[name].choices
            kept = set(lists[0]) & set(lists[1])
            old, new = (
                [value for value in each.offers(name, choices) if value in kept]
                for each, choices in zip((was, now), lists, strict=True)
            )
            yield from _of_choices(name, old, new, now.name)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
