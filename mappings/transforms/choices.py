"""Functions that choose. Pure."""

from __future__ import annotations

from typing import Any

from mappings.registry import Later, Truth, Value, function
from mappings.transforms.settings import Words
from mappings.values import is_empty


@function("constant", fits=False)
def constant(*, value: Words) -> Value:
    """The same value on every record; a person's change on the target is drift.

    >>> constant("ServiceNow")
    "ServiceNow"
    """
    return value


@function("first that is not empty")
def coalesce(*value: Later) -> Value:
    """The first value that is not empty; those after it are not looked at.

    >>> coalesce("", empty, "Beth Anglin", "Abel Tuter")
    "Beth Anglin"
    """
    for each in value:
        if not is_empty(found := each()):
            return found
    return None


def _nothing() -> Any:
    return None


@function("one or the other", name="if")
def if_(condition: Truth, then: Later, otherwise: Later = _nothing) -> Value:
    """The second value where the condition holds, else the third, or nothing.

    Empty, false and 0 do not hold; everything else does. Conditions compare with == != < <= > >= and in, and are
    joined by and, or and not.

    >>> if("1" in ("1", "2") and not empty, "High", "Low")
    "High"
    >>> if(2 > 10, "High")
    empty
    """
    return then() if condition else otherwise()


@function("is empty")
def is_blank(value: Value) -> Truth:
    """Whether there is nothing.

    >>> is_blank("")
    true
    >>> is_blank(0)
    false
    """
    return is_empty(value)
