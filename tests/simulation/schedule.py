"""Schedules: what happens, step by step, drawn from a seed. A schedule is data, so that it can be shrunk and replayed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from sync.core.records import Side
from tests.simulation.flows import FLOWS, TALKING, deletes

Step = tuple[Any, ...]
# Characters of what is said: what fits, what takes a part or two more, what takes many. Bytes of a file.
LENGTHS = (0, 0, 1_900, 7_000)
SIZES = (7, 7, 900, 70_000)


@dataclass(frozen=True)
class Schedule:
    """`flow`: a key of FLOWS. `skew`: seconds by which each platform's clock is wrong. `steps`: see `Play`."""

    seed: int
    flow: str
    page_size: int
    skew: tuple[float, float]
    steps: tuple[Step, ...]
    dialect: tuple[tuple[str, object], ...] = ()
    history: bool = True  # whether field histories can be read

    def with_steps(self, steps: tuple[Step, ...]) -> Schedule:
        return replace(self, steps=steps)

    def __str__(self) -> str:
        lines = "\n".join(f"    {step!r}," for step in self.steps)
        return (
            f"Schedule(seed={self.seed}, flow={self.flow!r}, page_size={self.page_size}, skew={self.skew},\n"
            f"  dialect={self.dialect}, history={self.history},\n  steps=(\n{lines}\n))"
        )


SIDES = tuple(Side)
# Where what people do matters most: before a request leaves, after it was executed, before that is recorded.
BRINKS = (
    "before POST salesforce write",
    "before PATCH servicenow write",
    "before P",
    "after POST salesforce write",
    "after PATCH servicenow write",
    "before record",
)
FIELDS = ("subject", "subject", "status", "symptom", "note")
STATUSES = {
    Side.SERVICENOW: "1 2 3 6 7".split(),
    Side.SALESFORCE: "New,Working,Escalated,On Hold,Resolved,Closed".split(","),
}
# What a lost call may be: kind, and the rule's other keys.
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("reset_before", {}),
    ("reset_after", {}),
    ("reset_after", {}),
    ("status", {"status": 503}),
    ("status", {"status": 500}),
    ("truncated", {}),
    ("empty", {}),
    ("delay", {"seconds": 75.0}),
    ("delay", {"seconds": 3.0}),
    ("execute_late", {"seconds": 20.0, "hold": 5.0}),
    ("execute_late", {"seconds": 400.0, "hold": 30.0}),
    ("execute_late", {"seconds": 90.0, "status": 504}),
    ("hang", {"seconds": 70.0}),
)
SWITCHES: tuple[tuple[str, object], ...] = (
    ("update_that_changes_nothing_stamps", True),
    ("equal_update_moves_stamps", False),
    ("trims_text", True),
    ("second_insert_under_one_sys_id", "plain"),
    ("second_insert_under_one_sys_id", "conflict"),
    ("invalid_query_returns_no_rows", True),
)


def draw(seed: int, flow: str = "") -> Schedule:
    """The schedule of a seed; always the same one."""
    rng = random.Random(seed)
    flow = flow or _drawn(rng, seed)
    steps: list[Step] = []
    _begin(rng, flow, steps)
    for _ in range(rng.randint(2, 4)):
        _round(rng, flow, steps)
    if flow in TALKING:
        talk(random.Random(f"talk of {seed}"), steps)
    if deletes(flow):
        _delete_and_restore(random.Random(f"deletions of {seed}"), steps)
    skew = (0.0, 0.0) if rng.random() < 0.5 else (rng.uniform(-30, 30), rng.uniform(-30, 30))
    dialect = (rng.choice(SWITCHES),) if rng.random() < 0.25 else ()
    page_size, history = rng.choice((1, 2, 2, 50)), rng.random() < 0.5
    return Schedule(seed, flow, page_size, skew, tuple(steps), dialect, history)


def _drawn(rng: random.Random, seed: int) -> str:
    """One in ten is about what people say and attach; the others are what they were before anybody did."""
    plain = rng.choice(list(FLOWS))
    talking = random.Random(f"flow of {seed}").choice(list(TALKING))
    return talking if seed % 10 == 9 else plain


def _delete_and_restore(rng: random.Random, steps: list[Step]) -> None:
    """People delete a record or two, at any moment, and may think better of it later."""
    for _ in range(rng.randint(1, 3)):
        side, at = rng.choice(SIDES), rng.randint(1, len(steps))
        steps.insert(at, ("delete", side, rng.randrange(3)))
        if rng.random() < 0.5:
            steps.insert(rng.randint(at + 1, len(steps)), ("undelete", side))


