"""Knowledge articles as records: one each under its `article_id`, however many versions it has.

Each version is a row of `kb_knowledge` with a sys_id of its own. The row that stands for an article is the published one
or, where the article was retired, the retired one; drafts and outdated versions are never read. Articles are read here,
not written. Source: ServiceNow documentation, "Knowledge article versioning"; rows without an `article_id` have not been
through the fix script "Initialize Versions on Articles" and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sync.connectors.parallel import Workers
from sync.connectors.results import failed_alike
from sync.connectors.servicenow import query, reading, tallying
from sync.connectors.servicenow.instance import Instance
from sync.core.reconciling import Tally
from sync.core.records import ChangeQuery, Page, Record, Write, WriteResult
from sync.errors import RefusedError

TABLE = "kb_knowledge"
ID = "article_id"
STANDING = "article_idISNOTEMPTY^workflow_stateINpublished,retired"
_OWN = (ID, "latest", "workflow_state", "sys_created_on")


@dataclass(frozen=True, slots=True)
class Articles:
    instance: Instance
    workers: Workers

    def changes(self, asked: ChangeQuery) -> Iterator[Page]:
        """Pages of versions that stand for their articles; the cursor is that of the rows."""
        fields = tuple(dict.fromkeys((*asked.fields, *_OWN)))
        rows = replace(asked, scope=query.every(asked.scope, STANDING), fields=fields)
        for page in reading.changes(self.instance, rows):
            yield replace(page, records=tuple(self._standing(page.records)))

    def _standing(self, rows: Sequence[Record]) -> list[Record]:
        """Of each article the row that stands for it. The newest version does; of others that is asked."""
        doubtful = [row.values[ID] for row in rows if row.values["latest"] != "true"]
        best = self._best(doubtful) if doubtful else {}
        return [_as_article(row) for row in rows if best.get(row.values[ID], row.id) == row.id]

    def _best(self, articles: Sequence[str]) -> dict[str, str]:
        """The sys_id of the row that stands for each."""
        rows = reading.rows_by_key(
            self.instance, self.workers, TABLE, ID, articles, ["sys_id", *_OWN], STANDING
        )
        return {row[ID]: row["sys_id"] for row in sorted(rows, key=_rank)}

    def read(self, ids: Sequence[str], fields: Sequence[str], number_field: str) -> dict[str, Record]:
        found = self._found(ID, ids, fields, number_field)
        return {record.id: record for record in found}

    def find(
        self, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> dict[str, list[Record]]:
        column = ID if key_field == "sys_id" else key_field
        asked = {key.casefold(): key for key in keys} | {key: key for key in keys}
        found: dict[str, list[Record]] = {}
        for record in self._found(column, keys, (*fields, column), number_field):
            value = record.values[column]
            found.setdefault(asked.get(value) or asked.get(value.casefold()) or value, []).append(record)
        return found

    def _found(
        self, key: str, values: Sequence[str], fields: Sequence[str], number_field: str
    ) -> list[Record]:
        names = reading.columns((*fields, *_OWN), number_field)
        rows = reading.rows_by_key(self.instance, self.workers, TABLE, key, values, names, STANDING)
        reading.refuse_hidden(TABLE, rows, names)
        best = {row[ID]: row for row in sorted(rows, key=_rank)}
        return [_as_article(reading.record(row, number_field)) for row in best.values()]

    def matching(self, condition: str, ids: Sequence[str]) -> set[str]:
        wanted = query.every(condition, STANDING)
        rows = reading.rows_by_key(self.instance, self.workers, TABLE, ID, ids, ["sys_id", ID], wanted)
        return {row[ID] for row in rows}

    def count(self, condition: str) -> int:
        return self.instance.rows(TABLE, query.every(condition, STANDING), ("sys_id",), limit=1).total

    def size(self, asked: ChangeQuery) -> int:
        return reading.size(self.instance, replace(asked, scope=query.every(asked.scope, STANDING)))

    def tally(self, scope: str, born_from: datetime | None, born_before: datetime | None) -> Tally:
        wanted = query.every(scope, STANDING)
        return tallying.tally(self.instance, TABLE, wanted, born_from, born_before)

    def refuse(self, write: Write) -> list[WriteResult]:
        why = RefusedError("Knowledge articles are read from ServiceNow and never written.", code="READ_ONLY")
        return failed_alike([write], why)

    def url(self, id: str) -> str:
        """The list of an article's versions: none of them stays the one to look at."""
        return f"{self.instance.transport.origin}/nav_to.do?uri={TABLE}_list.do%3Fsysparm_query%3D{ID}%3D{id}"


def _rank(row: dict[str, str]) -> tuple[bool, bool, str, str]:
    """Published before retired, newer before older: the last one stands."""
    return row["workflow_state"] == "published", row["latest"] == "true", row["sys_created_on"], row["sys_id"]


def _as_article(row: Record) -> Record:
    return replace(row, id=row.values[ID])
