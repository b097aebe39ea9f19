"""Answers what pages want to know from a platform. Runs in a worker or in a command, never while a page renders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from sync.connectors.auth import METHODS
from sync.core.records import Probe, Side
from sync.engine.connect import CallLog, open_connector
from sync.errors import SyncError
from sync.lacking import lacking
from sync.models import Connection, Flow, Question
from sync.models.connection import ConnectionHealth
from sync.models.question import QuestionKind, QuestionState

logger = logging.getLogger(__name__)
_FAULT = "The console itself failed while it asked."
_REPORT = "The worker's log says where. Ask again; if it happens again, report it."


def answer(question_id: int) -> Question:
    """Answer it if nobody has; a second delivery does nothing."""
    question = Question.objects.select_related("connection", "flow__mapping_ptr").get(pk=question_id)
    if question.state != QuestionState.ASKED:
        return question
    try:
        question.answer = ANSWERS[QuestionKind(question.kind)](question)
        question.state = QuestionState.ANSWERED
    except SyncError as error:
        question.answer = {
            "findings": [{"code": error.code, "status": "error", "text": str(error), "advice": error.advice}]
        }
        question.state = QuestionState.FAILED
    except Exception:  # a page waits for an answer: it gets one, and the log what it takes to mend this
        logger.exception("question %s could not be answered", question.pk)
        question.answer = {
            "findings": [{"code": "internal", "status": "error", "text": _FAULT, "advice": _REPORT}]
        }
        question.state = QuestionState.FAILED
    question.answered_at = timezone.now()
    question.save(update_fields=["answer", "state", "answered_at"])
    if question.kind == QuestionKind.TEST_CONNECTION:
        _note_health(question)
    return question


def _count(question: Question) -> dict[str, Any]:
    from sync.counting import count

    assert question.flow is not None
    return count(question.flow, question.params or {})


def _preview(question: Question) -> dict[str, Any]:
    from sync import looks

    return looks.preview(question)


def _impact(question: Question) -> dict[str, Any]:
    from sync import looks

    return looks.impact(question)


def _check_recipe(question: Question) -> dict[str, Any]:
    from sync.recipes.checks import check

    return check(question.params or {})


def _people(question: Question) -> dict[str, Any]:
    from sync.matching import answer as matched

    return matched(question)


def _schemas(question: Question) -> dict[str, Any]:
    from sync.schemas import answer

    return answer(question)


def _hits(question: Question) -> dict[str, Any]:
    from sync.hits import count_hits

    assert question.flow is not None
    return count_hits(question.flow)


def _renewal(question: Question) -> dict[str, Any]:
    from sync.renewing import answer as counted

    return counted(question)


def _asked_of_connection(question: Question) -> dict[str, Any]:
    assert question.connection is not None
    return _test(question.connection)


ANSWERS: Mapping[QuestionKind, Callable[[Question], dict[str, Any]]] = {
    QuestionKind.TEST_CONNECTION: _asked_of_connection,
    QuestionKind.COUNT: _count,
    QuestionKind.RECIPE: _check_recipe,
    QuestionKind.PEOPLE: _people,
    QuestionKind.PREVIEW: _preview,
    QuestionKind.IMPACT: _impact,
    QuestionKind.SCHEMAS: _schemas,
    QuestionKind.HITS: _hits,
    QuestionKind.RENEWAL: _renewal,
}


def _test(connection: Connection) -> dict[str, Any]:
    """Probe the connection for each flow's table or object and key that stands on it."""
    log = CallLog(None, {Side(connection.system): connection})
    with closing(open_connector(connection, log)) as connector:
        probes = [connector.probe(name, key) for name, key in _wanted(connection)]
        of_flows = lacking(connection, connector, probes[0])
    log.save()
    findings: dict[tuple[str, str], dict[str, str]] = {}
    for finding in (*(each for probe in probes for each in probe.findings), *of_flows):
        findings.setdefault((finding.code, finding.text), {
            "code": finding.code, "status": finding.status, "text": finding.text, "advice": finding.advice,
        })  # fmt: skip
    first = probes[0]
    identity = _check_identity(connection, first)
    return {
        "findings": [*findings.values(), *identity, *_legacy(connection), *_unseen(connection, first)],
        "facts": dict(first.facts),
        "user": first.user,
        "org_id": first.org_id,
    }


def _legacy(connection: Connection) -> list[dict[str, str]]:
    """A method that is going away is said at each test, so that its end surprises nobody."""
    method = METHODS.get((Side(connection.system), connection.auth))
    if method is None or not method.legacy:
        return []
    return [
        {"code": "legacy", "status": "warning", "text": f"{method.label} is legacy.", "advice": method.legacy}
    ]


@dataclass(frozen=True, slots=True)
class _Needed:
    """A table of ServiceNow that a setting of a flow reads, and what fails without a word where none of it is shown."""

    fact: str  # of the probe
    table: str
    fails: str  # with the flows' names
    unless: str
    wanted: Callable[[Flow], bool]


_NEEDED = (
    _Needed(
        "delete_audit",
        "sys_audit_delete",
        "deletions in ServiceNow cannot be proven, and nothing is done about them by {}",
        "nothing was ever deleted there",
        lambda flow: bool((flow.options.get("deletions") or {}).get(Side.SERVICENOW)),
    ),
    _Needed(
        "journal",
        "sys_journal_field",
        "comments and work notes of ServiceNow are not found by {}",
        "nobody ever wrote one there",
        lambda flow: bool(flow.options.get("comments")),
    ),
)


def _unseen(connection: Connection, probe: Probe) -> list[dict[str, str]]:
    """Tables that flows of the connection need and of which our user is shown nothing."""
    if connection.system != Side.SERVICENOW:
        return []
    flows = list(Flow.objects.filter(servicenow_connection=connection).order_by("name"))
    found = []
    for needed in _NEEDED:
        shown = probe.facts.get(needed.fact, "readable")
        names = [flow.name for flow in flows if needed.wanted(flow)]
        if shown != "readable" and names:
            fails = needed.fails.format(", ".join(names))
            found.append({
                "code": needed.fact, "status": "warning",
                "text": f"No row of {needed.table} is shown ({shown}), so {fails}.",
                "advice": f"Let the integration user read {needed.table}, unless {needed.unless}.",
            })  # fmt: skip
    return found


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
    assert question.connection is not None
    errors = [line["text"] for line in question.answer["findings"] if line["status"] == "error"]
    Connection.objects.filter(pk=question.connection.pk).update(
        health=ConnectionHealth.FAILING if errors else ConnectionHealth.OK,
        health_message=(errors[0] if errors else "")[:500],
        health_at=timezone.now(),
    )
