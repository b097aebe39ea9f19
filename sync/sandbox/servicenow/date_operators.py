"""The operators of date columns: days, moments counted from now, parts of a date, one date against another.

Source: the vendor's page on operators, and sn-encoded-query. Days, weeks and parts are those of the calling user's zone
(UNVERIFIED for DATEPART and for SAMEAS with a unit).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

from sync.sandbox.servicenow import periods
from sync.sandbox.servicenow.comparisons import AT_LEAST, AT_MOST, GREATER, LESS, within
from sync.sandbox.servicenow.schema import DATE_TYPES, DAY_TYPES, Row
from sync.sandbox.servicenow.stamps import parse, stamp
from sync.sandbox.servicenow.terms import Getter, Operator, Term, Test

_DATE_PART = re.compile(r".*@javascript:\s*gs\.datePart\('(\w+)',\s*'(\w+)',\s*'(\w\w)'\);?")
_SIGNS: dict[str, Callable[[int, int], bool]] = {
    "EE": operator.eq,
    "GE": operator.ge,
    "GT": operator.gt,
    "LE": operator.le,
    "LT": operator.lt,
}


def _on(term: Term) -> Test | None:
    """`ONToday@<start>@<end>` as the list editor writes it, or `ON2026-03-01` for a day of the user's zone."""
    parts = term.value.split("@")
    if len(parts) == 3:
        return within(term, parts[1], parts[2])
    day = parse(parts[0])
    if day is None:
        return None
    start = day.replace(tzinfo=term.caller.midnight().tzinfo)
    return within(term, stamp(start), stamp(start + timedelta(days=1, seconds=-1)))


def _not_on(term: Term) -> Test | None:
    """Every other day, and an empty value as in `!=`."""
    on, get = _on(term), term.operand.get
    if on is None:
        return None
    empty_passes = term.caller.dialect.not_equal_returns_empty
    return lambda row: not on(row) and (empty_passes or bool(get(row)))


def _unit(word: str) -> str | None:
    word = "day" if word == "dayofweek" else word
    return word if word in periods.UNITS else None


def _relative_moment(term: Term) -> tuple[datetime, str] | None:
    """What `@minute@ago@15` names in the user's zone, and its unit."""
    parts = term.value.lstrip("@").split("@")
    unit = _unit(parts[0])
    if len(parts) != 3 or unit is None or parts[1] not in ("ago", "ahead") or not parts[2].isdigit():
        return None
    count = int(parts[2])
    try:
        return periods.shifted(term.caller.local_now, unit, -count if parts[1] == "ago" else count), unit
    except (OverflowError, ValueError):
        return None  # before the first year or after the last


def _relative(compare: Operator) -> Operator:
    def build(term: Term) -> Test | None:
        named = _relative_moment(term)
        return None if named is None else compare(_valued(term, stamp(named[0])))

    return build


def _relative_on(term: Term) -> Test | None:
    """Within the very minute, day or month."""
    named = _relative_moment(term)
    if named is None:
        return None
    start = periods.start_of(*named)
    end = periods.shifted(start, named[1], 1) - timedelta(seconds=1)
    return within(term, stamp(start), stamp(end))


def _valued(term: Term, value: str) -> Term:
    return Term(term.operand, value, term.scope)


def _date_part(term: Term) -> Test | None:
    """`DATEPARTMonday@javascript:gs.datePart('dayofweek','monday','GE')`."""
    match = _DATE_PART.fullmatch(term.value)
    if match is None:
        return None
    read, wanted = periods.part_of(match[1]), periods.part_named(match[1], match[2].lower())
    sign, local = _SIGNS.get(match[3].upper()), _local(term, term.operand.get)
    if read is None or wanted is None or sign is None:
        return None
    return lambda row: (moment := local(row)) is not None and sign(read(moment), wanted)


def _local(term: Term, get: Getter) -> Callable[[Row], datetime | None]:
    """The date in the caller's zone; None for an empty one, and at either end of the calendar, where zones have none."""
    zone = term.caller.local_now.tzinfo

    def read(row: Row) -> datetime | None:
        moment = parse(get(row))
        return moment.astimezone(zone) if moment and MINYEAR < moment.year < MAXYEAR else None

    return read


def _apart(passes: Callable[[datetime, datetime, datetime], bool]) -> Operator:
    """`sla_dueMORETHANactivity_due@day@before@1`: `passes` is told both dates, the nearer one first, and the limit."""

    def build(term: Term) -> Test | None:
        parts = term.value.split("@")
        other = term.scope.resolve(parts[0])
        unit = _unit(parts[1]) if len(parts) == 4 else None
        if other is None or unit is None or not parts[3].isdigit():
            return None
        count, direction = int(parts[3]), parts[2]
        one, two = _local(term, term.operand.get), _local(term, other.get)

        def test(row: Row) -> bool:
            here, there = one(row), two(row)
            if here is None or there is None:
                return False
            before = "before" in direction and passes(here, there, _later(here, unit, count))
            return before or ("after" in direction and passes(there, here, _later(there, unit, count)))

        return test

    return build


def _later(moment: datetime, unit: str, count: int) -> datetime:
    try:
        return periods.shifted(moment, unit, count)
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC)


def same_in(unit_name: str, term: Term, other: Getter) -> Test | None:
    """`SAMEASactivity_due@day`: both dates lie in the same day, week, month."""
    unit = _unit(unit_name)
    if unit is None:
        return None
    one, two = _local(term, term.operand.get), _local(term, other)

    def test(row: Row) -> bool:
        here, there = one(row), two(row)
        if here is None or there is None:
            return here is there
        return periods.start_of(here, unit) == periods.start_of(there, unit)

    return test


def _dates_only(build: Operator) -> Operator:
    """A day without a time counts as its midnight in UTC (UNVERIFIED for callers in other zones)."""
    return lambda term: build(term) if term.operand.column.kind in DATE_TYPES | DAY_TYPES else None


DATE_OPERATORS: dict[str, Operator] = {
    name: _dates_only(build)
    for name, build in {
        "ON": _on,
        "NOTON": _not_on,
        "DATEPART": _date_part,
        "RELATIVEGT": _relative(GREATER),
        "RELATIVEGE": _relative(AT_LEAST),
        "RELATIVELT": _relative(LESS),
        "RELATIVELE": _relative(AT_MOST),
        "RELATIVEEE": _relative_on,
        # UNVERIFIED whether whole units count; here a day before is 24 hours on the calendar, to the second.
        "MORETHAN": _apart(lambda earlier, later, limit: later > limit),
        "LESSTHAN": _apart(lambda earlier, later, limit: earlier <= later < limit),
    }.items()
}
