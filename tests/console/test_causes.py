"""Dead letters by cause: the largest first, each with what mends it, however many there are."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mappings.models import FieldRow, ValueMap
from sync import revisions
from sync.causes import alike
from sync.models import AuditEntry, DeadLetter, Revision, Run, Waiting
from sync.models.base import time_ordered_uuid
from tests.console import seed
from tests.console.test_actions import CONFIRMED, action_url
from tests.console.test_configuration import change_url

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")
CAUSES = "/admin/sync/deadletter/causes/"
REASON = {**CONFIRMED, "reason": "Agreed with the service desk."}
TEN_THOUSAND = 10_000


def letters(
    flow, count: int, *, start: int = 1, code: str = "UNMAPPED_VALUE", cause: str = "a" * 32
) -> DeadLetter:
    """So many records that failed for one reason; returns one of them."""
    now = timezone.now()
    made = [
        DeadLetter(
            id=time_ordered_uuid(), flow=flow, side="salesforce", record_id=f"{number:032x}", operation="create",
            record_number=f"INC{number:07}", code=code, field="Status", rule="The value map has no entry for the value.",
            cause=cause, first_at=now, last_at=now,
        )
        for number in range(start, start + count)
    ]  # fmt: skip
    made[0].content = {"value": "8", "message": "", "source": {"state": "8"}}
    DeadLetter.objects.bulk_create(made, batch_size=500)
    return made[0]


def text(page) -> str:
    return " ".join(page.content.decode().split())


def test_the_largest_cause_comes_first_with_what_it_releases(as_role, flow):
    letters(flow, 2, code="NO_OWNER", cause="")
    letters(flow, 5, start=100)
    letters(flow, 3, start=200, cause="b" * 32)
    page = as_role("viewer").get(CAUSES)

    assert [group.count for group in page.context["groups"]] == [5, 3, 2]
    assert "incident-state-case-status</a>: releases 5 records." in text(page)
    assert "Add the missing value</a>" not in text(page)


def test_it_shows_no_value_and_opens_none(as_role, flow):
    one = letters(flow, 2)
    one.content = {"value": "Hush"}
    one.save()

    assert "Hush" not in as_role("administrator").get(CAUSES).content.decode()
    assert not AuditEntry.objects.filter(action="payload.opened").exists()


def test_the_missing_value_is_added_published_and_its_records_released(as_role, flow):
    one = letters(flow, 4)
    other = letters(flow, 2, start=50, cause="b" * 32)
    admin, url = as_role("administrator"), action_url(one, "add_value")
    asked = text(admin.get(url))
    assert "“8” is not in the value map incident-state-case-status" in asked
    assert "releases 4 records" in asked
    assert AuditEntry.objects.get(action="payload.opened").object_id == str(one.pk)

    page = admin.post(url, {**REASON, "counterpart": "Closed"}, follow=True)

    states = ValueMap.objects.get(name="incident-state-case-status")
    entry = states.entries.get(servicenow="8")
    assert (entry.salesforce, entry.direction) == ("Closed", "to_salesforce")
    flow.refresh_from_db()
    assert flow.revision.number == 2
    assert flow.revision.snapshot["value_maps"][states.name]["to_salesforce"]["8"] == "Closed"
    assert "4 records queued again" in text(page)
    assert DeadLetter.objects.get(state="open", pk=other.pk)
    assert Waiting.objects.count() == DeadLetter.objects.filter(state="retried").count() == 4
    assert Run.objects.get().kind == "retry"
    assert AuditEntry.objects.get(action="value_map.entry_added").after["reason"] == REASON["reason"]
    assert AuditEntry.objects.filter(action="flow.published").exists()


def test_what_somebody_else_drafts_is_not_published_along(as_role, flow):
    one = letters(flow, 1)
    FieldRow.objects.filter(mapping=flow, salesforce="Subject").update(default="None given")
    page = as_role("administrator").post(
        action_url(one, "add_value"), {**REASON, "counterpart": "Closed"}, follow=True
    )

    assert "has other changes that are not published" in page.content.decode()
    assert Revision.objects.filter(flow=flow).count() == 1
    assert not ValueMap.objects.get().entries.filter(servicenow="8").exists()
    assert DeadLetter.objects.get().state == "open"


def test_another_flow_with_a_draft_goes_on_with_the_map_as_it_has_it(as_role, flow):
    other = seed.flow(flow.servicenow_connection, flow.salesforce_connection, "problems-to-cases")
    FieldRow.objects.filter(mapping=other, salesforce="Subject").update(default="None given")
    page = as_role("administrator").post(
        action_url(letters(flow, 1), "add_value"), {**REASON, "counterpart": "Closed"}, follow=True
    )

    assert "Left alone, with changes that are not published: problems-to-cases." in text(page)
    assert (Revision.objects.filter(flow=flow).count(), Revision.objects.filter(flow=other).count()) == (2, 1)


def test_a_mapping_editor_adds_it_and_sees_that_one_value_which_is_noted(as_role, flow):
    one = letters(flow, 4)
    editor, url = as_role("mapping editor"), action_url(one, "add_value")
    assert "Add the missing value</a>" in text(editor.get(CAUSES))
    assert "“8” is not in the value map" in text(editor.get(url))
    assert AuditEntry.objects.get(action="payload.opened").actor_name == "mapping.editor"
    assert "8" not in str(editor.get(change_url(one) + "?values=1").context["values"])

    page = editor.post(url, {**REASON, "counterpart": "Closed"}, follow=True)

    assert "4 records queued again" in text(page)
    flow.refresh_from_db()
    assert flow.revision.number == 2


def test_without_the_right_to_publish_the_entry_is_a_draft_and_nothing_is_retried(as_role, flow):
    one, editor = letters(flow, 4), as_role("mapping editor")
    Group.objects.get(name="mapping editor").permissions.remove(
        Permission.objects.get(codename="publish_flow")
    )
    url = action_url(one, "add_value")
    assert "until somebody publishes them; 4 records can be retried then." in text(editor.get(url))

    page = editor.post(url, {**REASON, "counterpart": "Closed"}, follow=True)

    assert "incidents-to-cases will use it once published" in text(page)
    assert ValueMap.objects.get().entries.get(servicenow="8").salesforce == "Closed"
    flow.refresh_from_db()
    assert (flow.revision.number, revisions.differs(flow)) == (1, True)
    assert DeadLetter.objects.filter(state="open").count() == 4
    assert not Run.objects.exists()


def test_a_value_that_a_colleague_added_meanwhile_is_not_added_twice(as_role, flow):
    one = letters(flow, 1)
    ValueMap.objects.get().entries.create(
        servicenow="8", salesforce="On Hold", direction="to_salesforce", position=9
    )
    revisions.publish(flow, author_id=None, author_name="Bob", reason="")
    page = as_role("administrator").post(
        action_url(one, "add_value"), {**REASON, "counterpart": "Closed"}, follow=True
    )

    assert "already has an entry" in text(page)
    assert ValueMap.objects.get().entries.get(servicenow="8").salesforce == "On Hold"


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor"])
def test_who_may_not_change_value_maps_is_not_offered_it(as_role, flow, role):
    one, person = letters(flow, 2), as_role(role)

    assert action_url(one, "add_value") not in person.get(CAUSES).content.decode()
    assert person.get(action_url(one, "add_value")).status_code == 403
    assert person.post(action_url(one, "add_value"), {**REASON, "counterpart": "x"}).status_code == 403
    assert not ValueMap.objects.get().entries.filter(servicenow="8").exists()


def test_a_whole_cause_is_put_aside_with_a_reason(as_role, flow):
    one = letters(flow, 3)
    letters(flow, 1, start=50, cause="b" * 32)
    as_role("operator").post(action_url(one, "ignore_group"), REASON)

    assert DeadLetter.objects.filter(state="ignored").count() == 3
    assert AuditEntry.objects.get(action="dead_letters.ignored").after == {
        "count": 3,
        "reason": REASON["reason"],
    }


def test_script_in_what_a_platform_said_is_text(as_role, flow):
    letters(flow, 1)
    DeadLetter.objects.update(rule="<script>alert(1)</script>", cause="")

    assert "<script>alert(1)" not in as_role("operator").get(CAUSES).content.decode()


@pytest.fixture
def ten_thousand(flow) -> DeadLetter:
    return letters(flow, TEN_THOUSAND)


def test_ten_thousand_failures_at_once_are_one_line_and_one_press_of_a_button(as_role, ten_thousand):
    operator = as_role("operator")
    operator.get(CAUSES)
    with CaptureQueriesContext(connection) as shown:
        page = operator.get(CAUSES)
    with CaptureQueriesContext(connection) as retried:
        operator.post(action_url(ten_thousand, "retry_group"), CONFIRMED)

    assert [group.count for group in page.context["groups"]] == [TEN_THOUSAND]
    assert len(shown) <= 16, [query["sql"][:120] for query in shown]
    assert len(retried) <= 200, len(retried)
    assert Waiting.objects.count() == TEN_THOUSAND
    assert not alike(ten_thousand).exists()


def test_the_menu_leads_to_the_causes(as_role, flow):
    page = as_role("viewer").get(reverse("admin:index")).content.decode()

    assert f'href="{CAUSES}"' in page


def test_the_page_of_one_says_where_to_mend_it(as_role, flow):
    one = letters(flow, 2)
    page = as_role("operator").get(change_url(one)).content.decode()

    assert f"https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id={1:032x}" in page
    assert action_url(one, "retry_group") in page
