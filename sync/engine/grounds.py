"""What every part of a decision stands on: the flow, what is known, and the two connectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mappings.apply import CompiledRow
from sync.connectors.base import Connector
from sync.core.merge import Base
from sync.core.records import Record, Side
from sync.engine.context import Context
from sync.engine.history import (
    Asking,
)
from sync.engine.recovery import Recovery
from sync.engine.store import Store
from sync.models import Conflict, HandOver

# Longest time between an intent and its request leaving, and longest time the platform may still execute a
# request that we gave up on (its own cut-off, Salesforce: ten minutes, unverified).
SEND_WITHIN = timedelta(seconds=60)
EXECUTES_WITHIN = timedelta(seconds=600)


@dataclass(frozen=True, slots=True)
class Look:
    """When records were read: `at` by our clock and `server` by the platform's, neither later than the look-up."""

    at: datetime
    server: datetime


@dataclass
class Grounds:
    """Shared by the parts of `Deciding`; none of them writes anything."""

    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    _rows: dict[str, CompiledRow] = field(init=False)
    _asking: Asking = field(init=False)
    recovery: Recovery = field(init=False)
    _choices: dict[Any, list[Conflict]] = field(default_factory=dict)
    _orders: dict[Any, HandOver] = field(default_factory=dict)  # what people hand over, by link
    withheld: dict[Side, int] = field(default_factory=dict)
    # Records that exist on the side that is written, id by key, as read once for many pages: a hint, never proof of
    # what is not there.
    existing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = {row.id: row for row in self.context.rows}
        self._asking = Asking(self.context, self.store, self.connectors)
        self.recovery = Recovery(self.context, self.store, self.connectors)

    def _look(self, side: Side) -> Look:
        return Look(self.store.now(), self.connectors[side].server_now())


def base_of(to: Side, source: Any, sent: Any) -> Base:
    """The base after `sent` was written to `to`, merged on `source`."""
    return (source, sent) if to is Side.SALESFORCE else (sent, source)


def value_of(record: Record, name: str) -> Any:
    """The value of a field, or of several columns, as a planned write names them."""
    names = name.split(", ")
    return record.values.get(name) if len(names) == 1 else [record.values.get(part, "") for part in names]
