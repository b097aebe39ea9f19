"""The Attachment API: `/api/now/attachment`, metadata as strings and files as bytes.

Source: the vendor's Attachment API page, and what PySNC, pysnow and the itsm collection send. The wording of its
refusals is UNVERIFIED. Whether a new file moves the record's own stamps is a switch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sync.sandbox.servicenow import errors
from sync.sandbox.servicenow.endpoints.routing import ApiCall, api_route
from sync.sandbox.servicenow.endpoints.table import Call, compiled, number, paging
from sync.sandbox.servicenow.multipart import parts
from sync.sandbox.servicenow.records import Input
from sync.sandbox.servicenow.schema import SYS_ID, Row
from sync.sandbox.servicenow.search import search
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.tables.attachment import SYS_ATTACHMENT
from sync.sandbox.wire import Response

DEFAULT_LIMIT = 1_000
_MEGABYTE = 1024 * 1024
_AT = SYS_ATTACHMENT.position
IN_FIELDS = "ZZ_YY"


@dataclass(frozen=True, slots=True)
class _Upload:
    table: str
    record: str
    file_name: str
    content_type: str
    content: bytes


@api_route("GET", "attachment")
def list_metadata(api: ApiCall) -> Response:
    query = api.request.query
    offset, limit = number(query, "sysparm_offset", 0), number(query, "sysparm_limit", DEFAULT_LIMIT)
    call = Call(api.platform, api.principal, SYS_ATTACHMENT, api.request)
    found = search(api.platform.store, SYS_ATTACHMENT, compiled(call), offset=offset, limit=limit, count=True)
    seen = [_metadata(api, row) for row in found.rows if _sees(api, row)]
    return Response.json({"result": seen}, 200, paging(call, found.total, offset, limit))


@api_route("GET", "attachment/{sys_id}")
def read_metadata(api: ApiCall, sys_id: str) -> Response:
    return Response.json({"result": _metadata(api, _found(api, sys_id))})


@api_route("GET", "sys_attachment.do", ("",), raw=True, base="/")
def show_image(api: ApiCall) -> Response:
    """The address that HTML fields name for the images within them."""
    return read_file(api, api.request.query.get("sys_id", ""))


@api_route("GET", "attachment/{sys_id}/file", raw=True)
def read_file(api: ApiCall, sys_id: str) -> Response:
    row = _found(api, sys_id)
    headers = {
        "Content-Type": row[_AT["content_type"]],
        "X-Attachment-Metadata": json.dumps(_metadata(api, row)),
    }
    content = api.platform.store.contents.get(sys_id, b"")  # a row that came by the Table API has none
    return Response(200, content, headers)


@api_route("POST", "attachment/file")
def upload_bytes(api: ApiCall) -> Response:
    query = api.request.query
    wanted = ("file_name", "table_name", "table_sys_id")
    _need([name for name in wanted if not query.get(name)])
    kind = api.request.headers.get("content-type", "")
    if not kind:
        raise errors.Refused(None, message="Content-Type header is required", status=400)
    name, table, record = (query[each] for each in wanted)
    return _stored(api, _Upload(table, record, name, kind, api.request.body))


@api_route("POST", "attachment/upload")
def upload_form(api: ApiCall) -> Response:
    """The file comes last: what follows it is not read."""
    fields: dict[str, str] = {}
    for part in parts(api.request.headers.get("content-type", ""), api.request.body):
        if part.file_name:
            _need([name for name in ("table_name", "table_sys_id") if not fields.get(name)])
            return _stored(
                api,
                _Upload(
                    fields["table_name"],
                    fields["table_sys_id"],
                    part.file_name,
                    part.content_type,
                    part.content,
                ),
            )
        fields[part.name] = part.text
    raise errors.Refused(None, message="No file in the request", status=400)


@api_route("PATCH", "attachment/{sys_id}")
def rename(api: ApiCall, sys_id: str) -> Response:
    row, name = _found(api, sys_id), api.body().get("file_name")
    _need([] if name else ["file_name"])
    api.platform.records.update(SYS_ATTACHMENT, row, Input(api.principal, {"file_name": name}))
    api.platform.counters.wrote(updated=1)
    return Response.empty(204)


@api_route("DELETE", "attachment/{sys_id}")
def delete(api: ApiCall, sys_id: str) -> Response:
    api.platform.records.delete(SYS_ATTACHMENT, _found(api, sys_id), api.principal)
    api.platform.counters.wrote(deleted=1)
    return Response.empty(204)


def _need(missing: list[str]) -> None:
    if missing:
        raise errors.Refused(None, message=f"Missing parameter: {', '.join(missing)}", status=400)


def _found(api: ApiCall, sys_id: str) -> Row:
    row = api.readable(SYS_ATTACHMENT, sys_id)
    if not _sees(api, row):
        raise errors.missing()
    return row


def _sees(api: ApiCall, row: Row) -> bool:
    """Who may read the record may read its files. Images within its fields have a table name with a prefix."""
    table = api.platform.registry.get(row[_AT["table_name"]].removeprefix(IN_FIELDS))
    record = api.platform.store.find(table.name, row[_AT["table_sys_id"]]) if table else None
    if table is None or record is None:
        return api.principal.admin
    access = api.platform.access
    return access.reads(api.principal, SYS_ATTACHMENT, row) and access.reads(api.principal, table, record)


def _metadata(api: ApiCall, row: Row) -> dict[str, str]:
    named = {column.name: value for column, value in zip(SYS_ATTACHMENT.columns, row, strict=True)}
    version, _, _ = api.request.path.partition("attachment")  # links stay within the version that was called
    link = f"{api.platform.url}{version}attachment/{row[SYS_ID]}/file"
    return {**named, "download_link": link}


def _stored(api: ApiCall, upload: _Upload) -> Response:
    table = api.table(upload.table.removeprefix(IN_FIELDS))
    record = api.readable(table, upload.record)
    if not (api.principal.has(SYS_ATTACHMENT.writers) and api.principal.has(table.writers)):
        raise errors.acl("Insert")
    _within_limits(api, upload)
    row = api.platform.records.system_row(
        SYS_ATTACHMENT.name,
        {
            "file_name": upload.file_name,
            "content_type": upload.content_type,
            "size_bytes": str(len(upload.content)),
            "size_compressed": str(len(upload.content)),
            "compressed": "true",
            "table_name": upload.table,
            "table_sys_id": upload.record,
            "hash": hashlib.sha256(upload.content).hexdigest(),
            "chunk_size_bytes": "700000",
            "state": "available",
        },
        by=api.principal.user_name,
        at=stamp(api.platform.now()),
    )
    api.platform.store.contents[row[SYS_ID]] = upload.content
    if api.platform.dialect.attachment_touches_record:
        api.platform.records.touch(api.platform.class_of(record), record, api.principal)
    api.platform.counters.wrote(created=1)
    metadata = _metadata(api, row)
    return Response.json({"result": metadata}, 201, {"Location": metadata["download_link"]})


def _within_limits(api: ApiCall, upload: _Upload) -> None:
    """The properties that bound a file; without them there is no bound, since 1,024 MB never come here."""
    setting = api.platform.store.setting
    megabytes, extensions = setting("com.glide.attachment.max_size"), setting("glide.attachment.extensions")
    if megabytes.isdigit() and len(upload.content) > int(megabytes) * _MEGABYTE:
        raise errors.Refused(None, message=f"File exceeds {megabytes} MB", status=413)
    suffix = upload.file_name.rpartition(".")[2].lower()
    if extensions and suffix not in {each.strip().lower() for each in extensions.split(",")}:
        raise errors.Refused(None, message=f"File type not allowed: {suffix}", status=400)
