"""One Salesforce org behind the connector protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from sync.connectors.base import Observer, Profile, TokenStore
from sync.connectors.parallel import Workers
from sync.connectors.retry import Retry
from sync.connectors.salesforce import metadata, probing, reading, soql, writing
from sync.connectors.salesforce.org import Org
from sync.core.records import ChangeQuery, Page, Person, Probe, Record, Schema, Side, Write, WriteResult


class SalesforceConnector:
    side = Side.SALESFORCE

    def __init__(
        self, profile: Profile, tokens: TokenStore, observe: Observer, retry: Retry | None = None
    ) -> None:
        self.profile = profile
        self._org = Org(profile, tokens, observe, retry or Retry())
        self._workers = Workers(profile.concurrency, "salesforce")

    def server_now(self) -> datetime:
        if self._org.transport.server_now() is None:
            self._org.get("/services/data/")  # needs no token and counts against no limit
        return self._org.transport.server_now() or datetime.now(UTC)

    def changes(self, query: ChangeQuery) -> Iterator[Page]:
        return reading.changes(self._org, query)

    def read(
        self, name: str, ids: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Record]:
        return reading.read(self._org, self._workers, name, ids, fields, number_field)

    def find(
        self, name: str, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Sequence[Record]]:
        return reading.find(self._org, self._workers, name, key_field, keys, fields, number_field)

    def matching(self, name: str, condition: str, ids: Sequence[str]) -> set[str]:
        rows = reading.rows_by_key(self._org, self._workers, name, "Id", ids, ["Id"], condition)
        return {row["Id"] for row in rows}

    def count(self, name: str, condition: str) -> int:
        return int(self._org.query(soql.count(name, condition))["totalSize"])

    def write(self, name: str, batch: Iterable[Write]) -> Iterator[WriteResult]:
        return self._workers.stream(lambda part: writing.send(self._org, name, part), writing.batches(batch))

    def describe(self, name: str) -> Schema:
        return metadata.describe(self._org, name)

    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        return metadata.people(self._org, self._workers, kind, keys)

    def probe(self, name: str = "", key_field: str = "") -> Probe:
        return probing.probe(self._org, name, key_field)

    def record_url(self, name: str, id: str) -> str:
        """The page of a record in Lightning, on the host that people use, not the API's login host."""
        return f"{self._org.transport.origin}/lightning/r/{name}/{id}/view"

    def close(self) -> None:
        self._workers.close()
        self._org.transport.close()
