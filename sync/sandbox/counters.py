"""What a platform was asked to do: the numbers that tests and benchmarks compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True)
class Counts:
    """A consistent snapshot. `duplicates`: rows beyond the first that share a key which should be unique."""

    calls: int
    by_route: dict[str, int] = field(default_factory=dict)
    writes: int = 0  # rows changed or created by a caller, whatever number of calls they came in
    created: int = 0
    deleted: int = 0
    duplicates: int = 0
    peak_concurrency: int = 0
    token_requests: int = 0
    faults: int = 0

    def calls_to(self, route: str) -> int:
        """Calls to one route, such as `GET /api/now/table/{table}`."""
        return self.by_route.get(route, 0)


class Counters:
    """Thread-safe; `duplicates` is asked of the platform at the time of the snapshot."""

    def __init__(self, duplicates: Callable[[], int] = lambda: 0) -> None:
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
            self._totals["deleted"] += deleted

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
        duplicates = self._duplicates()
        with self._lock:
            return Counts(
                calls=sum(self._routes.values()),
                by_route=dict(self._routes),
                writes=self._totals["writes"],
                created=self._totals["created"],
                deleted=self._totals["deleted"],
                duplicates=duplicates,
                peak_concurrency=self._peak,
                token_requests=self._totals["token_requests"],
                faults=self._totals["faults"],
            )
