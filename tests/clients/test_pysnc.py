"""PySNC, the vendor's own Python client, against the simulated instance."""

from __future__ import annotations

import pytest
from pysnc import ServiceNowClient
from pysnc.auth import ServiceNowClientCredentialsFlow, ServiceNowPasswordGrantFlow
from pysnc.exceptions import AuthenticationException, RequestException, RoleException

ADMINISTRATOR = "6816f79cc0a8016401c5a33be04be441"  # the sys_id of `admin` on every instance


@pytest.fixture
def client(pair):
    """Logged in with the roles of an administrator, as PySNC's users mostly are."""
    demo = pair.credentials.servicenow
    with_login = ServiceNowClient(pair.servicenow.url, (demo.admin_username, demo.admin_password))
    yield with_login
    with_login.session.close()


def incident(client, **fields):
    record = client.GlideRecord("incident")
    record.initialize()
    for name, value in fields.items():
        record.set_value(name, value)
    assert record.insert()
    return record


def printers(client, marker, *names):
    """Incidents that a query for the marker alone finds."""
    return [incident(client, short_description=f"{marker} {name}", description=name) for name in names]


def query(client, marker, **settings):
    record = client.GlideRecord("incident")
    record.add_query("short_description", "STARTSWITH", marker)
    for name, value in settings.items():
        setattr(record, name, value)
    return record


def names(record):
    record.query()
    return [str(each.description) for each in record]


def user_named(client, user_name):
    user = client.GlideRecord("sys_user")
    assert user.get("user_name", user_name)
    return str(user.sys_id)


# Logging in


def test_the_password_grant_is_for_people(pair):
    demo = pair.credentials.servicenow
    flow = ServiceNowPasswordGrantFlow(
        demo.admin_username, demo.admin_password, demo.client_id, demo.client_secret
    )
    client = ServiceNowClient(pair.servicenow.url, flow)
    user = client.GlideRecord("sys_user")
    assert user.get(ADMINISTRATOR)
    assert user.user_name == "admin"


def test_client_credentials_run_as_the_user_of_the_application(pair):
    demo = pair.credentials.servicenow
    flow = ServiceNowClientCredentialsFlow(demo.client_id, demo.client_secret)
    client = ServiceNowClient(pair.servicenow.url, flow)
    assert incident(client, short_description="Printer on fire").sys_created_by == demo.username


def test_an_expired_token_is_renewed_between_two_calls(pair):
    demo = pair.credentials.servicenow
    flow = ServiceNowClientCredentialsFlow(demo.client_id, demo.client_secret)
    client = ServiceNowClient(pair.servicenow.url, flow)
    pair.servicenow.expire_tokens()
    with pytest.raises(AuthenticationException):  # PySNC trusts the announced lifetime alone
        client.GlideRecord("incident").get("x")
    again = ServiceNowClient(
        pair.servicenow.url, ServiceNowClientCredentialsFlow(demo.client_id, demo.client_secret)
    )
    assert again.GlideRecord("incident").get("x") is False


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_a_wrong_secret_gets_no_token(pair, secret):
    flow = ServiceNowClientCredentialsFlow(pair.credentials.servicenow.client_id, secret)
    with pytest.raises(AuthenticationException, match="access_denied"):
        ServiceNowClient(pair.servicenow.url, flow)


def test_a_wrong_password_is_not_authenticated(pair):
    client = ServiceNowClient(pair.servicenow.url, ("admin", "this is not a password"))
    with pytest.raises(AuthenticationException, match="Required to provide Auth information"):
        client.GlideRecord("sys_user").get(ADMINISTRATOR)


# One record


def test_a_record_is_created_read_changed_and_deleted(client):
    made = incident(client, short_description="Printer on fire", urgency="1", bunk_field="ignored")
    assert str(made.number).startswith("INC")
    assert made.get_display_value("urgency") == "1 - High"

    read = client.GlideRecord("incident")
    assert read.get(made.sys_id)
    assert not read.changes()
    read.short_description = "Printer put out"
    assert read.changes()
    assert read.update()

    again = client.GlideRecord("incident")
    assert again.get("number", str(made.number))
    assert again.short_description == "Printer put out"
    assert again.delete()
    assert not client.GlideRecord("incident").get(made.sys_id)


