"""One ServiceNow instance behind the connector protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sync.connectors.base import Inserts, Observer, Profile, TokenStore
from sync.connectors.http import Transport
from sync.connectors.parallel import Workers
from sync.connectors.retry import Retry
from sync.connectors.servicenow import (
    deletions,
    history,
    journal,
    knowledge,
    metadata,
    ordering,
    probing,
    query,
    reading,
    tallying,
    writing,
)
from sync.connectors.servicenow.dialect import ServiceNowDialect
from sync.connectors.servicenow.files import ServiceNowFiles
from sync.connectors.servicenow.instance import Instance
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
from sync.errors import AuthenticationError


class ServiceNowConnector:
    side = Side.SERVICENOW

    def __init__(
        self,
        profile: Profile,
        tokens: TokenStore,
        observe: Observer,
        retry: Retry | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.profile = profile
        transport = transport or Transport(profile, ServiceNowDialect(), observe)
        self._instance = Instance(transport, tokens, retry or Retry())
        self._workers = Workers(self._instance.transport.limit, "servicenow")
        self._articles = knowledge.Articles(self._instance, self._workers)

    def server_now(self) -> datetime:
        if self._instance.transport.server_now() is None:
            with suppress(AuthenticationError):  # a refusal shows the clock too
                self._instance.reach()
        return self._instance.transport.server_now() or datetime.now(UTC)

    def changes(self, query: ChangeQuery) -> Iterator[Page]:
        if query.name == knowledge.TABLE:
            return self._articles.changes(query)
        return reading.changes(self._instance, query)

    def read(
        self, name: str, ids: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Record]:
        if name == knowledge.TABLE:
            return self._articles.read(ids, fields, number_field)
        return reading.read(self._instance, self._workers, name, ids, fields, number_field)

    def find(
        self, name: str, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Sequence[Record]]:
        if name == knowledge.TABLE:
            return self._articles.find(key_field, keys, fields, number_field)
        return reading.find(self._instance, self._workers, name, key_field, keys, fields, number_field)

    def keys(self, name: str, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
        return reading.keys(self._instance, name, key_field, start, end)

    def matching(self, name: str, condition: str, ids: Sequence[str]) -> set[str]:
        if name == knowledge.TABLE:
            return self._articles.matching(condition, ids)
        rows = reading.rows_by_key(self._instance, self._workers, name, "sys_id", ids, ["sys_id"], condition)
        return {row["sys_id"] for row in rows}

    def count(self, name: str, condition: str) -> int:
        if name == knowledge.TABLE:
            return self._articles.count(condition)
        return self._instance.rows(name, query.every(condition), ("sys_id",), limit=1).total

    def size(self, query: ChangeQuery) -> int:
        if query.name == knowledge.TABLE:
            return self._articles.size(query)
        return reading.size(self._instance, query)

    def tally(self, name: str, scope: str, born_from: datetime | None, born_before: datetime | None) -> Tally:
        if name == knowledge.TABLE:
            return self._articles.tally(scope, born_from, born_before)
        return tallying.tally(self._instance, name, scope, born_from, born_before)

    def history(
        self, name: str, ids: Sequence[str], fields: Sequence[str], since: datetime | None = None
    ) -> Sequence[Change] | None:
        """The rows of sys_audit. Of articles none: it tells of versions."""
        if name == knowledge.TABLE:
            return None
        key = (*self.profile.identity, history.TABLE)
        return HISTORIES.unless(
            key, lambda: history.history(self._instance, self._workers, ids, fields, since)
        )

    def deleted(
        self, name: str, since: datetime | None = None, ids: Sequence[str] = ()
    ) -> Sequence[Deletion]:
        if name == knowledge.TABLE:
            return []  # the delete audit names versions, and an article lives as long as one of them does
        return deletions.deleted(self._instance, name, since, ids)

    def deleted_by_key(self, name: str, key_field: str, keys: Sequence[str]) -> Mapping[str, str]:
        """The delete audit names sys_ids alone: of other keys it tells nothing."""
        if key_field != "sys_id":
            return {}
        return {gone.id: gone.id for gone in deletions.deleted(self._instance, name, None, keys)}

    def entries(self, stream: str, since: datetime) -> Iterator[EntryPage]:
        return journal.headers(self._instance, stream, since)

    def entries_by(
        self,
        stream: str,
        *,
        ids: Sequence[str] = (),
        parents: Sequence[str] = (),
        since: datetime | None = None,
    ) -> Sequence[Entry]:
        return journal.entries(self._instance, self._workers, stream, ids, parents, since)

    def look_up(self, asked: LookUp) -> Sequence[Record]:
        return reading.look_up(self._instance, asked)

    def invoke(self, action: str, subject: str, inputs: Mapping[str, Any]) -> WriteResult:
        return ordering.invoke(self._instance, action, subject, inputs)

    def write(self, name: str, batch: Iterable[Write]) -> Iterator[WriteResult]:
        if name == knowledge.TABLE:
            return self._workers.stream(self._articles.refuse, batch)
        return self._workers.stream(lambda write: writing.send(self._instance, name, write), batch)

    def inserts(self, name: str, key_field: str) -> Inserts | None:
        return None  # an import set creates by rules of its own

    def describe(self, name: str) -> Schema:
        return metadata.describe(self._instance, name)

    def narrowed(self, schema: Schema) -> Schema:
        return schema

    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        return metadata.people(self._instance, self._workers, kind, keys)

    @property
    def files(self) -> ServiceNowFiles:
        return ServiceNowFiles(self._instance, self._workers)

    @property
    def pictures(self) -> None:
        return None

    def probe(self, name: str = "", key_field: str = "") -> Probe:
        return probing.probe(self._instance, self.profile, name, key_field)

    def record_url(self, name: str, id: str) -> str:
        if name == knowledge.TABLE:
            return self._articles.url(id)
        return f"{self._instance.transport.origin}/nav_to.do?uri={name}.do%3Fsys_id%3D{id}"

    def close(self) -> None:
        self._workers.close()
        self._instance.transport.close()
