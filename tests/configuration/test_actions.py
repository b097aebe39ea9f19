"""Actions in the configuration file: read as text, told with their lines, applied, exported and asked of the platforms."""

from __future__ import annotations

import pytest

from sync.configuration.export import export
from sync.configuration.live import asked_of
from sync.configuration.problems import InvalidConfiguration
from sync.models import Flow

NOTICES = """\
  - name: notices
    servicenow: {connection: acme-servicenow, table: change_request}
    salesforce: {connection: acme-salesforce, object: Account}
    create: {salesforce: false}
    start: now
    actions:
      - name: approved
        on: {changed: {servicenow: approval, to: [approved]}}
        when: 'servicenow.type == "normal"'
        once: "{servicenow.number} approved"
        steps:
          - {name: account, do: look_up, in: salesforce, table: Account, query: "Name = '{servicenow.company.name}'", take: [OwnerId], none: skip}
          - name: tell
            do: notify
            by: task
            to: "{steps.account.OwnerId}"
            subject: "{servicenow.number} is approved"
            text: "It was {before.approval}."
"""


@pytest.fixture
def both(acme: str) -> str:
    return acme + NOTICES


def lines_of(text: str, fragment: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), start=1) if fragment in line]


@pytest.mark.django_db
def test_a_flow_may_do_nothing_but_act_and_its_revision_holds_what_it_does(bring_in, both) -> None:
    bring_in(both)
    flow = Flow.objects.get(name="notices")

    (action,) = flow.revision.snapshot["options"]["actions"]
    assert action["on"] == {"changed": {"servicenow": "approval", "to": ["approved"]}}
    assert [step["do"] for step in action["steps"]] == ["look_up", "notify"]
    assert bring_in(both).changes == []
    assert bring_in(export()).changes == []


@pytest.mark.django_db
def test_a_changed_text_of_an_action_publishes_the_flow(bring_in, both) -> None:
    bring_in(both)

    plan = bring_in(both.replace("is approved", "was approved"))

    assert [change.action for change in plan.changes] == ["update", "publish"]
    assert Flow.objects.get(name="notices").revision.number == 2


@pytest.mark.parametrize(
    ("right", "wrong", "at", "told"),
    [
        ("to: [approved]}", "too: [approved]}", "too: [approved]", "no key 'too'"),
        ("do: notify", "do: notfy", "do: notfy", "nothing that a step does"),
        ("{steps.account.OwnerId}", "{steps.acount.OwnerId}", 'to: "{steps.acount', "no step before this one is called acount"),
        ("take: [OwnerId]", "take: [Name]", 'to: "{steps.account.OwnerId}"', "Add it to the step's take"),
        ('"{servicenow.number} approved"', '"{servicenow.number approved"', "once:", "not closed"),
        ("on: {changed: {servicenow: approval, to: [approved]}}", "on: {entered: salesforce}", "on: {entered", "does not follow records of salesforce"),
        ("limit", "limit", "", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_action_is_told_with_its_line(read, both, right, wrong, at, told) -> None:
    if not at:
        assert not read(both).document.flows[1].fields
        return
    text = both.replace(right, wrong)
    with pytest.raises(InvalidConfiguration) as refused:
        read(text)

    problem = next(each for each in refused.value.problems if told in each.text)
    assert problem.line in lines_of(text, at)
    assert problem.path.startswith("flows[notices].actions[0]")


def test_the_platforms_are_asked_for_every_table_and_column_of_an_action(read, both) -> None:
    asked = asked_of(read(both).document)

    here = {
        column.name
        for each in asked["acme-servicenow"]
        for column in each.columns
        if each.table.name == "change_request"
    }
    there = {
        column.name
        for each in asked["acme-salesforce"]
        for column in each.columns
        if each.table.name == "Account"
    }
    assert here == {"approval", "type", "number", "company"}
    assert there == {"OwnerId"}


def test_a_flow_with_neither_fields_nor_actions_is_refused(read, both) -> None:
    with pytest.raises(InvalidConfiguration, match="at least one field, or actions"):
        read(both[: both.index("    actions:")])
