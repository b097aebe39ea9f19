"""JSON, XML and gzip on the wire, and what is refused of them."""

import base64
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.sandbox.servicenow.formats import body_of, in_format
from sync.sandbox.wire import BadJson, Request, Response

INCIDENTS = "/api/now/table/incident"
XML = {"Accept": "application/xml", "Content-Type": "application/xml"}


def read(answer):
    assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    return ET.fromstring(answer.content)  # noqa: S314 - the sandbox's own answer


def test_a_list_is_one_element_for_each_row(api, pair):
    beth = pair.servicenow.rows("sys_user", user_name="beth.anglin")[0]
    pair.servicenow.add("incident", short_description="VPN <drops> & returns", assigned_to=beth["sys_id"])
    pair.servicenow.add("incident", short_description="Printer")
    params = {
        "sysparm_fields": "short_description,assigned_to,assigned_to.email",
        "sysparm_query": "ORDERBYnumber",
    }

    root = read(api.call("GET", INCIDENTS, params=params, headers=XML))

    first, second = root.findall("result")
    assert root.tag == "response"
    assert first.findtext("short_description") == "VPN <drops> & returns"
    assert first.findtext("assigned_to/value") == beth["sys_id"]
    assert first.find("assigned_to.email").text == beth["email"]
    assert second.find("assigned_to").text is None


def test_a_record_may_be_written_in_xml_and_answered_in_json(api, pair):
    body = (
        "<request><entry><short_description>VPN &lt;drops&gt;</short_description><urgency>1</urgency></entry>"
        "<entry><short_description>Never read</short_description></entry></request>"
    )
    headers = {"Content-Type": "application/xml", "Accept": "application/json"}

    created = api.call("POST", INCIDENTS, data=body, headers=headers)

    assert created.status_code == 201
    row = created.json()["result"]
    assert (row["short_description"], row["urgency"]) == ("VPN <drops>", "1")
    update = (
        f"<request><entry><caller_id><value>{row['opened_by']['value']}</value></caller_id></entry></request>"
    )
    changed = read(api.call("PATCH", f"{INCIDENTS}/{row['sys_id']}", data=update, headers=XML))
    assert changed.findtext("result/caller_id/value") == row["opened_by"]["value"]
    assert len(pair.servicenow.rows("incident")) == 1


def test_refusals_come_in_the_format_asked_for(api, anonymous):
    missing = read(api.call("GET", f"{INCIDENTS}/{'0' * 32}", headers=XML))
    stranger = read(anonymous.call("GET", INCIDENTS, headers=XML))

    assert missing.findtext("error/message") == "No Record found"
    assert missing.findtext("status") == "failure"
    assert stranger.findtext("error/message") == "User Not Authenticated"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/xml;q=0.5, application/json", "json"),
        ("application/xml, application/json;q=0.5", "xml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "xml"),  # a browser
        ("*/*", "json"),
    ],
)
def test_the_caller_gets_what_they_like_best(api, accept, kind):
    answer = api.call("GET", INCIDENTS, headers={"Accept": accept})

    assert answer.headers["Content-Type"] == f"application/{kind};charset=UTF-8"


def test_other_formats_are_refused(api):
    assert api.call("GET", INCIDENTS, headers={"Accept": "text/html"}).status_code == 406
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert api.call("POST", INCIDENTS, data="a=b", headers=form).status_code == 415


def test_aggregates_and_imports_speak_xml_too(api, pair):
    pair.servicenow.add("incident", short_description="VPN")
    counted = read(api.call("GET", "/api/now/stats/incident?sysparm_count=true", headers=XML))
    body = "<request><entry><user_name>alice</user_name><email>alice@acme.example</email></entry></request>"
    staged = read(api.call("POST", "/api/now/import/imp_user", data=body, headers=XML))

    assert counted.findtext("result/stats/count") == "1"
    assert staged.findtext("result/status") == "inserted"
    assert [row["email"] for row in pair.servicenow.rows("sys_user", user_name="alice")] == [
        "alice@acme.example"
    ]


