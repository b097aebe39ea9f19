from xml.etree import ElementTree

import pytest

INCIDENTS = "/api/now/table/incident"


@pytest.fixture
def incident(pair):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]["sys_id"]
    return pair.servicenow.add("incident", short_description="VPN", caller_id=beth)["sys_id"]


def comment(client, incident, **fields):
    return client.call("PATCH", f"{INCIDENTS}/{incident}", json=fields).json()["result"]


def entries(client, incident, element="comments"):
    query = f"element_id={incident}^element={element}^ORDERBYsys_created_on"
    return client.rows("sys_journal_field", query)


def shown(client, incident, display):
    params = {"sysparm_display_value": display, "sysparm_fields": "comments,work_notes"}
    return client.call("GET", f"{INCIDENTS}/{incident}", params=params).json()["result"]


def test_a_journal_column_reads_empty_and_displays_its_whole_history_newest_first(api, incident, clock):
    comment(api, incident, comments="Please call me")
    clock.advance(seconds=60)
    comment(api, incident, comments="Called", work_notes="Password was wrong")

    assert shown(api, incident, "false") == {"comments": "", "work_notes": ""}
    assert shown(api, incident, "all")["comments"]["value"] == ""
    history = shown(api, incident, "true")["comments"]
    assert history.index("Called") < history.index("Please call me")
    assert "Password" not in history
    # The integration's user reads in US/Pacific.
    assert "2026-03-02 00:00:00 - sync.user" in history


def test_each_entry_has_an_id_an_author_and_a_time_of_its_own(api, incident, clock):
    comment(api, incident, comments="One")
    clock.advance(seconds=1)
    comment(api, incident, comments="Two")
    found = entries(api, incident)

    assert [entry["value"] for entry in found] == ["One", "Two"]
    assert len({entry["sys_id"] for entry in found}) == 2
    assert {entry["sys_created_by"] for entry in found} == {"sync.user"}
    assert found[0]["sys_created_on"] < found[1]["sys_created_on"]
    assert {entry["name"] for entry in found} == {"incident"}


def test_each_comment_bumps_its_record_also_when_it_says_the_same(api, incident, clock):
    comment(api, incident, comments="Again")
    clock.advance(seconds=60)
    row = comment(api, incident, comments="Again")

    assert row["sys_mod_count"] == "2"
    assert row["sys_updated_on"] == clock.now().strftime("%Y-%m-%d %H:%M:%S")
    assert len(entries(api, incident)) == 2


def test_an_empty_comment_is_none(api, incident):
    assert comment(api, incident, comments="")["sys_mod_count"] == "0"
    assert entries(api, incident) == []


def test_a_comment_that_comes_with_the_insert_is_an_entry_of_the_new_record(api):
    fields = {"short_description": "VPN", "work_notes": "Seen before"}
    row = api.call("POST", INCIDENTS, json=fields).json()["result"]

    assert (row["work_notes"], row["sys_mod_count"]) == ("", "0")
    assert [entry["value"] for entry in entries(api, row["sys_id"], "work_notes")] == ["Seen before"]


def test_entries_cannot_be_changed(api, incident):
    comment(api, incident, comments="As it was said")
    entry = entries(api, incident)[0]["sys_id"]

    assert (
        api.call("PATCH", f"/api/now/table/sys_journal_field/{entry}", json={"value": "No"}).status_code
        == 403
    )
    assert entries(api, incident)[0]["value"] == "As it was said"


def test_the_callers_comment_ends_the_wait_for_the_caller(pair, incident):
    pair.servicenow.edit("incident", incident, state="3", hold_reason="1")
    pair.servicenow.edit("incident", incident, comments="Any news?", by="abel.tuter")
    waiting = pair.servicenow.rows("incident", sys_id=incident)[0]
    pair.servicenow.edit("incident", incident, comments="Here is the log", by="beth.anglin")
    answered = pair.servicenow.rows("incident", sys_id=incident)[0]

    assert (waiting["state"], waiting["hold_reason"]) == ("3", "1")
    assert (answered["state"], answered["incident_state"], answered["hold_reason"]) == ("2", "2", "")


def test_what_was_deleted_can_be_read_in_the_audit(api, pair):
    text = 'Tom & "Jerry" <b>\x00'
    row = pair.servicenow.add("incident", short_description=text)
    pair.servicenow.delete("incident", row["sys_id"])

    gone = api.rows("sys_audit_delete", f"tablename=incident^documentkey={row['sys_id']}")
    payload = ElementTree.fromstring(gone[0]["payload"])

    assert (payload.tag, payload.findtext("number")) == ("incident", row["number"])
    assert payload.findtext("short_description") == text.rstrip("\x00")
