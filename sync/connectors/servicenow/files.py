"""An instance's attachments: rows of sys_attachment, and their bytes by the Attachment API.

Source: ServiceNow documentation, "Attachment API". A row names its file's SHA-256 (`hash`), size and record, and is
never changed but for its name. A new one need not move its record's stamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sync.connectors.parallel import Workers
from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.connectors.servicenow.reading import PAGE, all_rows, rows_by_key
from sync.connectors.streaming import Incoming
from sync.core.files import File, NewFile, Passing, Stored, safe_type
from sync.errors import ConfigurationError, RefusedError, SchemaError

TABLE = "sys_attachment"
_NAMES = (
    "sys_id", "table_name", "table_sys_id", "file_name", "content_type", "size_bytes", "hash", "sys_created_on",
)  # fmt: skip
# Pictures inside a field are kept under the table's name behind this mark, and shown nowhere else.
_INSIDE_A_FIELD = "ZZ_YY"
_NOT_FOUND, _FORBIDDEN = "HTTP_404", "HTTP_403"


@dataclass(frozen=True, slots=True)
class ServiceNowFiles:
    instance: Instance
    workers: Workers
    longest_name: int = 100  # of sys_attachment.file_name

    def on(self, parents: Sequence[str]) -> list[File]:
        rows = rows_by_key(self.instance, self.workers, TABLE, "table_sys_id", parents, _NAMES)
        return _files(rows)

    def by_id(self, ids: Sequence[str]) -> list[File]:
        rows = rows_by_key(self.instance, self.workers, TABLE, "sys_id", ids, _NAMES)
        return [_file(row) for row in rows]

    def since(self, name: str, at: datetime) -> Iterator[list[File]]:
        condition = query.every(f"table_name={query.name(name)}", f"sys_created_on>={query.stamp(at)}")
        rows = all_rows(self.instance, TABLE, _NAMES, condition)
        while page := list(islice(rows, PAGE)):
            yield _files(page)

    def open(self, id: str) -> Incoming:
        try:
            return self.instance.download(id)
        except SchemaError as error:
            if error.code == _NOT_FOUND:
                raise RefusedError(error.message, code="FILE_GONE", request_id=error.request_id) from error
            raise
        except ConfigurationError as error:
            if error.code != _FORBIDDEN:
                raise
            # That one file may not be read stops that file alone.
            raise RefusedError(
                error.message, code="FILE_NOT_READABLE", request_id=error.request_id
            ) from error

    def add(self, name: str, parent: str, file: NewFile, content: Callable[[], Passing]) -> Stored:
        row = self.instance.attach(name, parent, file, content)
        return Stored(str(row["sys_id"]), str(row.get("hash") or ""))


def _files(rows: Sequence[dict[str, Any]]) -> list[File]:
    return [_file(row) for row in rows if not str(row.get("table_name", "")).startswith(_INSIDE_A_FIELD)]


def _file(row: dict[str, Any]) -> File:
    try:
        return File(
            id=row["sys_id"],
            parent=row["table_sys_id"],
            name=row["file_name"],
            content_type=safe_type(row["content_type"], row["file_name"]),
            size=int(row["size_bytes"] or 0),
            sha256=row["hash"],
            added_at=datetime.fromisoformat(row["sys_created_on"]).replace(tzinfo=UTC),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"A row of {TABLE} came without a usable {error}.",
            code="hidden_field",
            advice=f"Let the integration user read {', '.join(_NAMES)} of {TABLE}.",
        ) from error
