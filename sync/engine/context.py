"""A flow's revision made ready for a run: names, columns, compiled mapping, policies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from mappings.apply import CompiledMapping, CompiledRow, MappingError, compile_mapping
from mappings.spec import Environment, PeopleSpec
from sync import people
from sync.connectors.base import Connector
from sync.core.merge import Policy
from sync.core.planner import PlanRow
from sync.core.records import FieldSchema, Schema, Side
from sync.errors import ConfigurationError, SchemaError
from sync.models import CachedSchema, Connection, Flow, Revision
from sync.revisions import mapping_spec

SCHEMA_FRESH = timedelta(hours=24)
NUMBER_FIELDS = {"Case": "CaseNumber", "Account": "AccountNumber"}
DEFAULT_PAGE = 2000


@dataclass(frozen=True)
class Context:
    flow: Flow
    revision: Revision
    settings: dict[str, Any]  # the revision's snapshot
    mapping: CompiledMapping
    salesforce_schema: Schema

    @property
    def table(self) -> str:
        return str(self.settings["servicenow_table"])

    @property
    def object(self) -> str:
        return str(self.settings["salesforce_object"])

    @property
    def rows(self) -> tuple[CompiledRow, ...]:
        return self.mapping.rows

    @property
    def key_field(self) -> str:
        return str(self.settings["salesforce_key_field"])

    @property
    def key_is_unique(self) -> bool:
        return bool(self.settings["salesforce_key"] == "external_id")

    @property
    def salesforce_number(self) -> str:
        return NUMBER_FIELDS.get(self.object, "Name" if "Name" in self.salesforce_schema.fields else "")

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.settings["overlap"])

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.settings["patience"])

    @property
    def creates(self) -> bool:
        return bool(self.settings["create_in_salesforce"])

    def policy(self, row: PlanRow, newest: Side | None) -> Policy:
        two_way = row.one_way is None
        return Policy(
            conflict=row.conflict or self.settings["conflict"],
            adopt=self.settings["adopt"] or ("ask" if two_way else "servicenow"),
            restore_drift=self.settings["drift"] == "restore",
            tie=Side(self.settings["tie"]),
            newest=newest,
        )


def build(flow: Flow, revision: Revision, servicenow: Connector, salesforce: Connector) -> Context:
    """Compile the revision against who is who and what Salesforce allows.

    Raises ConfigurationError or SchemaError, naming what to change, for a flow that must not start.
    """
    data = revision.snapshot
    schema, people_known = _ask_both(flow, data, servicenow, salesforce)
    _check_key(data, schema)
    environment = Environment(
        people=people_known,
        salesforce_lengths={name: field.length for name, field in schema.fields.items() if field.length},
        servicenow_record_url=servicenow.record_url(data["servicenow_table"], "{id}"),
    )
    try:
        mapping = compile_mapping(mapping_spec(data), environment)
    except MappingError as error:
        raise ConfigurationError(
            str(error), code="bad_mapping", advice="Correct the row and publish the flow."
        ) from error
    _check_fields(mapping, schema)
    return Context(flow, revision, data, mapping, schema)


def _ask_both(
    flow: Flow, data: dict[str, Any], servicenow: Connector, salesforce: Connector
) -> tuple[Schema, PeopleSpec]:
    """What the object looks like and who is who, asked side by side where the stored answers are old."""
    name = data["salesforce_object"]
    known = known_schema(flow.salesforce_connection, name)
    with ThreadPoolExecutor(1) as side_by_side:
        asked = None if known else side_by_side.submit(salesforce.describe, name)
        people_known = _people(flow, servicenow, salesforce)
        schema = remember_schema(flow.salesforce_connection, asked.result()) if asked else known
    assert schema is not None
    return schema, people_known


def _people(flow: Flow, servicenow: Connector, salesforce: Connector) -> PeopleSpec:
    table = flow.user_table
    if table is None:
        return people.people_spec(None)
    if people.needs_resolving(table, now=timezone.now()):
        people.resolve_user_table(table, servicenow, salesforce)
    return people.people_spec(table)


def _check_key(data: dict[str, Any], schema: Schema) -> None:
    """An external id that is not unique lets two parallel creates make two records: the flow does not start."""
    name = data["salesforce_key_field"]
    field = schema.fields.get(name)
    if field is None:
        raise SchemaError(
            f"{schema.name} has no field {name}, or the integration user may not see it.",
            code="key_missing",
            advice=f"Create {name} on {schema.name} as Text(32), External ID, Unique, and give the user edit access to it.",
        )
    if data["salesforce_key"] == "external_id" and not field.unique:
        raise SchemaError(
            f"{schema.name}.{name} is not unique: two creates at once could make two records.",
            code="key_not_unique",
            advice=f"Tick Unique on {schema.name}.{name} in Salesforce's object manager.",
        )


def _check_fields(mapping: CompiledMapping, schema: Schema) -> None:
    missing = [name for name in mapping.salesforce_fields if name not in schema.fields]
    if missing:
        raise SchemaError(
            f"{schema.name} has no field {', '.join(missing)}, or the integration user may not see it.",
            code="field_missing",
            advice="Correct the field's name in the mapping, or give the integration user field-level access to it.",
        )


def known_schema(connection: Connection, name: str) -> Schema | None:
    """What the platform said of `name`, if that is less than a day old."""
    row = CachedSchema.objects.filter(connection=connection, name=name).first()
    if row is None or timezone.now() - row.fetched_at > SCHEMA_FRESH:
        return None
    return Schema(name, {key: FieldSchema(**_tuples(value)) for key, value in row.fields.items()})


def remember_schema(connection: Connection, schema: Schema) -> Schema:
    CachedSchema.objects.update_or_create(
        connection=connection,
        name=schema.name,
        defaults={
            "fields": {key: _field_json(field) for key, field in schema.fields.items()},
            "fetched_at": timezone.now(),
        },
    )
    return schema


def forget_schema(connection: Connection) -> None:
    CachedSchema.objects.filter(connection=connection).delete()


def _field_json(field: FieldSchema) -> dict[str, Any]:
    return {name: getattr(field, name) for name in FieldSchema.__dataclass_fields__}


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
