"""What a platform does not let our user read, remembered for a while, so that no call is wasted on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

from sync.errors import AuthenticationError, ConfigurationError, RefusedError, TransientError

T = TypeVar("T")

REFUSED_FOR = 900.0  # seconds until it is asked again: somebody may have given the right meanwhile
# Seconds, where the answer failed: the table may be too large for the time that a query is given.
BROKEN_FOR = 300.0


class Unreadable:
    """Shared by the connectors of a process, which live no longer than a run. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[Hashable, float] = {}
        self._lock = Lock()

    def unless(self, key: Hashable, ask: Callable[[], T]) -> T | None:
        """What `ask` answers; None where the platform refuses it or has done so lately.

        Raises what says something of the whole connection: a refused login, a spent budget.
        """
        with self._lock:
            if self._clock() < self._until.get(key, 0.0):
                return None
        try:
            return ask()
        except AuthenticationError:
            raise
        except (ConfigurationError, RefusedError):
            self._remember(key, REFUSED_FOR)
        except TransientError as error:
            if type(error) is not TransientError:
                raise
            self._remember(key, BROKEN_FOR)
        return None

    def _remember(self, key: Hashable, seconds: float) -> None:
        with self._lock:
            self._until[key] = self._clock() + seconds


HISTORIES = Unreadable()
