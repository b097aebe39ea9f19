"""Laws of actions: what is due, what a look sets off, and that a declaration without a problem can be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core import action_rules
from sync.core.actions import Action, brought, due, is_done, meaning, parted, plan_of, scope_of
from sync.core.records import Record, Refusal, Reply, Version, WriteResult
from sync.core.triggers import Look, look_at, seen

BOTH = ("servicenow", "salesforce")
LIST = {
    "name": "people", "do": "look_up", "in": "salesforce", "table": "Contact", "query": "AccountId = '{salesforce.Id}'",
    "take": ["Email"], "many": "each",
}  # fmt: skip
MAIL = {
    "name": "mail",
    "do": "notify",
    "by": "email",
    "to": "{steps.people.Email}",
    "subject": "News",
    "text": "News",
}
AFTER = {"name": "after", "do": "post", "to": "chatter", "text": "Told {steps.mail.count}"}
FOLLOW = {
    "name": "follow", "do": "update", "in": "salesforce", "table": "Contact", "id": "{steps.people.Id}",
    "values": {"Description": "{steps.mail.id}"},
}  # fmt: skip


def declared(*steps: dict[str, Any], on: dict[str, Any] | None = None, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "tell", "on": on or {"entered": "salesforce"}, "steps": list(steps), **more}]


def the_action(*steps: dict[str, Any], **more: Any) -> Action:
    said = declared(*steps, **more)
    assert not list(action_rules.problems(said, BOTH))
    return plan_of(said).actions[0]


@given(
    rows=st.lists(st.sampled_from("abcde"), unique=True),
    order=st.randoms(),
    stuck=st.sets(st.sampled_from("abcde")),
)
def test_every_step_is_done_once_for_each_audience_and_in_order(rows, order, stuck) -> None:
    action = the_action(LIST, MAIL, FOLLOW, AFTER)
    results: dict[str, dict[str, Any]] = {}
    done: list[tuple[str, str]] = []
    held = {("mail", row) for row in stuck}
    for limit in (held, set()):  # at first some are refused, then a person has them done
        while places := list(due(action, results, limit)):
            what = order.choice(places)
            done.append((what.step.name, what.audience))
            if what.step.makes_list:
                results["people"] = {row: brought(row) for row in rows}
            else:
                results.setdefault(what.step.name, {})[what.audience] = brought("x")
        if set(rows) & stuck and limit:
            assert ("after", "") not in done
            assert not {("follow", row) for row in stuck} & set(done)

    assert sorted(done) == sorted(
        [("people", ""), ("after", ""), *(("mail", row) for row in rows), *(("follow", row) for row in rows)]
    )
    assert is_done(action, results)
    assert scope_of(action, results)["steps.mail.count"] == len(rows)
    assert all(
        done.index(("mail", row)) < done.index(("follow", row)) < done.index(("after", "")) for row in rows
    )


@given(names=st.lists(st.sampled_from(["VPN", " VPN", "Mailbox Package ", "", "Fax Line"])))
def test_a_list_has_each_of_its_texts_once_and_its_steps_are_done_for_each(names) -> None:
    take_apart = {"name": "products", "do": "list", "of": "{salesforce.Products__c}", "between": ""}
    order = {"name": "order", "do": "order", "item": "{steps.products.value}"}
    action = the_action(take_apart, order, AFTER | {"text": "{steps.order.count}"})

    rows = parted(";".join(names))

    assert [row["value"] for row in rows.values()] == list(
        dict.fromkeys(n.strip() for n in names if n.strip())
    )
    assert action.lists == {"products": "", "order": "products", "after": ""}
    assert {what.audience for what in due(action, {"products": rows}) if what.step.name == "order"} == set(
        rows
    )


@given(states=st.lists(st.sampled_from("1236"), min_size=1, max_size=12))
def test_each_transition_between_two_looks_is_told_once(states) -> None:
    action = the_action(AFTER | {"text": "Resolved"}, on={"changed": {"servicenow": "state", "to": ["6"]}})
    before: Look | None = None
    told = 0
    for number, state in enumerate(states):
        record = incident(state, number)
        now = look_at(record, [action], lambda action: True)
        told += len(seen(record, [action], now, before, lambda action: True))
        before = now

    assert told == sum(here != "6" and there == "6" for here, there in zip(states, states[1:], strict=False))


@given(number=st.integers(1, 50), earlier=st.integers(0, 50))
def test_an_earlier_version_is_no_transition_back(number, earlier) -> None:
    action = the_action(AFTER | {"text": "Changed"}, on={"changed": {"servicenow": "state"}})
    look = look_at(incident("6", number), [action], lambda action: True)

    assert look.is_newer_than(incident("2", earlier)) == (earlier < number)


@given(meets=st.lists(st.booleans(), min_size=1, max_size=10))
def test_a_record_enters_whenever_it_comes_to_meet_the_condition(meets) -> None:
    action = the_action(AFTER | {"text": "Entered"}, when='salesforce.Type == "Customer"')
    before: Look | None = None
    told = 0
    for number, met in enumerate(meets):
        record = incident("1", number)
        now = look_at(record, [action], lambda action, met=met: met)
        told += len(seen(record, [action], now, before, lambda action, met=met: met))
        before = now

    assert told == sum(met and not was for was, met in zip([False, *meets], meets, strict=False))


def incident(state: str, number: int) -> Record:
    at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number // 3)
    return Record("a" * 32, "INC0000001", Version(at, at, number), {"state": state})


WORDS = st.sampled_from(
    [
        "name",
        "on",
        "do",
        "steps",
        "in",
        "table",
        "values",
        "servicenow",
        "created",
        "look_up",
        "post",
        "{steps.x.id}",
        "{",
        "",
        "1",
    ]
)
JUNK = st.recursive(WORDS | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5))  # fmt: skip


@given(said=JUNK)
def test_whatever_is_declared_is_told_to_be_wrong_or_can_be_done(said) -> None:
    if not list(action_rules.problems(said, BOTH)):
        for action in plan_of(said).actions:
            assert action.lists.keys() == {step.name for step in action.steps}
            assert list(due(action, {}))


@pytest.mark.parametrize(
    ("steps", "more", "problem"),
    [
        ([AFTER], {}, ("0.steps.0.text", "no step before this one is called mail")),
        ([LIST, MAIL | {"to": "{steps.people.Phone}"}], {}, ("0.steps.1.to", "Add it to the step's take")),
        ([MAIL | {"to": "{before.state}"}], {}, ("0.steps.0.to", "only a transition")),
        ([MAIL | {"to": "{caller}"}], {}, ("0.steps.0.to", "nothing by the name of caller")),
        ([MAIL | {"to": "{"}], {}, ("0.steps.0.to", "not closed")),
        ([MAIL | {"to": "a@b.example"}], {"when": "servicenow.state == '1'"}, ("0.when", "cannot be asked when a record enters")),
        ([MAIL | {"by": "pigeon"}], {}, ("0.steps.0.by", "not one of email")),
        ([LIST | {"limit": "900"}], {}, ("0.steps.0.limit", "from 1 to 200")),
        ([{"name": "x", "do": "update", "in": "servicenow", "table": "incident", "id": "1", "values": {"work_notes": "Hello"}}], {}, ("0.steps.0.values.work_notes", "do: post")),
    ],
)  # fmt: skip
def test_a_declaration_that_contradicts_itself_names_the_place(steps, more, problem) -> None:
    (where, text), *_ = action_rules.problems(declared(*steps, **more), BOTH)
    assert where == problem[0]
    assert problem[1] in text


@given(
    reply=st.sampled_from(list(Reply)), code=st.sampled_from(["DUPLICATE_VALUE", "NOT_FOUND"]), retry=st.booleans(),
    keyed=st.booleans(), creates=st.booleans(),
)  # fmt: skip
def test_what_has_no_key_is_never_repeated_on_an_unknown_outcome(reply, code, retry, keyed, creates) -> None:
    result = WriteResult(
        "x", reply, refusal=Refusal(code, "", retry=retry) if reply is Reply.REFUSED else None
    )
    sense = meaning(result, keyed=keyed, creates=creates)
    assert (sense == "repeat") == (reply is Reply.UNKNOWN and keyed)
    assert (sense == "doubt") == (reply is Reply.UNKNOWN and not keyed)


RANK = {
    "name": "best", "do": "rank", "in": "servicenow", "table": "kb_knowledge", "query": "workflow_state=published",
    "for": "{servicenow.short_description}", "text": ["short_description", "text"], "at_least": "0.2",
}  # fmt: skip
EACH = {"name": "each", "do": "post", "to": "chatter", "text": "{steps.best.number}: {steps.best.score}"}
WHOLE = {
    "name": "whole",
    "do": "post",
    "to": "chatter",
    "text": "{steps.best.scores}, at most {steps.best.best}",
}


def test_a_ranking_makes_a_list_whose_rows_have_scores_and_tells_all_of_them_together() -> None:
    action = the_action(RANK, EACH, WHOLE)
    rows = {id: {**brought(id, f"KB{id}"), "score": score} for id, score in (("a", 0.7512), ("b", 0.2))}

    whole = scope_of(action, {"best": rows})

    assert (action.lists["each"], action.lists["whole"]) == ("best", "")
    assert (whole["steps.best.best"], whole["steps.best.scores"]) == (0.7512, "KBa 0.75, KBb 0.20")
    assert scope_of(action, {"best": rows}, "b")["steps.best.score"] == 0.2
    assert scope_of(action, {"best": {}})["steps.best.best"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at_least": "2"}, "a number from 0 to 1"),
        ({"text": []}, "Name the columns that are compared"),
        ({"for": ""}, "needs for"),
        ({"among": "900"}, "from 1 to 200"),
    ],
)
def test_a_ranking_that_cannot_be_made_is_told(change: dict[str, Any], words: str) -> None:
    told = list(action_rules.problems(declared({**RANK, **change}), BOTH))

    assert any(words in text for _, text in told), told
