"""Encoded queries, made by quoting: no value reaches a query except through here.

`^OR` binds tighter than `^`, and `^NQ` starts another query of the union. A condition is therefore a list of
*parts*, one for each side of `^NQ`, and whatever is added to it is added to every part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from sync.core.records import ChangeQuery, Cursor
from sync.errors import ConfigurationError, SchemaError

# Front ends refuse URLs somewhere above 8,000 characters with an HTML page; this leaves room for the rest.
MAX_IN_CHARACTERS = 5500
ORDER = "ORDERBYsys_updated_on^ORDERBYsys_id"
_TERM_END = re.compile(r"\^\^|\^")
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*\Z", re.IGNORECASE)
_FORBIDDEN = ("ORDERBY", "GROUPBY")


def escaped(value: str) -> str:
    """A value as a term may hold it: a literal ^ is doubled, and what the platform would run as a script is no script."""
    if value.lstrip().casefold().startswith("javascript:"):
        value = f"\u200b{value}"  # equals nothing, and cannot be said otherwise
    return value.replace("^", "^^")


def stamp(moment: datetime) -> str:
    """A datetime literal in UTC. A fraction is rounded up: rows are stamped with whole seconds."""
    moment = moment.astimezone(UTC)
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def name(text: str) -> str:
    """A table or field name, checked, since names cannot be quoted and an unknown one is silently dropped."""
    if not _NAME.match(text):
        raise SchemaError(f"{text!r} is not a ServiceNow name.", code="bad_name", advice="Check the mapping.")
    return text


def terms(condition: str) -> list[str]:
    """The condition cut at each single ^; ^^ belongs to a value."""
    found, start = [], 0
    for match in _TERM_END.finditer(condition):
        if match[0] == "^":
            found.append(condition[start : match.start()])
            start = match.end()
    return [*found, condition[start:]]


_COLUMN = re.compile(r"(?:OR|NQ)?([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)")  # keywords are upper case


def columns(condition: str) -> list[str]:
    """The columns that a condition names, in order."""
    found = (_COLUMN.match(term) for term in terms(condition))
    return [match[1] for match in found if match]


def parts(condition: str) -> list[str]:
    """The sides of ^NQ, each a conjunction; [""] for an empty condition.

    Raises ConfigurationError for a condition that sorts: the order is the reader's, and a second one breaks paging.
    """
    sides: list[list[str]] = [[]]
    for term in terms(condition.strip()):
        if term.startswith("NQ"):
            sides.append([])
            term = term.removeprefix("NQ")
        if term.startswith(_FORBIDDEN):
            raise ConfigurationError(
                f"The scope sorts or groups ({term}).",
                code="bad_scope",
                advice="Remove ORDERBY and GROUPBY from it.",
            )
        if term and term != "EQ":  # EQ ends a query copied from a list
            sides[-1].append(term)
    return ["^".join(side) for side in sides]


def every(condition: str, *additions: str) -> str:
    """`condition` and all additions. An addition may itself hold several parts."""
    combined = [""]
    for text in (condition, *additions):
        combined = [_joined(left, right) for left in combined for right in parts(text)]
    return "^NQ".join(combined)


def _joined(left: str, right: str) -> str:
    return f"{left}^{right}" if left and right else left or right


def changes(query: ChangeQuery, cursor: Cursor | None) -> str:
    """The keyset query: (stamp, id) after the cursor, in scope, in order.

    The cursor's two sides are two parts of the union, because "stamp > T or stamp = T and id > S" cannot be
    said within one; the scope is repeated in each. Rows of the same second come first: whether ORDERBY orders the
    union or each part of it is not public, and where a page fills up with later rows, the others would be passed.
    """
    return f"{condition(query, cursor)}^{ORDER}".removeprefix("^")


def condition(query: ChangeQuery, cursor: Cursor | None) -> str:
    """Which rows a reading still has before it, without their order."""
    of = (born(query.born_from, query.born_before), _ids(query.id_from, query.id_before))
    read = every(query.scope, query.enter, *of)
    return every(read, within(query.since, query.until), after(cursor))


def _ids(start: str, end: str) -> str:
    """Rows whose sys_id lies in [start, end)."""
    bounds = [f"sys_id>={escaped(start)}"] if start else []
    return "^".join([*bounds, f"sys_id<{escaped(end)}"] if end else bounds)


def after(cursor: Cursor | None, column: str = "sys_updated_on") -> str:
    """Rows behind the cursor by (`column`, sys_id); two parts of a union."""
    if cursor is None:
        return ""
    at = stamp(cursor.at.replace(microsecond=0))
    if not cursor.id:
        return f"{column}>={at}"
    return f"{column}={at}^sys_id>{escaped(cursor.id)}^NQ{column}>{at}"


def within(since: datetime | None, until: datetime | None) -> str:
    bounds = []
    if since:
        bounds.append(f"sys_updated_on>={stamp(since)}")
    if until:
        bounds.append(f"sys_updated_on<{stamp(until)}")
    return "^".join(bounds)


def born(start: datetime | None, end: datetime | None) -> str:
    """Rows created in [start, end)."""
    bounds = []
    if start:
        bounds.append(f"sys_created_on>={stamp(start)}")
    if end:
        bounds.append(f"sys_created_on<{stamp(end)}")
    return "^".join(bounds)


def one_of(field: str, values: Sequence[str]) -> str:
    """Rows whose field is one of the values. IN separates by commas and cannot quote them, so those use =."""
    plain = [escaped(value) for value in values if "," not in value and value]
    equal = [f"{name(field)}={escaped(value)}" for value in values if "," in value or not value]
    if plain:
        equal.insert(0, f"{name(field)}IN{','.join(plain)}")
    return "^OR".join(equal)


def chunks(values: Iterable[str], field: str, budget: int = MAX_IN_CHARACTERS) -> Iterator[list[str]]:
    """Cut values so that `one_of` fits the URL once percent-encoded."""
    chunk: list[str] = []
    size = 0
    for value in values:
        cost = len(quote(escaped(value), safe=",")) + (len(field) + 10 if "," in value else 1)
        if chunk and size + cost > budget:
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += cost
    if chunk:
        yield chunk
