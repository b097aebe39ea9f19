"""Files in the console: which are carried, as controls; and what became of those of a record."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from sync import services
from sync.configuration.export import export
from sync.models import Attachment, AuditEntry, DeadLetter, Flow, RecordLink, Run
from tests.console.test_configuration import change_url
from tests.console.test_deletions import save

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")


def test_rules_for_files_are_set_published_and_audited(as_role, flow):
    editor = as_role("mapping editor")
    answer = save(
        editor, flow, files_direction="to_salesforce", files_size="40 MB", files_types="image/*, *.pdf",
        files_except="*.exe",
    )  # fmt: skip
    assert answer.status_code == 302

    wanted = {"attachments": {"max_size": 41_943_040, "types": ["image/*", "*.pdf"], "except": ["*.exe"]}}
    saved = Flow.objects.get()
    assert (saved.options, saved.revision.snapshot["options"]) == (wanted, wanted)
    assert AuditEntry.objects.get(action="flow.changed").after["options"] == wanted
    assert "max_size: 40 MB" in export()

    save(editor, flow, guard="strict")
    assert Flow.objects.get().options == {**wanted, "guard": "strict"}
    save(editor, flow, guard="live", files_direction="")
    assert Flow.objects.get().options == {}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"files_direction": "both"}, "files_direction", "wider than the flow"),
        ({"files_direction": "to_salesforce", "files_size": "much"}, "files_size", "like 25 MB"),
        ({"files_direction": "to_salesforce", "files_types": "x" * 81}, "files_types", "no pattern like"),
    ],
)
def test_rules_that_cannot_be_are_told_beside_the_field(as_role, flow, changes, field, words):
    answer = save(as_role("mapping editor"), flow, **changes)

    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in errors[field][0]
    assert Flow.objects.get().options == {}


def test_a_viewer_reads_the_rules_in_words(as_role, flow):
    Flow.objects.update(options={"attachments": {"max_size": 1024, "except": ["*.exe"]}})
    page = as_role("viewer").get(change_url(flow)).content.decode()

    assert "to Salesforce" in page
    assert "1 KB" in page
    assert "*.exe" in page


def some_files(link: RecordLink) -> None:
    now = timezone.now()
    for number, (status, reason) in enumerate(
        [("done", ""), ("skipped", "It has 31 MB; the flow carries files of up to 25 MB."), ("refused", "ServiceNow does not take the file.")]
    ):  # fmt: skip
        row = Attachment(
            flow=link.flow, link=link, side="servicenow" if number < 2 else "salesforce", source_id=f"{number}" * 32,
            status=status, reason=reason, size=2_400_000 * (number + 1), since=now,
            done_at=now if status == "done" else None, code="BAD_REQUEST" if status == "refused" else "",
        )  # fmt: skip
        row.content = {"name": f"photo {number}.png", "type": "image/png", "message": "File type not allowed"}
        row.save()


def test_a_records_files_are_shown_with_why_and_names_only_to_those_who_open_values(as_role, busy):
    link = RecordLink.objects.first()
    some_files(link)
    url = reverse("admin:sync_recordlink_change", args=[link.pk])

    closed = as_role("viewer").get(url).content.decode()
    assert "It has 31 MB; the flow carries files of up to 25 MB." in closed
    assert "photo 0.png" not in closed
    assert "File type not allowed" not in closed
    opened = as_role("operator").get(f"{url}?values=1").content.decode()
    assert "photo 0.png" in opened
    assert "File type not allowed" in opened


def test_a_letter_about_a_file_is_resynced_with_its_record(busy):
    link = RecordLink.objects.first()
    some_files(link)
    DeadLetter.objects.all().delete()
    Run.objects.active().update(status="succeeded")
    letter = DeadLetter.objects.create(
        flow=link.flow, link=link, side="servicenow", record_id="2" * 32, field="attachment", code="BAD_REQUEST",
        operation="create", first_at=timezone.now(), last_at=timezone.now(),
    )  # fmt: skip

    (run,) = services.resync_dead_letters(letters=[letter], by=None, enqueue=False)

    assert run.params["ids"] == [link.servicenow_id]
    assert Attachment.objects.get(source_id="2" * 32).status == "planned"
