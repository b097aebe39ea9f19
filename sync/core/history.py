"""What a platform's history proves of a field: who edited it last, and what became of a request of ours. Pure.

All functions take the entries of one record, oldest first. A history may have holes: a field that is not followed has no
entries, and some say that there was an edit but not which. Only what an entry says is proof.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.core.records import Change, Version

CUT_AT = 255  # characters that Salesforce keeps of a value
Canonical = Callable[[Any], Hashable]


@dataclass(frozen=True, slots=True)
class Sent:
    """One field of a request of ours: the value that it sent, and the one that it was planned over."""

    field: str
    value: Any
    under: Any


@dataclass(frozen=True, slots=True)
class Lost:
    """What somebody had put into a field and our request went over unseen; `at` None: the entry that says it is missing."""

    value: Any
    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a request of ours left in the history. `whole`: it tells what it did to each of its fields.

    `count`: sys_mod_count that it led to, None on Salesforce. `lost`: by field, what it went over unseen. `fields`: those
    that surely came to hold what was sent; any other was refused without a word, or nobody follows it.
    """

    at: datetime
    count: int | None
    lost: Mapping[str, Lost] = field(default_factory=dict)
    whole: bool = True
    fields: frozenset[str] = frozenset()


def same(recorded: Any, value: Any, canonical: Canonical) -> bool:
    """Whether an entry's value is this one, as far as the platform keeps it."""
    if canonical(recorded) == canonical(value):
        return True
    cut = isinstance(recorded, str) and isinstance(value, str) and len(recorded) >= CUT_AT
    return cut and str(value).startswith(recorded)


def last_edit(
    changes: Sequence[Change], shown: Mapping[str, Any], seen: Version, canonical: Canonical
) -> Change | None:
    """The edit that made the fields what they are in the version `seen`; `shown`: each field with its value there.

    None where the history does not tell it: the newest entry is of another value, or there is none.
    """
    entries = [each for each in changes if each.field in shown and is_in(each, seen)]
    if not entries:
        return None
    last = entries[-1]
    return last if not last.told or same(last.new, shown[last.field], canonical) else None


def is_in(change: Change, seen: Version) -> bool:
    """Whether a version that was read holds a change already."""
    if change.count is not None and seen.count is not None:
        return change.count <= seen.count
    return change.at <= seen.edited_at


def trace(
    changes: Sequence[Change],
    sent: Sequence[Sent],
    own: str,
    canonical: Canonical,
    *,
    over_count: int | None = None,
    since: datetime | None = None,
) -> Trace | None:
    """What a request of ours, made by the user `own`, left behind; None: nothing, so that nothing is known of it.

    It was planned over the version with `over_count` (ServiceNow), and cannot have been executed before `since`.
    """
    wanted = {each.field: each for each in sent}
    later = [
        each
        for each in changes
        if each.field in wanted
        and (over_count is None or each.count is None or each.count > over_count)
        and (since is None or each.at >= since)
    ]
    ours = _of_our_update(later, wanted, own, canonical)
    if not ours:
        return None
    lost = {
        each.field: _lost(each, changes)
        for each in ours
        if each.told and not same(each.old, wanted[each.field].under, canonical)
    }
    told = {each.field for each in ours if each.told}
    # A field that somebody had set to the very value leaves no entry of ours, but one of theirs.
    told |= {
        each.field for each in later if each.told and same(each.new, wanted[each.field].value, canonical)
    }
    fields = frozenset(told | {each.field for each in ours})
    return Trace(ours[0].at, ours[0].count, lost, whole=told >= set(wanted), fields=fields)


def is_ruled_out(
    changes: Sequence[Change], sent: Sequence[Sent], canonical: Canonical, over_count: int, now_count: int
) -> bool:
    """Whether the history shows that a request of ours is in none of the versions up to `now_count`, of which it left no trace.

    So it is if a field was edited meanwhile, and hence is followed, and never came to hold what we sent.
    """
    for each in sent:
        between = [
            change
            for change in changes
            if change.field == each.field
            and change.count is not None
            and over_count < change.count <= now_count
        ]
        if between and not any(same(change.new, each.value, canonical) for change in between):
            return True
    return False


def _of_our_update(
    changes: Sequence[Change], wanted: Mapping[str, Sent], own: str, canonical: Canonical
) -> list[Change]:
    """The entries of the first update by `own` that set fields to what was sent, and none to anything else."""
    updates: dict[tuple[int | None, datetime], list[Change]] = {}
    for each in changes:
        if each.by == own:
            updates.setdefault((each.count, each.at), []).append(each)
    for entries in updates.values():
        if all(not each.told or same(each.new, wanted[each.field].value, canonical) for each in entries):
            return entries
    return []


def _lost(ours: Change, changes: Sequence[Change]) -> Lost:
    """The value under our entry, and who had put it there."""
    before = [each for each in changes[: changes.index(ours)] if each.field == ours.field]
    if before and before[-1].told and before[-1].new == ours.old:
        return Lost(ours.old, before[-1].by, before[-1].at)
    return Lost(ours.old)
