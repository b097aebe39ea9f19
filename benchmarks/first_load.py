"""The first load of a large table: by one worker and by several, on both databases, by collections and by bulk jobs.

python -m benchmarks.first_load [--records N] [--workers 4] [--delay 0.1] [--postgres URL --redis URL] [--json]

Each worker is a process of its own, and so is the sandbox. Calls are those that the sandbox counted. Without a
PostgreSQL the lines that want one are left out. The database named in its URL is dropped and made anew.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.incidents_to_cases import calls, sandbox

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 3600
LEAST_RATIO = 2.0  # of four workers to one
MOST_MEMORY = 1.3  # times the peak of a fifth of the records


@dataclass(frozen=True)
class Setting:
    name: str
    workers: int
    bulk: str
    postgres: bool
    records: int


@dataclass(frozen=True)
class Measured:
    name: str
    workers: int
    records: int
    seconds: float  # from the run's start to its end, by its own row
    cpu: float  # seconds of all workers
    peak_mib: float  # of the largest worker
    parts: int
    calls_per_thousand: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds


def environment(directory: str, database: str, redis: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "integration_console.settings",
        "DATABASE_URL": database or f"sqlite:///{directory}/benchmark.sqlite3",
        "REDIS_URL": redis,
        "SECRET_KEY": secrets.token_hex(),
        "ENCRYPTION_KEYS": f"benchmark:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "CONNECTION_ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "ERROR",
    }


@contextmanager
def database(url: str) -> Iterator[str]:
    """An empty database of that name, gone afterwards."""
    import psycopg

    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(url.replace(f"/{name}", "/postgres"), autocommit=True) as held:
        held.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        held.execute(f'CREATE DATABASE "{name}"')
        try:
            yield url
        finally:
            held.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def process(what: str, *arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.first_load_worker", what, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def measure(setting: Setting, delay: float, postgres: str, redis: str) -> Measured:
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(database(postgres)) if setting.postgres else ""
        env = environment(directory, url, redis if setting.postgres else "")
        platforms = stack.enter_context(sandbox(setting.records, delay))
        with process("prepare", setting.bulk, env=env) as preparing:
            out, _ = preparing.communicate(json.dumps(platforms.data), timeout=TIMEOUT)
        run = out.split()[-1]
        before = calls(platforms)
        workers = [process("work", run, env=env) for _ in range(setting.workers)]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()  # it is ready
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        told = [json.loads(worker.communicate(timeout=TIMEOUT)[0].splitlines()[-1]) for worker in workers]
        counted = calls(platforms) - before
    first = told[0]
    if first["status"] != "succeeded" or first["created"] != setting.records:
        raise SystemExit(f"{setting.name}: {first}")
    return Measured(
        setting.name, setting.workers, setting.records, first["seconds"], sum(each["cpu"] for each in told),
        max(each["peak"] for each in told) / 1024, first["parts"], counted * 1000 / setting.records,
    )  # fmt: skip


def settings(records: int, workers: int, *, postgres: bool, alone: bool) -> list[Setting]:
    found = (
        []
        if alone
        else [
            Setting("SQLite, collections, a fifth", 1, "never", False, records // 5),
            Setting("SQLite, collections", 1, "never", False, records),
            Setting("SQLite, bulk jobs", 1, "auto", False, records),
        ]
    )
    if postgres:
        found += [
            Setting("PostgreSQL and Redis, collections", count, "never", True, records)
            for count in (1, workers)
        ]
    return found


def table(rows: Sequence[Measured]) -> str:
    lines = [
        "| | workers | records | parts | seconds | records/s | CPU ms a record | peak MiB a worker | calls per 1,000 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} | {row.workers} | {row.records:,} | {row.parts} | {row.seconds:,.1f} | {row.rate:,.0f} "
        f"| {row.cpu / row.records * 1000:.2f} | {row.peak_mib:,.0f} | {row.calls_per_thousand:,.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def verdicts(rows: Sequence[Measured]) -> Iterator[tuple[str, float, bool]]:
    by = {(row.name, row.workers): row for row in rows}
    sqlite = [row for row in rows if row.name.startswith("SQLite")]
    if sqlite:
        few, many, jobs = sqlite
        growth = many.peak_mib / few.peak_mib
        yield f"peak memory over that of a fifth, at most {MOST_MEMORY:g}", growth, growth <= MOST_MEMORY
        saved = many.calls_per_thousand / jobs.calls_per_thousand
        yield "times fewer calls by bulk jobs, at least 2", saved, saved >= 2
    for name in dict.fromkeys(row.name for row in rows if row not in sqlite):
        alone, *others = [row for key, row in by.items() if key[0] == name]
        for row in others:
            ratio = row.rate / alone.rate
            text = f"{name}: {row.workers} workers to one, at least {LEAST_RATIO:g}"
            yield text, ratio, ratio >= LEAST_RATIO


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="The first load of a large table.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--delay", type=float, default=0.1, help="seconds added to each call")
    parser.add_argument("--postgres", default="", help="postgres://user@host:5432/name, which is made anew")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/13")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--shared", action="store_true", help="only one worker against several")
    options = parser.parse_args()
    rows: list[Measured] = []
    for setting in settings(
        options.records, options.workers, postgres=bool(options.postgres), alone=options.shared
    ):
        began = time.monotonic()
        rows.append(measure(setting, options.delay, options.postgres, options.redis))
        print(f"{setting.name}, {setting.workers}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(table(rows), end="\n\n")
    found = list(verdicts(rows))
    for text, value, kept in found:
        print(f"{'kept  ' if kept else 'MISSED'}  {text}: {value:,.2f}")
    if options.json:
        targets = [{"target": text, "value": value, "kept": kept} for text, value, kept in found]
        print(json.dumps({"measured": [asdict(row) for row in rows], "targets": targets}))
    return 0 if all(kept for _, _, kept in found) else 1


if __name__ == "__main__":
    sys.exit(main())
