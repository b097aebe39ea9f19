"""The actions of a flow as a file or a form writes them: plain data for the engine, and the line of each part for messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from sync.configuration.documents import Actions
from sync.configuration.problems import Remark, Remarks
from sync.configuration.readers import Place
from sync.configuration.tree import Items, Keys, Node, Scalar, read_tree
from sync.core import action_rules


def read(node: Node, place: Place) -> Actions:
    """Every value as text, lists and keys as they stand; what they must keep to is checked with the flow they belong to."""
    if isinstance(node, Scalar) and node.empty:
        return Actions(node.line)
    lines: dict[str, int] = {}
    plain = _plain(node, "", lines)
    return Actions(node.line, plain if isinstance(plain, list) else [plain], lines)


def _plain(node: Node, path: str, lines: dict[str, int]) -> Any:
    lines[path] = node.line
    if isinstance(node, Items):
        return [_plain(item, _step(path, str(index)), lines) for index, item in enumerate(node.items)]
    if isinstance(node, Keys):
        found = {key: _plain(child, _step(path, key), lines) for key, child in node.values.items()}
        lines.update({_step(path, key): line for key, line in node.lines.items()})
        return found
    return "" if node.empty else node.text


def _step(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def problems(doc: Actions, reads: tuple[str, ...]) -> Iterator[tuple[int, str, str]]:
    """Line, path and sentence of each."""
    for path, text in action_rules.problems(list(doc.said), reads):
        yield line_of(doc, path), path, text


def line_of(doc: Actions, path: str) -> int:
    """Of a part, or of the next larger one that is there."""
    while path and path not in doc.lines:
        path = path.rpartition(".")[0]
    return doc.lines.get(path, doc.line)


def shown(path: str) -> str:
    """A path as the file's messages write it: `actions[0].steps[2].values.Name`."""
    parts = path.split(".")
    text = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts if part)
    return f"actions{text}"


# On the flow's page


def parsed(text: str, reads: tuple[str, ...]) -> tuple[list[Any], list[Remark]]:
    """What a person has written, and all that is wrong with it."""
    remarks = Remarks()
    if not text.strip():
        return [], []
    root = read_tree(text, remarks)
    if root is None:
        return [], remarks.problems
    if isinstance(root, Keys) and set(root.values) == {"actions"}:
        root = root.values["actions"]  # as copied from a file
    doc = read(root, Place("", remarks, {}))
    for line, path, sentence in problems(doc, reads):
        remarks.problem(line, shown(path), sentence)
    return list(doc.said), sorted(set(remarks.problems))


def written(option: Any) -> str:
    """The actions as the form shows them; the same actions give the same text."""
    if not option:
        return ""
    return yaml.safe_dump(option, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)


def stored(doc: Actions) -> Mapping[str, Any]:
    """The option as the engine reads it; nothing where there are none."""
    return {"actions": list(doc.said)} if doc.said else {}
