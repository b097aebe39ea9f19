"""The simulated Salesforce as its pages see it: objects of the org, picklists, field history, comments and posts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync.sandbox.pages.desk import (
    MAX_LINES,
    PAGE_SIZE,
    Change,
    Comment,
    Entry,
    Kind,
    Line,
    Listing,
    Option,
    Record,
)
from sync.sandbox.pages.salesforce_fields import IN_FORMS, NAMES, Fields, from_form, label_of, moment
from sync.sandbox.platform import ControlError
from sync.sandbox.salesforce import SalesforcePlatform
from sync.sandbox.salesforce.org import View
from sync.sandbox.salesforce.schema import Field as Column
from sync.sandbox.salesforce.seeding import ADMINISTRATOR
from sync.sandbox.salesforce.store import Row, Values

_FIRST = (
    "Case", "Task", "FeedItem", "CaseComment", "CaseArticle", "Account", "Contact", "AccountTeamMember", "Opportunity",
    "Asset", "Knowledge__kav", "SentEmail", "User", "Group",
)  # fmt: skip
_IN_LISTS = (
    *NAMES, "Status", "Priority", "AccountId", "StageName", "SerialNumber", "OwnerId", "Username", "Type", "ParentId",
    "LinkedEntityId",
)  # fmt: skip
_STAMPS = frozenset(
    {
        "Id",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
        "IsDeleted",
    }
)
_LIST_COLUMNS = 5
_PUBLIC, _INTERNAL, _POST = "public", "internal", "post"
_CHANNELS = {
    _PUBLIC: Option(_PUBLIC, "Public comment"),
    _INTERNAL: Option(_INTERNAL, "Internal comment"),
    _POST: Option(_POST, "Feed post"),
}


class SalesforceDesk:
    name = "salesforce"
    title = "Salesforce"
    kinds_are = "Objects"
    administrator = ADMINISTRATOR

    def __init__(self, platform: SalesforcePlatform) -> None:
        self._platform = platform
        self._org = platform.org
        self._fields = Fields(platform.org)

    def now(self) -> str:
        return moment(self._org.now())

    def kinds(self) -> Sequence[Kind]:
        with self._org.lock:
            kinds = [self._kind(view) for view in self._org.people_views.values()]
        rank = {name: index for index, name in enumerate(_FIRST)}
        return sorted(kinds, key=lambda kind: (not kind.main, rank.get(kind.name, len(rank))))

    def people(self) -> Sequence[Option]:
        with self._org.lock:
            view = self._view("User")
            username, name, active = (view.slot(each) for each in ("Username", "Name", "IsActive"))
            integration = self._platform.credentials.username
            people = [
                Option(str(row.values[username]), str(row.values[name]))
                for row in view.table.rows.values()
                if row.values[active] and row.values[username] != integration
            ]
        return sorted(people, key=lambda person: person.label)

    def listing(self, name: str, *, search: str = "", page: int = 1, deleted: bool = False) -> Listing:
        with self._org.lock:
            view = self._view(name)
            gone, stamp = view.table.deleted_slot, view.table.stamp_slot
            rows = [row.values for row in view.table.rows.values() if bool(row.values[gone]) is deleted]
            rows.sort(key=lambda values: (int(values[stamp] or 0), str(values[0])), reverse=True)
            shown = _listed(view)
            if search:
                rows = [values for values in rows if self._matches(view, shown, values, search.lower())]
            start = (page - 1) * PAGE_SIZE
            lines = tuple(self._line(view, shown, values) for values in rows[start : start + PAGE_SIZE])
            labels = (*(label_of(column) for column in shown), "Updated", "By")
            return Listing(self._kind(view), labels, lines, len(rows))

    def form(self, name: str) -> tuple[Kind, Sequence[Entry]]:
        with self._org.lock:
            view = self._view(name)
            entries = [self._fields.entry(view, column, view.defaults) for column in _in_form(view)]
            return self._kind(view), [entry for entry in entries if entry.field.creatable]

    def record(self, name: str, row_id: str) -> Record:
        with self._org.lock:
            view = self._view(name)
            row = view.table.rows.get(row_id)
            if row is None:
                raise ControlError(f"There is no {view.name} {row_id}.")
            deleted = bool(row.values[view.table.deleted_slot])
            title = self._fields.title(row_id)
            subject = view.field("Subject")
            text = str(row.values[view.slot("Subject")] or "") if subject else ""
            return Record(
                kind=self._kind(view),
                row_id=row_id,
                title=title,
                subtitle=text if text != title else "",
                entries=tuple(self._fields.entry(view, column, row.values) for column in _in_form(view)),
                history=tuple(self._history(view, row)),
                comments=tuple(self._comments(row_id)),
                channels=() if deleted else tuple(self._channels(view)),
                deleted=deleted,
                editable=view.sobject.updateable and not deleted,
                deletable=view.sobject.deletable,
            )

    def add(self, name: str, fields: Mapping[str, str], *, by: str) -> str:
        return str(self._platform.add(name, self._parsed(name, fields), by=by)["Id"])

    def edit(self, name: str, row_id: str, fields: Mapping[str, str], *, by: str) -> None:
        self._platform.edit(name, row_id, self._parsed(name, fields), by=by)

    def comment(self, name: str, row_id: str, channel: str, text: str, *, by: str) -> None:
        if channel == _POST:
            self._platform.add("FeedItem", {"ParentId": row_id, "Body": text}, by=by)
        elif channel in _CHANNELS:
            fields = {"ParentId": row_id, "CommentBody": text, "IsPublished": channel == _PUBLIC}
            self._platform.add("CaseComment", fields, by=by)
        else:
            raise ControlError(f"There is no kind of comment {channel}.")

    def delete(self, name: str, row_id: str, *, by: str) -> None:
        self._platform.delete(name, row_id, by=by)

    def undelete(self, name: str, row_id: str, *, by: str) -> None:
        self._platform.undelete(name, row_id, by=by)

    # What is found

    def _view(self, name: str) -> View:
        view = self._org.people_views.get(name.lower())
        if view is None:
            raise ControlError(f"There is no object {name}.")
        return view

    def _kind(self, view: View) -> Kind:
        gone = view.table.deleted_slot
        return Kind(
            name=view.name,
            label=view.sobject.plural,
            main=view.name in _FIRST,
            count=sum(not row.values[gone] for row in view.table.rows.values()),
            creates=view.sobject.createable,
            keeps_deleted=view.sobject.deletable,
        )

    def _shown(self, view: View, column: Column, values: Values) -> str:
        return self._fields.text(column, values[view.slot(column.name)])

    def _line(self, view: View, shown: Sequence[Column], values: Values) -> Line:
        cells = [self._shown(view, column, values) for column in shown]
        by = str(values[view.slot("LastModifiedById")])
        return Line(
            str(values[0]), (*cells, moment(values[view.slot("LastModifiedDate")]), self._fields.title(by))
        )

    def _matches(self, view: View, shown: Sequence[Column], values: Values, wanted: str) -> bool:
        if any(isinstance(value, str) and wanted in value.lower() for value in values):
            return True
        return any(wanted in self._shown(view, column, values).lower() for column in shown)

    def _parsed(self, name: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Form texts as the JSON a client would send."""
        with self._org.lock:
            view = self._view(name)
            return {key: from_form(view.field(key), text) for key, text in fields.items()}

    # What happened

    def _history(self, view: View, row: Row) -> Iterator[Change]:
        columns = {column.name: column for column in view.table.sobject.fields}
        for each in reversed(row.history[-MAX_LINES:]):
            column, by = columns[each.field], self._fields.title(each.by)
            if each.field == "IsDeleted":
                yield Change(moment(each.at), by, "", "", "deleted" if each.new else "undeleted")
                continue
            old, new = self._fields.text(column, each.old), self._fields.text(column, each.new)
            yield Change(moment(each.at), by, label_of(column), old, new)
        created = row.values[view.slot("CreatedDate")]
        author = self._fields.title(str(row.values[view.slot("CreatedById")]))
        yield Change(moment(created), author, "", "", "created")

    def _comments(self, row_id: str) -> list[Comment]:
        found: list[tuple[int, Comment]] = []
        for name, body in (("CaseComment", "CommentBody"), ("FeedItem", "Body")):
            view = self._view(name)
            for row in view.table.rows.values():
                if row.values[view.slot("ParentId")] != row_id or row.values[view.table.deleted_slot]:
                    continue
                published = name == "CaseComment" and row.values[view.slot("IsPublished")]
                channel = _POST if name == "FeedItem" else _PUBLIC if published else _INTERNAL
                at = row.values[view.slot("CreatedDate")]
                by = self._fields.title(str(row.values[view.slot("CreatedById")]))
                text = str(row.values[view.slot(body)] or "")
                found.append((int(at or 0), Comment(moment(at), by, _CHANNELS[channel].label, text)))
        found.sort(key=lambda each: each[0])
        return [comment for _, comment in reversed(found[-MAX_LINES:])]

    def _channels(self, view: View) -> Iterator[Option]:
        if view.name == "Case":
            yield _CHANNELS[_PUBLIC]
            yield _CHANNELS[_INTERNAL]
        posts = self._view("FeedItem").field("ParentId")
        if posts is not None and view.name in posts.reference_to:
            yield _CHANNELS[_POST]


def _listed(view: View) -> list[Column]:
    """The fields of a list: those that people know a row by, else the object's first."""
    known = [column for name in _IN_LISTS if (column := view.field(name)) is not None]
    others = [column for column in view.sobject.fields if column not in known and column.name not in _STAMPS]
    return [*known, *others][:_LIST_COLUMNS]


def _in_form(view: View) -> list[Column]:
    """Every field, the important ones first and the stamps last."""
    rank = {name: index for index, name in enumerate(IN_FORMS)}
    return sorted(
        view.sobject.fields, key=lambda column: (column.name in _STAMPS, rank.get(column.name, len(rank)))
    )
