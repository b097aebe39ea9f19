"""What a step of an action asks of a platform: its texts filled in, checked against what the platform has, ready to be sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mappings.text import clean
from mappings.tools import Tools
from mappings.values import Unmapped
from sync.connectors.base import Connector
from sync.connectors.salesforce.ids import to_18
from sync.connectors.servicenow import query
from sync.core import notes, texts
from sync.core.actions import MOST_ROWS, USUAL_ROWS, Do, Due, Step, brought, identity, parted
from sync.core.notes import COMMENT, FEED, JOURNAL, LIMIT, Mark
from sync.core.records import LookUp, Operation, Record, Schema, Side, Write, WriteResult
from sync.engine import mailing, ranking
from sync.engine.agenda import HAD, Agenda, Work
from sync.engine.asking import encoded_query, soql_condition
from sync.engine.context import NUMBER_FIELDS, Context, number_column
from sync.engine.occasions import data_key, digest
from sync.engine.schemas import known_schema, read_schema
from sync.errors import AuthenticationError, ConfigurationError, SchemaError, SyncError
from sync.models import ActionStep

Scope = Mapping[str, object]
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NUMBERS = frozenset({"double", "int", "currency", "percent", "long"})
SHOWN_MANY = 6  # rows that are read to tell that there is more than one
STREAMS = {"chatter": FEED, "case_comment": COMMENT, "work_note": JOURNAL, "comment": JOURNAL}
COLUMNS = {"work_note": "work_notes", "comment": "comments"}


@dataclass(frozen=True)
class Request:
    """`shown`: what is kept of it, sealed, and shown to those who may see values. `key_value`: what a repetition is known by.
    `condition`: by which a record is found that was made before."""

    shown: Mapping[str, Any]
    send: Callable[[], WriteResult]
    key_value: str = ""
    condition: str = ""
    number_of: Callable[[WriteResult], str] = lambda result: ""

    def outcome(self, result: WriteResult) -> tuple[str, str]:
        return result.id, self.number_of(result)


@dataclass
class Deeds:
    context: Context
    connectors: Mapping[Side, Connector]
    agenda: Agenda
    _schemas: dict[tuple[Side, str], Schema | None] = field(default_factory=dict)

    def tools(self, step: Step) -> Tools:
        return self.context.tools(step.side or Side.SALESFORCE)

    def request(self, work: Work, what: Due, row: ActionStep, scope: Scope) -> Request:
        """Raises Unmapped for what its texts cannot say, ConfigurationError for what the platform has not."""
        makers = {
            Do.CREATE: self._create, Do.UPDATE: self._update, Do.ORDER: self._order, Do.POST: self._post,
            Do.NOTIFY: self._notify,
        }  # fmt: skip
        if not row.key:
            flow = self.context.flow
            row.key = identity(flow.name, work.action.name, work.row.record_id, work.row.occasion, what.step.name,
                               what.audience, row.again)  # fmt: skip
        return makers[what.step.do](what.step, row, scope)

    # Looking up

    def look_up(self, step: Step, scope: Scope) -> list[dict[str, Any]]:
        """What was found, each as what it leaves behind; nothing where a hole of the query is empty."""
        side, name = Side(step.text("in")), step.text("table")
        if texts.has_empty_hole(step.text("query"), scope, self.tools(step)):
            return []
        distinct = step.text("distinct")
        taken = (*step.texts("take"), *((distinct,) if distinct else ()))
        condition = self._condition(side, name, step.text("query"), scope, self.tools(step), taken)
        asked = LookUp(
            name, condition, taken, self._number_field(side, name), step.texts("order_by"), _limit(step)
        )
        rows = self.connectors[side].look_up(asked)
        if step.makes_list and not step.text("limit") and len(rows) > USUAL_ROWS:
            raise ConfigurationError(
                f"{name}: more than {USUAL_ROWS} records were found.", code="FOUND_MANY",
                advice=f"Narrow the query, or say with limit how many of them are meant (at most {MOST_ROWS}).",
            )  # fmt: skip
        found = [_row(record, taken) for record in rows]
        return _told_apart(found, distinct) if distinct else found

    def rows(self, step: Step, scope: Scope) -> list[dict[str, Any]]:
        """What a step that writes nothing finds, each row as what it leaves behind."""
        finders = {Do.LOOK_UP: self.look_up, Do.LIST: self.listed, Do.RANK: self.ranked}
        return finders[step.do](step, scope)

    def audience(self, work: Work, step: Step, row: Mapping[str, Any]) -> str:
        """By what a row is known in the clear: its id. A value that rows were told apart by is none, and may be long: then, and
        for the texts of a list, a digest that nobody can try values out on."""
        id = str(row["id"])
        is_value = step.do is Do.LIST or (step.text("distinct") and not _is_id(id))
        return digest(data_key(), work.row.occasion, id) if is_value else id

    def listed(self, step: Step, scope: Scope) -> list[dict[str, Any]]:
        """A text taken apart: each of its parts as what it leaves behind."""
        text = texts.filled(step.text("of"), scope, self.tools(step))
        found = list(parted(text, step.text("between")).values())
        if len(found) > USUAL_ROWS:
            raise ConfigurationError(
                f"{step.name}: more than {USUAL_ROWS} texts in a list.", code="FOUND_MANY",
                advice="See whether between names what stands between the texts, and shorten the list.",
            )  # fmt: skip
        return found

    def asked(self, step: Step, scope: Scope) -> str:
        """What a step looks for, as people read it."""
        return texts.filled(step.text("query") or step.text("of"), scope, self.tools(step))

    def ranked(self, step: Step, scope: Scope) -> list[dict[str, Any]]:
        """The rows that answer the step's text best, each with its score; their own texts are not kept."""
        return ranking.best(step, scope, self.tools(step), self._candidates)

    def _candidates(self, step: Step, scope: Scope, also: str) -> Sequence[Record]:
        side, name = Side(step.text("in")), step.text("table")
        if texts.has_empty_hole(step.text("query"), scope, self.tools(step)):
            return []
        columns = ranking.columns(step)
        condition = self._condition(side, name, step.text("query"), scope, self.tools(step), columns)
        whole = query.every(condition, also) if also else condition
        order = step.texts("order_by")
        asked = LookUp(name, whole, columns, self._number_field(side, name), order, ranking.among(step))
        return self.connectors[side].look_up(asked)

    def _condition(
        self, side: Side, name: str, text: str, scope: Scope, tools: Tools, columns: Sequence[str] = ()
    ) -> str:
        """The query with its holes quoted. ServiceNow drops a term with an unknown column without a word, and would find too
        much: its columns are asked for first."""
        if side is Side.SALESFORCE:
            return soql_condition(text, scope, tools)
        found = encoded_query(text, scope, tools)
        self._check(side, name, [*query.columns(found), *columns])
        return found

    # Records

    def _create(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        side, name = Side(step.text("in")), step.text("table")
        values = self._values(side, name, step, scope)
        key = step.text("key")
        if side is Side.SERVICENOW:
            value = row.key
            values = {**values, "sys_id": value}
        elif key:
            self._check_unique(name, key)
            value = values[key] = str(values.get(key) or row.key)
        else:
            value = ""
        find = ""  # by a hole that is empty any record could be found
        if step.text("find") and not texts.has_empty_hole(step.text("find"), scope, self.tools(step)):
            find = self._condition(side, name, step.text("find"), scope, self.tools(step))
        row.target = name
        write = Write(
            row.key,
            Operation.CREATE,
            _without_empty(values),
            returning=("number",) if side is Side.SERVICENOW else (),
        )
        shown = {"create": name, "values": values, **({"find": find} if find else {})}
        return Request(
            shown, lambda: self._write(side, name, write), value, find, lambda r: self._number(side, name, r)
        )

    def _update(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        side, name = Side(step.text("in")), step.text("table")
        id = self._needed(step, "id", scope)
        values = self._values(side, name, step, scope)
        row.target, row.target_id = name, id[:40]
        write = Write(
            row.key, Operation.UPDATE, values, id, returning=("number",) if side is Side.SERVICENOW else ()
        )
        shown = {"update": f"{name} {id}", "values": values}
        return Request(
            shown, lambda: self._write(side, name, write), number_of=lambda r: self._number(side, name, r)
        )

    def _write(self, side: Side, name: str, write: Write) -> WriteResult:
        return next(iter(self.connectors[side].write(name, [write])))

    def _values(self, side: Side, name: str, step: Step, scope: Scope) -> dict[str, Any]:
        found: dict[str, Any] = {}
        schema = self._schema(side, name)
        for column, text in step.values("values").items():
            try:
                value = texts.value(text, scope, self.tools(step))
            except Unmapped as error:
                raise Unmapped(f"{column}: {error.message}", code=error.code, advice=error.advice) from error
            kind = schema.fields[column].type if schema and column in schema.fields else ""
            found[column] = _plain(value, side, kind)
        self._check(side, name, list(found))
        return found

    # Orders, posts, messages

    def _order(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        item = self._needed(step, "item", scope)
        tools = self.tools(step)
        variables = {
            name: texts.spoken(texts.value(text, scope, tools))
            for name, text in step.values("variables").items()
        }
        if step.text("mark"):
            variables[step.text("mark")] = str(self._mark(row, Side.SERVICENOW))
        body: dict[str, Any] = {
            "sysparm_quantity": texts.filled(step.text("quantity", "1"), scope, tools) or "1"
        }
        if step.text("requested_for"):
            body["sysparm_requested_for"] = texts.filled(step.text("requested_for"), scope, tools)
        instructions = texts.filled(step.text("instructions"), scope, tools)
        body["special_instructions"] = f"{instructions}\n{self._mark(row, Side.SERVICENOW)}".strip()
        body["variables"] = variables
        row.target = "sc_request"
        servicenow = self.connectors[Side.SERVICENOW]
        return Request(
            {"order": item, **body}, lambda: servicenow.invoke("order_now", item, body),
            number_of=lambda result: _order_number(result.stored or {}),
        )  # fmt: skip

    def _post(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        to, side = step.text("to"), step.side
        assert side is not None
        on = self._needed(
            step, "on", scope, default="{servicenow.sys_id}" if side is Side.SERVICENOW else "{salesforce.Id}"
        )
        stream = STREAMS[to]
        text = self._marked(self._needed(step, "text", scope), row, side, LIMIT[stream])
        if stream == JOURNAL:
            name = step.text("table") or self.context.table
            write = Write(row.key, Operation.UPDATE, {COLUMNS[to]: text}, on)
        else:
            name = stream
            write = Write(row.key, Operation.CREATE, {"ParentId": on, **_said(step, stream, text)})
        row.target = name
        shown = {"post": to, "on": on, "stream": stream, "text": text}
        return Request(shown, lambda: self._write(side, name, write))

    def _notify(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        return {"email": self._mail, "salesforce_email": self._salesforce_mail, "task": self._task}[
            step.text("by")
        ](step, row, scope)

    def _mail(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        mail = mailing.Mail(
            mailing.addresses(self._needed(step, "to", scope)), clean(self._line(step, "subject", scope)),
            clean(self._needed(step, "text", scope)), row.key, frozenset((row.content or {}).get(HAD, ())),
        )  # fmt: skip
        mailing.check(mail)
        row.target = "e-mail"
        shown = {"email": ", ".join(mail.left), "subject": mail.subject, "text": mail.text}

        def send() -> WriteResult:
            """Who has the message is kept with whatever becomes of the step."""
            sent = mailing.send(mail)
            if sent.had:
                row.content = {**(row.content or {}), HAD: sorted(sent.had)}
                row.target_number = f"{len(sent.had & {*mail.to})} of {len(mail.to)} recipients"
            return sent.result

        return Request(shown, send)

    def _salesforce_mail(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        inputs = {
            "emailAddresses": ",".join(mailing.addresses(self._needed(step, "to", scope))),
            "emailSubject": self._line(step, "subject", scope), "emailBody": self._needed(step, "text", scope),
        }  # fmt: skip
        row.target = "emailSimple"
        salesforce = self.connectors[Side.SALESFORCE]
        return Request(inputs, lambda: salesforce.invoke("emailSimple", "", inputs))

    def _task(self, step: Step, row: ActionStep, scope: Scope) -> Request:
        tools = self.tools(step)
        owner, on = (texts.filled(step.text(key), scope, tools) for key in ("to", "on"))
        about = {"WhoId" if on.startswith(("003", "00Q")) else "WhatId": on} if on else {}
        text = self._marked(texts.filled(step.text("text"), scope, tools), row, Side.SALESFORCE, 32_000)
        values = {
            "Subject": self._line(step, "subject", scope)[:255], "Description": text, **about,
            **({"OwnerId": owner} if owner else {}), **self._values(Side.SALESFORCE, "Task", step, scope),
        }  # fmt: skip
        row.target = "Task"
        write = Write(row.key, Operation.CREATE, values)
        return Request(
            {"create": "Task", "values": values}, lambda: self._write(Side.SALESFORCE, "Task", write)
        )

    def _line(self, step: Step, key: str, scope: Scope) -> str:
        return " ".join(self._needed(step, key, scope).split())

    def _needed(self, step: Step, key: str, scope: Scope, *, default: str = "") -> str:
        text = texts.filled(step.text(key) or default, scope, self.tools(step)).strip()
        if not text:
            raise Unmapped(
                f"{step.name}.{key} is empty here.", code="EMPTY_TEXT",
                advice="Fill the columns that it names, give the action a condition that asks for them, then retry.",
            )  # fmt: skip
        return text

    def _mark(self, row: ActionStep, side: Side) -> Mark:
        return self.agenda.sign(Mark(row.key, 1), side)

    def _marked(self, text: str, row: ActionStep, side: Side, limit: int) -> str:
        """The text with our mark in a line of its own, cut where it would be longer than the place takes."""
        mark = str(self._mark(row, side))
        whole, room = notes.clean(text), limit - notes.size(f"\n{mark}")
        return f"{next(notes.split(whole, room), '')}\n{mark}"

    # What the platforms have

    def _number_field(self, side: Side, name: str) -> str:
        schema = self._schema(side, name)
        wanted = number_column(name) if side is Side.SERVICENOW else NUMBER_FIELDS.get(name, "Name")
        return wanted if schema is None or wanted in schema.fields else ""

    def _number(self, side: Side, name: str, result: WriteResult) -> str:
        """What people call the record, asked for once more where the answer does not tell."""
        if side is Side.SERVICENOW:
            return str((result.stored or {}).get("number") or "")
        wanted = self._number_field(side, name)
        with suppress(SyncError):
            found = self.connectors[side].read(name, [result.id], (), wanted) if wanted else {}
            return next((record.number for record in found.values()), "")
        return ""

    def _schema(self, side: Side, name: str) -> Schema | None:
        """Raises SchemaError where there is no such table or object. None where our user may not be told its columns."""
        if (side, name) not in self._schemas:
            flow = self.context.flow
            connection = flow.servicenow_connection if side is Side.SERVICENOW else flow.salesforce_connection
            try:
                found = known_schema(connection, name) or read_schema(connection, self.connectors[side], name)
            except (AuthenticationError, SchemaError):
                raise
            except ConfigurationError:
                found = None
            self._schemas[side, name] = found
        return self._schemas[side, name]

    def _check(self, side: Side, name: str, columns: Sequence[str]) -> None:
        schema = self._schema(side, name)
        if schema is None or not schema.fields:
            return
        missing = [column for column in columns if column.partition(".")[0] not in schema.fields]
        if side is Side.SALESFORCE:
            missing = [column for column in missing if "." not in column]
        if missing:
            raise SchemaError(
                f"{name} has no field {', '.join(missing)}, or the integration user may not see it.", code="INVALID_FIELD",
                advice="Correct the name in the action and publish the flow, or give the user access to it; then retry.",
            )  # fmt: skip

    def _check_unique(self, name: str, key: str) -> None:
        schema = self._schema(Side.SALESFORCE, name)
        if schema is not None and key in schema.fields and not schema.fields[key].unique:
            raise SchemaError(
                f"{name}.{key} is not unique: a repeated create could make a second record.", code="key_not_unique",
                advice=f"Tick Unique on {name}.{key} in Salesforce's object manager, then retry.",
            )  # fmt: skip


def _limit(step: Step) -> int:
    if step.text("many", "fail") == "each":
        return min(int(step.text("limit") or 0), MOST_ROWS) or USUAL_ROWS + 1
    return 1 if step.text("many", "fail") == "first" else SHOWN_MANY


def _row(record: Record, taken: Sequence[str]) -> dict[str, Any]:
    return brought(
        record.id,
        record.number,
        **{name: record.values.get(name) for name in taken if name not in ("Id", "sys_id")},
    )


def _told_apart(rows: Sequence[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Each value of a column once, standing for the row's id; rows that have none are left out."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        value = texts.spoken(row.get(column)).strip()
        if value:
            found.setdefault(value, {**row, **brought(value, row["number"])})
    return list(found.values())


def _is_id(text: str) -> bool:
    return bool(_SYS_ID.fullmatch(text)) or (len(text) == 18 and to_18(text[:15]) == text)


def _plain(value: Any, side: Side, kind: str) -> Any:
    """A value as the platform's JSON holds it: Salesforce takes truth and numbers as such, ServiceNow everything as text."""
    if side is Side.SERVICENOW:
        return texts.spoken(value)
    if isinstance(value, str):
        if not value.strip():
            return None
        if kind == "boolean":
            return value.strip().lower() in ("true", "1", "yes")
        if kind in _NUMBERS:
            with suppress(ValueError):
                number = int(value) if value.strip().lstrip("-").isdecimal() else float(value)
                return (
                    number if isinstance(number, int) or math.isfinite(number) else value
                )  # JSON has no such number: it would say null
    return value


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _order_number(stored: Mapping[str, Any]) -> str:
    return str(stored.get("request_number") or stored.get("number") or "")


def _said(step: Step, stream: str, text: str) -> dict[str, Any]:
    """Internal unless the step says that customers may see it."""
    public = step.text("visibility") == "public"
    if stream == COMMENT:
        return {"CommentBody": text, "IsPublished": public}
    return {"Body": text, "Visibility": "AllUsers" if public else "InternalUsers"}
