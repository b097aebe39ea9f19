"""The ways a value can be carried over. Pure: no Django, no network, no clock.

Adding one is an entry here with a docstring and a test. A transform builds two functions from a row: forward
(ServiceNow raw -> Salesforce raw) and, where it has an inverse, backward. Each returns a `Projected` value or raises
`Unmapped`. ServiceNow raws are strings ("" for empty), lists of strings for rows with several columns;
Salesforce raws are JSON scalars (None for empty).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from mappings.spec import Environment, FieldSpec, MappingSpec
from mappings.text import clean, cut, shown, spelled

NOT_YET = "NO_COUNTERPART_YET"  # code of what may have a counterpart later


class Unmapped(ValueError):
    """The value has no counterpart; `message` says which, `advice` what to do."""

    def __init__(self, message: str, *, code: str = "UNMAPPED_VALUE", advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice


class Projected(NamedTuple):
    """`value` is what to send; `note` says what was lost on the way ("" = nothing)."""

    value: Any
    note: str = ""


Step = Callable[[Any], Projected]
EMPTY = Projected(None)


class _Leave:
    """Stands for a column that a row leaves as it is. Never sent, never stored."""

    def __repr__(self) -> str:
        return "LEAVE"


LEAVE = _Leave()


class Steps(NamedTuple):
    forward: Step
    backward: Step | None  # None: it has no inverse


@dataclass(frozen=True, slots=True)
class Transform:
    label: str
    build: Callable[[FieldSpec, MappingSpec, Environment], Steps]
    needs_source: bool = True
    needs_value: bool = False
    needs_value_map: bool = False
    several_sources: bool = False


def _copy(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """Text as it is, cleaned of what the other side refuses and cut to its length; empty stays empty."""
    there = env.salesforce_lengths.get(row.salesforce, 0)
    here = env.servicenow_lengths.get(row.servicenow[0], 0)

    def forward(raw: Any) -> Projected:
        text = clean(as_text(raw))
        return Projected(*cut(text, there)) if text else EMPTY

    def backward(raw: Any) -> Projected:
        return Projected(*cut(clean(as_text(raw)), here))

    return Steps(forward, backward)


def _constant(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """The same value on every record; a person's change on the target is drift."""
    projected = Projected(row.value)
    return Steps(lambda raw: projected, None)


