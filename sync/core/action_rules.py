"""What is wrong with a declaration of actions: told by the configuration file, by the flow's page and before a run alike. Pure.

A problem is told as a path into the declaration, such as `0.steps.2.values.Name`, and a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mappings.expressions import ExpressionError
from sync.core import texts
from sync.core.actions import (
    MANY,
    MEANS,
    MOST_ROWS,
    NONE,
    PLACES,
    RATED,
    READS,
    RESULTS,
    SCORE,
    SEEN,
    WHOLE,
    Action,
    Do,
    On,
    plan_of,
)
from sync.core.records import Side
from sync.errors import ConfigurationError

Problem = tuple[str, str]
MOST_ACTIONS, MOST_STEPS = 30, 30
LONGEST_TEXT = 8000  # characters
SIDES = tuple(side.value for side in Side)
_NAME = re.compile(r"[a-z0-9][-a-z0-9_]{0,79}")
_STEP = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")  # as formulas can name it
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
_ORDER = re.compile(rf"{_COLUMN.pattern}( desc)?")
_SHARE = re.compile(r"0(\.[0-9]{1,4})?|1(\.0{1,4})?|\.[0-9]{1,4}")
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_JOURNALS = ("comments", "work_notes")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a step. `kind`: text (a template), words (as they stand), choice, column, columns, order, table, number,
    share, values."""

    kind: str = "text"
    required: bool = False
    choices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    keys: Mapping[str, Key]
    also: Callable[[Mapping[str, Any]], Iterator[Problem]] = field(default=lambda said: iter(()))


_IN = Key("choice", True, SIDES)
TAKEN = {Do.LIST: ("value",)}  # what a kind of step brings of its own


def _of_look_up(said: Mapping[str, Any]) -> Iterator[Problem]:
    if said.get("distinct") and said.get("many") != "each":
        yield "distinct", "Rows are told apart by a column only where each of them counts: add many: each."


def _of_rank(said: Mapping[str, Any]) -> Iterator[Problem]:
    if not said.get("text"):
        yield "text", "Name the columns that are compared, the title first: [short_description, text]."


def _of_create(said: Mapping[str, Any]) -> Iterator[Problem]:
    if said.get("key") and said.get("in") == Side.SERVICENOW:
        yield "key", "ServiceNow's key is a derived sys_id: leave it out."
    yield from _of_update(said)


def _of_update(said: Mapping[str, Any]) -> Iterator[Problem]:
    values = said.get("values")
    if said.get("in") == Side.SERVICENOW and isinstance(values, Mapping):
        for name in set(values) & set(_JOURNALS):
            yield (
                f"values.{name}",
                f"{name} are entries, of which each writing adds one: use a step with do: post.",
            )


def _of_post(said: Mapping[str, Any]) -> Iterator[Problem]:
    if said.get("visibility") and said.get("to") in ("work_note", "comment"):
        yield (
            "visibility",
            "Who sees a journal entry is told by its column: comment for customers, work_note for colleagues.",
        )
    if said.get("table") and said.get("to") in ("chatter", "case_comment"):
        yield "table", "Only ServiceNow's entries need the table of their record."


def _of_notify(said: Mapping[str, Any]) -> Iterator[Problem]:
    by = said.get("by")
    if by == "task":
        return
    for key in ("to", "text"):
        if not said.get(key):
            yield key, f"An e-mail needs {key}."
    for key in ("on", "values"):
        if said.get(key):
            yield key, "Only a Task is about a record and has fields."


