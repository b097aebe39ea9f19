"""The simulated ServiceNow as its pages see it: tables of the registry, choices, `sys_audit`, journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sync.sandbox.pages.desk import (
    MAX_LINES,
    MAX_OPTIONS,
    PAGE_SIZE,
    Change,
    Comment,
    Entry,
    Field,
    Kind,
    Line,
    Listing,
    Option,
    Record,
)
from sync.sandbox.platform import ControlError
from sync.sandbox.servicenow import ServiceNowPlatform
from sync.sandbox.servicenow.restoring import deleted_row, deletion
from sync.sandbox.servicenow.schema import (
    CREATED_BY,
    CREATED_ON,
    JOURNAL_TYPES,
    SYS_ID,
    UPDATED_BY,
    UPDATED_ON,
    Column,
    Row,
    Table,
)
from sync.sandbox.servicenow.stamps import stamp
from sync.sandbox.servicenow.values import display, reference_name

_FIRST = (
    "incident",
    "problem",
    "change_request",
    "sc_request",
    "sc_req_item",
    "sc_task",
    "sysapproval_approver",
    "customer_account",
    "customer_contact",
    "alm_hardware",
    "cmdb_ci",
    "cmdb_ci_service",
    "sc_cat_item",
    "kb_knowledge",
    "sys_user",
    "sys_user_group",
)
_IN_LISTS = (
    "number", "display_name", "name", "title", "short_description", "state", "workflow_state", "priority", "install_status",
    "assigned_to", "assignment_group", "sysapproval", "approver", "account", "company", "serial_number", "parent",
)  # fmt: skip
_IN_FORMS = (
    "number", "short_description", "description", "state", "hold_reason", "impact", "urgency", "priority", "category",
    "caller_id", "assignment_group", "assigned_to", "close_code", "close_notes", "name", "user_name", "email", "display_name",
    "company", "account", "install_status", "serial_number", "warranty_expiration", "ci", "workflow_state", "text",
    "start_date", "end_date", "approval", "active", "price", "approver", "sysapproval",
)  # fmt: skip
_LONG, _WIDE = 200, 120  # characters above which a column has a text area, or a line of its own
_YES_NO = {"true": "Yes", "false": "No"}
_LIST_COLUMNS, _MOST_KNOWN = 5, 6  # beside the stamps


class ServiceNowDesk:
    name = "servicenow"
    title = "ServiceNow"
    kinds_are = "Tables"

    def __init__(self, platform: ServiceNowPlatform, administrator: str) -> None:
        self.administrator = administrator
        self._platform = platform
        self._store = platform.store

    def now(self) -> str:
        return stamp(self._platform.now())

    def kinds(self) -> Sequence[Kind]:
        with self._platform.lock:
            kinds = [self._kind(table) for table in self._platform.registry if not table.abstract]
        rank = {name: index for index, name in enumerate(_FIRST)}
        return sorted(kinds, key=lambda kind: (not kind.main, rank.get(kind.name, len(rank))))

    def people(self) -> Sequence[Option]:
        with self._platform.lock:
            at = self._platform.registry["sys_user"].position
            held = {
                row[self._at("sys_user_has_role", "user")] for row in self._store.every("sys_user_has_role")
            }
            people = [
                Option(row[at["user_name"]], row[at["name"]])
                for row in self._store.every("sys_user")
                if row[SYS_ID] in held
                and row[at["active"]] == "true"
                and row[at["web_service_access_only"]] != "true"
            ]
        return sorted(people, key=lambda person: person.label)

    def listing(self, name: str, *, search: str = "", page: int = 1, deleted: bool = False) -> Listing:
        with self._platform.lock:
            table = self._table(name)
            rows = self._deleted(table) if deleted else list(self._store.every(name))
            rows.sort(key=lambda row: (row[UPDATED_ON], row[SYS_ID]), reverse=True)
            shown = _listed(table)
            if search:
                rows = [row for row in rows if self._matches(table, shown, row, search.lower())]
            start = (page - 1) * PAGE_SIZE
            lines = tuple(self._line(table, shown, row) for row in rows[start : start + PAGE_SIZE])
            labels = (*(column.label for column in shown), "Updated", "By")
            return Listing(self._kind(table), labels, lines, len(rows))

    def form(self, name: str) -> tuple[Kind, Sequence[Entry]]:
        with self._platform.lock:
            table = self._table(name)
            blank = [table.default(column) for column in table.columns]
            entries = [self._entry(table, column, blank) for column in _in_form(table)]
            return self._kind(table), [entry for entry in entries if entry.field.creatable]

    def record(self, name: str, row_id: str) -> Record:
        with self._platform.lock:
            row, deleted = self._find(self._table(name), row_id)
            table = self._platform.class_of(row)
            title = (
                reference_name(self._store, table.name, row_id)
                or row[table.position[table.display]]
                or row_id
            )
            subject = table.position.get("short_description")
            return Record(
                kind=self._kind(table),
                row_id=row_id,
                title=title,
                subtitle=row[subject] if subject is not None else "",
                entries=tuple(self._entry(table, column, row) for column in _in_form(table)),
                history=tuple(self._history(table, row)) if table.audited else None,
                comments=tuple(self._comments(table, row_id)),
                channels=tuple(Option(column.name, column.label) for column in _journals(table)),
                deleted=deleted,
                editable=not deleted,
                deletable=True,
            )

    def add(self, name: str, fields: Mapping[str, str], *, by: str) -> str:
        return str(self._platform.add(name, fields, by=by)["sys_id"])

    def edit(self, name: str, row_id: str, fields: Mapping[str, str], *, by: str) -> None:
        self._platform.edit(name, row_id, fields, by=by)

    def comment(self, name: str, row_id: str, channel: str, text: str, *, by: str) -> None:
        if channel not in {column.name for column in _journals(self._table(name))}:
            raise ControlError(f"There is no journal {channel}.")
        self._platform.edit(name, row_id, {channel: text}, by=by)

    def delete(self, name: str, row_id: str, *, by: str) -> None:
        self._platform.delete(name, row_id, by=by)

    def undelete(self, name: str, row_id: str, *, by: str) -> None:
        self._platform.undelete(name, row_id, by=by)

    # What is found

    def _table(self, name: str) -> Table:
        table = self._platform.registry.get(name)
        if table is None:
            raise ControlError(f"There is no table {name}.")
        return table

    def _at(self, table: str, column: str) -> int:
        return self._platform.registry[table].position[column]

    def _find(self, table: Table, row_id: str) -> tuple[Row, bool]:
        """A row, and whether it was deleted."""
        row = self._store.find(table.name, row_id)
        if row is not None:
            return row, False
        entry = deletion(self._store, table, row_id)
        if entry is None:
            raise ControlError(f"There is no {table.name} with sys_id {row_id}.")
        return deleted_row(self._store, entry), True

    def _deleted(self, table: Table) -> list[Row]:
        family = {member.name for member in self._platform.registry.family(table)}
        name = self._at("sys_audit_delete", "tablename")
        return [
            deleted_row(self._store, row)
            for row in self._store.every("sys_audit_delete")
            if row[name] in family
        ]

    def _kind(self, table: Table) -> Kind:
        return Kind(
            name=table.name,
            label=table.label,
            main=not table.name.startswith("sys_") or table.name in _FIRST,
            count=sum(len(data.by_id) for data in self._store.family(table.name)),
            creates=not table.abstract,
            keeps_deleted=table.audited,
        )

    def _shown(self, table: Table, column: Column, row: Row) -> str:
        value = row[table.position[column.name]]
        return self._text(table, column, value)

    def _text(self, table: Table, column: Column, value: str) -> str:
        if column.kind == "boolean":
            return _YES_NO.get(value, value)
        return display(self._store, table, column, value, "UTC") or value

    def _line(self, table: Table, shown: Sequence[Column], row: Row) -> Line:
        cells = [self._shown(table, column, row) for column in shown]
        return Line(row[SYS_ID], (*cells, row[UPDATED_ON], self._person(row[UPDATED_BY])))

    def _matches(self, table: Table, shown: Sequence[Column], row: Row, wanted: str) -> bool:
        if any(wanted in value.lower() for value in row):
            return True
        return any(wanted in self._shown(table, column, row).lower() for column in shown)

    # Fields

    def _entry(self, table: Table, column: Column, row: Row) -> Entry:
        value = row[table.position[column.name]]
        link = (column.reference, value) if column.reference and value else None
        return Entry(self._field(table, column, value), value, self._shown(table, column, row), link)

    def _field(self, table: Table, column: Column, value: str) -> Field:
        writable = not (column.system or column.read_only or column.computed or column.kind in JOURNAL_TYPES)
        return Field(
            name=column.name,
            label=column.label,
            creatable=writable,
            editable=writable,
            required=column.mandatory,
            main=column.name in _IN_FORMS,
            long=column.max_length > _LONG and column.kind != "glide_list",
            wide=column.max_length > _WIDE,
            options=self._options(table, column, value) if writable else None,
        )

    def _options(self, table: Table, column: Column, value: str) -> tuple[Option, ...] | None:
        options: list[Option]
        if column.choices:
            choices = self._store.choices(table, column.name)
            options = [Option("", "(none)"), *(Option(each, label) for each, label in choices.items())]
        elif column.kind == "boolean":
            options = [Option(each, label) for each, label in _YES_NO.items()]
        elif column.reference and len(rows := list(self._store.every(column.reference))) <= MAX_OPTIONS:
            named = [
                Option(row[SYS_ID], reference_name(self._store, column.reference, row[SYS_ID]))
                for row in rows
            ]
            options = [Option("", "(none)"), *sorted(named, key=lambda option: option.label)]
        else:
            return None
        if value not in {option.value for option in options}:
            options.append(Option(value, value or "(empty)"))
        return tuple(options)

    # What happened

    def _history(self, table: Table, row: Row) -> Iterator[Change]:
        at = self._platform.registry["sys_audit"].position
        entries = [each for each in self._store.every("sys_audit") if each[at["documentkey"]] == row[SYS_ID]]
        for entry in reversed(entries[-MAX_LINES:]):
            name = entry[at["fieldname"]]
            column = table.by_name.get(name)
            by = self._person(entry[at["user"]])
            if column is None:
                yield Change(entry[CREATED_ON], by, "", "", entry[at["newvalue"]].lower())
            else:
                old, new = entry[at["oldvalue"]], entry[at["newvalue"]]
                yield Change(
                    entry[CREATED_ON],
                    by,
                    column.label,
                    self._text(table, column, old),
                    self._text(table, column, new),
                )
        yield Change(row[CREATED_ON], self._person(row[CREATED_BY]), "", "", "created")

    def _comments(self, table: Table, row_id: str) -> list[Comment]:
        at = self._platform.registry["sys_journal_field"].position
        entries = [row for row in self._store.every("sys_journal_field") if row[at["element_id"]] == row_id]
        labels = {column.name: column.label for column in _journals(table)}
        return [
            Comment(
                entry[CREATED_ON],
                self._person(entry[CREATED_BY]),
                labels.get(entry[at["element"]], entry[at["element"]]),
                entry[at["value"]],
            )
            for entry in reversed(entries[-MAX_LINES:])
        ]

    def _person(self, user_name: str) -> str:
        row = self._store.first("sys_user", "user_name", user_name)
        return row[self._at("sys_user", "name")] or user_name if row is not None else user_name


def _journals(table: Table) -> list[Column]:
    return [column for column in table.columns if column.kind in JOURNAL_TYPES]


def _listed(table: Table) -> list[Column]:
    """The columns of a list: those that people know a row by, else the table's first."""
    known = [table.by_name[name] for name in _IN_LISTS if name in table.by_name][:_MOST_KNOWN]
    others = [
        column
        for column in table.columns
        if column not in known and not column.system and column.kind not in JOURNAL_TYPES
    ]
    return [*known, *others][: max(_LIST_COLUMNS, len(known))]


def _in_form(table: Table) -> list[Column]:
    """Every column but journals, the important ones first."""
    columns = [column for column in table.columns if column.kind not in JOURNAL_TYPES]
    rank = {name: index for index, name in enumerate(_IN_FORMS)}
    return sorted(columns, key=lambda column: (column.system, rank.get(column.name, len(rank))))
