"""Which records a finding is about, as terms that either platform can be asked by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mappings.linting.ground import SERVICENOW, Line
from mappings.linting.report import Hit
from mappings.text import shown
from mappings.values import Unmapped, as_text

MOST = 200  # values that a condition names


def holding(line: Line, side: str, values: Sequence[Any]) -> Hit | None:
    """Records whose fields hold one of these values; None where those are too many, or lie behind a reference."""
    names = line.compiled.columns if side == SERVICENOW else (line.field.salesforce,)
    if not names or len(values) > MOST or any("." in name for name in names):
        return None
    try:
        any_of = tuple(
            tuple(zip(names, map(as_text, value if isinstance(value, list) else [value]), strict=True))
            for value in values
        )
    except (Unmapped, ValueError):
        return None
    return Hit(side, "values", any_of)


def agreeing(when: Sequence[Mapping[str, str]], given: Mapping[str, str]) -> list[Mapping[str, str]] | None:
    """Of the alternatives those that can hold together with `given`; no alternative at all holds always. None: none can."""
    if not when:
        return [{}]
    found = [each for each in when if all(given.get(name, value) == value for name, value in each.items())]
    return found or None


def met_together(pairs: Sequence[tuple[Mapping[str, str], Mapping[str, str]]]) -> Hit | None:
    """Records of ServiceNow that hold what both say, of any pair; None where those are too many, or lie behind a reference."""
    held = list(dict.fromkeys(tuple({**one, **other}.items()) for one, other in pairs))
    if len(held) > MOST or any("." in name for terms in held for name, _ in terms):
        return None
    return Hit(SERVICENOW, "values", tuple(held)) if all(held) and held else Hit(SERVICENOW, "all")


def spelled_out(values: Sequence[Any], most: int = 8) -> str:
    """Values as a sentence names them."""
    told = [shown(",".join(map(str, value)) if isinstance(value, list) else value) for value in values[:most]]
    return ", ".join(told) + (f" and {len(values) - most} more" if len(values) > most else "")
