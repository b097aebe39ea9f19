"""Encrypting all sealed columns under the first key, in batches, beside running workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models, transaction

from sync import audit
from sync.encryption import Sealed, keyring, sealed_attributes

BATCH = 500


def sealed_columns() -> Iterator[tuple[type[models.Model], Sealed]]:
    """Every encrypted column of every model; a new one cannot be forgotten."""
    for model in apps.get_models():
        for sealed in sealed_attributes(model).values():
            yield model, sealed


def rotate() -> Iterator[tuple[str, int]]:
    """Yield each column with how many of its values were encrypted anew; all or nothing within a batch of rows.

    Going on after a stop needs no note of where it stood: what is under the first key is skipped. The audit log is
    no part of it: its entries are signed for good, under the key each one names.
    """
    total = 0
    for model, sealed in sealed_columns():
        count = _rotate_column(model, sealed)
        total += count
        yield f"{model._meta.db_table}.{sealed.column}", count
    if total:
        audit.record("keys.rotated", after={"key": keyring().first, "values": total})


def _rotate_column(model: type[models.Model], sealed: Sealed) -> int:
    count, last = 0, None
    while rows := _next_rows(model, sealed.column, last):
        with transaction.atomic():
            count += sum(rotate_row(row, sealed) for row in rows)
        last = rows[-1].pk
    return count


def _next_rows(model: type[models.Model], column: str, last: Any) -> list[models.Model]:
    """The next batch by primary key, which never changes, so that rows added meanwhile disturb nothing."""
    rows = model._default_manager.filter(**{f"{column}__isnull": False})
    if last is not None:
        rows = rows.filter(pk__gt=last)
    return list(rows.order_by("pk").only("pk", column)[:BATCH])


def rotate_row(row: models.Model, sealed: Sealed) -> int:
    """Replace the token only if it is still the one that was read: a worker's newer value is never overwritten.

    What a worker writes meanwhile is under the first key already.
    """
    old = getattr(row, sealed.column)
    if not sealed.reseal(row):
        return 0
    unchanged = type(row)._default_manager.filter(pk=row.pk, **{sealed.column: old})
    return unchanged.update(**{sealed.column: getattr(row, sealed.column)})
