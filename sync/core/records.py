"""The records, queries and writes that connectors and engine exchange.

Values are raw: what the platform's JSON holds, after the connector has made one shape of it. ServiceNow
values are strings ("" for empty, references are plain sys_ids); Salesforce values are JSON scalars
(None for empty). All datetimes are aware and UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sync.errors import SyncError

Values = Mapping[str, Any]  # field name -> raw value


class Side(StrEnum):
    SERVICENOW = "servicenow"
    SALESFORCE = "salesforce"

    @property
    def other(self) -> Side:
        return Side.SALESFORCE if self is Side.SERVICENOW else Side.SERVICENOW


class Operation(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    DELETE = "delete"
    SKIP = "skip"


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    ADOPTED = "adopted"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    WAITING = "waiting"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of a record was seen. Serves conditions and detection, never skipping.

    `changed_at`: sys_updated_on or SystemModstamp, whole seconds. `edited_at`: LastModifiedDate on Salesforce
    (what If-Unmodified-Since compares with), equal to changed_at on ServiceNow. `count`: sys_mod_count, None
    on Salesforce. `by`: who changed it last, user_name or user Id.
    """

    changed_at: datetime
    edited_at: datetime
    count: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a side as read. `number` is what people call it: INC0010001, 00001042."""

    id: str  # sys_id of 32 hex digits, or Salesforce Id of 18 characters
    number: str
    version: Version
    values: Values


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a platform's history: `field` of a record went from `old` to `new`.

    `by`: user_name or 18-character user Id. `at`: UTC, whole seconds, the platform's clock. `count`: sys_mod_count that
    the update led to, None on Salesforce. `told` False: the platform keeps no values of this field (long text).
    """

    record_id: str
    field: str  # as the record names it: OwnerId, not Owner
    old: Any
    new: Any
    by: str
    at: datetime
    count: int | None = None
    told: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a keyset read stands: rows after it sort by (changed_at, id)."""

    at: datetime
    id: str = ""


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """Rows of `name` (table or object) in `scope`, after `cursor`, oldest first by (changed_at, id).

    `cursor` None starts at the very first row. `since`/`until`: update stamp, inclusive and exclusive.
    `fields` are the mapped columns; the connector adds the system columns that Version needs.
    """

    name: str
    fields: tuple[str, ...]
    number_field: str
    scope: str = ""
    enter: str = ""  # a further condition, ANDed with the scope
    cursor: Cursor | None = None
    since: datetime | None = None
    until: datetime | None = None
    born_from: datetime | None = None  # creation stamp, inclusive, whole seconds
    born_before: datetime | None = None  # exclusive
    id_from: str = (
        ""  # inclusive, by the order of characters; ServiceNow alone, whose sys_ids are hexadecimal
    )
    id_before: str = ""  # exclusive
    page_size: int = 1000


@dataclass(frozen=True, slots=True)
class LookUp:
    """Records of `name` that meet `condition`: an encoded query, or a SOQL condition, in which values are quoted already.

    `order`: columns, each with ` desc` behind it where the largest comes first; by id where nothing is said.
    """

    name: str
    condition: str
    fields: tuple[str, ...]
    number_field: str = ""
    order: tuple[str, ...] = ()
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in order, and the platform's time of the answer.

    `last` is True when the platform has said (by count or done flag, never by a short page) that nothing follows.
    `cursor` is where the next page starts; None if nothing was read.
    """

    records: tuple[Record, ...]
    cursor: Cursor | None
    last: bool
    read_at: datetime  # server time, not later than the moment the rows were looked up
    total: int | None = None  # rows the platform counted for the whole query, if it says


@dataclass(frozen=True, slots=True)
class Write:
    """One planned write. `ref` is the caller's own key for the result.

    create: `id` is "" and `values` hold the unique key. update: `id` is set, only planned fields in `values`.
    `expected` makes an update conditional where the platform can: REFUSED with CHANGED_SINCE, and nothing is written,
    if the record was edited after `expected.edited_at` (whole seconds). `returning`: further columns that the answer
    should hold, where the platform answers with what is stored.
    """

    ref: str
    operation: Operation
    values: Values
    id: str = ""
    expected: Version | None = None
    returning: tuple[str, ...] = ()


CHANGED_SINCE = "CHANGED_SINCE"  # code of the refusal of a conditional update


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record that the platform says was deleted, and when (UTC, whole seconds)."""

    id: str
    at: datetime
    by: str = ""


class Reply(StrEnum):
    DONE = "done"  # the platform says it holds the values now
    REFUSED = "refused"  # the platform says it did nothing
    UNKNOWN = "unknown"  # the request left, no usable answer came
    UNSENT = "unsent"  # surely never left, or was turned away whole (limit, expired token twice)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the platform refused one record. `retry`: the same write may pass later (row lock)."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    retry: bool = False
    existing_id: str = ""  # of the record that holds the unique value, where the platform names it


@dataclass(frozen=True, slots=True)
class WriteResult:
    ref: str
    reply: Reply
    id: str = ""
    created: bool = False
    stored: Values | None = None  # what is stored, if the platform says
    version: Version | None = None
    refusal: Refusal | None = None
    message: str = ""  # of unknown and unsent
    retry_after: float | None = None  # seconds, of unsent
    fault: SyncError | None = None  # of unknown and unsent: its type says whether to defer, stop or look up
    left_out: tuple[
        str, ...
    ] = ()  # of done: fields that were not written, because of what else the write asked for


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One column as the platform describes it to our user."""

    name: str
    type: str
    label: str = ""
    length: int = 0  # characters; 0 = no limit known
    required: bool = False  # on create
    createable: bool = True
    updateable: bool = True
    unique: bool = False
    external_id: bool = False
    restricted: bool = False
    choices: tuple[str, ...] = ()  # active values
    labels: tuple[str, ...] = ()  # what people read for each of the choices; () where it was not told
    reference_to: tuple[str, ...] = ()
    relationship: str = ""  # by which Salesforce goes behind the reference: Account, of AccountId


@dataclass(frozen=True, slots=True)
class RecordType:
    """One way to use an object of Salesforce, among those that our user may give its records.

    `default`: what a new record of ours gets that names none. `choices`: field -> the values that records of the type
    may have, of the lists that it narrows; any other list offers all of its values.
    """

    id: str  # 18 characters
    name: str  # as code names it
    label: str = ""
    default: bool = False
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def offers(self, name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        """Of all `choices` of the field those that its records may have."""
        return self.choices.get(name, choices)


RECORD_TYPE = "RecordTypeId"  # the field by which a record has its type


@dataclass(frozen=True, slots=True)
class Schema:
    """`record_types`: () where there is but one way to use it, or no such thing. Without a type a record may have all values."""

    name: str
    fields: Mapping[str, FieldSchema]
    record_types: tuple[RecordType, ...] = ()

    def record_type(self, id: str) -> RecordType | None:
        """By its id of 15 or 18 characters; of "" the one that a new record gets. None: no type narrows the record."""
        wanted = id[:15]
        return next(
            (each for each in self.record_types if (each.id[:15] == wanted if wanted else each.default)), None
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A user, group or queue as a side knows it. `key`: user_name, group name, Username, queue DeveloperName."""

    kind: str  # user, group
    key: str
    id: str
    active: bool
    email: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what Test connection proved. status: ok, warning, error."""

    code: str
    status: str
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """All that Test connection found. `org_id`: instance_name/instance id, or 18-character organisation Id."""

    findings: Sequence[Finding]
    org_id: str = ""
    user: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
