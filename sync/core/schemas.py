"""What changed between two looks at a table or object. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sync.core.records import FieldSchema, Schema

# What a mapping can depend on; a label is not among it.
_FACTS = ("type", "length", "required", "createable", "updateable", "unique", "restricted", "reference_to")
ADDED, REMOVED, CHOICES = "added", "removed", "choices"


@dataclass(frozen=True, slots=True)
class Difference:
    """`what`: added, removed, choices, or the fact that differs. Of choices `before` is what went, `after` what came."""

    field: str
    what: str
    before: Any = None
    after: Any = None


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


def _of_field(was: FieldSchema, now: FieldSchema) -> Iterator[Difference]:
    for fact in _FACTS:
        old, new = getattr(was, fact), getattr(now, fact)
        if old != new:
            yield Difference(was.name, fact, _plain(old), _plain(new))
    gone = [value for value in was.choices if value not in now.choices]
    came = [value for value in now.choices if value not in was.choices]
    if gone or came:
        yield Difference(was.name, CHOICES, gone, came)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
