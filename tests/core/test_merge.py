"""The laws of merging one field: each line of the table, for any mapping that can be configured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mappings.apply import canonical
from mappings.spec import Direction, PeopleSpec
from sync.core.merge import Move, Policy
from sync.core.records import Side
from tests.core.pairs import (
    Field,
    Pair,
    both_ways,
    compiled,
    fields,
    pairs,
    policies,
    status_map,
    target,
    texts_of_lengths,
    two_way_fields,
    value_maps,
    writable,
)

QUIET = {Move.SKIP, Move.AGREE}
OPEN = {Move.CONFLICT, Move.UNMAPPED, Move.DRIFT, Move.REFUSE}


# Laws


@given(pairs(), policies)
def test_a_merge_settles_in_one_write(pair: Pair, policy: Policy) -> None:
    first = pair.merge(policy)
    second = pair.apply(first).merge(policy)

    assert second.move in QUIET if first.move not in OPEN else second == first or second.problem is not None


@given(pairs(), policies)
def test_agreement_once_taken_is_silent(pair: Pair, policy: Policy) -> None:
    merged = pair.merge(policy)
    assume(merged.move is Move.AGREE)

    assert pair.apply(merged).merge(policy).move is Move.SKIP


@given(pairs(), policies)
def test_an_equal_value_is_never_written(pair: Pair, policy: Policy) -> None:
    merged = pair.merge(policy)
    side = target(merged)
    assume(side is not None)

    assert canonical(merged.value) != canonical(pair.value(side))


@given(pairs(), policies)
def test_a_row_writes_only_where_its_direction_leads(pair: Pair, policy: Policy) -> None:
    assert target(pair.merge(policy)) in {None, *writable(pair.row)}


@given(pairs(), policies)
def test_a_write_over_a_value_that_nobody_agreed_to_is_contested_and_no_other_is(
    pair: Pair, policy: Policy
) -> None:
    merged = pair.merge(policy)
    side = target(merged)
    assume(side is not None)

    assert merged.contested == (pair.base is None or pair.changed(side))


@given(pairs(met=True, edited=1), policies)
def test_an_edit_that_meets_no_other_edit_survives(pair: Pair, policy: Policy) -> None:
    edited = [side for side in Side if pair.changed(side)]
    assume(len(edited) == 1 and edited[0].other in writable(pair.row))

    after = pair.apply(pair.merge(policy))

    assert after.value(edited[0]) == pair.value(edited[0])


@given(pairs(met=True), policies)
def test_what_nobody_changed_is_left_alone(pair: Pair, policy: Policy) -> None:
    assume(not pair.changed(Side.SERVICENOW) and not pair.changed(Side.SALESFORCE))

    assert pair.merge(policy).move is Move.SKIP


@given(pairs(), policies)
def test_a_changed_mapping_is_carried_out_where_nobody_moved_anything_and_decides_nothing_else(
    pair: Pair, policy: Policy
) -> None:
    plain, renewed = pair.merge(policy), pair.merge(replace(policy, renewed=True))
    to = Side(pair.row.one_way or Side.SALESFORCE)

    if plain.move not in QUIET or pair.base is None or pair.changed(to) or policy.chosen:
        assert (renewed.move, renewed.value, renewed.rule) == (plain.move, plain.value, plain.rule)
    elif pair.agrees():
        assert renewed.move in QUIET
    else:
        assert renewed.move is Move.UNMAPPED or target(renewed) is to


@given(pairs(), policies)
def test_values_that_agree_are_never_written_over(pair: Pair, policy: Policy) -> None:
    assume(pair.agrees())

    assert pair.merge(policy).move in QUIET


@given(pairs(value_maps(unmapped=st.just("fail")), met=True, edited=1), policies)
def test_a_move_to_a_value_without_counterpart_is_never_invisible(pair: Pair, policy: Policy) -> None:
    edited = [side for side in Side if pair.changed(side)]
    assume(len(edited) == 1 and not pair.agrees() and edited[0].other in writable(pair.row))
    assume(isinstance(pair.projected(edited[0].other), Exception))

    merged = pair.merge(policy)

    assert merged.move is Move.UNMAPPED
    assert merged.value == pair.value(edited[0])
    assert pair.apply(merged).base == pair.base


@given(pairs(texts_of_lengths(both_ways), met=True), policies)
def test_cut_text_never_flows_back(pair: Pair, policy: Policy) -> None:
    assert pair.base is not None
    side = target(pair.merge(policy))
    assume(side is not None)

    back = pair.row.to_salesforce if side is Side.SERVICENOW else pair.row.to_servicenow
    assert not back(pair.base[0] if side is Side.SERVICENOW else pair.base[1]).note.startswith("cut ")


@given(st.data(), fields, policies)
def test_any_history_of_edits_settles_after_each_of_them(
    data: st.DataObject, field: Field, policy: Policy
) -> None:
    pair = Pair(field.row, data.draw(field.here), data.draw(field.there), None)
    for side in data.draw(st.lists(st.sampled_from([*Side, None]), max_size=6)):
        x = data.draw(field.here) if side is Side.SERVICENOW else pair.x
        y = data.draw(field.there) if side is Side.SALESFORCE else pair.y
        pair = Pair(pair.row, x, y, pair.base)
        pair = pair.apply(pair.merge(policy))
        assert target(pair.merge(policy)) is None


@given(pairs(met=False), policies)
def test_records_that_meet_follow_the_adopt_policy(pair: Pair, policy: Policy) -> None:
    assume(not pair.agrees())
    merged = pair.merge(policy)

    if policy.adopt in ("ask", "refuse"):
        assert merged.move is {"ask": Move.CONFLICT, "refuse": Move.REFUSE}[policy.adopt]
        return
    winner = (policy.newest or policy.tie) if policy.adopt == "newest" else Side(policy.adopt)
    if winner.other not in writable(pair.row):
        assert merged.move is Move.AGREE
    elif isinstance(pair.projected(winner.other), Exception):
        assert merged.move is Move.UNMAPPED
    else:
        assert target(merged) is winner.other


@given(pairs(two_way_fields, met=True, edited=2), policies)
def test_both_changed_and_both_seen_is_decided_by_policy(pair: Pair, policy: Policy) -> None:
    assert pair.base is not None
    before = Pair(pair.row, *pair.base, None)
    assume(pair.row.one_way is None and all(pair.changed(side) for side in Side) and not pair.agrees())
    assume(all(pair.projected(side) != before.projected(side) for side in Side))
    merged = pair.merge(policy)
    assume(merged.rule != "cut text" and merged.move is not Move.UNMAPPED)

    newest = policy.newest or policy.tie
    winner = {"ask": None, "newest": newest, **{side: side for side in Side}}[policy.conflict]
    assert target(merged) is (winner.other if winner else None)
    assert merged.move is not Move.CONFLICT or policy.conflict == "ask"


# Stories


LOSSY = status_map(
    {"1": "New", "2": "Working", "3": "Working", "7": "Closed"},
    {"New": "1", "Working": "2", "Escalated": "2", "Closed": "7"},
)


def lossy(x: str, y: Any, base: tuple[str, Any] | None, **direction: Any) -> Pair:
    return Pair(compiled("value_map", value_map=LOSSY, **direction), x, y, base)


def short(x: str, y: str, base: tuple[str, str], *, here: int = 0, there: int = 5) -> Pair:
    return Pair(compiled(here=here, there=there), x, y, base)


def test_on_hold_stays_on_hold_though_working_comes_back_as_in_progress() -> None:
    assert lossy("3", "Working", ("2", "Working")).merge(Policy()).move is Move.AGREE


def test_a_move_that_the_other_side_cannot_see_is_not_written() -> None:
    merged = lossy("3", "Escalated", ("3", "Working")).merge(Policy())

    assert merged.move is Move.AGREE


@pytest.mark.parametrize("conflict", ["newest", "servicenow", "salesforce", "ask"])
def test_of_two_moves_the_one_that_can_be_seen_wins_and_is_on_record(conflict: str) -> None:
    merged = lossy("3", "Closed", ("2", "Working")).merge(Policy(conflict=conflict, newest=Side.SERVICENOW))

    assert (merged.move, merged.value, merged.contested) == (Move.TO_SERVICENOW, "7", True)


def test_two_moves_that_neither_side_can_see_agree() -> None:
    assert lossy("3", "Escalated", ("2", "Working")).merge(Policy()).move is Move.AGREE


def test_a_choice_that_the_platform_dropped_is_not_taken_for_an_edit() -> None:
    """The base holds what ServiceNow kept, so the refusal is open and the Case is not reverted."""
    kept = lossy("1", "Closed", ("1", "Closed"))

    assert kept.merge(Policy()).move is Move.SKIP


def test_equal_edits_on_both_sides_agree() -> None:
    assert lossy("7", "Closed", ("1", "New")).merge(Policy(conflict="ask")).move is Move.AGREE


def test_a_value_changed_and_changed_back_is_no_change() -> None:
    """There and back between two looks cannot be seen in states; the other side's edit goes through."""
    assert lossy("1", "Closed", ("1", "New")).merge(Policy()).move is Move.TO_SERVICENOW


