"""What the server, the control routes and the pair need of a platform, and what a platform is built from.

Each platform package offers `build(context) -> Platform` in its `__init__`; the pair knows nothing else of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sync.sandbox.clock import OffsetClock
from sync.sandbox.commits import Commits
from sync.sandbox.counters import Counters
from sync.sandbox.credentials import Credentials
from sync.sandbox.wire import Request, Response

Row = dict[str, Any]


class ControlError(Exception):
    """An order over the control routes that cannot be carried out; the message says why."""


@dataclass(frozen=True, slots=True)
class PlatformContext:
    """Everything a platform is given: it asks the operating system for nothing.

    `url` is the platform's own address (no trailing slash), known before the platform is built; `seed` makes
    ids and data reproducible.
    """

    url: str
    clock: OffsetClock
    credentials: Credentials
    seed: int = 1


class Platform(Protocol):
    """One simulated system. Every method may be called from any thread."""

    @property
    def name(self) -> str:
        """`servicenow` or `salesforce`."""
        ...

    @property
    def clock(self) -> OffsetClock: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def commits(self) -> Commits: ...

    @property
    def dialect(self) -> Any:
        """The switches of the platform and how they are set; see sync.sandbox.dialects."""
        ...

    @dialect.setter
    def dialect(self, dialect: Any) -> None: ...

    def handle(self, request: Request) -> Response:
        """Answer one request; never sleeps and never raises for a caller's mistake."""
        ...

    def template(self, path: str) -> str:
        """The template a path is counted under; `?` when nobody serves it."""
        ...

    # What a person does on the platform, past the API but under the platform's own rules and stamps.
    # `by` is a user name of the platform; an empty one is an administrator. They raise ControlError.

    def rows(self, name: str) -> list[Row]:
        """All rows of a table or object, as raw values, in the order of their insertion."""
        ...

    def add(self, name: str, fields: Mapping[str, Any], *, by: str = "") -> Row: ...

    def edit(self, name: str, row_id: str, fields: Mapping[str, Any], *, by: str = "") -> Row: ...

    def delete(self, name: str, row_id: str, *, by: str = "") -> None: ...

    def undelete(self, name: str, row_id: str, *, by: str = "") -> Row:
        """Take a deleted row back."""
        ...

    def merge(self, name: str, row_id: str, losers: Sequence[str], *, by: str = "") -> Row:
        """Let one row take over others, where the platform knows such a thing."""
        ...

    def empty_recycle_bin(self, name: str) -> int:
        """Forget the deleted rows of a table or object for good; the number of them."""
        ...

    def set_up(self, order: Mapping[str, Any]) -> None:
        """Change settings by name, as an administrator does."""
        ...

    def settings_shown(self) -> Mapping[str, Any]:
        """The settings that `set_up` changes, as JSON values."""
        ...

    def expire_tokens(self) -> int:
        """End every access token at once; the number that ended."""
        ...

    def spend_budget(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Set or spend the call budget as the platform knows it; answers what is left in its own words."""
        ...
