"""Keys by which Salesforce records name their ServiceNow counterpart: a sys_id, or `<instance>:<sys_id>`.

Where several instances feed one org, a clone's sys_ids are those of its original: the prefix tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Keyed:
    """What a flow has to do with keys: `field` of `object` is what it fills ("": none); `asks`: objects by whose keys its actions
    look, each with the text that names the field."""

    object: str
    field: str
    prefixed: bool
    asks: frozenset[tuple[str, str]] = frozenset()

    def asks_for(self, other: Keyed) -> bool:
        """Whether its actions look records up by the keys that another flow fills. In its own field its own form holds."""
        if not other.field or (other.object, other.field) == (self.object, self.field):
            return False
        return any(object == other.object and other.field in text for object, text in self.asks)

    def misses(self, other: Keyed, *, same_instance: bool) -> bool:
        """Whether it asks for the keys that another flow fills, and would find none by them, or those of another instance."""
        unlike = self.prefixed != other.prefixed if same_instance else not (self.prefixed or other.prefixed)
        return unlike and self.asks_for(other)


_ASKS = re.compile(r"\b(?:key_of|sys_id_of)\(")


def asked_by_key(actions: Any, own: str) -> frozenset[tuple[str, str]]:
    """(object, text) of each text of declared actions that deals with keys: of the object that a step is about, else of the flow's
    own. A draft's declaration may be unsound: what is no action is passed over."""
    steps = [
        step
        for action in (actions if isinstance(actions, Sequence) else ())
        if isinstance(action, Mapping)
        for step in (action.get("steps") or ())
        if isinstance(step, Mapping)
    ]
    return frozenset(
        (str(step.get("table")) if step.get("in") == "salesforce" and step.get("table") else own, text)
        for step in steps
        for value in step.values()
        for text in (value.values() if isinstance(value, Mapping) else (value,))
        if isinstance(text, str) and _ASKS.search(text)
    )
