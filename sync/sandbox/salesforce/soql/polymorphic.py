"""TYPEOF: fields that depend on what a polymorphic relationship leads to.

Source: SOQL reference, "TYPEOF": without a branch that fits, and without ELSE, the relationship is null.
"""

from __future__ import annotations

from typing import Any

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.select import Renderer, Step, name_renderer, renderer
from sync.sandbox.salesforce.soql.syntax import Query, TypeOf
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Values


def typeofs(org: Org, query: Query, view: View, columns: Columns, base: str) -> dict[str, Step]:
    """Return for each TYPEOF what renders its relationship. Raises Refusal."""
    steps: dict[str, Step] = {}
    plain = {path.parts[0].lower() for path in query.paths if len(path.parts) > 1}
    for each in query.typeofs:
        field, target = columns.relation(view, each.relation.parts[0], each.relation)
        name = str(field.relationship)
        if len(each.relation.parts) > 1 or target is not None or name.lower() in plain or name in steps:
            raise Refusal(
                "MALFORMED_QUERY",
                excerpt(query.statement, each.relation.at)
                + f"TYPEOF needs a polymorphic relationship that is named only once: {name}",
            )
        steps[name] = _step(org, each, view.slot(field.name), columns, base, query.statement)
    return steps


def _step(org: Org, typeof: TypeOf, slot: int, columns: Columns, base: str, statement: str) -> Step:
    branches: dict[str, Renderer] = {}
    for name, paths in typeof.branches:
        view = org.views.get(name.lower())
        if view is None:
            what = f"sObject type '{name}' is not supported."
            raise Refusal("INVALID_TYPE", excerpt(statement, typeof.relation.at) + what)
        branches[view.name] = renderer(Columns(org, view, statement), view, paths, base)
    otherwise = name_renderer(columns, typeof.otherwise, base) if typeof.otherwise else None

    def related(values: Values) -> Any:
        row = org.row(values[slot])
        table = org.table_of(str(values[slot]))
        if row is None or table is None:
            return None
        branch = branches.get(table.sobject.name)
        if branch is not None:
            return branch(row.values)
        return otherwise(row) if otherwise else None

    return related
