"""What people and programs say on a record: case comments, feed posts and tasks.

Source: Object Reference, "CaseComment", "FeedItem" and "Task".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
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
    from sync.sandbox.salesforce.saving import Save, Writer
    from sync.sandbox.salesforce.store import Row

MAX_COMMENT = 4000  # bytes in UTF-8, where every other text is measured in characters


def fixed(field: Field) -> Field:
    """Return a field that only a create may set."""
    return replace(field, updateable=False)


def limit_comment(save: Save, field: str = "CommentBody") -> None:
    body = str(save.get(field) or "")
    if len(body.encode()) > MAX_COMMENT:
        raise Refusal(
            "STRING_TOO_LONG",
            f"Body: data value too large: {body[:255]} (max length={MAX_COMMENT})",
            field,
        )


def touch_case(writer: Writer, comment: Row) -> None:
    """Move the case's system stamp alone, unless the org does not."""
    org = writer.org
    case = org.row(comment.values[org.tables["CaseComment"].slots["ParentId"]])
    if case is not None and org.dialect.comments_touch_case:
        writer.revise("Case", case, {"SystemModstamp": org.now()})


def close_task(save: Save) -> None:
    closed = save.get("Status") == "Completed"
    if closed != bool(save.get("IsClosed")):
        save.set("IsClosed", closed)
        save.set("CompletedDateTime", save.now if closed else None)


register(
    SObject(
        name="CaseComment",
        label="Case Comment",
        plural="Case Comments",
        prefix="00a",
        before_save=limit_comment,
        after_insert=touch_case,
        deletable=False,  # without "Modify All Data"
        fields=(
            ID,
            fixed(
                reference("ParentId", "Parent Case ID", "Case", nillable=False, on_delete=OnDelete.CASCADE)
            ),
            fixed(Field("CommentBody", "Body", "textarea", MAX_COMMENT, long=True)),
            flag("IsPublished", "Published"),
            *AUDIT,
        ),
    ),
    SObject(
        name="FeedItem",
        label="Feed Item",
        plural="Feed Items",
        prefix="0D5",
        fields=(
            ID,
            fixed(
                reference(
                    "ParentId",
                    "Parent ID",
                    "Case",
                    "Account",
                    "Contact",
                    "Asset",
                    "Opportunity",
                    "User",
                    nillable=False,
                    on_delete=OnDelete.CASCADE,
                )
            ),
            fixed(
                picklist("Type", "Feed Item Type", "TextPost", "LinkPost", "ContentPost", default="TextPost")
            ),
            text("Title", "Title"),
            Field("Body", "Body", "textarea", 10_000, long=True),
            picklist("Visibility", "Visibility", "AllUsers", "InternalUsers", default="AllUsers"),
            *AUDIT,
        ),
    ),
    SObject(
        name="Task",
        label="Task",
        plural="Tasks",
        prefix="00T",
        before_save=close_task,
        fields=(
            ID,
            reference(
                "WhatId",
                "Related To ID",
                "Case",
                "Account",
                "Asset",
                "Opportunity",
                on_delete=OnDelete.CASCADE,
            ),
            reference("WhoId", "Name ID", "Contact", on_delete=OnDelete.CLEAR),
            text("Subject", "Subject"),
            picklist(
                "Status",
                "Status",
                "Not Started",
                "In Progress",
                "Completed",
                "Waiting on someone else",
                "Deferred",
                default="Not Started",
            ),
            picklist("Priority", "Priority", "High", "Normal", "Low", default="Normal"),
            Field("ActivityDate", "Due Date Only", "date"),
            Field("Description", "Description", "textarea", 32_000, long=True),
            read_only(flag("IsClosed", "Closed")),
            read_only(Field("CompletedDateTime", "Completed Date/Time", "datetime")),
            reference("OwnerId", "Assigned To ID", "User", nillable=False, defaulted=True),
            *AUDIT,
        ),
    ),
)
