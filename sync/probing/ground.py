"""What a probe stands on: the connection's tables or objects with the fields that flows read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A table or object that flows use, its key field and its mapped fields; dot-walked ones are left out."""

    name: str
    key_field: str = ""
    fields: tuple[str, ...] = ()