def test_an_empty_record_can_be_inserted(client):
    made = incident(client)
    assert str(made.number).startswith("INC")
    assert made.short_description == ""


def test_the_client_chooses_the_sys_id(client):
    record = client.GlideRecord("problem")
    record.initialize()
    record.set_new_guid_value("AAAABBBBCCCCDDDDEEEEFFFF00001111")
    assert record.insert() == "AAAABBBBCCCCDDDDEEEEFFFF00001111"
    assert client.GlideRecord("problem").get("AAAABBBBCCCCDDDDEEEEFFFF00001111")


def test_a_field_has_a_value_and_a_display_value_and_walks_on(client):
    user = client.GlideRecord("sys_user")
    user.fields = "sys_id,department,department.name,department.dept_head,department.dept_head.email"
    assert user.get(ADMINISTRATOR)
    assert user.department.name == "Finance"
    assert user.get_display_value("department") == "Finance"
    assert user.department.dept_head.email == "natasha.ingram@example.com"


def test_what_a_role_may_not_do_is_a_role_exception(pair):
    demo = pair.credentials.servicenow
    client = ServiceNowClient(pair.servicenow.url, (demo.no_role_username, demo.no_role_password))
    record = client.GlideRecord("incident")
    record.initialize()
    record.short_description = "Printer on fire"
    with pytest.raises(RoleException, match="ACL Exception Insert Failed"):
        record.insert()


def test_an_unknown_table_is_a_request_exception(client):
    with pytest.raises(RequestException, match="Invalid table sys_user_list"):
        client.GlideRecord("sys_user_list").get("x")


# Queries


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("description", "alpha"), {"alpha"}),
        (("description", "!=", "alpha"), {"beta", "gamma"}),
        (("description", "IN", "alpha,gamma"), {"alpha", "gamma"}),
        (("description", "NOT IN", "alpha,gamma"), {"beta"}),
        (("description", "STARTSWITH", "ga"), {"gamma"}),
        (("description", "ENDSWITH", "ta"), {"beta"}),
        (("description", "CONTAINS", "mm"), {"gamma"}),
        (("description", "DOES NOT CONTAIN", "mm"), {"alpha", "beta"}),
        (("urgency", ">", "1"), {"beta", "gamma"}),
        (("urgency", ">=", "2"), {"beta", "gamma"}),
        (("urgency", "<", "2"), {"alpha"}),
        (("urgency", "<=", "2"), {"alpha", "beta"}),
    ],
)
def test_every_operator_of_its_manual_is_understood(client, condition, found):
    marker = "_".join(condition)
    for urgency, name in (("1", "alpha"), ("2", "beta"), ("3", "gamma")):
        incident(client, short_description=marker, description=name, urgency=urgency)
    record = query(client, marker)
    record.add_query(*condition)
    assert set(names(record)) == found


def test_conditions_combine(client):
    printers(client, "combine", "alpha", "beta", "gamma")
    record = query(client, "combine")
    record.add_query("description", "alpha").add_or_condition("description", "beta")
    record.add_active_query()
    record.add_not_null_query("description")
    record.add_null_query("assigned_to")
    record.order_by_desc("description")
    assert names(record) == ["beta", "alpha"]


def test_a_related_table_decides(client):
    network = client.GlideRecord("sys_user_group")
    assert network.get("name", "Network")
    network.manager = user_named(client, "beth.anglin")
    assert network.update()

    managers = client.GlideRecord("sys_user")
    managers.add_join_query("sys_user_group", join_table_field="manager").add_query("name", "Network")
    managers.query()
    assert [str(user.user_name) for user in managers] == ["beth.anglin"]

    crowded = client.GlideRecord("sys_user_group")
    members = crowded.add_rl_query("sys_user_grmember", "group", ">=3", True)
    members.add_query("user.active", "true")
    crowded.query()
    assert {str(group.name) for group in crowded} == {"Service Desk"}


