"""The words of describe: fields, picklists and objects, as frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.sandbox.salesforce.saving import Save, Writer
    from sync.sandbox.salesforce.store import Row

# The name that a field type has in SOAP's XML schema; describe reports both.
SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "datetime": "xsd:dateTime",
    "date": "xsd:date",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "base64": "xsd:base64Binary",
}
TEXT_TYPES = frozenset({"string", "textarea", "picklist", "email", "phone", "url", "combobox"})


class OnDelete(Enum):
    """What becomes of a row when the row it refers to is deleted."""

    CASCADE = "cascade"  # it goes too
    RESTRICT = "restrict"  # it keeps the other from going
    CLEAR = "clear"  # its reference is emptied


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a picklist; value and label are the same in this org."""

    value: str
    default: bool = False
    active: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an object, named as describe names its properties.

    `length` counts characters. `long` marks a long text area, which can be neither filtered nor sorted.
    `case_sensitive` says how a unique value is compared.
    """

    name: str
    label: str
    type: str
    length: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted: bool = False
    unique: bool = False
    external_id: bool = False
    id_lookup: bool = False
    case_sensitive: bool = False
    calculated: bool = False
    auto_number: bool = False
    name_field: bool = False
    long: bool = False
    restricted: bool = False
    choices: tuple[Choice, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship: str | None = None
    on_delete: OnDelete | None = None  # None: the row keeps an id that leads nowhere

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def required(self) -> bool:
        """A create without this field is refused: describe's own rule for clients."""
        return not self.nillable and self.createable and not self.defaulted and self.type != "boolean"

    @property
    def polymorphic(self) -> bool:
        return len(self.reference_to) > 1

    @property
    def groupable(self) -> bool:
        """Whether GROUP BY takes the field; date-times are grouped by functions of them alone."""
        return not self.long and self.type not in ("datetime", "double", "currency")

    @property
    def aggregatable(self) -> bool:
        return not self.long and self.type != "boolean"


@dataclass(frozen=True, slots=True)
class SObject:
    """One object of the org and what happens when a row of it is saved.

    `before_save` derives fields after the sent ones were checked and may raise Refusal;
    `after_insert` writes what a new row brings with it, `after_save` what any save does; both are undone with
    it. A query must narrow one of
    `must_filter_by` if there are any. A create that equals an existing row in all of `one_of_each` returns that
    row, with what else was sent if it can be updated. `people_only`: the API does not know the object, which
    only the sandbox's pages and tests see. `auto_assign` tells which objects obey the assignment rule header.
    """

    name: str
    label: str
    plural: str
    prefix: str
    fields: tuple[Field, ...]
    before_save: Callable[[Save], None] | None = None
    after_insert: Callable[[Writer, Row], None] | None = None
    after_save: Callable[[Writer, Row], None] | None = None
    must_filter_by: tuple[str, ...] = ()
    one_of_each: tuple[str, ...] = ()
    people_only: bool = False
    auto_assign: bool = False
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    history_of: str = (
        ""  # the object whose edits its rows tell; who may not see a field sees none of its entries
    )
    internal: frozenset[str] = frozenset()  # fields that only the sandbox itself needs

    def without(self, names: frozenset[str]) -> SObject:
        return replace(self, fields=tuple(field for field in self.fields if field.name not in names))


def text(name: str, label: str, length: int = 255, **more: object) -> Field:
    return replace(Field(name, label, "string", length), **more)  # type: ignore[arg-type]


def picklist(name: str, label: str, *values: str, default: str = "", restricted: bool = True) -> Field:
    choices = tuple(Choice(value, default=value == default) for value in values)
    return Field(
        name, label, "picklist", 255, choices=choices, restricted=restricted, defaulted=bool(default)
    )


def reference(name: str, label: str, *targets: str, **more: object) -> Field:
    relationship = name.removesuffix("Id") if name.endswith("Id") else None
    field = Field(name, label, "reference", 18, reference_to=targets, relationship=relationship)
    return replace(field, **more)  # type: ignore[arg-type]


def flag(name: str, label: str, **more: object) -> Field:
    field = Field(name, label, "boolean", nillable=False, defaulted=True)
    return replace(field, **more)  # type: ignore[arg-type]


def read_only(field: Field) -> Field:
    return replace(field, createable=False, updateable=False)


ID = read_only(
    Field("Id", "Record ID", "id", 18, nillable=False, defaulted=True, id_lookup=True, case_sensitive=True)
)


def _stamp(name: str, label: str) -> Field:
    return read_only(Field(name, label, "datetime", nillable=False, defaulted=True))


def _stamped_by(name: str, label: str) -> Field:
    return read_only(reference(name, label, "User", nillable=False, defaulted=True))


AUDIT = (
    _stamp("CreatedDate", "Created Date"),
    _stamped_by("CreatedById", "Created By ID"),
    _stamp("LastModifiedDate", "Last Modified Date"),
    _stamped_by("LastModifiedById", "Last Modified By ID"),
    _stamp("SystemModstamp", "System Modstamp"),
    read_only(flag("IsDeleted", "Deleted")),
)
