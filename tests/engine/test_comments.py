"""Comments and work notes, carried both ways over the sandbox pair: each once, none back, and no internal one in public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sync.models import Flow, JournalEntry
from sync.sandbox.pair import Pair
from tests.engine.both import make_both
from tests.engine.conftest import run_now

BOTH = {
    "comments": {"salesforce": "published_comment"},
    "work_notes": {"salesforce": "unpublished_comment"},
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
