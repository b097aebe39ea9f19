"""Files attached to records: the rows that describe them. Their bytes are kept by the store, under the row's sys_id."""

from __future__ import annotations

from sync.sandbox.servicenow.schema import REGISTRY, Column, Table

_ITIL = frozenset({"itil"})


def _fixed(name: str, label: str, kind: str = "string", max_length: int = 40) -> Column:
    return Column(name, label, kind, max_length, read_only=True)


SYS_ATTACHMENT = REGISTRY.add(
    Table(
        "sys_attachment",
        "Attachment",
        (
            Column("file_name", "File name", max_length=100),
            _fixed("content_type", "Content type", max_length=100),
            _fixed("size_bytes", "Size bytes", "integer"),
            _fixed("size_compressed", "Size compressed", "integer"),
            _fixed("compressed", "Compressed", "boolean"),
            _fixed("table_name", "Table name", max_length=80),
            _fixed("table_sys_id", "Table sys ID", max_length=32),
            _fixed("hash", "Hash", max_length=64),
            _fixed("chunk_size_bytes", "Chunk size bytes", "integer"),
            _fixed("state", "State"),
        ),
        display="file_name",
        readers=_ITIL,
        writers=_ITIL,
        deleters=_ITIL,
    )
)
