"""What a flow does beside keeping fields in step: actions that follow a create, an update or a transition.

An action is declared as data (`actions:` of a flow) and read here into types. Its steps are done one after the other; what
each has brought is kept, so that an action goes on where it stopped. A look-up with `many: each` makes a list: steps that
name a column of its rows are done once for each row (an *audience*), all others once.

Pure: words and types, and the order of steps. What contradicts itself in a declaration is told by `action_rules`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from sync.core.records import Refusal, Reply, Side, WriteResult
from sync.core.texts import condition, template


class On(StrEnum):
    """What an action follows."""

    CREATED = "created"  # we have made the counterpart on this side
    UPDATED = "updated"  # we have written to the record on this side
    ENTERED = "entered"  # a record of this side meets `when`, which it did not at the last look
    CHANGED = "changed"  # a column of a record of this side went from one value to another between two looks


class Do(StrEnum):
    LOOK_UP = "look_up"
    LIST = "list"
    RANK = "rank"
    CREATE = "create"
    UPDATE = "update"
    ORDER = "order"
    POST = "post"
    NOTIFY = "notify"


SEEN = (On.ENTERED, On.CHANGED)  # what is told by two looks at a record, and needs the earlier one kept
# What look-ups do where they find nothing, or more than one.
NONE = ("fail", "skip", "wait", "continue")
MANY = ("fail", "first", "each")
PLACES = ("chatter", "case_comment", "work_note", "comment")
MEANS = ("email", "salesforce_email", "task")
MOST_ROWS = 200  # of a list: each is an audience with calls of its own
USUAL_ROWS = 50
BETWEEN = ";"  # the texts of a list, as Salesforce writes the values of a multi-select picklist
# What any step leaves behind for those after it, beside the columns that a look-up takes.
RESULTS = ("found", "id", "sys_id", "Id", "number")
# And what a list, or a step that was done for each of its rows, tells as a whole.
WHOLE = ("count", "ids", "numbers")
# A ranking tells of each row how well it fits, and as a whole the best score, and all of them behind their numbers.
SCORE, RATED = "score", ("best", "scores")
READS = (Do.LOOK_UP, Do.RANK)
# Objects of which Salesforce makes one for each pair of what they join, and answers a second create with the first.
ONE_OF_EACH = frozenset({"CaseArticle"})


@dataclass(frozen=True, slots=True)
class Trigger:
    """`columns`: of a transition; `before`, `after`: its values, of a single column; empty: any."""

    on: On
    side: Side
    columns: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def source(self) -> Side:
        """The side of the record that an action is about: whose values are captured when it is planned."""
        return self.side if self.on in SEEN else self.side.other


@dataclass(frozen=True)
class Step:
    """`said`: its keys as they are declared, beside name, kind and condition: texts, lists of texts, or texts by name."""

    name: str
    do: Do
    when: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str, default: str = "") -> str:
        value = self.said.get(key, default)
        return value if isinstance(value, str) else default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.said.get(key, ())
        return (value,) if isinstance(value, str) else tuple(value)

    def values(self, key: str) -> Mapping[str, str]:
        value = self.said.get(key)
        return value if isinstance(value, Mapping) else {}

    @property
    def side(self) -> Side | None:
        """Which platform it speaks to; None: neither (an e-mail of our own, a text that is taken apart)."""
        if self.do is Do.ORDER:
            return Side.SERVICENOW
        if self.do is Do.POST:
            return Side.SERVICENOW if self.text("to") in ("work_note", "comment") else Side.SALESFORCE
        if self.do is Do.NOTIFY:
            return None if self.text("by") == "email" else Side.SALESFORCE
        if self.do is Do.LIST:
            return None
        return Side(self.text("in"))

    @property
    def makes_list(self) -> bool:
        return self.do in (Do.LIST, Do.RANK) or (
            self.do is Do.LOOK_UP and self.text("many", "fail") == "each"
        )

    @property
    def is_keyed(self) -> bool:
        """Whether the platform takes a repetition of its request for the first one."""
        if self.do is Do.CREATE:
            return self.side is Side.SERVICENOW or bool(self.text("key")) or self.text("table") in ONE_OF_EACH
        return self.do is Do.UPDATE

    @property
    def writes(self) -> bool:
        return self.do not in (*READS, Do.LIST)

    def holes(self) -> Iterator[tuple[str, str]]:
        """All templates of the step: where they stand, and what they say."""
        for key, value in self.said.items():
            if key in FIXED:
                continue
            if isinstance(value, str):
                yield key, value
            elif isinstance(value, Mapping):
                for name, text in value.items():
                    yield f"{key}.{name}", text

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that it reads: `servicenow.number`, `steps.order.number`. Raises ExpressionError."""
        found: set[str] = set()
        for _, text in self.holes():
            found |= template(text).columns
        if self.when:
            found |= condition(self.when).columns
        return frozenset(found)


