"""A console that a test gives orders: here, or in a process with a database of its own that can be lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Do = Callable[..., Any]


def here(ends: Any) -> Do:
    """Does what it is told in this process; `ends` is the pair, or what names its addresses and credentials."""

    def do(order: str, **what: Any) -> Any:
        return ORDERS[order](ends, **what)

    return do


@contextmanager
def elsewhere(pair: Any, database: str) -> Iterator[Do]:
    """The same in another process, on a database of its own."""
    environment = {
        **os.environ, "DATABASE_URL": database, "REDIS_URL": "", "DJANGO_SETTINGS_MODULE": "tests.settings",
        "LOG_LEVEL": "CRITICAL", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engine.elsewhere"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def do(order: str, **what: Any) -> Any:
            told.write(json.dumps([order, what]) + "\n")
            told.flush()
            return json.loads(heard.readline())

        do("meet", ends=_ends(pair))
        try:
            yield do
        finally:
            process.kill()


def _ends(pair: Any) -> dict[str, Any]:
    sides = {"servicenow": pair.servicenow, "salesforce": pair.salesforce}
    held = {name: getattr(pair.credentials, name) for name in sides}
    return {
        "ca_file": str(pair.ca_file),
        **{
            name: {
                "url": side.url,
                "client_id": held[name].client_id,
                "client_secret": held[name].client_secret,
            }
            for name, side in sides.items()
        },
    }


def _met(ends: dict[str, Any]) -> Any:
    """What the fixtures read of a pair."""
    sides = {name: SimpleNamespace(**ends[name]) for name in ("servicenow", "salesforce")}
    return SimpleNamespace(**sides, ca_file=ends["ca_file"], credentials=SimpleNamespace(**sides))


# Orders


def _make(ends: Any, **settings: Any) -> str:
    from tests.engine.both import ROWS, make_both

    rows = tuple(
        {**row, "conflict": "ask"} if row["servicenow"] == "description" else row
        for row in ROWS
        if "servicenow" in row
    )
    return make_both(ends, rows=rows, **settings).name


def _run(ends: Any, name: str = "both-ways") -> str:
    from sync.models import Flow
    from tests.engine.conftest import run_now

    return str(run_now(Flow.objects.get(name=name)).status)


def _back_up(ends: Any, file: str) -> None:
    from django.core.management import call_command

    call_command("backup", file, stdout=StringIO())


def _take(ends: Any, side: str) -> int:
    """A person decides the open conflicts."""
    from sync import services
    from sync.core.records import Side
    from sync.models import Conflict
    from sync.models.attention import ConflictState

    chosen = Conflict.objects.filter(state=ConflictState.OPEN)
    return services.resolve_conflicts(conflicts=chosen, side=Side(side), by=None)


def _open_intents(ends: Any) -> int:
    from sync.models import Intent

    return Intent.objects.count()


def _let_time_pass(ends: Any) -> None:
    from sync.models import Run
    from tests.engine.killing import let_time_pass

    let_time_pass()
    Run.objects.active().update(status="cancelled")  # what a choice has queued, and no worker took


ORDERS: dict[str, Callable[..., Any]] = {
    "make": _make, "run": _run, "back_up": _back_up, "take": _take, "open_intents": _open_intents,
    "let_time_pass": _let_time_pass,
}  # fmt: skip


def serve() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    met: dict[str, Any] = {}
    for line in sys.stdin:
        order, what = json.loads(line)
        if order == "meet":
            met["ends"] = _met(what["ends"])
            answer = None
        else:
            answer = ORDERS[order](met["ends"], **what)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
