"""Queries of actions: whatever a record says, it is a value in them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mappings.tools import NO_TOOLS
from mappings.values import Unmapped
from sync.connectors.servicenow import query
from sync.engine.asking import encoded_query, soql_condition

SAID = st.text(st.sampled_from("ab^'\\%_\n,@= NQORjavascript:"), max_size=30)


@given(SAID)
def test_a_value_adds_no_term_to_an_encoded_query(said: str) -> None:
    assume("javascript:" not in said)
    found = encoded_query("name={salesforce.Name}^active=true", {"salesforce.Name": said}, NO_TOOLS)
    assert query.terms(found) == [f"name={said.replace('^', '^^')}", "active=true"]


@pytest.mark.parametrize(
    "text",
    [
        "{salesforce.Name}",
        "active=true^{salesforce.Name}",
        "active=true^OR{salesforce.Name}=1",
        "name{salesforce.Name}",
        "sys_created_on>javascript:gs.daysAgo({salesforce.Name})",
    ],
)
@pytest.mark.parametrize("said", ["^NQactive=true", "sys_idISNOTEMPTY", "0);gs.log('x'"])
def test_a_value_is_no_column_no_operator_and_no_part_of_a_script(text: str, said: str) -> None:
    with pytest.raises(Unmapped):
        encoded_query(text, {"salesforce.Name": said}, NO_TOOLS)


@pytest.mark.parametrize("said", ["javascript:gs.getUserName()", " JavaScript:gs.getUserID()"])
def test_what_servicenow_would_run_is_not_run(said: str) -> None:
    with pytest.raises(Unmapped, match="script"):
        encoded_query("name={salesforce.Name}", {"salesforce.Name": said}, NO_TOOLS)
    assert not query.one_of("name", [said]).removeprefix("nameIN").lstrip().startswith(said.strip())


@given(SAID)
def test_a_quoted_value_stays_within_its_quotes(said: str) -> None:
    found = soql_condition(
        "Note = 'a\\\\' AND Name = '{servicenow.name}' AND Id = 'b'", {"servicenow.name": said}, NO_TOOLS
    )
    inside = found.removeprefix("Note = 'a\\\\' AND Name = '").removesuffix("' AND Id = 'b'")
    plain = inside.replace("\\\\", "").replace("\\'", "")
    assert "'" not in plain
    assert not plain.endswith("\\")


def test_a_per_cent_sign_of_a_record_is_no_wildcard() -> None:
    found = soql_condition("Name LIKE '{servicenow.name}%'", {"servicenow.name": "%_"}, NO_TOOLS)
    assert found == "Name LIKE '\\%\\_%'"


def test_a_backslash_before_a_hole_opens_no_quotes() -> None:
    with pytest.raises(Unmapped):
        soql_condition("Name = '\\{servicenow.name}'", {"servicenow.name": "' OR Name != '"}, NO_TOOLS)
