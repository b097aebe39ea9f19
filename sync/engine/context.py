"""A flow's revision made ready for a run: names, columns, compiled mapping, policies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from mappings.apply import CompiledMapping, CompiledRow, MappingError, compile_mapping
from mappings.linting.behind import reference_of
from mappings.routing import Routing
from mappings.spec import Environment, MappingSpec, PeopleSpec
from mappings.tools import NO_TOOLS, Tools
from sync import people
from sync.connectors.base import Connector
from sync.core import action_rules
from sync.core.actions import NO_ACTIONS, Plan, plan_of
from sync.core.keys import INSTANCE, PLAIN, Keys
from sync.core.merge import Base, Policy
from sync.core.notes import NOTHING, Exchange, exchange_of
from sync.core.planner import PlanRow
from sync.core.records import RECORD_TYPE, Schema, Side
from sync.engine.pictures import Pictures
from sync.engine.placing import routing_of
from sync.engine.references import References
from sync.engine.renewal import Renewal
from sync.engine.schemas import check_key, known_schema, look, read_schema, remember_schema
from sync.engine.sharing import check_clashes
from sync.errors import ConfigurationError, SchemaError
from sync.models import Connection, Flow, Revision
from sync.revisions import mapping_spec

# Families of tables without a number: what people call their records, as far as that is no name of a person.
NUMBERLESS = {
    "alm_": "asset_tag", "cmdb_": "asset_tag", "service_offering": "asset_tag",
    "core_company": "", "customer_contact": "", "sys_": "", "cmn_": "",
}  # fmt: skip
# Salesforce's objects: what stands in for a number, which is kept in the clear. Elsewhere it is the Name, unless that names people.
NUMBER_FIELDS = {
    "Case": "CaseNumber", "Account": "AccountNumber", "Knowledge__kav": "ArticleNumber",
    "Contact": "", "Lead": "", "Opportunity": "", "User": "",
}  # fmt: skip
CORRELATION = "correlation_id"  # of every task and configuration item
DEFAULT_PAGE = 2000


def number_column(table: str) -> str:
    """The column of a ServiceNow table by which people know its records; "" where there is none."""
    return next((column for head, column in NUMBERLESS.items() if table.startswith(head)), "number")


@dataclass(frozen=True)
class Context:
    flow: Flow
    revision: Revision
    settings: dict[str, Any]  # the revision's snapshot
    mapping: CompiledMapping
    salesforce_schema: Schema
    servicenow_schema: Schema | None = None  # asked only where ServiceNow is written
    salesforce_org: str = ""
    keys: Keys = PLAIN  # how Salesforce records name their counterpart
    exchange: Exchange = NOTHING  # what is carried of comments and work notes
    routing: Routing | None = None  # which desk its records belong to
    references: References | None = None  # counterparts in other flows that its rows refer to
    actions: Plan = NO_ACTIONS
    tools_of: Mapping[Side, Tools] = field(
        default_factory=dict
    )  # what formulas ask of the world, by where values go
    pictures: Pictures | None = None  # where Salesforce shows pictures that its texts show
    spec: MappingSpec | None = None  # of what `mapping` was compiled, and
    environment: Environment = field(default_factory=Environment)  # against what
    judging: bool = False  # whether writes are held against the schemas, as none is sent
    renewal: Renewal | None = None  # of a run that sends again what the mapping now makes otherwise

    @property
    def table(self) -> str:
        return str(self.settings["servicenow_table"])

    @property
    def object(self) -> str:
        return str(self.settings["salesforce_object"])

    @property
    def rows(self) -> tuple[CompiledRow, ...]:
        return self.mapping.rows

    def name(self, side: Side) -> str:
        return self.table if side is Side.SERVICENOW else self.object

    def setting(self, side: Side, name: str) -> str:
        return str(self.settings[f"{side}_{name}"])

    @property
    def reads(self) -> tuple[Side, ...]:
        """The sides whose changes the flow follows."""
        direction = self.settings["direction"]
        if direction == "both":
            return (Side.SERVICENOW, Side.SALESFORCE)
        return (Side.SERVICENOW,) if direction == "to_salesforce" else (Side.SALESFORCE,)

    def writes(self, side: Side) -> bool:
        return side.other in self.reads

    def creates(self, side: Side) -> bool:
        return bool(self.settings[f"create_in_{side}"]) and self.writes(side)

    def fields(self, side: Side) -> tuple[str, ...]:
        """The columns to read: mapped ones, those that desks are told by, and the one by which a record names its counterpart."""
        routed = self.routing.fields(side) if self.routing is not None else ()
        if side is Side.SERVICENOW:
            mark = (self.mark_field,) if self.mark_field else ()
            named = (*self.mapping.servicenow_fields, *routed, *mark, *self.actions.columns(side))
        else:
            key = (self.key_field,) if self.key_field and Side.SALESFORCE in self.reads else ()
            named = (*self.mapping.salesforce_fields, *routed, *key, *self.actions.columns(side))
            if self.judging and any(each.choices for each in self.salesforce_schema.record_types):
                named = tuple(dict.fromkeys((*named, RECORD_TYPE)))
        return tuple(dict.fromkeys(named)) if routed else named

    def tools(self, to: Side) -> Tools:
        """What formulas may ask of the world whose values go to `to`."""
        return self.tools_of.get(to, NO_TOOLS)

    @property
    def only_acts(self) -> bool:
        """Whether the flow keeps nothing in step, and only follows records with actions."""
        return bool(self.actions) and not self.rows

    def number_field(self, side: Side) -> str:
        if side is Side.SALESFORCE:
            return self.salesforce_number
        return number_column(self.table)

    @property
    def salesforce_number(self) -> str:
        return NUMBER_FIELDS.get(self.object, "Name" if "Name" in self.salesforce_schema.fields else "")

    # Keys: how a counterpart is found again

    @property
    def key_field(self) -> str:
        """The Salesforce field that holds the sys_id, perhaps after the instance's id."""
        return self.setting(Side.SALESFORCE, "key_field")

    @property
    def mark_field(self) -> str:
        """The ServiceNow column that names the Salesforce record it was made for; "" where none is kept."""
        if not self.creates(Side.SERVICENOW) or self.servicenow_schema is None:
            return ""
        named = self.setting(Side.SERVICENOW, "key_field")
        return named or (CORRELATION if CORRELATION in self.servicenow_schema.fields else "")

    def repeats_are_harmless(self, to: Side) -> bool:
        """Whether of two inserts for one record the platform refuses the second."""
        return self.setting(to, "key") == ("external_id" if to is Side.SALESFORCE else "sys_id")

    @property
    def keeps_key_in_salesforce(self) -> bool:
        """Whether a Salesforce record that was there first is given the sys_id of its counterpart."""
        return self.writes(Side.SALESFORCE) and self.repeats_are_harmless(Side.SALESFORCE)

    def key_of(self, to: Side, source_id: str) -> tuple[str, str]:
        """The field of `to` by which the counterpart of a record is found, and its value there."""
        if to is Side.SALESFORCE:
            return self.key_field, self.keys.of(source_id)
        if self.repeats_are_harmless(to):
            return "sys_id", derived_sys_id(self.salesforce_org, source_id)
        return self.mark_field, self.mark(source_id)

    def born_with(self, to: Side, source_id: str) -> dict[str, str]:
        """What a newborn carries beside its mapped fields."""
        name, value = self.key_of(to, source_id)
        mark = {self.mark_field: self.mark(source_id)} if to is Side.SERVICENOW and self.mark_field else {}
        return {**mark, name: value}

    def mark(self, salesforce_id: str) -> str:
        return f"sf:{self.salesforce_org}:{salesforce_id}"

    def named_counterpart(self, side: Side, id: str, values: Mapping[str, Any]) -> str:
        """The id on the other side that an unlinked record names as its own; "" if it names none, or a copy's."""
        if side is Side.SALESFORCE:
            return self.keys.sys_id(str(values.get(self.key_field) or ""))
        mark = str(values.get(self.mark_field) or "") if self.mark_field else ""
        prefix = self.mark("")
        named = mark.removeprefix(prefix) if mark.startswith(prefix) else ""
        if named and self.repeats_are_harmless(Side.SERVICENOW):
            # A copied incident carries the mark of its original, and a sys_id of its own.
            return named if derived_sys_id(self.salesforce_org, named) == id else ""
        return named

    def is_anothers(self, salesforce_values: Mapping[str, Any]) -> bool:
        """Whether a Salesforce record names a record of another instance: it is the counterpart of that one."""
        return self.keys.is_another(str(salesforce_values.get(self.key_field) or ""))

    @property
    def overlap(self) -> timedelta:
        return timedelta(seconds=self.settings["overlap"])

    @property
    def patience(self) -> timedelta:
        return timedelta(seconds=self.settings["patience"])

    def schema(self, side: Side) -> Schema | None:
        return self.servicenow_schema if side is Side.SERVICENOW else self.salesforce_schema

    def own_user(self, side: Side) -> str:
        """Who we are there; "" while nobody has told."""
        connection = (
            self.flow.servicenow_connection if side is Side.SERVICENOW else self.flow.salesforce_connection
        )
        return str(connection.own_user)

    def policy(
        self, row: PlanRow, newest: Side | None, chosen: Side | None = None, base: Base | None = None
    ) -> Policy:
        two_way = row.one_way is None
        return Policy(
            conflict=row.conflict or self.settings["conflict"],
            adopt=self.settings["adopt"] or ("ask" if two_way else "servicenow"),
            restore_drift=self.settings["drift"] == "restore",
            tie=Side(self.settings["tie"]),
            newest=newest,
            chosen=chosen,
            renewed=self.renewal is not None and self.renewal.concerns(row.id, base),
        )


