"""How a field of the org stands on a page: its label, its value as text, what there is to choose from, and back as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sync.sandbox.pages.desk import MAX_OPTIONS, Entry, Field, Option
from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce.org import Org, View
from sync.sandbox.salesforce.schema import Field as Column
from sync.sandbox.salesforce.store import Stored, Values
from sync.sandbox.salesforce.values import render

NAMES = ("CaseNumber", "Name", "Subject", "Title", "ApiName", "CommentBody", "Body")
IN_FORMS = (
    *NAMES, "Description", "Status", "Priority", "Origin", "Reason", "OwnerId", "ContactId", "AccountId", "IsEscalated",
    "FirstName", "LastName", "Username", "Email", "Alias", "ParentId", "IsPublished",
    "Type", "Industry", "StageName", "CloseDate", "Amount", "UserId", "TeamMemberRole", "SerialNumber", "InstallDate",
    "UsageEndDate", "ServiceNow_Products__c", "ServiceNow_Onboarding__c", "ServiceNow_Sys_Id__c", "Recipients",
)  # fmt: skip
_LONG, _WIDE = 255, 120  # characters above which a text has a text area, or a line of its own


class Fields:
    """The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def title(self, record_id: str) -> str:
        """The name of any record, or its id."""
        row, table = self._org.row(record_id), self._org.table_of(record_id)
        if row is None or table is None:
            return record_id
        names = (row.values[table.slots[name]] for name in NAMES if name in table.slots)
        return next((_shortened(str(name)) for name in names if name), record_id)

    def text(self, column: Column, value: Stored) -> str:
        if value is None:
            return ""
        if column.reference_to:
            return self.title(str(value))
        return _PLAIN.get(column.type, str)(value)

    def entry(self, view: View, column: Column, values: Values) -> Entry:
        value = values[view.slot(column.name)]
        target = self._org.table_of(str(value)) if column.reference_to and value else None
        link = (target.sobject.name, str(value)) if target else None
        return Entry(self._field(view, column, value), sent(column, value), self.text(column, value), link)

    def _field(self, view: View, column: Column, value: Stored) -> Field:
        writable = column.createable or column.updateable
        return Field(
            name=column.name,
            label=label_of(column),
            creatable=column.createable and column.type != "base64",
            editable=column.updateable and column.type != "base64",
            required=column.required,
            main=column.name in IN_FORMS or column.required,
            long=column.length > _LONG,
            wide=column.length > _WIDE and not column.choices,
            options=self._options(view, column, value) if writable else None,
        )

    def _options(self, view: View, column: Column, value: Stored) -> tuple[Option, ...] | None:
        if column.type == "boolean":
            return (Option("true", "Yes"), Option("false", "No"))
        if column.choices:
            options = [Option(choice.value, choice.value) for choice in column.choices if choice.active]
        elif column.reference_to:
            targets = [self._targets(view, column, name) for name in column.reference_to]
            options = sorted(
                (each for group in targets for each in group), key=lambda each: (each.group, each.label)
            )
        else:
            return None
        if len(options) > MAX_OPTIONS:
            return None
        empty = [Option("", "(none)")]
        now = sent(column, value)
        other = (
            [Option(now, self.text(column, value))]
            if now not in {"", *(each.value for each in options)}
            else []
        )
        return (*empty, *options, *other)

    def _targets(self, view: View, column: Column, name: str) -> list[Option]:
        """The rows of an object that the field may refer to. Owners are active people and queues that serve the object."""
        target = self._org.people_views[name.lower()]
        group = target.sobject.plural if column.polymorphic else ""
        rows = [row for row in target.table.rows.values() if not row.values[target.table.deleted_slot]]
        if name == "User":
            rows = [row for row in rows if row.values[target.slot("IsActive")]]
        if column.name == "OwnerId" and name == "Group":
            rows = [row for row in rows if self._org.queue_serves(str(row.values[0]), view.name)]
        ids = [str(row.values[0]) for row in rows[: MAX_OPTIONS + 1]]
        return [Option(each, self.title(each), group) for each in ids]


def moment(value: Stored) -> str:
    return datetime.fromtimestamp(int(value), UTC).strftime("%Y-%m-%d %H:%M:%S") if value is not None else ""


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def label_of(column: Column) -> str:
    return column.label.removesuffix(" ID") if column.reference_to else column.label


_PLAIN: dict[str, Callable[[Stored], str]] = {
    "datetime": moment,
    "boolean": lambda value: "Yes" if value else "No",
    "base64": lambda value: f"{len(str(value)):,} characters of base64",
}


def sent(column: Column, value: Stored) -> str:
    """A stored value as a form holds it."""
    if value is None or column.type == "base64":
        return ""
    return str(value).lower() if isinstance(value, bool) else str(render(column, value))


def from_form(column: Column | None, text: str) -> Stored:
    if column is None or not text or column.type not in ("int", "double"):
        return text or None
    try:
        return int(text) if column.type == "int" else float(text)
    except ValueError as error:
        raise ControlError(f"{column.label}: {text} is no number.") from error
