"""YAML read into a tree that knows its lines, bounded in size and depth; hostile input ends in a sentence.

Built from the parser's events, so nothing is constructed that a tag could name, and an alias, which could grow a
small file into gigabytes, is refused where it stands. Scalars keep the text as written: a picklist value `No` or a
state `1` stays what the file shows, whatever YAML would make of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from sync.configuration.problems import Remarks

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    plain: bool  # without quotes
    line: int

    @property
    def empty(self) -> bool:
        return self.plain and self.text in _EMPTY


@dataclass(slots=True)
class Items:
    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Keys:
    line: int
    values: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    open_key: str | None = None  # read, its value still to come


Node = Scalar | Items | Keys


def read_tree(text: str, remarks: Remarks) -> Node | None:
    """The file's one document; None if there is none, or what is there cannot be read (told in `remarks`)."""
    if len(text.encode()) > MAX_BYTES:
        remarks.problem(1, "", f"The file is larger than {MAX_BYTES // 1024 // 1024} MB.")
        return None
    builder = _Builder(remarks)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if not builder.take(event):
                return None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        remarks.problem(line, "", f"This is not YAML: {error.problem or error.context}.")
        return None
    except yaml.YAMLError as error:
        remarks.problem(1, "", f"This is not YAML: {str(error).splitlines()[0]}.")
        return None
    return builder.root


class _Builder:
    """Takes events one by one; keeps the open collections on a stack instead of recursing."""

    def __init__(self, remarks: Remarks) -> None:
        self.remarks = remarks
        self.root: Node | None = None
        self._open: list[Items | Keys] = []
        self._documents = 0

    def take(self, event: Any) -> bool:
        """False: reading cannot go on."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            return self._documents == 1 or self._refuse(line, "The file holds more than one document.")
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(line, f"Aliases (*{event.anchor}) are not taken: write the value out.")
        if getattr(event, "tag", None) not in (None, "!"):
            return self._refuse(line, f"Tags ({event.tag}) are not taken.")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(Scalar(event.value, not event.style, line))
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            return self._begin(Items(line) if isinstance(event, yaml.SequenceStartEvent) else Keys(line))
        if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._open.pop()
        return True

    def _refuse(self, line: int, text: str) -> bool:
        self.remarks.problem(line, "", text)
        return False

    def _begin(self, node: Items | Keys) -> bool:
        if len(self._open) >= MAX_DEPTH:
            return self._refuse(node.line, f"Nested deeper than {MAX_DEPTH} levels.")
        if not self._place(node):
            return False
        self._open.append(node)
        return True

    def _scalar(self, node: Scalar) -> bool:
        parent = self._open[-1] if self._open else None
        if isinstance(parent, Keys) and parent.open_key is None:
            if node.text in parent.values:
                self.remarks.problem(node.line, "", f"The key {node.text!r} is given twice here.")
            parent.open_key = node.text
            parent.lines[node.text] = node.line
            return True
        return self._place(node)

    def _place(self, node: Node) -> bool:
        parent = self._open[-1] if self._open else None
        if parent is None:
            self.root = node
        elif isinstance(parent, Items):
            parent.items.append(node)
        elif parent.open_key is None:
            return self._refuse(node.line, "A key must be a word.")
        else:
            parent.values[parent.open_key] = node
            parent.open_key = None
        return True
