"""This console: a fresh SQLite database, the shipped mapping with its user table, and one run of the engine."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.contender import Platforms, given, measured

CONFIGURATION = Path(__file__).resolve().parents[1] / "integration_console" / "demo" / "demo.yaml"
FLOW = "incidents-to-cases"


def set_up(directory: str, database: str = "") -> None:
    """Keys and database of this process alone; a SQLite file in the directory unless one is named."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "integration_console.settings",
        "DATABASE_URL": database or f"sqlite:///{directory}/benchmark.sqlite3",
        "REDIS_URL": "",
        "SECRET_KEY": secrets.token_hex(),
        "ENCRYPTION_KEYS": f"benchmark:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "CONNECTION_ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
    }
    import django
    import simple_salesforce  # noqa: F401  (loaded when first needed; a worker that has run before has it)
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)


def configure(platforms: Platforms, *, one_way: bool) -> None:
    """The demo's file, without comments and files; or one way only, and closed incidents become Cases too."""
    from sync.configuration.apply import apply, known_names
    from sync.configuration.documents import Comments, Create
    from sync.configuration.parse import parse
    from sync.management.commands.demo import variables

    environ = variables(platforms.data)
    parsed = parse(CONFIGURATION.read_text(), file=CONFIGURATION.name, known=known_names(), environ=environ)
    (flow,) = parsed.document.flows
    # Fields alone: comments and files are not what the naive script carries.
    flow = replace(flow, comments=Comments(), attachments=None)
    if one_way:
        everything = replace(flow.servicenow, enter="")
        flow = replace(flow, direction="to_salesforce", create=Create(), servicenow=everything)
    apply(
        replace(parsed, document=replace(parsed.document, flows=(flow,))), environ=environ, reason="Measured"
    )


def main() -> int:
    from sync import services
    from sync.engine.execute import execute
    from sync.models import Event, Flow, RecordLink

    flow = Flow.objects.get(name=FLOW)
    run = execute(services.request_run(flow=flow, by=None, enqueue=False).pk)
    if run.status != "succeeded":
        raise SystemExit(f"{run.status}: {run.summary()} {run.error}")
    created: int = run.created
    assert RecordLink.objects.count() == Event.objects.count() == created
    return created


if __name__ == "__main__":
    held = given()
    set_up(sys.argv[1])
    configure(held, one_way=True)
    measured(main)