KINDS: Mapping[str, Kind] = {
    Do.LOOK_UP: Kind({
        "in": _IN, "table": Key("table", True), "query": Key(required=True), "take": Key("columns"),
        "none": Key("choice", choices=NONE), "many": Key("choice", choices=MANY), "limit": Key("number"),
        "order_by": Key("order"), "distinct": Key("column"),
    }, _of_look_up),
    Do.LIST: Kind({"of": Key(required=True), "between": Key("words"), "none": Key("choice", choices=NONE)}),
    Do.RANK: Kind({
        "in": _IN, "table": Key("table", True), "query": Key(required=True), "take": Key("columns"),
        "for": Key(required=True), "text": Key("columns"), "at_least": Key("share"), "limit": Key("number"),
        "among": Key("number"), "order_by": Key("order"), "distinct": Key("column"),
        "none": Key("choice", choices=NONE),
    }, _of_rank),
    Do.CREATE: Kind({
        "in": _IN, "table": Key("table", True), "values": Key("values", True), "key": Key("column"), "find": Key(),
    }, _of_create),
    Do.UPDATE: Kind({"in": _IN, "table": Key("table", True), "id": Key(required=True), "values": Key("values", True)}, _of_update),
    Do.ORDER: Kind({
        "item": Key(required=True), "quantity": Key(), "variables": Key("values"), "requested_for": Key(),
        "instructions": Key(), "mark": Key("column"),
    }),
    Do.POST: Kind({
        "to": Key("choice", True, PLACES), "on": Key(), "text": Key(required=True), "table": Key("table"),
        "visibility": Key("choice", choices=("internal", "public")),
    }, _of_post),
    Do.NOTIFY: Kind({
        "by": Key("choice", True, MEANS), "to": Key(), "subject": Key(required=True), "text": Key(), "on": Key(),
        "values": Key("values"),
    }, _of_notify),
}  # fmt: skip


def problems(option: Any, reads: Sequence[str]) -> Iterator[Problem]:
    """`reads`: the sides whose records the flow follows."""
    if option in (None, ()) or option == []:
        return
    if not isinstance(option, Sequence) or isinstance(option, str):
        yield "", "Expected a list of actions, each beginning with '- name: '."
        return
    if len(option) > MOST_ACTIONS:
        yield "", f"More than {MOST_ACTIONS} actions: make another flow."
    names: set[str] = set()
    for index, said in enumerate(option):
        for path, text in _action(said, reads, names):
            yield f"{index}.{path}" if path else str(index), text


def check(option: Any, reads: Sequence[str]) -> None:
    """Raises ConfigurationError for the first problem."""
    for path, text in problems(option, reads):
        raise ConfigurationError(
            f"actions.{path}: {text}",
            code="bad_actions",
            advice="Correct the flow's actions, and publish it.",
        )


def _action(said: Any, reads: Sequence[str], names: set[str]) -> Iterator[Problem]:
    if not isinstance(said, Mapping):
        yield "", "Expected the keys of an action: name, on, steps."
        return
    yield from _unknown(said, ("name", "on", "when", "once", "steps"))
    name = said.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "name", "Name the action: small letters, digits and -, at most 80."
    elif name in names:
        yield "name", f"Another action of this flow is called {name}."
    names.add(str(name))
    broken = list(_trigger(said.get("on"), reads))
    yield from broken
    steps = said.get("steps")
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        yield "steps", "Say what is to be done: a list of steps, each with name and do."
        return
    if len(steps) > MOST_STEPS:
        yield "steps", f"More than {MOST_STEPS} steps: make two actions of them."
    shapes = [
        (f"steps.{index}.{path}".rstrip("."), text)
        for index, step in enumerate(steps)
        for path, text in _step(step)
    ]
    shapes += list(_texts_of(said))
    yield from shapes
    if not broken and not shapes:
        yield from _names(plan_of([said]).actions[0])


def _unknown(said: Mapping[str, Any], known: Sequence[str]) -> Iterator[Problem]:
    for key in said:
        if key not in known:
            yield str(key), f"There is no key {key!r} here; there are {', '.join(known)}."


# What sets it off


def _trigger(on: Any, reads: Sequence[str]) -> Iterator[Problem]:
    if not isinstance(on, Mapping) or len(on) != 1 or next(iter(on)) not in set(On):
        yield "on", f"Say what it follows: one of {', '.join(On)}, like {{created: salesforce}}."
        return
    (kind, what), *_ = on.items()
    if kind == On.CHANGED:
        yield from _transition(what, reads)
    elif what not in SIDES:
        yield f"on.{kind}", f"Name the side: {' or '.join(SIDES)}."
    else:
        yield from _followed(On(kind), str(what), reads)


def _followed(on: On, side: str, reads: Sequence[str]) -> Iterator[Problem]:
    """A side that the flow does not read shows no transition; one that it does not write is given no record."""
    other = next(each for each in SIDES if each != side)
    if on in SEEN and side not in reads:
        yield f"on.{on}", f"The flow's direction does not follow records of {side}."
    elif on not in SEEN and other not in reads:
        yield f"on.{on}", f"The flow's direction writes nothing to {side}."


