"""Running an ingest job: from lines of CSV to records, and a verdict for each.

Source: Bulk API 2.0 guide, "Valid CSV Record Rows": an empty value is ignored, `#N/A` sets null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync.sandbox.salesforce.jobs import Job
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.problems import Problem, Refusal
from sync.sandbox.salesforce.saving import Writer
from sync.sandbox.salesforce.schema import Field
from sync.sandbox.salesforce.store import Row
from sync.sandbox.salesforce.upserting import key_field, upsert

_CHUNK = 200  # records that the platform saves together: a key may not repeat within
_NULL = "#N/A"
_NUMBERS: dict[str, Callable[[str], float]] = {"int": int, "double": float, "currency": float}
Record = dict[str, Any]
Verdict = tuple[Row, bool]  # the row, and whether it is new


class Ingest:
    """One job's records on their way into one object."""

    def __init__(self, org: Org, writer: Writer, job: Job) -> None:
        self._org = org
        self._writer = writer
        self._job = job
        self._view = org.view(job.sobject)
        self._seen: set[str] = set()

    def run(self) -> None:
        """Write every line and note its verdict; a file that cannot be read fails the job instead."""
        job = self._job
        try:
            header, *lines = job.lines() or [[]]
        except Refusal as refusal:
            job.state, job.error = "Failed", f"{refusal.problem.code} : {refusal.problem.message}"
            return
        job.columns = header
        save = _OPERATIONS[job.operation]
        for number, line in enumerate(lines):
            if number % _CHUNK == 0:
                self._seen.clear()
            try:
                row, created = save(self, self._record(header, line))
            except Refusal as refusal:
                job.failed.append(("", _error(refusal.problem), *line))
            else:
                job.succeeded.append((str(row.values[0]), str(created).lower(), *line))
        job.state = "JobComplete"

    def _record(self, header: list[str], line: list[str]) -> Record:
        record: Record = {}
        for name, value in zip(header, line, strict=False):
            if value == "":
                continue
            relation, dot, column = name.partition(".")
            if dot:
                record[relation] = {column: value}
            else:
                record[name] = None if value == _NULL else _typed(self._view.field(name), value)
        return record

    def insert(self, record: Record) -> Verdict:
        return self._writer.insert(self._view, record), True

    def update(self, record: Record) -> Verdict:
        row = self._row(record)
        self._writer.update(self._view, row, _without(record, "Id"))
        return row, False

    def delete(self, record: Record) -> Verdict:
        row = self._row(record)
        self._writer.delete(self._view, row)
        return row, False

    def hard_delete(self, record: Record) -> Verdict:
        row = self._row(record)
        self._writer.hard_delete(self._view, row)
        return row, False

    def upsert(self, record: Record) -> Verdict:
        name = self._job.external_id_field
        if name.lower() == "id":
            return self.update(record) if "Id" in record else self.insert(record)
        key = key_field(self._view, name)
        value = record.get(key.name)
        if value is None:
            raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", key.name)
        self._refuse_repeat(str(value))
        matches = self._view.table.find(key.name, str(value))
        if len(matches) > 1:
            raise Refusal("DUPLICATE_EXTERNAL_ID", f"{key.label}: more than one record found")
        return upsert(self._writer, self._view, key, str(value), record, matches)

    def _refuse_repeat(self, key: str) -> None:
        if key.lower() in self._seen:
            raise Refusal("DUPLICATE_VALUE", f"Duplicate external id specified: {key}")
        self._seen.add(key.lower())

    def _row(self, record: Record) -> Row:
        if "Id" not in record:
            raise Refusal("MISSING_ARGUMENT", "Id not specified", "Id")
        try:
            return self._org.living(self._view, record["Id"])
        except Refusal as refusal:
            if refusal.problem.code != "NOT_FOUND":
                raise
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id") from refusal


_OPERATIONS: dict[str, Callable[[Ingest, Record], Verdict]] = {
    "insert": Ingest.insert,
    "update": Ingest.update,
    "upsert": Ingest.upsert,
    "delete": Ingest.delete,
    "hardDelete": Ingest.hard_delete,
}
OPERATIONS = frozenset(_OPERATIONS)


def check_key(view: View, name: str) -> None:
    """Raises Refusal for a field that cannot find records."""
    if name.lower() != "id":
        key_field(view, name)


def _typed(field: Field | None, value: str) -> object:
    """Return a CSV value as JSON would have said it; what does not fit stays text and is refused later."""
    convert = _NUMBERS.get(field.type) if field else None
    try:
        return convert(value) if convert else value
    except ValueError:
        return value


def _without(record: Record, name: str) -> Record:
    return {column: value for column, value in record.items() if column != name}


def _error(problem: Problem) -> str:
    return f"{problem.code}:{problem.message}:{' '.join(problem.fields)} --"
