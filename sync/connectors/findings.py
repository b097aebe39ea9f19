"""The lines of Test connection, collected while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sync.core.records import Finding, Probe
from sync.errors import SyncError

T = TypeVar("T")


@dataclass(slots=True)
class Findings:
    """Collects findings and facts; a step that fails becomes an error finding instead of an exception."""

    found: list[Finding] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    org_id: str = ""
    user: str = ""

    def ok(self, code: str, text: str) -> None:
        self.found.append(Finding(code, "ok", text))

    def warning(self, code: str, text: str, advice: str = "") -> None:
        self.found.append(Finding(code, "warning", text, advice))

    def error(self, code: str, text: str, advice: str = "") -> None:
        self.found.append(Finding(code, "error", text, advice))

    def attempt(self, code: str, step: Callable[[], T]) -> T | None:
        """The step's value, or None and an error finding under `code`."""
        try:
            return step()
        except SyncError as error:
            self.error(code, error.message, error.advice)
            return None

    def probe(self) -> Probe:
        return Probe(tuple(self.found), self.org_id, self.user, dict(self.facts))