def _transition(what: Any, reads: Sequence[str]) -> Iterator[Problem]:
    sides = [side for side in SIDES if isinstance(what, Mapping) and side in what]
    if len(sides) != 1:
        yield "on.changed", 'Name a column of one side, like {changed: {servicenow: state, to: ["6"]}}.'
        return
    (side,) = sides
    yield from ((f"on.changed.{path}", text) for path, text in _unknown(what, (side, "from", "to")))
    columns = _list(what[side])
    if not columns or not all(_COLUMN.fullmatch(each) for each in columns):
        yield f"on.changed.{side}", "Name a column, or a list of them."
    for key in ("from", "to"):
        if key in what and _list(what[key]) is None:
            yield f"on.changed.{key}", "Give a value, or a list of them."
        elif what.get(key) and len(columns or ()) > 1:
            yield f"on.changed.{key}", "Values are told of a single column: make an action for each."
    yield from _followed(On.CHANGED, side, reads)


def _list(value: Any) -> list[str] | None:
    found = [value] if isinstance(value, str) else value
    fits = isinstance(found, Sequence) and all(isinstance(each, str) for each in found)
    return list(found) if fits else None


# Steps


def _step(said: Any) -> Iterator[Problem]:
    if not isinstance(said, Mapping):
        yield "", "Expected the keys of a step: name, do and what belongs to it."
        return
    name, do = said.get("name"), said.get("do")
    if not isinstance(name, str) or not _STEP.fullmatch(name):
        yield "name", "Name the step: letters, digits and _, for others to name it as steps.NAME."
    kind = KINDS.get(do) if isinstance(do, str) else None
    if kind is None:
        yield "do", f"{do!r} is nothing that a step does; choose one of {', '.join(Do)}."
        return
    yield from _unknown(said, ("name", "do", "when", *kind.keys))
    for key, wanted in kind.keys.items():
        if said.get(key) in (None, "", [], {}):
            if wanted.required:
                yield key, f"A step that does {do} needs {key}."
        else:
            yield from ((f"{key}{path}", text) for path, text in _value(said[key], wanted))
    yield from kind.also(said)


def _value(value: Any, wanted: Key) -> Iterator[Problem]:
    if wanted.kind == "values":
        yield from _by_name(value)
    elif wanted.kind in ("columns", "order"):
        pattern = _ORDER if wanted.kind == "order" else _COLUMN
        found = _list(value)
        if found is None or not all(pattern.fullmatch(each) for each in found):
            yield "", "Name columns: [name, sys_id]."
    elif not isinstance(value, str):
        yield "", "Expected a text."
    elif wanted.kind == "choice" and value not in wanted.choices:
        yield "", f"{value!r} is not one of {', '.join(wanted.choices)}."
    elif wanted.kind == "column" and not _COLUMN.fullmatch(value):
        yield "", f"{value!r} is not the name of a column."
    elif wanted.kind == "table" and not _TABLE.fullmatch(value):
        yield "", f"{value!r} is not the name of a table or object."
    elif wanted.kind == "share" and not _SHARE.fullmatch(value):
        yield "", "Expected a number from 0 to 1, such as 0.2."
    elif wanted.kind == "number" and not (
        value.isdecimal() and len(value) < 5 and 0 < int(value) <= MOST_ROWS
    ):
        yield "", f"Expected a whole number from 1 to {MOST_ROWS}."


def _by_name(value: Any) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield "", 'Expected fields with a value each, like {Name: "{servicenow.name}"}.'
        return
    for name, text in value.items():
        if not _COLUMN.fullmatch(str(name)):
            yield f".{name}", f"{name!r} is not the name of a column."
        elif not isinstance(text, str):
            yield f".{name}", "Expected a text."


# Templates and conditions


def _texts_of(said: Mapping[str, Any]) -> Iterator[Problem]:
    """Conditions and templates that cannot be read."""
    yield from _readable("when", said.get("when"), texts.condition)
    yield from _readable("once", said.get("once"), texts.template)
    for index, step in enumerate(said["steps"]):
        if not isinstance(step, Mapping):
            continue
        yield from _readable(f"steps.{index}.when", step.get("when"), texts.condition)
        kind = KINDS.get(step.get("do"))  # type: ignore[arg-type]
        for key, wanted in kind.keys.items() if kind else ():
            value = step.get(key)
            if wanted.kind == "text":
                yield from _readable(f"steps.{index}.{key}", value, texts.template)
            elif wanted.kind == "values" and isinstance(value, Mapping):
                for name, text in value.items():
                    yield from _readable(f"steps.{index}.{key}.{name}", text, texts.template)


