"""What the console's pages take with a long history behind them, against the same pages of an empty console.

python -m benchmarks.pages [--events N] [--links N] [--postgres URL]. Each database is new: a SQLite file in a directory that is
deleted afterwards, and the one that the URL names, which must be there and empty. Pages are asked of the console in this
process, without a socket, by a person who may see everything; the time is that of the whole reply. A page that answers anything
but 200 ends it at once; it ends with status 1 where the Overview misses its target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.console import set_up

ROUNDS = 7
ROWS_A_PAGE = 50
OVERVIEW_MS = 300  # the target
COUNTED = ("Event", "RecordLink", "Run", "RemoteCall", "DeadLetter", "Conflict", "HourlyTotal", "AuditEntry")


def addresses() -> dict[str, str]:
    """Of each page; those of a single row only where there is one."""
    from django.urls import reverse

    from integration_console.theme.paging import MOST
    from sync.models import Conflict, DeadLetter, Flow, RecordLink, Run

    def of(name: str) -> str:
        return reverse(f"admin:sync_{name}_changelist")

    def one(row: Any) -> str:
        return reverse(f"admin:sync_{row._meta.model_name}_change", args=[row.pk]) if row else ""

    def last(model: Any) -> str:
        """The last page that a list has, if it has more than one."""
        pages = min(model.objects.count(), MOST) // ROWS_A_PAGE
        return f"{of(model._meta.model_name)}?p={pages}" if pages > 1 else ""

    record, run = RecordLink.objects.order_by("pk").first(), Run.objects.first()
    found = {
        "Overview": reverse("admin:index"),
        "Flows": of("flow"),
        "A flow": one(Flow.objects.first()),
        "Runs": of("run"),
        "Runs that failed": f"{of('run')}?status__exact=failed",
        "A run": one(run),
        "A run, its failures": f"{one(run)}?outcome=failed" if run else "",
        "Records": of("recordlink"),
        "Records, last page": last(RecordLink),
        "Records deleted in Salesforce": f"{of('recordlink')}?state__exact=deleted_sf",
        "Records, sorted by status": f"{of('recordlink')}?o=2",
        "A record, searched": f"{of('recordlink')}?q=INC0000042",
        "A record, traced": f"{reverse('trace')}?q=INC000004",
        "A record": one(record),
        "Dead letters by cause": reverse("admin:sync_deadletter_causes"),
        "Dead letters": of("deadletter"),
        "Dead letters, last page": last(DeadLetter),
        "A dead letter": one(DeadLetter.objects.first()),
        "Conflicts": of("conflict"),
        "A conflict": one(Conflict.objects.first()),
        "Waiting": of("waiting"),
        "Reconciliations": of("reconciliation"),
        "Calls": of("remotecall"),
        "Calls that failed": f"{of('remotecall')}?result=failed",
        "Audit log": of("auditentry"),
        "Report": reverse("report"),
    }
    return {name: url for name, url in found.items() if url}


def measured_pages(client: Any) -> dict[str, tuple[float, float, int]]:
    """Milliseconds of each page and those of them in the processor, medians of several after one that is not counted; its queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found = {}
    for name, url in addresses().items():
        with CaptureQueriesContext(connection) as asked:
            _get(client, name, url)
        queries = len(asked)  # before the next request, which empties the log
        wall, processor = zip(*(_taken(client, name, url) for _ in range(ROUNDS)), strict=True)
        found[name] = (statistics.median(wall), statistics.median(processor), queries)
    return found


def _get(client: Any, name: str, url: str) -> None:
    reply = client.get(url)
    if reply.status_code != 200:
        raise SystemExit(f"{name} ({url}) answered {reply.status_code}, not 200.")


def _taken(client: Any, name: str, url: str) -> tuple[float, float]:
    began, worked = time.perf_counter(), time.process_time()
    _get(client, name, url)
    return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000


def one(events: int, links: int) -> dict[str, Any]:
    """Measure the database of this process, empty and seeded."""
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import setup_test_environment

    from sync import models, seeding

    setup_test_environment(debug=False)
    client = Client()
    client.force_login(User.objects.create_superuser("alice", password="correct horse"))
    empty = measured_pages(client)
    began = time.perf_counter()
    seeding.seed(seeding.Sizes(events=events, links=links, dead_letters=10_000), lambda line: None)
    seconds = time.perf_counter() - began
    _analyse()
    rows = {name: getattr(models, name).objects.count() for name in COUNTED}
    return {
        "empty": empty,
        "seeded": measured_pages(client),
        "seconds": seconds,
        "rows": rows,
        "load": os.getloadavg()[0],
    }


def _analyse() -> None:
    """What PostgreSQL does by itself within a minute of so many new rows; SQLite is left as the console leaves it."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def measured(url: str, asked: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own, because settings are read once."""
    sizes = [f"--events={asked.events}", f"--links={asked.links}", f"--one={url}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pages", *sizes], stdout=subprocess.PIPE, check=False, text=True
    )
    if done.returncode:
        raise SystemExit(f"Not measured: {url} ended with status {done.returncode}.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(name: str, found: dict[str, Any]) -> bool:
    """Print the table; returns whether the target was kept."""
    print(
        f"\n{name}: seeded in {found['seconds']:,.0f} s, load of the machine at the end {found['load']:.1f}"
    )
    print(", ".join(f"{count:,} {table}" for table, count in found["rows"].items()))
    print(
        "\n| page | queries | empty, ms | seeded, ms | of this in the processor |\n| --- | ---: | ---: | ---: | ---: |"
    )
    for page, (taken, worked, queries) in found["seeded"].items():
        before = f"{found['empty'][page][0]:,.0f}" if page in found["empty"] else ""
        print(f"| {page} | {queries} | {before} | {taken:,.0f} | {worked:,.0f} |")
    kept = bool(found["seeded"]["Overview"][0] < OVERVIEW_MS)
    print(f"\nOverview under {OVERVIEW_MS} ms: {'kept' if kept else 'MISSED'}.")
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--links", type=int, default=200_000)
    parser.add_argument("--postgres", metavar="URL", help="of an empty database")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if asked.one:
            set_up(directory, asked.one)
            print(json.dumps(one(asked.events, asked.links)))
            return 0
        kept = told("SQLite", measured(f"sqlite:///{directory}/pages.sqlite3", asked))
        if asked.postgres:
            kept &= told("PostgreSQL", measured(asked.postgres, asked))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
