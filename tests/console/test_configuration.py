"""Configuration through the console: secrets are written only, a flow is published, all of it is audited."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mappings.models import FieldRow, UserTable, ValueMap
from sync import audit, revisions, services
from sync.models import AuditEntry, Connection, ConnectionToken, Flow, Revision, Schedule

pytestmark = pytest.mark.filterwarnings("ignore:No directory at")

CONNECTION = {
    "name": "acme-servicenow", "system": "servicenow", "url": "https://acme.service-now.com",
    "auth": "oauth_client_credentials", "username": "", "concurrency": "4", "limit_requests": "0", "limit_per": "hour",
    "reserve_percent": "10", "ca_bundle": "", "api_version": "",
}  # fmt: skip


def change_url(target) -> str:
    return reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])


def form_of(client: Client, url: str) -> dict[str, str | list[str]]:
    """What a browser would send if a person pressed Save without touching anything."""
    context = client.get(url).context
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    sent: dict[str, str | list[str]] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if value is True:
                sent[field.html_name] = "on"
            elif isinstance(value, list):
                sent[field.html_name] = [str(item) for item in value]
            elif value is not None and value is not False:
                sent[field.html_name] = str(value)
    return sent


# Connections


def test_a_new_connection_keeps_its_secrets_encrypted_and_shows_none_of_them(as_role):
    administrator = as_role("administrator")
    given = {**CONNECTION, "secret_client_id": "the-id", "secret_client_secret": "hunter-two"}
    administrator.post(reverse("admin:sync_connection_add"), given)

    connection = Connection.objects.get()
    assert connection.secrets == {"client_id": "the-id", "client_secret": "hunter-two"}
    assert b"hunter-two" not in bytes(connection.secrets_sealed)
    page = administrator.get(change_url(connection)).content.decode()
    assert "hunter-two" not in page
    assert "the-id" not in page
    assert "by administrator, leave empty to keep" in page


def test_empty_secrets_keep_the_stored_ones(as_role, flow):
    administrator, connection = as_role("administrator"), flow.salesforce_connection
    form = form_of(administrator, change_url(connection))
    administrator.post(change_url(connection), {**form, "secret_client_id": "a", "secret_client_secret": "b"})
    administrator.post(change_url(connection), {**form, "concurrency": "8"})

    connection = Connection.objects.get(pk=connection.pk)
    assert connection.secrets == {"client_id": "a", "client_secret": "b"}
    assert connection.concurrency == 8


def test_a_refused_form_does_not_send_the_secret_back(as_role):
    given = {**CONNECTION, "url": "http://acme.service-now.com", "secret_client_secret": "hunter-two"}
    body = as_role("administrator").post(reverse("admin:sync_connection_add"), given).content.decode()

    assert "The address must begin with https://" in body
    assert "hunter-two" not in body
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://", "is not an https:// address"),
        ("https://acme.service-now.com/login.do", "Give the address alone"),
        ("https://bob@acme.example", "holds a user name or password"),
    ],
)
def test_an_address_is_a_host_alone(as_role, url, words):
    answer = as_role("administrator").post(reverse("admin:sync_connection_add"), {**CONNECTION, "url": url})

    assert words in answer.context["adminform"].form.errors["url"][0]


def test_a_secret_that_was_not_typed_again_is_dropped_when_the_address_changes(as_role, flow):
    administrator = as_role("administrator")
    connection = Connection.objects.get(name="acme-servicenow")
    services.set_secrets(
        connection=connection, secrets={"client_id": "id", "client_secret": "hunter-two"}, by=None
    )
    form = form_of(administrator, change_url(connection))

    administrator.post(
        change_url(connection), {**form, "url": "https://evil.example", "secret_client_id": "anything"}
    )

    connection.refresh_from_db()
    assert connection.url == "https://evil.example"
    assert connection.secrets == {"client_id": "anything"}
    assert set(connection.secrets_set) == {"client_id"}


def test_stored_secrets_are_not_carried_to_another_host(as_role, flow):
    administrator, connection = as_role("administrator"), flow.salesforce_connection
    form = form_of(administrator, change_url(connection))
    administrator.post(change_url(connection), {**form, "secret_client_secret": "b"})
    body = administrator.post(
        change_url(connection), {**form, "url": "https://evil.example"}
    ).content.decode()

    assert "Enter the credentials again with a new address" in body
    assert Connection.objects.get(pk=connection.pk).url == "https://acme.my.salesforce.com"


def test_a_changed_login_forgets_the_cached_token(as_role, flow):
    administrator, connection = as_role("administrator"), flow.servicenow_connection
    token = ConnectionToken(connection=connection)
    token.token = {"access_token": "old"}
    token.save()
    form = form_of(administrator, change_url(connection))
    administrator.post(change_url(connection), {**form, "username": "other.user"})

    assert ConnectionToken.objects.get().token is None


def test_a_method_of_the_other_system_is_refused_with_those_there_are(as_role):
    given = {**CONNECTION, "auth": "soap_login"}
    body = as_role("administrator").post(reverse("admin:sync_connection_add"), given).content.decode()

    assert "ServiceNow knows no SOAP login (legacy). Choose one of" in body


def test_secrets_are_not_in_the_audit_log(as_role):
    given = {**CONNECTION, "secret_client_secret": "hunter-two"}
    as_role("administrator").post(reverse("admin:sync_connection_add"), given)

    entries = AuditEntry.objects.filter(action__startswith="connection.")
    assert sorted(entries.values_list("action", flat=True)) == [
        "connection.created",
        "connection.secrets_changed",
    ]
    assert "hunter-two" not in str(list(entries.values()))


# Flows


def test_saving_a_flow_publishes_a_revision_with_author_and_reason(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, change_url(flow))
    reply = editor.post(
        change_url(flow), {**form, "rows-1-default": "(none)", "reason": "Subject is required"}, follow=True
    )

    assert "Published revision 2 of incidents-to-cases." in reply.content.decode()
    revision = Revision.objects.get(number=2)
    assert (revision.author_name, revision.reason) == ("mapping.editor", "Subject is required")
    assert AuditEntry.objects.filter(action="flow.published", actor_name="mapping.editor").count() == 1


def test_saving_an_unchanged_flow_publishes_nothing(as_role, flow):
    editor = as_role("mapping editor")
    editor.post(change_url(flow), form_of(editor, change_url(flow)))

    assert Revision.objects.count() == 1
    assert not AuditEntry.objects.filter(action__startswith="flow.").exists()


def test_a_row_keeps_its_identity_when_it_is_edited(as_role, flow):
    editor, row = as_role("mapping editor"), flow.rows.get(salesforce="Subject")
    form = form_of(editor, change_url(flow))
    editor.post(change_url(flow), {**form, "rows-1-default": "No subject"})

    assert FieldRow.objects.get(salesforce="Subject").pk == row.pk
    assert FieldRow.objects.get(salesforce="Subject").default == "No subject"


def test_a_row_that_is_turned_to_another_field_is_another_row(as_role, flow):
    editor, row = as_role("mapping editor"), flow.rows.get(salesforce="Subject")
    form = form_of(editor, change_url(flow))
    editor.post(change_url(flow), {**form, "rows-1-servicenow": "description"})

    assert FieldRow.objects.get(salesforce="Subject").servicenow == "description"
    assert not FieldRow.objects.filter(pk=row.pk).exists()


def test_a_mapping_that_does_not_compile_is_refused_and_nothing_is_saved(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, change_url(flow))
    body = editor.post(change_url(flow), {**form, "direction": "both"}).content.decode()

    assert "The row for Origin cannot go to ServiceNow" in body
    assert Flow.objects.get(pk=flow.pk).direction == "to_salesforce"
    assert Revision.objects.count() == 1


def test_a_schedule_that_is_no_cron_is_refused(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, change_url(flow))
    body = editor.post(change_url(flow), {**form, "schedule-0-cron": "every minute"}).content.decode()

    assert "is not a schedule" in body
    assert Schedule.objects.get().cron == "*/1 * * * *"


def test_a_new_schedule_has_its_next_time_and_an_empty_one_has_none(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, change_url(flow))
    editor.post(change_url(flow), {**form, "schedule-0-cron": "0 6 * * *"})
    assert Schedule.objects.get().next_at.hour == 6

    editor.post(change_url(flow), {**form, "schedule-0-cron": ""})
    assert Schedule.objects.get().next_at is None


def test_a_save_does_not_undo_what_a_run_wrote_meanwhile(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, change_url(flow))
    Flow.objects.filter(pk=flow.pk).update(health="failing", paused_reason="Too many errors.")
    editor.post(change_url(flow), {**form, "patience": "60"})

    flow.refresh_from_db()
    assert (flow.patience, flow.health, flow.paused_reason) == (60, "failing", "Too many errors.")


def test_an_edited_value_map_makes_the_draft_of_its_flows_differ(as_role, flow):
    editor, states = as_role("mapping editor"), ValueMap.objects.get()
    form = form_of(editor, change_url(states))
    told = editor.post(
        change_url(states), {**form, "entries-0-salesforce": "Open"}, follow=True
    ).content.decode()

    assert "Flows that use it: incidents-to-cases." in told
    assert revisions.differs(Flow.objects.get())
    assert "until the draft is published" in editor.get(change_url(flow)).content.decode()
    assert "draft differs" in editor.get(reverse("admin:sync_flow_changelist")).content.decode()
    entry = AuditEntry.objects.get(action="value_map.changed")
    assert "1 → New" in entry.before["entries"]
    assert "1 → Open" in entry.after["entries"]


def test_rows_that_contradict_each_other_are_named_before_anything_is_saved(as_role):
    editor = as_role("mapping editor")
    url = reverse("admin:mappings_valuemap_add")
    pairs = [("2", "Working"), ("2", "Closed"), ("3", "Working")]
    rows = {
        f"entries-{i}-{name}": value
        for i, (here, there) in enumerate(pairs)
        for name, value in (
            ("servicenow", here),
            ("salesforce", there),
            ("direction", "both"),
            ("position", "0"),
        )
    }
    given = {**form_of(editor, url), "name": "twice", "entries-TOTAL_FORMS": "3", **rows}
    answer = editor.post(url, given)

    assert answer.status_code == 200
    first, second, third = answer.context["inline_admin_formsets"][0].formset.errors
    assert not first
    assert "one-way" in second["servicenow"][0]
    assert "one-way" in third["salesforce"][0]
    assert not ValueMap.objects.exists()

    one_way = {"entries-1-direction": "to_servicenow", "entries-2-direction": "to_salesforce"}
    assert editor.post(url, {**given, **one_way}).status_code == 302


def test_a_flow_without_a_field_is_not_published(as_role, flow):
    editor = as_role("mapping editor")
    given = {**form_of(editor, change_url(flow))}
    given |= {f"rows-{i}-DELETE": "on" for i in range(int(given["rows-INITIAL_FORMS"]))}
    before = flow.revision_id
    page = editor.post(change_url(flow), given).content.decode()

    assert "A flow needs at least one field" in page
    flow.refresh_from_db()
    assert flow.revision_id == before


def test_a_new_fallback_is_looked_up_before_the_next_run(as_role):
    editor, table = as_role("mapping editor"), UserTable.objects.create(name="people")
    UserTable.objects.update(resolved_at=timezone.now())
    editor.post(
        change_url(table), {**form_of(editor, change_url(table)), "fallback_to_salesforce": "it_queue"}
    )

    table.refresh_from_db()
    assert (table.fallback_to_salesforce, table.resolved_at) == ("it_queue", None)


def test_a_new_flow_can_be_made_with_its_rows(as_role, flow):
    editor = as_role("mapping editor")
    form = form_of(editor, reverse("admin:sync_flow_add"))
    given = {
        **form, "name": "second", "servicenow_connection": str(flow.servicenow_connection_id),
        "salesforce_connection": str(flow.salesforce_connection_id), "servicenow_table": "problem",
        "rows-TOTAL_FORMS": "1", "rows-0-position": "0", "rows-0-transform": "copy",
        "rows-0-servicenow": "number", "rows-0-salesforce": "Subject",
    }  # fmt: skip
    editor.post(reverse("admin:sync_flow_add"), given)

    made = Flow.objects.get(name="second")
    assert made.revision.number == 1
    assert [row.salesforce for row in made.rows.all()] == ["Subject"]


# People and the log


def test_a_login_and_a_failed_one_are_in_the_audit_log_without_the_password(db):
    User.objects.create_user("bob", password="correct horse", is_staff=True)
    client, url = Client(), reverse("admin:login")
    client.post(url, {"username": "bob", "password": "wrong horse"})
    client.post(url, {"username": "bob", "password": "correct horse"})
    client.post(reverse("admin:logout"))

    entries = list(AuditEntry.objects.order_by("number").values_list("action", "actor_name", "ip"))
    assert entries == [
        ("login.failed", "bob", "127.0.0.1"),
        ("login.succeeded", "bob", "127.0.0.1"),
        ("login.ended", "bob", "127.0.0.1"),
    ]
    assert "horse" not in str(list(AuditEntry.objects.values()))


def test_the_chain_holds_after_all_of_this(as_role, busy):
    administrator = as_role("administrator")
    form = form_of(administrator, change_url(busy.user_table))
    administrator.post(change_url(busy.user_table), {**form, "fallback_to_servicenow": "Hardware"})

    assert AuditEntry.objects.filter(action="user_table.changed").exists()
    assert list(audit.verify()) == []


def test_an_administrator_does_not_make_a_superuser(as_role):
    administrator = as_role("administrator")
    bob = User.objects.create_user("bob", password="correct horse", is_staff=True)
    form = form_of(administrator, change_url(bob))
    administrator.post(change_url(bob), {**form, "first_name": "Bob", "is_superuser": "on"})

    bob.refresh_from_db()
    assert (bob.first_name, bob.is_superuser) == ("Bob", False)


def test_an_administrator_does_not_change_a_superuser(as_role, root):
    administrator = as_role("administrator")
    superuser = User.objects.get(username="root")

    assert administrator.post(change_url(superuser), {"username": "mine"}).status_code == 403
    page = reverse("admin:auth_user_password_change", args=[superuser.pk])
    assert administrator.post(page, {"password1": "x", "password2": "x"}).status_code == 403


def test_a_new_password_is_in_the_audit_log_and_its_hash_is_not(root, django_user_model):
    bob = django_user_model.objects.create_user("bob", password="correct horse")
    page = reverse("admin:auth_user_password_change", args=[bob.pk])
    root.post(page, {"password1": "battery-staple-9", "password2": "battery-staple-9"})

    entry = AuditEntry.objects.get(action="user.password_changed")
    assert (entry.actor_name, entry.before, entry.after) == ("root", None, None)


def test_the_roles_hold_what_they_are_named_for(db):
    held = {
        group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()
    }

    assert set(held) == {"viewer", "mapping editor", "operator", "administrator", "auditor"}
    assert not {name for name in held["viewer"] if not name.startswith("view_")}
    assert "view_payload" not in held["viewer"]
    assert not {name for name in held["auditor"] if not name.startswith("view_")}
    assert {"view_auditentry", "view_flow", "view_run"} <= held["auditor"]
    assert {"run_flow", "cancel_run", "view_payload", "test_connection"} <= held["operator"]
    assert not held["operator"] & {"change_flow", "change_connection", "change_user"}
    assert {"change_flow", "add_fieldrow", "change_valuemap"} <= held["mapping editor"]
    assert {"change_connection", "add_user", "change_group"} <= held["administrator"]


def test_a_revision_reads_as_tables(root, flow):
    body = root.get(change_url(flow.revision)).content.decode()

    assert "value map: incident-state-case-status" in body
    assert "acme-servicenow" in body
    assert "{&#x27;" not in body
