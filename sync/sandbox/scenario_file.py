"""A scenario: a YAML file that says what goes wrong on either platform, and when.

    seed: 7                       # of every rule below that names none, each counting on from it
    servicenow:
      - fault: {kind: status, status: 503, path: /table/incident, probability: 0.05, times: 0}
      - commit_late: {table: incident, seconds: 20, share: 0.1, by: people}
      - after: 600                # seconds of the clock from the start
        clock: {offset_seconds: 90}
    salesforce:
      - fault: {kind: locks, method: PATCH, share: 0.2, times: 0}
      - after: 900
        expire_tokens: {}

The orders are those of `sync.sandbox.orders`, which the control routes take too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sync.sandbox.orders import Target, give
from sync.sandbox.platform import ControlError

_SYSTEMS = ("servicenow", "salesforce")
_SEEDED = frozenset({"fault", "commit_late", "delay"})


class BadScenario(ValueError):
    """The file cannot be followed; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The orders of each system, in the order of the file; `file` is its name, for messages."""

    file: str
    orders: Mapping[str, Sequence[Mapping[str, Any]]]

    def play(self, system: str, target: Target) -> None:
        """Give a system its orders; those with `after` count from now. Raises BadScenario."""
        for number, order in enumerate(self.orders.get(system, ()), start=1):
            try:
                give(target, order)
            except (ControlError, ValueError, TypeError) as error:
                raise BadScenario(f"{self.file}: {system}, order {number}: {error}") from error


def read_scenario(path: Path) -> Scenario:
    """Read a file. Raises BadScenario, or OSError where it cannot be read."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path.name}: {' '.join(str(error).split())}") from error
    return parse_scenario(data, file=path.name)


def parse_scenario(data: object, *, file: str = "scenario") -> Scenario:
    """Check the file's shape; what an order says is checked when it is given. Raises BadScenario."""
    if not isinstance(data, dict):
        raise BadScenario(f"{file}: a scenario is a mapping of seed, servicenow and salesforce.")
    unknown = sorted(str(name) for name in data if name not in ("seed", *_SYSTEMS))
    if unknown:
        raise BadScenario(f"{file}: unknown keys: {', '.join(unknown)}")
    seed = data.get("seed", 1)
    if not isinstance(seed, int):
        raise BadScenario(f"{file}: seed is a whole number.")
    orders: dict[str, list[Mapping[str, Any]]] = {}
    for system in _SYSTEMS:
        listed = data.get(system) or []
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise BadScenario(f"{file}: {system} is a list of orders.")
        orders[system] = [_seeded(order, seed + number) for number, order in enumerate(listed)]
    return Scenario(file, orders)


def _seeded(order: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
    return {
        name: {"seed": seed, **data} if name in _SEEDED and isinstance(data, dict) else data
        for name, data in order.items()
    }
