"""Which spans are read again, and how a statement is told. Laws first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.core.reconciling import Counts, Span, cut, is_settled, sentence, spans_to_read

START = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
moments = st.integers(0, 50).map(lambda days: START + timedelta(days=days))


def holds(span: Span, at: datetime) -> bool:
    return (span.start is None or at >= span.start) and (span.end is None or at < span.end)


@given(st.lists(moments, unique=True), st.data())
def test_each_moment_is_either_skipped_or_read_once(bounds: list[datetime], data: st.DataObject) -> None:
    spans = list(cut(Span(), bounds))
    skipped = [span for span in spans if data.draw(st.booleans())]

    left = spans_to_read(skipped)

    for at in (START - timedelta(days=1), *bounds, *(at + timedelta(hours=1) for at in bounds)):
        assert sum(holds(span, at) for span in [*skipped, *left]) == 1


@given(st.lists(moments), moments, moments)
def test_cutting_a_span_loses_nothing_of_it(bounds: list[datetime], one: datetime, other: datetime) -> None:
    span = Span(min(one, other), max(one, other))

    parts = list(cut(span, bounds))

    assert (parts[0].start, parts[-1].end) == (span.start, span.end)
    assert all(before.end == after.start for before, after in zip(parts, parts[1:], strict=False))


def test_everything_is_read_where_nothing_is_skipped_and_nothing_where_all_is() -> None:
    assert spans_to_read([]) == [Span()]
    assert spans_to_read([Span()]) == []


def test_a_span_with_a_young_stamp_proves_nothing() -> None:
    assert is_settled(NOON - timedelta(hours=2), NOON)
    assert not is_settled(NOON - timedelta(minutes=59), NOON)


def test_a_statement_always_tells_what_people_ask_first_and_the_rest_where_there_is_any() -> None:
    counts = Counts(in_scope=48_112, paired=48_112, conflicts=3)

    assert sentence(counts, NOON) == (
        "48,112 in scope, 48,112 paired, 0 unequal, 3 in conflict, as of 12:00 UTC"
    )
    assert "2 missing, 0 unequal" in sentence(Counts(in_scope=2, missing=2), NOON)


def test_what_is_in_flight_is_no_difference_and_a_conflict_is() -> None:
    assert Counts(in_scope=1, paired=1, in_flight=1).agree
    assert not Counts(in_scope=1, paired=1, conflicts=1).agree
    assert not Counts(in_scope=1, twins=1).agree
