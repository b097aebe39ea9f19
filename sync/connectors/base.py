"""The protocol that the engine speaks with either platform, and what a connector is given.

A connector raises only `sync.errors`; requests' and simple-salesforce's exceptions end inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sync.core.files import File, NewFile, Passing, Stored, Stream
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
    Refusal,
    Schema,
    Side,
    Write,
    WriteResult,
)


def always() -> None:
    """Let every call leave."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything needed to reach one instance or org. `secrets` never appear in repr, logs or messages."""

    name: str
    system: Side
    url: str  # https://host[:port], no path
    auth: str  # a key of connectors.auth.METHODS
    username: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_bundle: str = ""  # path of a PEM file; "" = the system's
    concurrency: int = 4
    allowed_hosts: tuple[str, ...] = ()  # private hosts and networks that may be reached
    api_version: str = ""  # Salesforce: "64.0"
    audience: str = ""  # JWT bearer, Salesforce: the login host; "" = by the address
    key_id: str = ""  # JWT bearer, ServiceNow: the key's kid, if it has one
    timeout: tuple[float, float] = (5.0, 60.0)  # seconds to connect, to read
    # Asked before each call, from any thread: a BudgetSpentError of it keeps the call from leaving.
    admit: Callable[[], None] = field(default=always, repr=False, compare=False)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Who asks where: what one user may not read, another may."""
        return self.url, self.username, self.secrets.get("client_id", "")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; "" if only a refresh token is left. `expires_at` is None where the platform does not say."""

    access_token: str = field(repr=False)
    instance_url: str
    expires_at: datetime | None
    generation: int  # rises by one at each refresh
    refresh_token: str = field(default="", repr=False)
    identity: str = ""  # the platform's own id URL or user, if it came with the token


class TokenStore(Protocol):
    """Where one connection's token lives, shared by threads and processes."""

    def load(self) -> Token | None: ...

    def refresh(self, stale: Token | None, fetch: Callable[[Token | None], Token]) -> Token:
        """Return a token newer than `stale`; of all callers at once, in any process, one calls `fetch`."""
        ...


class Usage(NamedTuple):
    """What an answer's headers tell of the vendor's window."""

    used: int | None  # calls used in it by everybody; None where only the limit is told
    allowed: int
    rule: str = ""  # which limit, where a platform has several
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One finished remote call, told to the observer. Bodies are given for failures only, cut at 64 KiB."""

    system: Side
    method: str
    path: str  # with query, never with a secret
    status: int  # 0: no answer
    milliseconds: int
    write: bool
    request_id: str = ""
    error: str = ""
    request_body: str = field(default="", repr=False)
    response_body: str = field(default="", repr=False)
    failed: bool = False  # as if the platform were down: no answer, a server's fault, a page in its place
    usage: Usage | None = None
    at: datetime | None = None  # server time, from the Date header


Observer = Callable[[Call], None]


class Files(Protocol):
    """The files on a system's records. Raises only `sync.errors`."""

    @property
    def longest_name(self) -> int:
        """Characters of a file's name that the platform keeps."""
        ...

    def on(self, parents: Sequence[str]) -> Sequence[File]:
        """All files that these records show, in batches; replaced versions too."""
        ...

    def since(self, name: str, at: datetime) -> Iterator[Sequence[File]]:
        """Files that came to records of `name` at `at` or later by the platform's clock, whatever the records' own
        stamps say; page by page, in no order."""
        ...

    def by_id(self, ids: Sequence[str]) -> Sequence[File]:
        """These files, those inside of fields too; what is not shown is absent."""
        ...

    def open(self, id: str) -> Stream:
        """The file's bytes as they come; to be closed."""
        ...

    def add(self, name: str, parent: str, file: NewFile, content: Callable[[], Passing]) -> Stored:
        """Put a file on a record of `name`, sent while it comes in. `content` is opened anew for each attempt.

        What the source or the content raises comes through as it is; what this platform says as for a write.
        """
        ...


class PictureShelf(Protocol):
    """Where a system keeps pictures that its rich text shows. Raises only `sync.errors`."""

    def named(self, name: str) -> str:
        """The id of the picture under this name of ours, "" if there is none; an extension is no part of it."""
        ...

    def add(self, file: NewFile, content: Callable[[], Passing]) -> str:
        """Keep a picture; returns its id. As `Files.add` otherwise."""
        ...

    def address(self, id: str) -> str:
        """What an `img` of rich text names to show it."""
        ...


@dataclass(frozen=True, slots=True)
class JobState:
    """`begun`: it was closed, so that the platform works on it or has; `over`: nothing more comes of it."""

    begun: bool
    over: bool
    failed: int = 0  # records refused so far
    trouble: str = ""  # why the job as a whole was given up


class JobResults(NamedTuple):
    """What became of a job's records, by key; those of neither were not processed."""

    created: Mapping[str, str]  # -> id
    refused: Mapping[str, Refusal]


