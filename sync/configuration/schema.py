"""All keys of the file, as tables; an unknown key is told with the one that was probably meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mappings.grammar import MAX_LENGTH
from sync.configuration import actions, documents, readers
from sync.configuration.problems import did_you_mean
from sync.configuration.readers import Place, Read, at_most, choice, flag, name, number, text
from sync.configuration.rules import BEFORE_LINK, DELETION_POLICIES, GUARDS, KEY_PREFIXES
from sync.configuration.tree import Items, Keys, Node
from sync.core import notes
from sync.core.files import USUAL_SIZE

DIRECTIONS = ("to_salesforce", "to_servicenow", "both")
POLICIES = ("newest", "servicenow", "salesforce", "ask")
AUTH_METHODS = (
    "oauth_client_credentials",
    "oauth_password",
    "basic",
    "oauth_refresh_token",
    "oauth_jwt_bearer",
    "oauth_authorization_code",
    "soap_login",
)


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    read: Read
    required: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    build: Callable[..., Any]
    keys: tuple[Key, ...]
    label: str = ""  # the key whose value stands for the part in paths
    _by_name: dict[str, Key] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({key.name: key for key in self.keys})

    def read(self, node: Node, place: Place) -> Any:
        """The built part; None if a required key is missing or unreadable, or this is no set of keys."""
        if not isinstance(node, Keys):
            place.problem(node, f"Expected keys like {', '.join(key.name for key in self.keys[:3])}.")
            return None
        for unknown in [word for word in node.values if word not in self._by_name]:
            hint = did_you_mean(unknown, self._by_name)
            place.problem(node.lines[unknown], f"There is no key {unknown!r} here.{hint}")
        return self._built(node, place)

    def _built(self, node: Keys, place: Place) -> Any:
        values: dict[str, Any] = {}
        complete = True
        for key in self.keys:
            child = node.values.get(key.name)
            if child is None:
                if key.required:
                    place.problem(node, f"The key {key.name!r} is missing.")
                    complete = False
                continue
            value = key.read(child, place.into(key.name))
            if value is not None:
                values[key.name] = value
            elif key.required:
                complete = False
        return self.build(line=node.line, **values) if complete else None


def many(shape: Shape) -> Read:
    """A list of parts, each told in paths by its name or its number (from 0)."""

    def read(node: Node, place: Place) -> tuple[Any, ...]:
        if not isinstance(node, Items):
            place.problem(node, "Expected a list, each entry beginning with '- '.")
            return ()
        parts = [shape.read(item, place.item(_label(item, i, shape))) for i, item in enumerate(node.items)]
        return tuple(part for part in parts if part is not None)

    return read


def _label(item: Node, index: int, shape: Shape) -> str:
    found = item.values.get(shape.label) if isinstance(item, Keys) else None
    return found.text if found is not None and hasattr(found, "text") and found.text else str(index)


LIMITS = Shape(
    documents.Limits,
    (
        Key("concurrency", number(1, 100)),
        Key("requests", number(0, 100_000_000)),
        Key("per", choice("hour", "24h")),
        Key("reserve", readers.percent),
    ),
)
CONNECTION = Shape(
    documents.ConnectionDoc,
    (
        Key("name", name, required=True),
        Key("system", choice("servicenow", "salesforce"), required=True),
        Key("url", readers.expanded, required=True),
        Key("auth", choice(*AUTH_METHODS)),
        Key("username", readers.expanded),
        Key("audience", readers.expanded),
        Key("key_id", at_most(120)),
        Key("secrets", readers.secret_references),
        Key("ca_bundle", readers.optional_path),
        Key("api_version", at_most(8)),
        Key("limits", LIMITS.read),
    ),
    label="name",
)


def _per_direction(read: Read) -> Read:
    return Shape(documents.PerDirection, (Key("to_salesforce", read), Key("to_servicenow", read))).read


_PAIR = (
    Key("servicenow", at_most(255), required=True),
    Key("salesforce", at_most(255), required=True),
    Key("direction", choice(*DIRECTIONS)),
)
VALUE_MAP = Shape(
    documents.ValueMapDoc,
    (
        Key("name", name, required=True),
        Key("description", at_most(255)),
        Key("unmapped", _per_direction(choice("fail", "pass", "default"))),
        Key("default", _per_direction(at_most(255))),
        Key(
            "entries",
            many(Shape(documents.PairDoc, (*_PAIR, Key("along", readers.along)))),
            required=True,
        ),
    ),
    label="name",
)
USER_TABLE = Shape(
    documents.UserTableDoc,
    (
        Key("name", name, required=True),
        Key("fallback", _per_direction(at_most(120))),
        Key(
            "entries",
            many(Shape(documents.PairDoc, (*_PAIR, Key("kind", choice("user", "group"))))),
            required=True,
        ),
    ),
    label="name",
)
ROUTING_TABLE = Shape(
    documents.RoutingTableDoc,
    (
        Key("name", name, required=True),
        Key("description", at_most(255)),
        Key(
            "desks",
            many(
                Shape(
                    documents.DeskDoc,
                    (
                        Key("name", at_most(80), required=True),
                        Key("servicenow", at_most(120), required=True),
                        Key("salesforce", at_most(120), required=True),
                        Key("works_in", choice("servicenow", "salesforce")),
                    ),
                    label="name",
                )
            ),
            required=True,
        ),
        Key(
            "routes",
            many(
                Shape(
                    documents.RouteDoc,
                    (
                        Key("servicenow", at_most(200)),
                        Key("salesforce", at_most(200)),
                        Key("value", at_most(255), required=True),
                        Key("desk", at_most(80), required=True),
                    ),
                )
            ),
        ),
    ),
    label="name",
)
FIELD = Shape(
    documents.FieldDoc,
    (
        Key("salesforce", at_most(200), required=True),
        Key("servicenow", readers.columns),
        Key("direction", choice("", *DIRECTIONS)),
        Key("transform", readers.how),
        Key("reverse", at_most(MAX_LENGTH)),
        Key("value_map", name),
        Key("value", at_most(255)),
        Key("default", at_most(255)),
        Key("required", flag),
        Key("conflict", choice("", *POLICIES)),
    ),
)
_SCOPE = (Key("connection", name, required=True), Key("scope", text), Key("enter", text))
SERVICENOW_END = Shape(
    documents.ServiceNowEnd,
    (
        *_SCOPE,
        Key("table", at_most(80), required=True),
        Key("coalesce", at_most(80)),
        Key("field", at_most(80)),
    ),
)
SALESFORCE_END = Shape(
    documents.SalesforceEnd,
    (
        *_SCOPE,
        Key("object", at_most(80), required=True),
        Key("external_id", at_most(80)),
        Key("lookup", at_most(80)),
        Key("key_prefix", choice(*KEY_PREFIXES)),
    ),
)
CREATE = Shape(documents.Create, (Key("salesforce", flag), Key("servicenow", flag)))
CLOSING = Shape(documents.Closing, (Key("servicenow", readers.along), Key("salesforce", readers.fields)))
DELETIONS = Shape(
    documents.Deletions,
    (
        Key("servicenow", choice(*DELETION_POLICIES)),
        Key("salesforce", choice(*DELETION_POLICIES)),
        Key("close", CLOSING.read),
    ),
)
PUBLIC = Shape(documents.Public, (Key("reason", at_most(500), required=True),))


def _said(kind: notes.Place) -> Read:
    keys = (
        Key("salesforce", choice(*notes.CHANNELS[kind], notes.OFF), required=True),
        Key("direction", choice("", *DIRECTIONS)),
        *((Key("public", PUBLIC.read),) if kind is notes.Place.WORK_NOTES else ()),
    )
    return Shape(documents.Said, keys).read


COMMENTS = Shape(
    documents.Comments,
    (
        *(Key(kind.value, _said(kind)) for kind in notes.KINDS),
        Key("before_link", choice(*BEFORE_LINK)),
    ),
)


def _attachments(
    line: int, direction: str = "", max_size: int = USUAL_SIZE, types: tuple[str, ...] = (), **more: Any
) -> documents.Attachments:
    """`except` is a word of Python's own."""
    return documents.Attachments(line, direction, max_size, types, more.get("except", ()))


