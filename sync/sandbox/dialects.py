"""Switches: facts that no public source settles, so that a client can be tested under each reading.

A platform's dialect is a frozen dataclass whose switches are made by `switch`; other fields of it are settings of a
test and not questions. Names are unique over both platforms, so that an order needs no more than `name=value`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, cast

Value = bool | int | str
ANY_NUMBER = "n"  # a reading that stands for every whole number from 0 on
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

D = TypeVar("D")


class BadSwitch(ValueError):
    """A switch that does not exist, or a value that it does not take; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One question. `readings`: value as text -> what the platform does under it."""

    name: str
    default: Value
    question: str
    readings: Mapping[str, str]

    def parse(self, given: object) -> Value:
        """The typed value of text or of JSON. Raises BadSwitch."""
        text = str(given).strip().lower() if isinstance(given, bool) else str(given).strip()
        value: Value | None = text
        if isinstance(self.default, bool):
            value = _WORDS.get(text.lower())
        elif isinstance(self.default, int):
            value = int(text) if text.isascii() and text.isdigit() else None
        if value is None or not self._has_reading(value):
            raise BadSwitch(f"{self.name} takes {', '.join(self.readings)}; not {text!r}.")
        return value

    def _has_reading(self, value: Value) -> bool:
        return ANY_NUMBER in self.readings or as_text(value) in self.readings


def switch(default: Value, question: str, readings: Mapping[str, str]) -> Any:
    """A field of a dialect: its default, the question in one line, and the effect of each reading."""
    return field(default=default, metadata={"question": question, "readings": readings})


def as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def switches(dialect: Any) -> dict[str, Switch]:
    """The switches of a dialect, or of its class, by name."""
    return {
        each.name: Switch(
            each.name, cast(Value, each.default), each.metadata["question"], each.metadata["readings"]
        )
        for each in fields(dialect)
        if "question" in each.metadata
    }


def turned(dialect: D, wanted: Mapping[str, object]) -> D:
    """The dialect with some switches set, from text or JSON values. Raises BadSwitch."""
    known = switches(dialect)
    refuse_unknown(wanted, known)
    values: dict[str, Any] = {name: known[name].parse(value) for name, value in wanted.items()}
    changed: D = replace(dialect, **values)  # type: ignore[type-var]
    return changed


def described(dialect: Any) -> dict[str, dict[str, object]]:
    """All switches as JSON: value, default, question, readings."""
    return {
        name: {
            "value": getattr(dialect, name),
            "default": each.default,
            "question": each.question,
            "readings": dict(each.readings),
        }
        for name, each in switches(dialect).items()
    }


def read_orders(orders: Iterable[str]) -> dict[str, str]:
    """`name=value` of a command line. Raises BadSwitch for one without `=`."""
    pairs = [order.partition("=") for order in orders]
    if bad := next((name for name, mark, _ in pairs if not mark), None):
        raise BadSwitch(f"A switch is set by name=value; not {bad!r}.")
    return {name.strip(): value for name, _, value in pairs}


def refuse_unknown(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raises BadSwitch with the names there are."""
    names = sorted(known)
    if unknown := [name for name in wanted if name not in names]:
        raise BadSwitch(f"There is no switch {', '.join(unknown)}. There are: {', '.join(names)}.")