def derived_sys_id(org_id: str, record_id: str) -> str:
    """The sys_id that we choose for the counterpart of a Salesforce record: the same one at every attempt.

    A sys_id is 32 hexadecimal digits; 128 bits of SHA-256 do not meet by chance.
    """
    return hashlib.sha256(f"{org_id}:{record_id}".encode()).hexdigest()[:32]


def build(
    flow: Flow, revision: Revision, servicenow: Connector, salesforce: Connector, *, judging: bool = False
) -> Context:
    """Compile the revision against who is who and what Salesforce allows. `judging`: see Context.

    Raises ConfigurationError or SchemaError, naming what to change, for a flow that must not start.
    """
    data = revision.snapshot
    exchange = exchange_of(data["options"].get("comments"), data["direction"], data["salesforce_object"])
    check_clashes(flow)
    schema, people_known = _ask_both(flow, data, servicenow, salesforce)
    keys = _keys(flow, data, servicenow)
    reads = [side.value for side in Side if data["direction"] in ("both", f"to_{side.other}")]
    action_rules.check(data["options"].get("actions"), reads)
    actions = plan_of(data["options"].get("actions"))
    if data["fields"] or not actions:
        check_key(data, schema, keys)
    writes_back = data["direction"] != "to_salesforce"
    here = _schema(flow.servicenow_connection, data["servicenow_table"], servicenow) if writes_back else None
    references, pictures = References(flow), Pictures(flow)
    environment = Environment(
        counterpart=references,
        picture=pictures,
        people=people_known,
        salesforce_lengths=_lengths(schema),
        servicenow_lengths=_lengths(here) if here else {},
        servicenow_record_url=servicenow.record_url(data["servicenow_table"], "{id}"),
        key_of=keys.of,
        sys_id_of=keys.sys_id,
    )
    try:
        spec = mapping_spec(data)
        mapping = compile_mapping(spec, environment)
    except MappingError as error:
        raise ConfigurationError(
            str(error), code="bad_mapping", advice="Correct the row and publish the flow."
        ) from error
    _check_fields(mapping, schema)
    flow.salesforce_connection.refresh_from_db(fields=["org_id", "own_user"])  # the first login told them
    org = flow.salesforce_connection.org_id
    references.follow(mapping.rows)
    routing = routing_of(flow, servicenow, salesforce, now=timezone.now())
    context = Context(
        flow, revision, data, mapping, schema, here, org, keys, exchange, routing, references, actions,
        {to: Tools.of(spec, environment).towards(to) for to in Side} if actions else {}, pictures, spec,
        environment, judging,
    )  # fmt: skip
    _check_routed(context)
    _check_creation(context)
    return context


