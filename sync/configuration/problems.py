"""What is wrong with a file, and where: everything is collected and told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.configuration.documents import Document


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """A sentence about one place of the file. `path` is like `flows[incidents-to-cases].fields[3].value_map`."""

    line: int  # counted from 1
    path: str
    text: str

    def at(self, file: str) -> str:
        return (
            f"{file}:{self.line}, {self.path}: {self.text}"
            if self.path
            else f"{file}:{self.line}: {self.text}"
        )


class InvalidConfiguration(Exception):
    """The file cannot be applied, and nothing of it was; `problems` names every place.

    `readable` is what could be read of it all the same, for questions that do not need the rest.
    """

    def __init__(self, file: str, problems: Iterable[Remark], readable: Document | None = None) -> None:
        self.file = file
        self.readable = readable
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(problem.at(file) for problem in self.problems))


@dataclass(slots=True)
class Remarks:
    """Problems stop the file; notices tell what was understood but does nothing yet."""

    problems: list[Remark] = field(default_factory=list)
    notices: list[Remark] = field(default_factory=list)

    def problem(self, line: int, path: str, text: str) -> None:
        self.problems.append(Remark(line, path, text))

    def notice(self, line: int, path: str, text: str) -> None:
        self.notices.append(Remark(line, path, text))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or "" if nothing known is near; letter case does not count."""
    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_case, n=1, cutoff=0.6)
    return f" Did you mean {by_case[near[0]]!r}?" if near else ""