class Inserts(Protocol):
    """Many creates as one job of the platform, which goes on without us and is found again by its id."""

    def takes(self, write: Write) -> bool: ...

    def files(self, writes: Sequence[Write]) -> Iterator[tuple[Sequence[Write], bytes]]: ...

    def open(self) -> str: ...

    def send(self, job_id: str, file: bytes) -> None: ...

    def abort(self, job_id: str) -> None: ...

    def state(self, job_id: str) -> JobState | None: ...

    def results(self, job_id: str, state: JobState) -> JobResults: ...


class Connector(Protocol):
    """One remote system as the engine sees it. Raises only `sync.errors`. Safe to use from several threads."""

    side: Side

    def server_now(self) -> datetime:
        """Platform time not later than now: the last Date header plus the time since; asks once if none was seen."""
        ...

    def changes(self, query: ChangeQuery) -> Iterator[Page]:
        """Pages oldest first, by (changed_at, id), each read when it is asked for; ends after the last one."""
        ...

    def read(
        self, name: str, ids: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Record]:
        """Records by id; a missing key means the platform showed none, never "could not ask"."""
        ...

    def find(
        self, name: str, key_field: str, keys: Sequence[str], fields: Sequence[str], number_field: str
    ) -> Mapping[str, Sequence[Record]]:
        """Records by the value of a key field: key -> all that carry it (more than one: the key is not unique)."""
        ...

    def keys(self, name: str, key_field: str, start: str, end: str) -> Iterator[tuple[str, str]]:
        """(key, id) of all records whose key lies in [start, end), in pages read as they are asked for; "": open."""
        ...

    def matching(self, name: str, condition: str, ids: Sequence[str]) -> set[str]:
        """Which of `ids` meet `condition` (an encoded query, or a SOQL condition)."""
        ...

    def count(self, name: str, condition: str) -> int: ...

    def size(self, query: ChangeQuery) -> int:
        """How many rows `changes` would page through: one call, no rows."""
        ...

    def tally(self, name: str, scope: str, born_from: datetime | None, born_before: datetime | None) -> Tally:
        """Marks of the records in scope that were created in [born_from, born_before): one call, no rows."""
        ...

    def deleted(
        self, name: str, since: datetime | None = None, ids: Sequence[str] = ()
    ) -> Sequence[Deletion]:
        """Records that were deleted at `since` or later, or which of `ids` were; what was restored may be among them.

        Nothing, where the platform does not let us see its recycle bin or delete audit.
        """
        ...

    def deleted_by_key(self, name: str, key_field: str, keys: Sequence[str]) -> Mapping[str, str]:
        """Ids of deleted records that carried these keys, as far as the platform still tells; by key."""
        ...

    def history(
        self, name: str, ids: Sequence[str], fields: Sequence[str], since: datetime | None = None
    ) -> Sequence[Change] | None:
        """Who changed these fields of these records, oldest first; `since` by the platform's clock, inclusive.

        None: our user may not read it, or there is none. A field that the platform does not follow has no entries,
        so that only what an entry says is proof.
        """
        ...

    def entries(self, stream: str, since: datetime) -> Iterator[EntryPage]:
        """Headers of all that was said at `since` or later, on whatever record; see `sync.core.notes` for streams."""
        ...

    def entries_by(
        self,
        stream: str,
        *,
        ids: Sequence[str] = (),
        parents: Sequence[str] = (),
        since: datetime | None = None,
    ) -> Sequence[Entry]:
        """Whole entries, by their own ids or by the records they stand on, oldest first by (creation, id)."""
        ...

    def look_up(self, asked: LookUp) -> Sequence[Record]:
        """Records that meet a condition of whatever table or object, in the order asked for; at most so many."""
        ...

    def invoke(self, action: str, subject: str, inputs: Mapping[str, Any]) -> WriteResult:
        """Have the platform do something that is no write of a record: order a catalog item (`order_now`, of the item
        `subject`), run an invocable action. Never raises for what happened, and repeats nothing."""
        ...

    def write(self, name: str, batch: Iterable[Write]) -> Iterator[WriteResult]:
        """Send in as few calls as the platform allows, in parallel; one result per write, in any order.

        Never raises for what happened to a record; a fault of the connection is told in every result it hit.
        """
        ...

    def inserts(self, name: str, key_field: str) -> Inserts | None:
        """Jobs that create records told apart by `key_field`; None where the platform has none."""
        ...

    def describe(self, name: str) -> Schema:
        """One look at a table or object. Its record types come without the values that they offer: `narrowed` asks."""
        ...

    def narrowed(self, schema: Schema) -> Schema:
        """With what each of its record types offers: a call each. As it is where there are none."""
        ...

    def people(self, kind: str, keys: Sequence[str]) -> Mapping[str, Person]:
        """Users or groups by their key (user_name, group name, Username, queue DeveloperName)."""
        ...

    @property
    def files(self) -> Files: ...

    @property
    def pictures(self) -> PictureShelf | None:
        """None where rich text of the system shows no copies of ours."""
        ...

    def probe(self, name: str = "", key_field: str = "") -> Probe:
        """What Test connection says; never raises for what it tests, says it in findings."""
        ...

    def record_url(self, name: str, id: str) -> str: ...

    def close(self) -> None: ...
