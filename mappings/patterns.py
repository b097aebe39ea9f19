"""Regular expressions whose time is bounded, whatever the pattern and the text. Pure.

Python's own `re` tries one way after the other and can take longer than the universe is old. This one follows all ways
at once, so that its time grows with the length of the text times the size of the pattern, both of which are bounded:
what re2 does, in a page of Python. That leaves out what cannot be done so: back references and looking around.

    choice := sequence ("|" sequence)*      piece  := atom ["*" | "+" | "?" | "{n}" | "{n,}" | "{n,m}"] ["?"]
    atom   := character | . | ^ | $ | [set] | \\d \\w \\s \\b and their capitals | "(" ["?:"] choice ")" | "(?i)" first
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

from mappings.values import Unmapped

MAX_SIZE = 1000  # steps that a pattern is made of
MAX_PATTERN = 300  # characters
MAX_STEPS = 200_000  # of one search: well below a second
MAX_REPEAT = 200
MAX_DEPTH = 30


class PatternError(ValueError):
    """What is wrong with a pattern, and what to write instead."""


Takes = Callable[[str], object]  # a character -> whether it is taken
Holds = Callable[[str, int], bool]  # (text, place) -> whether something is so there


class Op(Enum):
    TAKE = 1  # a character that `takes`
    HOLD = 2  # nothing, where `holds`
    SPLIT = 3  # go on at `to`, and then at `other`
    BEGIN = 4  # the first group
    END = 5
    MATCH = 6


@dataclass(slots=True)
class Step:
    """`to`, `other`: numbers of steps. A step goes on at the next one unless it splits."""

    op: Op
    takes: Takes | None = None
    holds: Holds | None = None
    to: int = 0
    other: int = 0


# What a pattern is made of, before it is steps
@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    part: Part
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Group:
    part: Part


@dataclass(frozen=True, slots=True)
class Atom:
    step: Step


Part: TypeAlias = Sequence | Choice | Repeat | Group | Atom


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Pattern:
    """Raises PatternError."""
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"The pattern has {len(pattern)} characters; {MAX_PATTERN} are allowed.")
    part = _Parser(pattern).parse()
    steps: list[Step] = []
    _emit(part, steps)
    steps.append(Step(Op.MATCH))
    return Pattern(tuple(steps))


def _emit(part: Part, steps: list[Step]) -> None:
    if len(steps) > MAX_SIZE:
        raise PatternError("The pattern repeats too much: use smaller numbers in braces.")
    if isinstance(part, Atom):
        steps.append(part.step)
    elif isinstance(part, Sequence):
        for each in part.parts:
            _emit(each, steps)
    elif isinstance(part, Group):
        steps.append(Step(Op.BEGIN))
        _emit(part.part, steps)
        steps.append(Step(Op.END))
    elif isinstance(part, Choice):
        _emit_choice(part, steps)
    else:
        _emit_repeat(part, steps)


def _emit_choice(part: Choice, steps: list[Step]) -> None:
    jumps = []
    for each in part.parts[:-1]:
        split = Step(Op.SPLIT, to=len(steps) + 1)
        steps.append(split)
        _emit(each, steps)
        jumps.append(Step(Op.SPLIT))
        steps.append(jumps[-1])
        split.other = len(steps)
    _emit(part.parts[-1], steps)
    for jump in jumps:
        jump.to = jump.other = len(steps)


def _emit_repeat(part: Repeat, steps: list[Step]) -> None:
    for _ in range(part.least):
        _emit(part.part, steps)
    if part.most is None:
        start = len(steps)
        split = Step(Op.SPLIT)
        steps.append(split)
        _emit(part.part, steps)
        steps.append(Step(Op.SPLIT, to=start, other=start))
        _aim(split, start + 1, len(steps), part.greedy)
        return
    splits = []
    for _ in range(part.most - part.least):
        splits.append((Step(Op.SPLIT), len(steps) + 1))
        steps.append(splits[-1][0])
        _emit(part.part, steps)
    for split, inside in splits:
        _aim(split, inside, len(steps), part.greedy)


def _aim(split: Step, inside: int, beyond: int, greedy: bool) -> None:
    split.to, split.other = (inside, beyond) if greedy else (beyond, inside)


Thread: TypeAlias = tuple[
    int, int, int, int
]  # step, where it began, where the first group began and ended (-1: not)


@dataclass(frozen=True, slots=True)
class Pattern:
    steps: tuple[Step, ...]

    def search(self, text: str) -> str | None:
        """The first group of the first place that fits, or all of it where there is no group; None: it fits nowhere.

        Raises Unmapped where text and pattern are so large that it would take longer than a moment.
        """
        best: Thread | None = None
        threads: list[Thread] = []
        spent = 0
        for place in range(len(text) + 1):
            if best is None:
                threads.append((0, place, -1, -1))
            elif not threads:
                break
            ready, ended, steps = self._settle(threads, text, place)
            best, spent = ended or best, spent + steps
            if spent > MAX_STEPS:
                raise Unmapped(
                    f"The text of {len(text):,} characters is too long for this pattern.",
                    code="PATTERN_TOO_SLOW",
                    advice="Cut the text with truncate before it is searched, or write a shorter pattern.",
                )
            threads = self._take(ready, text[place]) if place < len(text) else []
        return None if best is None else self._said(best, text)

    def _said(self, best: Thread, text: str) -> str:
        if any(step.op is Op.BEGIN for step in self.steps):
            return text[best[2] : best[3]] if best[3] >= 0 else ""
        return text[best[1] : best[0]]

    def _take(self, ready: list[Thread], sign: str) -> list[Thread]:
        steps = self.steps
        return [(step + 1, *kept) for step, *kept in ready if steps[step].takes(sign)]  # type: ignore[misc]

    def _settle(
        self, threads: list[Thread], text: str, place: int
    ) -> tuple[list[Thread], Thread | None, int]:
        """Follow all that takes no character, best first; an end that is reached is better than what comes after it.

        The number is that of the steps taken.
        """
        seen: set[int] = set()
        ready: list[Thread] = []
        for thread in threads:
            stack = [thread]
            while stack:
                number, began, opened, closed = stack.pop()
                if number in seen:
                    continue
                seen.add(number)
                step = self.steps[number]
                if step.op is Op.TAKE:
                    ready.append((number, began, opened, closed))
                elif step.op is Op.MATCH:
                    return ready, (place, began, opened, closed), len(seen)
                elif step.op is Op.SPLIT:
                    stack.append((step.other, began, opened, closed))
                    stack.append((step.to, began, opened, closed))
                elif step.op is Op.BEGIN:
                    stack.append((number + 1, began, place, -1))
                elif step.op is Op.END:
                    stack.append((number + 1, began, opened, place))
                elif step.holds is not None and step.holds(text, place):
                    stack.append((number + 1, began, opened, closed))
        return ready, None, len(seen)


# Text to parts

_ANY_BUT_LINE = re.compile(".").match
_WORD = re.compile(r"\w").match


def _at_word_edge(text: str, place: int) -> bool:
    before = place > 0 and bool(_WORD(text[place - 1]))
    return before != (place < len(text) and bool(_WORD(text[place])))


_PLACES: dict[str, Holds] = {
    "^": lambda text, place: place == 0,
    "$": lambda text, place: place == len(text) or (place == len(text) - 1 and text[place] == "\n"),
    r"\b": _at_word_edge,
    r"\B": lambda text, place: not _at_word_edge(text, place),
}
_CLASSES = "dDwWsS"
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_COUNT = re.compile(r"\{(\d{1,4})(,)?(\d{1,4})?\}", re.ASCII)
_SET = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_LEFT_OUT = "use neither looking around, nor named groups, nor references to groups"


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._folds = pattern.startswith("(?i)")
        self._text = pattern.removeprefix("(?i)")
        self._place, self._groups = 0, 0

    def parse(self) -> Part:
        part = self._choice(0)
        if self._place < len(self._text):
            raise PatternError("The pattern has a ) that closes nothing: write \\) for a parenthesis.")
        return part

    def _choice(self, depth: int) -> Part:
        if depth > MAX_DEPTH:
            raise PatternError(f"The pattern is nested deeper than {MAX_DEPTH} levels.")
        parts = [self._sequence(depth)]
        while self._takes("|"):
            parts.append(self._sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self, depth: int) -> Part:
        parts: list[Part] = []
        while self._place < len(self._text) and self._text[self._place] not in "|)":
            parts.append(self._piece(depth))
        return Sequence(tuple(parts))

    def _piece(self, depth: int) -> Part:
        part = self._atom(depth)
        counted = self._count()
        if counted is None:
            return part
        if isinstance(part, Atom) and part.step.op is Op.HOLD:
            raise PatternError("The pattern repeats a place, such as ^ or $: repeat what stands beside it.")
        repeat = Repeat(part, *counted, greedy=not self._takes("?"))
        if self._count() is not None:
            raise PatternError(
                "The pattern has two signs of repetition in a row: put parentheses around the first."
            )
        return repeat

    def _count(self) -> tuple[int, int | None] | None:
        for sign, count in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return count
        found = _COUNT.match(self._text, self._place)
        if found is None:
            return None
        self._place = found.end()
        least = int(found[1])
        most = int(found[3]) if found[3] else None if found[2] else least
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise PatternError(
                f"The pattern repeats {found[0]}: write numbers up to {MAX_REPEAT}, the smaller first."
            )
        return least, most

    def _atom(self, depth: int) -> Part:
        sign = self._text[self._place]
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            return self._set()
        self._place += 1
        if sign == "\\":
            return self._escape()
        if sign in "*+?":
            raise PatternError(
                f"The pattern has a {sign} with nothing to repeat before it: write \\{sign} for the sign."
            )
        if sign in _PLACES:
            return Atom(Step(Op.HOLD, holds=_PLACES[sign]))
        return Atom(Step(Op.TAKE, takes=_ANY_BUT_LINE)) if sign == "." else self._character(sign)

    def _character(self, sign: str) -> Part:
        if self._folds:
            folded = sign.lower()
            return Atom(Step(Op.TAKE, takes=lambda found: found.lower() == folded))
        return Atom(Step(Op.TAKE, takes=sign.__eq__))

    def _escape(self) -> Part:
        if self._place >= len(self._text):
            raise PatternError("The pattern ends in a backslash: write \\\\ for one.")
        sign = self._text[self._place]
        self._place += 1
        if f"\\{sign}" in _PLACES:
            return Atom(Step(Op.HOLD, holds=_PLACES[f"\\{sign}"]))
        if sign in _CLASSES:
            return Atom(Step(Op.TAKE, takes=re.compile(f"\\{sign}").match))
        if sign in _CONTROLS:
            return self._character(_CONTROLS[sign])
        if sign.isalnum():
            raise PatternError(f"The pattern has \\{sign}, which is not offered: {_LEFT_OUT}.")
        return self._character(sign)

    def _set(self) -> Part:
        found = _SET.match(self._text, self._place)
        if found is None:
            raise PatternError("The pattern has a [ that is not closed: write ] or \\[ for the sign.")
        self._place = found.end()
        try:
            with warnings.catch_warnings():  # of sets within sets, which Python may offer one day
                warnings.simplefilter("error")
                takes = re.compile(found[0], re.IGNORECASE if self._folds else 0).match
        except (re.error, Warning):
            raise PatternError(f"The pattern has the set {found[0]}, which is none.") from None
        return Atom(Step(Op.TAKE, takes=takes))

    def _group(self, depth: int) -> Part:
        self._place += 1
        silent = self._takes("?:")
        if not silent and self._takes("?"):
            raise PatternError(f"The pattern has (?: {_LEFT_OUT}.")
        self._groups += not silent
        first = not silent and self._groups == 1
        part = self._choice(depth + 1)
        if not self._takes(")"):
            raise PatternError("The pattern has a ( that is not closed: write ) or \\( for the sign.")
        return Group(part) if first else part

    def _takes(self, text: str) -> bool:
        if not self._text.startswith(text, self._place):
            return False
        self._place += len(text)
        return True
