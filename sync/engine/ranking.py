"""A step that ranks: candidates are looked up by the words that are asked for, compared, and the best are kept.

Which row fits how well is told by `sync.core.ranking`; the texts themselves are not kept with the action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mappings.markup import plain
from mappings.tools import Tools
from sync.connectors.servicenow import query
from sync.core import texts
from sync.core.actions import MOST_ROWS, SCORE, USUAL_ROWS, Step, brought
from sync.core.ranking import LONGEST, Candidate, ranked, telling, words
from sync.core.records import Record, Side

Scope = Mapping[str, object]
Look = Callable[[Step, Scope, str], Sequence[Record]]
USUAL_LIMIT = 3  # rows that are kept
MOST_SOUGHT = 12  # words that candidates are looked for by
_SHORTEST_SOUGHT = 3  # characters: shorter ones stand inside other words


def columns(step: Step) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*step.texts("text"), *step.texts("take"), *step.texts("distinct"))))


def among(step: Step) -> int:
    """How many candidates are read at most."""
    return min(int(step.text("among") or USUAL_ROWS), MOST_ROWS)


def best(step: Step, scope: Scope, tools: Tools, look: Look) -> list[dict[str, Any]]:
    """The rows that are kept, the best first. Raises Unmapped."""
    asked = plain(texts.filled(step.text("for"), scope, tools))
    if not words(asked):
        return []
    found = {record.id: record for record in look(step, scope, _sought(step, asked))}
    candidates = [Candidate(id, _fields(step, record)) for id, record in found.items()]
    kept: dict[str, dict[str, Any]] = {}
    for each in ranked(asked, candidates, at_least=float(step.text("at_least") or 0)):
        row = _row(step, found[each.key], each.score)
        if row["id"]:
            kept.setdefault(row["id"], row)
    return list(kept.values())[: int(step.text("limit") or USUAL_LIMIT)]


def _sought(step: Step, asked: str) -> str:
    """In ServiceNow: any of the words in any of the texts. Salesforce has no such condition over long texts."""
    if step.side is not Side.SERVICENOW:
        return ""
    sought = [word for word in telling(asked, MOST_SOUGHT) if len(word) >= _SHORTEST_SOUGHT]
    return "^OR".join(
        f"{query.name(column)}LIKE{query.escaped(word)}" for word in sought for column in step.texts("text")
    )


def _fields(step: Step, record: Record) -> tuple[str, ...]:
    return tuple(
        plain(texts.spoken(record.values.get(column))[: LONGEST * 2]) for column in step.texts("text")
    )


def _row(step: Step, record: Record, score: float) -> dict[str, Any]:
    taken = {
        name: record.values.get(name) for name in (*step.texts("take"), *step.texts("distinct")) if name not in ("Id", "sys_id")
    }  # fmt: skip
    distinct = step.text("distinct")
    id = texts.spoken(record.values.get(distinct)).strip() if distinct else record.id
    return brought(id, record.number, **taken) | {SCORE: score}
