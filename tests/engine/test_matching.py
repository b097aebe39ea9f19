"""User tables are matched over the wire, by what both platforms know of a person."""

from __future__ import annotations

import pytest

from mappings.models import UserTable
from sync import matching, people, questions, sheets
from sync.models import AuditEntry, Connection, Question
from sync.sandbox.people import PEOPLE
from sync.services import Refused

pytestmark = pytest.mark.django_db(transaction=True)
SOUND = {person.user_name for person in PEOPLE if person.active and person.active_in_salesforce}


@pytest.fixture
def table(flow) -> UserTable:
    flow.user_table.entries.filter(kind="user").delete()
    return flow.user_table


def asked(table: UserTable, way: str, column: str = "") -> Question:
    question = matching.ask(table=table, way=way, column=column, by=None, enqueue=False)
    return questions.answer(question.pk)


@pytest.mark.parametrize("way", ["email", "employee", "federation"])
def test_people_are_proposed_and_only_who_is_active_on_both_sides_without_a_doubt(table, way):
    Connection.objects.filter(system="servicenow").update(own_user="sync.user")
    found, known = matching.proposals(asked(table, way), table)

    assert {each.servicenow for each in found if each.is_sound} == SOUND
    assert known == 0
    doubted = {each.servicenow: list(each.inactive) for each in found if not each.is_sound}
    assert doubted == {"luke.wilson": ["Salesforce"], "carol.coughlin": ["ServiceNow"]}
    assert {each.salesforce for each in found} == {person.email for person in PEOPLE}


def test_nothing_is_taken_before_it_is_confirmed_and_then_it_acts_at_once(table, flow):
    question = asked(table, "email")
    assert not table.entries.filter(kind="user").exists()

    chosen = {each.index for each in matching.proposals(question, table)[0] if each.servicenow == "abel.tuter"}  # fmt: skip
    seen = sheets.state_of(sheets.KINDS["user-table"], table)
    matching.confirm(table=table, question=question, chosen=chosen, seen=seen, by=None)

    assert [str(entry) for entry in table.entries.filter(kind="user")] == ["abel.tuter – abel.tuter@acme.example"]  # fmt: skip
    assert people.needs_resolving(UserTable.objects.get(pk=table.pk), now=question.answered_at)
    assert AuditEntry.objects.get(action="user_table.imported").after["file"] == "matched by e-mail address"
    assert matching.proposals(question, table)[1] == 1


def test_entries_whose_people_are_gone_or_inactive_are_caught(table):
    for here, there in (
        ("abel.tuter", "abel.tuter@acme.example"),
        ("luke.wilson", "luke.wilson@acme.example"),
        ("nobody", "carol.coughlin@acme.example"),
    ):
        table.entries.create(kind="user", servicenow=here, salesforce=there)

    assert {each["entry"]: each["told"] for each in asked(table, "email").answer["gone"]} == {
        "luke.wilson – luke.wilson@acme.example": "inactive in Salesforce",
        "nobody – carol.coughlin@acme.example": "not shown in ServiceNow",
    }


def test_a_pair_that_the_table_holds_otherwise_is_left_to_a_person(table):
    table.entries.create(kind="user", servicenow="abel.tuter", salesforce="beth.anglin@acme.example")
    found, _ = matching.proposals(asked(table, "email"), table)

    held = {each.servicenow: each.held for each in found if each.held}
    assert held == dict.fromkeys(("abel.tuter", "beth.anglin"), "now abel.tuter – beth.anglin@acme.example")


def test_a_column_that_is_not_there_fails_the_question_with_what_to_do(table):
    question = asked(table, "employee", "u_staff_id")

    assert question.state == "failed"
    (finding,) = question.answer["findings"]
    assert "u_staff_id" in finding["text"]


def test_a_table_that_no_flow_uses_says_so(db):
    with pytest.raises(Refused, match="Choose it in a flow first"):
        matching.ask(table=UserTable.objects.create(name="lonely"), way="email", column="", by=None)
