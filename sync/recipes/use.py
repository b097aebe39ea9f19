"""Use: make flows of a recipe. Like every service it asks for the permission and leaves an audit entry.

It stands beside `sync.services`, which knows no configuration files: what a recipe makes is what a file that names the recipe makes
(docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from mappings.models import Mapping, RoutingTable, UserTable, ValueMap
from sync import audit
from sync.configuration.apply import known_names
from sync.configuration.documents import Document
from sync.configuration.flows import apply_flow
from sync.configuration.parse import parse
from sync.configuration.parts import apply_user_table, apply_value_map
from sync.configuration.plan import Plan
from sync.configuration.problems import InvalidConfiguration
from sync.configuration.routes import apply_routing_table
from sync.models import Connection, Flow
from sync.recipes.reading import SYSTEMS, Recipe, Recipes, named, written
from sync.recipes.shelf import shipped
from sync.services import Refused, require

PERMISSION = "sync.use_recipe"


@dataclass(frozen=True, slots=True)
class Taken:
    """Names that the recipe would give and that something has already."""

    value_maps: tuple[str, ...]
    user_tables: tuple[str, ...]
    routing_tables: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.value_maps, *self.user_tables, *self.routing_tables)

    def __str__(self) -> str:
        parts = (
            (self.value_maps, "value map"),
            (self.user_tables, "user table"),
            (self.routing_tables, "routing table"),
        )
        return "; ".join(
            f"{noun}{'s' if len(names) > 1 else ''} {' and '.join(names)}" for names, noun in parts if names
        )


def taken(recipe: Recipe) -> Taken:
    return Taken(
        _held(ValueMap, recipe.value_maps),
        _held(UserTable, recipe.user_tables),
        _held(RoutingTable, recipe.routing_tables),
    )


def _held(model: Any, docs: Iterable[Any]) -> tuple[str, ...]:
    return tuple(model.objects.filter(name__in=[doc.name for doc in docs]).values_list("name", flat=True))


def names(recipe: Recipe, prefix: str) -> list[str]:
    """The names that its flows are given."""
    return [named(prefix, part.name) for part in recipe.parts]


def use_recipe(
    *,
    recipe: Recipe,
    name: str,
    servicenow: Connection,
    salesforce: Connection,
    by: User | None,
    share: bool = False,
    option: str = "",
    recipes: Recipes | None = None,
) -> tuple[Flow, ...]:
    """Make the recipe's value maps, its user tables and its flows, disabled and not published.

    `name` is that of the flow, or where there are several what theirs begin with. `share`: maps and tables that have these names
    already serve the new flows as they are. Raises Refused where a name is taken or a flow of another recipe is
    missing, and then nothing was made. `option`: which of those that the recipe lets choose between; "" for the usual one.
    `recipes`: those that it may refer to; None for the shipped ones.
    """
    require(by, PERMISSION)
    if (servicenow.system, salesforce.system) != SYSTEMS:
        raise Refused("The connections lead to the wrong systems. Choose one to each; nothing was made.")
    try:
        used = recipe.of(option)
    except KeyError:
        raise Refused(f"{recipe.title} has no option {option}. Choose another; nothing was made.") from None
    with transaction.atomic():
        wanted = names(used, name)
        if there := Mapping.objects.filter(name__in=wanted).values_list("name", flat=True):
            raise Refused(f"There is a flow {there[0]} already. Choose another name; nothing was made.")
        held = taken(used)
        if held and not share:
            raise Refused(
                f"Taken already: {held}. Let the new flow share what is there, or rename it; nothing was made."
            )
        shelf = {**(shipped() if recipes is None else recipes), recipe.name: recipe}
        document = _document(_whole(used, name, servicenow, salesforce), shelf)
        try:
            with transaction.atomic():
                flows = _make(document)
        except IntegrityError as error:
            lost = [*Mapping.objects.filter(name__in=wanted).values_list("name", flat=True)]
            lost += sorted({*taken(used).names} - {*held.names})
            if not lost:
                raise
            raise Refused(
                f"Somebody has just taken the name {lost[0]}. Try again; nothing was made."
            ) from error
        for flow in flows:
            audit.record("recipe.used", flow, after={
                "recipe": flow.recipe, "servicenow": servicenow.name, "salesforce": salesforce.name,
                "shared": list(held.names),
            })  # fmt: skip
    return flows


def _whole(recipe: Recipe, name: str, servicenow: Connection, salesforce: Connection) -> str:
    """The shortest configuration file that uses the recipe."""
    flows = [
        {
            "name": named(name, part.name),
            "recipe": written(recipe.name, part.name),
            "enabled": False,
            "servicenow": {"connection": servicenow.name},
            "salesforce": {"connection": salesforce.name},
        }
        for part in recipe.parts
    ]
    return yaml.safe_dump({"version": 1, "flows": flows})


def _document(text: str, recipes: Recipes) -> Document:
    """Raises Refused with what is amiss with such a file here."""
    try:
        return parse(text, file="recipe", known=known_names(), environ={}, recipes=recipes).document
    except InvalidConfiguration as invalid:
        raise Refused(f"{invalid.problems[0].text} Nothing was made.") from invalid


def _make(document: Document) -> tuple[Flow, ...]:
    plan = Plan()
    for value_map in document.value_maps:
        apply_value_map(value_map, plan)
    for table in document.user_tables:
        apply_user_table(table, plan)
    for routing in document.routing_tables:
        apply_routing_table(routing, plan)
    for flow in document.flows:
        apply_flow(flow, plan)
    made = Flow.objects.in_bulk([flow.name for flow in document.flows], field_name="name")
    return tuple(made[flow.name] for flow in document.flows)
