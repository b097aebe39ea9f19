"""User tables matched by what both platforms know of a person: a worker proposes, a person confirms."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from mappings.models import UserTable
from mappings.models.usertable import Kind
from mappings.sheets import Line, Plan
from sync import audit
from sync.connectors.base import Connector
from sync.core.matching import Account, match
from sync.core.records import ChangeQuery, Side
from sync.engine.connect import CallLog, open_connector
from sync.errors import ConfigurationError
from sync.models import Flow, Question
from sync.models.question import QuestionKind, QuestionState
from sync.services import RECENT, Refused, require, ring
from sync.sheets import KINDS, take_over

PERMISSION = "mappings.change_usertable"
MOST = 20_000  # users of a side
TOLD = 50
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,79}")


@dataclass(frozen=True, slots=True)
class Way:
    """What people are told apart by: the field of Salesforce, and the column of ServiceNow unless another is said."""

    label: str
    salesforce: str
    servicenow: str


WAYS: Mapping[str, Way] = {
    "email": Way("e-mail address", "Email", "email"),
    "employee": Way("employee number", "EmployeeNumber", "employee_number"),
    "federation": Way("federation id", "FederationIdentifier", "user_name"),
}


def ask(*, table: UserTable, way: str, column: str, by: User | None, enqueue: bool = True) -> Question:
    """Ask a worker who is who. Raises Refused where no flow says on which platforms."""
    require(by, PERMISSION)
    column = column.strip() or WAYS[way].servicenow
    if not _COLUMN.fullmatch(column):
        raise Refused(f"“{column[:40]}” is no column of ServiceNow: small letters, digits and _.")
    flow = Flow.objects.filter(user_table=table).order_by("-enabled", "name").first()
    if flow is None:
        raise Refused(f"No flow uses {table}, so it is not known whose users it means. Choose it in a flow first.")  # fmt: skip
    params = {"table": table.pk, "by": way, "column": column}
    asked = Question.objects.filter(kind=QuestionKind.PEOPLE, flow=flow, state=QuestionState.ASKED)
    for question in asked.filter(asked_at__gt=timezone.now() - RECENT)[:20]:
        if question.params == params:
            return question
    with transaction.atomic():
        question = Question.objects.create(kind=QuestionKind.PEOPLE, flow=flow, params=params, asked_by=by)
        audit.record("user_table.matched", table, after={"by": WAYS[way].label, "column": column, "flow": flow.name})  # fmt: skip
        if enqueue:
            ring("sync.tasks.answer_question", question.pk)
    return question


def last(table: UserTable) -> Question | None:
    asked = Question.objects.filter(kind=QuestionKind.PEOPLE, params__table=table.pk)
    return asked.select_related("asked_by").first()


def answer(question: Question) -> dict[str, Any]:
    """See Question. Background work, which leaves the reserve of calls alone. Raises SyncError."""
    flow, params = question.flow, question.params or {}
    assert flow is not None
    way = WAYS[params["by"]]
    connections = {Side.SERVICENOW: flow.servicenow_connection, Side.SALESFORCE: flow.salesforce_connection}
    log = CallLog(None, connections, background=True)
    try:
        with ExitStack() as stack:
            opened = {
                side: stack.enter_context(closing(open_connector(connection, log)))
                for side, connection in connections.items()
            }
            here = list(_servicenow(opened[Side.SERVICENOW], params["column"]))
            there = list(_salesforce(opened[Side.SALESFORCE], way.salesforce))
    finally:
        log.save()
    own = {connection.own_user for connection in connections.values()} - {
        ""
    }  # the console is nobody's counterpart
    found = match(
        *([each for each in side if own.isdisjoint((each.id, each.name))] for side in (here, there))
    )
    return {
        "pairs": [
            {"servicenow": left.name, "salesforce": right.name, "label": left.label or right.label,
             "inactive": [name for name, each in (("ServiceNow", left), ("Salesforce", right)) if not each.active]}
            for left, right in found.pairs
        ],
        "ambiguous": [", ".join(names[:TOLD]) for names in found.ambiguous[:TOLD]], "ambiguous_total": len(found.ambiguous), "alone": found.alone,
        "read": [len(here), len(there)], "gone": _gone(params["table"], here, there),
    }  # fmt: skip


def _servicenow(connector: Connector, column: str) -> Iterator[Account]:
    fields = tuple(dict.fromkeys(("user_name", "name", "active", column)))
    for id, values in _users(connector, ChangeQuery("sys_user", fields, "user_name")):
        active = str(values.get("active")).lower() == "true"
        yield Account(id, str(values["user_name"] or ""), str(values.get("name") or ""), active, str(values.get(column) or ""))  # fmt: skip


def _salesforce(connector: Connector, name: str) -> Iterator[Account]:
    """People alone: what works for itself over there has no counterpart."""
    query = ChangeQuery("User", tuple(dict.fromkeys(("Username", "Name", "IsActive", name))), "Username", scope="UserType = 'Standard'")  # fmt: skip
    for id, values in _users(connector, query):
        yield Account(id, str(values["Username"]), str(values.get("Name") or ""), bool(values.get("IsActive")), str(values.get(name) or ""))  # fmt: skip


def _users(connector: Connector, query: ChangeQuery) -> Iterator[tuple[str, Mapping[str, Any]]]:
    read = 0
    for page in connector.changes(query):
        for record in page.records:
            yield record.id, record.values
        read += len(page.records)
        if read > MOST:
            raise ConfigurationError(
                f"{query.name} has more than {MOST:,} users.", advice="Bring the user table in as CSV."
            )


def _gone(table: int, here: Sequence[Account], there: Sequence[Account]) -> list[dict[str, str]]:
    """Entries whose users are inactive now, or not shown any more."""
    sides = [{account.name.casefold(): account for account in accounts} for accounts in (here, there)]
    found = []
    for entry in UserTable.objects.get(pk=table).entries.filter(kind=Kind.USER):
        accounts = (sides[0].get(entry.servicenow.casefold()), sides[1].get(entry.salesforce.casefold()))
        told = [
            f"{'not shown' if account is None else 'inactive'} in {system}"
            for system, account in zip(("ServiceNow", "Salesforce"), accounts, strict=True)
            if account is None or not account.active
        ]
        if told:
            found.append({"entry": str(entry), "told": ", ".join(told)})
    return found


@dataclass(frozen=True, slots=True)
class Proposal:
    """`index`: of the pair in the answer. `held`: what the table says of one of them now, "" for nothing."""

    index: int
    servicenow: str
    salesforce: str
    label: str
    inactive: Sequence[str]
    held: str

    @property
    def is_sound(self) -> bool:
        return not self.inactive and not self.held


def proposals(question: Question, table: UserTable) -> tuple[list[Proposal], int]:
    """Pairs that the table does not hold yet, those that nothing speaks against first; and how many it holds."""
    entries = list(table.entries.filter(kind=Kind.USER))
    pairs = {(entry.servicenow.casefold(), entry.salesforce.casefold()) for entry in entries}
    here = {entry.servicenow.casefold(): f"now {entry}" for entry in entries}
    there = {entry.salesforce.casefold(): f"now {entry}" for entry in entries}
    found, known = [], 0
    for index, pair in enumerate(question.answer.get("pairs", ())):
        left, right = pair["servicenow"].casefold(), pair["salesforce"].casefold()
        if (left, right) in pairs:
            known += 1
            continue
        held = here.get(left) or there.get(right) or ""
        found.append(Proposal(index, pair["servicenow"], pair["salesforce"], pair["label"], pair["inactive"], held))  # fmt: skip
    return sorted(found, key=lambda each: not each.is_sound), known


def confirm(
    *, table: UserTable, question: Question, chosen: Collection[int], seen: str, by: User | None
) -> Plan:
    """Take the chosen pairs into the table. `seen`: its state as the person saw it. Raises Refused as an import does."""
    require(by, PERMISSION)
    if (question.params or {}).get("table") != table.pk:
        raise Refused("These proposals are another table's. Ask again.")
    pairs = question.answer.get("pairs", ())
    lines = [
        Line(index + 1, {"kind": "user", "servicenow": pairs[index]["servicenow"], "salesforce": pairs[index]["salesforce"]})
        for index in sorted(chosen)
        if 0 <= index < len(pairs)
    ]  # fmt: skip
    way = WAYS[(question.params or {})["by"]].label
    return take_over(
        kind=KINDS["user-table"], owner=table, lines=lines, whole=False, seen=seen, by=by, source=f"matched by {way}"
    )  # fmt: skip
