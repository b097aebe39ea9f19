"""Lists that stay quick: what no index has in order is sorted only where a filter leaves few enough rows to sort."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from integration_console.theme.paging import MOST
from integration_console.theme.toolkit import ChangeList


def in_order(model: type[Model]) -> frozenset[str]:
    """Columns by which an index has all rows of the table in order."""
    meta: Any = model._meta
    whole = [index.fields_orders[0][0] for index in meta.indexes if index.fields and not index.condition]
    alone = [column.name for column in meta.concrete_fields if column.unique or column.db_index]
    return frozenset({"pk", *whole, *alone})


class BoundedChangeList(ChangeList):
    """`is_unsorted`: somebody asked for an order of more rows than are sorted; they come in the list's own."""

    is_unsorted = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        if any("\x00" in value for _, values in request.GET.lists() for value in values):
            raise IncorrectLookupParameters  # PostgreSQL takes it in no text
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        if ORDER_VAR not in self.params or not rows.query.order_by:
            return rows
        first = str(rows.query.order_by[0]).lstrip("-")
        if first in in_order(self.model) or rows.order_by()[: MOST + 1].count() <= MOST:
            return rows
        self.is_unsorted = True
        del self.params[ORDER_VAR]  # or heads and links of the list would tell of an order that it has not
        own: Any = self  # what the theme's class inherits and its types do not tell
        return rows.order_by(*own._get_deterministic_ordering(own._get_default_ordering()))
