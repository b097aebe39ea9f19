"""Who is who: names in a user table are resolved to both platforms' ids, and read from there by the mapping.

Resolving asks the platforms and stores what they said; reading (`people_spec`) touches the rows alone, so that a
run compiles its mapping without a call while the stored ids are fresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from mappings.models import UserTable, UserTableEntry
from mappings.models.usertable import Kind
from mappings.spec import Direction, PeopleSpec
from sync.connectors.base import Connector
from sync.core.records import Person

FRESH_FOR = timedelta(hours=1)
RESOLVED = ("servicenow_id", "servicenow_active", "salesforce_id", "salesforce_active", "resolved_at")


def needs_resolving(table: UserTable, *, now: datetime) -> bool:
    """Whether a name was edited since the last look-up, or that was more than an hour ago."""
    return table.resolved_at is None or table.resolved_at < now - FRESH_FOR


def people_spec(table: UserTable | None) -> PeopleSpec:
    """The ids as stored. Left out each way: who was not found, and who is inactive on the side written to."""
    if table is None:
        return PeopleSpec()
    pairs = [entry for entry in table.entries.all() if entry.servicenow_id and entry.salesforce_id]
    return PeopleSpec(
        to_salesforce={
            entry.servicenow_id: entry.salesforce_id
            for entry in pairs
            if entry.salesforce_active and entry.direction != Direction.TO_SERVICENOW
        },
        to_servicenow={
            entry.salesforce_id: entry.servicenow_id
            for entry in pairs
            if entry.servicenow_active and entry.direction != Direction.TO_SALESFORCE
        },
        fallback_to_salesforce=table.fallback_salesforce_id,
        fallback_to_servicenow=table.fallback_servicenow_id,
        groups=frozenset(entry.servicenow_id for entry in pairs if entry.kind == Kind.GROUP),
    )


def resolve_user_table(table: UserTable, servicenow: Connector, salesforce: Connector) -> list[str]:
    """Look all names up on both sides and store ids and activity; returns one sentence per name that leads nowhere.

    One look-up of users and one of groups a side. What the connectors raise passes through, and then nothing is
    stored: yesterday's ids are better than none.
    """
    entries = list(table.entries.all())
    with ThreadPoolExecutor(2) as side_by_side:
        asked = side_by_side.submit(_Directory.of, servicenow, _servicenow_keys(table, entries))
        there = _Directory.of(salesforce, _salesforce_keys(table, entries))
        here = asked.result()
    now = timezone.now()
    problems: list[str] = []
    for entry in entries:
        problems += _resolve_entry(entry, here, there, now)
    fallbacks = {
        "fallback_salesforce_id": there.first(
            _salesforce_kinds(table.fallback_to_salesforce), table.fallback_to_salesforce
        ),
        "fallback_servicenow_id": here.first(_servicenow_kinds(), table.fallback_to_servicenow),
    }
    problems += _fallback_problems(table, fallbacks)
    table.resolved_at = now
    _store(table, entries, fallbacks)
    return problems


@dataclass(frozen=True, slots=True)
class _Directory:
    """The people and groups one platform knows, found by kind and name; letter case does not matter to either."""

    known: Mapping[tuple[str, str], Person]

    @classmethod
    def of(cls, connector: Connector, keys: Mapping[str, Iterable[str]]) -> _Directory:
        wanted = {kind: sorted({name for name in names if name}) for kind, names in keys.items()}
        asked = [kind for kind, names in wanted.items() if names]
        with ThreadPoolExecutor(max(1, len(asked))) as side_by_side:
            found = list(side_by_side.map(lambda kind: connector.people(kind, wanted[kind]), asked))
        return cls({
            (kind, name.casefold()): person
            for kind, people in zip(asked, found, strict=True)
            for name, person in people.items()
        })  # fmt: skip

    def get(self, kind: str, name: str) -> Person | None:
        return self.known.get((kind, name.casefold()))

    def first(self, kinds: Sequence[str], name: str) -> Person | None:
        return next((person for kind in kinds if name and (person := self.get(kind, name))), None)


def _servicenow_kinds() -> tuple[str, ...]:
    """A fallback names a user, or, if there is none of that name, a group."""
    return (Kind.USER.value, Kind.GROUP.value)


def _salesforce_kinds(name: str) -> tuple[str, ...]:
    """A Salesforce Username always has the form of an e-mail address, a queue's DeveloperName never."""
    return (Kind.USER.value,) if "@" in name else (Kind.GROUP.value,)


def _servicenow_keys(table: UserTable, entries: Sequence[UserTableEntry]) -> dict[str, list[str]]:
    fallback = table.fallback_to_servicenow
    return {
        kind: [e.servicenow for e in entries if e.kind == kind] + [fallback] for kind in _servicenow_kinds()
    }


def _salesforce_keys(table: UserTable, entries: Sequence[UserTableEntry]) -> dict[str, list[str]]:
    fallback = table.fallback_to_salesforce
    return {
        kind: [e.salesforce for e in entries if e.kind == kind]
        + ([fallback] if kind in _salesforce_kinds(fallback) else [])
        for kind in Kind.values
    }


def _resolve_entry(entry: UserTableEntry, here: _Directory, there: _Directory, now: datetime) -> list[str]:
    left, right = here.get(entry.kind, entry.servicenow), there.get(entry.kind, entry.salesforce)
    entry.servicenow_id, entry.servicenow_active = (left.id, left.active) if left else ("", None)
    entry.salesforce_id, entry.salesforce_active = (right.id, right.active) if right else ("", None)
    entry.resolved_at = now
    group = entry.kind == Kind.GROUP
    problems = []
    if left is None:
        problems.append(f"ServiceNow shows no {'group' if group else 'user'} {entry.servicenow!r}.")
    if right is None:
        problems.append(f"Salesforce shows no {'queue' if group else 'user'} {entry.salesforce!r}.")
    if left and not left.active and entry.direction != Direction.TO_SALESFORCE:
        problems.append(f"{entry.servicenow!r} is inactive in ServiceNow and counts as missing there.")
    if right and not right.active and entry.direction != Direction.TO_SERVICENOW:
        problems.append(f"{entry.salesforce!r} is inactive in Salesforce and counts as missing there.")
    return problems


def _fallback_problems(table: UserTable, found: Mapping[str, Person | None]) -> list[str]:
    sides = (
        ("Salesforce", table.fallback_to_salesforce, found["fallback_salesforce_id"]),
        ("ServiceNow", table.fallback_to_servicenow, found["fallback_servicenow_id"]),
    )
    return [
        f"The fallback {name!r} is {'inactive' if person else 'not known'} in {side}."
        for side, name, person in sides
        if name and not (person and person.active)
    ]


def _store(
    table: UserTable, entries: Sequence[UserTableEntry], fallbacks: Mapping[str, Person | None]
) -> None:
    for column, person in fallbacks.items():
        setattr(table, column, person.id if person and person.active else "")
    with transaction.atomic():
        UserTableEntry.objects.bulk_update(entries, RESOLVED)
        table.save(update_fields=[*sorted(fallbacks), "resolved_at"])
