"""Parts of a table hold each record once, whatever its id and its birth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.core.partitioning import (
    AT_LEAST,
    LARGEST,
    Bounds,
    are_even,
    bounds_of,
    by_birth,
    by_prefix,
    wanted_size,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
births = st.lists(
    st.datetimes(
        min_value=datetime(2000, 1, 1), max_value=datetime(2026, 11, 22), timezones=st.just(UTC)
    ).map(lambda moment: moment.replace(microsecond=0)),
    max_size=60,
)
ids = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=32)


@given(id=ids, total=st.sampled_from([1, 100_000, 10_000_000]))
def test_each_id_lies_in_one_part_be_it_hexadecimal_or_not(id: str, total: int) -> None:
    assert sum(bounds.holds(id, NOW) for bounds in by_prefix(total)) == 1


def scaled(found: list[datetime], by: int, bounds: Bounds) -> int:
    return by * sum(bounds.holds("x", born) for born in found)


@given(found=births, by=st.sampled_from([1, 1000, 20_000]))
def test_each_birth_lies_in_one_part_and_parts_are_no_larger_than_they_must_be(
    found: list[datetime], by: int
) -> None:
    total = by * len(found)

    parts = by_birth(total, NOW, lambda bounds: scaled(found, by, bounds))

    assert all(sum(part.bounds.holds("x", born) for part in parts) == 1 for born in [*found, NOW])
    for part in parts:
        inside = {born for born in found if part.bounds.holds("x", born)}
        assert part.records == scaled(found, by, part.bounds)
        # What was born within a second or two cannot be parted.
        near = not inside or max(inside) - min(inside) <= timedelta(seconds=2)
        assert part.records <= wanted_size(total) or near


@given(st.builds(Bounds, ids, ids, st.none() | st.just(NOW), st.none() | st.just(NOW)))
def test_bounds_survive_being_stored(bounds: Bounds) -> None:
    assert bounds_of(bounds.kept()) == bounds


def test_more_records_make_more_parts_of_bounded_size() -> None:
    assert len(by_prefix(100_000)) == AT_LEAST
    assert len(by_prefix(AT_LEAST * LARGEST + 1)) == AT_LEAST**2


def test_parts_are_uneven_when_ids_begin_alike() -> None:
    assert are_even([10, 12, 9, 11])
    assert not are_even([0] * 15 + [100_000])
