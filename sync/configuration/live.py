"""Asking the platforms whether the file's tables, objects and fields exist. A silent platform is a notice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from django.conf import settings

from mappings.cells import columns_of
from sync.configuration import actions
from sync.configuration.documents import ConnectionDoc, Document, FlowDoc, ValueMapDoc
from sync.configuration.parse import Parsed
from sync.configuration.problems import InvalidConfiguration, Remark, Remarks, did_you_mean
from sync.connectors.addresses import checked_origin
from sync.connectors.auth import InMemoryTokenStore
from sync.connectors.base import Call, Connector, Profile, TokenStore
from sync.connectors.registry import open_connector
from sync.core.actions import READS, Do, Step, plan_of
from sync.core.notes import KINDS, OFF
from sync.core.records import Schema, Side
from sync.engine.connect import profile_of
from sync.engine.tokens import StoredToken, secrets_of
from sync.errors import SchemaError, SyncError
from sync.models import Connection

# The column of each term of an encoded query: after its start, ^, ^OR or ^NQ. Keywords are upper case.
_TERM = re.compile(r"(?:^|\^(?:OR|NQ)?)([a-z][a-z0-9_]*)")


def check_live(parsed: Parsed, environ: Mapping[str, str]) -> list[str]:
    """Raises InvalidConfiguration naming every unknown table, object and field; returns notices of what was not asked."""
    problems, notices = ask_platforms(parsed.document, environ)
    if problems:
        raise InvalidConfiguration(parsed.file, problems)
    return notices


def ask_platforms(document: Document, environ: Mapping[str, str]) -> tuple[list[Remark], list[str]]:
    """Every unknown table, object and field, and notices of what was not asked."""
    remarks = Remarks()
    notices: list[str] = []
    for name, asked in asked_of(document).items():
        try:
            profile = _profile(name, document, environ)
            if profile is None:
                continue
            with closing(open_connector(profile, _tokens(name, profile), _unobserved)) as connector:
                for question in asked:
                    _check_names(connector, question, remarks)
        except SyncError as error:
            notices.append(f"connections[{name}]: tables and fields were not checked: {error.message}")
    return remarks.problems, notices


@dataclass(frozen=True, slots=True)
class Name:
    line: int
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One flow's end: the table or object, and the columns it names. `key`: must be unique over there."""

    table: Name
    columns: tuple[Name, ...]
    key: str = ""


def asked_of(document: Document) -> dict[str, list[Asked]]:
    """What the document's flows name over there, by connection."""
    asked: dict[str, list[Asked]] = {}
    for flow in document.flows:
        names = [*_servicenow_names(flow), *_companions(flow, document.value_maps)]
        table = Name(flow.servicenow.line, f"flows[{flow.name}].servicenow.table", flow.servicenow.table)
        asked.setdefault(flow.servicenow.connection, []).append(Asked(table, tuple(names)))
        asked.setdefault(flow.salesforce.connection, []).append(_salesforce_names(flow))
        for side, question in _action_names(flow):
            end = flow.servicenow if side is Side.SERVICENOW else flow.salesforce
            asked.setdefault(end.connection, []).append(question)
    return asked


def _action_names(flow: FlowDoc) -> Iterator[tuple[Side, Asked]]:
    """What the flow's actions name: columns of its own records, and the tables and columns of their steps."""
    if any(True for _ in actions.problems(flow.actions, flow.reads)):
        return  # told already
    for index, action in enumerate(plan_of(list(flow.actions.said)).actions):
        for side, columns in action.columns.items():
            end = flow.servicenow.table if side is Side.SERVICENOW else flow.salesforce.object
            place = partial(_at, flow, str(index))
            here = [name for name in columns if side is Side.SERVICENOW or "." not in name]
            yield side, Asked(place(end), tuple(place(name.partition(".")[0]) for name in here))
        for number, step in enumerate(action.steps):
            path = f"{index}.steps.{number}"
            if step.side is not None and step.do in (*READS, Do.CREATE, Do.UPDATE):
                yield step.side, _of_step(flow, path, step)


def _of_step(flow: FlowDoc, path: str, step: Step) -> Asked:
    """A look-up's columns of the text as it stands: what holes will hold is no name."""
    columns = [(f"values.{name}", name) for name in step.values("values")]
    columns += [("take", name) for name in step.texts("take")]
    columns += [("text", name) for name in step.texts("text") if step.do is Do.RANK]
    columns += [("order_by", name.removesuffix(" desc")) for name in step.texts("order_by")]
    columns += [(key, step.text(key)) for key in ("key", "distinct") if step.text(key)]
    if step.side is Side.SERVICENOW:
        columns += [(key, name) for key in ("query", "find") for name in _TERM.findall(step.text(key))]
    names = tuple(
        _at(flow, f"{path}.{where}", name.partition(".")[0])
        for where, name in columns
        if _is_here(step, name)
    )
    return Asked(_at(flow, f"{path}.table", step.text("table")), names)


def _is_here(step: Step, name: str) -> bool:
    """Salesforce's paths begin with a relationship, which is no column: those are left to the platform."""
    return step.side is Side.SERVICENOW or "." not in name


