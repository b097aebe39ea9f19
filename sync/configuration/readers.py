"""How one value of the file is read: each reader tells what is wrong in `Remarks` and returns None then."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from mappings.cells import is_name
from mappings.expressions import ExpressionError, parse
from mappings.registry import names
from sync.configuration.problems import Remarks, did_you_mean
from sync.configuration.rules import BULK_PROBLEM, bulk_of, patterns_problem, start_problem
from sync.configuration.tree import Items, Keys, Node, Scalar
from sync.core.files import parse_size
from sync.cron import CronError, parse_cron

SLUG = re.compile(r"[-a-zA-Z0-9_]{1,80}")
COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the file we are, and the environment that `${NAME}` is read from."""

    path: str
    remarks: Remarks
    environ: Mapping[str, str]

    def into(self, step: str) -> Place:
        return Place(f"{self.path}.{step}" if self.path else step, self.remarks, self.environ)

    def item(self, label: str) -> Place:
        return Place(f"{self.path}[{label}]", self.remarks, self.environ)

    def problem(self, node: Node | int, text: str) -> None:
        self.remarks.problem(node if isinstance(node, int) else node.line, self.path, text)

    def notice(self, node: Node | int, text: str) -> None:
        self.remarks.notice(node if isinstance(node, int) else node.line, self.path, text)


Read = Callable[[Node, Place], Any]


def text(node: Node, place: Place) -> str | None:
    """Text as written: `1`, `No` and `2026-11-23` stay what they are; nothing, `~` and `null` are empty."""
    if not isinstance(node, Scalar):
        place.problem(node, f"Expected a text, not {_kind(node)}.")
        return None
    return "" if node.empty else node.text


def at_most(limit: int) -> Read:
    def read(node: Node, place: Place) -> str | None:
        value = text(node, place)
        if value is not None and len(value) > limit:
            place.problem(node, f"Longer than {limit} characters.")
            return None
        return value

    return read


def how(node: Node, place: Place) -> str | None:
    """The name of a transform, or a formula; one that does not read is told with the place in it."""
    value = text(node, place)
    if value is None:
        return None
    if is_name(value):
        found: str | None = choice(*names())(node, place)
        return found
    try:
        parse(value)
    except ExpressionError as error:
        place.problem(node, f"The formula does not read: {error}")
        return None
    return value


def name(node: Node, place: Place) -> str | None:
    value = text(node, place)
    if value is not None and not SLUG.fullmatch(value):
        place.problem(node, f"{value!r} is not a name: letters, digits, - and _, at most 80.")
        return None
    return value


def expanded(node: Node, place: Place) -> str | None:
    """Text in which `${NAME}` stands for a variable of the environment. Unset variables are a problem."""
    value = text(node, place)
    if value is None:
        return None
    if unset := [key for key in REFERENCE.findall(value) if not place.environ.get(key)]:
        place.problem(node, f"{', '.join(unset)} is not set in the environment.")
        return None
    return REFERENCE.sub(lambda match: place.environ[match[1]], value)


def optional_path(node: Node, place: Place) -> str | None:
    """Like `expanded`, but a single reference that is unset leaves the text empty: the system's default serves."""
    value = text(node, place)
    whole = REFERENCE.fullmatch(value or "")
    if whole and not place.environ.get(whole[1]):
        place.notice(node, f"{whole[1]} is not set: taken as empty.")
        return ""
    return expanded(node, place)


def flag(node: Node, place: Place) -> bool | None:
    value = WORDS.get(node.text.lower()) if isinstance(node, Scalar) and node.plain else None
    if value is None:
        place.problem(node, "Expected true or false.")
    return value


def number(low: int, high: int) -> Read:
    def read(node: Node, place: Place) -> int | None:
        shown = node.text if isinstance(node, Scalar) else ""
        if not re.fullmatch(r"\d{1,9}", shown) or not low <= int(shown) <= high:
            place.problem(node, f"Expected a whole number from {low:,} to {high:,}.")
            return None
        return int(shown)

    return read


def percent(node: Node, place: Place) -> int | None:
    found = re.fullmatch(r"(\d{1,3})\s*%?", node.text) if isinstance(node, Scalar) else None
    if not found or int(found[1]) > 90:
        place.problem(node, "Expected a share from 0% to 90%.")
        return None
    return int(found[1])


def seconds(node: Node, place: Place) -> int | None:
    """Seconds as a whole number, or with a unit: 90, 90s, 5m, 2h, 1d."""
    found = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", node.text) if isinstance(node, Scalar) else None
    total = int(found[1]) * UNITS[found[2] or "s"] if found else -1
    if not 0 <= total <= 365 * 86_400:
        place.problem(node, "Expected a time like 300, 90s, 5m, 2h or 1d.")
        return None
    return total