def talk(rng: random.Random, steps: list[Step]) -> None:
    """People say something and attach files, at any moment; and a run or two in which just that is in trouble."""
    for _ in range(rng.randint(2, 4)):
        steps.insert(rng.randint(1, len(steps)), _utterance(rng))
    for _ in range(rng.randint(0, 2)):
        steps.insert(rng.randint(1, len(steps)), _trouble_in_talk(rng))
    for _ in range(rng.randint(1, 2)):
        steps += [_utterance(rng) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.5:
            steps.append(_trouble_in_talk(rng))
        if rng.random() < 0.2:
            side = rng.choice(SIDES)
            steps.insert(-2, ("late", side, rng.choice((3.0, 40.0, 200.0)), 1, rng.choice(LATE_TALK[side])))
        steps += [("start", "a", "live"), ("seek", "a", rng.choice(TALK_BRINKS))]
        if rng.random() < 0.6:
            steps.append(_utterance(rng))
        end = rng.random()
        if end < 0.5:
            steps += [("go", "a", rng.randint(1, 4)), ("die", "a", rng.random() < 0.5)]
        elif end < 0.65:
            steps += [("stop", "a"), ("go", "a", 0)]
        else:
            steps.append(("go", "a", 0))
        if rng.random() < 0.5:
            steps.append(("wait", rng.choice((1.0, 30.0, 190.0, 320.0, 700.0))))


# Where a run is in the middle of entries and files.
TALK_BRINKS = (
    "before PATCH servicenow write of an entry",
    "after PATCH servicenow write of an entry",
    "before POST salesforce write of an entry",
    "after POST salesforce write of an entry",
    "before POST servicenow write of a file",
    "after POST servicenow write of a file",
    "before POST salesforce write of a file",
    "after POST salesforce write of a file",
    "after GET servicenow of an entry",
    "after GET salesforce of a file",
)
LATE_TALK = {
    Side.SERVICENOW: ("sys_journal_field", "sys_attachment"),
    Side.SALESFORCE: ("CaseComment", "FeedItem"),
}


def _utterance(rng: random.Random) -> Step:
    side, index = rng.choice(SIDES), rng.choice((0, 0, 0, 1, 2))
    if rng.random() < 0.4:
        return ("attach", side, index, rng.choice(SIZES), rng.random() < 0.15)
    quoting = rng.randint(1, 3) if rng.random() < 0.2 else 0
    return ("say", side, index, rng.random() < 0.5, rng.choice(LENGTHS), quoting)


def _trouble_in_talk(rng: random.Random) -> Step:
    kind, rule = rng.choice(FAULTS)
    return (
        "fault", rng.choice(SIDES), kind, dict(rule), rng.choice(("files", "entries")), rng.randrange(2),
    )  # fmt: skip


def _begin(rng: random.Random, flow: str, steps: list[Step]) -> None:
    for _ in range(rng.randint(1, 2)):
        steps.append(("add", rng.choice(SIDES)))
    if rng.random() < 0.25:
        steps.append(("meet",))  # two records that name each other, and no link yet
    if rng.random() < 0.5:
        steps += [("start", "a", "live"), ("go", "a", 0)]


def _round(rng: random.Random, flow: str, steps: list[Step]) -> None:
    """Something happens, a run goes over it, and meanwhile something else happens."""
    for _ in range(rng.randint(1, 3)):
        steps.append(_deed(rng))
    if rng.random() < 0.45:
        steps.append(_fault(rng))
    if rng.random() < 0.2:
        steps.append(("late", rng.choice(SIDES), rng.choice((3.0, 40.0, 200.0)), rng.randint(1, 3)))
    second = rng.random() < 0.25
    steps.append(("start", "a", "live"))
    if second:
        steps.append(("start", "b", rng.choice(("live", "backfill"))))
    for _ in range(rng.randint(0, 4)):
        name = rng.choice("ab") if second else "a"
        if rng.random() < 0.4:
            steps += [
                ("seek", name, rng.choice(BRINKS)),
                ("rush", name) if rng.random() < 0.5 else _edit(rng),
            ]
        else:
            steps += [("go", name, rng.randint(1, 12)), _meanwhile(rng)]
    if rng.random() < 0.1:
        steps.append(("stop", "a"))
    if rng.random() < 0.3:
        steps.append(("die", rng.choice("ab") if second else "a", rng.random() < 0.5))
    else:
        steps += [("go", "a", 0), ("go", "b", 0)][: 1 + second]
    if rng.random() < 0.5:
        steps.append(("wait", rng.choice((0.3, 1.0, 5.0, 30.0, 61.0, 190.0, 320.0))))


def _deed(rng: random.Random) -> Step:
    if rng.random() < 0.2:
        return ("add", rng.choice(SIDES))
    return _edit(rng)


def _edit(rng: random.Random) -> Step:
    side, field = rng.choice(SIDES), rng.choice(FIELDS)
    value = rng.choice(STATUSES[side]) if field == "status" else ""
    return ("edit", side, rng.choice((0, 0, 0, 1, 2, 3)), field, value)


def _meanwhile(rng: random.Random) -> Step:
    chance = rng.random()
    if chance < 0.6:
        return _edit(rng)
    if chance < 0.7:
        return _fault(rng)
    if chance < 0.75:
        return ("add", rng.choice(SIDES))
    return ("wait", rng.choice((0.4, 1.0, 2.0, 20.0, 50.0, 185.0)))


def _fault(rng: random.Random) -> Step:
    side = rng.choice(SIDES)
    if rng.random() < 0.15 and side is Side.SALESFORCE:
        return (
            "fault",
            side,
            "locks",
            {"share": 0.5, "times": rng.randint(1, 2)},
            "writes",
            rng.randrange(2),
        )
    kind, rule = rng.choice(FAULTS)
    where = "writes" if rng.random() < 0.75 else "reads"
    if where == "reads" and kind == "execute_late":
        kind, rule = "reset_after", {}
    return ("fault", side, kind, dict(rule), where, rng.randrange(2))
