"""Names that go behind a reference: caller_id.email of ServiceNow, Account.Name of Salesforce. Pure.

A path is as long as it is written, so that references in a circle end with it. ServiceNow goes on by the column's name,
Salesforce by the name of the relationship (AccountId: Account; Vendor__c: Vendor__r).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mappings.grammar import DISPLAY

SALESFORCE = "salesforce"


class Field(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def reference_to(self) -> tuple[str, ...]: ...
    @property
    def relationship(self) -> str: ...  # of Salesforce; "" where nobody told


F = TypeVar("F", bound=Field)


@dataclass(frozen=True, slots=True)
class Trail(Generic[F]):
    """Where a name leads. `facts`: of the field, as far as it is known; `table`: where the last step was looked for.

    `missing`: the step that is not there, or goes on though it is no reference; `needs`: the table that nobody has read yet.
    """

    facts: F | None = None
    table: str = ""
    missing: str = ""
    needs: str = ""


def trail(side: str, table: str, name: str, known: Mapping[str, Mapping[str, F]]) -> Trail[F]:
    """Follow a name from `table` through what is known of it and of the tables behind it."""
    *heads, last = steps(name)
    for head in heads:
        fields = known.get(table)
        if fields is None:
            return Trail(table=table, needs=table)
        reference = reference_of(side, head, fields)
        if reference is None:
            return Trail(table=table, missing=head)
        if len(reference.reference_to) != 1:
            return Trail()  # of several objects no list says what all of them have
        (table,) = reference.reference_to
    fields = known.get(table)
    if fields is None:
        return Trail(table=table, needs=table)
    found = fields.get(last)
    return Trail(found, table, "" if found is not None else last)


def steps(name: str) -> list[str]:
    """Without what people see of a column, which every column has."""
    parts = name.split(".")
    return parts[:-1] if len(parts) > 1 and parts[-1] == DISPLAY else parts


def reference_of(side: str, head: str, fields: Mapping[str, F]) -> F | None:
    """The field by which a name goes on behind it."""
    if side != SALESFORCE:
        found = fields.get(head)
        return found if found is not None and found.reference_to and found.type == "reference" else None
    wanted = head.casefold()
    return next((each for each in fields.values() if relation(each).casefold() == wanted), None)


def relation(field: Field) -> str:
    """By which name Salesforce goes behind the field; "" if it does not."""
    if not field.reference_to:
        return ""
    if field.relationship:
        return field.relationship
    return f"{field.name[:-1]}r" if field.name.endswith("__c") else field.name.removesuffix("Id")


def gather(
    side: str,
    table: str,
    fields: Mapping[str, F],
    names: Iterable[str],
    fetch: Callable[[str], Mapping[str, F] | None],
) -> dict[str, Mapping[str, F]]:
    """What `fetch` knows of each table on the way of these names, asked once a table. None: it knows nothing of it."""
    known: dict[str, Mapping[str, F]] = {table: fields}
    refused: set[str] = set()
    for name in names:
        while (needs := trail(side, table, name, known).needs) and needs not in refused:
            found = fetch(needs)
            if found is None:
                refused.add(needs)
            else:
                known[needs] = found
    return known
