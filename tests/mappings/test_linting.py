"""The linter: what it says of a mapping, and the laws of its round trips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings.transforms  # noqa: F401
from mappings.apply import canonical, compile_mapping
from mappings.linting import ERROR, WARNING, End, Ground, Member, lint
from mappings.registry import names
from mappings.spec import Direction, FieldSpec, MappingSpec, ValueMapSpec

DOCS = Path(__file__).resolve().parents[2] / "docs" / "linter.md"


@dataclass(frozen=True)
class Facts:
    name: str
    type: str
    length: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    restricted: bool = False
    choices: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship: str = ""


def listed(name: str, type: str, *choices: str) -> Facts:
    return Facts(name, type, 40, restricted=True, choices=choices)


def end(name: str, *fields: Facts, **given: Any) -> End:
    return End(name, {each.name: each for each in fields}, **given)


INCIDENT = end(
    "incident",
    Facts("short_description", "string", 160),
    Facts("description", "string", 4000),
    Facts("number", "string", 40),
    Facts("opened_at", "glide_date_time"),
    Facts("active", "boolean"),
    Facts("comments", "journal_input", 4000),
    Facts("assigned_to", "reference", 32, reference_to=("sys_user",)),
    Facts("sys_created_on", "glide_date_time", createable=False, updateable=False),
    listed("priority", "integer", "1", "2"),
    listed("impact", "integer", "1", "2"),
    listed("urgency", "integer", "1", "2"),
    listed("state", "integer", "1", "2", "6", "8"),
)
CASE = end(
    "Case",
    Facts("Subject", "string", 255),
    Facts("Short__c", "string", 80),
    Facts("Opened__c", "datetime"),
    Facts("Due__c", "date"),
    Facts("Count__c", "double"),
    Facts("Active__c", "boolean"),
    Facts("OwnerId", "reference", 18, reference_to=("Group", "User")),
    Facts("Formula__c", "string", 255, createable=False, updateable=False),
    Facts("Once__c", "string", 255, updateable=False),
    listed("Status", "picklist", "New", "Working", "Closed"),
    listed("Priority", "picklist", "High", "Low"),
)


@dataclass(frozen=True)
class Type:
    id: str
    name: str
    label: str = ""
    default: bool = False
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


INCIDENTS = Type("012A00000000001AAA", "Incident", "Incident")
REQUESTS = Type("012A00000000002AAA", "Request", "Service Request", choices={"Status": ("New", "Closed")})
TYPED = replace(
    CASE,
    fields={
        **CASE.fields,
        "RecordTypeId": Facts("RecordTypeId", "reference", 18, reference_to=("RecordType",)),
    },
    record_types=(INCIDENTS, REQUESTS),
)
STATES = ValueMapSpec(
    "states", {"1": "New", "2": "Working", "6": "Closed"}, {"New": "1", "Working": "2", "Closed": "6"}
)


def row(servicenow: str = "", salesforce: str = "Subject", **given: Any) -> FieldSpec:
    columns = tuple(name.strip() for name in servicenow.split(",") if name.strip())
    return FieldSpec("row", columns, salesforce, **given)


def ground(
    *rows: FieldSpec,
    direction: str = "to_salesforce",
    maps: tuple[ValueMapSpec, ...] = (STATES,),
    **given: Any,
):
    spec = MappingSpec(Direction(direction), rows, {each.name: each for each in maps})
    return Ground(**{"spec": spec, "servicenow": INCIDENT, "salesforce": CASE, **given})


def found(*rows: FieldSpec, **given: Any) -> dict[str, str]:
    """Code -> severity."""
    return {each.code: each.severity for each in lint(ground(*rows, **given))}


def test_a_mapping_that_fits_is_not_remarked_on():
    fitting = (row("short_description"), row("state", "Status", transform="value_map", value_map="states"),
               row("opened_at", "Opened__c", transform="datetime"), row("active", "Active__c"))  # fmt: skip
    incident = replace(
        INCIDENT, fields={**INCIDENT.fields, "state": listed("state", "integer", "1", "2", "6")}
    )

    assert lint(ground(*fitting, servicenow=incident)) == ()


WIDE = ValueMapSpec("wide", {"1": "New", "2": "Pending", "6": "Closed", "8": "Closed"}, {})
CHAIN = ValueMapSpec(
    "chain",
    {"1": "New", "2": "Working", "6": "Closed", "8": "New"},
    {"New": "2", "Working": "6", "Closed": "1"},
)
ONE_WAY = ValueMapSpec(
    "one", {"1": "New", "2": "Working", "6": "Closed", "8": "Closed"}, {"New": "1", "Closed": "6"}
)
LOSSY = ValueMapSpec(
    "lossy",
    {"1": "New", "2": "Working", "6": "Closed", "8": "Closed"},
    {"New": "1", "Working": "2", "Closed": "6"},
)
MAPS = (STATES, WIDE, CHAIN, ONE_WAY, LOSSY)
OWNER = row("assigned_to", "OwnerId", transform="user")
GONE = Member("user", "beth", "beth@acme.example", servicenow_id="b" * 32, salesforce_id="005B", servicenow_active=True,
              salesforce_active=False, resolved=True)  # fmt: skip
UNKNOWN = Member("user", "bob", "bob@acme.example", resolved=True)


def mapped(name: str) -> FieldSpec:
    return row("state", "Status", transform="value_map", value_map=name)


def typed(id: str = "", **given: Any) -> FieldSpec:
    return row(
        "" if id else "priority", "RecordTypeId", **({"transform": "constant", "value": id} if id else given)
    )


# One broken mapping for each code: the rows, what else is given, and how bad it is.
BROKEN: dict[str, tuple[tuple[FieldSpec, ...], dict[str, Any], str]] = {
    "unknown_field": ((row("shrt_description"),), {}, ERROR),
    "does_not_compile": ((row("state", "Status", transform="no_such"),), {}, ERROR),
    "type_mismatch": ((row("opened_at", "Opened__c"),), {}, ERROR),
    "length_loss": ((row("short_description", "Short__c"),), {}, WARNING),
    "required_unfed": (
        (row("number"),),
        {
            "salesforce": end(
                "Case", *CASE.fields.values(), Facts("Name", "string", required=True), creates=True
            )
        },
        ERROR,
    ),  # fmt: skip
    "required_may_be_empty": (
        (row("number", "Name"),),
        {"salesforce": end("Case", Facts("Name", "string", 80, required=True), creates=True)},
        WARNING,
    ),  # fmt: skip
    "value_refused": ((mapped("wide"),), {}, ERROR),
    "record_type_refuses": ((mapped("states"),), {"salesforce": TYPED}, WARNING),
    "unknown_record_type": ((typed("012A00000000009AAA"),), {"salesforce": TYPED}, ERROR),
    "unmapped_value": ((mapped("states"),), {}, WARNING),
    "read_only_target": ((row("number", "Formula__c"),), {}, ERROR),
    "create_only_target": ((row("number", "Once__c"),), {"salesforce": replace(CASE, creates=True)}, WARNING),
    "computed_target": (
        (row("priority", "Priority", direction=Direction.TO_SERVICENOW),),
        {"direction": "both"},
        WARNING,
    ),  # fmt: skip
    "journal_as_plain": ((row("comments"),), {}, ERROR),
    "no_user_table": ((OWNER,), {}, WARNING),
    "no_fallback": ((OWNER,), {"members": ()}, WARNING),
    "inactive_user": ((OWNER,), {"members": (GONE,)}, WARNING),
    "unknown_user": ((OWNER,), {"members": (UNKNOWN,)}, WARNING),
    "both_create": (
        (row("number"),),
        {
            "direction": "both",
            "servicenow": replace(INCIDENT, creates=True),
            "salesforce": replace(CASE, creates=True),
        },
        ERROR,
    ),  # fmt: skip
    "round_trip_drifts": ((mapped("chain"),), {"direction": "both"}, ERROR),
    "round_trip_loses": ((mapped("lossy"),), {"direction": "both"}, WARNING),
    "round_trip_stays": ((mapped("one"),), {"direction": "both"}, WARNING),
}


@pytest.mark.parametrize("code", BROKEN)
def test_each_fault_is_found_and_its_code_is_explained(code):
    rows, given, severity = BROKEN[code]

    assert found(*rows, **{"maps": MAPS, **given})[code] == severity
    assert f"`{code}`" in DOCS.read_text()


def test_a_field_that_was_renamed_is_offered_under_its_new_name():
    (finding,) = lint(ground(row("short_descripton")))

    assert "Did you mean short_description?" in finding.text
    assert finding.fix is not None
    assert (finding.fix.kind, finding.fix.changes) == ("row", {"servicenow": "short_description"})


def test_unmapped_states_say_which_and_how_their_records_are_counted_and_where_they_might_lead():
    (finding,) = lint(ground(mapped("states")))

    assert "state of ServiceNow can be '8', which the value map states does not know" in finding.text
    assert finding.hit is not None
    assert finding.fix is not None
    assert finding.hit.any_of == ((("state", "8"),),)
    assert (finding.fix.kind, finding.fix.values, finding.fix.choices) == (
        "entry",
        ("8",),
        ("New", "Working", "Closed"),
    )


KINDS = ValueMapSpec("kinds", {"1": INCIDENTS.id, "2": REQUESTS.id[:15]}, {})
BY_PRIORITY = typed(transform="value_map", value_map="kinds")


def of_types(*rows: FieldSpec, **given: Any) -> list[tuple[str, str, Any]]:
    """Of what is said of record types: how bad it is, which values, and what the records hold that it hits."""
    ends = {"servicenow": INCIDENT, "salesforce": replace(TYPED, **given)}
    told = lint(ground(*rows, maps=(*MAPS, KINDS), **ends))
    return [
        (each.severity, ", ".join(sorted(word for word in ("Working", "Incident", "Service Request") if word in each.text)),
         each.hit and each.hit.any_of)
        for each in told if each.code == "record_type_refuses"
    ]  # fmt: skip


def test_a_value_is_held_against_the_record_type_that_the_flow_writes():
    told = "Service Request, Working"

    assert of_types(mapped("states"), typed(REQUESTS.id)) == [(ERROR, told, ((("state", "2"),),))]
    assert of_types(mapped("states"), typed(REQUESTS.id[:15])) == [(ERROR, told, ((("state", "2"),),))]
    assert of_types(mapped("states"), typed(INCIDENTS.id)) == []


def test_records_of_one_type_among_several_are_warned_of_and_counted_by_what_makes_them_so():
    (told,) = of_types(mapped("states"), BY_PRIORITY)

    assert told == (WARNING, "Service Request, Working", ((("priority", "2"), ("state", "2")),))


def test_one_column_that_says_both_never_meets_the_other_type():
    kinds = ValueMapSpec(
        "kinds", {"1": REQUESTS.id, "2": INCIDENTS.id, "6": REQUESTS.id, "8": REQUESTS.id}, {}
    )
    by_state = row("state", "RecordTypeId", transform="value_map", value_map="kinds")
    rows = ground(by_state, mapped("states"), maps=(STATES, kinds), salesforce=TYPED)

    assert "record_type_refuses" not in {each.code for each in lint(rows)}


def test_a_record_that_names_no_type_gets_the_default_and_one_that_is_found_has_any():
    default = (INCIDENTS, replace(REQUESTS, default=True))

    assert [told[0] for told in of_types(mapped("states"), creates=True, record_types=default)] == [ERROR]
    assert of_types(mapped("states"), creates=True) == []  # the master's, which offers all
    assert [told[0] for told in of_types(mapped("states"))] == [WARNING]


def test_a_constant_and_a_default_that_the_type_lacks_are_refused_and_others_are_offered():
    constant = row("", "Status", transform="constant", value="Working")
    (finding,) = lint(ground(typed(REQUESTS.id), constant, salesforce=TYPED))

    assert finding.fix is not None
    assert (finding.severity, finding.fix.kind, finding.fix.choices) == (ERROR, "constant", ("New", "Closed"))
    assert finding.hit is not None
    assert finding.hit.kind == "all"
    assert of_types(typed(REQUESTS.id), replace(mapped("lossy"), default="Working"))[0][0] == ERROR


def test_where_nobody_has_read_the_fields_nothing_is_said_of_them():
    assert (
        lint(ground(row("nothing", "Nowhere__c"), servicenow=End("incident"), salesforce=End("Case"))) == ()
    )


def test_a_time_that_is_copied_is_offered_the_function_that_carries_it():
    fixes = [each.fix for each in lint(ground(row("opened_at", "Opened__c"), row("opened_at", "Due__c")))]

    assert [fix.changes for fix in fixes if fix] == [{"transform": "datetime"}, {"transform": "date"}]


def test_a_text_that_says_where_it_is_cut_is_no_loss():
    cut = row("short_description", "Short__c", transform="truncate(short_description, 80)")

    assert found(cut) == {}
    (finding,) = lint(ground(row("short_description", "Short__c")))
    assert finding.fix is not None
    assert finding.fix.changes == {"transform": "truncate(short_description, 80)"}


def test_people_are_not_called_missing_before_anybody_looked_them_up():
    fresh = replace(GONE, resolved=False)

    assert found(OWNER, members=(fresh,), fallbacks=frozenset({"salesforce"})) == {}


USERS = {"email": Facts("email", "email", 100), "manager": Facts("manager", "reference", 32, reference_to=("sys_user",)),
         "name": Facts("name", "string", 151)}  # fmt: skip
CALLERS = replace(
    INCIDENT,
    fields={**INCIDENT.fields, "caller_id": Facts("caller_id", "reference", 32, reference_to=("sys_user",))},
    behind={"sys_user": USERS},
)
OF_ACCOUNTS = replace(
    CASE, side="salesforce", behind={"Account": {"Name": Facts("Name", "string", 255)}},
    fields={**CASE.fields, "AccountId": Facts("AccountId", "reference", 18, reference_to=("Account",), relationship="Account")},
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "better"),
    [
        (
            "caller_id.emial",
            "sys_user of ServiceNow has no field emial, of caller_id.emial",
            "caller_id.email",
        ),
        (
            "caller_id.manager.manager.emial",
            "sys_user of ServiceNow has no field emial",
            "caller_id.manager.manager.email",
        ),
        ("short_description.name", "incident.short_description of ServiceNow is no reference", ""),
        ("caller.email", "incident of ServiceNow has no field caller", "caller_id.email"),
    ],
)
def test_a_name_is_followed_behind_its_references_and_told_where_it_ends(name, text, better):
    (finding,) = lint(ground(row(name), servicenow=CALLERS))

    assert (finding.code, finding.severity) == ("unknown_field", ERROR)
    assert text in finding.text
    assert finding.fix is not None
    assert finding.fix.changes == ({"servicenow": better} if better else {})


def test_a_circle_of_references_ends_with_the_name_and_what_nobody_has_read_is_not_judged():
    around = ".".join(["caller_id", *["manager"] * 30, "email"])

    assert lint(ground(row(around), servicenow=CALLERS)) == ()
    assert lint(ground(row("caller_id.whatever"), servicenow=replace(CALLERS, behind={}))) == ()
    assert lint(ground(row("caller_id.display_value"), servicenow=CALLERS)) == ()


def test_what_lies_behind_a_reference_has_its_kind_and_length_and_is_never_written():
    told = found(row("caller_id.name", "Short__c"), row("caller_id.email", "Due__c"), servicenow=CALLERS)
    assert told == {"length_loss": WARNING, "type_mismatch": WARNING}
    back = row("short_description", "Account.Name")
    both = {"servicenow": CALLERS, "salesforce": OF_ACCOUNTS}

    assert found(back, **both) == {"does_not_compile": ERROR}
    assert found(row("caller_id.name"), direction="to_servicenow", **both) == {"does_not_compile": ERROR}
    assert found(row("description", "Account.Name"), direction="to_servicenow", **both) == {}
    assert found(row("description", "Account.Nmae"), direction="to_servicenow", **both) == {
        "unknown_field": ERROR
    }


# Laws

anything = st.one_of(
    st.sampled_from(
        [
            "",
            "state",
            "Status",
            "RecordTypeId",
            "number",
            "caller_id.name",
            "caller_id.manager.name",
            "a b",
            "{x}",
        ]
    ),
    st.text(max_size=12),
)
hows = st.one_of(
    st.sampled_from(
        [*names(), "truncate(state, 5)", "if(state == '1', number, empty)", "round(impact / urgency)"]
    ),
    st.text(max_size=30),
)
rows_of = st.builds(
    FieldSpec, st.just("row"), st.lists(anything, max_size=3).map(tuple), anything,
    st.one_of(st.none(), st.sampled_from(Direction)), transform=hows, value_map=st.sampled_from(["", "states", "lossy"]),
    value=anything, default=anything, required=st.booleans(), reverse=st.one_of(st.just(""), hows),
)  # fmt: skip
facts_of = st.builds(
    Facts, anything, st.sampled_from(["string", "integer", "picklist", "glide_date", "reference", "boolean", "strange", ""]),
    st.integers(0, 300), *[st.booleans()] * 4, st.lists(anything, max_size=4).map(tuple), st.just(("User",)),
)  # fmt: skip
ends_of = st.builds(
    End, anything, st.one_of(st.none(), st.dictionaries(anything, facts_of, max_size=6), st.sampled_from([INCIDENT.fields, CASE.fields])),
    st.booleans(), anything, st.frozensets(anything, max_size=2), st.sampled_from([(), (INCIDENTS, REQUESTS)]),
)  # fmt: skip


@given(
    rows=st.lists(rows_of, max_size=4), direction=st.sampled_from(Direction), here=ends_of, there=ends_of,
    members=st.sampled_from([None, (), (GONE, UNKNOWN)]),
)  # fmt: skip
def test_whatever_a_mapping_and_the_schemas_say_the_linter_ends_and_says_each_thing_once(
    rows, direction, here, there, members
):
    spec = MappingSpec(direction, tuple(rows), {each.name: each for each in MAPS})

    told = lint(Ground(spec, here, there, members))

    assert len({each.key for each in told}) == len(told)
    assert [each.severity for each in told] == sorted(each.severity for each in told)
    assert all(each.text and each.advice for each in told)


VALUES = st.sampled_from(["1", "2", "6", "8"])
LABELS = st.sampled_from(["New", "Working", "Closed"])


@given(there=st.dictionaries(VALUES, LABELS), back=st.dictionaries(LABELS, VALUES))
def test_a_value_map_without_remarks_brings_every_value_back_and_every_remark_is_true(there, back):
    """Of every value that either side lists: unmapped, lost, without a way back, or home again."""
    spec = ValueMapSpec("drawn", there, back)
    told = {(each.code, each.side) for each in lint(ground(mapped("drawn"), maps=(spec,), direction="both"))}

    (compiled,) = compile_mapping(
        ground(mapped("drawn"), maps=(spec,), direction="both").spec, ground().unbounded
    ).rows
    trips = {("servicenow", value): there.get(value) for value in INCIDENT.fields["state"].choices}
    gone = {value for (_, value), label in trips.items() if label is None}
    assert (("unmapped_value", "servicenow") in told) == bool(gone)
    returned = {value: back.get(label) for (_, value), label in trips.items() if label is not None}
    assert (("round_trip_stays", "servicenow") in told) == any(
        found is None or there.get(found) is None for found in returned.values()
    )
    if not {code for code, side in told if side == "servicenow"}:
        for value in trips:
            label = compiled.to_salesforce(value[1]).value
            assert canonical(compiled.to_servicenow(label).value) == canonical(value[1])
    drifting = {
        value
        for value, home in returned.items()
        if home is not None and there.get(home) not in (None, there[value])
    }
    assert (("round_trip_drifts", "servicenow") in told) == bool(drifting)


@given(st.text(max_size=60))
def test_a_copied_text_that_the_linter_lets_pass_returns_whatever_it_says(text):
    two_way = ground(row("short_description"), direction="both")
    assert {each.code for each in lint(two_way)} == {"length_loss"}

    (compiled,) = compile_mapping(two_way.spec, two_way.environment).rows

    sent = compiled.to_salesforce(text).value
    assert canonical(compiled.to_servicenow(sent).value) == canonical(text)
