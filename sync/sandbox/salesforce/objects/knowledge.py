"""Knowledge: an article, its versions, and the data categories of a version.

Source: Salesforce Knowledge Developer Guide, "Knowledge__kav", "Knowledge__ka", "Knowledge__DataCategorySelection",
"Manage Knowledge with REST API": only drafts can be written, an article has one draft at most, and publishing one takes
the place of the version before. The custom fields are those that the recipe asks for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.activity import fixed
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import (
    AUDIT,
    ID,
    Field,
    OnDelete,
    SObject,
    flag,
    picklist,
    read_only,
    reference,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.sandbox.salesforce.saving import Save, Writer
    from sync.sandbox.salesforce.store import Row, Stored, Table

VERSIONS, ARTICLES, CATEGORIES = "Knowledge__kav", "Knowledge__ka", "Knowledge__DataCategorySelection"
DRAFT, ONLINE, ARCHIVED = "Draft", "Online", "Archived"
LANGUAGE = "en_US"
LONGEST_BODY = 131_072  # characters of a rich text area
# Letters, digits and hyphens, no hyphen at either end.
_URL_NAME = re.compile(r"[^\W_]+(?:-+[^\W_]+)*")
# What a new draft does not take over from the version that it is a copy of.
_OWN = frozenset(
    {"Id", "PublishStatus", "IsLatestVersion", "VersionNumber", "ArchivedDate", "LastPublishedDate"}
)


def derive(save: Save) -> None:
    """Refuse a version that is no draft, and a name in URLs that another article has."""
    if save.is_new:
        save.set("PublishStatus", DRAFT)
        save.set("IsLatestVersion", True)
        save.set("VersionNumber", 0)
        save.set("ArticleNumber", f"{save.org.next_number(VERSIONS):09d}")
    elif save.get("PublishStatus") != DRAFT:
        raise Refusal("INSUFFICIENT_ACCESS_OR_READONLY", "You can only update draft versions of an article.")
    if not _URL_NAME.fullmatch(str(save.get("UrlName"))):
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION",
            "The URL Name can only contain letters, numbers and hyphens, and can't begin or end with a hyphen.",
            "UrlName",
        )
    _refuse_taken(save)


def _refuse_taken(save: Save) -> None:
    name, language = str(save.get("UrlName")).lower(), save.get("Language")
    slots, mine = save.table.slots, save.get("KnowledgeArticleId")
    for row in _living(save.table):
        same = str(row.values[slots["UrlName"]]).lower() == name and row.values[slots["Language"]] == language
        if same and row.values[slots["KnowledgeArticleId"]] != mine:
            raise Refusal(
                "DUPLICATE_VALUE",
                "duplicate value found: <unknown> duplicates value on record with id: <unknown>",
            )


def found_article(writer: Writer, version: Row) -> None:
    """Make the article of a first version."""
    slots = writer.org.tables[VERSIONS].slots
    fields: dict[str, Stored] = {
        "ArticleNumber": version.values[slots["ArticleNumber"]],
        "MasterLanguage": version.values[slots["Language"]],
    }
    article = writer.put(ARTICLES, fields)
    born = {
        "KnowledgeArticleId": article.values[0],
        "ArticleCreatedDate": version.values[slots["CreatedDate"]],
        "ArticleCreatedById": version.values[slots["CreatedById"]],
    }
    writer.revise(VERSIONS, version, born)


def only_of_drafts(save: Save) -> None:
    version = save.org.row(save.get("ParentId"))
    slots = save.org.tables[VERSIONS].slots
    if version is not None and version.values[slots["PublishStatus"]] != DRAFT:
        raise Refusal(
            "INSUFFICIENT_ACCESS_OR_READONLY", "Only a draft version can be categorised.", "ParentId"
        )


# What the publishing resource does


def draft_of(writer: Writer, article_id: str) -> Row:
    """Copy the online version, or else the latest archived one, as a draft. Raises Refusal."""
    table = writer.org.tables[VERSIONS]
    versions = {status: _version(table, article_id, status) for status in (DRAFT, ONLINE, ARCHIVED)}
    if versions[DRAFT] is not None:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "This article already has a draft version.")
    origin = versions[ONLINE] or versions[ARCHIVED]
    if origin is None:
        raise Refusal("NOT_FOUND", "The requested resource does not exist")
    names = {field.name for field in table.sobject.fields} - _OWN - {field.name for field in AUDIT}
    copied: dict[str, Stored] = {name: origin.values[table.slots[name]] for name in names}
    draft = writer.put(
        VERSIONS, {**copied, "PublishStatus": DRAFT, "IsLatestVersion": False, "VersionNumber": 0}
    )
    for selection in _selections(writer, origin):
        slots = writer.org.tables[CATEGORIES].slots
        kept = {name: selection.values[slots[name]] for name in ("DataCategoryGroupName", "DataCategoryName")}
        writer.put(CATEGORIES, {**kept, "ParentId": draft.values[0]})
    return draft


def publish(writer: Writer, version: Row, *, next_version: bool) -> None:
    """Put a draft online in the place of the version before, which is kept as archived if the number rises."""
    table = writer.org.tables[VERSIONS]
    _expect(table, version, DRAFT)
    article_id, now = str(version.values[table.slots["KnowledgeArticleId"]]), writer.org.now()
    before = _version(table, article_id, ONLINE) or _version(table, article_id, ARCHIVED)
    number = 0
    if before is not None:
        number = int(before.values[table.slots["VersionNumber"]] or 0)
        kept = next_version or before.values[table.slots["PublishStatus"]] == ARCHIVED
        gone: dict[str, Stored] = {"PublishStatus": ARCHIVED, "IsLatestVersion": False, "IsDeleted": not kept}
        writer.revise(VERSIONS, before, gone)
    online: dict[str, Stored] = {
        "PublishStatus": ONLINE, "IsLatestVersion": True, "LastPublishedDate": now,
        "VersionNumber": number + 1 if next_version or not number else number,
    }  # fmt: skip
    writer.amend(table, version, online)
    _tell_article(writer, article_id, {"LastPublishedDate": now, "ArchivedDate": None})


def archive(writer: Writer, version: Row) -> None:
    table = writer.org.tables[VERSIONS]
    _expect(table, version, ONLINE)
    article_id, now = str(version.values[table.slots["KnowledgeArticleId"]]), writer.org.now()
    if _version(table, article_id, DRAFT) is not None:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "An article with a draft can't be archived.")
    writer.amend(table, version, {"PublishStatus": ARCHIVED, "ArchivedDate": now})
    _tell_article(writer, article_id, {"ArchivedDate": now})


def _tell_article(writer: Writer, article_id: str, fields: dict[str, Stored]) -> None:
    article = writer.org.row(article_id)
    if article is not None:
        writer.revise(ARTICLES, article, fields)


def _expect(table: Table, version: Row, status: str) -> None:
    if version.values[table.slots["PublishStatus"]] != status:
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", f"The article version is not {status.lower()}.")


def _version(table: Table, article_id: str, status: str) -> Row | None:
    """The version in that status; of archived ones the latest."""
    slots = table.slots
    return next(
        (
            row
            for row in _living(table)
            if row.values[slots["KnowledgeArticleId"]] == article_id
            and row.values[slots["PublishStatus"]] == status
            and (status != ARCHIVED or row.values[slots["IsLatestVersion"]])
        ),
        None,
    )


def _living(table: Table) -> Iterator[Row]:
    return (row for row in table.rows.values() if not row.values[table.deleted_slot])


def _selections(writer: Writer, version: Row) -> list[Row]:
    table = writer.org.tables[CATEGORIES]
    parent = table.slots["ParentId"]
    return [row for row in _living(table) if row.values[parent] == version.values[0]]


def _moment(name: str, label: str) -> Field:
    return read_only(Field(name, label, "datetime"))


register(
    SObject(
        name=VERSIONS,
        label="Knowledge",
        plural="Knowledge",
        prefix="ka0",
        before_save=derive,
        after_insert=found_article,
        fields=(
            ID,
            read_only(
                reference("KnowledgeArticleId", "Knowledge Article ID", ARTICLES, on_delete=OnDelete.CASCADE)
            ),
            read_only(text("ArticleNumber", "Article Number", 30, auto_number=True)),
            text("Title", "Title", nillable=False, name_field=True),
            text("UrlName", "URL Name", nillable=False),
            Field("Summary", "Summary", "textarea", 1000),
            Field("Article_Body__c", "Article Body", "textarea", LONGEST_BODY, long=True),
            read_only(
                picklist("PublishStatus", "Publication Status", DRAFT, ONLINE, ARCHIVED, default=DRAFT)
            ),
            read_only(Field("VersionNumber", "Version Number", "int")),
            read_only(flag("IsLatestVersion", "Is Latest Version")),
            fixed(picklist("Language", "Language", LANGUAGE, "de", "fr", default=LANGUAGE)),
            flag("IsVisibleInPkb", "Visible In Public Knowledge Base"),
            flag("IsVisibleInCsp", "Visible to Customer"),
            flag("IsVisibleInPrm", "Visible to Partner"),
            _moment("ArticleCreatedDate", "Article Created Date"),
            read_only(reference("ArticleCreatedById", "Article Created By ID", "User")),
            _moment("LastPublishedDate", "Last Published Date"),
            _moment("ArchivedDate", "Archived Date"),
            text("ServiceNow_Number__c", "ServiceNow Number", 40),
            Field("ServiceNow_URL__c", "ServiceNow URL", "url", 255),
            *AUDIT,
        ),
    ),
    SObject(
        name=ARTICLES,
        label="Knowledge Article",
        plural="Knowledge Articles",
        prefix="kA0",
        createable=False,
        updateable=False,
        fields=(
            ID,
            read_only(text("ArticleNumber", "Article Number", 30, auto_number=True, name_field=True)),
            read_only(text("MasterLanguage", "Master Language", 40)),
            _moment("LastPublishedDate", "Last Published Date"),
            _moment("ArchivedDate", "Archived Date"),
            *AUDIT,
        ),
    ),
    SObject(
        name=CATEGORIES,
        label="Data Category Selection",
        plural="Data Category Selections",
        prefix="02o",
        before_save=only_of_drafts,
        updateable=False,
        fields=(
            ID,
            fixed(reference("ParentId", "Parent ID", VERSIONS, nillable=False, on_delete=OnDelete.CASCADE)),
            fixed(text("DataCategoryGroupName", "Data Category Group", 80, nillable=False)),
            fixed(text("DataCategoryName", "Data Category", 80, nillable=False)),
            *AUDIT,
        ),
    ),
    SObject(
        name="ContentWorkspace",
        label="Library",
        plural="Libraries",
        prefix="058",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(text("Name", "Name", 255, name_field=True)),
            read_only(text("DeveloperName", "Unique Name", 80)),
            *AUDIT,
        ),
    ),
)
