"""A file of audited changes replayed on the instance, as a migration writes them.

Rows go past data policies and computed fields: modification counts, stamps and priority are taken as given, except
that the stamps of the change are those of the replay, because a reader of changes must see them arrive.

Format: CSV in UTF-8, one row for the state of an incident after one change. Columns number, incident_state,
sys_mod_count and sys_updated_at (dd-mm-yyyy HH:MM, UTC) are needed; `?` is empty. It is that of the incident event log by
Amaral, Fantinato and Peres (2018), UCI Machine Learning Repository, CC BY 4.0.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.tables.task import CLOSED, IN_PROGRESS, NEW, ON_HOLD, RESOLVED

Line = dict[str, str]
_NEEDED = ("number", "incident_state", "sys_mod_count", "sys_updated_at")
_MOMENT = "%d-%m-%Y %H:%M"
_STATES = {"New": NEW, "Active": IN_PROGRESS, "Resolved": RESOLVED, "Closed": CLOSED}
_HOLD = "Awaiting "
_HOLD_REASONS = {"Awaiting User Info": "1", "Awaiting Problem": "3", "Awaiting Vendor": "4"}
_PEOPLE = ("caller_id", "opened_by", "assigned_to", "resolved_by")
_LEVELS = ("impact", "urgency", "priority")  # "2 - Medium" is the value 2
_AS_THEY_ARE = (
    "contact_type",
    "location",
    "category",
    "subcategory",
    "u_symptom",
)
# What the file names and the table refers to: put into the instance when first met.
_NAMED = {
    "cmdb_ci": "cmdb_ci",
    "problem_id": "problem",
    "rfc": "change_request",
    "caused_by": "change_request",
}
_COUNTS = ("reassignment_count", "reopen_count")
_MOMENTS = ("opened_at", "resolved_at", "closed_at")


class BadData(ValueError):
    """The file is not what a replay needs; the message names the line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change as the file tells it."""

    line: int
    at: datetime
    count: int
    values: Line

    @property
    def order(self) -> tuple[datetime, int, int]:
        """Time has minute grain, so the record's own count decides within it."""
        return self.at, self.count, self.line


