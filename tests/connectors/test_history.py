"""Who changed which field when, as either platform tells it: in few calls, and in none where it is not told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.connectors.unreadable import BROKEN_FOR, REFUSED_FOR, Unreadable
from sync.errors import AuthenticationError, BudgetSpentError, SchemaError, TransientError
from sync.sandbox.pair import Pair
from sync.sandbox.salesforce.settings import Settings
from tests.connectors.conftest import Observed

TRACKED = frozenset({"Case.Subject", "Case.Status", "Case.OwnerId", "Case.Description", "Case.ContactId"})


def track(pair: Pair, fields: frozenset[str] = TRACKED) -> None:
    pair.salesforce.platform.settings = Settings(tracked_fields=fields)


def test_servicenow_tells_each_edit_with_author_count_and_time(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    incident = pair.servicenow.add("incident", short_description="Before", state="1")["sys_id"]
    pair.servicenow.edit("incident", incident, by="fred.luddy", short_description="Between")
    pair.servicenow.edit("incident", incident, by="abel.tuter", short_description="After", state="2")

    found = servicenow.history("incident", [incident], ["short_description"])

    assert found is not None
    assert [(each.old, each.new, each.by, each.count) for each in found] == [
        ("Before", "Between", "fred.luddy", 1),
        ("Between", "After", "abel.tuter", 2),
    ]
    assert {(each.record_id, each.field, each.told) for each in found} == {
        (incident, "short_description", True)
    }
    assert abs(found[0].at - servicenow.server_now()) < timedelta(seconds=10)


def test_history_since_a_moment_leaves_out_what_was_before(
    pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector
) -> None:
    track(pair)
    incident = pair.servicenow.add("incident", short_description="Before")["sys_id"]
    case = pair.salesforce.add("Case", Subject="Before")["Id"]
    for hours in (-3, -1):
        pair.servicenow.skew_clock(timedelta(hours=hours))
        pair.salesforce.skew_clock(timedelta(hours=hours))
        pair.servicenow.edit("incident", incident, short_description=f"{hours}")
        pair.salesforce.edit("Case", case, Subject=f"{hours}")
    since = servicenow.server_now() - timedelta(hours=1)

    here = servicenow.history("incident", [incident], ["short_description"], since)
    there = salesforce.history("Case", [case], ["Subject"], since)

    assert here is not None
    assert there is not None
    assert [each.new for each in here] == [each.new for each in there] == ["-1"]


def test_many_records_take_few_calls(
    pair: Pair,
    servicenow: ServiceNowConnector,
    salesforce: SalesforceConnector,
    observed: Observed,
) -> None:
    track(pair)
    incidents = [pair.servicenow.add("incident", short_description="Before")["sys_id"] for _ in range(200)]
    cases = [pair.salesforce.add("Case", Subject="Before")["Id"] for _ in range(200)]
    for id in incidents:
        pair.servicenow.edit("incident", id, short_description="After")
    for id in cases:
        pair.salesforce.edit("Case", id, Subject="After")

    here = servicenow.history("incident", incidents, ["short_description", "state"])
    there = salesforce.history("Case", cases, ["Subject", "Status"])

    assert here is not None
    assert there is not None
    assert ({each.record_id for each in here}, len(here)) == (set(incidents), 200)
    assert ({each.record_id for each in there}, len(there)) == (set(cases), 200)
    asked = [call.path for call in observed.calls if "sys_audit" in call.path or "CaseHistory" in call.path]
    assert len(asked) == 3  # two lists of sys_ids, and one of Ids


def test_salesforce_tells_an_owner_by_id_and_long_text_without_values(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    track(pair)
    case = pair.salesforce.add("Case", Subject="Printer on fire", Description="Before")
    queues = {row["DeveloperName"]: row["Id"] for row in pair.salesforce.rows("Group")}
    users = {row["Username"]: row["Id"] for row in pair.salesforce.rows("User")}
    pair.salesforce.edit("Case", case["Id"], by="abel.tuter", OwnerId=queues["Hardware_Queue"])
    pair.salesforce.edit("Case", case["Id"], by="fred.luddy", Description="After")

    found = salesforce.history("Case", [case["Id"]], ["OwnerId", "Description", "Account.Name"])

    assert found is not None
    owner, text = found
    assert (owner.field, owner.old, owner.new) == ("OwnerId", case["OwnerId"], queues["Hardware_Queue"])
    assert owner.by == users["abel.tuter@acme.example"]
    assert (text.field, text.told, text.by) == ("Description", False, users["fred.luddy@acme.example"])


def test_a_field_that_is_not_followed_has_no_entries(
    pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector
) -> None:
    case = pair.salesforce.add("Case", Subject="Before")["Id"]
    pair.salesforce.edit("Case", case, Subject="After")
    task = pair.servicenow.add("incident", short_description="Before")["sys_id"]

    assert salesforce.history("Case", [case], ["Subject"]) == []
    assert servicenow.history("incident", [task], ["short_description"]) == []


def test_what_may_not_be_read_is_asked_once(
    pair: Pair, servicenow: ServiceNowConnector, salesforce: SalesforceConnector, observed: Observed
) -> None:
    incident = pair.servicenow.add("incident", short_description="Before")["sys_id"]
    pair.servicenow.edit("incident", incident, short_description="After")
    pair.servicenow.platform.access.closed_tables.add("sys_audit")

    answers = [servicenow.history("incident", [incident], ["short_description"]) for _ in range(3)]
    answers += [salesforce.history("Contact", ["003Hn0000000001AAA"], ["LastName"]) for _ in range(3)]

    assert answers == [None] * 6
    assert len([call for call in observed.calls if "sys_audit" in call.path]) == 1
    assert len([call for call in observed.calls if "ContactHistory" in call.path]) == 1


@pytest.mark.parametrize("column", ["documentkey", "oldvalue"])
def test_a_history_with_a_hidden_column_is_no_history(
    pair: Pair, servicenow: ServiceNowConnector, column: str
) -> None:
    for name in ("Ours", "Theirs"):
        incident = pair.servicenow.add("incident", short_description=name)["sys_id"]
        pair.servicenow.edit("incident", incident, short_description="After")
    pair.servicenow.platform.access.hidden_fields.add(("sys_audit", column))

    assert servicenow.history("incident", [incident], ["short_description"]) is None


def test_an_entry_of_a_field_that_our_user_may_not_see_is_not_told(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    track(pair)
    case = pair.salesforce.add("Case", Subject="Before")["Id"]
    pair.salesforce.edit("Case", case, Subject="After", Status="Working")
    platform = pair.salesforce.platform
    platform.dialect = replace(platform.dialect, hidden_fields=frozenset({"Case.Subject"}))

    found = salesforce.history("Case", [case], ["Subject", "Status"])

    assert found is not None
    assert [each.field for each in found] == ["Status"]


def failing(fault: Exception, count: list[int]) -> Callable[[], list[str]]:
    def ask() -> list[str]:
        count.append(1)
        raise fault

    return ask


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(SchemaError("No such object."), REFUSED_FOR), (TransientError("Too slow."), BROKEN_FOR)],
)
def test_a_refusal_is_forgotten_after_a_while(fault: Exception, seconds: float) -> None:
    now = [0.0]
    memory = Unreadable(lambda: now[0])
    count: list[int] = []
    for moment in (0.0, seconds - 1, seconds + 1):
        now[0] = moment
        assert memory.unless("sys_audit", failing(fault, count)) is None

    assert len(count) == 2
    assert memory.unless("another", lambda: ["told"]) == ["told"]


@pytest.mark.parametrize("fault", [AuthenticationError("Refused."), BudgetSpentError("Spent.")])
def test_what_concerns_the_whole_connection_is_raised(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        Unreadable().unless("sys_audit", failing(fault, []))
