"""Fields that do not come to rest: what is remembered of one, and when it is left alone. Pure.

A field's state is a small JSON object kept with the pair: `ring`, our last writes as [side, digest of the value,
seconds since 1970], and `parked`, [code, ServiceNow value, Salesforce value] while the field is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any

from sync.core.records import Side

RING = 8
# The same value written to the same side so many times within this long (seconds), with nobody but ourselves and
# automation in between ... A loop that turns more slowly is not told from people who change their minds.
REPEATS = 2
# ... or so many times whoever did it: automation may run under a person's name.
ANYWAY, WITHIN = 4, 3600.0

COMES_BACK = "COMES_BACK_DIFFERENT"
ALTERNATES = "FIELD_ALTERNATES"
REFUSED_SILENTLY = "REFUSED_SILENTLY"

State = Mapping[str, Any]
Canonical = Callable[[Any], Hashable]


def remembered(state: State, side: Side, sent: Any, at: datetime, canonical: Canonical) -> dict[str, Any]:
    """The state after a write of `sent` to `side`."""
    ring = [*state.get("ring", ()), [str(side), _digest(sent, canonical), int(at.timestamp())]]
    return {**state, "ring": ring[-RING:]}


def restless(
    state: State, side: Side, planned: Any, at: datetime, canonical: Canonical, *, by_person: bool
) -> str:
    """Why a planned write would only repeat what came back before, "" if it is not known to.

    `by_person`: a person, or somebody we do not know, was the last to change the record that is written from.
    """
    ring = state.get("ring", ())
    digest = _digest(planned, canonical)
    same = [entry for entry in ring if entry[0] == side and entry[1] == digest]
    recent = [entry for entry in same if at.timestamp() - entry[2] <= WITHIN]
    if len(recent) < (ANYWAY if by_person else REPEATS):
        return ""
    others = [entry for entry in ring if entry[0] == side and entry[1] != digest]
    return ALTERNATES if others else COMES_BACK


def parked(state: State, code: str, servicenow: Any, salesforce: Any) -> dict[str, Any]:
    return {**state, "parked": [code, servicenow, salesforce]}


def released(state: State) -> dict[str, Any]:
    """Forgets why it was parked and what was written: what comes now is tried afresh."""
    return {name: value for name, value in state.items() if name not in ("parked", "ring")}


def still_parked(state: State, servicenow: Any, salesforce: Any, canonical: Canonical) -> str:
    """The code under which the field is left alone, "" if it is not, or if either side shows another value than then."""
    held = state.get("parked")
    if not held:
        return ""
    code, was_here, was_there = held
    same = canonical(was_here) == canonical(servicenow) and canonical(was_there) == canonical(salesforce)
    return str(code) if same else ""


def _digest(value: Any, canonical: Canonical) -> str:
    return hashlib.sha256(repr(canonical(value)).encode()).hexdigest()[:16]
