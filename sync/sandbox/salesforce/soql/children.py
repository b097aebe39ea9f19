"""Subqueries of the SELECT list: the rows that refer to each row found.

Source: SOQL reference, "Relationship Queries"; the names of relationships are those of the Object Reference.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.soql.columns import Columns
from sync.sandbox.salesforce.soql.conditions import Conditions
from sync.sandbox.salesforce.soql.select import Step, renderer
from sync.sandbox.salesforce.soql.sorting import sort, sortable
from sync.sandbox.salesforce.soql.syntax import Query
from sync.sandbox.salesforce.soql.tokens import excerpt, malformed
from sync.sandbox.salesforce.store import Row, Stored, Values

# What the rows that refer by a field are called, seen from the row they refer to.
CHILD_NAMES = {
    ("Account", "ParentId"): "ChildAccounts",
    ("AccountTeamMember", "AccountId"): "AccountTeamMembers",
    ("Asset", "AccountId"): "Assets",
    ("Asset", "ContactId"): "Assets",
    ("Asset", "ParentId"): "ChildAssets",
    ("Asset", "Product2Id"): "Assets",
    ("Case", "AccountId"): "Cases",
    ("Case", "AssetId"): "Cases",
    ("Case", "ContactId"): "Cases",
    ("Case", "ParentId"): "Cases",
    ("CaseArticle", "CaseId"): "CaseArticles",
    ("CaseArticle", "KnowledgeArticleId"): "CaseAssociations",
    ("CaseComment", "ParentId"): "CaseComments",
    ("CaseHistory", "CaseId"): "Histories",
    ("Contact", "AccountId"): "Contacts",
    ("ContentDocumentLink", "ContentDocumentId"): "ContentDocumentLinks",
    ("ContentDocumentLink", "LinkedEntityId"): "ContentDocumentLinks",
    ("ContentVersion", "ContentDocumentId"): "ContentVersions",
    ("FeedItem", "ParentId"): "Feeds",
    ("Opportunity", "AccountId"): "Opportunities",
    ("QueueSobject", "QueueId"): "QueueSobjects",
    ("Task", "WhatId"): "Tasks",
    ("Task", "WhoId"): "Tasks",
}


def children(
    org: Org, query: Query, view: View, now: datetime, base: str, *, include_deleted: bool
) -> dict[str, Step]:
    """Return for each subquery what renders its answer for a row of `view`. Raises Refusal.

    Which rows belong to whom is looked up once for the whole statement.
    """
    steps: dict[str, Step] = {}
    for child in query.children:
        if child.counts_only or child.fields_group or child.aggregates or child.typeofs:
            raise malformed(child.statement, child.sobject_at, "a subquery needs named fields")
        name, child_view, field = _relationship(org, view, child)
        rows = _by_parent(org, child, child_view, field, now, include_deleted=include_deleted)
        deeper = children(org, child, child_view, now, base, include_deleted=include_deleted)
        columns = Columns(org, child_view, child.statement)
        steps[name] = _step(rows, renderer(columns, child_view, child.paths, base, deeper))
    return steps


def _step(rows: dict[Stored, list[Row]], render: Callable[[Values], dict[str, Any]]) -> Step:
    def answer(values: Values) -> Any:
        mine = rows.get(values[0])
        if not mine:
            return None
        return {"totalSize": len(mine), "done": True, "records": [render(row.values) for row in mine]}

    return answer


def _by_parent(
    org: Org, child: Query, view: View, field: Field, now: datetime, *, include_deleted: bool
) -> dict[Stored, list[Row]]:
    """Return the matching rows by the id they refer to, sorted and cut as the subquery asks."""
    columns = Columns(org, view, child.statement)
    predicate = Conditions(columns, now).compile(child.where) if child.where else None
    sorts = [(each, sortable(columns, each)) for each in child.order]
    slot, deleted = view.slot(field.name), view.table.deleted_slot
    found: dict[Stored, list[Row]] = {}
    for row in view.table.rows.values():
        if (include_deleted or not row.values[deleted]) and (predicate is None or predicate(row.values)):
            found.setdefault(row.values[slot], []).append(row)
    end = None if child.limit is None else child.offset + child.limit
    for parent, rows in found.items():
        sort(rows, sorts)
        found[parent] = rows[child.offset : end]
    return found


def _relationship(org: Org, view: View, child: Query) -> tuple[str, View, Field]:
    for (sobject, name), relationship in CHILD_NAMES.items():
        child_view = org.views.get(sobject.lower())
        field = child_view.field(name) if child_view else None
        if (
            child_view is not None
            and field is not None
            and view.name in field.reference_to
            and relationship.lower() == child.sobject.lower()
        ):
            return relationship, child_view, field
    raise Refusal(
        "INVALID_TYPE",
        excerpt(child.statement, child.sobject_at)
        + f"Didn't understand relationship '{child.sobject}' in FROM part of query call. If you are attempting "
        "to use a custom relationship, be sure to append the '__r' after the custom relationship name.",
    )
