"""What a platform was asked to do: the numbers that tests and benchmarks compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True)
class Counts:
    """A consistent snapshot. `duplicates`: rows beyond the first that share a key which should be unique.

    `calls` counts what the routes served, the parts of a Composite Batch among them. `billed` counts as the vendor
    does: Salesforce counts calls against the daily limit, a Composite as one and a Composite Batch as its parts;
    ServiceNow counts REST calls, a batch as one. Logins and refused calls are free on both. Bytes are of bodies.
    """

    calls: int
    by_route: dict[str, int] = field(default_factory=dict)
    billed: int = 0
    writes: int = 0  # rows changed or created by a caller, whatever number of calls they came in
    created: int = 0
    updated: int = 0
    deleted: int = 0
    duplicates: int = 0
    duplicates_by_key: dict[str, int] = field(
        default_factory=dict
    )  # `Object.Field`: keys with any, else absent
    peak_concurrency: int = 0
    token_requests: int = 0
    faults: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def calls_to(self, route: str) -> int:
        """Calls to one route, such as `GET /api/now/table/{table}`."""
        return self.by_route.get(route, 0)


class Counters:
    """Thread-safe; `duplicates` by key are asked of the platform at the time of the snapshot."""

    def __init__(self, duplicates: Callable[[], Mapping[str, int]] = dict) -> None:
        self._lock = Lock()
        self._duplicates = duplicates
        self._running = 0
        self._clear()

    def _clear(self) -> None:
        self._routes: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._peak = self._running

    def reset(self) -> None:
        with self._lock:
            self._clear()

    def call(self, method: str, template: str) -> None:
        with self._lock:
            self._routes[f"{method} {template}"] += 1

    def wrote(self, *, created: int = 0, updated: int = 0, deleted: int = 0) -> None:
        """Rows a caller wrote; an update that changed nothing counts too, because it cost a write."""
        with self._lock:
            self._totals["writes"] += created + updated + deleted
            self._totals["created"] += created
            self._totals["updated"] += updated
            self._totals["deleted"] += deleted

    def bill(self) -> None:
        """One call, as the vendor counts them."""
        with self._lock:
            self._totals["billed"] += 1

    def carried(self, *, received: int, sent: int) -> None:
        """Bytes of one call's body and of its answer's."""
        with self._lock:
            self._totals["bytes_in"] += received
            self._totals["bytes_out"] += sent

    def token_request(self) -> None:
        with self._lock:
            self._totals["token_requests"] += 1

    def fault(self) -> None:
        with self._lock:
            self._totals["faults"] += 1

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
            self._peak = max(self._peak, self._running)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def snapshot(self) -> Counts:
        duplicates = {key: number for key, number in self._duplicates().items() if number}
        with self._lock:
            return Counts(
                calls=sum(self._routes.values()),
                by_route=dict(self._routes),
                duplicates=sum(duplicates.values()),
                duplicates_by_key=duplicates,
                peak_concurrency=self._peak,
                **{name: self._totals[name] for name in _TOTALS},
            )


_TOTALS = (
    "billed",
    "writes",
    "created",
    "updated",
    "deleted",
    "token_requests",
    "faults",
    "bytes_in",
    "bytes_out",
)
