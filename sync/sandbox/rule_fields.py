"""Rules as JSON and YAML give them: a dataclass's keys and types, checked before anything is ordered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

# A hundred years either way: far beyond any test, and within what datetime and a thread's timer can hold.
MOST_SECONDS = 100 * 365 * 86_400.0
_WORDS = {str: "a text", int: "a whole number", float: "a number", dict: "a mapping", tuple: "a list"}


def seconds(given: object) -> float:
    """A number of seconds, also as text. Raises ValueError for what no clock can hold."""
    try:
        number = float(str(given))
    except ValueError:
        number = float("nan")
    if not abs(number) <= MOST_SECONDS:  # says no to NaN, too
        raise ValueError(f"{given!r} is no number of seconds within a hundred years")
    return number


def checked(rule: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `data`, if a dataclass has them all and with these types. Raises ValueError naming what is wrong."""
    known = {item.name: item for item in fields(rule)}
    unknown = sorted(str(name) for name in data if name not in known)
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(unknown)}")
    missing = [name for name, item in known.items() if _required(item) and name not in data]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    return {name: _typed(known[name], value) for name, value in data.items()}


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _typed(item: Field[Any], value: Any) -> Any:
    """Annotations are texts here; of those with parameters the name before them says enough."""
    wanted = next((kind for kind in _WORDS if str(item.type).partition("[")[0] == kind.__name__), None)
    if wanted is None:  # not of JSON's making: whoever reads the rule converts it
        return value
    if item.name in ("seconds", "jitter", "hold") and not isinstance(value, bool):
        return seconds(value) if isinstance(value, int | float) else _refuse(item.name, "a number", value)
    accepted = {float: (int, float), tuple: (list, tuple)}.get(wanted, (wanted,))
    if not isinstance(value, accepted) or isinstance(value, bool):
        _refuse(item.name, _WORDS[wanted], value)
    return tuple(str(each) for each in value) if wanted is tuple else value


def _refuse(name: str, wanted: str, value: object) -> Any:
    raise ValueError(f"{name} is {wanted}, not {value!r}")