@pytest.mark.parametrize("policy", [Policy(), Policy(conflict="salesforce"), Policy(conflict="ask")])
def test_an_edit_of_cut_text_asks_a_person(policy: Policy) -> None:
    merged = short("abcdefgh", "abXd…", ("abcdefgh", "abcd…")).merge(policy)

    assert (merged.move, merged.rule) == (Move.CONFLICT, "cut text")


def test_an_edit_of_cut_text_asks_a_person_though_the_unseen_tail_was_edited_too() -> None:
    merged = short("abcdefgX", "abXd…", ("abcdefgh", "abcd…")).merge(Policy())

    assert (merged.move, merged.rule) == (Move.CONFLICT, "cut text")


def test_text_cut_on_its_way_to_servicenow_does_not_cut_the_original_in_salesforce() -> None:
    merged = short("abXd…", "abcdefgh", ("abcd…", "abcdefgh"), here=5, there=0).merge(Policy())

    assert (merged.move, merged.rule) == (Move.CONFLICT, "cut text")


def test_the_long_text_may_overrule_an_edit_of_its_cut_copy() -> None:
    merged = short("XYcdefgh", "abXd…", ("abcdefgh", "abcd…")).merge(Policy(conflict="servicenow"))

    assert (merged.move, merged.value, merged.contested) == (Move.TO_SALESFORCE, "XYcd…", True)


