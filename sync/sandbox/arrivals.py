"""Life on the instance while a demo runs: new incidents, and people who work on those that are open."""

from __future__ import annotations

import random
from threading import Event

from sync.sandbox.people import PEOPLE
from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.servicenow.schema import Row
from sync.sandbox.servicenow.tables.task import CLOSED, IN_PROGRESS, NEW, ON_HOLD, RESOLVED
from sync.sandbox.tickets import opening, resolution

_STAFF = tuple(person.user_name for person in PEOPLE if person.groups and person.active)
# What usually happens next to an incident in a state.
_NEXT = {NEW: IN_PROGRESS, IN_PROGRESS: RESOLVED, ON_HOLD: IN_PROGRESS, RESOLVED: CLOSED}

# What people say when an incident comes into a state; often nothing.
_SAID: dict[str, tuple[dict[str, str], ...]] = {
    IN_PROGRESS: (
        {},
        {"comments": "We are looking into it."},
        {"work_notes": "Same symptom as last week, see the known errors."},
        {"comments": "Could you send us a screenshot?", "work_notes": "The log shows nothing unusual."},
    ),
    RESOLVED: ({}, {"comments": "Please tell us whether it works again."}),
}


class Arrivals:
    """Deterministic for a seed; `step` by hand, or `run` in a thread."""

    def __init__(self, platform: ServiceNowPlatform, seed: int) -> None:
        self._platform = platform
        self._random = random.Random(f"arrivals-{seed}")  # noqa: S311 - reproducible, not secret

    def step(self) -> None:
        """One new incident, and the next thing that happens to an open one."""
        platform, by = self._platform, self._random.choice(_STAFF)
        open_row = self._pick_open()
        platform.add("incident", opening(self._random), by=by)
        if open_row is not None:
            at = platform.registry["incident"].position
            fields = self._next_fields(open_row[at["state"]], open_row[at["subcategory"]])
            platform.edit("incident", open_row[0], fields | self._said(fields), by=by)

    def run(self, stop: Event, *, per_minute: float) -> None:
        """Step until `stop` is set, in real time: a demo is watched by people."""
        while not stop.wait(60.0 / per_minute):
            self.step()

    def _next_fields(self, state: str, subcategory: str) -> dict[str, str]:
        following = _NEXT[state]
        fields = {"state": following}
        return fields | resolution(self._random, subcategory) if following == RESOLVED else fields

    def _said(self, fields: dict[str, str]) -> dict[str, str]:
        """What is said along with it: to the customer, and among colleagues."""
        return self._random.choice(_SAID.get(fields["state"], ({},)))

    def _pick_open(self) -> Row | None:
        with self._platform.lock:
            data = self._platform.store.data("incident")
            at = data.table.position["state"]
            recent = [data.by_id[sys_id] for _, sys_id in data.changed[-500:]]
        candidates = [row for row in recent if row[at] in _NEXT]
        return self._random.choice(candidates) if candidates else None
