"""What the database itself refuses of mappings, value maps and user tables."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from mappings.apply import MappingError, compile_mapping
from mappings.models import FieldRow, Mapping, UserTable, ValueMap, ValueMapEntry
from mappings.spec import Direction, Environment, MappingSpec

pytestmark = pytest.mark.django_db

OUT, BACK, BOTH = Direction.TO_SALESFORCE, Direction.TO_SERVICENOW, Direction.BOTH


@pytest.fixture
def states() -> ValueMap:
    return ValueMap.objects.create(name="state")


@pytest.fixture
def mapping() -> Mapping:
    return Mapping.objects.create(name="incidents-to-cases")


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        (("1", "New", BOTH), ("1", "Working", OUT), False),
        (("1", "New", BOTH), ("1", "Working", BACK), True),
        (("1", "New", BOTH), ("2", "New", BACK), False),
        (("1", "New", BOTH), ("2", "New", OUT), True),
        (("1", "New", OUT), ("1", "New", BACK), True),
        (("", "New", BOTH), ("", "Working", BOTH), False),
        (("1", "", BOTH), ("2", "", BOTH), False),
    ],
)
def test_a_value_has_one_answer_each_way(states: ValueMap, first: Any, second: Any, allowed: bool) -> None:
    def add(entry: tuple[str, str, str]) -> None:
        with transaction.atomic():
            states.entries.create(servicenow=entry[0], salesforce=entry[1], direction=entry[2])

    add(first)
    if allowed:
        add(second)
        assert states.entries.count() == 2
        return
    with pytest.raises(IntegrityError):
        add(second)


def test_a_second_answer_is_explained_on_the_page(states: ValueMap) -> None:
    states.entries.create(servicenow="1", salesforce="New")

    with pytest.raises(ValidationError, match="already has an entry going to Salesforce"):
        ValueMapEntry(value_map=states, servicenow="1", salesforce="Working", direction=OUT).full_clean()


def test_a_value_map_is_read_each_way_by_its_entries_directions(states: ValueMap) -> None:
    for here, there, direction in (
        ("1", "New", BOTH),
        ("3", "Working", OUT),
        ("2", "Working", BACK),
        ("", "Closed", OUT),
    ):
        states.entries.create(servicenow=here, salesforce=there, direction=direction)

    spec = ValueMap.objects.get().spec()

    assert spec.to_salesforce == {"1": "New", "3": "Working", "": "Closed"}
    assert spec.to_servicenow == {"New": "1", "Working": "2"}


@pytest.mark.parametrize(
    ("kind", "direction", "allowed"),
    [("user", BOTH, False), ("user", OUT, True), ("group", BOTH, True), ("user", BACK, False)],
)
def test_one_person_is_preferred_each_way(kind: str, direction: str, allowed: bool) -> None:
    table = UserTable.objects.create(name="acme-people")
    table.entries.create(kind="user", servicenow="abel.tuter", salesforce="abel@acme.example")
    second = {
        "kind": kind,
        "servicenow": "beth.anglin",
        "salesforce": "abel@acme.example",
        "direction": direction,
    }

    if allowed:
        assert table.entries.create(**second).pk
    else:
        with pytest.raises(IntegrityError), transaction.atomic():
            table.entries.create(**second)


def test_one_row_writes_a_salesforce_field(mapping: Mapping) -> None:
    mapping.rows.create(servicenow="short_description", salesforce="Subject")
    mapping.rows.create(servicenow="title", salesforce="Subject", direction=BACK)

    with pytest.raises(IntegrityError), transaction.atomic():
        mapping.rows.create(servicenow="description", salesforce="Subject", direction=OUT)


def test_a_row_keeps_its_id_through_edits(mapping: Mapping) -> None:
    row = mapping.rows.create(servicenow="short_description", salesforce="Subject")
    row.servicenow, row.salesforce, row.position = "description", "Description", 7
    row.save()

    assert mapping.rows.get().spec().id == str(row.pk)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"servicenow": " "}, "servicenow"),
        ({"servicenow": ","}, "servicenow"),
        ({"servicenow": "a, b"}, "servicenow"),
        ({"transform": "value_map"}, "value_map"),
        ({"transform": "constant", "servicenow": ""}, "value"),
        ({"transform": "magic"}, "transform"),
    ],
)
def test_the_page_refuses_what_compiling_would(mapping: Mapping, row: dict[str, str], named: str) -> None:
    broken = FieldRow(**{"mapping": mapping, "servicenow": "field", "salesforce": "Field", **row})

    with pytest.raises(ValidationError) as raised:
        broken.clean()

    assert list(raised.value.message_dict) == [named]
    if named != "value":  # an empty constant can be sent, but says nothing
        with pytest.raises(MappingError):
            compile_mapping(MappingSpec(BOTH, (broken.spec(),), {}), Environment())


def test_a_value_map_that_a_formula_names_is_not_deleted(mapping: Mapping, states: ValueMap) -> None:
    row = mapping.rows.create(salesforce="Status", transform=f'map(trim(state), "{states.name}")')

    with pytest.raises(ProtectedError):
        states.delete()
    row.delete()
    states.delete()


def test_a_value_map_in_use_is_not_deleted(mapping: Mapping, states: ValueMap) -> None:
    mapping.rows.create(servicenow="state", salesforce="Status", transform="value_map", value_map=states)

    with pytest.raises(Exception, match="protected foreign keys"):
        states.delete()
