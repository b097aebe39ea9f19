import hashlib
import json

import pytest

FILES = "/api/now/attachment"
CONTENT = b"\x89PNG\r\n\r\n--not-a-boundary\x00\xff\r\n"


@pytest.fixture
def incident(pair):
    return pair.servicenow.add("incident", short_description="Printer on fire")["sys_id"]


def upload(client, incident, content=CONTENT, name="fire.png", **change):
    params = {"file_name": name, "table_name": "incident", "table_sys_id": incident, **change}
    headers = {"Content-Type": "image/png"}
    return client.call("POST", f"{FILES}/file", params=params, data=content, headers=headers)


def listed(client, incident, **more):
    query = f"table_name=incident^table_sys_id={incident}"
    return client.call("GET", FILES, params={"sysparm_query": query, **more})


def test_a_file_goes_up_and_comes_down_unchanged_with_its_metadata(api, incident):
    answer = upload(api, incident)
    metadata = answer.json()["result"]
    down = api.call("GET", f"{FILES}/{metadata['sys_id']}/file")

    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"{FILES}/{metadata['sys_id']}/file")
    assert down.content == CONTENT
    assert down.headers["Content-Type"] == "image/png"
    assert json.loads(down.headers["X-Attachment-Metadata"]) == metadata
    assert metadata["size_bytes"] == str(len(CONTENT))
    assert metadata["hash"] == hashlib.sha256(CONTENT).hexdigest()
    assert metadata["sys_created_by"] == "sync.user"
    assert all(isinstance(value, str) for value in metadata.values())


def test_a_multipart_upload_stores_the_bytes_of_its_last_part(api, incident):
    form = {"table_name": (None, "incident"), "table_sys_id": (None, incident)}
    answer = api.call(
        "POST", f"{FILES}/upload", files={**form, "uploadFile": ("fire.png", CONTENT, "image/png")}
    )
    metadata = answer.json()["result"]

    assert (answer.status_code, metadata["file_name"], metadata["content_type"]) == (
        201,
        "fire.png",
        "image/png",
    )
    assert api.call("GET", f"{FILES}/{metadata['sys_id']}/file").content == CONTENT


def test_a_multipart_upload_whose_file_is_not_last_is_refused(api, incident):
    form = {"table_name": (None, "incident"), "table_sys_id": (None, incident)}
    answer = api.call("POST", f"{FILES}/upload", files={"uploadFile": ("fire.png", CONTENT), **form})

    assert answer.status_code == 400
    assert listed(api, incident).json()["result"] == []


def test_a_records_files_are_listed_in_pages_and_one_name_may_come_twice(api, incident):
    for _ in range(3):
        upload(api, incident)

    page = listed(api, incident, sysparm_limit="2")

    assert page.headers["X-Total-Count"] == "3"
    assert 'rel="next"' in page.headers["Link"]
    assert [each["file_name"] for each in page.json()["result"]] == ["fire.png", "fire.png"]


def test_a_rename_and_a_delete_answer_204(api, incident):
    path = f"{FILES}/{upload(api, incident).json()['result']['sys_id']}"

    assert api.call("PATCH", path, json={"file_name": "smoke.png"}).status_code == 204
    assert api.call("GET", path).json()["result"]["file_name"] == "smoke.png"
    assert api.call("DELETE", path).status_code == 204
    assert api.call("GET", path).status_code == 404
    assert api.call("GET", f"{path}/file").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"table_sys_id": "0" * 32}, 404),
        ({"table_sys_id": ""}, 400),
        ({"table_name": "nonsense"}, 400),
        ({"file_name": ""}, 400),
    ],
)
def test_an_upload_for_nothing_is_refused(api, incident, change, status):
    assert upload(api, incident, **change).status_code == status


def test_files_go_with_their_record(api, pair, incident):
    file = upload(api, incident).json()["result"]["sys_id"]
    pair.servicenow.delete("incident", incident)

    assert api.call("GET", f"{FILES}/{file}/file").status_code == 404
    assert pair.servicenow.rows("sys_attachment") == []


def test_a_file_is_hidden_with_its_record(api, pair, incident):
    file = upload(api, incident).json()["result"]["sys_id"]
    pair.servicenow.platform.access.hidden_rows.add(incident)

    assert api.call("GET", f"{FILES}/{file}").status_code == 404
    assert listed(api, incident).json()["result"] == []
    assert listed(api, incident).headers["X-Total-Count"] == "1"


def test_properties_bound_size_and_kind_of_a_file(api, pair, incident):
    pair.servicenow.add("sys_properties", name="com.glide.attachment.max_size", value="1")
    pair.servicenow.add("sys_properties", name="glide.attachment.extensions", value="txt, log")

    assert upload(api, incident, b"x" * (1024 * 1024 + 1), "big.txt").status_code == 413
    assert upload(api, incident, name="fire.png").status_code == 400
    assert upload(api, incident, name="fire.LOG").status_code == 201


def test_who_may_not_write_the_record_attaches_nothing(pair, anonymous, incident):
    demo = pair.credentials.servicenow
    anonymous.login(demo.no_role_username, demo.no_role_password)

    assert upload(anonymous, incident).status_code == 404
    assert pair.servicenow.rows("sys_attachment") == []


def test_a_file_leaves_the_stamps_of_its_record_alone(api, pair, incident, clock):
    before = pair.servicenow.rows("incident", sys_id=incident)[0]
    clock.advance(seconds=60)
    upload(api, incident)

    assert pair.servicenow.rows("incident", sys_id=incident) == [before]


def test_a_row_written_past_the_attachment_api_is_an_empty_file(api, pair, incident):
    row = pair.servicenow.platform.migrate(
        "sys_attachment", {"file_name": "lost.txt", "table_name": "incident", "table_sys_id": incident}
    )
    answer = api.call("GET", f"{FILES}/{row['sys_id']}/file")

    assert (answer.status_code, answer.content) == (200, b"")
