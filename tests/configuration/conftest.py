from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sync.configuration.apply import apply, known_names
from sync.configuration.documents import Known
from sync.configuration.parse import Parsed, parse
from sync.configuration.plan import Plan

ENVIRON = {"SN_ID": "alice", "SN_SECRET": "open sesame", "SF_ID": "bob", "SF_SECRET": "abracadabra"}


@pytest.fixture
def acme() -> str:
    return (Path(__file__).parent / "acme.yaml").read_text()


@pytest.fixture
def read() -> Callable[[str], Parsed]:
    """Parse a text as the file acme.yaml, knowing of nothing but itself."""

    def read(text: str, **environ: str) -> Parsed:
        return parse(text, file="acme.yaml", known=Known(), environ=ENVIRON | environ)

    return read


@pytest.fixture
def bring_in(db) -> Callable[..., Plan]:
    """Parse and apply a text."""

    def bring_in(
        text: str,
        *,
        environ: dict[str, str] = ENVIRON,
        dry_run: bool = False,
        pruning: bool = False,
        reason: str = "A test wants it",
    ) -> Plan:
        parsed = parse(text, file="acme.yaml", known=known_names(), environ=environ)
        return apply(parsed, environ=environ, dry_run=dry_run, pruning=pruning, reason=reason)

    return bring_in
