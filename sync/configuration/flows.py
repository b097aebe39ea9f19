"""Applying flows: their settings, field rows, schedule, and one revision for each that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mappings.linting import Finding
from mappings.models import FieldRow, RoutingTable, UserTable, ValueMap
from sync import linting, revisions, services
from sync.configuration import columns
from sync.configuration.documents import FieldDoc, FlowDoc
from sync.configuration.plan import Change, Plan, bring
from sync.configuration.problems import Remark
from sync.models import Connection, Flow, Schedule


def apply_flow(doc: FlowDoc, plan: Plan) -> None:
    brought = bring(Flow, doc.name, _wanted(doc))
    details = _apply_rows(brought.row, doc.fields)
    details += _apply_schedule(brought.row, doc.schedule)
    brought.noted(plan, details)


def changed(flows: Iterable[FlowDoc]) -> list[Flow]:
    """Those of the file's flows whose revision would differ, be it through a value map alone."""
    held = revisions.with_drafts(Flow.objects.filter(name__in=[doc.name for doc in flows]).order_by("name"))
    return [flow for flow in held if revisions.differs(flow)]


def lint_changed(docs: Iterable[FlowDoc], flows: Iterable[Flow], plan: Plan) -> list[Remark]:
    """What keeps these flows from being published; what the linter only warns of is noted in the plan."""
    lines, problems = {doc.name: doc.line for doc in docs}, []
    for flow in flows:
        found = linting.lint_flow(flow)
        problems += [Remark(lines[flow.name], f"flows[{flow.name}]", _said(each)) for each in found.errors]
        plan.warnings += [f"{flow.name}: {_said(each)}" for each in found.warnings]
        plan.unargued += [f"{flow.name}: {_said(each)}" for each in linting.unargued(found, flow.revision)]
    return problems


def _said(finding: Finding) -> str:
    return f"{finding.text} {finding.advice}".strip()


def publish(flows: Iterable[Flow], plan: Plan, *, reason: str) -> None:
    for flow in flows:
        revision = services.publish_flow(flow=flow, by=None, reason=reason or "Configuration file applied")
        plan.changes.append(Change("publish", "flow", flow.name, (str(revision),)))


def _wanted(doc: FlowDoc) -> columns.Columns:
    return columns.flow_columns(doc) | {
        "servicenow_connection": Connection.objects.get(name=doc.servicenow.connection),
        "salesforce_connection": Connection.objects.get(name=doc.salesforce.connection),
        "user_table": UserTable.objects.get(name=doc.user_table) if doc.user_table else None,
        "routing_table": RoutingTable.objects.get(name=doc.routing_table) if doc.routing_table else None,
    }


def _apply_rows(flow: Flow, docs: Sequence[FieldDoc]) -> list[str]:
    """Rows are found again by Salesforce field and direction, so that their UUID, and with it the base, survives."""
    left = list(flow.rows.select_related("value_map"))
    found = {index: row for index, doc in enumerate(docs) if (row := _take(left, doc))}
    details = [f"field removed: {row}" for row in left]
    FieldRow.objects.filter(pk__in=[row.pk for row in left]).delete()
    for index, doc in enumerate(docs):
        value_map = ValueMap.objects.get(name=doc.value_map) if doc.value_map else None
        wanted = columns.row_columns(doc, index) | {"value_map": value_map}
        row = found.get(index)
        if row is None:
            details.append(f"field added: {FieldRow.objects.create(mapping=flow, **wanted)}")
        elif different := columns.differing(row, wanted):
            FieldRow.objects.filter(pk=row.pk).update(**different)
            different.pop("position", None)  # a matter of order alone; numbers with gaps say the same
            shown = [f"{name}: {getattr(row, name)!r} → {value!r}" for name, value in different.items()]
            details += [f"field changed: {doc.salesforce}: {', '.join(shown)}"] if shown else []
    return details


def _take(rows: list[FieldRow], doc: FieldDoc) -> FieldRow | None:
    """Take the row that this one was: of equal direction, else of one that writes the same field."""
    same_field = [row for row in rows if row.salesforce == doc.salesforce]
    writes = [
        row for row in same_field if (row.direction == "to_servicenow") == (doc.direction == "to_servicenow")
    ]
    best = next((row for row in same_field if row.direction == doc.direction), None) or next(
        iter(writes), None
    )
    if best is not None:
        rows.remove(best)
    return best


def _apply_schedule(flow: Flow, cron: str) -> list[str]:
    """`next_at` is left to the scheduler, which computes it anew for another cron."""
    schedule = Schedule.objects.filter(flow=flow).first()
    if (schedule.cron if schedule else "") == cron:
        return []
    Schedule.objects.update_or_create(flow=flow, defaults={"cron": cron, "next_at": None})
    return [f"schedule: {(schedule.cron if schedule else '') or 'never'} → {cron or 'never'}"]
