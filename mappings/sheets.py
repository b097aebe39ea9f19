"""Tables as CSV: read from whatever a spreadsheet saved, and compared row by row with what is held.

Pure. A file is read line by line and given up at the first row too many, so that its size costs no memory. Cells are texts
without the spaces around them; what a spreadsheet would run as a formula is refused unless an apostrophe stands before it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import IO

MOST_ROWS = 10_000
MOST_CHARACTERS = 2_000_000
TOLD = 50  # problems of one file
RUNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*%?")
_DELIMITERS = (",", ";", "\t")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """`needed`: columns that a file must have. `keys`: by which columns a row is found again, the strictest first.

    `defaults`: what a new row holds in the columns that the file does not have. `aliases`: other heads of a column.
    """

    columns: tuple[str, ...]
    needed: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    defaults: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def named(self, head: str) -> str:
        """The column that a head means, "" for none."""
        name = head.strip().casefold()
        found = self.aliases.get(name, name.replace(" ", "_"))
        return found if found in self.columns else ""


_FIELDS = {"servicenow field": "servicenow", "salesforce field": "salesforce"}
FIELDS = Sheet(
    columns=("servicenow", "salesforce", "direction", "transform", "reverse", "value_map", "value", "default", "required", "conflict"),
    needed=("servicenow", "salesforce"),
    keys=(("servicenow", "salesforce"), ("salesforce",)),
    defaults={},
    aliases={**_FIELDS, "how": "transform", "and back": "reverse"},
)  # fmt: skip
VALUES = Sheet(
    columns=("servicenow", "salesforce", "direction", "along"),
    needed=("servicenow", "salesforce"),
    keys=(("servicenow", "salesforce", "direction"), ("servicenow", "salesforce"), ("servicenow",)),
    defaults={"direction": "both"},
    aliases={"servicenow value": "servicenow", "salesforce value": "salesforce", "goes with it to servicenow": "along"},
)  # fmt: skip
PEOPLE = Sheet(
    columns=("kind", "servicenow", "salesforce", "direction"),
    needed=("servicenow", "salesforce"),
    keys=(("kind", "servicenow", "salesforce", "direction"), ("kind", "servicenow", "salesforce"), ("kind", "servicenow")),
    defaults={"kind": "user", "direction": "both"},
    aliases={"servicenow user_name or group": "servicenow", "salesforce username or queue": "salesforce"},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """`line` of the file, 0: of the file as a whole. `text` says what to do."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"Line {self.line:,}: {self.text}" if self.line else self.text


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    cells: Row


class Unreadable(Exception):
    """The file is no such table; the message says why and what to do."""

    def __init__(self, text: str, line: int = 0) -> None:
        self.problem = Problem(line, text)
        super().__init__(str(self.problem))


def read(file: IO[bytes], sheet: Sheet, *, typed: bool = False) -> tuple[list[Line], list[Problem]]:
    """The rows of a file, and what is wrong with cells of it. `typed`: pasted text, which may begin without a head.

    Raises Unreadable. UTF-8 with or without its mark and UTF-16 with it; comma, semicolon or tab between cells.
    """
    with closing(_rows(file)) as reader:
        return _read(reader, sheet, typed)


def _read(
    reader: Iterator[tuple[int, list[str]]], sheet: Sheet, typed: bool
) -> tuple[list[Line], list[Problem]]:
    heads = next(reader, None)
    if heads is None:
        raise Unreadable("There is nothing in it. The first line names the columns: " + ", ".join(sheet.columns) + ".")  # fmt: skip
    lines: list[Line] = []
    problems: list[Problem] = []
    if typed and not any(map(sheet.named, heads[1])):
        columns = [*sheet.needed, *(name for name in sheet.columns if name not in sheet.needed)]
        reader = _again(heads, reader)
    else:
        columns = _columns(heads[1], sheet)
    for number, cells in reader:
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            problems.append(Problem(number, f"has {len(cells)} cells for {len(columns)} columns. Put quotes around a cell with a comma in it."))  # fmt: skip
            continue
        row = {}
        for name, cell in zip(columns, cells, strict=False):
            try:
                row[name] = _plain(cell)
            except ValueError as error:
                problems.append(Problem(number, f"{name}: {error}"))
        lines.append(Line(number, row))
        if len(problems) >= TOLD:
            break
    return lines, problems


def _again(
    first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _rows(file: IO[bytes]) -> Generator[tuple[int, list[str]], None, None]:
    """(line, cells) of each row that is not empty."""
    start = file.read(4)
    file.seek(0)
    encoding = _encoding(start)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        delimiter = _delimiter(text.readline(100_000))
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        count = characters = 0
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            characters += sum(map(len, cells))
            if any("\x00" in cell for cell in cells):
                raise Unreadable("It is no text (it holds zero bytes). Save the sheet as “CSV UTF-8”.")
            if count > MOST_ROWS or characters > MOST_CHARACTERS:
                raise Unreadable(f"It has more than {MOST_ROWS:,} rows or {MOST_CHARACTERS:,} characters, more than is taken at once. Divide it, or use a configuration file (manage.py config apply).")  # fmt: skip
            count += 1
            yield reader.line_num, cells
    except UnicodeError as error:
        raise Unreadable(_undecodable(error)) from error
    except csv.Error as error:
        raise Unreadable(f"It is no CSV from here on ({error}). Look for a quote that is not closed.", reader.line_num) from error  # fmt: skip
    finally:
        text.detach()


def _encoding(start: bytes) -> str:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"


def _undecodable(error: UnicodeError) -> str:
    found = f" (byte 0x{error.object[error.start]:02X})" if isinstance(error, UnicodeDecodeError) else ""
    return f"It is not UTF-8{found}: it was saved in an older encoding such as Windows-1252 or Latin-1, in which letters with accents would be guessed. Save it as “CSV UTF-8”."  # fmt: skip


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=head.count)


