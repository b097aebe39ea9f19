"""An org's files: versions of documents, shown on records by links.

Source: Object Reference, "ContentVersion", "ContentDocument", "ContentDocumentLink"; REST guide, "Insert or Update Blob
Data": multipart takes up to 2 GB, JSON with base64 37.5 MB. Links can only be asked for by document or by record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.reading import all_rows, rows_by_key
from sync.connectors.streaming import Incoming, Outgoing
from sync.core.files import File, NewFile, Passing, Stored, safe_type
from sync.core.records import Side
from sync.errors import ConfigurationError, OutcomeUnknownError, RefusedError, SchemaError

_VERSION = (
    "Id", "ContentDocumentId", "Title", "FileExtension", "ContentSize", "Checksum", "IsLatest", "SystemModstamp",
)  # fmt: skip
_LINK = ("Id", "ContentDocumentId", "LinkedEntityId")
_NOT_THIS_FILE = ("INSUFFICIENT_ACCESS", "HTTP_403")  # a right that is missing for it, not for all
_PAGE = 200  # documents whose links are asked for at once


@dataclass(frozen=True, slots=True)
class SalesforceFiles:
    org: Org
    workers: Workers
    longest_name: int = 255  # of ContentVersion.Title

    def on(self, parents: Sequence[str]) -> list[File]:
        links = self._by_key("ContentDocumentLink", "LinkedEntityId", parents, _LINK)
        return self._shown(links)

    def by_id(self, ids: Sequence[str]) -> list[File]:
        return [_file(row, "") for row in self._by_key("ContentVersion", "Id", ids, _VERSION)]

    def since(self, name: str, at: datetime) -> Iterator[list[File]]:
        """Versions made at `at` or later, and documents shown on a record of `name` since, however old they are."""
        window = soql.within(at, None)
        made = all_rows(self.org, "ContentVersion", _VERSION, soql.both("IsLatest = true", window))
        while versions := list(islice(made, _PAGE)):
            documents = list(dict.fromkeys(row["ContentDocumentId"] for row in versions))
            yield _files(versions, self._by_key("ContentDocumentLink", "ContentDocumentId", documents, _LINK))
        placed = self._placed(soql.both(_on_any(name), window))
        while links := list(islice(placed, _PAGE)):
            yield self._shown(links)

    def _placed(self, condition: str) -> Iterator[dict[str, Any]]:
        """Nothing where the org does not let links be asked for by another query: what is shown in a further place
        is found with its next version then."""
        try:
            yield from all_rows(self.org, "ContentDocumentLink", _LINK, condition)
        except SchemaError as error:
            if error.code != "MALFORMED_QUERY":
                raise

    def open(self, id: str) -> Incoming:
        try:
            return self.org.download(f"sobjects/ContentVersion/{id}/VersionData")
        except SchemaError as error:
            if error.code in ("NOT_FOUND", "HTTP_404"):
                raise RefusedError(error.message, code="FILE_GONE", request_id=error.request_id) from error
            raise
        except ConfigurationError as error:
            if error.code in _NOT_THIS_FILE:
                raise RefusedError(
                    error.message, code="FILE_NOT_READABLE", request_id=error.request_id
                ) from error
            raise

    def add(self, name: str, parent: str, file: NewFile, content: Callable[[], Passing]) -> Stored:
        """Always as multipart: JSON would hold the file whole, a third larger, and ends at 37.5 MB."""
        boundary = secrets.token_hex(24)
        head, tail = _around(file, parent, boundary)
        kind = f'multipart/form-data; boundary="{boundary}"'
        try:
            answer = self.org.upload(
                "sobjects/ContentVersion",
                content,
                lambda opened: Outgoing(opened, file.size, head, tail),
                kind,
            )
        except ConfigurationError as error:
            if error.system == Side.SALESFORCE and error.code in _NOT_THIS_FILE:
                raise RefusedError(error.message, code=error.code, request_id=error.request_id) from error
            raise
        if not isinstance(answer, dict) or not answer.get("id"):
            raise OutcomeUnknownError("Salesforce answered no stored file.", code="bad_answer")
        return Stored(str(answer["id"]))

    def _shown(self, links: Sequence[dict[str, Any]]) -> list[File]:
        documents = list(dict.fromkeys(link["ContentDocumentId"] for link in links))
        return _files(self._by_key("ContentVersion", "ContentDocumentId", documents, _VERSION), links)

    def _by_key(
        self, table: str, key: str, keys: Sequence[str], names: Sequence[str]
    ) -> list[dict[str, Any]]:
        return rows_by_key(self.org, self.workers, table, key, keys, names) if keys else []


def _on_any(name: str) -> str:
    """Links of whatever record of an object: beside ids the one form in which everybody may ask for them."""
    return f"LinkedEntityId IN (SELECT Id FROM {soql.name(name)})"  # noqa: S608


def _around(file: NewFile, parent: str, boundary: str) -> tuple[bytes, bytes]:
    """What stands before and behind the bytes. The name goes into the JSON alone, where nothing of it can be taken
    for a line of a header."""
    stem, _, suffix = file.name.rpartition(".")
    title = stem if stem and suffix else file.name
    record = {"Title": title, "PathOnClient": file.name}
    record |= {"FirstPublishLocationId": parent} if parent else {}
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="entity_content"\r\n'
        f"Content-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(record)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="VersionData"; filename="file"\r\n'
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def _files(versions: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]) -> list[File]:
    """A file for each record that shows a version's document."""
    places: dict[str, list[str]] = {}
    for link in links:
        places.setdefault(link["ContentDocumentId"], []).append(link["LinkedEntityId"])
    return [_file(row, parent) for row in versions for parent in places.get(row["ContentDocumentId"], ())]


def _file(row: dict[str, Any], parent: str) -> File:
    try:
        title, suffix = row["Title"] or "", row["FileExtension"] or ""
        named = title if not suffix or title.lower().endswith(f".{suffix.lower()}") else f"{title}.{suffix}"
        return File(
            id=row["Id"],
            parent=parent,
            name=named,
            content_type=safe_type("", named),
            size=int(row["ContentSize"] or 0),
            md5=row["Checksum"] or "",
            added_at=datetime.fromisoformat(row["SystemModstamp"][:19]).replace(tzinfo=UTC),
            latest=bool(row["IsLatest"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"A ContentVersion came without a usable {error}.", code="INVALID_FIELD") from error
