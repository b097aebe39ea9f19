"""Comments and work notes in the console: the form with its leak guard, a record's page, and a run's counts."""

from __future__ import annotations

import pytest
from django.utils import timezone

from sync.configuration.export import export
from sync.models import AuditEntry, Flow, JournalEntry, RecordLink, Run
from tests.console.test_configuration import change_url, form_of

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
PUBLIC = {"work_notes_salesforce": "published_comment", "work_notes_direction": "to_salesforce"}


def save(editor, flow, **changes):
    return editor.post(change_url(flow), {**form_of(editor, change_url(flow)), **changes})


def test_what_is_carried_is_set_published_and_audited_with_its_reason(as_role, flow):
    editor = as_role("mapping editor")
    wanted = {
        "comments": {
            "comments": {"salesforce": "feed_public"},
            "work_notes": {
                "salesforce": "published_comment",
                "direction": "to_salesforce",
                "public": {"reason": "Acme reads them anyway"},
            },
            "before_link": "carry",
        }
    }

    ticked = {**PUBLIC, "work_notes_public": "on", "work_notes_reason": " Acme reads them anyway "}
    assert (
        save(editor, flow, comments_salesforce="feed_public", before_link="carry", **ticked).status_code
        == 302
    )

    saved = Flow.objects.get()
    assert (saved.options, saved.revision.snapshot["options"]) == (wanted, wanted)
    assert AuditEntry.objects.get(action="flow.changed").after["options"] == wanted
    assert "reason: Acme reads them anyway" in export()

    save(editor, flow, guard="strict")
    assert Flow.objects.get().options == {**wanted, "guard": "strict"}

    save(editor, flow, work_notes_salesforce="unpublished_comment")
    assert "public" not in Flow.objects.get().options["comments"]["work_notes"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (PUBLIC, "work_notes_public", "seen by customers"),
        ({**PUBLIC, "work_notes_reason": "Nobody ticked"}, "work_notes_public", "seen by customers"),
        ({**PUBLIC, "work_notes_public": "on"}, "work_notes_reason", "Say why"),
        ({"comments_salesforce": "feed_public", "comments_direction": "both"}, "comments_direction", "wider than"),
        ({"comments_salesforce": "unpublished_comment"}, "comments_salesforce", "not one of the available"),
        ({"comments_salesforce": "published_comment", "salesforce_object": "Account"}, "comments_salesforce", "Only a Case"),
    ],
)  # fmt: skip
def test_what_would_leak_or_cannot_be_is_told_beside_the_field(as_role, flow, changes, field, words):
    answer = save(as_role("mapping editor"), flow, **changes)

    errors = answer.context["adminform"].form.errors
    assert field in errors
    assert words in errors[field][0]
    assert Flow.objects.get().options == {}


def test_a_viewer_reads_the_setting_in_words(as_role, flow):
    told = {"salesforce": "published_comment", "public": {"reason": "Agreed with Acme"}}
    Flow.objects.update(options={"comments": {"work_notes": told}})
    page = as_role("viewer").get(change_url(flow)).content.decode()

    assert "published case comments (seen by customers)" in page
    assert "Agreed with Acme" in page
    assert "nowhere: they are not carried" in page


def test_a_record_shows_what_was_carried_and_never_its_text(as_role, flow, link):
    for number in range(1, 13):
        entry = JournalEntry(
            flow=flow, link=link, kind="work_notes", side="servicenow", place="work_notes", source_id=f"{number:032x}",
            target_place="unpublished_comment", part=1, parts=2, written_at=timezone.now(), status="done",
        )  # fmt: skip
        entry.text = "Only for colleagues' eyes"
        entry.save()
    JournalEntry.objects.filter(source_id=f"{12:032x}").update(status="refused", code="LEAK_GUARD")

    viewer = as_role("viewer")
    page = viewer.get(change_url(link)).content.decode()
    older = viewer.get(change_url(link), {"c": "2"}).content.decode()

    assert page.count("work note<") == 10
    assert older.count("work note<") == 2
    assert "LEAK_GUARD" in page
    assert "colleagues" in page
    assert "colleagues&#x27; eyes" not in page


def test_a_run_counts_what_it_carried(as_role, flow):
    run = Run.objects.create(
        flow=flow, kind="manual", status="succeeded", entries={"to_salesforce": {"comments": 1234}}
    )
    page = as_role("viewer").get(change_url(run)).content.decode()

    assert "comments to Salesforce" in page
    assert "1,234" in page


@pytest.fixture
def link(flow) -> RecordLink:
    return RecordLink.objects.create(
        flow=flow, born_in="servicenow", servicenow_connection=flow.servicenow_connection, servicenow_table="incident",
        servicenow_id="a" * 32, servicenow_number="INC0010001", salesforce_connection=flow.salesforce_connection,
        salesforce_object="Case", salesforce_id="500000000000001AAA", salesforce_number="00001042",
    )  # fmt: skip