def _columns(heads: Sequence[str], sheet: Sheet) -> list[str]:
    """The column of each head. Raises Unreadable for heads that are unknown, twice or missing."""
    columns = [sheet.named(head) for head in heads]
    wrong: list[str] = []
    for head, name in zip(heads, columns, strict=True):
        if head and not name:
            close = get_close_matches(head.casefold(), sheet.columns, 1)
            wrong.append(f"There is no column “{head}”." + (f" Did you mean “{close[0]}”?" if close else ""))
    wrong += [f"The column “{name}” is there twice." for name in sheet.columns if columns.count(name) > 1]
    missing = [name for name in sheet.needed if name not in columns]
    if missing:
        wrong.append(f"Missing: {', '.join(missing)}.")
    if wrong:
        raise Unreadable(f"{' '.join(wrong)} The first line names the columns: {', '.join(sheet.columns)}.", 1)  # fmt: skip
    while columns and not columns[-1]:
        columns.pop()
    if "" in columns:
        raise Unreadable("A column in the middle has no name.", 1)
    return columns


def _plain(cell: str) -> str:
    """What an exported cell stood for. Raises ValueError for a formula."""
    if cell.startswith("''") or (cell.startswith("'") and cell[1:].startswith(RUNS)):
        return cell[1:]
    if cell.startswith(RUNS) and not _NUMBER.fullmatch(cell):
        raise ValueError(
            f"“{cell[:40]}” begins like a spreadsheet's formula. If it is meant as it stands, put an apostrophe before it."
        )
    return cell


@dataclass(frozen=True, slots=True)
class Step:
    """`index`: of the held row, or None for a new one. `line`: of the file, 0 for a row that it does not have."""

    verb: str  # added, changed, removed, unchanged
    line: int
    index: int | None
    before: Row | None
    after: Row | None


@dataclass(frozen=True, slots=True)
class Plan:
    """In the order in which the rows stand afterwards; removed ones last."""

    steps: tuple[Step, ...]
    reordered: bool = False

    def of(self, verb: str) -> list[Step]:
        return [step for step in self.steps if step.verb == verb]

    @property
    def is_empty(self) -> bool:
        return not self.reordered and all(step.verb == "unchanged" for step in self.steps)


def plan(
    held: Sequence[Row],
    lines: Sequence[Line],
    sheet: Sheet,
    *,
    whole: bool,
    completed: Callable[[Row], Row] = dict,
) -> Plan:
    """What taking the file over does. `whole`: the file is the table, and rows that it does not have are removed.

    A column that the file does not have stays as it is; `completed` gives a new or changed row what follows from the rest.
    """
    found = _matches(held, lines, sheet)
    steps: list[Step] = []
    for line, index in zip(lines, found, strict=True):
        before = held[index] if index is not None else None
        start = before if before is not None else dict.fromkeys(sheet.columns, "") | dict(sheet.defaults)
        given = {name: cell or sheet.defaults.get(name, "") for name, cell in line.cells.items()}
        after = completed({**start, **given})
        verb = "added" if before is None else "unchanged" if dict(before) == dict(after) else "changed"
        steps.append(Step(verb, line.number, index, before, after))
    taken = set(found)
    left = [index for index in range(len(held)) if index not in taken]
    if whole:
        kept = [index for index in found if index is not None]
        gone = [Step("removed", 0, index, held[index], None) for index in left]
        return Plan((*steps, *gone), reordered=kept != sorted(kept))
    by_index = {step.index: step for step in steps if step.index is not None}
    stay = [by_index.get(index) or Step("unchanged", 0, index, row, row) for index, row in enumerate(held)]
    return Plan((*stay, *(step for step in steps if step.index is None)))


def _matches(held: Sequence[Row], lines: Sequence[Line], sheet: Sheet) -> list[int | None]:
    """For each line the held row that it is, each at most once."""
    found: list[int | None] = [None] * len(lines)
    free = set(range(len(held)))
    for key in sheet.keys:
        places: dict[tuple[str, ...], list[int]] = {}
        for index in sorted(free, reverse=True):
            places.setdefault(tuple(held[index][name] for name in key), []).append(index)
        for position, line in enumerate(lines):
            if found[position] is None:
                cells = {**sheet.defaults, **{name: cell for name, cell in line.cells.items() if cell}}
                waiting = places.get(tuple(cells.get(name, "") for name in key))
                if waiting:
                    free.discard(index := waiting.pop())
                    found[position] = index
    return found
