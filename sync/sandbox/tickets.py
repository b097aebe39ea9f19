"""Incidents made from a seed that read like real ones: varied subjects, texts of several sentences, plausible lives.

The same seed, count and clock give the same incidents. They are loaded as history, past rules and policies,
but no row breaks them: whatever is resolved says how.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sync.sandbox.people import PEOPLE
from sync.sandbox.scenarios import CLOSINGS, PLACES, SCENARIOS, SINCE, Scenario
from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.servicenow.instance import group_id, user_id
from sync.sandbox.servicenow.rules import PRIORITY
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.tables.task import (
    CANCELED,
    CLOSE_CODES,
    CLOSED,
    IN_PROGRESS,
    NEW,
    ON_HOLD,
    RESOLVED,
)

HISTORY = timedelta(days=60)
FIRST_NUMBER = 10001
_STATES = (NEW, IN_PROGRESS, ON_HOLD, RESOLVED, CLOSED, CANCELED)
_YOUNG = (30, 40, 15, 12, 2, 1)  # weights of the states in the first week
_OLD = (1, 6, 4, 14, 72, 3)
_LEVELS = (("1", "2", "3"), (5, 30, 65))
_HOLD_REASONS = ("1", "3", "4", "5")

# Derived once: a hundred thousand tickets share these strings.
_CALLERS = tuple(user_id(person.user_name) for person in PEOPLE)
_GROUP_IDS = {scenario.group: group_id(scenario.group) for scenario in SCENARIOS}
_ASSIGNEES = {
    group: tuple(
        (user_id(person.user_name), person.user_name)
        for person in PEOPLE
        if group in person.groups and person.active
    )
    for group in _GROUP_IDS
}


@dataclass(frozen=True, slots=True)
class Text:
    scenario: Scenario
    subject: str
    description: str
    place: str


def write_text(rng: random.Random) -> Text:
    """A subject and a description of several sentences that belong together."""
    scenario = rng.choice(SCENARIOS)
    words = {
        "place": rng.choice(PLACES),
        "asset": f"ACME-{rng.randrange(1000, 9999)}",
        "since": rng.choice(SINCE),
    }
    sentences = [*scenario.details, rng.choice(CLOSINGS)]
    return Text(
        scenario,
        rng.choice(scenario.subjects).format(**words),
        " ".join(sentences).format(**words),
        words["place"],
    )


def opening(rng: random.Random) -> dict[str, str]:
    """What a caller's new incident says: fields as the form would send them."""
    text = write_text(rng)
    impact, urgency = rng.choices(*_LEVELS, k=2)
    return {
        "short_description": text.subject,
        "description": text.description,
        "category": text.scenario.category,
        "subcategory": text.scenario.subcategory,
        "u_symptom": text.scenario.symptom,
        "location": text.place,
        "contact_type": rng.choice(("email", "phone", "self-service")),
        "caller_id": rng.choice(_CALLERS),
        "impact": impact,
        "urgency": urgency,
        "assignment_group": _GROUP_IDS[text.scenario.group],
    }


def fill(platform: ServiceNowPlatform, count: int, seed: int) -> None:
    """Put `count` incidents into the instance, their stamps spread over the 60 days before its clock."""
    table = platform.registry["incident"]
    with platform.lock:
        platform.records.load(table, history(count, seed, platform.now()))


def history(count: int, seed: int, now: datetime) -> Iterator[dict[str, str]]:
    rng = random.Random(f"tickets-{seed}")  # noqa: S311 - reproducible, not secret
    step = HISTORY / max(1, count)
    for index in range(count):
        created = now - HISTORY + step * (index + rng.random() * 0.9)
        yield _ticket(rng, FIRST_NUMBER + index, created, now)


def _ticket(rng: random.Random, number: int, created: datetime, now: datetime) -> dict[str, str]:
    fields = opening(rng)
    age = now - created
    state = rng.choices(_STATES, _YOUNG if age < timedelta(days=7) else _OLD)[0]
    # Most tickets rest within days; the last change lies between their creation and now.
    updated = created if state == NEW else created + min(age, timedelta(days=9)) * rng.random()
    group = next(name for name, sys_id in _GROUP_IDS.items() if sys_id == fields["assignment_group"])
    assignee, user_name = rng.choice(_ASSIGNEES[group])
    changes = 0 if state == NEW else rng.randrange(1, 9)
    at, changed = stamp(created), stamp(updated)
    return {
        **fields,
        "number": f"INC{number:07d}",
        "state": state,
        "incident_state": state,
        "active": "false" if state in (CLOSED, CANCELED) else "true",
        "priority": PRIORITY[fields["impact"], fields["urgency"]],
        "assigned_to": assignee if changes else "",
        "opened_by": fields["caller_id"],
        "opened_at": at,
        "hold_reason": rng.choice(_HOLD_REASONS) if state == ON_HOLD else "",
        "sys_created_on": at,
        "sys_updated_on": changed,
        "sys_created_by": user_name,
        "sys_updated_by": user_name,
        "sys_mod_count": str(changes),
        **_ending(rng, state, assignee, changed, fields["subcategory"]),
    }


_RESOLUTIONS = {scenario.subcategory: scenario.resolution for scenario in SCENARIOS}
_CODES = tuple(choice.value for choice in CLOSE_CODES)


def resolution(rng: random.Random, subcategory: str) -> dict[str, str]:
    """The code and notes without which nothing can be resolved."""
    notes = _RESOLUTIONS.get(subcategory, "Solved together with the caller.")
    return {"close_code": rng.choice(_CODES), "close_notes": notes}


def _ending(rng: random.Random, state: str, assignee: str, at: str, subcategory: str) -> dict[str, str]:
    if state not in (RESOLVED, CLOSED, CANCELED):
        return {}
    closed = {"closed_at": at, "closed_by": assignee} if state != RESOLVED else {}
    if state == CANCELED:
        return closed
    return {**closed, **resolution(rng, subcategory), "resolved_at": at, "resolved_by": assignee}
