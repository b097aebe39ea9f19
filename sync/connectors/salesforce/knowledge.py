"""Knowledge articles as records: one each under its KnowledgeArticleId, however many versions it has.

Each version is a row of `Knowledge__kav` with an Id of its own. The row that stands for an article is the online one or,
where the article was archived, its latest version; an article that never went online is shown by its id alone, not by its
key, so that its create goes on where it was broken off. One language: the org's own for knowledge.

Two columns are made here: `PublishStatus` can be written (what it takes is in `publishing`), and `DataCategories` holds the
data categories as `Group.Category`, several joined by semicolons.

Source: Knowledge Developer Guide, "Knowledge__kav", "Knowledge__ka", "Knowledge__DataCategorySelection"; REST guide, "Get
Knowledge Language Settings". That `IsLatestVersion` marks the archived version of an archived article is told by clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from sync.connectors.parallel import Workers
from sync.connectors.salesforce import deletions, reading, soql, tallying
from sync.connectors.salesforce.org import Org
from sync.core.reconciling import Tally
from sync.core.records import ChangeQuery, Deletion, FieldSchema, Page, Record, Schema
from sync.errors import ConfigurationError, SchemaError, TransientError

SUFFIX = "__kav"
ID, STATUS, CATEGORIES, URL_NAME = "KnowledgeArticleId", "PublishStatus", "DataCategories", "UrlName"
DRAFT, ONLINE, ARCHIVED = "Draft", "Online", "Archived"
STANDING = f"{STATUS} = '{ONLINE}' OR ({STATUS} = '{ARCHIVED}' AND IsLatestVersion = true)"
# Of the article, not of the version that happens to stand for it.
_BORN = {"CreatedDate": "ArticleCreatedDate", "CreatedById": "ArticleCreatedById"}


# A name in URLs takes no colon: the prefix of a key (docs/decisions/0025) is parted from it by a hyphen there.
_PREFIXED = re.compile(r"([0-9A-Za-z]+)-([0-9a-f]{32})", re.ASCII)


def as_url_name(key: str) -> str:
    return key.replace(":", "-")


def as_key(url_name: str) -> str:
    found = _PREFIXED.fullmatch(url_name)
    return f"{found[1]}:{found[2]}" if found else url_name


def holds_articles(name: str) -> bool:
    return name.endswith(SUFFIX)


def category_object(name: str) -> str:
    return name.removesuffix(SUFFIX) + "__DataCategorySelection"


def article_object(name: str) -> str:
    return name.removesuffix(SUFFIX) + "__ka"


def widened(schema: Schema) -> Schema:
    """The schema with the columns as records show them: `UrlName` is unique, for one article has it in a language."""
    fields = dict(schema.fields)
    if URL_NAME in fields:
        fields[URL_NAME] = replace(fields[URL_NAME], unique=True, external_id=True)
    if STATUS in fields:
        fields[STATUS] = replace(fields[STATUS], createable=True, updateable=True, restricted=True)
    fields[CATEGORIES] = FieldSchema(CATEGORIES, "multipicklist", label="Data Categories")
    return replace(schema, fields=fields)


@dataclass
class Languages:
    """The language in which an org's articles are read and written; asked once."""

    org: Org
    _known: str = ""
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> str:
        with self._lock:
            self._known = self._known or self._asked()
            return self._known

    def _asked(self) -> str:
        try:
            data = self.org.read("knowledgeManagement/settings")
        except SchemaError as error:
            raise ConfigurationError(
                "Knowledge is not enabled in this org, or the integration user may not use it.",
                code="knowledge_missing",
                advice="Enable Lightning Knowledge, and tick Knowledge User on the integration user.",
                request_id=error.request_id,
            ) from error
        if not isinstance(data, dict) or not data.get("defaultLanguage"):
            raise TransientError("Salesforce told no language of its articles.", code="bad_answer")
        return str(data["defaultLanguage"])


