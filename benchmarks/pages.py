"""What the console's pages take with a long history behind them, against the same pages of an empty console.

python -m benchmarks.pages [--events N] [--links N] [--postgres URL]. Each database is new: a SQLite file in a directory that is
deleted afterwards, and the one that the URL names, which must be there and empty. Pages are asked of the console in this
process, without a socket, by a person who may see everything; the time is that of the whole reply.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.console import set_up

ROUNDS = 5
OVERVIEW_MS = 300  # the target
PAGES = ("Overview", "Runs", "A run", "Records", "A record", "A record, searched", "Dead letters", "Dead letters, page 200",
         "Conflicts", "Audit log")  # fmt: skip


def addresses() -> dict[str, str]:
    """Of each page; those of a single row only where there is one."""
    from django.urls import reverse

    from sync.models import RecordLink, Run

    def of(name: str) -> str:
        return reverse(f"admin:sync_{name}_changelist")

    found = {
        "Overview": reverse("admin:index"),
        "Runs": of("run"),
        "Records": of("recordlink"),
        "A record, searched": f"{of('recordlink')}?q=INC0000042",
        "Dead letters": of("deadletter"),
        "Dead letters, page 200": f"{of('deadletter')}?p=200",
        "Conflicts": of("conflict"),
        "Audit log": of("auditentry"),
    }
    run, record = Run.objects.first(), RecordLink.objects.order_by("pk").first()
    if run and record:
        found["A run"] = reverse("admin:sync_run_change", args=[run.pk])
        found["A record"] = reverse("admin:sync_recordlink_change", args=[record.pk])
    return found


def medians(get: Callable[[str], Any]) -> dict[str, float]:
    """Milliseconds of each page, the median of several after one that is not counted."""
    found = {}
    for name, url in addresses().items():
        get(url)
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            get(url)
            taken.append((time.perf_counter() - began) * 1000)
        found[name] = statistics.median(taken)
    return found


def one(events: int, links: int) -> dict[str, Any]:
    """Measure the database of this process, empty and seeded."""
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import setup_test_environment

    from sync import seeding

    setup_test_environment(debug=False)
    client = Client()
    client.force_login(User.objects.create_superuser("alice", password="correct horse"))
    empty = medians(client.get)
    began = time.perf_counter()
    seeding.seed(seeding.Sizes(events=events, links=links, dead_letters=10_000), lambda line: None)
    return {"empty": empty, "seeded": medians(client.get), "seconds": time.perf_counter() - began}


def measured(url: str, asked: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own, because settings are read once."""
    sizes = [f"--events={asked.events}", f"--links={asked.links}", f"--one={url}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pages", *sizes], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(name: str, found: dict[str, Any]) -> None:
    print(f"\n{name}: seeded and measured in {found['seconds']:,.0f} s\n")
    print("| page | empty, ms | seeded, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for page in PAGES:
        taken, before = found["seeded"].get(page, 0.0), found["empty"].get(page)
        ratio = f"{taken / before:.1f}" if before else ""
        print(f"| {page} | {f'{before:,.0f}' if before else ''} | {taken:,.0f} | {ratio} |")
    verdict = "kept" if found["seeded"]["Overview"] < OVERVIEW_MS else "MISSED"
    print(f"\nOverview under {OVERVIEW_MS} ms: {verdict}.")


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
        told("SQLite", measured(f"sqlite:///{directory}/pages.sqlite3", asked))
        if asked.postgres:
            told("PostgreSQL", measured(asked.postgres, asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