def _value_map(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """Look the value up in a value map; what is not in it fails, passes or takes the default, as the map says.

    Of several columns the entry holds the values joined by commas: impact and urgency as 1,2. That is how a computed
    column (priority) is written: as the columns it is computed from.
    """
    spec = mapping.value_maps[row.value_map]
    forward = _look_up(spec.to_salesforce, spec.unmapped_to_salesforce, spec.name, "ServiceNow", None)
    backward = _look_up(spec.to_servicenow, spec.unmapped_to_servicenow, spec.name, "Salesforce", "")
    if len(row.servicenow) < 2:
        return Steps(forward, backward)
    return Steps(lambda raw: forward(_joined(raw)), lambda raw: _parted(backward(raw), row, spec.name))


def _joined(raw: Any) -> str:
    parts = [as_text(part) for part in raw] if isinstance(raw, list) else [as_text(raw)]
    return ",".join(parts) if any(parts) else ""


def _parted(projected: Projected, row: FieldSpec, name: str) -> Projected:
    """The joined value of an entry as one value a column. Raises Unmapped where their numbers differ."""
    parts = [part.strip() for part in as_text(projected.value).split(",")]
    if parts == [""]:
        parts = [""] * len(row.servicenow)
    if len(parts) != len(row.servicenow):
        raise Unmapped(
            f"The entry {shown(projected.value)} of the value map {name} has {len(parts)} parts for "
            f"{len(row.servicenow)} columns ({', '.join(row.servicenow)}).",
            code="WRONG_NUMBER_OF_PARTS",
            advice=f"Write the entries of the value map {name} with one part a column, joined by commas.",
        )
    return Projected(parts, projected.note)


def _look_up(entries: Any, unmapped: tuple[str, str], name: str, origin: str, empty: Any) -> Step:
    policy, default = unmapped
    known = {source: Projected(target or empty) for source, target in entries.items()}

    def step(raw: Any) -> Projected:
        key = as_text(raw)
        found = known.get(key)
        if found is not None:
            return found
        if policy == "pass" or (not key and policy != "default"):
            return Projected(key or empty)
        if policy == "default":
            return Projected(
                default or empty, f"{origin} value {shown(key)} is not in value map {name}: default used"
            )
        raise Unmapped(
            f"{origin} value {shown(key)} is not in the value map {name}.",
            # Without the value: advice is kept in the clear, for lists and filters.
            advice=f"Add the value to the value map {name}, or let it take a default, then retry.",
        )

    return step


def _user(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """The first of the columns whose user or group has an active counterpart in the user table, else the fallback.

    Coming back into two columns, the first is for people (assigned_to) and the second for groups (assignment_group).
    """
    people = env.people

    def forward(raw: Any) -> Projected:
        names = [name for part in (raw if isinstance(raw, list) else [raw]) if (name := as_text(part))]
        for name in names:
            if found := people.to_salesforce.get(name):
                return Projected(found)
        if people.fallback_to_salesforce:
            note = "no active counterpart in the user table: fallback owner used" if names else ""
            return Projected(people.fallback_to_salesforce, note)
        if not names:
            raise Unmapped("Nobody is assigned and the user table has no fallback.", code="NO_OWNER",
                           advice="Give the user table a fallback for Salesforce.")  # fmt: skip
        raise Unmapped(
            f"User or group {shown(names[0])} has no active counterpart in Salesforce, and there is no fallback.",
            code="UNMAPPED_USER",
            advice="Add the person to the user table, or give the table a fallback for Salesforce.",
        )

    def found_for(owner: str) -> str:
        found = people.to_servicenow.get(owner) or people.fallback_to_servicenow
        if not found and owner:
            raise Unmapped(
                f"Salesforce owner {shown(owner)} has no active counterpart in ServiceNow, and there is no fallback.",
                code="UNMAPPED_USER",
                advice="Add the person to the user table, or give the table a fallback for ServiceNow.",
            )
        return found

    def backward(raw: Any) -> Projected:
        return Projected(found_for(as_text(raw)))

    def backward_in_two(raw: Any) -> Projected:
        """People go into the first column, groups into the second: a queue's record is nobody's yet."""
        found = found_for(as_text(raw))
        return Projected(["", found] if found in people.groups else [found, LEAVE])

    return Steps(forward, {1: backward, 2: backward_in_two}.get(len(row.servicenow)))


def _record_url(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """The web address of the ServiceNow record, from its sys_id."""

    def forward(raw: Any) -> Projected:
        return Projected(env.servicenow_record_url.format(id=as_text(raw))) if raw else EMPTY

    return Steps(forward, None)


def _link(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """The counterpart of the record that is referred to, as the flow named by `value` has linked it; empty stays empty.

    Where there is none yet the record waits: parents come before their children.
    """

    def towards(to: str, empty: Projected) -> Step:
        def carry(raw: Any) -> Projected:
            id = as_text(raw)
            if not id:
                return empty
            if found := env.counterpart(row.value, to, id):
                return Projected(found)
            raise Unmapped(
                f"{shown(id)} has no counterpart in the flow {row.value} yet.",
                code=NOT_YET,
                advice=f"Look for the record in the flow {row.value}: it may not enter there, or have failed.",
            )

        return carry

    return Steps(towards("salesforce", EMPTY), towards("servicenow", Projected("")))


def _number(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """A number: ServiceNow text to a JSON number and back, without a trailing .0."""

    def forward(raw: Any) -> Projected:
        return EMPTY if raw is None or raw == "" else Projected(_as_number(raw))

    def backward(raw: Any) -> Projected:
        return Projected("" if raw is None or raw == "" else spelled(_as_number(raw)))

    return Steps(forward, backward)


# Digits with or without commas between thousands. A comma anywhere else may be a decimal point, and is not guessed.
_NUMBER = re.compile(
    r"[+-]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,30})?(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII
)


def _as_number(raw: Any) -> int | float:
    """Whole numbers as int, whatever their size: none loses a digit. Raises Unmapped."""
    text = as_text(raw).strip()
    try:
        number = Decimal(text.replace(",", "")) if _NUMBER.fullmatch(text) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Unmapped(f"{shown(raw)} is not a number.", code="NOT_A_NUMBER")
    return int(number) if number == number.to_integral_value() else float(number)


def _boolean(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """True or false; empty is false, because a Salesforce checkbox is never empty."""

    def is_true(raw: Any) -> bool:
        return as_text(raw).strip().lower() in ("true", "1")

    return Steps(lambda raw: Projected(is_true(raw)), lambda raw: Projected(spelled(is_true(raw))))


def _datetime(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """A point in time: ServiceNow's `yyyy-MM-dd HH:mm:ss` UTC to ISO 8601 and back, whole seconds."""

    def forward(raw: Any) -> Projected:
        if not raw:
            return EMPTY
        # Not strftime: it writes the year 999 with three digits.
        return Projected(
            parse_servicenow_time(raw).replace(tzinfo=None).isoformat("T", "seconds") + ".000+0000"
        )

    def backward(raw: Any) -> Projected:
        return Projected(_parse(_in_utc, raw).isoformat(" ", "seconds") if raw else "")

    return Steps(forward, backward)


def _date(row: FieldSpec, mapping: MappingSpec, env: Environment) -> Steps:
    """The calendar day, in the flow's time zone, of a point in time (or a date as it is)."""
    zone = ZoneInfo(mapping.time_zone)

    def forward(raw: Any) -> Projected:
        if not raw:
            return EMPTY
        if len(as_text(raw)) == len("2026-11-23"):
            return Projected(_parse(date.fromisoformat, raw).isoformat())
        return Projected(_parse(lambda text: _servicenow_time(text).astimezone(zone), raw).date().isoformat())

    return Steps(forward, None)


def parse_servicenow_time(raw: str) -> datetime:
    """ServiceNow's `yyyy-MM-dd HH:mm:ss`, which is UTC whatever the user's zone. Raises Unmapped."""
    return _parse(_servicenow_time, raw)


def _servicenow_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _in_utc(text: str) -> datetime:
    """ISO 8601 as UTC without its offset; what names no offset is UTC already."""
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)


T = TypeVar("T")


def _parse(parser: Callable[[str], T], raw: Any) -> T:
    try:
        return parser(as_text(raw))
    except (ValueError, OverflowError):  # the latter: the first and last day there is, in another zone
        raise Unmapped(f"{shown(raw)} is not a date or time.", code="NOT_A_DATE") from None


def as_text(raw: Any) -> str:
    """A raw value as text: "" for nothing, JSON's spelling of booleans and numbers. Raises Unmapped for lists and objects."""
    if raw is None or isinstance(raw, str):
        return raw or ""
    if isinstance(raw, bool | int | float):
        return spelled(raw)
    raise Unmapped(
        f"{shown(raw)} is not one value but several.",
        code="NOT_ONE_VALUE",
        advice="Map one of its parts, or leave the field out.",
    )


TRANSFORMS: dict[str, Transform] = {
    "copy": Transform("copy", _copy),
    "value_map": Transform("value map", _value_map, needs_value_map=True, several_sources=True),
    "user": Transform("user, else fallback", _user, several_sources=True),
    "constant": Transform("constant", _constant, needs_source=False, needs_value=True),
    "record_url": Transform("link to the record", _record_url),
    "link": Transform("counterpart in another flow", _link, needs_value=True),
    "number": Transform("number", _number),
    "boolean": Transform("boolean", _boolean),
    "datetime": Transform("date and time", _datetime),
    "date": Transform("date", _date),
}