ATTACHMENTS = Shape(
    _attachments,
    (
        Key("direction", choice(*DIRECTIONS)),
        Key("max_size", readers.file_size),
        Key("types", readers.patterns),
        Key("except", readers.patterns),
    ),
)
FLOW = Shape(
    documents.FlowDoc,
    (
        Key("name", name, required=True),
        Key("recipe", at_most(80)),
        Key("enabled", flag),
        Key("servicenow", SERVICENOW_END.read, required=True),
        Key("salesforce", SALESFORCE_END.read, required=True),
        Key("direction", choice(*DIRECTIONS)),
        Key("create", CREATE.read),
        Key("conflict", choice(*POLICIES)),
        Key("tie", choice("servicenow", "salesforce")),
        Key("adopt", choice("", "servicenow", "salesforce", "newest", "ask", "refuse")),
        Key("drift", choice("leave", "restore")),
        Key("on_leave", choice("keep", "unlink", "close")),
        Key("user_table", name),
        Key("routing_table", name),
        Key("schedule", readers.cron),
        Key("start", readers.start),
        Key("guard", choice(*GUARDS)),
        Key("bulk", readers.bulk),
        Key("approval", flag),
        Key("deletions", DELETIONS.read),
        Key("comments", COMMENTS.read),
        Key("attachments", ATTACHMENTS.read),
        Key("time_zone", readers.time_zone),
        Key("overlap", readers.seconds),
        Key("patience", readers.seconds),
        Key("reconcile", readers.cron),
        Key("actions", actions.read),
        Key("fields", many(FIELD)),
    ),
    label="name",
)
DOCUMENT = Shape(
    partial(dict),
    (
        Key("version", choice("1"), required=True),
        Key("connections", many(CONNECTION)),
        Key("value_maps", many(VALUE_MAP)),
        Key("user_tables", many(USER_TABLE)),
        Key("routing_tables", many(ROUTING_TABLE)),
        Key("flows", many(FLOW)),
    ),
)