def _readable(path: str, text: Any, read: Callable[[str], object]) -> Iterator[Problem]:
    if text in (None, ""):
        return
    if not isinstance(text, str):
        yield path, "Expected a text."
    elif len(text) > LONGEST_TEXT:
        yield path, f"Longer than {LONGEST_TEXT:,} characters."
    else:
        try:
            read(text)
        except ExpressionError as error:
            yield path, str(error)


def _names(action: Action) -> Iterator[Problem]:
    """Names in texts that nothing can fill: a side's column, what was so before, or what an earlier step has brought."""
    source = action.trigger.source
    yield from _known(action, "when", texts.condition(action.when).columns if action.when else (), [])
    once = texts.template(action.once).columns if action.once else frozenset()
    for name in sorted(once):
        if not name.startswith((f"{source}.", "before.")):
            yield "once", f"{name} is not known when the occasion is told: it may name columns of {source}."
    if action.trigger.on in SEEN and action.when:
        other = sorted(
            name for name in texts.condition(action.when).columns if not name.startswith(f"{source}.")
        )
        if action.trigger.on is On.ENTERED and other:
            yield (
                "when",
                f"{other[0]} cannot be asked when a record enters: the condition may name columns of {source}.",
            )
    seen: list[str] = []
    for index, step in enumerate(action.steps):
        if step.name in seen:
            yield f"steps.{index}.name", f"Another step is called {step.name}."
        for path, text in step.holes():
            yield from _known(action, f"steps.{index}.{path}", texts.template(text).columns, seen)
        if step.when:
            yield from _known(action, f"steps.{index}.when", texts.condition(step.when).columns, seen)
        seen.append(step.name)
    yield from _lists(action)


def _known(action: Action, path: str, names: Any, before: Sequence[str]) -> Iterator[Problem]:
    for name in sorted(names):
        head, _, rest = name.partition(".")
        if head == "steps":
            yield from _of_step(action, path, name, rest, before)
        elif head == "before":
            if action.trigger.on is not On.CHANGED:
                yield path, f"{name}: only a transition (on: changed) knows what was so before."
        elif head not in SIDES or not rest:
            where = ", ".join([*(f"{side}.COLUMN" for side in SIDES), "steps.NAME.COLUMN"])
            yield path, f"There is nothing by the name of {name}; there are {where}."


def _of_step(action: Action, path: str, name: str, rest: str, before: Sequence[str]) -> Iterator[Problem]:
    step_name, _, column = rest.partition(".")
    if step_name not in before:
        yield path, f"{name}: no step before this one is called {step_name}."
        return
    step = action.step(step_name)
    assert step is not None
    taken = (*step.texts("take"), *step.texts("distinct")) if step.do in READS else TAKEN.get(step.do, ())
    whole = WHOLE if step.makes_list or action.lists[step_name] else ()
    if step.do is Do.RANK:
        taken, whole = (*taken, SCORE), (*whole, *RATED)
    if column not in (*RESULTS, *taken, *whole):
        add = " Add it to the step's take." if step.do in READS else ""
        yield path, f"{name}: the step {step_name} brings {', '.join((*RESULTS, *taken, *whole))}.{add}"


def _lists(action: Action) -> Iterator[Problem]:
    makers = {step.name for step in action.steps if step.makes_list}
    for index, step in enumerate(action.steps):
        named = [name.split(".") for name in step.names if name.startswith("steps.")]
        through = {parts[1] for parts in named if len(parts) > 2 and parts[2] not in (*WHOLE, *RATED)}
        lists = {name if name in makers else action.lists.get(name, "") for name in through} - {""}
        if len(lists) > 1:
            yield (
                f"steps.{index}",
                f"It names rows of two lists ({', '.join(sorted(lists))}): make two actions of it.",
            )
        if step.makes_list and lists:
            yield (
                f"steps.{index}.many",
                "A list cannot be made for each row of another: take first, or make two actions of it.",
            )
