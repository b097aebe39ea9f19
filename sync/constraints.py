"""Which constraint a row has broken: a refusal of the database is only what the caller takes it for if it is of that one."""

from __future__ import annotations

import re

from django.db import IntegrityError, models


def breaks(error: IntegrityError, model: type[models.Model], name: str) -> bool:
    """Whether it is this unique constraint of the model, without expressions, that refused the row.

    PostgreSQL tells a constraint by its name, SQLite by table and columns: of two on the same columns it does not tell which.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == name)
    constraint = next(each for each in model._meta.constraints if each.name == name)
    assert isinstance(constraint, models.UniqueConstraint)
    fields = [field for field in model._meta.concrete_fields if field.name in constraint.fields]
    columns = {f"{model._meta.db_table}.{field.column}" for field in fields}
    told = re.fullmatch(r"UNIQUE constraint failed: (.+)", str(error))
    return told is not None and set(told[1].split(", ")) == columns
