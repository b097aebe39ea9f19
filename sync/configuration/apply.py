"""Bring the database to what a file says: in one transaction, each change listed and audited.

Rows within a part (entries, fields) follow the file; whole parts that the file does not name stay, unless pruned.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from mappings.models import RoutingTable, UserTable, ValueMap
from sync import revisions
from sync.configuration.documents import Known, MadeFlow
from sync.configuration.flows import apply_flow, changed, lint_changed, publish
from sync.configuration.parse import Parsed
from sync.configuration.parts import apply_connection, apply_user_table, apply_value_map
from sync.configuration.plan import Plan
from sync.configuration.problems import InvalidConfiguration
from sync.configuration.prune import prune
from sync.configuration.routes import apply_routing_table
from sync.models import Connection, Flow
from sync.services import Refused


def known_names() -> Known:
    """What a file may refer to without defining it."""
    return Known(
        connections=dict(Connection.objects.values_list("name", "system")),
        value_maps=frozenset(ValueMap.objects.values_list("name", flat=True)),
        user_tables=frozenset(UserTable.objects.values_list("name", flat=True)),
        routing_tables=frozenset(RoutingTable.objects.values_list("name", flat=True)),
        made=tuple(MadeFlow(*names) for names in Flow.objects.exclude(recipe="").values_list(*_MADE)),
    )


_MADE = ("name", "recipe", "servicenow_connection__name", "salesforce_connection__name")


def apply(
    parsed: Parsed,
    *,
    environ: Mapping[str, str],
    dry_run: bool = False,
    pruning: bool = False,
    reason: str = "",
) -> Plan:
    """Apply the document, or with `dry_run` find out what would change. A changed flow publishes one revision.

    Raises InvalidConfiguration where the linter finds an error in such a flow, and Refused where it warns of what no revision was
    given a reason for and `reason` gives none; then nothing was applied.
    """
    plan = Plan(notices=[notice.at(parsed.file) for notice in parsed.notices])
    document = parsed.document
    with transaction.atomic():
        named = Flow.objects.filter(name__in=[flow.name for flow in document.flows])
        revisions.hold(named.values_list("pk", flat=True), also=[doc.name for doc in document.value_maps])
        for connection in document.connections:
            apply_connection(connection, environ, plan)
        for value_map in document.value_maps:
            apply_value_map(value_map, plan)
        for table in document.user_tables:
            apply_user_table(table, plan)
        for routing in document.routing_tables:
            apply_routing_table(routing, plan)
        for flow in document.flows:
            apply_flow(flow, plan)
        flows = changed(document.flows)
        if problems := lint_changed(document.flows, flows, plan):
            raise InvalidConfiguration(parsed.file, problems)
        if plan.unargued and not (reason.strip() or dry_run):
            raise Refused(
                "\n".join(["Nothing was applied: there are warnings, so say with --reason why it is published all the same.",
                           *plan.unargued])
            )  # fmt: skip
        publish(flows, plan, reason=reason)
        if pruning:
            prune(document, plan)
        # A dry run is the run itself, taken back: it cannot promise what applying would not do.
        transaction.set_rollback(dry_run)
    return plan
