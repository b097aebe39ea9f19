"""Which side was edited later, as far as stamps can tell.

A record's stamp says when *something* of it was changed, so an edit lies somewhere between the version last seen and
the one seen now. Where the field's history is known, its edit lies at one moment. Intervals that do not overlap decide; an
overlap is a tie, and the flow's `tie` side counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.core.records import Change, Side
from sync.engine.items import Item

# Whole seconds on both sides, and the spread of the measured clock offsets.
TIE = timedelta(seconds=2)
GRAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """`newest` None: a tie. `text`: how it was found, for the conflict's page."""

    newest: Side | None
    text: str


@dataclass(frozen=True, slots=True)
class _Interval:
    after: datetime | None
    until: datetime
    by: str = ""  # who edited the field, where its history tells that and when

    def __str__(self) -> str:
        if self.by:
            return f"at {self.until:%H:%M:%S} by {self.by} (field history)"
        since = f"after {self.after:%H:%M:%S}, " if self.after else ""
        return f"{since}until {self.until:%H:%M:%S}"


def reckon(
    item: Item, offsets: Mapping[Side, timedelta], edits: Mapping[Side, Change] | None = None
) -> Reckoning:
    """`offsets`: each platform's clock minus ours. Records that meet for the first time are compared by their stamps.

    `edits`: the field's last edit on either side, as far as history tells.
    """
    here, there = item.servicenow, item.salesforce
    assert here is not None
    assert there is not None
    left, right = (
        here.version.changed_at - offsets[Side.SERVICENOW],
        there.version.edited_at - offsets[Side.SALESFORCE],
    )
    if item.link is None or item.new_link:
        newest = None if abs(left - right) <= TIE else Side.SERVICENOW if left > right else Side.SALESFORCE
        return _said(newest, _Interval(None, left), _Interval(None, right))
    after_left = _minus(item.link.servicenow_changed_at, offsets[Side.SERVICENOW])
    if (
        item.link.servicenow_mod_count is not None
        and here.version.count == item.link.servicenow_mod_count + 1
    ):
        after_left = left - GRAIN  # one update since we looked: the stamp is that edit's
    after_right = _minus(item.link.salesforce_edited_at, offsets[Side.SALESFORCE])
    exact = {side: _moment(edit, offsets[side]) for side, edit in (edits or {}).items()}
    a = exact.get(Side.SERVICENOW) or _Interval(after_left, left)
    b = exact.get(Side.SALESFORCE) or _Interval(after_right, right)
    if a.after is not None and a.after > b.until + TIE:
        return _said(Side.SERVICENOW, a, b)
    if b.after is not None and b.after > a.until + TIE:
        return _said(Side.SALESFORCE, a, b)
    return _said(None, a, b)


def _moment(edit: Change, offset: timedelta) -> _Interval:
    return _Interval(edit.at - offset, edit.at - offset, edit.by or "somebody")


def _minus(moment: datetime | None, offset: timedelta) -> datetime | None:
    return moment - offset if moment else None


def _said(newest: Side | None, servicenow: _Interval, salesforce: _Interval) -> Reckoning:
    verdict = f"{newest} is newer" if newest else "a tie"
    return Reckoning(newest, f"ServiceNow {servicenow}; Salesforce {salesforce} UTC: {verdict}")
