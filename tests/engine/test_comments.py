"""Comments and work notes, carried both ways over the sandbox pair: each once, none back, and no internal one in public."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sync import services
from sync.core import notes
from sync.models import Checkpoint, DeadLetter, Event, Flow, JournalEntry, RecordLink
from sync.models.link import LinkState
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now
from tests.engine.killing import Worker, let_time_pass, worker_on_the_test_database
from tests.engine.test_kills import run_on

BOTH = {
    "comments": {"salesforce": "published_comment"},
    "work_notes": {"salesforce": "unpublished_comment"},
}
CLOSE = {
    "servicenow": {"state": "7", "close_code": "Solution provided", "close_notes": "Its Case was deleted"},
    "salesforce": {"Status": "Closed"},
}
CASE_COMMENTS = {"method": "POST", "path": "composite/sobjects$"}
NOTES = {"method": "PATCH", "path": "/table/incident/"}


@pytest.fixture
def both(transactional_db: None, pair: Pair) -> Callable[..., Flow]:
    def make(comments: dict[str, Any] | None = None, **changes: Any) -> Flow:
        return make_both(pair, options={"comments": comments or BOTH}, **changes)

    return make


def a_pair(flow: Flow, pair: Pair, number: int = 0) -> tuple[str, str]:
    incident = pair.servicenow.add("incident", short_description=f"Printer {number} on fire", state="2")
    run_now(flow)
    (case,) = pair.salesforce.rows("Case", ServiceNow_Sys_Id__c=incident["sys_id"])
    return incident["sys_id"], case["Id"]


def say(pair: Pair, incident: str, text: str, *, by: str = "abel.tuter", column: str = "comments") -> None:
    pair.servicenow.edit("incident", incident, by=by, **{column: text})


def answer(pair: Pair, case: str, text: str, *, by: str = "beth.anglin", published: bool = True) -> None:
    pair.salesforce.add("CaseComment", by=by, ParentId=case, CommentBody=text, IsPublished=published)


def case_comments(pair: Pair, **equals: Any) -> list[str]:
    return [row["CommentBody"] for row in pair.salesforce.rows("CaseComment", **equals)]


def journal(pair: Pair, column: str = "comments") -> list[str]:
    return [row["value"] for row in pair.servicenow.rows("sys_journal_field", element=column)]


def at_rest(flow: Flow, pair: Pair) -> None:
    """Two more runs write nothing: our own entries are known."""
    before = pair.servicenow.counters.writes + pair.salesforce.counters.writes
    for _ in range(2):
        run = run_now(flow)
        assert (run.status, run.entries) == ("succeeded", {})
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == before


def test_comments_and_work_notes_go_both_ways_each_to_its_place_and_none_comes_back(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    say(pair, incident, "The user is difficult", column="work_notes")
    answer(pair, case, "We are on our way")
    answer(pair, case, "Third time this week", published=False)

    run = run_now(flow)

    assert run.entries == {
        "to_salesforce": {"comments": 1, "work_notes": 1},
        "to_servicenow": {"comments": 1, "work_notes": 1},
    }
    first, _, text = case_comments(pair, IsPublished=True)[1].partition("\n")
    assert (first.startswith("Abel Tuter · 20"), "· ServiceNow [sync:" in first, text) == (
        True,
        True,
        "Please call me",
    )
    assert case_comments(pair, IsPublished=False)[1].endswith("\nThe user is difficult")
    assert journal(pair)[1].startswith("Beth Anglin · 20")
    assert journal(pair)[1].endswith("\nWe are on our way")
    assert journal(pair, "work_notes")[1].endswith("\nThird time this week")
    at_rest(flow, pair)
    assert (len(case_comments(pair)), len(journal(pair)), len(journal(pair, "work_notes"))) == (4, 2, 2)
    assert not JournalEntry.objects.exclude(text_sealed=None).exists()


def test_five_hundred_comments_arrive_once_each_though_replies_are_lost(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    pairs = [a_pair_of(flow, pair, number) for number in range(10)]
    run_now(flow)
    cases = {row["ServiceNow_Sys_Id__c"]: row["Id"] for row in pair.salesforce.rows("Case")}
    for number in range(250):
        say(pair, pairs[number % 10], f"Seen {number} by Abel")
        answer(pair, cases[pairs[number % 10]], f"Answer {number} by Beth")
    for platform, seed in ((pair.servicenow, 7), (pair.salesforce, 8)):
        for kind in ("reset_after", "reset_before"):
            platform.fault(kind, probability=0.05, times=0, seed=seed)
    for kind in ("reset_after", "reset_before"):  # for certain: a collection is a single call
        pair.salesforce.fault(kind, **CASE_COMMENTS)

    for _ in range(4):
        run_now(flow)
        let_time_pass()
    pair.servicenow.clear_faults()
    pair.salesforce.clear_faults()
    for _ in range(2):
        let_time_pass()
        run_now(flow)

    assert pair.servicenow.counters.faults > 10
    assert pair.salesforce.counters.faults > 1
    heard = Counter(notes.body(text) or text for text in case_comments(pair))
    assert heard == Counter(
        [f"Seen {n} by Abel" for n in range(250)] + [f"Answer {n} by Beth" for n in range(250)]
    )
    written = Counter(notes.body(text) or text for text in journal(pair))
    assert written == heard
    assert set(JournalEntry.objects.values_list("status", flat=True)) == {"done"}
    at_rest(flow, pair)


def a_pair_of(flow: Flow, pair: Pair, number: int) -> str:
    return str(pair.servicenow.add("incident", short_description=f"Printer {number} on fire")["sys_id"])


@pytest.mark.parametrize(
    ("to", "kind"),
    [("salesforce", "reset_before"), ("servicenow", "reset_before"), ("servicenow", "reset_after")],
)
def test_an_entry_without_answer_is_looked_up_by_its_mark_before_it_is_repeated(
    both: Callable[..., Flow], pair: Pair, to: str, kind: str
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    if to == "salesforce":
        say(pair, incident, "Please call me")
        pair.salesforce.fault(kind, **CASE_COMMENTS)
    else:
        answer(pair, case, "Please call me")
        pair.servicenow.fault(kind, **NOTES)

    first = run_now(flow)

    arrived = kind != "reset_before"
    row = JournalEntry.objects.get()
    assert (row.status, first.in_doubt) == (("done", 0) if arrived else ("in_doubt", 1))
    there = case_comments if to == "salesforce" else journal
    assert len(there(pair)) == arrived
    run_now(flow)
    assert JournalEntry.objects.get().status == row.status  # not repeated while it may still be executed
    let_time_pass()
    run_now(flow)
    assert JournalEntry.objects.get().status == "done"
    assert [notes.body(text) for text in there(pair)] == ["Please call me"]
    at_rest(flow, pair)


# Worker killed


@pytest.fixture
def worker(both: Callable[..., Flow]) -> Iterator[Worker]:
    with worker_on_the_test_database() as worker:
        yield worker


def test_killed_between_sending_and_recording_it_leaves_no_double(
    both: Callable[..., Flow], pair: Pair, worker: Worker
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    said: Counter[str] = Counter()
    for held, where, source in (
        (pair.salesforce, CASE_COMMENTS, "servicenow"),
        (pair.servicenow, NOTES, "salesforce"),
    ):
        for number in range(12):
            say(pair, incident, f"Seen {number} before {source}")
            answer(pair, case, f"Answer {number} before {source}")
            said.update([f"Seen {number} before {source}", f"Answer {number} before {source}"])
        written = held.counters.writes
        held.fault("truncated", seconds=5, **where)
        held.fault("status", status=503, seconds=10, after=1, times=0, **where)

        assert worker.killed_when(flow, lambda: held.counters.writes > written)  # noqa: B023

        assert JournalEntry.objects.filter(status="sent", side=source).count() == 12
        held.clear_faults()
        for _ in range(3):
            let_time_pass()
            run_on(flow)
    assert Counter(notes.body(text) or text for text in case_comments(pair)) == said
    assert Counter(notes.body(text) or text for text in journal(pair)) == said
    at_rest(flow, pair)


# The leak guard


def test_a_flow_that_would_leak_does_not_start(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    say(pair, incident, "The user is difficult", column="work_notes")
    # Past file and form, as somebody with the database in hand could.
    Flow.objects.update(options={"comments": {"work_notes": {"salesforce": "published_comment"}}})
    services.publish_flow(flow=Flow.objects.get(), by=None)

    run = run_now(flow)

    assert (run.status, run.error_code) == ("failed", "leak_guard")
    assert case_comments(pair) == []


def test_before_it_is_sent_an_internal_entry_is_stopped_whatever_was_planned(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    planned = JournalEntry(
        flow=flow, link=RecordLink.objects.get(), kind="comments", side="servicenow", place="work_notes",
        source_id="a" * 32, written_at=timezone.now(),
    )  # fmt: skip
    planned.text = "The user is difficult"
    planned.save()
    say(pair, incident, "Please call me")

    run = run_now(flow)

    assert [notes.body(text) for text in case_comments(pair)] == ["Please call me"]
    assert (run.status, run.failed) == ("partial", 1)
    letter = DeadLetter.objects.get()
    assert (letter.code, letter.state, letter.link) == ("LEAK_GUARD", "open", RecordLink.objects.get())
    assert "tick that it may become public" in letter.advice
    services.retry_dead_letters(letters=[letter], by=None)
    run_on(flow)
    assert len(case_comments(pair)) == 1
    assert DeadLetter.objects.get(state="open").code == "LEAK_GUARD"


def test_what_was_planned_in_public_goes_where_the_flow_says_now(
    both: Callable[..., Flow], pair: Pair
) -> None:
    public = {
        "salesforce": "published_comment",
        "direction": "to_salesforce",
        "public": {"reason": "Agreed with Acme"},
    }
    flow = both({"work_notes": public})
    incident, _ = a_pair(flow, pair)
    say(pair, incident, "First", column="work_notes")
    run_now(flow)
    say(pair, incident, "Second", column="work_notes")
    pair.salesforce.fault("reset_before", **CASE_COMMENTS)
    run_now(flow)
    Flow.objects.update(options={"comments": {"work_notes": {"salesforce": "unpublished_comment"}}})
    services.publish_flow(flow=Flow.objects.get(), by=None)
    let_time_pass()

    run_now(flow)

    shown = {
        notes.body(row["CommentBody"]): row["IsPublished"] for row in pair.salesforce.rows("CaseComment")
    }
    assert shown == {"First": True, "Second": False}


def test_posts_for_all_are_comments_and_posts_among_us_are_work_notes(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both({"comments": {"salesforce": "feed_public"}, "work_notes": {"salesforce": "feed_internal"}})
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    say(pair, incident, "The user is difficult", column="work_notes")
    pair.salesforce.add("FeedItem", ParentId=case, Body="To all", Visibility="AllUsers", by="beth.anglin")
    pair.salesforce.add("FeedItem", ParentId=case, Body="To us", Visibility="InternalUsers", by="beth.anglin")
    run_now(flow)

    public = [row["Body"] for row in pair.salesforce.rows("FeedItem", Visibility="AllUsers")]
    public += case_comments(pair, IsPublished=True)
    assert sum("Please call me" in text for text in public) == 1
    assert not any("difficult" in text for text in public)
    internal = [row["Body"] for row in pair.salesforce.rows("FeedItem", Visibility="InternalUsers")]
    assert sum("difficult" in text for text in internal + case_comments(pair, IsPublished=False)) == 1
    assert not any("To us" in text for text in journal(pair))
    assert [notes.body(text) for text in journal(pair)][1:] == ["To all"]
    assert "To us" in "".join(journal(pair, "work_notes"))
    at_rest(flow, pair)


# What is ours, and what is not


def test_who_quotes_or_copies_an_entry_of_ours_has_written_one_of_their_own(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    run_now(flow)
    (ours,) = case_comments(pair)
    answer(pair, case, ours)
    answer(pair, case, f"> {ours}\nWe did, twice")
    say(pair, incident, ours)

    run_now(flow)

    assert [notes.body(text) for text in journal(pair)][2:] == [ours, f"> {ours}\nWe did, twice"]
    assert len(case_comments(pair)) == 4
    at_rest(flow, pair)


@pytest.mark.parametrize("before_link", ["leave", "carry"])
def test_a_console_that_lost_its_rows_knows_its_entries_by_their_marks(
    both: Callable[..., Flow], pair: Pair, before_link: str
) -> None:
    flow = both({**BOTH, "before_link": before_link})
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    answer(pair, case, "We did")
    run_now(flow)
    JournalEntry.objects.all().delete()
    Checkpoint.objects.exclude(stream="").delete()

    at_rest(flow, pair)

    assert (len(case_comments(pair)), len(journal(pair))) == (2, 2)


def test_what_another_flow_carried_here_goes_on(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    foreign = "Alice · 2026-11-24 01:52 UTC · Salesforce [sync:00a000000000001AAA:1:0123456789abcdef]\nFrom a third system"
    say(pair, incident, foreign, by="sync.user")

    run_now(flow)

    assert case_comments(pair)[0].endswith("From a third system")
    at_rest(flow, pair)


# Texts


def test_a_long_text_arrives_in_numbered_parts_within_the_bytes_of_the_other_side(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    text = "".join(f"{number}: Größe 日本語 👩‍👩‍👧 🇩🇪\n" for number in range(220))
    say(pair, incident, text)
    answer(pair, case, "ü" * 2000)

    run = run_now(flow)

    parts = [
        row["CommentBody"] for row in pair.salesforce.rows("CaseComment") if "[sync:" in row["CommentBody"]
    ]
    assert all(len(part.encode()) <= 4000 for part in parts)
    assert [f"part {n} of {len(parts)}" in part for n, part in enumerate(parts, 1)] == [True] * len(parts)
    assert "".join(map(notes.body, parts)).strip() == text.strip()
    assert "".join(notes.body(each) for each in journal(pair)[1:]) == "ü" * 2000
    assert run.entries == {"to_salesforce": {"comments": 1}, "to_servicenow": {"comments": 1}}
    at_rest(flow, pair)


def test_no_text_stands_in_the_database_in_clear(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    say(pair, incident, "My password is hunter2")
    pair.salesforce.fault("reset_before", **CASE_COMMENTS)
    run_now(flow)

    (row,) = JournalEntry.objects.all()
    assert row.text.endswith("My password is hunter2")
    values = [value for value in vars(row).values() if not isinstance(value, bytes | memoryview)]
    assert not any("hunter2" in str(value) for value in values)
    assert b"hunter2" not in bytes(row.text_sealed)


# When


def test_what_was_said_before_the_pair_was_made_is_left_or_carried(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    old = a_pair_of(flow, pair, 1)
    say(pair, old, "Long ago")
    say(pair, old, "Long ago, among us", column="work_notes")
    for platform in (pair.servicenow, pair.salesforce):
        platform.skew_clock(timedelta(seconds=30))
    run_now(flow)
    run_now(flow)
    assert case_comments(pair) == []

    Flow.objects.update(options={"comments": {**BOTH, "before_link": "carry"}})
    services.publish_flow(flow=Flow.objects.get(), by=None)
    run_now(flow)

    assert [notes.body(text) for text in case_comments(pair)] == ["Long ago", "Long ago, among us"]
    at_rest(flow, pair)


def test_an_entry_is_found_even_where_its_record_did_not_move(both: Callable[..., Flow], pair: Pair) -> None:
    pair.salesforce.turn(comments_touch_case=False)
    flow = both()
    _, case = a_pair(flow, pair)
    run_now(flow)
    before = pair.salesforce.rows("Case")[0]["SystemModstamp"]
    answer(pair, case, "We are on our way")

    run_now(flow)

    assert pair.salesforce.rows("Case")[0]["SystemModstamp"] == before
    assert [notes.body(text) for text in journal(pair)] == ["We are on our way"]


def test_entries_are_read_in_batches_and_a_quiet_poll_costs_one_call_a_side_more(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incidents = [a_pair_of(flow, pair, number) for number in range(40)]
    run_now(flow)
    for incident in incidents:
        say(pair, incident, "Please call me")
    for platform in (pair.servicenow, pair.salesforce):
        platform.reset_counters()

    run_now(flow)

    assert len(case_comments(pair)) == 40
    assert pair.salesforce.counters.writes == 40
    # A poll of records and one of entries a side, the texts, the authors' names, one collection; the Cases that moved.
    assert (pair.servicenow.counters.calls, pair.salesforce.counters.calls) <= (8, 8)
    run_now(flow)
    for platform in (pair.servicenow, pair.salesforce):
        platform.reset_counters()
    run_now(flow)
    assert max(pair.servicenow.counters.calls, pair.salesforce.counters.calls) <= 4


def test_a_dry_run_counts_what_it_would_carry_and_writes_nothing(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    answer(pair, case, "We did", published=False)
    writes = pair.servicenow.counters.writes + pair.salesforce.counters.writes

    run = run_now(flow, mode="dry")

    assert run.entries == {"to_salesforce": {"comments": 1}, "to_servicenow": {"work_notes": 1}}
    assert pair.servicenow.counters.writes + pair.salesforce.counters.writes == writes
    assert not JournalEntry.objects.exists()
    assert run_now(flow).entries == run.entries


@pytest.mark.parametrize(("direction", "carried"), [("to_salesforce", (2, 1)), ("to_servicenow", (1, 2))])
def test_a_kind_may_go_one_way_only(
    both: Callable[..., Flow], pair: Pair, direction: str, carried: tuple[int, int]
) -> None:
    flow = both({"comments": {"salesforce": "published_comment", "direction": direction}})
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    answer(pair, case, "We did")

    run_now(flow)

    assert (len(case_comments(pair)), len(journal(pair))) == carried
    at_rest(flow, pair)


# Trouble


def test_a_refused_entry_has_a_letter_of_its_own_and_the_record_goes_on(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    pair.servicenow.edit("incident", incident, short_description="Still on fire", by="abel.tuter")
    pair.salesforce.fault("records", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", **CASE_COMMENTS)

    run = run_now(flow)

    assert pair.salesforce.rows("Case")[0]["Subject"] == "Still on fire"
    assert (run.status, run.failed, case_comments(pair)) == ("partial", 1, [])
    letter = DeadLetter.objects.get()
    assert (letter.state, letter.field, letter.record_number) == (
        "open",
        "comment",
        RecordLink.objects.get().servicenow_number,
    )
    assert Event.objects.filter(outcome="failed", field_names="Comment").count() == 1
    run_now(flow)
    assert DeadLetter.objects.get().state == "open"  # that the record is at rest says nothing of it
    services.retry_dead_letters(letters=[letter], by=None)
    run_on(flow)
    assert [notes.body(text) for text in case_comments(pair)] == ["Please call me"]
    assert DeadLetter.objects.get().state == "retried"
    at_rest(flow, pair)


def test_an_entry_that_servicenow_drops_without_a_word_is_told(both: Callable[..., Flow], pair: Pair) -> None:
    flow = both()
    _, case = a_pair(flow, pair)
    pair.servicenow.platform.access.frozen_fields.add(("incident", "comments"))
    answer(pair, case, "We are on our way")

    first = run_now(flow)
    assert (first.in_doubt, DeadLetter.objects.count()) == (1, 0)  # a read may lag behind a write
    let_time_pass()
    run = run_now(flow)

    assert (run.status, journal(pair), run.entries) == ("partial", [], {})
    letter = DeadLetter.objects.get()
    assert letter.code == "REFUSED_SILENTLY"
    pair.servicenow.platform.access.frozen_fields.clear()
    services.retry_dead_letters(letters=[letter], by=None)
    run_on(flow)
    assert [notes.body(text) for text in journal(pair)] == ["We are on our way"]
    at_rest(flow, pair)


def test_of_a_pair_that_has_ended_nothing_is_carried_any_more(both: Callable[..., Flow], pair: Pair) -> None:
    flow = make_both(pair, options={"comments": BOTH, "deletions": {"salesforce": "unlink"}}, name="deleting")
    incident, case = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    pair.salesforce.delete("Case", case)

    run = run_now(flow)

    assert RecordLink.objects.get().state == LinkState.UNLINKED
    assert (run.failed, DeadLetter.objects.count()) == (0, 0)
    at_rest(flow, pair)


def test_what_is_said_while_a_case_is_in_the_recycle_bin_is_carried_once_it_is_back(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = make_both(pair, options={"comments": BOTH, "deletions": {"salesforce": "close", "close": CLOSE}})
    incident, case = a_pair(flow, pair)
    pair.salesforce.delete("Case", case)
    run_now(flow)
    say(pair, incident, "Where is my Case?")
    run_now(flow)
    assert case_comments(pair) == []
    # Later than any overlap.
    Checkpoint.objects.filter(stream=notes.JOURNAL).update(watermark=timezone.now() + timedelta(seconds=2))
    pair.salesforce.undelete("Case", case)

    run_now(flow)

    assert [notes.body(text) for text in case_comments(pair)] == ["Where is my Case?"]
    run_now(flow)
    at_rest(flow, pair)


def test_where_nobody_follows_deletions_a_comment_for_a_deleted_case_needs_a_person(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, case = a_pair(flow, pair)
    pair.salesforce.delete("Case", case)
    say(pair, incident, "Please call me")

    run_now(flow)
    run_now(flow)

    row = JournalEntry.objects.get()
    assert row.status in ("refused", "left")
    writes = pair.salesforce.counters.writes
    run_now(flow)
    assert pair.salesforce.counters.writes == writes


def test_what_a_restored_database_takes_for_unsent_is_looked_for_first(
    both: Callable[..., Flow], pair: Pair
) -> None:
    flow = both()
    incident, _ = a_pair(flow, pair)
    say(pair, incident, "Please call me")
    pair.salesforce.fault("status", status=503, seconds=0, times=0, **CASE_COMMENTS)
    run_now(flow)
    kept = JournalEntry.objects.values().get()
    pair.salesforce.clear_faults()
    let_time_pass()
    run_now(flow)
    assert (kept["status"], len(case_comments(pair))) == ("planned", 1)
    JournalEntry.objects.update(
        **{name: kept[name] for name in ("status", "text_sealed", "target_id", "run_id", "due_at")}
    )

    run_now(flow)

    assert (JournalEntry.objects.get().status, len(case_comments(pair))) == ("done", 1)
