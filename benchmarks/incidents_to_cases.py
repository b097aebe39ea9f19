"""Incidents become Cases: a naive script, the bare minimum and this console against the same sandbox, in one run.

python -m benchmarks.incidents_to_cases [--records N] [--memory] [--json]

Each contender runs in a process of its own (its peak memory is its own) against a fresh sandbox pair, also a process
of its own, once without delay and once with 100 ms added to each call.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from ssl import create_default_context
from typing import Any

from benchmarks.contender import Platforms, Result

ROOT = Path(__file__).resolve().parents[1]
DELAYS = (0.0, 0.1)
NAIVE_SAMPLE = 200  # records; its time grows with their number, so the rest is reckoned
MEMORY = (5_000, 100_000)
TIMEOUT = 1800
# What the console promises itself at 10,000 records.
MOST_CALLS = 7.0
LEAST_RATE = 2500.0
MOST_TIMES_BARE = 3.0
LEAST_TIMES_NAIVE = 100.0
MOST_MEMORY = 1.3


@dataclass(frozen=True)
class Measured:
    """One contender at one delay; `seconds` for all records, reckoned where it did only a sample."""

    name: str
    delay: float
    records: int
    seconds: float
    cpu: float
    peak_mib: float
    calls_per_thousand: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds


@contextmanager
def sandbox(incidents: int, delay: float) -> Iterator[Platforms]:
    command = [
        sys.executable, "-m", "sync.sandbox.cli", "--json", f"--incidents={incidents}", f"--delay={delay}",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Platforms(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def calls(platforms: Platforms) -> int:
    """Calls that both sides counted, logins included."""
    tls = create_default_context(cafile=platforms.ca_file)
    total = 0
    for system in ("servicenow", "salesforce"):
        request = urllib.request.Request(
            f"{platforms.url(system)}/__sandbox__/counters",
            headers={"Authorization": f"Bearer {platforms.data['control_token']}"},
        )
        with urllib.request.urlopen(request, context=tls, timeout=60) as answer:
            counts = json.load(answer)
        if counts["duplicates"]:
            raise SystemExit(f"{system} counts {counts['duplicates']} duplicates")
        total += counts["calls"]
    return total


def run(name: str, argument: str, platforms: Platforms) -> Result:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", argument],
        cwd=ROOT,
        input=json.dumps(platforms.data),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, records: int, delay: float) -> Measured:
    with tempfile.TemporaryDirectory() as directory, sandbox(records, delay) as platforms:
        arguments = {"naive": str(min(records, NAIVE_SAMPLE)), "bare": "", "console": directory}
        result = run(name, arguments[name], platforms)
        counted = calls(platforms)
    if name != "naive" and result.records != records:
        raise SystemExit(f"{name} brought {result.records:,} of {records:,} records")
    scale = records / result.records
    return Measured(
        name, delay, records, result.seconds * scale, result.cpu * scale, result.peak / 1024,
        counted * 1000 / result.records,
    )  # fmt: skip


NAMES = {"naive": "naive script (reckoned)", "bare": "bare minimum", "console": "this console"}


def speed(records: int) -> list[Measured]:
    return [measure(name, records, delay) for delay in DELAYS for name in NAMES]


def speed_table(rows: Sequence[Measured]) -> str:
    lines = [
        "| delay a call | contender | calls per 1,000 | seconds | records/s | CPU ms a record | peak MiB | times the bare minimum |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        bare = _find(rows, "bare", row.delay)
        lines.append(
            f"| {row.delay * 1000:.0f} ms | {NAMES[row.name]} | {row.calls_per_thousand:,.1f} | {row.seconds:,.1f} "
            f"| {row.rate:,.0f} | {row.cpu / row.records * 1000:.2f} | {row.peak_mib:,.0f} | {row.seconds / bare.seconds:,.1f} |"
        )
    return "\n".join(lines)


def speed_verdicts(rows: Sequence[Measured]) -> list[tuple[str, float, bool]]:
    quick, slow = _find(rows, "console", DELAYS[0]), _find(rows, "console", DELAYS[1])
    bare, naive = _find(rows, "bare", DELAYS[1]), _find(rows, "naive", DELAYS[1])
    times, faster = slow.seconds / bare.seconds, naive.seconds / slow.seconds
    return [
        (f"calls per 1,000 records, at most {MOST_CALLS:g}", slow.calls_per_thousand, slow.calls_per_thousand <= MOST_CALLS),
        (f"records/s without delay, at least {LEAST_RATE:,.0f}", quick.rate, quick.rate >= LEAST_RATE),
        (f"times the bare minimum at 100 ms, at most {MOST_TIMES_BARE:g}", times, times <= MOST_TIMES_BARE),
        (f"times faster than the naive script at 100 ms, at least {LEAST_TIMES_NAIVE:g}", faster, faster >= LEAST_TIMES_NAIVE),
    ]  # fmt: skip


def memory() -> list[Measured]:
    return [measure("console", records, DELAYS[0]) for records in MEMORY]


def memory_verdicts(rows: Sequence[Measured]) -> list[tuple[str, float, bool]]:
    few, many = rows
    growth = many.peak_mib / few.peak_mib
    return [(f"peak memory of {many.records:,} over that of {few.records:,}, at most {MOST_MEMORY:g}", growth, growth <= MOST_MEMORY)]  # fmt: skip


def memory_table(rows: Sequence[Measured]) -> str:
    lines = ["| records | seconds | records/s | peak MiB |", "| ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row.records:,} | {row.seconds:,.1f} | {row.rate:,.0f} | {row.peak_mib:,.0f} |" for row in rows
    ]
    return "\n".join(lines)


def _find(rows: Sequence[Measured], name: str, delay: float) -> Measured:
    return next(row for row in rows if (row.name, row.delay) == (name, delay))


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="Incidents become Cases: three ways compared.")
    parser.add_argument(
        "--records", type=int, default=10_000, help="incidents (10,000, for which the targets hold)"
    )
    parser.add_argument(
        "--memory", action="store_true", help="instead: peak memory of 5,000 and of 100,000 records"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    rows = memory() if options.memory else speed(options.records)
    print(memory_table(rows) if options.memory else speed_table(rows), end="\n\n")
    verdicts = memory_verdicts(rows) if options.memory else speed_verdicts(rows)
    for text, value, kept in verdicts:
        print(f"{'kept  ' if kept else 'MISSED'}  {text}: {value:,.2f}")
    if options.json:
        targets: list[dict[str, Any]] = [
            {"target": text, "value": value, "kept": kept} for text, value, kept in verdicts
        ]
        print(json.dumps({"measured": [asdict(row) for row in rows], "targets": targets}))
    return 0 if all(kept for _, _, kept in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
