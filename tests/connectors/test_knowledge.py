"""Articles of either platform as one record each, whatever happens to their versions and to our calls."""

from __future__ import annotations

from itertools import product
from typing import Any

from sync.connectors.salesforce.connector import SalesforceConnector
from sync.connectors.servicenow.connector import ServiceNowConnector
from sync.core.records import CHANGED_SINCE, ChangeQuery, Operation, Reply, Write, WriteResult
from sync.sandbox.pair import Pair

KAV, KB = "Knowledge__kav", "kb_knowledge"
NAME = "0" * 31 + "a"
FIELDS = ("Title", "PublishStatus", "DataCategories")
NEW = {"Title": "Reset a password", "UrlName": NAME, "DataCategories": "Topics.Access"}
LOST = ("reset_before", "reset_after")
DRAFTS, STATUS = r"sobjects/Knowledge__kav$", r"masterVersions/"


def create(salesforce: SalesforceConnector, **more: Any) -> WriteResult:
    (result,) = salesforce.write(KAV, [Write("1", Operation.CREATE, {**NEW, **more})])
    return result


def update(salesforce: SalesforceConnector, id: str, **values: Any) -> WriteResult:
    (result,) = salesforce.write(KAV, [Write("1", Operation.UPDATE, values, id)])
    return result


def shown(salesforce: SalesforceConnector, id: str) -> tuple[Any, ...]:
    return tuple(salesforce.read(KAV, [id], FIELDS, "ArticleNumber")[id].values[name] for name in FIELDS)


def versions(pair: Pair) -> list[tuple[str, str, int]]:
    rows = pair.salesforce.rows(KAV)
    return [(row["Title"], row["PublishStatus"], row["VersionNumber"]) for row in rows]


