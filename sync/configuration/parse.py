"""From text to a checked document, or to all that is wrong with it. Pure: no database, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.configuration.check import check
from sync.configuration.documents import Document, Known
from sync.configuration.problems import InvalidConfiguration, Remark, Remarks
from sync.configuration.readers import Place
from sync.configuration.schema import DOCUMENT
from sync.configuration.tree import read_tree


@dataclass(frozen=True, slots=True)
class Parsed:
    file: str  # as it is named in messages
    document: Document
    notices: tuple[Remark, ...]


def parse(text: str, *, file: str, known: Known, environ: Mapping[str, str]) -> Parsed:
    """Raises InvalidConfiguration with every problem. `environ` answers `${NAME}`; secrets stay references."""
    remarks = Remarks()
    root = read_tree(text, remarks)
    if root is None:
        if not remarks.problems:
            remarks.problem(1, "", "The file is empty; it begins with version: 1.")
        raise InvalidConfiguration(file, remarks.problems)
    values = DOCUMENT.read(root, Place("", remarks, environ)) or {}
    parts = {key: value for key, value in values.items() if key not in ("version", "line")}
    document = Document(**parts)
    check(document, known, remarks)
    if remarks.problems:
        raise InvalidConfiguration(file, remarks.problems)
    return Parsed(file, document, tuple(sorted(set(remarks.notices))))
