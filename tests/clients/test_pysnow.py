"""pysnow against the simulated instance: no longer maintained, and still what many integrations run on."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest
import requests

with warnings.catch_warnings():
    # The time zones it pins predate Python 3.12, and it speaks up where libmagic is missing.
    warnings.simplefilter("ignore")
    import pysnow
    from pysnow.criterion import Table
    from pysnow.enums import DateTimeOn
    from pysnow.exceptions import MultipleResults, NoResults, TokenCreateError

INCIDENTS = "/table/incident"


@pytest.fixture
def host(pair):
    return pair.servicenow.url.removeprefix("https://")


@pytest.fixture
def client(pair, host):
    demo = pair.credentials.servicenow
    with pysnow.Client(host=host, user=demo.admin_username, password=demo.admin_password) as client:
        yield client


@pytest.fixture
def incidents(client):
    return client.resource(INCIDENTS)


def trio(incidents, marker):
    """Three incidents that a query for the marker alone finds: urgency 1 to 3."""
    for urgency, name in enumerate(("alpha", "beta", "gamma"), start=1):
        incidents.create({"short_description": marker, "description": name, "urgency": str(urgency)})


def found(incidents, query, **more):
    return {row["description"] for row in incidents.get(query=query, **more).all()}


# Logging in


def test_a_session_can_be_brought_along(pair, host):
    demo = pair.credentials.servicenow
    with requests.Session() as session:
        session.auth = (demo.username, demo.password)
        client = pysnow.Client(host=host, session=session)
        made = client.resource(INCIDENTS).create({"short_description": "Printer on fire"})
        assert made["sys_created_by"] == demo.username


def test_the_password_grant_gives_a_token_that_is_refreshed(pair, host):
    demo = pair.credentials.servicenow
    kept = []
    client = pysnow.OAuthClient(
        client_id=demo.client_id, client_secret=demo.client_secret, token_updater=kept.append, host=host
    )
    token = client.generate_token(demo.admin_username, demo.admin_password)
    client.set_token({**token, "expires_at": 1.0})
    users = client.resource("/table/sys_user")
    assert users.get(query={"user_name": "admin"}).one()["name"] == "System Administrator"
    assert kept[0]["refresh_token"] == token["refresh_token"]


def test_the_password_grant_refuses_who_is_for_web_services_alone(pair, host):
    demo = pair.credentials.servicenow
    client = pysnow.OAuthClient(client_id=demo.client_id, client_secret=demo.client_secret, host=host)
    with pytest.raises(TokenCreateError) as refused:
        client.generate_token(demo.username, demo.password)
    assert refused.value.description == "access_denied"


# One record


def test_a_record_is_created_read_changed_and_deleted(incidents):
    made = incidents.create({"short_description": "Printer on fire", "urgency": "1"})
    number = made["number"]

    assert incidents.get(query={"number": number}).one()["short_description"] == "Printer on fire"
    changed = incidents.update(query={"number": number}, payload={"short_description": "Printer put out"})
    assert changed["short_description"] == "Printer put out"
    assert incidents.delete(query={"number": number}) == {"status": "record deleted"}

    with pytest.raises(NoResults):
        incidents.get(query={"number": number}).one()
    assert incidents.get(query={"number": number}).one_or_none() is None


def test_a_fetched_record_changes_and_deletes_itself(incidents):
    made = incidents.create({"short_description": "itself"})
    assert made.update({"short_description": "itself, changed"})["sys_id"] == made["sys_id"]
    assert made.delete() == {"status": "record deleted"}


def test_display_values_and_links_are_asked_for_by_parameters(client):
    incidents = client.resource(INCIDENTS)
    made = incidents.create({"short_description": "asked", "urgency": "1", "caller_id": "Beth Anglin"})
    incidents.parameters.display_value = True
    incidents.parameters.exclude_reference_link = True
    row = incidents.get(query={"sys_id": made["sys_id"]}, fields=["urgency", "state"]).one()
    assert row == {"urgency": "1 - High", "state": "New"}


def test_what_the_instance_refuses_is_an_http_error(client):
    with pytest.raises(requests.HTTPError, match="400"):
        client.resource("/table/no_table").get(query={}).all()


# Queries


def test_a_query_as_text_and_as_a_dictionary(incidents):
    trio(incidents, "text")
    assert found(incidents, "short_description=text^urgency=1^ORurgency=2") == {"alpha", "beta"}
    assert found(incidents, {"short_description": "text", "urgency": "3"}) == {"gamma"}
    with pytest.raises(MultipleResults):
        incidents.get(query={"short_description": "text"}).one()


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda q: q.field("description").starts_with("al"), {"alpha"}),
        (lambda q: q.field("description").ends_with("ta"), {"beta"}),
        (lambda q: q.field("description").contains("mm"), {"gamma"}),
        (lambda q: q.field("description").not_contains("mm"), {"alpha", "beta"}),
        (lambda q: q.field("assigned_to").is_empty(), {"alpha", "beta", "gamma"}),
        (lambda q: q.field("description").is_not_empty(), {"alpha", "beta", "gamma"}),
        (lambda q: q.field("description").equals(["alpha", "gamma"]), {"alpha", "gamma"}),
        (lambda q: q.field("description").equals("beta"), {"beta"}),
        (lambda q: q.field("description").not_equals(["alpha", "gamma"]), {"beta"}),
        (lambda q: q.field("description").not_equals("beta"), {"alpha", "gamma"}),
        (lambda q: q.field("urgency").greater_than(1), {"beta", "gamma"}),
        (lambda q: q.field("urgency").greater_than_or_equal(3), {"gamma"}),
        (lambda q: q.field("urgency").less_than(2), {"alpha"}),
        (lambda q: q.field("urgency").less_than_or_equal(2), {"alpha", "beta"}),
        (lambda q: q.field("urgency").between(2, 3), {"beta", "gamma"}),
        (lambda q: q.field("urgency").equals("1").OR().field("urgency").equals("3"), {"alpha", "gamma"}),
    ],
)
def test_what_its_query_builder_builds_is_understood(incidents, request, build, names):
    marker = request.node.name
    trio(incidents, marker)
    query = build(pysnow.QueryBuilder().field("short_description").equals(marker).AND())
    assert found(incidents, query) == names


def test_the_query_builder_orders_and_starts_a_new_query(incidents):
    trio(incidents, "ordered")
    query = (
        pysnow.QueryBuilder()
        .field("short_description").equals("ordered")
        .AND().field("description").order_descending()
    )  # fmt: skip
    assert [row["description"] for row in incidents.get(query=query).all()] == ["gamma", "beta", "alpha"]

    either = pysnow.QueryBuilder().field("short_description").equals("ordered").AND()
    either = either.field("urgency").equals("1").NQ().field("short_description").equals("ordered").AND()
    assert found(incidents, either.field("urgency").equals("3")) == {"alpha", "gamma"}


INCIDENT = Table("incident")
NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("criterion", "names"),
    [
        (INCIDENT.description.eq("alpha"), {"alpha"}),
        (INCIDENT.description != "alpha", {"beta", "gamma"}),
        (INCIDENT.urgency > 1, {"beta", "gamma"}),
        (INCIDENT.urgency >= 3, {"gamma"}),
        (INCIDENT.urgency < 2, {"alpha"}),
        (INCIDENT.urgency <= 2, {"alpha", "beta"}),
        (INCIDENT.urgency.between(2, 3), {"beta", "gamma"}),
        (INCIDENT.description.starts_with("al"), {"alpha"}),
        (INCIDENT.description.ends_with("ta"), {"beta"}),
        (INCIDENT.description.contains("mm"), {"gamma"}),
        (INCIDENT.description.not_contains("mm"), {"alpha", "beta"}),
        (INCIDENT.description.is_in(["alpha", "gamma"]), {"alpha", "gamma"}),
        (INCIDENT.description.not_in(["alpha", "gamma"]), {"beta"}),
        (INCIDENT.assigned_to.is_empty(), {"alpha", "beta", "gamma"}),
        (INCIDENT.description.is_not_empty(), {"alpha", "beta", "gamma"}),
        (INCIDENT.description.is_empty_string(), set()),
        (INCIDENT.urgency.is_same(INCIDENT.priority), set()),
        (INCIDENT.urgency.is_different(INCIDENT.impact), {"alpha", "beta"}),
        ((INCIDENT.urgency == 1) | (INCIDENT.urgency == 3), {"alpha", "gamma"}),
        (INCIDENT.sys_created_on > NOW - timedelta(days=1), {"alpha", "beta", "gamma"}),
        (INCIDENT.sys_created_on.between(NOW - timedelta(days=2), NOW - timedelta(days=1)), set()),
        (INCIDENT.sys_created_on.on(DateTimeOn.yesterday), set()),
        (INCIDENT.sys_created_on.not_on(DateTimeOn.yesterday), {"alpha", "beta", "gamma"}),
        (INCIDENT.description.like("mm"), {"gamma"}),
        (INCIDENT.description.not_like("mm"), {"alpha", "beta"}),
        (INCIDENT.description.is_anything(""), {"alpha", "beta", "gamma"}),
    ],
)
def test_its_criteria_are_understood(incidents, request, criterion, names):
    marker = request.node.name
    trio(incidents, marker)
    assert found(incidents, (INCIDENT.short_description == marker) & criterion) == names


def test_pages_are_cut_by_limit_and_offset_and_counted(incidents):
    trio(incidents, "pages")
    first = incidents.get(query="short_description=pages^ORDERBYdescription", limit=2)
    rest = incidents.get(query="short_description=pages^ORDERBYdescription", limit=2, offset=2)
    assert [row["description"] for row in first.all()] == ["alpha", "beta"]
    assert first.headers["X-Total-Count"] == "3"
    assert [row["description"] for row in rest.all()] == ["gamma"]


def test_an_answer_is_read_as_a_stream(incidents):
    trio(incidents, "stream")
    answer = incidents.get(query={"short_description": "stream"}, stream=True)
    assert {row["description"] for row in answer.all()} == {"alpha", "beta", "gamma"}
    assert answer.count == 3
    assert incidents.get(query={"short_description": "none"}, stream=True).first_or_none() is None


# Attachments


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.txt"
    path.write_text("smoke")
    return str(path)


# Its upload leaves the file to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_files_are_attached_listed_read_and_deleted(client, incidents, photo):
    made = incidents.create({"short_description": "Printer on fire"})
    made.upload(photo, name="smoke.txt")
    (listed,) = incidents.attachments.get(sys_id=made["sys_id"])
    assert (listed["file_name"], listed["size_bytes"]) == ("smoke.txt", "5")
    assert listed["content_type"] == "text/plain"

    download = requests.get(listed["download_link"], auth=client.session.auth, timeout=10)
    assert download.content == b"smoke"

    files = client.resource("/attachment")
    assert files.delete(query={"sys_id": listed["sys_id"]}) == {"status": "record deleted"}
    assert incidents.attachments.get(sys_id=made["sys_id"]) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_multipart_upload_is_refused_since_pysnow_sends_no_parts(incidents, photo):
    """It announces multipart/form-data without a boundary and sends the bare bytes."""
    made = incidents.create({"short_description": "Printer on fire"})
    with pytest.raises(requests.HTTPError, match="400"):
        made.upload(photo, multipart=True).one()
