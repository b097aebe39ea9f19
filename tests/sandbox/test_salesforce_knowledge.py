"""Articles and their versions: draft, online, archived, and what each refuses."""

import pytest

from tests.sandbox.salesforce_org import BASE, InProcess, refusal

KAV = f"{BASE}/sobjects/Knowledge__kav"
MASTERS = f"{BASE}/knowledgeManagement/articleVersions/masterVersions"
ARTICLE = {"Title": "Reset a password", "UrlName": "reset-a-password", "Article_Body__c": "<p>Ask.</p>"}


@pytest.fixture
def org():
    return InProcess()


def made(org, **fields):
    answer = org.call("POST", KAV, {**ARTICLE, **fields})
    assert answer.status == 201, answer.body
    return answer.data()["id"]


def publish(org, version, **more):
    return org.call("PATCH", f"{MASTERS}/{version}", {"publishStatus": "online", **more})


def draft_of(org, article):
    return org.call("POST", MASTERS, {"articleId": article})


def row(org, version):
    return org.call("GET", f"{KAV}/{version}").data()


def statuses(org, article):
    found = org.records(
        "SELECT PublishStatus, VersionNumber, IsLatestVersion FROM Knowledge__kav "
        f"WHERE KnowledgeArticleId = '{article}' ORDER BY Id"
    )
    return [(each["PublishStatus"], each["VersionNumber"], each["IsLatestVersion"]) for each in found]


def test_an_article_is_born_a_draft_and_goes_online_as_version_one(org):
    version = made(org)
    assert version.startswith("ka0")
    article = row(org, version)["KnowledgeArticleId"]
    assert article.startswith("kA0")
    assert statuses(org, article) == [("Draft", 0, True)]
    assert publish(org, version).status == 204
    assert statuses(org, article) == [("Online", 1, True)]


def test_what_is_online_is_edited_through_a_draft_that_takes_its_place(org):
    version = made(org)
    publish(org, version)
    article = row(org, version)["KnowledgeArticleId"]
    assert refusal(org.call("PATCH", f"{KAV}/{version}", {"Title": "New"}))[0] == 400

    draft = draft_of(org, article).data()["id"]
    assert org.call("PATCH", f"{KAV}/{draft}", {"Title": "New"}).status == 204
    assert row(org, version)["Title"] == "Reset a password"
    publish(org, draft, versionNumber="NextVersion")
    assert statuses(org, article) == [("Archived", 1, False), ("Online", 2, True)]


def test_an_article_has_one_draft_at_a_time(org):
    version = made(org)
    assert refusal(draft_of(org, row(org, version)["KnowledgeArticleId"]))[0] == 400
    publish(org, version)
    assert draft_of(org, row(org, version)["KnowledgeArticleId"]).status == 201
    assert refusal(draft_of(org, row(org, version)["KnowledgeArticleId"]))[0] == 400


def test_a_name_in_urls_belongs_to_one_article(org):
    made(org)
    answer = org.call("POST", KAV, {**ARTICLE, "UrlName": "Reset-A-Password"})
    assert refusal(answer) == (400, "DUPLICATE_VALUE")
    assert refusal(org.call("POST", KAV, {**ARTICLE, "UrlName": "-x"}))[0] == 400


def test_an_archived_article_comes_back_as_a_draft(org):
    version = made(org)
    publish(org, version)
    article = row(org, version)["KnowledgeArticleId"]
    assert org.call("PATCH", f"{MASTERS}/{version}", {"publishStatus": "Archived"}).status == 204
    assert statuses(org, article) == [("Archived", 1, True)]
    draft = draft_of(org, article).data()["id"]
    publish(org, draft, versionNumber="NextVersion")
    assert statuses(org, article) == [("Archived", 1, False), ("Online", 2, True)]


def test_categories_belong_to_a_draft_and_are_copied_with_it(org):
    version = made(org)
    selection = {"ParentId": version, "DataCategoryGroupName": "Topics", "DataCategoryName": "Access"}
    create = f"{BASE}/sobjects/Knowledge__DataCategorySelection"
    assert org.call("POST", create, selection).status == 201
    publish(org, version)
    assert refusal(org.call("POST", create, {**selection, "DataCategoryName": "VPN"}))[0] == 400
    draft = draft_of(org, row(org, version)["KnowledgeArticleId"]).data()["id"]
    found = org.records(
        f"SELECT DataCategoryName FROM Knowledge__DataCategorySelection WHERE ParentId = '{draft}'"
    )
    assert [each["DataCategoryName"] for each in found] == ["Access"]


def test_the_settings_tell_the_language(org):
    assert org.call("GET", f"{BASE}/knowledgeManagement/settings").data()["defaultLanguage"] == "en_US"
