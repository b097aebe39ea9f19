"""What articles hold: images, words to be found by, and texts of any length."""

import base64

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def test_an_image_in_an_article_is_an_attachment_that_its_own_address_shows(api, pair):
    article = pair.servicenow.add("kb_knowledge", short_description="VPN")
    where = {"file_name": "vpn.png", "table_name": "kb_knowledge", "table_sys_id": article["sys_id"]}
    headers = {"Content-Type": "image/png"}
    made = api.call("POST", "/api/now/attachment/file", params=where, data=PIXEL, headers=headers).json()

    shown = api.call("GET", f"/sys_attachment.do?sys_id={made['result']['sys_id']}")

    assert (shown.status_code, shown.content) == (200, PIXEL)
    assert shown.headers["Content-Type"] == "image/png"


def test_an_image_of_another_address_is_not_shown_to_strangers(api, anonymous, pair):
    assert api.call("GET", f"/sys_attachment.do?sys_id={'0' * 32}").status_code == 404
    assert anonymous.call("GET", f"/sys_attachment.do?sys_id={'0' * 32}").status_code == 401


def test_words_find_articles_by_title_text_and_meta(api, pair):
    side = pair.servicenow
    side.add("kb_knowledge", short_description="VPN drops", text="<p>Renew the <b>certificate</b></p>")
    side.add("kb_knowledge", short_description="Mail", meta="outlook certificate")
    side.add("kb_knowledge", short_description="Printer", text="<p>Toner</p>")

    found = api.rows("kb_knowledge", "123TEXTQUERY321=certificate^workflow_state=draft")

    assert {row["short_description"] for row in found} == {"VPN drops", "Mail"}


def test_an_article_of_three_megabytes_is_kept_whole(api, pair):
    text = "<p>" + "long " * 600_000 + "</p><script>alert(1)</script>"

    article = pair.servicenow.add("kb_knowledge", short_description="Long", text=text)

    (row,) = api.rows("kb_knowledge", f"sys_id={article['sys_id']}", fields="text")
    assert row["text"] == text
