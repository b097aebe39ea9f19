"""Running a parsed query: plan, filter, sort, cut, and a function that renders the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.children import children
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.conditions import Conditions
from sync.sandbox.salesforce.soql.parser import parse
from sync.sandbox.salesforce.soql.plan import plan
from sync.sandbox.salesforce.soql.select import Renderer, renderer
from sync.sandbox.salesforce.soql.sorting import sort, sortable
from sync.sandbox.salesforce.soql.syntax import And, Comparison, Condition, Path, Query
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Row

_MAX_FIELDS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """Every matching row, and how one is rendered; `counts_only` says that COUNT() was asked."""

    rows: list[Row]
    render: Renderer
    counts_only: bool


def run(org: Org, statement: str, zone: tzinfo, base: str, *, include_deleted: bool) -> Answer:
    """Answer a statement for a user whose days begin in `zone`; `base` is the path of record URLs.

    Raises Refusal.
    """
    query = parse(statement)
    view = _view(org, query)
    _refuse_unfiltered(view, query.where)
    columns = Columns(org, view, statement)
    now = org.clock.now().astimezone(zone)
    steps = children(org, query, view, now, base, include_deleted=include_deleted)
    render = renderer(columns, view, _paths(query, view), base, steps)
    conditions = Conditions(columns, now)
    predicate = conditions.compile(query.where) if query.where else None
    sorts = [(each, sortable(columns, each)) for each in query.order]
    candidates = plan(view, conditions, query.where, query.order, include_deleted=include_deleted)
    deleted = view.table.deleted_slot
    matching = (
        row
        for row in candidates.rows
        if (include_deleted or not row.values[deleted]) and (predicate is None or predicate(row.values))
    )
    if candidates.ordered and query.limit is not None:
        rows = list(islice(matching, query.offset + query.limit))
    else:
        rows = list(matching)
    if not candidates.ordered:
        sort(rows, sorts)
    end = None if query.limit is None else query.offset + query.limit
    return Answer(rows[query.offset : end], render, query.counts_only)


def _view(org: Org, query: Query) -> View:
    view = org.views.get(query.sobject.lower())
    if view is None:
        raise Refusal(
            "INVALID_TYPE",
            excerpt(query.statement, query.sobject_at)
            + f"sObject type '{query.sobject}' is not supported. If you are attempting to use a custom "
            "object, be sure to append the '__c' after the entity name. Please reference your WSDL or the "
            "describe call for the appropriate names.",
        )
    return view


def _refuse_unfiltered(view: View, where: Condition | None) -> None:
    """Refuse a query of an object that may only be asked about known records."""
    wanted = view.sobject.must_filter_by
    parts = where.children if isinstance(where, And) else (where,)
    narrowed = any(
        isinstance(part, Comparison)
        and part.operator in ("=", "IN")
        and part.path.parts[-1].lower() in {name.lower() for name in wanted}
        for part in parts
    )
    if wanted and not narrowed:
        raise Refusal(
            "MALFORMED_QUERY",
            f"Implementation restriction: {view.name} requires a filter by a single Id on "
            f"{' or '.join(wanted)} using the equals operator or multiple Id's using the IN operator.",
        )


def _paths(query: Query, view: View) -> tuple[Path, ...]:
    if not query.fields_group:
        return query.paths
    if query.limit is None or query.limit > _MAX_FIELDS_LIMIT:
        raise Refusal(
            "MALFORMED_QUERY", f"The SOQL FIELDS function must have a LIMIT of at most {_MAX_FIELDS_LIMIT}"
        )
    wanted: dict[str, Callable[[bool], bool]] = {
        "ALL": lambda custom: True,
        "STANDARD": lambda custom: not custom,
        "CUSTOM": lambda custom: custom,
    }
    chosen = wanted.get(query.fields_group)
    if chosen is None:
        raise Refusal("INVALID_FIELD", f"Unknown FIELDS function: {query.fields_group}")
    return tuple(Path((field.name,), 0) for field in view.sobject.fields if chosen(field.custom))