def _lengths(schema: Schema) -> dict[str, int]:
    return {name: field.length for name, field in schema.fields.items() if field.length}


def _check_routed(context: Context) -> None:
    """A routing table that names a field nobody shows would place no record, and say so nowhere."""
    for side in Side:
        schema, routing = context.schema(side), context.routing
        named = routing.fields(side) if routing is not None and schema is not None else ()
        lacking = [name for name in named if "." not in name and schema and name not in schema.fields]
        if routing is not None and lacking:
            raise SchemaError(
                f"{context.name(side)} has no field {', '.join(lacking)}, by which the routing table {routing.name} tells desks.",
                code="field_missing",
                advice="Correct the table, or take it out of the flow.",
            )


def _check_creation(context: Context) -> None:
    """Without a key of its own a record could be made twice: the flow does not start."""
    if not context.creates(Side.SERVICENOW):
        return
    if not context.salesforce_org:
        raise ConfigurationError(
            "It is not known which organisation the Salesforce connection leads to, and the keys of new records name it.",
            code="org_unknown",
            advice="Test the Salesforce connection, then run the flow again.",
        )
    strategy = context.setting(Side.SERVICENOW, "key")
    if strategy not in ("sys_id", "field"):
        raise ConfigurationError(
            f"Records cannot be created in ServiceNow by the key “{strategy}” yet.",
            code="key_unsupported",
            advice="Choose the derived sys_id, or a field such as correlation_id.",
        )
    if strategy == "field" and not context.mark_field:
        raise ConfigurationError(
            "The flow creates records in ServiceNow by a key field, and names none.",
            code="key_missing",
            advice=f"Name the column that holds the key, for example {CORRELATION}.",
        )