@dataclass(frozen=True, slots=True)
class Articles:
    org: Org
    workers: Workers
    name: str
    language: Languages

    def condition(self, *more: str) -> str:
        """Rows that stand for an article."""
        return soql.both(*more, STANDING, f"Language = {soql.quoted(self.language())}")

    def changes(self, query: ChangeQuery) -> Iterator[Page]:
        """Pages of versions that stand for their articles; the cursor is that of the rows."""
        rows = replace(self._scoped(query), fields=tuple(self._columns(query.fields)))
        for page in reading.changes(self.org, rows):
            yield replace(page, records=tuple(self._as_articles(page.records, query.fields)))

    def size(self, query: ChangeQuery) -> int:
        scoped = self._scoped(query)
        text = soql.count(self.name, reading.condition(scoped, scoped.cursor))
        return int(self.org.query(text)["totalSize"])

    def _scoped(self, query: ChangeQuery) -> ChangeQuery:
        born = _of_article(soql.born(query.born_from, query.born_before))
        return replace(query, scope=self.condition(query.scope, born), born_from=None, born_before=None)

    def read(self, ids: Sequence[str], fields: Sequence[str], number_field: str) -> dict[str, Record]:
        found = self._read(ids, fields, number_field, self.condition())
        if missing := [id for id in ids if id not in found]:
            drafts = soql.both(f"{STATUS} = '{DRAFT}'", f"Language = {soql.quoted(self.language())}")
            found |= self._read(missing, fields, number_field, drafts)
        return found

    def _read(
        self, ids: Sequence[str], fields: Sequence[str], number_field: str, condition: str
    ) -> dict[str, Record]:
        records = self._rows(ID, ids, fields, number_field, condition)
        return {record.id: record for record in records}

    def find(
        self, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> dict[str, list[Record]]:
        asked = {key.casefold(): key for key in keys} | {key: key for key in keys}
        found: dict[str, list[Record]] = {}
        sought = [as_url_name(key) for key in keys] if key_field == URL_NAME else keys
        for record in self._rows(key_field, sought, (*fields, key_field), number_field, self.condition()):
            value = str(record.values[key_field])
            key = asked.get(value) or asked.get(value.casefold())
            if key is not None:
                found.setdefault(key, []).append(record)
        return found

    def _rows(
        self, key: str, values: Sequence[str], fields: Sequence[str], number_field: str, condition: str
    ) -> list[Record]:
        """Of an article that is online and archived at once, as a publication may leave it for a moment, the former."""
        names = reading.columns([*self._columns(fields), STATUS], number_field)
        rows = reading.rows_by_key(self.org, self.workers, self.name, key, values, names, condition)
        best = {row[ID]: row for row in sorted(rows, key=lambda row: str(row[STATUS]) == ONLINE)}
        records = [reading.record(row, number_field, self._columns(fields)) for row in best.values()]
        return self._as_articles(records, fields)

    def _columns(self, fields: Sequence[str]) -> list[str]:
        kept = (name for name in fields if name != CATEGORIES)
        return list(dict.fromkeys((*(_BORN.get(name, name) for name in kept), ID)))

    def _as_articles(self, rows: Sequence[Record], fields: Sequence[str]) -> list[Record]:
        """The rows, a value at a time, as those of their articles."""
        categories = self._categories(rows) if CATEGORIES in fields else {}
        found = []
        for row in rows:
            values = dict(row.values)
            values |= {name: values[here] for name, here in _BORN.items() if name in fields}
            if URL_NAME in values:
                values[URL_NAME] = as_key(str(values[URL_NAME]))
            if CATEGORIES in fields:
                values[CATEGORIES] = categories.get(row.id)
            found.append(replace(row, id=str(values[ID]), values=values))
        return found

    def _categories(self, rows: Sequence[Record]) -> dict[str, str]:
        """By version, sorted and joined."""
        names = ["Id", "ParentId", "DataCategoryGroupName", "DataCategoryName"]
        ids = [row.id for row in rows]
        selected = (
            reading.rows_by_key(self.org, self.workers, category_object(self.name), "ParentId", ids, names)
            if ids
            else []
        )
        by_version: dict[str, list[str]] = {}
        for row in selected:
            by_version.setdefault(row["ParentId"], []).append(
                f"{row['DataCategoryGroupName']}.{row['DataCategoryName']}"
            )
        return {version: ";".join(sorted(held)) for version, held in by_version.items()}

    def keys(self, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
        key = soql.name(key_field)
        bounds = [f"{key} >= {soql.quoted(as_url_name(start))}"] if start else []
        bounds += [f"{key} < {soql.quoted(as_url_name(end))}"] if end else []
        names = ["Id", ID, key_field]
        for row in reading.all_rows(self.org, self.name, names, self.condition(*bounds)):
            yield as_key(str(row[key_field])), str(row[ID])

    def matching(self, condition: str, ids: Sequence[str]) -> set[str]:
        wanted = self.condition(condition)
        rows = reading.rows_by_key(self.org, self.workers, self.name, ID, ids, ["Id", ID], wanted)
        return {row[ID] for row in rows}

    def count(self, condition: str) -> int:
        return int(self.org.query(soql.count(self.name, self.condition(condition)))["totalSize"])

    def tally(self, scope: str, born_from: datetime | None, born_before: datetime | None) -> Tally:
        wanted = self.condition(scope, _of_article(soql.born(born_from, born_before)))
        return tallying.tally(self.org, self.name, wanted, None, None)

    def deleted(self, since: datetime | None, ids: Sequence[str]) -> Sequence[Deletion]:
        return deletions.deleted(self.org, article_object(self.name), since, ids)


def _of_article(born: str) -> str:
    return born.replace("CreatedDate", _BORN["CreatedDate"])
