"""Use: make a flow of a recipe. Like every service it asks for the permission and leaves an audit entry.

It stands beside `sync.services`, which knows no configuration files: what a recipe makes is made by the very functions that
apply one (docs/decisions/0023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from mappings.models import Mapping, UserTable, ValueMap
from sync import audit
from sync.configuration.documents import FlowDoc
from sync.configuration.flows import apply_flow
from sync.configuration.parts import apply_user_table, apply_value_map
from sync.configuration.plan import Plan
from sync.models import Connection, Flow
from sync.recipes.reading import SYSTEMS, Recipe
from sync.services import Refused, require

PERMISSION = "sync.use_recipe"


@dataclass(frozen=True, slots=True)
class Taken:
    """Names that the recipe would give and that something has already."""

    value_maps: tuple[str, ...]
    user_tables: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.value_maps or self.user_tables)

    def __str__(self) -> str:
        parts = ((self.value_maps, "value map"), (self.user_tables, "user table"))
        return "; ".join(
            f"{noun}{'s' if len(names) > 1 else ''} {' and '.join(names)}" for names, noun in parts if names
        )


def taken(recipe: Recipe) -> Taken:
    maps = ValueMap.objects.filter(name__in=[doc.name for doc in recipe.value_maps])
    tables = UserTable.objects.filter(name__in=[doc.name for doc in recipe.user_tables])
    return Taken(tuple(maps.values_list("name", flat=True)), tuple(tables.values_list("name", flat=True)))


def use_recipe(
    *,
    recipe: Recipe,
    name: str,
    servicenow: Connection,
    salesforce: Connection,
    by: User | None,
    share: bool = False,
) -> Flow:
    """Make the recipe's value maps, its user table and a flow that is disabled and not published.

    `share`: maps and a table that have these names already serve the new flow as they are. Raises Refused where a name is
    taken, and then nothing was made.
    """
    require(by, PERMISSION)
    if (servicenow.system, salesforce.system) != SYSTEMS:
        raise Refused("The connections lead to the wrong systems. Choose one to each; nothing was made.")
    with transaction.atomic():
        if Mapping.objects.filter(name=name).exists():
            raise Refused(f"There is a flow {name} already. Choose another name; nothing was made.")
        held = taken(recipe)
        if held and not share:
            raise Refused(
                f"Taken already: {held}. Let the new flow share what is there, or rename it; nothing was made."
            )
        try:
            with transaction.atomic():
                flow = _make(recipe, _flow(recipe, name, servicenow, salesforce), held)
        except IntegrityError as error:
            raise Refused(
                f"Somebody has just taken a name that {name} needs. Try again; nothing was made."
            ) from error
        after = {
            "recipe": recipe.name,
            "servicenow": servicenow.name,
            "salesforce": salesforce.name,
            "shared": [*held.value_maps, *held.user_tables],
        }
        audit.record("recipe.used", flow, after=after)
    return flow


def _flow(recipe: Recipe, name: str, servicenow: Connection, salesforce: Connection) -> FlowDoc:
    return replace(
        recipe.flow,
        name=name,
        enabled=False,
        servicenow=replace(recipe.flow.servicenow, connection=servicenow.name),
        salesforce=replace(recipe.flow.salesforce, connection=salesforce.name),
    )


def _make(recipe: Recipe, flow: FlowDoc, held: Taken) -> Flow:
    plan = Plan()
    for value_map in recipe.value_maps:
        if value_map.name not in held.value_maps:
            apply_value_map(value_map, plan)
    for table in recipe.user_tables:
        if table.name not in held.user_tables:
            apply_user_table(table, plan)
    apply_flow(flow, plan)
    return Flow.objects.get(name=flow.name)
