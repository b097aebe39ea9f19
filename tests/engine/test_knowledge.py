"""Knowledge sharing: the shipped recipe over the sandbox pair, from the first publication to the last withdrawal."""

from __future__ import annotations

import base64
from datetime import timedelta
from itertools import product
from urllib.parse import urlencode

import pytest

from sync import services
from sync.engine.execute import execute
from sync.models import DeadLetter, Event, Flow, Intent, Picture, RecordLink, Run, Waiting
from sync.recipes import shipped
from sync.recipes.use import use_recipe
from sync.sandbox.pair import Pair
from sync.sandbox.wire import Request
from tests.engine.articles import KAV, KB, MASTERS, article, online
from tests.engine.conftest import run_now, salesforce, servicenow

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
DRAFTS, UPLOAD = "sobjects/Knowledge__kav$", "sobjects/ContentVersion$"


@pytest.fixture
def flow(transactional_db: None, pair: Pair) -> Flow:
    (made,) = use_recipe(
        recipe=shipped()["knowledge"], name="knowledge", servicenow=servicenow(pair), salesforce=salesforce(pair), by=None
    )  # fmt: skip
    Flow.objects.filter(pk=made.pk).update(enabled=True)
    services.publish_flow(flow=made, by=None)
    return Flow.objects.get(pk=made.pk)


def category(pair: Pair, label: str) -> str:
    return str(pair.servicenow.add("kb_category", by="admin", label=label)["sys_id"])


def put_inside(pair: Pair, version: str, content: bytes = PICTURE, kind: str = "image/png") -> str:
    """A picture inside the text of a version, as the editor keeps it."""
    held = pair.credentials.servicenow
    login = base64.b64encode(f"{held.username}:{held.password}".encode()).decode()
    place = urlencode({"table_name": KB, "table_sys_id": version, "file_name": "steps.png"})
    headers = {"Authorization": f"Basic {login}", "Content-Type": kind}
    request = Request.build("POST", f"/api/now/attachment/file?{place}", headers=headers, body=content)
    made = pair.servicenow.platform.handle(request).data()["result"]["sys_id"]
    pair.servicenow.platform.migrate("sys_attachment", {"sys_id": made, "table_name": f"ZZ_YY{KB}"})
    return str(made)


def versions(pair: Pair) -> list[tuple[str, str, int]]:
    rows = pair.salesforce.rows(KAV)
    return [(row["Title"], row["PublishStatus"], row["VersionNumber"]) for row in rows]


def went(run: Run) -> tuple[str, int, int, int]:
    return run.status, run.created, run.updated, run.failed


def test_an_article_goes_from_publication_by_a_new_version_to_its_retirement_and_back(flow, pair):
    first = article(pair, kb_category=category(pair, "Network"))
    article(pair, short_description="Still a draft", workflow_state="draft")

    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    (row,) = online(pair)
    assert (row["Title"], row["UrlName"], row["Article_Body__c"]) == ("Reset a password", first["article_id"], "<p>Ask.</p>")  # fmt: skip
    assert (row["ServiceNow_Number__c"], first["article_id"] in row["ServiceNow_URL__c"]) == (
        first["number"],
        True,
    )
    (selected,) = pair.salesforce.rows("Knowledge__DataCategorySelection")
    assert (selected["DataCategoryGroupName"], selected["DataCategoryName"]) == ("Topics", "Network")
    link = RecordLink.objects.get()
    assert (link.servicenow_id, link.salesforce_id) == (first["article_id"], row["KnowledgeArticleId"])
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)

    second = article(
        pair, article_id=first["article_id"], short_description="Reset it", workflow_state="draft"
    )
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)
    pair.servicenow.edit(KB, second["sys_id"], workflow_state="published")
    assert went(run_now(flow)) == ("succeeded", 0, 1, 0)
    assert versions(pair) == [("Reset a password", "Archived", 1), ("Reset it", "Online", 2)]

    pair.servicenow.edit(KB, second["sys_id"], workflow_state="retired")
    assert went(run_now(flow)) == ("succeeded", 0, 1, 0)
    assert online(pair) == []
    third = article(pair, article_id=first["article_id"], short_description="It is back")
    assert went(run_now(flow)) == ("succeeded", 0, 1, 0)
    assert [row["Title"] for row in online(pair)] == [third["short_description"]]
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)
    assert RecordLink.objects.count() == len(pair.salesforce.rows("Knowledge__ka")) == 1


def test_only_what_everybody_may_read_enters_and_what_is_given_readers_is_withdrawn_unread(flow, pair):
    article(pair, short_description="For managers", can_read_user_criteria="a" * 32)
    shared = article(pair)
    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    assert [row["Title"] for row in online(pair)] == ["Reset a password"]

    pair.servicenow.edit(KB, shared["sys_id"], can_read_user_criteria="a" * 32, text="<p>Secret</p>")
    run_now(flow)
    assert versions(pair) == [("Reset a password", "Archived", 1)]
    assert not any("Secret" in str(row["Article_Body__c"]) for row in pair.salesforce.rows(KAV))
    pair.servicenow.edit(KB, shared["sys_id"], can_read_user_criteria="")
    run_now(flow)
    (row,) = online(pair)
    assert row["Article_Body__c"] == "<p>Secret</p>"


