"""Removing what the file does not name, when asked to. Links and history outlive it: a flow that ran is disabled."""

from __future__ import annotations

from django.db.models import ProtectedError

from mappings.models import RoutingTable, UserTable, ValueMap
from sync import audit
from sync.configuration.documents import Document
from sync.configuration.plan import KINDS, Change, Plan
from sync.models import Connection, Flow, RecordLink, Run
from sync.recipes.filling import used_maps


def prune(document: Document, plan: Plan) -> None:
    named = {doc.name for doc in document.flows}
    for flow in Flow.objects.exclude(name__in=named):
        _remove_flow(flow, plan)
    # What only the file's flows name, such as a map that once came with a recipe, is theirs.
    used = {
        name for flow in document.flows for name in (*used_maps(flow), flow.user_table, flow.routing_table)
    }
    for model, docs in (
        (ValueMap, document.value_maps),
        (UserTable, document.user_tables),
        (RoutingTable, document.routing_tables),
        (Connection, document.connections),
    ):
        if model is Connection and not docs:
            continue  # a file without connections, for promotion, means those that are there
        kept = {doc.name for doc in docs} | (used if model is not Connection else set())
        for row in model._default_manager.exclude(name__in=kept):
            _remove(row, plan)


def _remove_flow(flow: Flow, plan: Plan) -> None:
    """Without its links a flow would create every record a second time, should it come back."""
    if not Run.objects.filter(flow=flow).exists() and not RecordLink.objects.filter(flow=flow).exists():
        Flow.objects.filter(pk=flow.pk).update(revision=None)
        _remove(flow, plan)
    elif flow.enabled:
        Flow.objects.filter(pk=flow.pk).update(enabled=False)
        audit.record("flow.changed", flow, before={"enabled": True}, after={"enabled": False})
        plan.changes.append(
            Change("disable", "flow", flow.name, ("it has run, so its links and history stay",))
        )


def _remove(row: Flow | ValueMap | UserTable | RoutingTable | Connection, plan: Plan) -> None:
    kind, name = KINDS[type(row)], row.name
    try:
        audit.record(f"{kind.replace(' ', '_')}.deleted", row)
        row.delete()
    except ProtectedError:
        plan.notices.append(f"{kind} {name}: still in use, so it stays.")
        return
    plan.changes.append(Change("delete", kind, name))
