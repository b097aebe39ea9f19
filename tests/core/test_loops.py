"""Fields that do not come to rest: when a write would only repeat what came back, and what sets the field free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.core import loops
from sync.core.records import Side

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SN, SF = Side.SERVICENOW, Side.SALESFORCE


def same(value: object) -> object:
    return value


def written(*writes: tuple[Side, str], every: timedelta = MINUTE) -> dict[str, object]:
    state: dict[str, object] = {}
    for number, (side, value) in enumerate(writes):
        state = loops.remembered(state, side, value, START + number * every, same)
    return state


def code(
    state: dict[str, object], side: Side, value: str, *, by_person: bool, after: timedelta = MINUTE
) -> str:
    return loops.restless(state, side, value, START + 10 * MINUTE + after, same, by_person=by_person)


def test_a_value_that_was_put_back_twice_is_not_written_a_third_time() -> None:
    state = written((SF, "Ours"), (SF, "Ours"))

    assert code(state, SF, "Ours", by_person=False) == loops.COMES_BACK


def test_values_that_alternate_are_named_so() -> None:
    state = written((SF, "Ours"), (SF, "Theirs"), (SF, "Ours"), (SF, "Theirs"))

    assert code(state, SF, "Ours", by_person=False) == loops.ALTERNATES


def test_a_person_may_choose_the_same_value_again_and_automation_under_a_persons_name_may_not_for_ever() -> (
    None
):
    twice = written((SF, "Ours"), (SF, "Ours"))
    four_times = written(*[(SF, "Ours")] * 4)

    assert code(twice, SF, "Ours", by_person=True) == ""
    assert code(four_times, SF, "Ours", by_person=True) == loops.COMES_BACK


def test_what_was_written_to_the_other_side_or_long_ago_does_not_count() -> None:
    assert code(written((SN, "Ours"), (SN, "Ours")), SF, "Ours", by_person=False) == ""
    ancient = written((SF, "Ours"), (SF, "Ours"))
    assert code(ancient, SF, "Ours", by_person=False, after=timedelta(hours=2)) == ""


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.sampled_from("abc")), max_size=30),
    st.sampled_from(Side),
    st.booleans(),
)
def test_a_value_that_was_never_written_there_is_always_free(
    writes: list[tuple[Side, str]], side: Side, by_person: bool
) -> None:
    state = written(*writes)

    assert code(state, side, "new", by_person=by_person) == ""
    assert len(state.get("ring", ())) <= loops.RING  # type: ignore[arg-type]


@given(st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from("abc"), st.sampled_from("abc"))
def test_a_parked_field_is_free_once_either_side_shows_another_value(
    here: str, there: str, now_here: str, now_there: str
) -> None:
    state = loops.parked(written((SF, "a"), (SF, "a")), loops.COMES_BACK, here, there)

    held = loops.still_parked(state, now_here, now_there, same) == loops.COMES_BACK

    assert held == ((here, there) == (now_here, now_there))
    assert loops.released(state) == {}


def test_no_value_can_be_read_from_what_is_remembered() -> None:
    assert "secret" not in str(written((SF, "secret")))