# Keys whose values are words of this language or names of columns, never templates.
FIXED = frozenset(
    {
        "in",
        "table",
        "between",
        "take",
        "among",
        "at_least",
        "none",
        "many",
        "limit",
        "order_by",
        "distinct",
        "key",
        "by",
        "mark",
        "visibility",
    }
)


@dataclass(frozen=True)
class Action:
    name: str
    trigger: Trigger
    steps: tuple[Step, ...]
    when: str = ""
    once: str = ""

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    @cached_property
    def lists(self) -> Mapping[str, str]:
        """Step -> the list whose rows it is done for; "" once. Told by the names that it reads, through other steps."""
        found: dict[str, str] = {}
        makers = {step.name for step in self.steps if step.makes_list}
        for step in self.steps:
            named = [name.split(".") for name in sorted(step.names) if name.startswith("steps.")]
            through = [parts[1] for parts in named if len(parts) > 2 and parts[2] not in (*WHOLE, *RATED)]
            lists = {name if name in makers else found.get(name, "") for name in through} - {""}
            found[step.name] = min(lists, default="")
        return found

    @cached_property
    def _names(self) -> frozenset[str]:
        """Every name that its texts read."""
        own = condition(self.when).columns if self.when else frozenset()
        own |= template(self.once).columns if self.once else frozenset()
        return frozenset(own).union(*(step.names for step in self.steps))

    @cached_property
    def columns(self) -> Mapping[Side, tuple[str, ...]]:
        """The columns of either record that its texts read."""
        names = self._names
        found = {side: sorted(_below(names, side.value)) for side in Side}
        watched = [*self.trigger.columns, *_below(names, "before")]
        found[self.trigger.source] = sorted({*found[self.trigger.source], *watched})
        return {side: tuple(name for name in names if name not in OWN_NAMES) for side, names in found.items()}

    @cached_property
    def watched(self) -> tuple[str, ...]:
        """The columns whose last seen values are kept: those of its transition, and of what it tells of the time before."""
        if self.trigger.on is not On.CHANGED:
            return ()
        return tuple(sorted({*self.trigger.columns, *_below(self._names, "before")}))


# Every record has them, whether or not they are read.
OWN_NAMES = ("sys_id", "Id")


def _below(names: Collection[str], prefix: str) -> set[str]:
    return {name.removeprefix(f"{prefix}.") for name in names if name.startswith(f"{prefix}.")}


@dataclass(frozen=True)
class Plan:
    """All actions of a flow."""

    actions: tuple[Action, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions)

    def named(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)

    def seen_on(self, side: Side) -> tuple[Action, ...]:
        """Those that two looks at a record of `side` may set off."""
        return tuple(a for a in self.actions if a.trigger.on in SEEN and a.trigger.side is side)

    def columns(self, side: Side) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for action in self.actions for name in action.columns[side]))

    def fingerprint(self, side: Side) -> str:
        """Changes with what must be known of a record before its transitions can be seen."""
        told = [
            [a.name, a.trigger.on, a.watched, a.when if a.trigger.on is On.ENTERED else ""]
            for a in self.seen_on(side)
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32] if told else ""


NO_ACTIONS = Plan()


def plan_of(option: Any) -> Plan:
    """The actions that a flow's options hold, which `action_rules` has found sound."""
    return (
        Plan(tuple(_action(each) for each in option))
        if isinstance(option, Sequence) and option
        else NO_ACTIONS
    )


def _action(said: Mapping[str, Any]) -> Action:
    return Action(
        name=said["name"], trigger=trigger_of(said["on"]), when=said.get("when", ""), once=said.get("once", ""),
        steps=tuple(_step(each) for each in said["steps"]),
    )  # fmt: skip


def trigger_of(said: Mapping[str, Any]) -> Trigger:
    (on, what), *_ = said.items()
    if on != On.CHANGED:
        return Trigger(On(on), Side(what))
    side = next(side for side in Side if side.value in what)
    return Trigger(
        On.CHANGED, side, listed(what[side.value]), listed(what.get("from", ())), listed(what.get("to", ()))
    )