def test_three_megabytes_with_scripts_in_them_arrive_clean_and_what_cannot_be_cleaned_is_a_dead_letter(
    flow, pair
):
    body = "<p>Hello</p><script>" + "steal(document.cookie);" * 130_000 + "</script><p onclick='x()'>Bye</p>"
    assert len(body) > 2_900_000
    big = article(pair)
    deep = article(pair, short_description="Too deep")
    pair.servicenow.platform.migrate(KB, {"sys_id": big["sys_id"], "text": body})
    pair.servicenow.platform.migrate(KB, {"sys_id": deep["sys_id"], "text": "<div>" * 100_000})

    assert went(run_now(flow)) == ("partial", 1, 0, 1)
    (row,) = online(pair)
    assert row["Article_Body__c"] == "<p>Hello</p><p>Bye</p>"
    letter = DeadLetter.objects.get()
    assert (letter.code, letter.record_number, bool(letter.advice)) == (
        "HTML_UNREADABLE",
        deep["number"],
        True,
    )

    pair.servicenow.edit(KB, deep["sys_id"], text="<p>Mended</p>")
    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    assert DeadLetter.objects.filter(closed_at=None).count() == 0


def test_a_text_too_long_for_the_field_is_cut_between_elements(flow, pair):
    long = article(pair)
    pair.servicenow.platform.migrate(KB, {"sys_id": long["sys_id"], "text": "<p>word word</p>" * 20_000})
    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    (row,) = online(pair)
    assert 131_000 < len(row["Article_Body__c"]) <= 131_072
    assert row["Article_Body__c"].endswith("</p>")
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)


def test_pictures_are_carried_once_and_shown_from_salesforce(flow, pair):
    first = article(pair)
    picture = put_inside(pair, first["sys_id"])
    shown = f'<p><img alt="Steps" src="sys_attachment.do?sys_id={picture}"></p>'
    pair.servicenow.edit(KB, first["sys_id"], text=shown * 2)

    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    (file,) = pair.salesforce.rows("ContentVersion")
    assert base64.b64decode(file["VersionData"]) == PICTURE
    (library,) = pair.salesforce.rows("ContentWorkspace")
    assert file["FirstPublishLocationId"] == library["Id"]
    (row,) = online(pair)
    there = f'<p><img alt="Steps" src="/sfc/servlet.shepherd/version/download/{file["Id"]}"></p>'
    assert row["Article_Body__c"] == there * 2

    article(pair, article_id=first["article_id"], short_description="Newer", text=shown)
    article(pair, short_description="Another", text=shown)
    assert went(run_now(flow)) == ("succeeded", 1, 1, 0)
    assert len(pair.salesforce.rows("ContentVersion")) == 1
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)


def test_a_picture_that_is_gone_is_left_out_and_told(flow, pair):
    article(pair, text=f'<p>See <img src="sys_attachment.do?sys_id={"b" * 32}"></p>')
    assert went(run_now(flow)) == ("succeeded", 1, 0, 0)
    (row,) = online(pair)
    assert row["Article_Body__c"] == "<p>See </p>"
    assert "A picture was left out" in str(Event.objects.latest("id").detail)
    assert went(run_now(flow)) == ("succeeded", 0, 0, 0)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_about_a_picture_makes_no_second_one(flow, pair, kind):
    made = article(pair, workflow_state="draft")
    picture = put_inside(pair, made["sys_id"])
    text = f'<img src="sys_attachment.do?sys_id={picture}">'
    pair.servicenow.edit(KB, made["sys_id"], text=text, workflow_state="published")
    pair.salesforce.fault(kind, path=UPLOAD)

    run_now(flow)
    if not online(pair):  # it is not sent again while the first request may still take effect
        assert Waiting.objects.count() == 1
        Picture.objects.update(at=Picture.objects.get().at - timedelta(hours=1))
        Waiting.objects.update(due_at=Waiting.objects.get().due_at - timedelta(hours=1))
        run_now(flow)

    assert len(pair.salesforce.rows("ContentVersion")) == len(online(pair)) == 1
    assert not Waiting.objects.exists()


def test_a_lost_answer_to_any_step_of_a_create_makes_one_article(flow, pair):
    for kind, path in product(("reset_before", "reset_after"), (DRAFTS, MASTERS)):
        title = f"{kind} {path}"
        article(pair, short_description=title)
        pair.salesforce.fault(kind, path=path)
        run_now(flow)
        run_now(flow)
        assert versions(pair)[-1] == (title, "Online", 1)
    assert RecordLink.objects.count() == len(pair.salesforce.rows("Knowledge__ka")) == 4
    assert not Intent.objects.exists()
    assert not Waiting.objects.exists()


def test_a_publication_that_is_refused_is_a_dead_letter_and_its_retry_goes_on_with_the_draft(flow, pair):
    article(pair)
    pair.salesforce.fault("status", status=400, path=MASTERS, times=1)
    assert went(run_now(flow))[3] == 1
    assert versions(pair) == [("Reset a password", "Draft", 0)]
    services.retry_dead_letters(letters=[DeadLetter.objects.get()], by=None)
    execute(Run.objects.latest("id").pk)
    assert versions(pair) == [("Reset a password", "Online", 1)]
    assert len(pair.salesforce.rows("Knowledge__ka")) == 1
