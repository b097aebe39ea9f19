"""Queries that look into other tables: JOIN, RLQUERY and SUBQUERY, in the words PySNC writes them in."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.sandbox.credentials import Credentials
from sync.sandbox.servicenow.language import parse
from tests.sandbox.servicenow_queries import Instance

ASSIGNED = {  # incident: who works on it, and its category
    "a": ("beth.anglin", "network"),
    "b": ("beth.anglin", "software"),
    "c": ("fred.luddy", "network"),
    "d": ("abel.tuter", "hardware"),
    "e": ("", "hardware"),
}
ADMIN = Credentials().servicenow.admin_username
PEOPLE = ["abel.tuter", "beth.anglin", "fred.luddy"]


@pytest.fixture(scope="module")
def instance():
    instance = Instance()
    for name, (user_name, category) in ASSIGNED.items():
        person = instance.user(user_name)["sys_id"] if user_name else ""
        instance.platform.add(
            "incident",
            {"correlation_id": name, "short_description": name, "assigned_to": person, "category": category},
        )
    instance.platform.edit(
        "sys_user_group",
        instance.group("Network")["sys_id"],
        {"manager": instance.user("beth.anglin")["sys_id"]},
    )
    instance.platform.edit(
        "sys_user_group",
        instance.group("Software")["sys_id"],
        {"manager": instance.user("fred.luddy")["sys_id"]},
    )
    instance.platform.edit("sys_user_group", instance.group("Software")["sys_id"], {"active": "false"})
    return instance


def users(instance, query):
    return sorted(instance.find("sys_user", query, "user_name"))


def letters(instance, query):
    return "".join(sorted(instance.find("incident", query, "correlation_id")))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        # PySNC: gr.add_join_query("sys_user_group", join_table_field="manager")
        ("JOINsys_user.sys_id=sys_user_group.manager!", ["beth.anglin", "fred.luddy"]),
        ("JOINsys_user.sys_id=sys_user_group.manager!active=true", ["beth.anglin"]),
        ("JOINsys_user.sys_id=sys_user_group.manager!active=true^^name=Software", []),
        ("user_name=beth.anglin^JOINsys_user.sys_id=sys_user_group.manager!active=true", ["beth.anglin"]),
        ("JOINsys_user.sys_id=sys_user_group.manager!active=true^user_name=fred.luddy", []),
        # What follows one caret belongs to the table that is asked, as in the statement it becomes.
        ("JOINsys_user.sys_id=incident.assigned_to!category=network^last_name=Luddy", ["fred.luddy"]),
        # A manager of a group that an open incident is assigned to: the second join goes on from the first.
        (
            "JOINsys_user.sys_id=sys_user_grmember.user!"
            "^JOINsys_user_grmember.group=sys_user_group.sys_id!name=Network",
            ["beth.anglin", "don.goodliffe"],
        ),
    ],
)
def test_a_join_finds_rows_with_a_partner(instance, query, found):
    assert users(instance, query) == found


def test_joins_united_by_nq_must_all_have_a_partner(instance):
    """The joins always occur; what is united are the conditions on them."""
    manages = "JOINsys_user.sys_id=sys_user_group.manager!active=true"
    works = "JOINsys_user.sys_id=incident.assigned_to!category=network"

    assert users(instance, f"{manages}^NQ{works}") == ["beth.anglin", "fred.luddy"]
    assert users(instance, f"{manages}^{works}") == ["beth.anglin"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        # PySNC: gr.add_rl_query("incident", "assigned_to", ">0", True)
        ("RLQUERYincident.assigned_to,>0,m2m^ENDRLQUERY", PEOPLE),
        ("RLQUERYincident.assigned_to,>1^ENDRLQUERY", ["beth.anglin"]),
        ("RLQUERYincident.assigned_to,=1^ENDRLQUERY", ["abel.tuter", "fred.luddy"]),
        ("RLQUERYincident.assigned_to,>=1^category=network^ENDRLQUERY", ["beth.anglin", "fred.luddy"]),
        ("RLQUERYincident.assigned_to,>=1,category=network^ENDRLQUERY", ["beth.anglin", "fred.luddy"]),
        ("RLQUERYincident.assigned_to,BETWEEN1@1^ENDRLQUERY", ["abel.tuter", "fred.luddy"]),
        (
            "RLQUERYsys_user_has_role.user,>0,m2m^role.name=admin^ENDRLQUERY^user_name!=admin",
            [ADMIN],
        ),
        ("^RLQUERYincident.assigned_to,>=1^ENDRLQUERY^last_nameSTARTSWITHlud", ["fred.luddy"]),
        ("last_nameSTARTSWITHlud^RLQUERYincident.assigned_to,>=1", ["fred.luddy"]),  # the end may be left out
        ("user_name=itil^NQuser_name=fred.luddy^RLQUERYincident.assigned_to,>0^ENDRLQUERY", ["fred.luddy"]),
    ],
)
def test_a_related_list_counts_those_that_point_here(instance, query, found):
    assert users(instance, query) == found


def test_a_related_list_finds_rows_without_any(instance):
    """The one way to ask for a row that nothing points at: a left join."""
    idle = users(instance, "active=true^RLQUERYincident.assigned_to,=0^ENDRLQUERY")

    assert "luke.wilson" in idle
    assert not set(PEOPLE) & set(idle)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SUBQUERYassigned_to,manager,sys_user_group^active=true^ENDSUBQUERY", "ab"),
        ("SUBQUERYassigned_to,manager,sys_user_group^ENDSUBQUERY^category=network", "ac"),
        (
            "SUBQUERYassigned_to,user,sys_user_grmember"
            "^SUBQUERYgroup,sys_id,sys_user_group^name=Hardware^ENDSUBQUERY^ENDSUBQUERY",
            "",
        ),
        (
            "SUBQUERYassigned_to,user,sys_user_grmember"
            "^SUBQUERYgroup,sys_id,sys_user_group^^name=Network^^ENDSUBQUERY^ENDSUBQUERY",
            "ab",
        ),
    ],
)
def test_a_subquery_finds_rows_by_the_values_of_another_table(instance, query, found):
    assert letters(instance, query) == found


@pytest.mark.parametrize(
    "term",
    [
        "JOINsys_user.sys_id=no_such_table.manager!",
        "JOINsys_user.sys_id=sys_user_group.no_such!",
        "JOINincident.sys_id=sys_user_group.manager!",  # begins at a table that is not asked
        "JOINsys_user.sys_id=sys_user_group.manager",  # the mark is missing
        "RLQUERYno_such_table.user,>0^ENDRLQUERY",
        "RLQUERYincident.assigned_to,many^ENDRLQUERY",
        "SUBQUERYsys_id,no_such,incident^ENDSUBQUERY",
    ],
)
def test_what_makes_no_sense_is_dropped_and_reported(instance, term):
    assert instance.compile("sys_user", term).broken
    assert users(instance, f"last_name=Luddy^{term}") == ["fred.luddy"]


@pytest.mark.parametrize(
    "opening",
    ["SUBQUERYsys_id,sys_id,sys_user^", "RLQUERYsys_user.sys_id,>0^", "JOINsys_user.sys_id=sys_user.sys_id!"],
)
def test_tables_within_tables_have_a_bottom(instance, opening):
    assert users(instance, opening * 3 + "last_name=Luddy^sys_idISNOTEMPTY")
    assert instance.compile("sys_user", opening * 2_000).broken


def test_a_chain_of_joins_has_an_end():
    tables = ["sys_user", "incident", "problem", "sys_user_group"]
    chain = "^".join(f"JOIN{tables[n % 4]}.sys_id={tables[(n + 1) % 4]}.sys_id!" for n in range(2_000))

    assert parse(chain).joins


def test_an_unknown_column_within_another_table_is_reported_too(instance):
    for query in (
        "JOINsys_user.sys_id=sys_user_group.manager!no_such=1",
        "RLQUERYincident.assigned_to,>0^no_such=1^ENDRLQUERY",
        "SUBQUERYsys_id,assigned_to,incident^no_such=1^ENDSUBQUERY",
    ):
        assert instance.compile("sys_user", query).broken


@given(low=st.integers(0, 3), high=st.integers(0, 3), category=st.sampled_from(["", "network", "hardware"]))
def test_related_lists_agree_with_counting_by_hand(instance, low, high, category):
    condition = f"^category={category}" if category else ""
    counts = Counter(who for who, kind in ASSIGNED.values() if who and category in ("", kind))

    found = users(
        instance, f"user_nameIN{','.join(PEOPLE)}^RLQUERYincident.assigned_to,BETWEEN{low}@{high}{condition}"
    )

    assert found == [person for person in PEOPLE if low <= counts[person] <= high]
