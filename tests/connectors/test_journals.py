"""Reading what people said, on either platform: in pages, by the entries' own stamps, with texts only where asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.notes import COMMENT, FEED, JOURNAL, Place
from sync.errors import SchemaError
from sync.sandbox.pair import Pair
from tests.connectors.conftest import Observed

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_every_entry_of_servicenow_is_told_once_although_stamps_are_equal_and_pages_full(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer")["sys_id"]
    for number in range(1100):
        pair.servicenow.edit("incident", incident, comments=f"Entry {number}", by="abel.tuter")

    pages = list(servicenow.entries(JOURNAL, LONG_AGO))

    told = [entry for page in pages for entry in page.entries]
    assert len(pages) == 2
    assert len({entry.id for entry in told}) == len(told) == 1100
    assert [(entry.at, entry.id) for entry in told] == sorted((entry.at, entry.id) for entry in told)
    assert {(entry.parent, entry.place, entry.by, entry.text) for entry in told} == {
        (incident, Place.COMMENTS, "abel.tuter", "")
    }
    assert [
        entry
        for page in servicenow.entries(JOURNAL, told[-1].at + timedelta(seconds=1))
        for entry in page.entries
    ] == []


def test_entries_come_whole_by_their_ids_or_by_their_records(
    pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector
) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer")["sys_id"]
    pair.servicenow.edit("incident", incident, comments="To you", work_notes="To us", by="abel.tuter")
    case = pair.salesforce.add("Case", Subject="Printer")["Id"]
    for published in (True, False):
        pair.salesforce.add(
            "CaseComment", ParentId=case, CommentBody=f"{published}", IsPublished=published, by="beth.anglin"
        )

    here = servicenow.entries_by(JOURNAL, parents=[incident])
    there = salesforce.entries_by(COMMENT, parents=[case])

    assert {(entry.place, entry.text) for entry in here} == {
        (Place.COMMENTS, "To you"),
        (Place.WORK_NOTES, "To us"),
    }
    assert [(entry.place, entry.text, entry.author) for entry in there] == [
        (Place.PUBLISHED, "True", "Beth Anglin"), (Place.UNPUBLISHED, "False", "Beth Anglin"),
    ]  # fmt: skip
    assert servicenow.entries_by(JOURNAL, ids=[here[0].id]) == [here[0]]
    assert salesforce.entries_by(COMMENT, ids=[there[1].id]) == [there[1]]
    assert servicenow.entries_by(JOURNAL, ids=[]) == salesforce.entries_by(COMMENT, parents=[]) == []
    later = there[0].at + timedelta(hours=1)
    assert salesforce.entries_by(COMMENT, parents=[case], since=later) == []
    assert servicenow.entries_by(JOURNAL, parents=[incident], since=later) == []


def test_of_a_feed_posts_alone_are_entries(pair: Pair, salesforce: SalesforceConnector) -> None:
    case = pair.salesforce.add("Case", Subject="Printer")["Id"]
    pair.salesforce.add("FeedItem", ParentId=case, Body="To all", Visibility="AllUsers")
    pair.salesforce.add("FeedItem", ParentId=case, Body="To us", Visibility="InternalUsers")

    (page,) = salesforce.entries(FEED, LONG_AGO)

    assert {entry.place for entry in page.entries} == {Place.FEED_PUBLIC, Place.FEED_INTERNAL}
    assert [entry.text for entry in salesforce.entries_by(FEED, parents=[case])] == ["To all", "To us"]


def test_a_column_that_is_hidden_is_told_and_no_text_taken_for_empty(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    incident = pair.servicenow.add("incident", short_description="Printer")["sys_id"]
    pair.servicenow.edit("incident", incident, comments="To you")
    pair.servicenow.platform.access.hidden_fields.add(("sys_journal_field", "value"))

    with pytest.raises(SchemaError, match="sys_journal_field"):
        servicenow.entries_by(JOURNAL, parents=[incident])


def test_many_records_are_asked_in_few_calls(
    pair: Pair, servicenow: ServiceNowConnector, observed: Observed
) -> None:
    incidents = [pair.servicenow.add("incident", short_description=f"{n}")["sys_id"] for n in range(120)]
    for incident in incidents:
        pair.servicenow.edit("incident", incident, comments="To you")
    servicenow.server_now()
    before = len(observed.calls)

    assert len(servicenow.entries_by(JOURNAL, parents=incidents)) == 120

    assert len(observed.calls) - before <= 2
