"""Errors for single records within a call that goes through: what a fault hangs onto the request it strikes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trouble:
    """Asked once for each record that a call would write; a record it strikes is not applied.

    `ids`: only these records, Salesforce ids in either length; none: any. `share` of them are struck, drawn from
    `draws`, which goes on from call to call. `code` is the error as the platform names it, `message` its text
    (`{id}` stands for the record), `status` of HTTP where the platform gives one to each part of a call.
    """

    code: str
    message: str = ""
    status: int = 0
    share: float = 1.0
    ids: frozenset[str] = frozenset()
    draws: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def strikes(self, record_id: str = "") -> bool:
        if self.ids and record_id not in self.ids and record_id[:15] not in self.ids:
            return False
        return self.share >= 1.0 or self.draws.random() < self.share

    def text(self, record_id: str = "") -> str:
        return self.message.replace("{id}", record_id)