def _ask_both(
    flow: Flow, data: dict[str, Any], servicenow: Connector, salesforce: Connector
) -> tuple[Schema, PeopleSpec]:
    """What the object looks like and who is who, asked side by side where the stored answers are old."""
    name = data["salesforce_object"]
    known = known_schema(flow.salesforce_connection, name)
    key = data["salesforce_key_field"]
    if known is not None and key and key not in known.fields:
        known = None  # the admin may have made it since
    with ThreadPoolExecutor(1) as side_by_side:
        asked = None if known else side_by_side.submit(look, salesforce, name)
        people_known = _people(flow, servicenow, salesforce)
        schema = remember_schema(flow.salesforce_connection, asked.result()) if asked else known
    assert schema is not None
    return schema, people_known


def _schema(connection: Connection, name: str, connector: Connector) -> Schema:
    return known_schema(connection, name) or read_schema(connection, connector, name)


def _people(flow: Flow, servicenow: Connector, salesforce: Connector) -> PeopleSpec:
    table = flow.user_table
    if table is None:
        return people.people_spec(None)
    if people.needs_resolving(table, now=timezone.now()):
        people.resolve_user_table(table, servicenow, salesforce)
    return people.people_spec(table)


def _keys(flow: Flow, data: dict[str, Any], servicenow: Connector) -> Keys:
    """Where keys name the instance and nobody has asked for its id yet, it is asked for."""
    if data["options"].get("key_prefix") != INSTANCE:
        return PLAIN
    connection = flow.servicenow_connection
    connection.refresh_from_db(fields=["org_id"])
    if not connection.org_id and (found := servicenow.probe().org_id):
        Connection.objects.filter(pk=connection.pk, org_id="").update(org_id=found)
        connection.refresh_from_db(fields=["org_id"])
        check_clashes(flow)
    if not connection.org_id:
        raise ConfigurationError(
            "It is not known which instance the ServiceNow connection leads to, and the keys in Salesforce name it.",
            code="org_unknown",
            advice="Test the ServiceNow connection, then run the flow again.",
        )
    return Keys(connection.org_id)


def _is_there(name: str, schema: Schema) -> bool:
    """Behind a reference the object itself shows no more than the reference."""
    head, dot, _ = name.partition(".")
    return reference_of(Side.SALESFORCE, head, schema.fields) is not None if dot else name in schema.fields


def _check_fields(mapping: CompiledMapping, schema: Schema) -> None:
    missing = [name for name in mapping.salesforce_fields if not _is_there(name, schema)]
    if missing:
        raise SchemaError(
            f"{schema.name} has no field {', '.join(missing)}, or the integration user may not see it.",
            code="field_missing",
            advice="Correct the field's name in the mapping, or give the integration user field-level access to it.",
        )
