"""An export applied changes nothing, whatever the database holds."""

from __future__ import annotations

import difflib
import os
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappings.models import FieldRow, ValueMap
from sync.configuration.export import export
from sync.configuration.problems import InvalidConfiguration
from sync.models import AuditEntry, Connection, Flow, Revision

pytestmark = pytest.mark.django_db

CURIOUS = st.sampled_from(
    [
        "No",
        "~",
        "null",
        "1",
        "1.5",
        "true",
        "2026-11-23",
        "- a",
        "a: b",
        "#",
        "'",
        '"',
        "*x",
        " ",
        "\x85",
        "a\u2028b",
    ]
)
words = st.one_of(CURIOUS, st.text(string.printable.strip() + "äß→🙂", min_size=1, max_size=20))


def test_an_export_holds_no_secret_but_its_reference(bring_in, acme):
    bring_in(acme)

    text = export()

    assert "client_secret: ${ACME_SERVICENOW_CLIENT_SECRET}" in text
    assert "open sesame" not in text


def test_an_export_is_the_same_each_time(bring_in, acme):
    bring_in(acme)

    assert export() == export()


def test_an_export_fills_an_empty_database_with_the_same(bring_in, acme):
    bring_in(acme)
    text = export()
    Flow.objects.update(revision=None)
    for model in (Flow, ValueMap, Connection):
        model.objects.all().delete()

    bring_in(text, environ={})

    assert export() == text.replace(
        '    secrets:\n      client_id: ${ACME_SALESFORCE_CLIENT_ID}\n      client_secret: ${ACME_SALESFORCE_CLIENT_SECRET}\n', ''
    ).replace(
        '    secrets:\n      client_id: ${ACME_SERVICENOW_CLIENT_ID}\n      client_secret: ${ACME_SERVICENOW_CLIENT_SECRET}\n', ''
    )  # fmt: skip


def lines_changed(before: str, after: str) -> list[str]:
    return [
        line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith(("+", "-"))
    ]


def test_one_edit_is_one_line_of_the_file(bring_in, acme):
    """What a reviewer sees in git: the entry, and nothing that moved."""
    bring_in(acme)
    before = export()
    ValueMap.objects.get().entries.filter(servicenow="1").update(salesforce="Open")
    FieldRow.objects.filter(salesforce="Subject").update(default="No subject")

    assert [line.replace(" ", "") for line in lines_changed(before, export())] == [
        "-salesforce:New",
        "+salesforce:Open",
        "+default:Nosubject",
    ]


def test_the_export_of_one_installation_promotes_it_in_another_by_the_names_of_its_connections(
    bring_in, acme
):
    bring_in(acme)
    there = bring_in(acme.replace("https://acme", "https://acme-prod"))
    assert [change.kind for change in there.changes] == ["connection", "connection"]
    ValueMap.objects.get().entries.filter(servicenow="1").update(salesforce="Open")
    promoted, held = export(connections=False), {row.name: row.url for row in Connection.objects.all()}
    assert "connections:" not in promoted
    ValueMap.objects.get().entries.filter(servicenow="1").update(salesforce="New")

    planned = bring_in(promoted, environ={}, dry_run=True)
    assert [f"{change.action} {change.kind}" for change in planned.changes] == [
        "update value map",
        "publish flow",
    ]
    assert export(connections=False) != promoted
    Connection.objects.create(name="spare", system="servicenow", url="https://spare.service-now.com")
    held["spare"] = "https://spare.service-now.com"
    bring_in(promoted, environ={}, pruning=True)

    assert export(connections=False) == promoted
    assert {row.name: row.url for row in Connection.objects.all()} == held
    assert held["acme-servicenow"] == "https://acme-prod.service-now.com"
    assert bring_in(promoted, environ={}).changes == []


def test_a_promoted_flow_whose_connection_is_not_there_is_refused_by_its_name(bring_in, acme):
    bring_in(acme)
    promoted = export(connections=False).replace("connection: acme-salesforce", "connection: acme-prod")

    with pytest.raises(InvalidConfiguration, match="acme-prod"):
        bring_in(promoted, environ={})