def file_size(node: Node, place: Place) -> int | None:
    size = parse_size(node.text) if isinstance(node, Scalar) else None
    if size is None:
        place.problem(node, "Expected a size like 25 MB, 900 KB or 1.5 GB; at most 2 GB.")
    return size


def patterns(node: Node, place: Place) -> tuple[str, ...] | None:
    """Patterns of names or types of files, as a list or with commas between."""
    value = columns(node, place) or ""
    found = tuple(part for part in value.split(", ") if part)
    if problem := patterns_problem(found):
        place.problem(node, problem)
        return None
    return found


def start(node: Node, place: Place) -> str | None:
    """What a flow's first poll reads: everything, now, or an ISO 8601 time with its offset."""
    value = text(node, place)
    problem = start_problem(value) if value is not None else ""
    if problem:
        place.problem(node, problem)
        return None
    return value


def bulk(node: Node, place: Place) -> str | int | None:
    """When creates of a first load go by bulk jobs: auto, never, always, or from how many at a time."""
    value = text(node, place)
    found = bulk_of(value) if value is not None else None
    if value is not None and found is None:
        place.problem(node, f"{value!r}: {BULK_PROBLEM}")
    return found


def fields(node: Node, place: Place) -> dict[str, Any] | None:
    """Salesforce fields with a value each: `{Status: Closed, IsEscalated: false}`."""
    if not isinstance(node, Keys):
        place.problem(node, "Expected fields with a value each, like {Status: Closed}.")
        return None
    found: dict[str, Any] = {}
    for name, child in node.values.items():
        if not COLUMN.fullmatch(name) or not isinstance(child, Scalar):
            place.into(name).problem(child, "Expected the name of a Salesforce field with a single value.")
        else:
            found[name] = anything(child, place)
    return found


def along(node: Node, place: Place) -> dict[str, str] | None:
    """ServiceNow columns that go with a value: `{close_code: Solution provided}`."""
    if not isinstance(node, Keys):
        place.problem(node, "Expected columns with a value each, like {close_code: Solution provided}.")
        return None
    found: dict[str, str] = {}
    for column, child in node.values.items():
        step = place.into(column)
        value = text(child, step)
        if not COLUMN.fullmatch(column):
            step.problem(node.lines[column], f"{column!r} is not the name of a ServiceNow column.")
        elif value is None or not value.strip():
            step.problem(child, "Give the value that goes into the column.")
        elif "\n" in value.strip():
            step.problem(child, "The value must stand on one line.")
        else:
            found[column] = value.strip()
    return found


def choice(*values: str) -> Read:
    def read(node: Node, place: Place) -> str | None:
        value = text(node, place)
        if value is not None and value not in values:
            listed = ", ".join(value for value in values if value)
            place.problem(node, f"{value!r} is not one of {listed}.{did_you_mean(value, values)}")
            return None
        return value

    return read


def columns(node: Node, place: Place) -> str | None:
    """One column, or several in order, as a list or with commas between."""
    if isinstance(node, Items):
        parts = [text(item, place.item(str(i))) or "" for i, item in enumerate(node.items)]
    else:
        parts = (text(node, place) or "").split(",")
    return ", ".join(part.strip() for part in parts if part.strip())


def cron(node: Node, place: Place) -> str | None:
    value = text(node, place)
    if value:
        try:
            parse_cron(value)
        except CronError as error:
            place.problem(node, str(error))
            return None
    return value


def time_zone(node: Node, place: Place) -> str | None:
    value = text(node, place)
    try:
        ZoneInfo(value or "-")
    except (KeyError, ValueError, OSError):
        place.problem(node, f"There is no time zone {value!r}; write one like UTC or Europe/Berlin.")
        return None
    return value


def secret_references(node: Node, place: Place) -> dict[str, str] | None:
    """Secret name -> variable name. A secret written out is refused, and not repeated in the message."""
    if not isinstance(node, Keys):
        place.problem(node, 'Expected names with a reference each, like {client_secret: "${ACME_SECRET}"}.')
        return None
    found: dict[str, str] = {}
    for key, child in node.values.items():
        reference = REFERENCE.fullmatch(child.text) if isinstance(child, Scalar) else None
        if reference:
            found[key] = reference[1]
        else:
            place.into(key).problem(
                child, "A secret is given as a reference to the environment, like ${ACME_SECRET}."
            )
    return found


def anything(node: Node, place: Place) -> Any:
    """Plain data: texts, numbers, true and false, lists, keys."""
    if isinstance(node, Keys):
        return {key: anything(child, place.into(key)) for key, child in node.values.items()}
    if isinstance(node, Items):
        return [anything(child, place.item(str(i))) for i, child in enumerate(node.items)]
    if not node.plain:
        return node.text
    if node.empty:
        return None
    if node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    return int(node.text) if re.fullmatch(r"-?\d{1,15}", node.text) else node.text


def _kind(node: Node) -> str:
    return {Items: "a list", Keys: "a set of keys", Scalar: "a single value"}[type(node)]