def _at(flow: FlowDoc, path: str, name: str) -> Name:
    return Name(actions.line_of(flow.actions, path), f"flows[{flow.name}].{actions.shown(path)}", name)


def _servicenow_names(flow: FlowDoc) -> Iterator[Name]:
    path, end = f"flows[{flow.name}]", flow.servicenow
    for index, row in enumerate(flow.fields):
        for column in columns_of(row.spec()):
            yield Name(row.line, f"{path}.fields[{index}].servicenow", column.partition(".")[0])
    for key, query in (("scope", end.scope), ("enter", end.enter)):
        for column in _TERM.findall(query):
            yield Name(end.line, f"{path}.servicenow.{key}", column)
    if end.field:
        yield Name(end.line, f"{path}.servicenow.field", end.field)
    yield from _closing(flow, flow.deletions.close.servicenow)
    for kind in KINDS:
        said = getattr(flow.comments, kind)
        if said.salesforce != OFF:
            yield Name(said.line, f"{path}.comments.{kind}", kind)


def _closing(flow: FlowDoc, names: Iterable[str]) -> Iterator[Name]:
    """The fields by which a record is closed whose counterpart was deleted."""
    for name in names:
        yield Name(flow.deletions.close.line, f"flows[{flow.name}].deletions.close", name)


def _companions(flow: FlowDoc, maps: Iterable[ValueMapDoc]) -> Iterator[Name]:
    """The columns that values of the flow's maps take along to ServiceNow."""
    used = flow.maps if flow.direction != "to_salesforce" else set()
    for value_map in maps:
        if value_map.name in used:
            for index, entry in enumerate(value_map.entries):
                for column in entry.along:
                    path = f"value_maps[{value_map.name}].entries[{index}].along"
                    yield Name(entry.line, path, column)


def _salesforce_names(flow: FlowDoc) -> Asked:
    path, end = f"flows[{flow.name}]", flow.salesforce
    rows = [
        Name(row.line, f"{path}.fields[{index}].salesforce", row.salesforce)
        for index, row in enumerate(flow.fields)
        if "." not in row.salesforce  # what lies behind a reference is another object's
    ]
    key_name = "external_id" if end.external_id else "lookup"
    key = Name(end.line, f"{path}.salesforce.{key_name}", end.external_id or end.lookup)
    return Asked(
        Name(end.line, f"{path}.salesforce.object", end.object),
        (*rows, *_closing(flow, flow.deletions.close.salesforce), *([key] if key.name else ())),
        end.external_id,
    )


def _check_names(connector: Connector, asked: Asked, remarks: Remarks) -> None:
    table = asked.table
    try:
        schema = connector.describe(table.name)
    except SchemaError as error:
        remarks.problem(table.line, table.path, error.message)
        return
    known = {name.casefold() for name in schema.fields}
    for column in asked.columns:
        if column.name.casefold() not in known:
            hint = did_you_mean(column.name, schema.fields)
            remarks.problem(column.line, column.path, f"{table.name} has no field {column.name!r}.{hint}")
    if asked.key:
        _check_key(schema, asked, remarks)


def _check_key(schema: Schema, asked: Asked, remarks: Remarks) -> None:
    """Without a unique key over there a repeated create would be a second record."""
    found = schema.fields.get(asked.key)
    if found is not None and not found.unique:
        path = asked.columns[-1].path
        remarks.problem(
            asked.table.line, path, f"{asked.key} is not declared unique in Salesforce; it must be."
        )


def _profile(name: str, document: Document, environ: Mapping[str, str]) -> Profile | None:
    """How to reach a connection as it will be: from the file, with stored secrets where a variable is unset."""
    stored = Connection.objects.filter(name=name).first()
    doc = next((doc for doc in document.connections if doc.name == name), None)
    secrets = secrets_of(stored) if stored else {}
    if doc is not None:
        if stored and checked_origin(doc.url) != stored.url:
            secrets.pop("refresh_token", None)  # it was given to the other address
        secrets |= dict(_set_secrets(doc, environ))
    source = doc or stored
    if source is None:
        return None
    return Profile(
        name=name,
        system=Side(source.system),
        url=checked_origin(source.url),
        auth=source.auth,
        username=source.username,
        secrets=secrets,
        ca_bundle=source.ca_bundle,
        allowed_hosts=tuple(settings.CONNECTION_ALLOWED_HOSTS),
        api_version=source.api_version,
        audience=source.audience,
        key_id=source.key_id,
        timeout=(5.0, 15.0),
    )


def _tokens(name: str, profile: Profile) -> TokenStore:
    """The stored token where the file leads to the connection as it is: a platform may give each refresh token once."""
    stored = Connection.objects.filter(name=name).first()
    held = profile_of(stored) if stored else None
    if stored and held and replace(profile, timeout=held.timeout, concurrency=held.concurrency) == held:
        return StoredToken(stored)
    return InMemoryTokenStore()


def _set_secrets(doc: ConnectionDoc, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for secret, variable in doc.secrets.items():
        if value := environ.get(variable):
            yield secret, value


def _unobserved(call: Call) -> None:
    """Questions about names are not part of any run's record."""
