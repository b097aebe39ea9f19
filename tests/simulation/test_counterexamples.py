"""Known ways to lose, double or revert something, one schedule each: the engine withstands them all.

The first seventeen were found with an executable model of the algorithm, the others by schedules drawn here.
"""

from __future__ import annotations

import pytest

from sync.core.records import Side
from tests.simulation import stories
from tests.simulation.conftest import Played
from tests.simulation.play import Play
from tests.simulation.stories import SF, SN

pytestmark = pytest.mark.django_db
OVERWRITE = "Overwrite suspected"


def text(play: Play, side: Side, index: int = 0) -> str:
    """The subject of a record, without what all texts end with."""
    row = play.told.rows[side][index]
    return str(row["short_description" if side is SN else "Subject"]).partition(" ")[0]


def kept(play: Play) -> Play:
    assert play.broken == [], "\n".join([*play.broken, "", *play.ledger.story])
    return play


def test_our_own_write_whose_answer_was_lost_is_not_taken_for_a_persons_edit(play: Played) -> None:
    told = kept(play(stories.OWN_ECHO)).told

    assert told.conflicts == []
    assert "The create whose answer" not in str(told.notes)
    assert any("did take effect" in note for note in told.notes)


def test_a_repeated_create_does_not_undo_an_edit_of_the_record_it_made(play: Played) -> None:
    played = kept(play(stories.REPEATED_CREATE))

    assert (text(played, SN), text(played, SF)) == ("su3", "su3")
    assert len(played.told.rows[SF]) == 1


def test_a_create_that_is_still_queued_is_waited_for_and_makes_no_twin(play: Played) -> None:
    played = kept(play(stories.LATE_TWIN))

    assert len(played.told.rows[SN]) == len(played.told.rows[SF]) == 1


def test_the_base_of_a_create_in_doubt_is_what_the_executed_one_sent(play: Played) -> None:
    played = kept(play(stories.SECOND_CREATE))

    assert len(played.told.rows[SN]) == 1


def test_what_is_read_after_a_write_does_not_become_the_base(play: Played) -> None:
    played = kept(play(stories.READ_BACK))

    assert text(played, SN) == text(played, SF) == "su3"


@pytest.mark.parametrize("history", [False, True])
def test_an_edit_between_look_and_write_in_servicenow_is_noticed(play: Played, history: bool) -> None:
    from dataclasses import replace

    played = kept(play(replace(stories.LOST_UPDATE, history=history)))

    assert any(OVERWRITE in note for note in played.told.notes) or played.told.conflicts


def test_an_edit_between_look_and_write_in_salesforce_is_merged_and_not_overwritten(play: Played) -> None:
    played = kept(play(stories.OVERTAKEN_CASE))

    assert ("Subject", "by_rule", "servicenow") in played.told.conflicts


def test_an_edit_in_the_very_second_of_the_look_does_not_pass_for_what_was_read(play: Played) -> None:
    played = kept(play(stories.SAME_SECOND))

    assert ("Subject", "by_rule", "servicenow") in played.told.conflicts


def test_a_record_committed_behind_the_newest_one_read_is_still_read(play: Played) -> None:
    played = kept(play(stories.LATE_COMMIT))

    assert [text(played, SN, index) for index in (0, 1)] == [
        next(str(row["Subject"]).partition(" ")[0] for row in played.told.rows[SF] if row["ServiceNow_Sys_Id__c"] == id)
        for id, _ in list(played.bench.platforms.rows(SN))
    ]  # fmt: skip


def test_two_edits_under_one_stamp_both_move(play: Played) -> None:
    played = kept(play(stories.ONE_STAMP))

    assert text(played, SN) == text(played, SF) == "su4"


def test_an_edit_that_hides_behind_our_own_stamp_moves(play: Played) -> None:
    played = kept(play(stories.HIDDEN_BEHIND_US))

    assert text(played, SN) == text(played, SF) == "su4"


def test_a_request_is_given_up_by_the_time_of_the_read_not_of_the_plan(play: Played) -> None:
    played = kept(play(stories.WRONG_CLOCK))

    assert text(played, SN) == text(played, SF) == "su3"


