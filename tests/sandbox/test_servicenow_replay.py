import os
import threading
from pathlib import Path

import pytest

from sync.sandbox.clock import ManualClock
from sync.sandbox.pair import PairConfig, start_pair
from sync.sandbox.platform import ControlError
from sync.sandbox.replay import BadData, Replay

HEADER = (
    "number,incident_state,sys_mod_count,sys_updated_at,sys_updated_by,sys_created_by,caller_id,assigned_to,"
    "assignment_group,category,u_symptom,impact,urgency,priority,closed_code,resolved_by,resolved_at,closed_at\n"
)
MADE_UP = HEADER + "".join(
    f"{line}\n"
    for line in (
        "INC1,Resolved,2,01-03-2016 10:00,Updated by 2,Created by 1,Caller  7,?,Group 5,Category 3,Symptom 9,"
        "1 - High,1 - High,3 - Moderate,code 5,Resolved by 4,01-03-2016 10:00,06-03-2016 12:00",
        "INC1,New,0,29-02-2016 09:00,Updated by 1,Created by 1,Caller  7,?,Group 5,Category 3,Symptom 9,"
        "2 - Medium,2 - Medium,3 - Moderate,code 5,Resolved by 4,01-03-2016 10:00,06-03-2016 12:00",
        "INC2,Awaiting User Info,1,29-02-2016 09:00,Updated by 3,Created by 1,Caller  8,?,?,?,?,"
        "2 - Medium,2 - Medium,3 - Moderate,?,?,?,?",
    )
)


@pytest.fixture
def made_up(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(MADE_UP)
    return path


def incidents(pair):
    return {row["number"]: row for row in pair.servicenow.rows("incident")}


def test_changes_are_replayed_in_their_order_step_by_step(pair, made_up, clock):
    replay = Replay(pair.servicenow.platform, made_up)

    assert next(iter(replay)) == "INC1"
    first = incidents(pair)["INC1"]
    clock.advance(seconds=60)
    assert list(replay) == ["INC2", "INC1"]
    last = incidents(pair)["INC1"]

    assert (first["state"], first["sys_mod_count"], first["resolved_at"]) == ("1", "0", "")
    assert (last["state"], last["sys_mod_count"], last["active"]) == ("6", "2", "true")
    assert last["sys_updated_on"] == clock.now().strftime("%Y-%m-%d %H:%M:%S") > first["sys_updated_on"]
    assert (last["resolved_at"], last["closed_at"]) == ("2016-03-01 10:00:00", "")


def test_a_replay_goes_past_policies_and_computed_fields(pair, made_up):
    Replay(pair.servicenow.platform, made_up).all()

    row = incidents(pair)["INC1"]
    # High and high would compute priority 1, and resolving without notes would be refused.
    assert (row["impact"], row["urgency"], row["priority"]) == ("1", "1", "3")
    assert (row["close_code"], row["close_notes"]) == ("code 5", "")
    assert row["short_description"] == "Category 3: Symptom 9 (INC1)"


def test_waiting_is_on_hold_and_a_question_mark_is_empty(pair, made_up):
    Replay(pair.servicenow.platform, made_up).all()

    row = incidents(pair)["INC2"]
    assert (row["state"], row["hold_reason"], row["short_description"]) == ("3", "1", "Incident (INC2)")
    assert (row["assigned_to"], row["assignment_group"], row["category"]) == ("", "", "")


def test_the_files_people_and_groups_become_users_and_groups(pair, made_up, api):
    Replay(pair.servicenow.platform, made_up).all()

    (row,) = api.rows(
        "incident", "number=INC1", fields="caller_id.user_name,assignment_group.name,sys_updated_by"
    )

    assert row == {
        "caller_id.user_name": "caller.7",
        "assignment_group.name": "Group 5",
        "sys_updated_by": "updated.by.2",
    }


def test_a_replayed_change_is_audited_under_its_person(pair, made_up, api):
    Replay(pair.servicenow.platform, made_up).all()

    told = api.rows("sys_audit", "fieldname=state^tablename=incident")

    assert [(each["oldvalue"], each["newvalue"], each["user"]) for each in told] == [
        ("1", "6", "updated.by.2")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("number,incident_state\n", "columns missing"), (HEADER + "INC1,New,x,01-03-2016 10:00\n", "line 2")],
)
def test_a_file_that_is_something_else_is_named(pair, tmp_path, text, message):
    path = tmp_path / "other.csv"
    path.write_text(text)

    with pytest.raises(BadData, match=message):
        Replay(pair.servicenow.platform, path)


def real_events() -> Path:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "servicenow-incident-events.csv"
    return Path(os.environ.get("SERVICENOW_EVENTS", beside))


def test_a_migrated_row_can_be_stamped_in_the_past(pair, api):
    pair.servicenow.platform.migrate("incident", {"number": "INC9", "sys_updated_on": "2026-01-01 00:00:00"})

    query = "sys_updated_on<2026-02-01 00:00:00^ORDERBYsys_updated_on^ORDERBYsys_id"
    assert [row["number"] for row in api.rows("incident", query)] == ["INC9"]
    with pytest.raises(ControlError, match="no column colour"):
        pair.servicenow.platform.migrate("incident", {"colour": "red"})


def test_a_file_is_replayed_at_a_chosen_speed_while_the_pair_serves(made_up):
    with start_pair(PairConfig(data_file=made_up, speed=200.0, clock=ManualClock())) as pair:
        pause = threading.Event()
        assert any(
            incidents(pair).get("INC1", {}).get("state") == "6" or pause.wait(0.01) for _ in range(1000)
        ), "the replay did not reach its end"
        assert set(incidents(pair)) == {"INC1", "INC2"}


def test_the_real_events_end_as_the_file_says():
    path = real_events()
    if not path.is_file():
        pytest.skip(f"the real incident events are not at {path}; set SERVICENOW_EVENTS")
    with start_pair(PairConfig(data_file=path, clock=ManualClock())) as pair:
        stored = incidents(pair)
        last = {event.values["number"]: event for event in Replay(pair.servicenow.platform, path).events}

    assert len(stored) == len(last) == 445
    for number, event in last.items():
        assert stored[number]["sys_mod_count"] == str(event.count)
        assert stored[number]["priority"] == event.values["priority"][0]
        assert (stored[number]["state"] == "7") == (event.values["incident_state"] == "Closed")
