"""User tables: names become ids, and only those who can own a record are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from mappings.models import UserTable
from mappings.spec import PeopleSpec
from sync.core.records import Person
from sync.errors import TransientError
from sync.people import FRESH_FOR, needs_resolving, people_spec, resolve_user_table

pytestmark = pytest.mark.django_db

ABEL, BETH, LUKE = ("a" * 32, "b" * 32, "c" * 32)


class Directory:
    """A platform that knows some people and nothing else."""

    def __init__(self, *people: Person) -> None:
        self.known = people
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        self.asked.append((kind, tuple(keys)))
        return {person.key: person for person in self.known if person.kind == kind and person.key in keys}


class Unreachable(Directory):
    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        raise TransientError("does not answer")


@pytest.fixture
def servicenow() -> Directory:
    return Directory(
        Person("user", "abel.tuter", ABEL, active=True),
        Person("user", "luke.wilson", LUKE, active=True),
        Person("group", "Hardware", BETH, active=True),
    )


@pytest.fixture
def salesforce() -> Directory:
    return Directory(
        Person("user", "abel.tuter@acme.example", "005A", active=True),
        Person("user", "luke.wilson@acme.example", "005L", active=False),
        Person("group", "Hardware_Queue", "00GH", active=True),
        Person("group", "it_queue", "00GI", active=True),
    )


@pytest.fixture
def table() -> UserTable:
    table = UserTable.objects.create(name="acme-people", fallback_to_salesforce="it_queue")
    for kind, here, there in (
        ("user", "abel.tuter", "abel.tuter@acme.example"),
        ("user", "luke.wilson", "luke.wilson@acme.example"),
        ("group", "Hardware", "Hardware_Queue"),
    ):
        table.entries.create(kind=kind, servicenow=here, salesforce=there)
    return table


def stored(table: UserTable) -> PeopleSpec:
    return people_spec(UserTable.objects.get(pk=table.pk))


def test_names_become_the_ids_of_both_sides(table, servicenow, salesforce):
    resolve_user_table(table, servicenow, salesforce)

    assert stored(table).to_salesforce == {ABEL: "005A", BETH: "00GH"}
    assert stored(table).fallback_to_salesforce == "00GI"


def test_who_is_inactive_on_the_side_written_to_is_left_out_and_named(table, servicenow, salesforce):
    problems = resolve_user_table(table, servicenow, salesforce)

    assert problems == ["'luke.wilson@acme.example' is inactive in Salesforce and counts as missing there."]
    assert LUKE not in stored(table).to_salesforce
    assert stored(table).to_servicenow["005L"] == LUKE  # active in ServiceNow, so the way back is open


def test_a_name_nobody_knows_is_a_problem_and_stops_nobody_else(table, servicenow, salesforce):
    table.entries.create(kind="user", servicenow="alice", salesforce="alice@acme.example")

    problems = resolve_user_table(table, servicenow, salesforce)

    assert "ServiceNow shows no user 'alice'." in problems
    assert "Salesforce shows no user 'alice@acme.example'." in problems
    assert stored(table).to_salesforce[ABEL] == "005A"


def test_each_side_is_asked_once_for_users_and_once_for_groups(table, servicenow, salesforce):
    resolve_user_table(table, servicenow, salesforce)

    assert [kind for kind, _ in servicenow.asked] == ["user", "group"]
    assert [kind for kind, _ in salesforce.asked] == ["user", "group"]


def test_a_fallback_with_an_at_sign_is_a_user_of_salesforce(table, servicenow, salesforce):
    table.fallback_to_salesforce = "abel.tuter@acme.example"

    resolve_user_table(table, servicenow, salesforce)

    assert stored(table).fallback_to_salesforce == "005A"


def test_a_fallback_of_servicenow_may_be_a_group(table, servicenow, salesforce):
    table.fallback_to_servicenow = "Hardware"

    assert resolve_user_table(table, servicenow, salesforce)[1:] == []
    assert stored(table).fallback_to_servicenow == BETH


def test_an_inactive_fallback_is_not_used(table, servicenow, salesforce):
    table.fallback_to_salesforce = "luke.wilson@acme.example"

    problems = resolve_user_table(table, servicenow, salesforce)

    assert "The fallback 'luke.wilson@acme.example' is inactive in Salesforce." in problems
    assert stored(table).fallback_to_salesforce == ""


def test_an_entry_of_one_direction_is_used_that_way_only(table, servicenow, salesforce):
    table.entries.filter(kind="group").update(direction="to_servicenow")

    resolve_user_table(table, servicenow, salesforce)

    assert BETH not in stored(table).to_salesforce
    assert stored(table).to_servicenow["00GH"] == BETH


def test_a_silent_platform_keeps_the_ids_known_so_far(table, servicenow, salesforce):
    resolve_user_table(table, servicenow, salesforce)

    with pytest.raises(TransientError):
        resolve_user_table(table, servicenow, Unreachable())

    assert stored(table).to_salesforce == {ABEL: "005A", BETH: "00GH"}


def test_resolved_entries_are_fresh_for_an_hour(table, servicenow, salesforce):
    assert needs_resolving(table, now=timezone.now())

    resolve_user_table(table, servicenow, salesforce)

    now = timezone.now()
    assert not needs_resolving(table, now=now)
    assert needs_resolving(table, now=now + FRESH_FOR + timedelta(seconds=1))


def test_no_table_maps_nobody():
    assert people_spec(None) == PeopleSpec()