def test_an_article_is_created_published_edited_as_a_new_version_and_archived(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    made = create(salesforce)
    assert (made.reply, made.created, made.id[:3]) == (Reply.DONE, True, "kA0")
    assert shown(salesforce, made.id) == ("Reset a password", "Online", "Topics.Access")

    assert update(salesforce, made.id, Title="Reset it", DataCategories="Topics.VPN").reply is Reply.DONE
    assert shown(salesforce, made.id) == ("Reset it", "Online", "Topics.VPN")
    assert versions(pair) == [("Reset a password", "Archived", 1), ("Reset it", "Online", 2)]

    assert update(salesforce, made.id, PublishStatus="Archived").reply is Reply.DONE
    assert shown(salesforce, made.id)[1] == "Archived"
    assert update(salesforce, made.id, PublishStatus="Online", Title="Back").reply is Reply.DONE
    assert shown(salesforce, made.id) == ("Back", "Online", "Topics.VPN")


def test_what_is_withdrawn_is_not_published_once_more(pair: Pair, salesforce: SalesforceConnector) -> None:
    made = create(salesforce)
    result = update(salesforce, made.id, PublishStatus="Archived", Title="For managers only")
    assert (result.reply, result.left_out) == (Reply.DONE, ("Title",))
    assert versions(pair) == [("Reset a password", "Archived", 1)]


def test_a_create_that_breaks_off_anywhere_makes_one_article_when_it_is_repeated(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    for number, (kind, path) in enumerate(product(LOST, (DRAFTS, STATUS, "composite/sobjects"))):
        name = f"{number:032x}"
        pair.salesforce.fault(kind, path=path)
        assert create(salesforce, UrlName=name).reply in (Reply.UNKNOWN, Reply.UNSENT)
        again = create(salesforce, UrlName=name)
        if again.reply is Reply.REFUSED:
            assert again.refusal is not None
            assert again.refusal.code == "DUPLICATE_VALUE"
        (found,) = salesforce.find(KAV, "UrlName", [name], FIELDS, "ArticleNumber")[name]
        assert shown(salesforce, found.id) == ("Reset a password", "Online", "Topics.Access")
        assert len(pair.salesforce.rows("Knowledge__ka")) == len(pair.salesforce.rows(KAV)) == number + 1


def test_a_key_with_a_prefix_is_a_name_in_urls_and_read_as_it_was_given(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    key = f"{'c' * 32}:{NAME}"
    made = create(salesforce, UrlName=key)
    assert [row["UrlName"] for row in pair.salesforce.rows(KAV)] == [key.replace(":", "-")]
    (found,) = salesforce.find(KAV, "UrlName", [key], FIELDS, "ArticleNumber")[key]
    assert (found.id, found.values["UrlName"]) == (made.id, key)
    assert list(salesforce.keys(KAV, "UrlName", "", "")) == [(key, made.id)]


def test_a_draft_that_never_went_online_is_not_found_by_its_key(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    pair.salesforce.add(KAV, Title="Mine", UrlName=NAME)
    assert salesforce.find(KAV, "UrlName", [NAME], FIELDS, "ArticleNumber") == {}
    assert create(salesforce).refusal.code == "DRAFT_IN_PROGRESS"  # type: ignore[union-attr]


def test_an_update_that_breaks_off_anywhere_is_whole_when_it_is_repeated(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    id, expected = create(salesforce).id, [("Reset a password", "Online", 1)]
    for number, (kind, path) in enumerate(
        product(LOST, (r"masterVersions$", r"sobjects/Knowledge__kav/", STATUS))
    ):
        title = f"Title {number}"
        pair.salesforce.fault(kind, path=path)
        assert update(salesforce, id, Title=title).reply in (Reply.UNKNOWN, Reply.UNSENT)
        done = (kind, path) == ("reset_after", STATUS)
        assert (shown(salesforce, id)[0] == title) is done
        if not done:
            assert update(salesforce, id, Title=title).reply is Reply.DONE
        expected = [(held, "Archived", version) for held, _, version in expected]
        expected.append((title, "Online", number + 2))
        assert versions(pair) == expected


def test_somebody_elses_draft_is_left_alone(pair: Pair, salesforce: SalesforceConnector) -> None:
    id = create(salesforce).id
    update(salesforce, id, PublishStatus="Draft", Title="Half written")
    (draft,) = [row for row in pair.salesforce.rows(KAV) if row["PublishStatus"] == "Draft"]
    pair.salesforce.edit(KAV, draft["Id"], by="abel.tuter", Title="Half written by Abel")

    refused = update(salesforce, id, Title="New")
    assert refused.refusal.code == "DRAFT_IN_PROGRESS"  # type: ignore[union-attr]
    assert shown(salesforce, id)[0] == "Reset a password"


def test_a_conditional_update_does_not_go_over_a_newer_version(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    id = create(salesforce).id
    read = salesforce.read(KAV, [id], FIELDS, "ArticleNumber")[id]
    older = read.version.edited_at.replace(year=read.version.edited_at.year - 1)
    seen = type(read.version)(older, older)
    (result,) = salesforce.write(KAV, [Write("1", Operation.UPDATE, {"Title": "New"}, id, seen)])
    assert result.refusal.code == CHANGED_SINCE  # type: ignore[union-attr]


def test_changes_and_counts_tell_of_articles_not_of_versions(
    pair: Pair, salesforce: SalesforceConnector
) -> None:
    id = create(salesforce).id
    update(salesforce, id, Title="New")
    (page,) = salesforce.changes(ChangeQuery(KAV, FIELDS, "ArticleNumber"))
    assert [(record.id, record.values["Title"]) for record in page.records] == [(id, "New")]
    assert salesforce.count(KAV, "") == salesforce.tally(KAV, "", None, None).count == 1
    assert list(salesforce.keys(KAV, "UrlName", "", "")) == [(NAME, id)]
    assert salesforce.matching(KAV, "Title = 'New'", [id]) == {id}
    assert salesforce.describe(KAV).fields["UrlName"].unique


# ServiceNow


def article(pair: Pair, **fields: Any) -> dict[str, Any]:
    return pair.servicenow.add(KB, **{"workflow_state": "published", "short_description": "VPN", **fields})


def changed(servicenow: ServiceNowConnector, **more: Any) -> list[tuple[str, str]]:
    query = ChangeQuery(KB, ("short_description",), "number", **more)
    return [
        (record.id, record.values["short_description"])
        for page in servicenow.changes(query)
        for record in page.records
    ]


def test_one_row_stands_for_an_article_drafts_and_outdated_versions_do_not(
    pair: Pair, servicenow: ServiceNowConnector
) -> None:
    first = article(pair)
    id = first["article_id"]
    draft = pair.servicenow.add(KB, article_id=id, short_description="VPN, new")
    assert changed(servicenow) == [(id, "VPN")]
    assert servicenow.read(KB, [id], ("short_description",), "number")[id].number == first["number"]

    pair.servicenow.edit(KB, draft["sys_id"], workflow_state="published")
    assert changed(servicenow) == [(id, "VPN, new")]
    pair.servicenow.edit(KB, draft["sys_id"], workflow_state="retired")
    assert changed(servicenow) == [(id, "VPN, new")]
    assert servicenow.count(KB, "") == servicenow.tally(KB, "", None, None).count == 1
    assert servicenow.matching(KB, "workflow_state=retired", [id]) == {id}
    (named,) = servicenow.find(KB, "number", [first["number"]], (), "number")[first["number"]]
    assert named.id == id


def test_of_two_published_versions_the_newer_one_stands(pair: Pair, servicenow: ServiceNowConnector) -> None:
    first = article(pair)
    id = first["article_id"]
    article(pair, article_id=id, short_description="VPN, new")
    pair.servicenow.platform.migrate(KB, {"sys_id": first["sys_id"], "workflow_state": "published"})
    assert changed(servicenow) == [(id, "VPN, new")]


def test_articles_are_not_written_to_servicenow(pair: Pair, servicenow: ServiceNowConnector) -> None:
    (result,) = servicenow.write(KB, [Write("1", Operation.UPDATE, {"short_description": "x"}, "a" * 32)])
    assert result.refusal.code == "READ_ONLY"  # type: ignore[union-attr]
