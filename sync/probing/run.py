"""One probe of a stored connection, from its profile to the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mappings.cells import columns_of
from sync.core.records import Side
from sync.engine.connect import CallLog, profile_of
from sync.engine.tokens import StoredToken
from sync.models import Connection, Flow
from sync.probing import salesforce, salesforce_facts, servicenow, servicenow_facts
from sync.probing.ground import Place
from sync.probing.reader import Reader
from sync.probing.report import Fact, Report, Verdict, all_settled
from sync.probing.table import QUESTIONS


def probe(connection: Connection) -> Report:
    """Ask all that reading can answer. Raises SyncError where the platform cannot be reached or refuses the login."""
    side = Side(connection.system)
    log = CallLog(None, {side: connection})
    places = places_of(connection)
    try:
        with closing(Reader(profile_of(connection), StoredToken(connection), log)) as reader:
            verdicts, facts = (_servicenow if side is Side.SERVICENOW else _salesforce)(reader, places)
            return Report(
                connection=connection.name,
                system=side.value,
                host=urlsplit(reader.transport.origin).netloc,
                at=datetime.now(UTC),
                calls=reader.calls,
                answers=all_settled(QUESTIONS[side], verdicts),
                facts=(*_clock(reader), *facts),
            )
    finally:
        log.save()


Told = tuple[Mapping[str, Verdict], Sequence[Fact]]


def _servicenow(reader: Reader, places: Sequence[Place]) -> Told:
    ground = servicenow.survey(reader, places)
    verdicts = {name: ask(ground) for name, ask in servicenow.ASKS.items()}
    return verdicts, list(servicenow_facts.facts(ground, places))


def _salesforce(reader: Reader, places: Sequence[Place]) -> Told:
    ground = salesforce.survey(reader, places)
    verdicts = {name: ask(ground) for name, ask in salesforce.ASKS.items()}
    return verdicts, list(salesforce_facts.facts(ground, places))


def _clock(reader: Reader) -> Iterator[Fact]:
    now = reader.transport.server_now()
    if now is not None:
        offset = (now - datetime.now(UTC)).total_seconds()
        yield Fact("clock of the platform", f"{offset:+.0f} seconds from ours")


def places_of(connection: Connection) -> tuple[Place, ...]:
    """The tables or objects of the connection's flows, each once, with every field that a flow maps there."""
    if connection.system == Side.SALESFORCE:
        flows = Flow.objects.filter(salesforce_connection=connection)
        found = [
            (flow.salesforce_object, flow.salesforce_key_field, _fields(flow, "salesforce")) for flow in flows
        ]
    else:
        flows = Flow.objects.filter(servicenow_connection=connection)
        found = [(flow.servicenow_table, "", _fields(flow, "servicenow")) for flow in flows]
    return tuple(_merged(found))


def _merged(found: Iterable[tuple[str, str, set[str]]]) -> Iterator[Place]:
    names: dict[str, tuple[str, set[str]]] = {}
    for name, key, fields in found:
        known_key, known = names.setdefault(name, (key, set()))
        known.update(fields)
        names[name] = (known_key or key, known)
    for name, (key, fields) in sorted(names.items()):
        yield Place(name, key, tuple(sorted(fields)))


def _fields(flow: Flow, side: str) -> set[str]:
    """Mapped fields by name; a row may name several, and dot-walks belong to other tables."""
    rows = [row.spec() for row in flow.rows.select_related("value_map")]
    named = (
        name for row in rows for name in (columns_of(row) if side == "servicenow" else (row.salesforce,))
    )
    return {each for each in named if each and "." not in each}
