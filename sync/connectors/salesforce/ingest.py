"""Many creates as one job of Bulk API 2.0: opened, uploaded once, closed, asked after, its results fetched.

Source: Bulk API 2.0 Developer Guide, "Walkthrough", "Prepare CSV Files", "Get Job Info", "Get Failed Record Results".
A job goes on without us, is known by its id for seven days, and its results come in no order: each record is known
again by the value of its key.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from sync import jsons
from sync.connectors.base import JobResults, JobState
from sync.connectors.salesforce import soql, writing
from sync.connectors.salesforce.org import Org
from sync.core.records import Write
from sync.errors import SchemaError, TransientError

NULL = "#N/A"  # sets a field to nothing; an empty value leaves it alone
LONGEST_VALUE = 32_000  # characters that a field of the file may have
MOST_RECORDS = 10_000  # of a job of ours: what the platform itself works on at a time
MOST_BYTES = (
    20 * 1024 * 1024
)  # of a file; the platform takes 100 MB, and the results come back with all columns
CSV = "text/csv; charset=UTF-8"
JOBS = "jobs/ingest"
_OVER = {"JobComplete", "Failed", "Aborted"}


class Ingest:
    """Insert jobs of one object, whose records are told apart by `key_field`."""

    def __init__(self, org: Org, name: str, key_field: str) -> None:
        self._org = org
        self._name = soql.name(name)
        self._key = key_field

    def takes(self, write: Write) -> bool:
        """Whether the file can say what the record holds: a text that is the mark of nothing would become nothing."""
        return bool(write.values.get(self._key)) and all(map(_sayable, write.values.values()))

    def files(self, writes: Sequence[Write]) -> Iterator[tuple[Sequence[Write], bytes]]:
        """The writes in as few files as may be, each with the writes that it holds."""
        names = list(dict.fromkeys([self._key, *(name for write in writes for name in write.values)]))
        start, size, lines = 0, 0, [_line(names)]
        for number, write in enumerate(writes):
            line = _line([_text(write.values[name]) if name in write.values else "" for name in names])
            if len(lines) > MOST_RECORDS or (len(lines) > 1 and size + len(line) > MOST_BYTES):
                yield writes[start:number], b"".join(lines)
                start, size, lines = number, 0, lines[:1]
            lines.append(line)
            size += len(line)
        if len(lines) > 1:
            yield writes[start:], b"".join(lines)

    def open(self) -> str:
        """A new job's id. It does nothing until it is closed."""
        asked = {
            "object": self._name, "operation": "insert", "contentType": "CSV", "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }  # fmt: skip
        answer = self._org.write(JOBS, method="POST", data=jsons.dumps(asked), headers=writing.HEADERS)
        return str(_told(answer, "id"))

    def send(self, job_id: str, file: bytes) -> None:
        """Upload the file and close the job, which the platform then works on. Raises OutcomeUnknownError in doubt."""
        self._org.put(f"{JOBS}/{job_id}/batches", file, CSV)
        self._change(job_id, "UploadComplete")

    def abort(self, job_id: str) -> None:
        self._change(job_id, "Aborted")

    def _change(self, job_id: str, state: str) -> None:
        body = jsons.dumps({"state": state})
        self._org.write(f"{JOBS}/{job_id}", method="PATCH", data=body, headers=writing.HEADERS)

    def state(self, job_id: str) -> JobState | None:
        """How the job stands; None if the platform knows none of this id (any more)."""
        try:
            answer = self._org.read(f"{JOBS}/{job_id}")
        except SchemaError as error:
            if error.code == "NOT_FOUND":
                return None
            raise
        state = str(_told(answer, "state"))
        return JobState(
            begun=state != "Open",
            over=state in _OVER,
            failed=int(answer.get("numberRecordsFailed") or 0),
            trouble=str(answer.get("errorMessage") or state) if state in ("Failed", "Aborted") else "",
        )

    def results(self, job_id: str, state: JobState) -> JobResults:
        """What became of the records, by key. Who is in neither list was not processed."""
        path = f"{JOBS}/{job_id}"
        created = {row[self._key]: row["sf__Id"] for row in self._rows(f"{path}/successfulResults")}
        refused = {}
        if state.failed or state.trouble:
            for row in self._rows(f"{path}/failedResults"):
                refused[row[self._key]] = writing.refusal_of(_error(row["sf__Error"]))
        return JobResults(created, refused)

    def _rows(self, path: str) -> Iterator[dict[str, str]]:
        text = self._org.fetch(path, "text/csv").decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        for row in rows:
            # Of a job that got no data, such as one that was aborted, even the heading has no columns of ours.
            if self._key not in row:
                raise TransientError(
                    "Salesforce answered a job's results without our key.", code="bad_answer"
                )
            yield row


def _told(answer: Any, name: str) -> Any:
    if not isinstance(answer, dict) or not answer.get(name):
        raise TransientError(f"Salesforce told no {name} of a bulk job.", code="bad_answer")
    return answer[name]


def _sayable(value: Any) -> bool:
    if isinstance(value, str):
        return value != NULL and len(value) <= LONGEST_VALUE
    return value is None or isinstance(value, bool | int | float)


def _text(value: Any) -> str:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(value).lower()
    # A line ending within a value must be the file's own; the platform keeps none but \n in a text anyway.
    return str(value).replace("\r\n", "\n").replace("\r", "\n")


def _line(values: Sequence[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue().encode()


def _error(text: str) -> dict[str, Any]:
    """`CODE:message:Field1 Field2 --` as a collection would tell it."""
    code, _, rest = text.partition(":")
    message, colon, fields = rest.removesuffix("--").rstrip().rpartition(":")
    names = fields.replace(",", " ").split()
    return {"statusCode": code, "message": message if colon else rest, "fields": names}
