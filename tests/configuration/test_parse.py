"""A file is read whole: every problem is named at once, with its place."""

from __future__ import annotations

import pytest

from sync.configuration.problems import InvalidConfiguration


def problems(read, text: str, **environ: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        read(text, **environ)
    return str(caught.value).splitlines()


def test_a_good_file_has_no_problems(read, acme):
    document = read(acme).document

    assert [flow.name for flow in document.flows] == ["incidents-to-cases"]
    assert document.flows[0].fields[2].servicenow == "assigned_to, assignment_group"


def test_values_stay_as_written_whatever_yaml_makes_of_them(read, acme):
    entry = read(acme).document.value_maps[0].entries[1]

    assert (entry.servicenow, entry.salesforce) == ("3", "No")


def test_all_problems_are_named_at_once_with_their_places(read, acme):
    text = (
        acme.replace("value_map: incident-state-case-status", "value_map: incident-state")
        .replace("https://acme.service-now.com", "http://acme.service-now.com")
        .replace("concurrency: 8", "concurrency: many")
        .replace("user_table: acme-people", "user_tabel: acme-people")
    )

    found = problems(read, text)

    assert found[0].startswith(
        "acme.yaml:3, connections[acme-servicenow].url: 'http://acme.service-now.com' starts"
    )
    assert found[1] == (
        "acme.yaml:13, connections[acme-salesforce].limits.concurrency: Expected a whole number from 1 to 100."
    )
    assert found[2] == (
        "acme.yaml:28, flows[incidents-to-cases]: There is no key 'user_tabel' here. Did you mean 'user_table'?"
    )
    assert found[3] == (
        "acme.yaml:33, flows[incidents-to-cases].fields[1].value_map: There is no value map 'incident-state'. "
        "Did you mean 'incident-state-case-status'?"
    )
    assert len(found) == 4


def test_an_unreadable_connection_is_one_problem_and_not_one_more_for_each_flow_that_names_it(read, acme):
    found = problems(read, acme.replace("https://acme.service-now.com", "${NOT_SET}"))

    assert found == ["acme.yaml:5, connections[acme-servicenow].url: NOT_SET is not set in the environment."]


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("connection: acme-salesforce", "connection: acme-salesforse", ".salesforce.connection", "Did you mean 'acme-salesforce'?"),
        ("connection: acme-salesforce", "connection: acme-servicenow", ".salesforce.connection", "leads to servicenow"),
        ("user_table: acme-people", "user_table: acme", ".user_table", "There is no user table 'acme'"),
        ("transform: user", "transform: users", "fields[2].transform", "Did you mean 'user'?"),
        ("transform: user", "transform: tirm(assigned_to)", "fields[2].transform", "Did you mean trim? (character 1)"),
        ("transform: user", "transform: 'map(assigned_to, \"gone\")'", "fields[2].transform", "no value map 'gone'"),
        ("transform: user", "transform: user, reverse: trim(Name)", "fields[2].reverse", "there is only the row's own field"),
        ("direction: to_salesforce\n", "direction: to_salesfroce\n", ".direction", "Did you mean 'to_salesforce'?"),
        ("value: ServiceNow}", "value: ServiceNow, direction: both}", "fields[3].direction", "only narrow it"),
        ("value: ServiceNow}", 'value: ""}', "fields[3].value", "Give the constant."),
        ("salesforce: Subject", "salesforce: Status", "fields[1].salesforce", "fields[0] writes Status already."),
        ("servicenow: short_description, ", "", "fields[0]", "names no ServiceNow column"),
        ('"*/1 * * * *"', '"61 * * * *"', ".schedule", "is not a schedule"),
        ('"*/1 * * * *"', '"every minute"', ".schedule", "it has 2 fields"),
        ("create:", "time_zone: Mars/Olympus\n    create:", ".time_zone", "no time zone 'Mars/Olympus'"),
        ("servicenow: false", "servicenow: true", ".create", "each side needs its own enter"),
        ("external_id: ServiceNow_Sys_Id__c, ", "", ".salesforce", "external_id or lookup"),
        ("name: acme-salesforce\n", "name: acme-servicenow\n", ".name", "is used in line 3 already"),
        ('client_id: "${SN_ID}"', "client_id: alice", "secrets.client_id", "reference to the environment"),
        ('client_id: "${SN_ID}"', 'client_ids: "${SN_ID}"', "secrets.client_ids", "Did you mean 'client_id'?"),
        ("version: 1", "version: 2", "version", "'2' is not one of 1."),
        ("table: incident,", "", ".servicenow", "The key 'table' is missing."),
        ('servicenow: 3, salesforce: No', 'servicenow: "1", salesforce: No', "entries[1]", "has an entry to Salesforce already"),
        ("    schedule:", "    name: again\n    schedule:", "", "The key 'name' is given twice here."),
        ("https://acme.service-now.com", '"${NOWHERE}"', ".url", "NOWHERE is not set in the environment."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_stands(read, acme, old, new, place, words):
    assert old in acme

    found = problems(read, acme.replace(old, new))

    assert any(place in line and words in line for line in found), found


def test_a_secret_written_out_is_not_repeated_in_the_message(read, acme):
    found = problems(read, acme.replace('"${SN_SECRET}"', "hunter2"))

    assert "hunter2" not in "".join(found)


def test_two_flows_over_one_pair_of_tables_must_differ_in_enter(read, acme):
    flow = acme[acme.index("  - name: incidents-to-cases") :]

    found = problems(read, acme + flow.replace("incidents-to-cases", "incidents-again"))

    assert [line for line in found if "must be disjoint" in line] == found


def test_flows_that_only_act_may_stand_beside_each_other(read, acme):
    ends = """
    servicenow: {connection: acme-servicenow, table: incident, scope: "", enter: ""}
    salesforce: {connection: acme-salesforce, object: Case, scope: "", enter: ""}
    direction: to_salesforce
    create: {salesforce: false, servicenow: false}
    fields: []
    actions:
      - {name: tell, on: {entered: servicenow}, steps: [{name: post, do: post, to: work_note, text: Hello}]}
"""

    flows = read(f"{acme}\n  - name: tellers{ends}\n  - name: others{ends}").document.flows

    assert [flow.name for flow in flows][-2:] == ["tellers", "others"]


def test_when_a_flow_reconciles_is_a_schedule_and_nightly_unless_said(read, acme):
    patience = "    schedule:"
    said = acme.replace(patience, '    reconcile: "30 1 * * 0"\n' + patience, 1)

    assert read(acme).document.flows[0].reconcile == "0 3 * * *"
    assert read(said).document.flows[0].reconcile == "30 1 * * 0"
    assert any("is not a schedule" in line for line in problems(read, said.replace("30 1 * * 0", "nightly")))


def both_ways(acme: str) -> str:
    """The same flow both ways: the constant cannot come back, so its row narrows the direction."""
    return acme.replace("direction: to_salesforce\n", "direction: both\n").replace(
        "value: ServiceNow}", "value: ServiceNow, direction: to_salesforce}"
    )


def test_a_flow_goes_both_ways_and_nothing_of_it_waits(read, acme):
    text = both_ways(acme).replace("    bulk: {from: 5000}\n", "")

    parsed = read(text)

    assert parsed.document.flows[0].direction == "both"
    assert parsed.notices == ()


def test_a_value_takes_columns_along_and_a_flow_starts_at_a_moment(read, acme):
    text = acme.replace(
        '{servicenow: "1", salesforce: New}',
        '{servicenow: "6", salesforce: Closed, along: {close_code: Solution provided, close_notes: No}}',
    ).replace("    schedule:", "    start: 2026-11-07T00:00:00+00:00\n    guard: strict\n    schedule:")

    document = read(text).document

    assert document.value_maps[0].entries[0].along == {"close_code": "Solution provided", "close_notes": "No"}
    assert (document.flows[0].start, document.flows[0].guard) == ("2026-11-07T00:00:00+00:00", "strict")


NEW = '{servicenow: "1", salesforce: New}'
CREATE = "create: {salesforce: true, servicenow: false}"
COALESCE = "table: incident, coalesce: correlation_id"
BOTH_CREATE = "create: {salesforce: true, servicenow: true}"


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("    schedule:", "    start: yesterday\n    schedule:", ".start", "'yesterday' is not everything, now, or"),
        ("    schedule:", "    start: 2026-11-07T00:00:00\n    schedule:", ".start", "names no offset from UTC"),
        ("bulk: 5000", "bulk: sometimes", ".bulk", "auto, never, always or a number"),
        ("bulk: 5000", "bulk: 0", ".bulk", "from 1 to 1,000,000"),
        ("    schedule:", "    guard: strickt\n    schedule:", ".guard", "Did you mean 'strict'?"),
        (NEW, NEW.replace("}", ", along: close_code}"), "entries[0].along", "Expected columns with a value each"),
        (NEW, NEW.replace("}", ", along: {close code: x}}"), "along.close code", "not the name of a ServiceNow column"),
        (NEW, NEW.replace("}", ', along: {close_code: ""}}'), "along.close_code", "Give the value"),
        (NEW, f"{NEW.replace('}', ', along: {a: x}}')}, {NEW.replace('New}', 'Old, direction: to_servicenow, along: {a: y}}')}",
         "entries[1].along", "takes other columns along in entries[0]"),
        (CREATE, BOTH_CREATE, ".create", "each side needs its own enter"),
        ("table: incident", COALESCE, ".servicenow", ""),
        ("    schedule:", "    deletions: {servicenow: close}\n    schedule:", ".deletions.close", "which values close a record of Salesforce"),
        ("    schedule:", "    deletions: {salesforce: drop}\n    schedule:", ".deletions.salesforce", "'drop' is not one of ignore"),
        ("    schedule:", "    comments: {work_notes: {salesforce: published_comment}}\n    schedule:",
         ".comments.work_notes.public", "seen by customers"),
        ("    schedule:", "    comments: {work_notes: {salesforce: feed_public, public: {reason: ''}}}\n    schedule:",
         ".comments.work_notes.public", "give the reason"),
        ("    schedule:", "    comments: {comments: {salesforce: unpublished_comment}}\n    schedule:",
         ".comments.comments.salesforce", "is not one of published_comment, feed_public, off"),
        ("    schedule:", "    comments: {comments: {salesforce: feed_public, public: {reason: No}}}\n    schedule:",
         ".comments.comments", "There is no key 'public' here"),
        ("    schedule:", "    attachments: {max_size: huge}\n    schedule:", ".attachments.max_size", "a size like 25 MB"),
        ("    schedule:", "    attachments: {max_size: 3 GB}\n    schedule:", ".attachments.max_size", "at most 2 GB"),
        ("    schedule:", '    attachments: {types: ["a\\tb"]}\n    schedule:', ".attachments.types", "is no pattern like *.pdf"),
        ("    schedule:", "    attachments: {direction: up}\n    schedule:", ".attachments.direction", "'up' is not one of"),
        ("    schedule:", "    attachments: all\n    schedule:", ".attachments", "Expected keys like direction"),
        ("    schedule:", "    reconcile: nightly\n    schedule:", ".reconcile", "is not a schedule"),
        ("servicenow: state, salesforce: Status", "servicenow: short_description, salesforce: Status",
         "fields[1].servicenow", "fields[0] writes short_description already."),
        ("servicenow: state,", 'servicenow: "impact, urgency",', "fields[1].value_map", "holds '1' for 2 columns"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_two_way_flow_is_told_where_it_stands(read, acme, old, new, place, words):
    text = both_ways(acme)
    assert old in text
    if place == ".servicenow":  # the key alone is no mistake: creating by it is
        text, words = text.replace(CREATE, BOTH_CREATE), "coalesce cannot create records"

    found = problems(read, text.replace(old, new))

    assert any(place in line and words in line for line in found), found


def test_nothing_is_created_in_servicenow_by_a_flow_that_does_not_write_there(read, acme):
    found = problems(read, acme.replace("servicenow: false", "servicenow: true"))

    assert any("writes nothing to ServiceNow, so it can create nothing there" in line for line in found)


def test_files_go_nowhere_that_the_flow_does_not_write(read, acme):
    found = problems(read, acme.replace("    schedule:", "    attachments: {direction: both}\n    schedule:"))

    assert any(
        ".attachments.direction" in line and "wider than the flow's to_salesforce" in line for line in found
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The file is empty"),
        ("version: [1", "This is not YAML"),
        ("version: 1\n\x00", "This is not YAML"),
        ("a: &a [x]\nb: *a\n", "Aliases (*a) are not taken"),
        (
            "version: !!python/object/apply:os.system [id]",
            "Tags (tag:yaml.org,2002:python/object/apply:os.system)",
        ),
        ("version: " + "[" * 50, "Nested deeper than 20 levels"),
        ("version: 1\n---\nversion: 1\n", "more than one document"),
        ("#" + "x" * 5 * 1024 * 1024, "larger than 5 MB"),
        ("? [a, b]\n: c\n", "A key must be a word"),
        ("- version: 1", "Expected keys like version"),
        ("version: 1\nflows: none\n", "Expected a list"),
    ],
)
def test_a_hostile_or_broken_file_ends_in_a_sentence(read, text, words):
    assert words in problems(read, text)[0]