def test_a_value_set_back_after_our_write_does_not_look_like_a_write_that_never_was(play: Played) -> None:
    played = kept(play(stories.EVIDENCE_RESET))

    assert any("arlier write" in note for note in played.told.notes) or played.told.conflicts


def test_what_is_learnt_of_an_old_write_does_not_replace_the_base_of_a_new_one(play: Played) -> None:
    played = kept(play(stories.OLD_RESOLUTION))

    assert text(played, SN) == text(played, SF) == "su4"
    assert played.told.conflicts == []


def test_a_cut_text_does_not_flow_back_over_the_whole_one(play: Played) -> None:
    played = kept(play(stories.CUT_TEXT))

    assert ("SuppliedName", "open", "cut text") in played.told.conflicts
    assert len(played.told.rows[SN][0]["u_symptom"]) == 100


def test_the_blanks_of_a_newborn_do_not_blank_its_original(play: Played) -> None:
    played = kept(play(stories.BLANKS_OF_A_NEWBORN))

    assert played.told.rows[SF][0]["Description"].startswith("no2")


def test_a_value_changed_and_changed_back_between_two_looks_is_no_change(play: Played) -> None:
    """The limit of what states can tell: no conflict is seen, and the other side's edit wins."""
    played = kept(play(stories.THERE_AND_BACK))

    assert (text(played, SN), text(played, SF)) == ("new", "new")
    assert played.told.conflicts == []


def test_sides_that_agree_by_coincidence_settle(play: Played) -> None:
    played = kept(play(stories.COINCIDENCE))

    assert text(played, SN) == text(played, SF)


def test_two_lanes_that_meet_over_a_newborn_make_one_pair(play: Played) -> None:
    played = kept(play(stories.TWO_LANES_ONE_NEWBORN))

    assert len(played.told.rows[SF]) == 1


def test_a_case_that_somebody_else_made_in_that_second_is_not_taken_for_ours(play: Played) -> None:
    played = kept(play(stories.SOMEBODY_ELSES_CASE))

    assert text(played, SF) == text(played, SN)
    assert any(rule == "adopt: servicenow" for _, _, rule in played.told.conflicts)


def test_a_write_in_doubt_of_which_a_part_shows_was_executed_whole(play: Played) -> None:
    played = kept(play(stories.EXECUTED_AND_EDITED))

    assert any("did take effect" in note for note in played.told.notes)


def test_a_record_that_moves_while_its_page_is_worked_on_is_read_again(play: Played) -> None:
    played = kept(play(stories.TWICE_IN_ONE_POLL))

    assert text(played, SN) == text(played, SF) == "su5"


def test_a_page_that_another_lane_overtook_undoes_nothing(play: Played) -> None:
    played = kept(play(stories.READ_BEFORE_THE_BASE_MOVED))

    assert text(played, SN) == text(played, SF) == "su3"


def test_a_worker_that_dies_in_a_later_slice_leaves_counts_that_can_be_gone_on_with(play: Played) -> None:
    played = kept(play(stories.COUNTED_IN_SLICES))

    assert len(played.told.rows[SN]) == len(played.told.rows[SF]) > 0


def test_a_lane_does_not_repeat_a_create_that_the_other_is_about_to_send(play: Played) -> None:
    played = kept(play(stories.TWO_LANES_AT_ONE_CREATE))

    assert len(played.told.rows[SN]) == len(played.told.rows[SF]) == 3


def test_what_is_learnt_of_an_earlier_write_is_on_record_although_who_learnt_it_dies(play: Played) -> None:
    played = kept(play(stories.LEARNT_AND_DEAD))

    assert any(state == "by_rule" for _, state, _ in played.told.conflicts)
    assert any("did take effect" in note for note in played.told.notes)


def test_an_edit_over_a_write_in_doubt_is_newer_than_what_was_written(play: Played) -> None:
    played = kept(play(stories.EDITED_SINCE_THE_LOOK))

    (incident,), (case,) = played.told.rows[SN], played.told.rows[SF]
    assert incident["u_symptom"] == case["SuppliedName"]
    assert case["SuppliedName"].startswith("sy6")
