"""Commands run against the sandbox pair over real sockets, configured from the demo's own file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from sync.configuration.apply import apply, known_names
from sync.configuration.parse import parse
from sync.management.commands.demo import FILE, variables
from sync.models import Flow
from sync.sandbox.cli import describe
from sync.sandbox.pair import Pair, PairConfig, start_pair


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `told`: all it said to people; `data`: its JSON, if it printed any."""

    status: int
    told: str
    data: dict[str, Any]


@pytest.fixture
def command() -> Callable[..., Ended]:
    """Run a management command with --json, as the command line would."""

    def run(*arguments: str) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        status = 0
        try:
            with redirect_stderr(err):
                call_command(*arguments, "--json", stdout=out, stderr=err)
        except CommandError as error:
            status = error.returncode
            err.write(str(error))
        except SystemExit as ended:
            status = int(ended.code or 0)
        lines = out.getvalue().strip().splitlines()
        data = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
        return Ended(status, err.getvalue() + out.getvalue(), data)

    return run


@pytest.fixture
def pair() -> Iterator[Pair]:
    with start_pair(PairConfig(incidents=20)) as pair:
        yield pair


@pytest.fixture
def demo_flow(db, pair) -> Flow:
    """The demo's flow of incidents and Cases, without its schedule's worker and the nine others."""
    configuration = variables(describe(pair))
    whole = yaml.safe_load(FILE.read_text())
    alone = [flow for flow in whole["flows"] if flow["name"] == "incidents-to-cases"]
    apply(
        parse(yaml.safe_dump({**whole, "flows": alone}), file=FILE.name, known=known_names(), environ=configuration), environ=configuration, reason="A test wants it"
    )  # fmt: skip
    return Flow.objects.get(name="incidents-to-cases")
