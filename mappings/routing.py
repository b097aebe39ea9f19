"""Which desk a record belongs to, and which one it stands on: pure, from a routing table and the values of both records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIDES = ("servicenow", "salesforce")
# Where a record says who works on it.
GROUP, PERSON, OWNER = "assignment_group", "assigned_to", "OwnerId"
OWNERS = {"servicenow": (GROUP, PERSON), "salesforce": (OWNER,)}
QUEUE = "00G"  # the first characters of a queue's Id; a person's are others

Seen = Mapping[str, Mapping[str, Any] | None]  # by side: a record's values, None where it was not looked at


@dataclass(frozen=True, slots=True)
class Desk:
    """`works_in`: the platform that its people work on. Ids are empty while nobody there knows the name."""

    name: str
    works_in: str
    group: str = ""  # of ServiceNow, by name
    queue: str = ""  # of Salesforce, by DeveloperName
    group_id: str = ""
    queue_id: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Records whose `field` on `side` has this value belong to the desk."""

    side: str
    field: str
    value: str
    desk: str


@dataclass(frozen=True, slots=True)
class Placement:
    """`belongs`: the desk by the table; `here` and `there`: the ones it stands on. Each is empty where it is none of them."""

    belongs: str = ""
    here: str = ""
    there: str = ""
    wrong: bool = False

    @property
    def stands(self) -> str:
        return self.here or self.there


@dataclass(frozen=True, slots=True)
class Routing:
    """Of routes the first one that holds counts."""

    name: str
    desks: tuple[Desk, ...] = ()
    routes: tuple[Route, ...] = ()

    def fields(self, side: str) -> tuple[str, ...]:
        """What must be read of a record on `side`."""
        asked = (route.field for route in self.routes if route.side == side)
        return tuple(dict.fromkeys([*asked, *OWNERS[side]]))

    def desk(self, name: str) -> Desk | None:
        return next((desk for desk in self.desks if desk.name == name), None)

    def place(self, seen: Seen) -> Placement:
        owner = self.desk(self._belongs(seen))
        here, there = self._here(seen.get("servicenow")), self._there(seen.get("salesforce"))
        wrong = owner is not None and (_is_amiss(seen, owner))
        return Placement(owner.name if owner else "", here, there, wrong)

    def _belongs(self, seen: Seen) -> str:
        for route in self.routes:
            values = seen.get(route.side)
            if values is not None and _text(values.get(route.field)) == route.value:
                return route.desk
        return ""

    def _here(self, values: Mapping[str, Any] | None) -> str:
        group = _text(values.get(GROUP)) if values else ""
        return next((desk.name for desk in self.desks if group and desk.group_id == group), "")

    def _there(self, values: Mapping[str, Any] | None) -> str:
        queue = _text(values.get(OWNER)) if values else ""
        return next((desk.name for desk in self.desks if queue and desk.queue_id == queue), "")


def _is_amiss(seen: Seen, desk: Desk) -> bool:
    """Whether a group or a queue other than the desk's own has it. A person who owns the Case is on nobody's wrong desk."""
    here, there = seen.get("servicenow"), seen.get("salesforce")
    if here is not None and desk.group_id and _text(here.get(GROUP)) != desk.group_id:
        return True
    owner = _text(there.get(OWNER)) if there is not None else ""
    return owner.startswith(QUEUE) and bool(desk.queue_id) and owner != desk.queue_id


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Trouble:
    part: str  # desks or routes
    index: int
    field: str
    text: str


def troubles(desks: list[Desk], routes: list[Route]) -> list[Trouble]:
    """What of a table contradicts itself: told alike by the file and the form."""
    found: list[Trouble] = []
    for index, desk in enumerate(desks):
        for name in ("name", "group", "queue"):
            value = getattr(desk, name)
            if value and value in [getattr(other, name) for other in desks[:index]]:
                found.append(Trouble("desks", index, name, f"Another desk has the {name} {value!r} already."))
    names = {desk.name for desk in desks}
    for index, route in enumerate(routes):
        if route.desk not in names:
            found.append(Trouble("routes", index, "desk", f"There is no desk {route.desk!r} in this table."))
        key = (route.side, route.field, route.value)
        if key in [(other.side, other.field, other.value) for other in routes[:index]]:
            text = f"An earlier route sends {route.field} = {route.value!r} to a desk already."
            found.append(Trouble("routes", index, "value", text))
    return found