def test_drift_of_a_one_way_row_is_left_or_restored() -> None:
    drifted = lossy("1", "Closed", ("1", "New"), direction=Direction.TO_SALESFORCE)

    assert drifted.merge(Policy()).move is Move.DRIFT
    restored = drifted.merge(Policy(restore_drift=True))
    assert (restored.move, restored.value, restored.contested) == (Move.TO_SALESFORCE, "New", True)


def test_the_source_of_a_one_way_row_overrules_drift_and_says_so() -> None:
    merged = lossy("7", "Escalated", ("1", "New"), direction=Direction.TO_SALESFORCE).merge(Policy())

    assert (merged.move, merged.value, merged.contested) == (Move.TO_SALESFORCE, "Closed", True)


def test_an_owner_without_counterpart_is_named_and_nothing_moves() -> None:
    row = compiled("user", people=PeopleSpec({"abel": "005A"}, {"005A": "abel"}))
    merged = Pair(row, "abel", "005X", ("abel", "005A")).merge(Policy())

    assert (merged.move, merged.value) == (Move.UNMAPPED, "005X")
    assert "005X" in str(merged.problem)


def test_a_tie_goes_to_the_side_that_the_flow_names() -> None:
    both = lossy("7", "New", ("2", "Working"))

    assert both.merge(Policy(tie=Side.SALESFORCE)).move is Move.TO_SERVICENOW
    assert both.merge(Policy(tie=Side.SERVICENOW)).move is Move.TO_SALESFORCE
    assert both.merge(Policy(tie=Side.SERVICENOW, newest=Side.SALESFORCE)).move is Move.TO_SERVICENOW
