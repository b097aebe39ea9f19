"""One flow laid over another: its own keys first, then those that only the other says.

The two ends are laid over each other key by key, everything else is taken whole (docs/decisions/0024).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sync.configuration.tree import Items, Keys, Node, Scalar
from sync.core.records import Side

# Ways to say one thing: whoever says one of them does not mean the other's other.
_EITHER = (frozenset({"external_id", "lookup"}), frozenset({"coalesce", "field"}))


def laid_over(own: Keys, under: Keys, line: int) -> Keys:
    """What comes from below stands at `line`."""
    found = _over(own, under, line)
    for side in Side:
        mine, theirs = own.values.get(side), under.values.get(side)
        if isinstance(mine, Keys) and isinstance(theirs, Keys):
            found.values[side.value] = _over(mine, theirs, line)
    return found


def unsaid(said: Collection[str], under: Keys) -> list[str]:
    """The keys of `under` that whoever says these leaves to it."""
    silenced = {name for either in _EITHER if either & set(said) for name in either}
    return [name for name in under.values if name not in {*said, *silenced}]


def _over(own: Keys, under: Keys, line: int) -> Keys:
    """An empty key of both is in neither."""
    lacking = unsaid(own.values, under)
    kept = {name: value for name, value in own.values.items() if not (name in under.values and _empty(value))}
    values = {**kept, **{name: _at(under.values[name], line) for name in lacking}}
    return Keys(own.line, values, {**own.lines, **dict.fromkeys(lacking, line)})


def _empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.empty


def _at(node: Node, line: int) -> Node:
    """A copy that stands at `line`."""
    if isinstance(node, Scalar):
        return replace(node, line=line)
    if isinstance(node, Items):
        return Items(line, [_at(item, line) for item in node.items])
    return Keys(
        line,
        {name: _at(value, line) for name, value in node.values.items()},
        dict.fromkeys(node.lines, line),
    )
