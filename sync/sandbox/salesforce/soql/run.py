"""Running a parsed query: plan, filter, sort, cut, and a function that renders the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from itertools import islice

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.soql.children import children
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.conditions import Conditions
from sync.sandbox.salesforce.soql.grouping import grouped
from sync.sandbox.salesforce.soql.joins import check_id, without_joins
from sync.sandbox.salesforce.soql.parser import MAX_LEVELS, parse
from sync.sandbox.salesforce.soql.plan import plan
from sync.sandbox.salesforce.soql.polymorphic import typeofs
from sync.sandbox.salesforce.soql.select import Renderer, renderer
from sync.sandbox.salesforce.soql.sorting import sort, sortable
from sync.sandbox.salesforce.soql.syntax import And, Comparison, Condition, Join, Order, Path, Query
from sync.sandbox.salesforce.soql.tokens import excerpt
from sync.sandbox.salesforce.store import Row, Stored

_MAX_FIELDS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """Every matching row, and how one is rendered; `counts_only` says that COUNT() was asked.

    `aggregates`: the rows are groups, and come all at once.
    """

    rows: list[Row]
    render: Renderer
    counts_only: bool = False
    aggregates: bool = False


def run(
    org: Org, statement: str, zone: tzinfo, base: str, *, include_deleted: bool, levels: int = MAX_LEVELS
) -> Answer:
    """Answer a statement for a user whose days begin in `zone`; `base` is the path of record URLs.

    `levels` is how deep subqueries may go. Raises Refusal.
    """
    query = parse(statement, levels=levels)
    view = _view(org, query)
    _refuse_unfiltered(view, query.where)
    columns = Columns(org, view, statement)
    now = org.clock.now().astimezone(zone)
    query = _with_joins(org, query, columns, now, include_deleted=include_deleted)
    if query.aggregates:
        found = _matching(query, view, columns, now, (), None, include_deleted=include_deleted)
        rows, render = grouped(found, query, columns, now)
        return Answer(rows, render, aggregates=True)
    _refuse_aliases(query)
    steps = children(org, query, view, now, base, include_deleted=include_deleted)
    steps |= typeofs(org, query, view, columns, base)
    render = renderer(columns, view, _paths(query, view), base, steps)
    end = None if query.limit is None else query.offset + query.limit
    rows = _matching(query, view, columns, now, query.order, end, include_deleted=include_deleted)
    return Answer(rows[query.offset : end], render, query.counts_only)


def _with_joins(org: Org, query: Query, columns: Columns, now: datetime, *, include_deleted: bool) -> Query:
    """Return the query with what the queries in its conditions find."""

    def find(inner: Query) -> set[Stored]:
        view = _view(org, inner)
        _refuse_unfiltered(view, inner.where)
        inner_columns = Columns(org, view, query.statement)
        check_id(inner.paths[0], inner_columns)
        get = inner_columns.resolve(inner.paths[0]).get
        rows = _matching(inner, view, inner_columns, now, (), None, include_deleted=include_deleted)
        return {get(row.values) for row in rows}

    if query.where is None:
        return query
    return replace(query, where=without_joins(query.where, columns, find))


def _matching(
    query: Query,
    view: View,
    columns: Columns,
    now: datetime,
    order: tuple[Order, ...],
    end: int | None,
    *,
    include_deleted: bool,
) -> list[Row]:
    """Return the rows that meet the conditions, in order; those past `end` may be left out."""
    conditions = Conditions(columns, now)
    predicate = conditions.compile(query.where) if query.where else None
    sorts = [(each, sortable(columns, each)) for each in order]
    candidates = plan(view, conditions, query.where, order, include_deleted=include_deleted)
    deleted = view.table.deleted_slot
    matching = (
        row
        for row in candidates.rows
        if (include_deleted or not row.values[deleted])
        and (predicate is None or predicate(row.values))
        and view.shows(row.values)
    )
    if candidates.ordered or not sorts:
        return list(islice(matching, end))
    rows = list(matching)
    sort(rows, sorts)
    return rows


def _refuse_aliases(query: Query) -> None:
    for path in query.paths:
        if path.alias:
            what = "only aggregate expressions use field aliasing"
            raise Refusal("MALFORMED_QUERY", excerpt(query.statement, path.at) + what)


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
    """Refuse a query of an object that may only be asked about known records, or those that another query finds."""
    wanted = view.sobject.must_filter_by
    parts = where.children if isinstance(where, And) else (where,)
    narrowed = any(
        isinstance(part, Comparison | Join)
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
