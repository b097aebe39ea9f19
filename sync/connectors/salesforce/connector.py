"""One Salesforce org behind the connector protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sync.connectors.base import Inserts, Observer, Profile, TokenStore
from sync.connectors.http import Transport
from sync.connectors.parallel import Workers
from sync.connectors.retry import Retry
from sync.connectors.salesforce import (
    deletions,
    history,
    invoking,
    journal,
    knowledge,
    metadata,
    probing,
    publishing,
    reading,
    soql,
    tallying,
    writing,
)
from sync.connectors.salesforce.dialect import SalesforceDialect
from sync.connectors.salesforce.files import SalesforceFiles
from sync.connectors.salesforce.ingest import Ingest
from sync.connectors.salesforce.org import Org
from sync.connectors.salesforce.pictures import SalesforcePictures
from sync.connectors.unreadable import HISTORIES
from sync.core.notes import Entry, EntryPage
from sync.core.reconciling import Tally
from sync.core.records import (
    Change,
    ChangeQuery,
    Deletion,
    LookUp,
    Page,
    Person,
    Probe,
    Record,
    Schema,
    Side,
    Write,
    WriteResult,
)


class SalesforceConnector:
    side = Side.SALESFORCE

    def __init__(
        self,
        profile: Profile,
        tokens: TokenStore,
        observe: Observer,
        retry: Retry | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.profile = profile
        transport = transport or Transport(profile, SalesforceDialect(), observe)
        self._org = Org(transport, tokens, retry or Retry())
        self._workers = Workers(self._org.transport.limit, "salesforce")
        self._languages = knowledge.Languages(self._org)

    def _articles(self, name: str) -> knowledge.Articles:
        return knowledge.Articles(self._org, self._workers, name, self._languages)

    def server_now(self) -> datetime:
        if self._org.transport.server_now() is None:
            self._org.get("/services/data/")  # needs no token and counts against no limit
        return self._org.transport.server_now() or datetime.now(UTC)

    def changes(self, query: ChangeQuery) -> Iterator[Page]:
        if knowledge.holds_articles(query.name):
            return self._articles(query.name).changes(query)
        return reading.changes(self._org, query)

    def read(
        self, name: str, ids: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Record]:
        if knowledge.holds_articles(name):
            return self._articles(name).read(ids, fields, number_field)
        return reading.read(self._org, self._workers, name, ids, fields, number_field)

    def find(
        self, name: str, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Sequence[Record]]:
        if knowledge.holds_articles(name):
            return self._articles(name).find(key_field, keys, fields, number_field)
        return reading.find(self._org, self._workers, name, key_field, keys, fields, number_field)

    def keys(self, name: str, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
        if knowledge.holds_articles(name):
            return self._articles(name).keys(key_field, start, end)
        return reading.keys(self._org, name, key_field, start, end)

    def matching(self, name: str, condition: str, ids: Sequence[str]) -> set[str]:
        if knowledge.holds_articles(name):
            return self._articles(name).matching(condition, ids)
        rows = reading.rows_by_key(self._org, self._workers, name, "Id", ids, ["Id"], condition)
        return {row["Id"] for row in rows}

    def count(self, name: str, condition: str) -> int:
        if knowledge.holds_articles(name):
            return self._articles(name).count(condition)
        return int(self._org.query(soql.count(name, condition))["totalSize"])

    def size(self, query: ChangeQuery) -> int:
        if knowledge.holds_articles(query.name):
            return self._articles(query.name).size(query)
        return self.count(query.name, reading.condition(query, query.cursor))

    def tally(self, name: str, scope: str, born_from: datetime | None, born_before: datetime | None) -> Tally:
        if knowledge.holds_articles(name):
            return self._articles(name).tally(scope, born_from, born_before)
        return tallying.tally(self._org, name, scope, born_from, born_before)

    def history(
        self, name: str, ids: Sequence[str], fields: Sequence[str], since: datetime | None = None
    ) -> Sequence[Change] | None:
        """The rows of CaseHistory and its like. Of articles none: it tells of versions."""
        if knowledge.holds_articles(name):
            return None
        key = (*self.profile.identity, name)
        return HISTORIES.unless(
            key, lambda: history.history(self._org, self._workers, name, ids, fields, since)
        )

    def deleted(
        self, name: str, since: datetime | None = None, ids: Sequence[str] = ()
    ) -> Sequence[Deletion]:
        if knowledge.holds_articles(name):
            return self._articles(name).deleted(since, ids)
        return deletions.deleted(self._org, name, since, ids)

    def deleted_by_key(self, name: str, key_field: str, keys: Sequence[str]) -> Mapping[str, str]:
        if knowledge.holds_articles(name):
            return {}  # what is deleted is the article, which has no key of its own
        return deletions.by_key(self._org, name, key_field, keys)

    def entries(self, stream: str, since: datetime) -> Iterator[EntryPage]:
        return journal.headers(self._org, stream, since)

    def entries_by(
        self,
        stream: str,
        *,
        ids: Sequence[str] = (),
        parents: Sequence[str] = (),
        since: datetime | None = None,
    ) -> Sequence[Entry]:
        return journal.entries(self._org, self._workers, stream, ids, parents, since)

    def look_up(self, asked: LookUp) -> Sequence[Record]:
        return reading.look_up(self._org, asked)

    def invoke(self, action: str, subject: str, inputs: Mapping[str, Any]) -> WriteResult:
        return invoking.invoke(self._org, action, inputs)

    def write(self, name: str, batch: Iterable[Write]) -> Iterator[WriteResult]:
        if knowledge.holds_articles(name):
            return self._workers.stream(publishing.Publishing(self._articles(name)), batch)
        return self._workers.stream(lambda part: writing.send(self._org, name, part), writing.batches(batch))

    def inserts(self, name: str, key_field: str) -> Inserts | None:
        if knowledge.holds_articles(name):
            return None  # a publication is no row of a job
        return Ingest(self._org, name, key_field)

    def describe(self, name: str) -> Schema:
        return metadata.describe(self._org, name)

    def narrowed(self, schema: Schema) -> Schema:
        return metadata.narrowed(self._org, schema)

    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        return metadata.people(self._org, self._workers, kind, keys)

    @property
    def files(self) -> SalesforceFiles:
        return SalesforceFiles(self._org, self._workers)

    @property
    def pictures(self) -> SalesforcePictures:
        return SalesforcePictures(self.files)

    def probe(self, name: str = "", key_field: str = "") -> Probe:
        return probing.probe(self._org, name, key_field)

    def record_url(self, name: str, id: str) -> str:
        """The page of a record in Lightning, on the host that people use, not the API's login host."""
        return f"{self._org.transport.origin}/lightning/r/{name}/{id}/view"

    def close(self) -> None:
        self._workers.close()
        self._org.transport.close()
