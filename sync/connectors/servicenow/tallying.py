"""Marks of many rows in one call of the Aggregate API.

Source: ServiceNow, "Aggregate API", `sysparm_count`, `sysparm_max_fields`, `sysparm_sum_fields`.
"""

from __future__ import annotations

from datetime import datetime

from sync.connectors.servicenow import query
from sync.connectors.servicenow.instance import Instance
from sync.core.reconciling import Tally
from sync.errors import SchemaError


def tally(
    instance: Instance, table: str, scope: str, born_from: datetime | None, born_before: datetime | None
) -> Tally:
    """Count, latest sys_updated_on and the sum of sys_mod_count: an update raises the sum whatever its stamp."""
    answer = instance.stats(table, query.every(scope, query.born(born_from, born_before)))
    try:
        count = int(answer.get("count") or 0)
        latest = answer["max"]["sys_updated_on"] if count else ""
        changes = int(answer["sum"]["sys_mod_count"] or 0) if count else 0
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"{table} was summed up without {error}.",
            code="hidden_system_field",
            advice="Let the integration user read sys_updated_on and sys_mod_count, also by the Aggregate API.",
        ) from error
    return Tally(count, str(latest), changes)
