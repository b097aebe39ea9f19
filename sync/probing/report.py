"""The report of a probe: answers with their evidence, and facts. It holds counts, names and codes, no field values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What no public source settles. `ask`: what tells it where reading cannot."""

    name: str
    text: str
    ask: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reading says: `answer` is yes, no, unknown, or a number in words; evidence as sentences."""

    answer: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """`ask` is empty where reading answered."""

    name: str
    question: str
    answer: str
    evidence: tuple[str, ...]
    ask: str


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`at` is UTC, by our clock; `calls` are those the probe made, logins included."""

    connection: str
    system: str
    host: str
    at: datetime
    calls: int
    answers: tuple[Answer, ...]
    facts: tuple[Fact, ...]

    @property
    def open(self) -> tuple[Answer, ...]:
        return tuple(each for each in self.answers if each.ask)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}

    def as_text(self) -> str:
        told = [each for each in self.answers if not each.ask]
        lines = [
            f"Probe of {self.connection}: {self.system} at {self.host}",
            f"{self.at:%Y-%m-%d %H:%M} UTC, {self.calls} calls, all of them reads or the login",
            *_section("Facts", (line for fact in self.facts for line in _fact(fact))),
            *_section("Answered by reading", (line for each in told for line in _answered(each))),
            *_section("Not answered by reading", (line for each in self.open for line in _left_open(each))),
        ]
        return "\n".join(lines) + "\n"


def settled(question: OpenQuestion, verdict: Verdict) -> Answer:
    ask = question.ask if verdict.answer == UNKNOWN else ""
    return Answer(question.name, question.text, verdict.answer, verdict.evidence, ask)


def all_settled(questions: Iterable[OpenQuestion], verdicts: Mapping[str, Verdict]) -> tuple[Answer, ...]:
    """An answer to every question; those without a verdict are not for reading to answer."""
    return tuple(settled(each, verdicts.get(each.name, Verdict(UNKNOWN))) for each in questions)


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return ["", title, "-" * len(title), *(list(lines) or ["none"])]


def _fact(fact: Fact) -> list[str]:
    return [f"{fact.name}: {fact.value}", *([f"    {fact.evidence}"] if fact.evidence else [])]


def _answered(answer: Answer) -> list[str]:
    head = f"{answer.name}: {answer.answer}"
    return [head, f"    {answer.question}", *(f"    {line}" for line in answer.evidence)]


def _left_open(answer: Answer) -> list[str]:
    return [*_answered(answer), f"    {answer.ask}"]