@settings(
    max_examples=int(os.environ.get("EXAMPLES", "15")),  # forty in the lane that brings PostgreSQL
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    pairs=st.dictionaries(words, words, max_size=4),
    value=words,
    scope=words,
    enter=CURIOUS | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    direction=st.sampled_from(["to_salesforce", "to_servicenow", "both"]),
    position=st.integers(0, 900),
    overlap=st.integers(0, 86_400),
    enabled=st.booleans(),
    concurrency=st.integers(1, 100),
)
def test_an_export_applied_changes_nothing(
    bring_in, acme, pairs, value, scope, enter, direction, position, overlap, enabled, concurrency
):
    bring_in(acme)
    value_map = ValueMap.objects.get()
    value_map.entries.all().delete()
    for source, target in pairs.items():
        value_map.entries.create(
            servicenow=source, salesforce=target, direction="to_salesforce", position=position
        )
    FieldRow.objects.filter(salesforce="Origin").update(
        value=value, position=position, direction="to_salesforce"
    )
    FieldRow.objects.filter(salesforce="OwnerId").update(direction="to_salesforce")
    if direction == "to_servicenow":
        FieldRow.objects.filter(salesforce__in=["Origin", "OwnerId"]).delete()
    Flow.objects.update(
        servicenow_scope=scope, salesforce_enter=enter, direction=direction, overlap=overlap, enabled=enabled
    )  # fmt: skip
    Connection.objects.update(concurrency=concurrency)
    text = export()
    bring_in(text, environ={})
    revisions, audited = Revision.objects.count(), AuditEntry.objects.count()

    plan = bring_in(export(), environ={})

    assert [str(change) for change in plan.changes] == []
    assert export() == text
    assert (Revision.objects.count(), AuditEntry.objects.count()) == (revisions, audited)


def test_policies_for_deletions_and_the_nightly_comparison_come_out_as_they_went_in(bring_in, acme):
    given = (
        "    deletions: {servicenow: close, close: {salesforce: {Status: Closed, IsEscalated: false, Rank__c: 5}}}\n"
        "    reconcile: ''\n"
    )
    bring_in(acme.replace("    schedule:", f"{given}    schedule:"))

    flow = Flow.objects.get()
    closing = {"salesforce": {"Status": "Closed", "IsEscalated": False, "Rank__c": 5}}
    assert flow.options["deletions"] == {"servicenow": "close", "close": closing}
    assert flow.reconcile == ""
    text = export()
    assert bring_in(text, environ={}).changes == []
    assert export() == text

    plan = bring_in(acme)

    assert "reconcile: '' → '0 3 * * *'" in plan.changes[0].details
    assert "deletions" not in export()


def test_what_is_carried_of_comments_comes_out_as_it_went_in(bring_in, acme):
    work_notes = (
        "{salesforce: published_comment, direction: to_salesforce, public: {reason: Acme reads them}}"
    )
    given = f"    comments: {{comments: {{salesforce: feed_public}}, work_notes: {work_notes}, before_link: carry}}\n"
    bring_in(acme.replace("    schedule:", f"{given}    schedule:"))

    told = {
        "salesforce": "published_comment",
        "direction": "to_salesforce",
        "public": {"reason": "Acme reads them"},
    }
    wanted = {"comments": {"salesforce": "feed_public"}, "work_notes": told, "before_link": "carry"}
    assert Flow.objects.get().options["comments"] == wanted
    text = export()
    assert bring_in(text, environ={}).changes == []
    assert export() == text

    bring_in(acme.replace("    schedule:", "    comments: {work_notes: {salesforce: off}}\n    schedule:"))

    assert "comments" not in Flow.objects.get().options
    assert "comments:" not in export()


@pytest.mark.parametrize(
    ("given", "kept", "shown"),
    [
        ("{}", {}, "attachments: {}"),
        ("{direction: to_salesforce, max_size: 25 MB}", {}, "attachments: {}"),
        ("{max_size: 1.5 GB}", {"max_size": 1_610_612_736}, "max_size: 1.5 GB"),
        ("{max_size: 5000}", {"max_size": 5000}, "max_size: '5000'"),
        ('{types: [image/*, "*.pdf"], except: "*.exe, *.bat"}',
         {"types": ["image/*", "*.pdf"], "except": ["*.exe", "*.bat"]}, "- '*.bat'"),
    ],
)  # fmt: skip
def test_rules_for_attachments_come_out_as_they_went_in(bring_in, acme, given, kept, shown):
    bring_in(acme.replace("    schedule:", f"    attachments: {given}\n    schedule:"))

    assert Flow.objects.get().options["attachments"] == kept
    text = export()
    assert shown in text
    assert bring_in(text, environ={}).changes == []
    assert export() == text
    assert bring_in(acme).changes
    assert "attachments" not in Flow.objects.get().options
