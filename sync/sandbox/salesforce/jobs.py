"""Bulk API 2.0 jobs: what they were told, how far they are, and what became of each record.

Source: Bulk API 2.0 guide, "Walkthrough", "Prepare CSV Files" and "Get Job Failed Record Results".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.sandbox.salesforce.ids import series
from sync.sandbox.salesforce.org import Org
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.values import render_datetime

DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
OVER = frozenset({"JobComplete", "Failed", "Aborted"})  # the states that a job never leaves
_LIFE = 7 * 24 * 3600  # seconds; the guide says that results are kept for seven days
Line = Sequence[str]


@dataclass(slots=True)
class Job:
    """One job of either kind. `columns` and the lines hold CSV values; `created_at` is in seconds UTC."""

    id: str
    kind: str  # ingest or query
    operation: str
    sobject: str
    user_id: str
    version: int
    created_at: int
    column_delimiter: str
    line_ending: str
    external_id_field: str = ""
    statement: str = ""
    state: str = "Open"
    error: str = ""
    data: bytes | None = None
    columns: Line = ()
    succeeded: list[Line] = field(default_factory=list)
    failed: list[Line] = field(default_factory=list)

    def lines(self) -> list[list[str]]:
        """Return the uploaded lines, the header first. Raises Refusal (InvalidBatch) for the whole job."""
        text = (self.data or b"").decode("utf-8-sig", "replace")
        first, ending, _ = text.partition("\n")
        if ending and first.endswith("\r") != (self.line_ending == "CRLF"):
            raise Refusal(
                "InvalidBatch",
                "LineEnding is invalid on user data. Current LineEnding setting is " + self.line_ending,
            )
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.column_delimiter])
        return [line for line in reader if line]

    def csv(self, lines: Iterable[Line]) -> str:
        """Return lines as the job writes them: quoted throughout."""
        out = io.StringIO(newline="")
        writer = csv.writer(
            out,
            delimiter=DELIMITERS[self.column_delimiter],
            lineterminator=LINE_ENDINGS[self.line_ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerows(lines)
        return out.getvalue()

    def describe(self) -> dict[str, Any]:
        stamp = render_datetime(self.created_at)
        about = {
            "id": self.id,
            "operation": self.operation,
            "object": self.sobject,
            "createdById": self.user_id,
            "createdDate": stamp,
            "systemModstamp": stamp,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.column_delimiter,
            "jobType": "V2Ingest" if self.kind == "ingest" else "V2Query",
            "retries": 0,
            "totalProcessingTime": 0,
            "numberRecordsProcessed": len(self.succeeded) + len(self.failed),
        }
        return about | (self._about_ingest() if self.kind == "ingest" else {})

    def _about_ingest(self) -> dict[str, Any]:
        about: dict[str, Any] = {
            "contentUrl": f"services/data/v{self.version}.0/jobs/ingest/{self.id}/batches",
            "numberRecordsFailed": len(self.failed),
            "apiActiveProcessingTime": 0,
            "apexProcessingTime": 0,
        }
        if self.external_id_field:
            about["externalIdFieldName"] = self.external_id_field
        if self.error:
            about["errorMessage"] = self.error
        return about


class Jobs:
    """The jobs of the org. The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._ids = series("750")
        self._jobs: dict[str, Job] = {}

    def open(
        self,
        kind: str,
        operation: str,
        sobject: str,
        user_id: str,
        version: int,
        column_delimiter: str,
        line_ending: str,
    ) -> Job:
        """Raises Refusal (INVALIDJOB) for a CSV dialect that is none."""
        if column_delimiter not in DELIMITERS or line_ending not in LINE_ENDINGS:
            raise Refusal("INVALIDJOB", "columnDelimiter or lineEnding is not supported")
        now = self._org.now()
        job = Job(
            next(self._ids), kind, operation, sobject, user_id, version, now, column_delimiter, line_ending
        )
        self._jobs[job.id] = job
        return job

    def run(self, job: Job, work: Callable[[], None], later: Callable[[], None] | None = None) -> None:
        """Let a closed job wait and run as long as the org's settings say; at its end it does its `work`.

        `later` stands in for it when that is after the call that closed the job.
        """
        settings, org = self._org.settings, self._org
        if not (settings.bulk_queued_seconds or settings.bulk_running_seconds):
            work()
            return

        def begin() -> None:
            with org.lock:
                if job.state == "UploadComplete":
                    job.state = "InProgress"

        def end() -> None:
            with org.lock:
                if job.state == "InProgress":  # and not aborted meanwhile
                    (later or work)()

        org.clock.call_in(settings.bulk_queued_seconds, begin)
        org.clock.call_in(settings.bulk_queued_seconds + settings.bulk_running_seconds, end)

    def abort(self, job: Job) -> None:
        """Raises Refusal (INVALIDJOBSTATE) for a job that is over."""
        if job.state in OVER:
            raise Refusal("INVALIDJOBSTATE", f"Aborting a job in state {job.state} is not allowed")
        job.state = "Aborted"

    def find(self, kind: str, job_id: str) -> Job:
        """Raises Refusal (NOT_FOUND)."""
        job = self._jobs.get(job_id)
        if job is None or job.kind != kind or self._org.now() - job.created_at > _LIFE:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return job

    def all(self, kind: str) -> list[Job]:
        return [job for job in self._jobs.values() if job.kind == kind]

    def forget(self, job: Job) -> None:
        """Raises Refusal (INVALIDJOBSTATE) for a job that could still run."""
        if job.state not in OVER:
            raise Refusal("INVALIDJOBSTATE", f"Deleting a job in state {job.state} is not allowed")
        del self._jobs[job.id]
