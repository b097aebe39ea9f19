"""What a flow costs that goes both ways when most of its records rest: at so many links, and at ten times as many.

python -m benchmarks.steady_state [--links N] [--times N] [--rounds N] [--json]

Both sizes stand side by side, each with its platforms and its database in one process and the console in another, and
are polled in turns, so that other work on the machine meets both. Medians of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS = ("servicenow", "salesforce")
SHARE = 100  # one link in so many changes
RETRIEVED, COLLECTED = 2000, 200  # Salesforce records of one look-up by Id, and of one write
LISTED = 1000  # ServiceNow rows of one page
# What the console promises itself.
MOST_QUIET_CALLS = 1
MOST_TIMES_SLOWER = 1.2
MOST_MEMORY = 1.3
SCHEDULE = 60.0  # seconds between two polls by default


class Child:
    """A process that answers each line with a line."""

    def __init__(self, stack: ExitStack, module: str, *arguments: str, **environment: str) -> None:
        self._process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", f"benchmarks.{module}", *arguments],
                cwd=ROOT,
                env=os.environ | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(self._process.terminate)

    def ask(self, **order: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def hear(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A process of the benchmark ended before its time.")
        return json.loads(line)


@dataclass(frozen=True)
class Poll:
    servicenow: int  # calls as the vendors count them; logins are free
    salesforce: int
    seconds: float
    cpu: float
    read: int
    updated: int
    peak_mib: float


class Site:
    """The platforms and the console of one size."""

    def __init__(self, stack: ExitStack, links: int) -> None:
        self.links = links
        self.polls: dict[str, list[Poll]] = {}
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        self._world = Child(stack, "steady_world", str(links), directory)
        self._stack = stack

    def open(self) -> None:
        """Wait until the records are there, and let the first polls do what is done once."""
        self._console = Child(self._stack, "steady_console", **self._world.hear()["environment"])
        for _ in range(2):
            self._poll()

    def poll(self, name: str) -> Poll:
        self.polls.setdefault(name, []).append(self._poll())
        return self.polls[name][-1]

    def _poll(self) -> Poll:
        before = self._world.ask(do="calls")
        found = self._console.ask()
        after = self._world.ask(do="calls")
        return Poll(**{system: after[system] - before[system] for system in SYSTEMS}, **found)

    def change(self, name: str, count: int) -> None:
        """So many people's edits, half on either side, the poll that carries them over, and quiet after the overlap."""
        self._world.ask(do="edit", count=count)
        self.poll(name)
        if (arrived := self._world.ask(do="arrived")) != count:
            raise SystemExit(f"{arrived:,} of {count:,} changes came to the other side.")
        self.poll(f"{name}, again")
        self._world.ask(do="wait")
        self._poll()


@dataclass(frozen=True)
class Measured:
    """The median poll of a kind at one size; `bare`: the fewest calls that bring so much over."""

    name: str
    links: int
    changed: int
    servicenow: float
    salesforce: float
    bare: int
    milliseconds: float
    cpu_ms: float
    peak_mib: float

    @property
    def calls(self) -> float:
        return self.servicenow + self.salesforce


def bare_calls(changed: int) -> int:
    """Who reads what changed, looks at the other side before writing, and writes: one ServiceNow record a call."""
    here, there = ceil(changed / 2), changed // 2  # how many were edited on either side
    servicenow = max(1, ceil(here / LISTED)) + ceil(there / LISTED) + there
    salesforce = max(1, ceil(there / RETRIEVED)) + ceil(here / RETRIEVED) + ceil(here / COLLECTED)
    return servicenow + salesforce


def median(site: Site, name: str, changed: int = 0) -> Measured:
    polls = site.polls[name]
    return Measured(
        name, site.links, changed,
        statistics.median(poll.servicenow for poll in polls),
        statistics.median(poll.salesforce for poll in polls),
        bare_calls(changed),
        statistics.median(poll.seconds for poll in polls) * 1000,
        statistics.median(poll.cpu for poll in polls) * 1000,
        max(poll.peak_mib for poll in polls),
    )  # fmt: skip


