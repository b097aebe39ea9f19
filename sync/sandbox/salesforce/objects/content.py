"""Files: a document, its versions, and where it is shown.

Source: Object Reference, "ContentVersion", "ContentDocument" and "ContentDocumentLink".
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.activity import fixed
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
    from sync.sandbox.salesforce.store import Row, Stored

_PLACES = ("Account", "Case", "Contact", "User", "ContentWorkspace")
_OF_DOCUMENT = ("Title", "FileExtension", "FileType", "ContentSize", "OwnerId")


def measure(save: Save) -> None:
    """Derive what the bytes and the name of a new version tell."""
    if not save.is_new:
        return
    data = base64.b64decode(str(save.get("VersionData") or ""))
    path = PurePath(str(save.get("PathOnClient") or ""))
    extension = path.suffix.lstrip(".")
    save.set("Title", save.get("Title") or path.stem)
    save.set("FileExtension", extension or None)
    save.set("FileType", extension.upper() or "UNKNOWN")
    save.set("ContentSize", len(data))
    save.set("Checksum", hashlib.md5(data, usedforsecurity=False).hexdigest())
    save.set("IsLatest", True)
    save.set("VersionNumber", "1")


def publish(writer: Writer, version: Row) -> None:
    """Make the document of a first version and show it, or take the place of the version before."""
    slots = writer.org.tables["ContentVersion"].slots

    def get(name: str) -> Stored:
        return version.values[slots[name]]

    document: dict[str, Stored] = {name: get(name) for name in _OF_DOCUMENT}
    document["LatestPublishedVersionId"] = get("Id")
    if get("ContentDocumentId") is not None:
        _succeed(writer, version, document)
        return
    made = writer.put("ContentDocument", document)
    writer.revise("ContentVersion", version, {"ContentDocumentId": made.values[0]})
    places = {get("OwnerId"): "I"}
    if get("FirstPublishLocationId") is not None:
        places[get("FirstPublishLocationId")] = "V"
    for place, share in places.items():
        writer.put(
            "ContentDocumentLink",
            {
                "ContentDocumentId": made.values[0],
                "LinkedEntityId": place,
                "ShareType": share,
                "Visibility": "AllUsers",
            },
        )


def _succeed(writer: Writer, version: Row, document: dict[str, Stored]) -> None:
    table = writer.org.tables["ContentVersion"]
    document_id = version.values[table.slots["ContentDocumentId"]]
    older = [
        row
        for row in table.rows.values()
        if row is not version and row.values[table.slots["ContentDocumentId"]] == document_id
    ]
    for row in older:
        if row.values[table.slots["IsLatest"]]:
            writer.revise("ContentVersion", row, {"IsLatest": False})
    writer.revise("ContentVersion", version, {"VersionNumber": str(len(older) + 1)})
    made = writer.org.row(document_id)
    if made is not None:
        writer.revise("ContentDocument", made, {**document, "SystemModstamp": writer.org.now()})


register(
    SObject(
        name="ContentVersion",
        label="Content Version",
        plural="Content Versions",
        prefix="068",
        before_save=measure,
        after_insert=publish,
        deletable=False,  # its document is deleted instead
        fields=(
            ID,
            fixed(
                reference(
                    "ContentDocumentId", "ContentDocument ID", "ContentDocument", on_delete=OnDelete.CASCADE
                )
            ),
            text("Title", "Title", nillable=False, defaulted=True, name_field=True),
            fixed(text("PathOnClient", "Path On Client", 500, nillable=False)),
            fixed(Field("VersionData", "Version Data", "base64", nillable=False, long=True)),
            fixed(reference("FirstPublishLocationId", "First Publish Location ID", *_PLACES)),
            text("ReasonForChange", "Reason For Change", 1000),
            Field("Description", "Description", "textarea", 1000),
            read_only(text("VersionNumber", "Version Number", 20)),
            read_only(flag("IsLatest", "Is Latest")),
            read_only(Field("ContentSize", "Size", "int")),
            read_only(text("FileExtension", "File Extension", 40)),
            read_only(text("FileType", "File Type", 20)),
            read_only(text("Checksum", "Checksum", 50)),
            reference("OwnerId", "Owner ID", "User", nillable=False, defaulted=True),
            *AUDIT,
        ),
    ),
    SObject(
        name="ContentDocument",
        label="Content Document",
        plural="Content Documents",
        prefix="069",
        createable=False,
        fields=(
            ID,
            text("Title", "Title", nillable=False, name_field=True),
            read_only(reference("LatestPublishedVersionId", "Latest Published Version ID", "ContentVersion")),
            read_only(Field("ContentSize", "Size", "int")),
            read_only(text("FileExtension", "File Extension", 40)),
            read_only(text("FileType", "File Type", 20)),
            reference("OwnerId", "Owner ID", "User", nillable=False, defaulted=True),
            *AUDIT,
        ),
    ),
    SObject(
        name="ContentDocumentLink",
        label="Content Document Link",
        plural="Content Document Links",
        prefix="06A",
        must_filter_by=("ContentDocumentId", "LinkedEntityId"),
        fields=(
            ID,
            fixed(
                reference(
                    "ContentDocumentId",
                    "ContentDocument ID",
                    "ContentDocument",
                    nillable=False,
                    on_delete=OnDelete.CASCADE,
                )
            ),
            fixed(
                reference(
                    "LinkedEntityId", "Linked Entity ID", *_PLACES, nillable=False, on_delete=OnDelete.CASCADE
                )
            ),
            picklist("ShareType", "Share Type", "V", "C", "I", default="V"),
            picklist(
                "Visibility", "Visibility", "AllUsers", "InternalUsers", "SharedUsers", default="AllUsers"
            ),
            *AUDIT,
        ),
    ),
)