def test_an_item_of_a_batch_has_a_format_of_its_own(api, pair):
    row = pair.servicenow.add("incident", short_description="VPN")
    url = f"{INCIDENTS}/{row['sys_id']}?sysparm_fields=number"
    item = {
        "id": "1",
        "method": "GET",
        "url": url,
        "headers": [{"name": "Accept", "value": "application/xml"}],
    }

    answer = api.call(
        "POST", "/api/now/v1/batch", json={"batch_request_id": "1", "rest_requests": [item]}
    ).json()

    body = base64.b64decode(answer["serviced_requests"][0]["body"])
    assert ET.fromstring(body).findtext("result/number") == row["number"]  # noqa: S314 - as above


def test_a_file_is_sent_as_it_is_whatever_is_accepted(api, pair):
    row = pair.servicenow.add("incident", short_description="With a file")
    params = {"file_name": "a.json", "table_name": "incident", "table_sys_id": row["sys_id"]}
    kind = {"Content-Type": "application/json"}
    stored = api.call("POST", "/api/now/attachment/file", params=params, data=b'{"a": 1}', headers=kind)

    sys_id = stored.json()["result"]["sys_id"]
    assert api.call("GET", f"/api/now/attachment/{sys_id}/file", headers=XML).content == b'{"a": 1}'


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE r [<!ENTITY a "boom">]><request><entry><short_description>&a;</short_description></entry></request>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><request><entry><u>&a;</u></entry></request>',
        '<!DOCTYPE r SYSTEM "https://example.com/r.dtd"><request><entry><short_description/></entry></request>',
        "<request><entry><short_description>&undefined;</short_description></entry></request>",
        "<request><entry><short_description>cut off",
        "<entry><short_description>no request</short_description></entry>",
        "<request></request>",
        "<a>" * 400 + "</a>" * 400,
        "not xml",
    ],
)
def test_xml_that_is_no_record_or_brings_entities_is_refused(api, pair, body):
    answer = api.call("POST", INCIDENTS, data=body, headers=XML)

    assert answer.status_code == 400
    assert read(answer).findtext("error/message") == "Exception while reading request"
    assert pair.servicenow.rows("incident") == []


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(), min_size=1))
def test_what_is_answered_in_xml_can_be_read_and_says_the_same(fields):
    """Of any text, only what XML 1.0 cannot write is lost, and line ends become one."""
    request = Request.build("GET", INCIDENTS, headers=XML)
    answer = in_format(request, lambda request: Response.json({"result": fields}))
    written = answer.body.replace(b"response>", b"request>").replace(b"result>", b"entry>")

    given_back = body_of(Request.build("POST", INCIDENTS, headers=XML, body=written))

    assert set(given_back) == set(fields)
    for name, text in fields.items():
        fit = "".join(
            each for each in text if each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff")
        )
        assert given_back[name] == fit.replace("\r\n", "\n").replace("\r", "\n")


@given(st.text(min_size=1))
def test_text_that_is_no_xml_is_refused_and_breaks_nothing(text):
    with pytest.raises(BadJson):
        body_of(Request.build("POST", INCIDENTS, headers=XML, body=text.encode()))


def test_long_answers_are_compressed_for_those_who_accept_it(api, pair):
    for number in range(5):
        pair.servicenow.add("incident", short_description=f"Number {number}")

    packed = api.call("GET", INCIDENTS, headers={"Accept-Encoding": "gzip, deflate"}, stream=True)
    plain = api.call("GET", INCIDENTS, headers={"Accept-Encoding": "identity"})
    refused = api.call("GET", INCIDENTS, headers={"Accept-Encoding": "gzip;q=0"})
    short = api.call("GET", f"{INCIDENTS}?sysparm_fields=number")

    raw = packed.raw.read()
    assert packed.headers["Content-Encoding"] == "gzip"
    assert raw[:2] == b"\x1f\x8b"
    assert int(packed.headers["Content-Length"]) == len(raw) < len(plain.content) / 3
    assert "Content-Encoding" not in {**plain.headers, **refused.headers, **short.headers}
    assert api.call("GET", INCIDENTS).json() == plain.json()


def test_head_answers_as_get_without_a_body(api, pair):
    pair.servicenow.add("incident", short_description="VPN")

    answer = api.call("HEAD", INCIDENTS)

    assert (answer.status_code, answer.content, answer.headers["X-Total-Count"]) == (200, b"", "1")
