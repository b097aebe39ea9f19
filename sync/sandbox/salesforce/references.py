"""References of composite subrequests: `@{created.id}`, `@{found.records[0].Id}`, `@{written[1].id}`.

Source: REST guide, "Composite": a reference may stand in the URL, the body and the headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sync.sandbox.salesforce.problems import Refusal

_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def resolve(value: Any, bodies: Mapping[str, Any]) -> Any:
    """Return `value` with every reference replaced by what the named answers say.

    A string that is one reference and nothing else takes the type of what it refers to.
    Raises Refusal (PROCESSING_HALTED) for a reference to nothing.
    """
    if isinstance(value, dict):
        return {name: resolve(each, bodies) for name, each in value.items()}
    if isinstance(value, list):
        return [resolve(each, bodies) for each in value]
    if not isinstance(value, str) or "@{" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _look_up(whole, bodies)
    return _REFERENCE.sub(lambda match: str(_look_up(match, bodies)), value)


def _look_up(match: re.Match[str], bodies: Mapping[str, Any]) -> Any:
    name, path = match.groups()
    try:
        found = bodies[name]
        for key, index in _STEP.findall(path):
            found = found[key] if key else found[int(index)]
    except (KeyError, IndexError, TypeError):
        raise Refusal(
            "PROCESSING_HALTED", f"Invalid reference specified. No value for {name}{path} found in {name}"
        ) from None
    return found
