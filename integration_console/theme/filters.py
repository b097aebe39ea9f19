"""Filters of lists whose choices are read from an index, however many rows the table has."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.db import connections


def values_of(column: Any) -> list[Any]:
    """The different values of a model's column that an index begins with, in order: one look into the index for each.

    `SELECT DISTINCT` reads the index from end to end, in SQLite and in PostgreSQL.
    """
    manager = column.model._default_manager
    quote = connections[manager.db].ops.quote_name
    table, name = quote(column.model._meta.db_table), quote(column.column)
    statement = (
        f"WITH RECURSIVE found(value) AS (SELECT MIN({name}) FROM {table} UNION ALL "  # noqa: S608
        f"SELECT (SELECT MIN({name}) FROM {table} WHERE {name} > found.value) FROM found WHERE found.value IS NOT NULL) "
        "SELECT value FROM found WHERE value IS NOT NULL"
    )
    with connections[manager.db].cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


class IndexedValuesFilter(AllValuesFieldListFilter):
    """All values of a column that an index begins with."""

    def __init__(self, field: Any, *args: Any, **named: Any) -> None:
        super().__init__(field, *args, **named)
        self.lookup_choices: Any = values_of(field)
