"""How a large table is cut into parts that several workers read side by side. Pure; all stamps are the platform's.

The parts are half-open spans of what never changes of a record, its id or its birth, so that no edit moves a record
from one to another. The first is open below and the last above: together they hold every record, whatever its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

SMALLEST, LARGEST = 5_000, 50_000  # records that a part should hold
AT_LEAST = 16  # parts, so that several workers end at nearly the same time
UNEVEN = 4.0  # times the mean, from which the largest of some parts is too large
_DIGITS = "0123456789abcdef"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A part: ids in [id_from, id_before), born in [born_from, born_before); "" and None leave an end open."""

    id_from: str = ""
    id_before: str = ""
    born_from: datetime | None = None
    born_before: datetime | None = None

    def holds(self, id: str, born: datetime) -> bool:
        return (
            self.id_from <= id
            and (not self.id_before or id < self.id_before)
            and (self.born_from is None or self.born_from <= born)
            and (self.born_before is None or born < self.born_before)
        )

    def kept(self) -> dict[str, Any]:
        """As JSON; ends that are open are left out."""
        found = {name: value for name, value in asdict(self).items() if value}
        return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in found.items()}


def bounds_of(kept: dict[str, Any]) -> Bounds:
    """What `Bounds.kept` made."""
    moments = {n: datetime.fromisoformat(kept[n]) for n in ("born_from", "born_before") if n in kept}
    return Bounds(kept.get("id_from", ""), kept.get("id_before", ""), **moments)


@dataclass(frozen=True, slots=True)
class Part:
    bounds: Bounds
    records: int  # counted when it was cut


def wanted_size(total: int, smallest: int = SMALLEST) -> int:
    """Records that a part of so many should hold."""
    return max(smallest, min(LARGEST, -(-total // AT_LEAST)))


def by_prefix(total: int) -> list[Bounds]:
    """Spans of ids that begin with each hexadecimal digit, or with each two of them where there are very many records."""
    firsts = list(_DIGITS)
    if total > LARGEST * len(_DIGITS):
        firsts = [first + second for first in _DIGITS for second in _DIGITS]
    cuts = ["", *firsts[1:], ""]
    return [Bounds(id_from=here, id_before=there) for here, there in pairwise(cuts)]


def are_even(counts: Sequence[int]) -> bool:
    """Whether parts of these sizes share the work: ids that were chosen by people or imports may all begin alike."""
    return max(counts) <= UNEVEN * sum(counts) / len(counts)


def by_birth(
    total: int, now: datetime, count: Callable[[Bounds], int], smallest: int = SMALLEST
) -> list[Part]:
    """Spans of births, halved until each holds no more than it should; `count` asks the platform, once a halving.

    Records born within one second stay together, and neighbours that hold few become one.
    """
    largest = wanted_size(total, smallest)
    found: list[Part] = []
    for part in _halved(Part(Bounds(), total), largest, now, count):
        if found and found[-1].records + part.records <= largest:
            last = found.pop()
            together = Bounds(born_from=last.bounds.born_from, born_before=part.bounds.born_before)
            part = Part(together, last.records + part.records)
        found.append(part)
    return found


def _halved(part: Part, largest: int, now: datetime, count: Callable[[Bounds], int]) -> Iterator[Part]:
    start, end = part.bounds.born_from or EARLIEST, part.bounds.born_before or now
    middle = (start + (end - start) / 2).replace(microsecond=0)
    if part.records <= largest or not start < middle < end:
        yield part
        return
    older = Bounds(born_from=part.bounds.born_from, born_before=middle)
    newer = Bounds(born_from=middle, born_before=part.bounds.born_before)
    records = min(part.records, count(older))  # they come and go while they are counted
    yield from _halved(Part(older, records), largest, now, count)
    yield from _halved(Part(newer, part.records - records), largest, now, count)
