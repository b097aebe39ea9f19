"""From a path in a statement to the field it means and a function that reads it from a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Protocol

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import ID, Field, flag, text
from sync.sandbox.salesforce.soql.functions import AGGREGATES, date_part, part_of
from sync.sandbox.salesforce.soql.syntax import Path
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Row, Stored, Values

Getter = Callable[[Values], Stored]
MAX_LEVELS = 5

# What can be asked of a reference that may lead to several objects: the platform's pseudo-object Name.
NAME_FIELDS = {
    field.name.lower(): field
    for field in (
        ID,
        text("Name", "Name"),
        text("Type", "Type"),
        text("FirstName", "First Name"),
        text("LastName", "Last Name"),
        text("Username", "Username"),
        text("Email", "Email"),
        text("Alias", "Alias"),
        text("Title", "Title"),
        flag("IsActive", "Active"),
    )
}


@dataclass(frozen=True, slots=True)
class Column:
    """`direct` is the slot of a field of the queried object itself, None behind a relationship."""

    field: Field
    get: Getter
    direct: int | None = None


class Resolver(Protocol):
    """What knows which column a path means: of rows, or of groups of rows."""

    def resolve(self, path: Path) -> Column:
        """Raises Refusal."""
        ...


class Columns:
    """Resolves the paths of one statement against one object."""

    def __init__(self, org: Org, view: View, statement: str) -> None:
        self.statement = statement
        self._org = org
        self._view = view

    def resolve(self, path: Path) -> Column:
        """Raises Refusal (INVALID_FIELD, MALFORMED_QUERY)."""
        if path.function:
            return self._part_of_date(path)
        *relations, name = path.parts
        if not relations:
            field = self._view.field(name)
            if field is None:
                raise self.no_such_column(path, name, self._view.name)
            slot = self._view.slot(field.name)
            return Column(field, itemgetter(slot), slot)
        if len(relations) > MAX_LEVELS:
            raise Refusal("INVALID_FIELD", f"maximum number of relationship levels is {MAX_LEVELS}")
        return self._behind(self._view, relations, name, path)

    def _part_of_date(self, path: Path) -> Column:
        if path.function in AGGREGATES:
            what = f"Aggregate functions are not allowed here: {path.function}"
            raise Refusal("MALFORMED_QUERY", excerpt(self.statement, path.at) + what)
        inner, function = self.resolve(replace(path, function="")), path.function
        get = inner.get
        return Column(date_part(function, inner.field), lambda values: part_of(function, get(values)))

    def against(self, view: View) -> Columns:
        """Return the same statement's resolver for another object."""
        return Columns(self._org, view, self.statement)

    def relation(self, view: View, name: str, path: Path) -> tuple[Field, View | None]:
        """Return a relationship's field and the object it leads to, None when there are several."""
        field = view.by_relationship.get(name.lower())
        if field is None:
            what = f"Didn't understand relationship '{name}' in field path. If you are attempting to use a "
            what += "custom relationship, be sure to append the '__r' after the custom relationship name."
            raise Refusal("INVALID_FIELD", excerpt(self.statement, path.at) + what)
        target = None if field.polymorphic else self._org.views[field.reference_to[0].lower()]
        return field, target

    def name_field(self, name: str, path: Path) -> Field:
        field = NAME_FIELDS.get(name.lower())
        if field is None:
            raise self.no_such_column(path, name, "Name")
        return field

    def row(self, record_id: Stored) -> Row | None:
        return self._org.row(record_id)

    def url(self, row: Row, base: str) -> str:
        """Return a record's URL path, under the object it really is."""
        table = self._org.table_of(str(row.values[0]))
        return f"{base}/{table.sobject.name if table else 'Name'}/{row.values[0]}"

    def name_value(self, row: Row, field: Field) -> Stored:
        """Read a field of the Name pseudo-object from the user or group behind it."""
        table = self._org.table_of(str(row.values[0]))
        if table is None:
            return None
        if field.name == "Type" and table.sobject.name != "Group":
            return table.sobject.name
        slot = table.slots.get(field.name)
        return None if slot is None else row.values[slot]

    def no_such_column(self, path: Path, name: str, entity: str) -> Refusal:
        what = (
            f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be "
            "sure to append the '__c' after the custom field name. Please reference your WSDL or the "
            "describe call for the appropriate names."
        )
        return Refusal("INVALID_FIELD", excerpt(self.statement, path.at) + what)

    def _behind(self, view: View, relations: list[str], name: str, path: Path) -> Column:
        reference, target = self.relation(view, relations[0], path)
        slot = view.slot(reference.name)
        if target is None:
            if len(relations) > 1:
                raise self.no_such_column(path, relations[1], "Name")
            field = self.name_field(name, path)

            def through_name(values: Values) -> Stored:
                row = self._org.row(values[slot])
                return None if row is None else self.name_value(row, field)

            return Column(field, through_name)
        inner = (
            self._behind(target, relations[1:], name, path)
            if len(relations) > 1
            else self.against(target).resolve(Path((name,), path.at))
        )
        get = inner.get

        def through(values: Values) -> Stored:
            row = self._org.row(values[slot])
            return None if row is None else get(row.values)

        return Column(inner.field, through)
