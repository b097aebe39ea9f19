"""Answers what pages want to know from a platform. Runs in a worker or in a command, never while a page renders."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.utils import timezone

from sync.core.records import Probe, Side
from sync.engine.connect import CallLog, open_connector
from sync.errors import SyncError
from sync.models import Connection, Flow, Question
from sync.models.connection import ConnectionHealth
from sync.models.question import QuestionState


def answer(question_id: int) -> Question:
    """Answer it if nobody has; a second delivery does nothing."""
    question = Question.objects.select_related("connection").get(pk=question_id)
    if question.state != QuestionState.ASKED:
        return question
    try:
        question.answer = _test(question.connection)
        question.state = QuestionState.ANSWERED
    except SyncError as error:
        question.answer = {
            "findings": [{"code": error.code, "status": "error", "text": str(error), "advice": error.advice}]
        }
        question.state = QuestionState.FAILED
    question.answered_at = timezone.now()
    question.save(update_fields=["answer", "state", "answered_at"])
    _note_health(question)
    return question


def _test(connection: Connection) -> dict[str, Any]:
    """Probe the connection for each flow's table or object and key that stands on it."""
    log = CallLog(None, {Side(connection.system): connection})
    with closing(open_connector(connection, log)) as connector:
        probes = [connector.probe(name, key) for name, key in _wanted(connection)]
    log.save()
    findings: dict[tuple[str, str], dict[str, str]] = {}
    for probe in probes:
        for finding in probe.findings:
            findings.setdefault((finding.code, finding.text), {
                "code": finding.code, "status": finding.status, "text": finding.text, "advice": finding.advice,
            })  # fmt: skip
    first = probes[0]
    identity = _check_identity(connection, first)
    return {
        "findings": [*findings.values(), *identity],
        "facts": dict(first.facts),
        "user": first.user,
        "org_id": first.org_id,
    }


def _wanted(connection: Connection) -> list[tuple[str, str]]:
    """Table or object, and key field, of each flow on this connection; one empty pair if there is none."""
    if connection.system == Side.SALESFORCE:
        flows = Flow.objects.filter(salesforce_connection=connection)
        wanted = {(flow.salesforce_object, flow.salesforce_key_field) for flow in flows}
    else:
        wanted = {
            (flow.servicenow_table, "") for flow in Flow.objects.filter(servicenow_connection=connection)
        }
    return sorted(wanted) or [("", "")]


def _check_identity(connection: Connection, probe: Probe) -> list[dict[str, str]]:
    """A connection keeps the org it first met; another one behind the same address stops its flows and asks."""
    if not probe.org_id:
        return []
    if not connection.org_id:
        Connection.objects.filter(pk=connection.pk).update(org_id=probe.org_id)
        return []
    if connection.org_id == probe.org_id:
        return []
    flows = Flow.objects.filter(servicenow_connection=connection) | Flow.objects.filter(
        salesforce_connection=connection
    )
    reason = f"{connection.name} now leads to {probe.org_id}; its records were linked to {connection.org_id}."
    Flow.objects.filter(pk__in=flows.values("pk")).update(paused_reason=reason[:500], health="paused")
    return [
        {
            "code": "org_changed", "status": "error", "text": reason,
            "advice": "If the same data was moved, or if it is another system, tell so before resuming the flows.",
        }
    ]  # fmt: skip


def _note_health(question: Question) -> None:
    errors = [line["text"] for line in question.answer["findings"] if line["status"] == "error"]
    Connection.objects.filter(pk=question.connection_id).update(
        health=ConnectionHealth.FAILING if errors else ConnectionHealth.OK,
        health_message=(errors[0] if errors else "")[:500],
        health_at=timezone.now(),
    )
