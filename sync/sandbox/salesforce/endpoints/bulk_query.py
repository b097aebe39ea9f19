"""Bulk API 2.0, query: a statement as a job, its rows as pages of CSV."""

from __future__ import annotations

import re
from typing import Any

from sync.sandbox.salesforce.endpoints.bulk_ingest import CSV, new_job
from sync.sandbox.salesforce.jobs import Job, Line
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.salesforce.soql.parser import parse
from sync.sandbox.salesforce.soql.run import run
from sync.sandbox.salesforce.soql.syntax import Query
from sync.sandbox.wire import Response

_PAGE = 50_000
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+)\+0000")
_FLAGS = {True: "true", False: "false"}


@api("POST", "/jobs/query")
def open_job(call: Call) -> Response:
    """Run a query at once, though this answer does not know it yet."""
    sent = call.json_object()
    operation, statement = str(sent.get("operation", "")), str(sent.get("query", ""))
    if operation not in ("query", "queryAll"):
        raise Refusal("INVALIDJOB", "Unable to parse Job: operation is not supported")
    query = _plain_query(statement)
    everything = operation == "queryAll"
    base = f"{call.base}/sobjects"
    run(call.org, statement, call.zone, base, include_deleted=everything)  # a bad one is refused at once
    job = new_job(call, "query", operation, query.sobject, sent)
    job.statement, job.state = statement, "UploadComplete"
    described = Response.json(job.describe())

    def work() -> None:
        answer = run(call.org, statement, call.zone, base, include_deleted=everything)
        job.columns = [".".join(path.parts) for path in query.paths]
        job.succeeded = [_line(answer.render(row.values), job.columns) for row in answer.rows]
        job.state = "JobComplete"

    def read() -> None:
        with call.platform.commits.seen(reading=True):
            work()

    call.platform.jobs.run(job, work, later=read)
    return described


def _plain_query(statement: str) -> Query:
    query = parse(statement)
    if not query.paths or query.offset or query.children or query.aggregates or query.typeofs:
        raise Refusal(
            "API_ERROR",
            "Aggregates, FIELDS, OFFSET, TYPEOF and subqueries are not supported in Bulk API queries",
        )
    return query


@api("GET", "/jobs/query")
def list_jobs(call: Call) -> Response:
    records = [job.describe() for job in call.platform.jobs.all("query")]
    return Response.json({"done": True, "records": records, "nextRecordsUrl": None})


@api("GET", "/jobs/query/{job_id}")
def show(call: Call, job_id: str) -> Response:
    return Response.json(_job(call, job_id).describe())


@api("PATCH", "/jobs/query/{job_id}")
def abort(call: Call, job_id: str) -> Response:
    job = _job(call, job_id)
    if call.json_object().get("state") != "Aborted":
        raise Refusal("INVALIDJOBSTATE", "A query job can only be aborted")
    call.platform.jobs.abort(job)
    return Response.json(job.describe())


@api("DELETE", "/jobs/query/{job_id}")
def forget(call: Call, job_id: str) -> Response:
    call.platform.jobs.forget(_job(call, job_id))
    return Response.empty(204)


@api("GET", "/jobs/query/{job_id}/results")
def results(call: Call, job_id: str) -> Response:
    job, query = _job(call, job_id), call.request.query
    if job.state != "JobComplete":
        raise Refusal("INVALIDJOBSTATE", f"Results are not available for a job in state {job.state}")
    start, size = query.get("locator", "0"), query.get("maxRecords", str(_PAGE))
    if not (start.isdecimal() and size.isdecimal() and int(size)):
        raise Refusal("INVALID_QUERY_LOCATOR", "locator or maxRecords is not valid")
    end = int(start) + int(size)
    lines = job.succeeded[int(start) : end]
    headers = {
        "Content-Type": CSV,
        "Sforce-NumberOfRecords": str(len(lines)),
        "Sforce-Locator": str(end) if end < len(job.succeeded) else "null",
    }
    return Response(200, job.csv([job.columns, *lines]).encode(), headers)


def _job(call: Call, job_id: str) -> Job:
    return call.platform.jobs.find("query", job_id)


def _line(record: dict[str, Any], columns: Line) -> list[str]:
    folded = _folded(record)
    return [_text(_reach(folded, column.lower().split("."))) for column in columns]


def _folded(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with its names in lower case: a statement may write them as it likes."""
    return {
        name.lower(): _folded(value) if isinstance(value, dict) else value for name, value in record.items()
    }


def _reach(record: Any, names: list[str]) -> Any:
    for name in names:
        record = None if record is None else record[name]
    return record


def _text(value: Any) -> str:
    """Return a value as CSV says it: no word for null, and times that end in Z."""
    if isinstance(value, bool):
        return _FLAGS[value]
    if value is None:
        return ""
    stamp = _STAMP.fullmatch(str(value))
    return f"{stamp.group(1)}Z" if stamp else str(value)