def read_events(path: Path) -> list[Step]:
    """All changes in the order they happened. Raises BadData, or OSError for an unreadable file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise BadData(f"{path.name}: columns missing: {', '.join(missing)}")
        events = [_event(reader.line_num, row) for row in reader]
    return sorted(events, key=lambda event: event.order)


def _event(line: int, row: dict[str, str | None]) -> Step:
    values = {name: "" if value in (None, "?") else str(value).strip() for name, value in row.items()}
    try:
        return Step(line, _moment(values["sys_updated_at"]), int(values["sys_mod_count"]), values)
    except ValueError as error:
        raise BadData(f"line {line}: {error}") from error


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)


class Replay:
    """Step through the changes of a file; each step writes one row and returns it by number."""

    def __init__(self, platform: ServiceNowPlatform, path: Path) -> None:
        self._platform = platform
        self.events = read_events(path)
        self._names: dict[str, str] = {}  # table and name to sys_id
        self._steps = self._play()

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[str]:
        return self._steps

    def introduce(self) -> None:
        """Put everybody into the instance before the first change, like people who have been there for years."""
        with self._platform.lock:
            for values in (event.values for event in self.events):
                for name in _PEOPLE:
                    self._person(values.get(name, ""))
                self._named("sys_user_group", values.get("assignment_group", ""))

    def all(self) -> None:
        """Replay what is left, at once."""
        for _ in self._steps:
            pass

    def run(self, stop: Event, *, speed: float) -> None:
        """Replay `speed` changes a second until the end, or until `stop` is set."""
        for _ in self._steps:
            if stop.wait(1.0 / speed):
                return

    def _play(self) -> Iterator[str]:
        for event in self.events:
            with self._platform.lock:
                self._write(event)
            yield event.values["number"]

    def _write(self, event: Step) -> None:
        platform, values = self._platform, event.values
        now = stamp(platform.now())
        fields = {
            "sys_id": _derived("incident", values["number"]),
            "number": values["number"],
            "short_description": _subject(values),
            "sys_updated_on": now,
            "sys_updated_by": self._user_name(values.get("sys_updated_by", "")),
            "sys_mod_count": str(event.count),
            **_state(values["incident_state"]),
            **{name: values.get(name, "") for name in _AS_THEY_ARE},
            **{name: values.get(name, "").partition(" ")[0] for name in _LEVELS},
            **{name: values.get(name, "") or "0" for name in _COUNTS},
            **{name: self._person(values.get(name, "")) for name in _PEOPLE},
            **{name: _stamp_or_empty(values.get(name, "")) for name in _MOMENTS},
            **{name: self._named(table, values.get(name, "")) for name, table in _NAMED.items()},
            "assignment_group": self._named("sys_user_group", values.get("assignment_group", "")),
        }
        table = platform.registry["incident"]
        if platform.store.find("incident", fields["sys_id"]) is None:
            fields["sys_created_on"] = now
            fields["sys_created_by"] = self._user_name(values.get("sys_created_by", ""))
        fields |= _resolution(fields["state"], values)
        platform.records.raw(table, fields)

    def _person(self, name: str) -> str:
        return self._named("sys_user", name)

    def _user_name(self, name: str) -> str:
        if name:
            self._person(name)
        return _login(name) or "system"

    def _named(self, table: str, name: str) -> str:
        """The sys_id of a person or group of the file, who is put into the instance when first met."""
        if not name:
            return ""
        key = f"{table}/{name}"
        if key not in self._names:
            self._names[key] = self._introduce(table, name)
        return self._names[key]

    def _introduce(self, table: str, name: str) -> str:
        sys_id = _derived(table, name)
        platform = self._platform
        if platform.store.find(table, sys_id) is None:
            known_by = "number" if table in ("problem", "change_request") else "name"
            values = {"sys_id": sys_id, known_by: " ".join(name.split())}
            if table == "sys_user":
                first, _, last = values["name"].partition(" ")
                values |= {
                    "user_name": _login(name),
                    "first_name": first,
                    "last_name": last,
                    "email": f"{_login(name)}@acme.example",
                }
            platform.records.raw(platform.registry[table], values)
        return sys_id


def _derived(table: str, name: str) -> str:
    return hashlib.md5(f"replay/{table}/{name}".encode(), usedforsecurity=False).hexdigest()


def _login(name: str) -> str:
    return ".".join(name.lower().split())


def _subject(values: Line) -> str:
    """`Category 55: Symptom 72 (INC0000045)`; the file itself carries no text."""
    about = ": ".join(text for name in ("category", "u_symptom") if (text := values.get(name, "")))
    return f"{about or 'Incident'} ({values['number']})"


def _state(name: str) -> Line:
    """Every kind of waiting is On Hold. An unknown name stays as it is, as a migration would leave it."""
    state = ON_HOLD if name.startswith(_HOLD) else _STATES.get(name, name)
    return {
        "state": state,
        "incident_state": state,
        "hold_reason": _HOLD_REASONS.get(name, ""),
        "active": "false" if state == CLOSED else "true",
    }


def _resolution(state: str, values: Line) -> Line:
    """The file tells how an incident will end from its first row on; the record knows it only then."""
    if state in (RESOLVED, CLOSED):
        hidden = {} if state == CLOSED else {"closed_at": ""}
        return {"close_code": values.get("closed_code", ""), **hidden}
    return {"resolved_at": "", "resolved_by": "", "closed_at": "", "close_code": ""}


def _stamp_or_empty(text: str) -> str:
    try:
        return stamp(_moment(text)) if text else ""
    except ValueError:
        return ""
