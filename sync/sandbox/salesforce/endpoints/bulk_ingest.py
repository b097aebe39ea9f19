"""Bulk API 2.0, ingest: open a job, upload once, close it, ask how it went."""

from __future__ import annotations

from typing import Any

from sync.sandbox.salesforce.ingesting import OPERATIONS, Ingest, check_key
from sync.sandbox.salesforce.jobs import OVER, Job, Line
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.routing import Call, api
from sync.sandbox.wire import Response

CSV = "text/csv;charset=UTF-8"


@api("POST", "/jobs/ingest")
def open_job(call: Call) -> Response:
    sent = call.json_object()
    operation = str(sent.get("operation", ""))
    if operation == "hardDelete" and not call.org.settings.bulk_hard_delete:
        raise Refusal("FEATURENOTENABLED", "The hard delete permission is not enabled for this user")
    if operation not in OPERATIONS or sent.get("contentType", "CSV") != "CSV":
        raise Refusal("INVALIDJOB", "Unable to parse Job: operation or contentType is not supported")
    view = call.org.view(str(sent.get("object", "")))
    key = str(sent.get("externalIdFieldName") or "")
    if operation == "upsert":
        check_key(view, key)
    job = new_job(call, "ingest", operation, view.name, sent)
    job.external_id_field = key
    return Response.json(job.describe())


def new_job(call: Call, kind: str, operation: str, sobject: str, sent: dict[str, Any]) -> Job:
    delimiter, ending = str(sent.get("columnDelimiter", "COMMA")), str(sent.get("lineEnding", "LF"))
    return call.platform.jobs.open(kind, operation, sobject, call.user_id, call.version, delimiter, ending)


@api("GET", "/jobs/ingest")
def list_jobs(call: Call) -> Response:
    records = [job.describe() for job in call.platform.jobs.all("ingest")]
    return Response.json({"done": True, "records": records, "nextRecordsUrl": None})


@api("PUT", "/jobs/ingest/{job_id}/batches")
def upload(call: Call, job_id: str) -> Response:
    job = _job(call, job_id)
    if job.state != "Open" or job.data is not None:
        raise Refusal("INVALIDJOBSTATE", f"Data cannot be uploaded to a job in state {job.state}, or twice")
    job.data = call.request.body
    return Response.empty(201)


@api("PATCH", "/jobs/ingest/{job_id}")
def change_state(call: Call, job_id: str) -> Response:
    """Close or abort a job; a closed one may run at once, though this answer does not know it yet."""
    job, state = _job(call, job_id), call.json_object().get("state")
    if state == "Aborted":
        call.platform.jobs.abort(job)
        return Response.json(job.describe())
    if job.state != "Open" or state != "UploadComplete":
        raise Refusal("INVALIDJOBSTATE", f"Changing a job in state {job.state} to {state} is not allowed")
    job.state = state
    answer = Response.json(job.describe())
    writer = call.writer()

    def work() -> None:
        Ingest(call.org, writer, job).run()
        call.count(writer)

    call.platform.jobs.run(job, work)
    return answer


@api("GET", "/jobs/ingest/{job_id}")
def show(call: Call, job_id: str) -> Response:
    return Response.json(_job(call, job_id).describe())


@api("DELETE", "/jobs/ingest/{job_id}")
def forget(call: Call, job_id: str) -> Response:
    call.platform.jobs.forget(_job(call, job_id))
    return Response.empty(204)


@api("GET", "/jobs/ingest/{job_id}/successfulResults")
def successful(call: Call, job_id: str) -> Response:
    job = _finished(call, job_id)
    return _results(job, ("sf__Id", "sf__Created"), job.succeeded)


@api("GET", "/jobs/ingest/{job_id}/failedResults")
def failed(call: Call, job_id: str) -> Response:
    job = _finished(call, job_id)
    return _results(job, ("sf__Id", "sf__Error"), job.failed)


@api("GET", "/jobs/ingest/{job_id}/unprocessedrecords")
@api(
    "GET", "/jobs/ingest/{job_id}/unprocessedRecords"
)  # the guide has the first, simple-salesforce the second
def unprocessed(call: Call, job_id: str) -> Response:
    """Every record of a job that could not be read, none of one that ran."""
    job = _finished(call, job_id)
    if job.state == "JobComplete":
        return _results(job, (), [])
    return Response(200, job.data or b"", {"Content-Type": CSV})


def _results(job: Job, added: Line, lines: list[Line]) -> Response:
    return Response.text(job.csv([(*added, *job.columns), *lines]), content_type=CSV)


def _job(call: Call, job_id: str) -> Job:
    return call.platform.jobs.find("ingest", job_id)


def _finished(call: Call, job_id: str) -> Job:
    job = _job(call, job_id)
    if job.state not in OVER:
        raise Refusal("INVALIDJOBSTATE", f"Results are not available for a job in state {job.state}")
    return job
