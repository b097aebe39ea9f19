"""Marks of many records in one aggregate query. Source: Salesforce, SOQL reference, "Aggregate Functions"."""

from __future__ import annotations

from datetime import datetime

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.org import Org
from sync.core.reconciling import Tally
from sync.errors import TransientError


def tally(
    org: Org, table: str, scope: str, born_from: datetime | None, born_before: datetime | None
) -> Tally:
    """Count and latest SystemModstamp; Salesforce counts no updates of a record."""
    data = org.query(soql.marks(table, soql.both(scope, soql.born(born_from, born_before))))
    try:
        row = data["records"][0]
        return Tally(int(row["counted"]), str(row["latest"] or "")[:19])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise TransientError("Salesforce answered a count with something else.", code="bad_answer") from error
