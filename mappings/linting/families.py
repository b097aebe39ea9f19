"""Which kinds of fields go together when a value is carried over. Pure."""

from __future__ import annotations

from mappings.cells import CellError, every_node, reverse_of, tree_of
from mappings.grammar import Among, Call, Compare, Filled, Logic, Name, Node, Not
from mappings.linting.ground import SALESFORCE, SERVICENOW, FieldFacts
from mappings.linting.report import ERROR, WARNING
from mappings.registry import Kind
from mappings.spec import FieldSpec

JOURNALS = frozenset({"journal", "journal_input", "journal_list"})
# A ServiceNow stamp is 2026-01-31 10:00:00, a Salesforce moment 2026-01-31T10:00:00.000+0000: neither takes the other.
_SERVICENOW = {
    "text": "string string_full_utf8 url email phone_number ph_number translated_text translated_field html "
    "translated_html GUID char multi_two_lines",
    "number": "integer longint decimal float percent_complete currency currency2 price count",
    "boolean": "boolean",
    "date": "glide_date date",
    "stamp": "glide_date_time due_date",
    "time": "glide_time time",
    "duration": "glide_duration timer",
    "reference": "reference",
    "list": "glide_list",
    "journal": " ".join(sorted(JOURNALS)),
}
_SALESFORCE = {
    "text": "string textarea url email phone encryptedstring id",
    "choice": "picklist multipicklist combobox",
    "number": "double int long currency percent",
    "boolean": "boolean",
    "date": "date",
    "moment": "datetime",
    "time": "time",
    "reference": "reference",
}
_FAMILIES = {
    side: {kind: family for family, kinds in table.items() for kind in kinds.split()}
    for side, table in ((SERVICENOW, _SERVICENOW), (SALESFORCE, _SALESFORCE))
}
# What a function makes, where its kind of result does not say.
_MADE = {"datetime": "moment", "date": "date", "user": "person", "link": "linked", "value_map": ""}
_BY_KIND = {Kind.NUMBER: "number", Kind.TRUTH: "boolean", Kind.TEXT: "text"}
# Target -> what fits, and what fits only where the text happens to read so. All else is refused there.
_FITS = {
    "number": ({"number"}, {"text", "choice"}),
    "boolean": ({"boolean"}, {"text", "choice"}),
    "date": ({"date"}, {"text"}),
    "moment": ({"moment"}, {"text"}),
    "stamp": ({"stamp"}, {"text"}),
    "time": ({"time"}, {"text"}),
    "duration": ({"duration"}, {"text", "number"}),
    "reference": ({"person", "linked"}, {"text"}),
}


def family(side: str, facts: FieldFacts | None) -> str:
    """ "" where nothing is known of the field, or nothing is to be said of its kind."""
    if facts is None:
        return ""
    found = _FAMILIES[side].get(facts.type, "")
    return "choice" if facts.choices and found in ("text", "number") else found


def made(field: FieldSpec, source: str) -> str:
    """The family of what the row's cell sends to Salesforce; `source` is that of its column."""
    return _of(tree_of(field), source)


def made_back(field: FieldSpec, source: str) -> str:
    """The family of what the row sends to ServiceNow; `source` is that of its Salesforce field."""
    back = reverse_of(field)
    if back is not None:
        found = _of(back, source)
        # A function that carries moments makes those of the side that they go to.
        return "stamp" if found == "moment" and isinstance(back, Call) else found
    tree = tree_of(field)
    if isinstance(tree, Name) or (isinstance(tree, Call) and tree.function.name in ("copy", "trim")):
        return source
    return ""  # its inverse knows what ServiceNow takes


def _of(tree: Node, source: str) -> str:
    if isinstance(tree, Name):
        return source if not tree.name.endswith(".display_value") else "text"
    if isinstance(tree, Filled):
        return "text"
    if isinstance(tree, Compare | Among | Logic | Not):
        return "boolean"
    if not isinstance(tree, Call):
        return ""
    if tree.function.name in ("copy", "trim"):
        return _of(tree.values[0], source) if tree.values else ""
    if tree.function.name in _MADE:
        return _MADE[tree.function.name]
    return _BY_KIND.get(tree.function.result, "")


def verdict(sent: str, target: str) -> str:
    """ "" if what is sent fits; else how bad it is."""
    if not sent or not target or target in ("text", "choice", "journal", "list"):
        return ""
    fitting, depending = _FITS[target]
    if sent in fitting:
        return ""
    return WARNING if sent in depending else ERROR


def calls(field: FieldSpec, name: str) -> bool:
    """Whether the row's cell calls the function of this name anywhere; as far as it reads."""
    try:
        return any(
            isinstance(node, Call) and node.function.name == name for node in every_node(tree_of(field))
        )
    except CellError:
        return False
