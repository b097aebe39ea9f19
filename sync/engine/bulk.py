"""Many rows in one prepared statement.

The ORM's bulk_create and bulk_update build one huge statement out of Python objects, field by field; for a page of
thousands of rows that costs more than all the rest of a run. Here a plan of converters is made once a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models

Converter = Callable[[Any], Any]
T = TypeVar("T")
IN_CHUNK = 900  # parameters a statement may have on every database we support


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + IN_CHUNK] for start in range(0, len(values), IN_CHUNK))


def insert(model: type[models.Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows given as values of `columns` (attribute names, foreign keys as name_id); others take their empty value."""
    if not rows:
        return
    statement, converters, rest = _insert_plan(model, columns, connection.vendor)
    _execute(statement, zip(*_converted(converters, rows), *map(repeat, rest), strict=False))


def update(rows: Sequence[models.Model], columns: Sequence[str]) -> None:
    """Save these columns of the rows, each by its key."""
    if not rows:
        return
    statement, converters = _update_plan(type(rows[0]), tuple(columns), connection.vendor)
    values = map(attrgetter(*columns, "pk"), rows)
    _execute(statement, zip(*_converted(converters, values), strict=True))


def upsert(model: type[models.Model], columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows given as values of `columns`, or set all but the first column of those that exist; the first is the key."""
    if not rows:
        return
    statement, converters = _upsert_plan(model, columns, connection.vendor)
    _execute(statement, zip(*_converted(converters, rows), strict=True))


def add(
    model: type[models.Model],
    keys: tuple[str, ...],
    counted: str,
    rows: Sequence[Sequence[Any]],
    latest: str = "",
) -> None:
    """Add to counters: rows are values of `keys`, which are unique together, then how many, then what `latest` is if known."""
    if not rows:
        return
    statement, converters = _add_plan(model, keys, counted, latest, connection.vendor)
    _execute(statement, zip(*_converted(converters, rows), strict=True))


def change(model: type[models.Model], changes: Mapping[str, Any], **tests: Any) -> int:
    """Set these columns of the rows that meet the tests (a name: equals; name__gt: is greater); returns how many did."""
    statement, converters = _change_plan(model, tuple(changes), tuple(tests), connection.vendor)
    values = [*changes.values(), *tests.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [convert(value) if convert else value for convert, value in zip(converters, values, strict=True)],
        )
        return int(cursor.rowcount)


def holds(model: type[models.Model], **equals: Any) -> bool:
    """Whether there is a row whose columns (attribute names) equal these values; None: is empty.

    A run asks such questions page after page, and what the ORM does to ask one costs ten times the answer.
    """
    given = {name: value for name, value in equals.items() if value is not None}
    statement, converters = _holds_plan(model, tuple(equals), tuple(given), connection.vendor)
    values = [
        convert(value) if convert else value
        for convert, value in zip(converters, given.values(), strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone() is not None


def delete(model: type[models.Model], keys: Sequence[Any]) -> None:
    """Delete rows by their keys, past signals and cascades: for tables that nothing refers to."""
    if not keys:
        return
    quote = connection.ops.quote_name
    key: Any = model._meta.pk
    statement = f"DELETE FROM {quote(model._meta.db_table)} WHERE {quote(key.column)} = %s"  # noqa: S608
    _execute(
        statement, zip(*_converted([_converter(key, connection.vendor)], zip(keys, strict=True)), strict=True)
    )


def _execute(statement: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(rows))


def _converted(
    converters: Sequence[Converter | None], rows: Iterable[Sequence[Any]]
) -> Iterator[Iterable[Any]]:
    """Column by column, so that a loop in Python is made only of columns that need one."""
    columns = zip(*rows, strict=True)
    for convert, column in zip(converters, columns, strict=True):
        yield map(convert, column) if convert else column


@lru_cache(maxsize=64)
def _insert_plan(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> tuple[str, list[Converter | None], list[Any]]:
    fields: dict[str, Any] = {field.attname: field for field in model._meta.local_concrete_fields}
    named = [fields.pop(name) for name in columns]
    empty = []
    for field in fields.values():
        convert = _converter(field, vendor)
        empty.append(convert(field.get_default()) if convert else field.get_default())
    quote = connection.ops.quote_name
    into = ", ".join(quote(field.column) for field in [*named, *fields.values()])
    marks = ", ".join(["%s"] * (len(named) + len(fields)))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({into}) VALUES ({marks})"  # noqa: S608
    return statement, [_converter(field, vendor) for field in named], empty


@lru_cache(maxsize=64)
def _update_plan(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> tuple[str, list[Converter | None]]:
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    key: Any = model._meta.pk
    statement = f"UPDATE {quote(model._meta.db_table)} SET {assignments} WHERE {quote(key.column)} = %s"  # noqa: S608
    return statement, [_converter(field, vendor) for field in [*fields, key]]


@lru_cache(maxsize=64)
def _upsert_plan(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> tuple[str, list[Converter | None]]:
    """Columns that are not named must allow to be empty. The syntax is that of SQLite and of PostgreSQL."""
    known: dict[str, Any] = {field.attname: field for field in model._meta.concrete_fields}
    fields = [known[name] for name in columns]
    quote = connection.ops.quote_name
    names = [quote(field.column) for field in fields]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    statement = (
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "  # noqa: S608
        f"ON CONFLICT ({names[0]}) DO UPDATE SET {changes}"
    )
    return statement, [_converter(field, vendor) for field in fields]


@lru_cache(maxsize=64)
def _add_plan(
    model: type[models.Model], keys: tuple[str, ...], counted: str, latest: str, vendor: str
) -> tuple[str, list[Converter | None]]:
    """Columns that are not named must allow to be empty. The syntax is that of SQLite and of PostgreSQL."""
    known: dict[str, Any] = {field.attname: field for field in model._meta.concrete_fields}
    fields = [known[name] for name in (*keys, counted, *filter(None, [latest]))]
    quote = connection.ops.quote_name
    table, names = quote(model._meta.db_table), [quote(field.column) for field in fields]
    count = names[len(keys)]
    changes = [f"{count} = {table}.{count} + excluded.{count}"]
    changes += [f"{name} = COALESCE(excluded.{name}, {table}.{name})" for name in names[len(keys) + 1 :]]
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(names[: len(keys)])}) DO UPDATE SET {', '.join(changes)}"
    )
    return statement, [_converter(field, vendor) for field in fields]


@lru_cache(maxsize=64)
def _change_plan(
    model: type[models.Model], changes: tuple[str, ...], tests: tuple[str, ...], vendor: str
) -> tuple[str, list[Converter | None]]:
    known: dict[str, Any] = {field.attname: field for field in model._meta.concrete_fields}
    signs = {"": "=", "gt": ">"}
    parts = [name.partition("__") for name in tests]
    fields = [*(known[name] for name in changes), *(known[name] for name, _, _ in parts)]
    quote = connection.ops.quote_name
    setting = ", ".join(f"{quote(known[name].column)} = %s" for name in changes)
    where = " AND ".join(f"{quote(known[name].column)} {signs[sign]} %s" for name, _, sign in parts)
    statement = f"UPDATE {quote(model._meta.db_table)} SET {setting} WHERE {where}"  # noqa: S608
    return statement, [_nothing_or(_converter(field, vendor)) for field in fields]


def _nothing_or(convert: Converter | None) -> Converter | None:
    return (lambda value: None if value is None else convert(value)) if convert else None


@lru_cache(maxsize=64)
def _holds_plan(
    model: type[models.Model], names: tuple[str, ...], given: tuple[str, ...], vendor: str
) -> tuple[str, list[Converter | None]]:
    known: dict[str, Any] = {field.attname: field for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    tests = [f"{quote(known[name].column)} {'= %s' if name in given else 'IS NULL'}" for name in names]
    statement = f"SELECT 1 FROM {quote(model._meta.db_table)} WHERE {' AND '.join(tests)} LIMIT 1"  # noqa: S608
    return statement, [_converter(known[name], vendor) for name in given]


def _converter(field: Any, vendor: str) -> Converter | None:
    """How a value of this field is handed to the driver; None: as it is."""
    if isinstance(field, models.ForeignKey):
        return _converter(field.target_field, vendor)
    if isinstance(field, models.UUIDField):
        return _hex if vendor == "sqlite" else None
    if isinstance(field, models.DateTimeField):
        return _naive if vendor == "sqlite" else None
    if isinstance(field, models.CharField | models.TextField) and not field.null:
        return str  # an enumeration's member is a str to Python, but not to every driver
    if isinstance(field, models.BinaryField | models.IntegerField | models.BooleanField):
        return None
    return lambda value: field.get_db_prep_save(value, connection)


def _hex(value: UUID | None) -> str | None:
    return None if value is None else value.hex


@lru_cache(maxsize=256)
def _naive(value: datetime | None) -> str | None:
    """As Django stores it: UTC without saying so. Its own way there asks the settings for each value.

    Most stamps of a page are one moment, the page's own, in column after column and row after row.
    """
    if value is None:
        return None
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(" ")[: -len("+00:00")]