def listed(value: Any) -> tuple[str, ...]:
    """A single text or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value)


def _step(said: Mapping[str, Any]) -> Step:
    own = {key: value for key, value in said.items() if key not in ("name", "do", "when")}
    return Step(said["name"], Do(said["do"]), said.get("when", ""), own)


# What has been done, and what is due


Results = Mapping[
    str, Mapping[str, Mapping[str, Any]]
]  # step -> audience ("" where it is done once) -> what it brought
Place = tuple[str, str]  # a step and an audience


@dataclass(frozen=True, slots=True)
class Due:
    step: Step
    audience: str = ""  # the id of the row that it is done for
    rows: str = ""  # the list that this is a row of


def due(action: Action, results: Results, stuck: Collection[Place] = ()) -> Iterator[Due]:
    """What may be done now. `stuck`: what was refused, waits or is in doubt: it holds up what follows for its audience,
    and what is done once for all of them.
    """
    held: set[str] = set()
    for step in action.steps:
        rows = action.lists[step.name]
        done = results.get(step.name)
        if rows and rows not in results:
            return  # its list is not made yet
        if not rows and held:
            return
        for audience in results[rows] if rows else ("",):
            if done is not None and (step.makes_list or audience in done):
                continue
            if (step.name, audience) not in stuck and audience not in held and "" not in held:
                yield Due(step, audience, rows)
            held.add(audience)


def is_done(action: Action, results: Results) -> bool:
    return next(due(action, results), None) is None


def scope_of(action: Action, results: Results, audience: str = "") -> dict[str, Any]:
    """What the steps so far have brought, by the names that texts read: for an audience, that of its own row."""
    found: dict[str, Any] = {}
    for step in action.steps:
        # Of an empty list nothing is done, and that is told, too.
        by_audience = results.get(step.name, {} if action.lists[step.name] in results else None)
        if by_audience is None:
            continue
        is_list = step.makes_list or bool(action.lists[step.name])
        brought = by_audience.get(audience if is_list else "", {})
        found |= {f"steps.{step.name}.{name}": value for name, value in brought.items()}
        if is_list:
            found |= {f"steps.{step.name}.{name}": value for name, value in _whole(by_audience).items()}
    return found


def _whole(by_audience: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    met = [brought for brought in by_audience.values() if brought.get("found")]
    rated = [brought for brought in met if SCORE in brought]
    return {
        "best": max((brought[SCORE] for brought in rated), default=None),
        "scores": ", ".join(
            f"{brought['number'] or brought['id']} {brought[SCORE]:.2f}" for brought in rated
        ),
        "count": len(met),
        "ids": ",".join(str(brought["id"]) for brought in met if brought.get("id")),
        "numbers": ", ".join(str(brought["number"]) for brought in met if brought.get("number")),
    }


NOTHING_DONE: Mapping[str, Any] = {"found": False, "id": "", "sys_id": "", "Id": "", "number": ""}


def brought(id: str, number: str = "", **more: Any) -> dict[str, Any]:
    """What a step leaves behind. A record is named alike whatever its platform calls the id."""
    return {"found": True, "id": id, "sys_id": id, "Id": id, "number": number, **more}


def parted(text: str, between: str = "") -> dict[str, dict[str, Any]]:
    """The texts of a list, each once, as rows by an id that tells nothing of what they say."""
    values = dict.fromkeys(part.strip() for part in text.split(between or BETWEEN))
    found = [brought(identity("list", value), value, value=value) for value in values if value]
    return {row["id"]: row for row in found}


# Keys and marks


def identity(*parts: object) -> str:
    """Thirty-two hexadecimal digits that are the same whenever the same is meant: a sys_id, a key, or what a mark names."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]


# What an answer means


class Meaning(StrEnum):
    DONE = "done"
    EXISTS = (
        "exists"  # the key is taken: an earlier request of ours, or a record that somebody had made with it
    )
    REPEAT = "repeat"  # unknown, and harmless to send again
    DOUBT = "doubt"  # unknown, and not to be repeated unasked
    LATER = "later"  # refused for now
    REFUSED = "refused"
    UNSENT = "unsent"


def meaning(result: WriteResult, *, keyed: bool, creates: bool) -> Meaning:
    if result.reply is Reply.DONE:
        return Meaning.DONE
    if result.reply is Reply.UNSENT:
        return Meaning.UNSENT
    if result.reply is Reply.UNKNOWN:
        return Meaning.REPEAT if keyed else Meaning.DOUBT
    refusal = result.refusal or Refusal("REFUSED", result.message)
    if keyed and creates and refusal.code == "DUPLICATE_VALUE":
        return Meaning.EXISTS
    return Meaning.LATER if refusal.retry else Meaning.REFUSED
