"""What the linter finds: the finding, which records it would hit, and the change that would end it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

ERROR, WARNING = "error", "warning"

Term = tuple[str, str]  # a field and the value that it holds; "": it is empty


@dataclass(frozen=True, slots=True)
class Hit:
    """Records of `side` that a finding is about. Of all `kinds` only "longer" cannot be asked as a condition.

    values: those that meet one of `any_of`, each a conjunction of terms. filled: `column` is not empty.
    longer: the text in `column` has more than `length` characters. all: every record in scope.
    """

    side: str
    kind: str
    any_of: tuple[tuple[Term, ...], ...] = ()
    column: str = ""
    length: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        any_of = tuple(tuple((name, value) for name, value in terms) for terms in data["any_of"])
        return cls(**{**data, "any_of": any_of})


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that ends the finding, made only when a person confirms it.

    row: the row takes `changes` (attribute -> value). remove: the row goes. entry: `values` of `side` get an entry in
    `value_map` that leads to one of `choices`, which a person takes. constant: a row that writes one of `choices` (any
    text if there are none) to the field `column`; `row`, if it is named, else a new one. `labels`: what people read for
    each of the choices, where that is another word.
    """

    kind: str
    label: str
    row: str = ""
    changes: Mapping[str, str] = field(default_factory=dict)
    value_map: str = ""
    side: str = ""
    values: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """`row`: id of the field row, or "" for one about the whole flow. `side`: where it goes wrong, or "".

    `text` names the fields, so that code and text tell a finding apart from any other, also after the row's id changed.
    """

    code: str
    severity: str
    text: str
    advice: str
    row: str = ""
    side: str = ""
    hit: Hit | None = None
    fix: Fix | None = None

    @property
    def key(self) -> str:
        """What it is known by: the same from one look to the next, as long as it says the same."""
        return f"{self.code}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