def test_an_unknown_column_widens_the_query(client):
    printers(client, "widens", "alpha", "beta")
    record = query(client, "widens")
    record.add_query("no_such_column", "x")
    assert set(names(record)) == {"alpha", "beta"}


def test_pages_follow_one_another(client):
    printers(client, "pages", *map(str, range(7)))
    record = query(client, "pages", batch_size=3)
    record.order_by("description")
    assert names(record) == list(map(str, range(7)))
    assert len(record) == 7

    limited = query(client, "pages", batch_size=3, limit=4)
    assert len(names(limited)) == 4


def test_a_query_too_long_for_an_address_travels_in_a_batch(pair, client):
    made = incident(client, short_description="Printer on fire")
    pair.servicenow.reset_counters()
    record = client.GlideRecord("incident")
    for _ in range(1200):
        record.add_query("AAAA", "BBBB")
    record.add_query("sys_id", str(made.sys_id))
    record.query()
    assert [str(each.sys_id) for each in record] == [made.sys_id]
    assert pair.servicenow.counters.calls_to("POST /api/now/v1/batch") == 1


# Many records at once, through the Batch API


def test_many_records_are_changed_at_once(client):
    printers(client, "many", "alpha", "beta", "gamma")
    record = query(client, "many")
    record.query()
    for each in record:
        each.description = f"{each.description} out"
    assert record.update_multiple()
    assert set(names(query(client, "many"))) == {"alpha out", "beta out", "gamma out"}


def test_what_fails_of_many_is_told_and_the_rest_is_done(pair, client):
    made = printers(client, "partly", "alpha", "beta")
    record = query(client, "partly")
    record.query()
    answers = []
    for each in record:
        each.description = f"{each.description} out"
    pair.servicenow.delete("incident", str(made[0].sys_id))
    assert record.update_multiple(custom_handler=lambda answer: answers.append(answer.status_code))
    assert sorted(answers) == [200, 404]
    assert names(query(client, "partly")) == ["beta out"]


def test_a_business_rule_keeps_records_out(client):
    rule = client.GlideRecord("sys_script")
    rule.initialize()
    rule.name, rule.collection, rule.filter_condition = "No sparks", "task", "descriptionLIKEspark^EQ"
    rule.action_insert = rule.action_update = rule.abort_action = True
    assert rule.insert()

    printers(client, "ruled", "alpha", "beta")
    record = query(client, "ruled")
    record.order_by("description")
    record.query()
    for each in record:
        each.description = "spark" if each.description == "beta" else "out"
    assert not record.update_multiple()
    assert set(names(query(client, "ruled"))) == {"out", "beta"}
    with pytest.raises(RoleException, match="aborted by Business Rule 'No sparks"):
        incident(client, short_description="ruled", description="sparks")
    assert rule.delete()


def test_many_records_are_deleted_at_once(client):
    printers(client, "deleted", "alpha", "beta", "gamma")
    assert query(client, "deleted").delete_multiple()
    assert names(query(client, "deleted")) == []


# Attachments


def test_files_are_attached_listed_read_and_deleted(client, tmp_path):
    record = incident(client, short_description="Printer on fire")
    assert len(record.get_attachments()) == 0

    record.add_attachment("note.txt", "one\ntwo", content_type="text/plain")
    location = record.add_attachment("photo.bin", b"\x00\x01\x02")
    files = {file.file_name: file.read() for file in record.get_attachments()}
    assert files == {"note.txt": b"one\ntwo", "photo.bin": b"\x00\x01\x02"}

    photo = client.Attachment("incident")
    photo.add_query("file_name", "photo.bin")
    photo.query()
    assert photo.next()
    assert photo.get_link() == location
    assert photo.write_to(tmp_path).read_bytes() == b"\x00\x01\x02"
    with photo.as_temp_file() as file:
        assert file.read() == b"\x00\x01\x02"
    photo.delete()
    assert [file.file_name for file in record.get_attachments()] == ["note.txt"]
