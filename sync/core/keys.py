"""Keys by which Salesforce records name their ServiceNow counterpart: a sys_id, or `<instance>:<sys_id>`.

Where several instances feed one org, a clone's sys_ids are those of its original: the prefix tells them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SYS_ID = 32  # characters
INSTANCE = "instance"  # the value of a flow's option `key_prefix`
_KEY = re.compile(r"(?:(.+):)?([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Keys:
    """Of one flow. `instance` is empty where its keys have no prefix."""

    instance: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.instance}:" if self.instance else ""

    @property
    def length(self) -> int:
        """Characters that the key's field must hold."""
        return len(self.prefix) + SYS_ID

    def of(self, sys_id: str) -> str:
        return f"{self.prefix}{sys_id}"

    def sys_id(self, key: str) -> str:
        """The counterpart that a key of ours names; "" for none, another's, or what is no key."""
        own = key.startswith(self.prefix) and len(key) == self.length
        return key[len(self.prefix) :] if own else ""

    def is_another(self, key: str) -> bool:
        """Whether it names a record of another instance than ours."""
        found = _KEY.fullmatch(key)
        return found is not None and (found[1] or "") != self.instance

    def bounds(self, start: str, end: str) -> tuple[str, str]:
        """The keys of the sys_ids from `start` up to `end`, either of which may be open."""
        if not self.prefix:
            return start, end
        return self.of(start), self.of(end) if end else f"{self.instance};"  # the character after the colon


PLAIN = Keys()