def run(links: int, times: int, rounds: int) -> list[Measured]:
    with ExitStack() as stack:
        sites = [Site(stack, links), Site(stack, links * times)]
        for site in sites:
            site.open()
        few = max(2, links // SHARE)
        for _ in range(rounds):
            for site in sites:
                site.poll("quiet")
        for _ in range(max(1, rounds // 4)):
            for site in sites:
                site.change("changed", few)
        for _ in range(max(1, rounds // 2)):
            for site in sites:
                site.change("one", 1)
        rows = [median(site, "quiet") for site in sites]
        rows += [median(site, "changed", few) for site in sites]
        rows += [median(site, "changed, again") for site in sites]
        rows += [median(site, "one", 1) for site in sites]
        sites[1].change("1 %", few * times)
        return [*rows, median(sites[1], "1 %", few * times)]


NAMES = {
    "quiet": "nothing changed",
    "changed": "{changed:,} changed, half on either side",
    "changed, again": "the same still within the overlap",
    "one": "one changed",
    "1 %": "{changed:,} changed, half on either side",
}


def table(rows: Sequence[Measured]) -> str:
    lines = [
        "| links | poll | calls ServiceNow | calls Salesforce | times the fewest calls | ms | CPU ms | peak MiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.links:,} | {NAMES[row.name].format(changed=row.changed)} | {row.servicenow:,.0f} | {row.salesforce:,.0f} "
        f"| {row.calls / row.bare:.2f} | {row.milliseconds:,.0f} | {row.cpu_ms:,.0f} | {row.peak_mib:,.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def verdicts(rows: Sequence[Measured]) -> list[tuple[str, float, bool]]:
    found: list[tuple[str, float, bool]] = []

    def judge(text: str, value: float, most: float) -> None:
        found.append((f"{text}, at most {most:g}", value, value <= most))

    pairs = {name: [row for row in rows if row.name == name] for name in ("quiet", "changed", "one")}
    quiet, changed, one = pairs["quiet"], pairs["changed"], pairs["one"]
    most = max(max(row.servicenow, row.salesforce) for row in quiet)
    judge("calls of a quiet poll on either side", most, MOST_QUIET_CALLS)
    times = f"at {quiet[1].links:,} links over {quiet[0].links:,}"
    judge(f"time of a quiet poll {times}", quiet[1].milliseconds / quiet[0].milliseconds, MOST_TIMES_SLOWER)
    slower = changed[1].milliseconds / changed[0].milliseconds
    judge(f"time of {changed[0].changed:,} changes {times}", slower, MOST_TIMES_SLOWER)
    judge(f"time of one change {times}", one[1].milliseconds / one[0].milliseconds, MOST_TIMES_SLOWER)
    judge(f"peak memory of a quiet poll {times}", quiet[1].peak_mib / quiet[0].peak_mib, MOST_MEMORY)
    return found


def delay(rows: Sequence[Measured]) -> str:
    """From an edit to its counterpart, as the schedule and the engine add up."""
    seconds = max(row.milliseconds for row in rows if row.name == "one") / 1000
    return (
        f"One change stands on the other side {seconds:.2f} s after its poll began: with a poll a minute "
        f"{SCHEDULE / 2 + seconds:.0f} s after the edit on average, and at most {SCHEDULE + seconds:.0f} s."
    )


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="What a flow at rest costs.")
    parser.add_argument("--links", type=int, default=50_000, help="of the smaller size (50,000)")
    parser.add_argument("--times", type=int, default=10, help="how much larger the larger one is (10)")
    parser.add_argument("--rounds", type=int, default=12, help="quiet polls of either size (12)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    rows = run(options.links, options.times, options.rounds)
    print(table(rows), end="\n\n")
    print(delay(rows), end="\n\n")
    judged = verdicts(rows)
    for text, value, kept in judged:
        print(f"{'kept  ' if kept else 'MISSED'}  {text}: {value:,.2f}")
    if options.json:
        targets = [{"target": text, "value": value, "kept": kept} for text, value, kept in judged]
        print(json.dumps({"measured": [asdict(row) for row in rows], "targets": targets}))
    return 0 if all(kept for _, _, kept in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
