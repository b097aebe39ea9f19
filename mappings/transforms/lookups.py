"""Functions that look a value up: in value maps, in the user table, among the records that flows have linked. Pure.

What they look in is handed to them (`Tools`); where a value goes the other way they are turned round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mappings.registry import Display, Text, Value, function
from mappings.spec import ValueMapSpec
from mappings.text import shown
from mappings.tools import Tools
from mappings.transforms.settings import FlowName, MapName
from mappings.values import LEAVE, NOT_YET, Projected, Unmapped, as_text

Columns = tuple[str, ...]


def _from_map(*value: Any, value_map: str, tools: Tools, columns: Columns = ("",)) -> Any:
    spec = _map(tools, value_map)
    found = _look_up(as_text(value[0]), spec, spec.to_servicenow, spec.unmapped_to_servicenow, "Salesforce")
    return found if len(columns) < 2 else _parted(found, columns, spec.name)


@function("value map", alias="map", inverse=_from_map, carries=True, fits=False, back_into=0)
def value_map(*value: Value, value_map: MapName, tools: Tools) -> Value:
    """Look the value up in a value map; what is not in it fails, passes or takes the default, as the map says.

    Of several columns the entry holds the values joined by commas: impact and urgency as 1,2. That is how a computed
    column (priority) is written: as the columns it is computed from.

    >>> value_map("1", "priority")
    "High"
    """
    spec = _map(tools, value_map)
    key = as_text(value[0]) if len(value) == 1 else _joined(value)
    return _look_up(key, spec, spec.to_salesforce, spec.unmapped_to_salesforce, "ServiceNow")


def _map(tools: Tools, name: str) -> ValueMapSpec:
    found = tools.value_maps.get(name)
    if found is None:
        raise Unmapped(
            f"There is no value map {shown(name)} here.",
            code="NO_VALUE_MAP",
            advice="Make the value map, or correct its name, then publish the flow.",
        )
    return found


def _joined(raw: tuple[Any, ...]) -> str:
    parts = [as_text(part) for part in raw]
    return ",".join(parts) if any(parts) else ""


def _parted(projected: Projected, columns: Columns, name: str) -> Projected:
    """The joined value of an entry as one value a column. Raises Unmapped where their numbers differ."""
    parts = [part.strip() for part in as_text(projected.value).split(",")]
    if parts == [""]:
        parts = [""] * len(columns)
    if len(parts) != len(columns):
        raise Unmapped(
            f"The entry {shown(projected.value)} of the value map {name} has {len(parts)} parts for "
            f"{len(columns)} columns ({', '.join(columns)}).",
            code="WRONG_NUMBER_OF_PARTS",
            advice=f"Write the entries of the value map {name} with one part a column, joined by commas.",
        )
    return Projected(parts, projected.note)


def _look_up(key: str, spec: ValueMapSpec, entries: Any, unmapped: tuple[str, str], origin: str) -> Projected:
    found = entries.get(key)
    if found is not None:
        return Projected(found)
    policy, default = unmapped
    if policy == "pass" or (not key and policy != "default"):
        return Projected(key)
    if policy == "default":
        return Projected(
            default, f"{origin} value {shown(key)} is not in value map {spec.name}: default used"
        )
    raise Unmapped(
        f"{origin} value {shown(key)} is not in the value map {spec.name}.",
        # Without the value: advice is kept in the clear, for lists and filters.
        advice=f"Add the value to the value map {spec.name}, or let it take a default, then retry.",
    )


def _user_of(*value: Any, tools: Tools, columns: Columns = ("",)) -> Any:
    """In two columns people go into the first, groups into the second: a queue's record is nobody's yet."""
    people, owner = tools.people, as_text(value[0])
    found = people.to_servicenow.get(owner) or people.fallback_to_servicenow
    if not found and owner:
        raise Unmapped(
            f"Salesforce owner {shown(owner)} has no active counterpart in ServiceNow, and there is no fallback.",
            code="UNMAPPED_USER",
            advice="Add the person to the user table, or give the table a fallback for ServiceNow.",
        )
    if len(columns) < 2:
        return found
    return ["", found] if found in people.groups else [found, LEAVE]


@function("user, else fallback", inverse=_user_of, carries=True, fits=False, back_into=2)
def user(*value: Value, tools: Tools) -> Value:
    """The first of the columns whose user or group has an active counterpart in the user table, else the fallback.

    Coming back into two columns, the first is for people (assigned_to) and the second for groups (assignment_group).

    >>> user("62826bf03710200044e0bfc8bcbe5df1")
    "005000000000001AAA"
    """
    people = tools.people
    names = [name for part in value if (name := as_text(part))]
    for name in names:
        if found := people.to_salesforce.get(name):
            return found
    if people.fallback_to_salesforce:
        note = "no active counterpart in the user table: fallback owner used" if names else ""
        return Projected(people.fallback_to_salesforce, note)
    if not names:
        raise Unmapped(
            "Nobody is assigned and the user table has no fallback.",
            code="NO_OWNER",
            advice="Give the user table a fallback for Salesforce.",
        )
    raise Unmapped(
        f"User or group {shown(names[0])} has no active counterpart in Salesforce, and there is no fallback.",
        code="UNMAPPED_USER",
        advice="Add the person to the user table, or give the table a fallback for Salesforce.",
    )


@function("link to the record", fits=False)
def record_url(sys_id: Value, *, tools: Tools) -> Value:
    """The web address of the ServiceNow record, from its sys_id.

    >>> record_url("57af7aec73d423002728660c4cf6a71c")
    "https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id=57af7aec73d423002728660c4cf6a71c"
    """
    id = as_text(sys_id)
    return tools.record_url.format(id=id) if id else None


def _each(text: str, way: Callable[[str], str]) -> str:
    """Each part of a list with commas between; what has nothing on the other side is left out."""
    return ",".join(found for part in text.split(",") if (found := part.strip() and way(part.strip())))


@function("key in Salesforce", fits=False)
def key_of(sys_id: Text, *, tools: Tools) -> Text:
    """The key by which Salesforce names a record of ServiceNow: its sys_id, or with `key_prefix: instance` the instance's id and the sys_id.

    To be compared with a field that holds keys. Of a list with commas between, such as `steps.NAME.ids`, each; empty stays empty.

    >>> key_of("57af7aec73d423002728660c4cf6a71c")
    "acme:57af7aec73d423002728660c4cf6a71c"
    >>> key_of("57af7aec73d423002728660c4cf6a71c,81fbfe03ac1d55eb286d832de58ae1fd")
    "acme:57af7aec73d423002728660c4cf6a71c,acme:81fbfe03ac1d55eb286d832de58ae1fd"
    """
    return _each(sys_id, tools.key_of)


@function("sys_id behind a key", fits=False)
def sys_id_of(key: Text, *, tools: Tools) -> Value:
    """The sys_id of the record of ServiceNow that a key in Salesforce names; empty where it names one of another instance.

    >>> sys_id_of("acme:57af7aec73d423002728660c4cf6a71c")
    "57af7aec73d423002728660c4cf6a71c"
    >>> sys_id_of("clone:57af7aec73d423002728660c4cf6a71c")
    ""
    """
    return _each(key, tools.sys_id_of)


@function("display value")
def display(column: Display) -> Value:
    """What people see of a ServiceNow column, in the language and the time zone of our user: the label of a choice, the name behind a reference.

    It is read with the record. Names that people see can be changed and translated: to compare, use the column itself.

    >>> display(state)
    "In Progress"
    """
    return column


def _counterpart(id: str, flow: str, to: str, tools: Tools) -> str:
    if not id:
        return ""
    if found := tools.counterpart(flow, to, id):
        return found
    raise Unmapped(
        f"{shown(id)} has no counterpart in the flow {flow} yet.",
        code=NOT_YET,
        advice=f"Look for the record in the flow {flow}: it may not enter there, or have failed.",
    )


def _linked_back(value: Any, *, flow: str, tools: Tools) -> str:
    return _counterpart(as_text(value), flow, "servicenow", tools)


@function("counterpart in another flow", inverse=_linked_back, carries=True, fits=False, lasting=False)
def link(value: Value, *, flow: FlowName, tools: Tools) -> Value:
    """The counterpart of the record that is referred to, as the flow of this name has linked it; empty stays empty.

    Where there is none yet the record waits: parents come before their children.

    >>> link("81fbfe03ac1d55eb286d832de58ae1fd", "customers")
    "001000000000001AAA"
    """
    return _counterpart(as_text(value), flow, "salesforce", tools)
