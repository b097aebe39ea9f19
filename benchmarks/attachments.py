"""What it costs to carry files: memory that does not grow with their size, and the time they take.

python -m benchmarks.attachments [--megabytes N] [--file N] [--json]

A fresh sandbox pair has a process of its own. In a second one the console links ten incidents, people put files of so
many MB on both sides, half of them each, and one run carries them over. Peak memory is that of this second process,
interpreter, Django and set-up included. What arrived is checked by the platforms' own digests.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.console import CONFIGURATION, FLOW, set_up
from benchmarks.contender import Platforms, given
from benchmarks.incidents_to_cases import ROOT, sandbox

if TYPE_CHECKING:
    from sync.core.files import Passing
    from sync.models import Flow, RecordLink

MEGABYTE = 1024 * 1024
INCIDENTS = 10
MOST_MEMORY = 150.0  # MB, whatever is carried
MOST_GROWTH = 16.0  # MB over what the process held before


class Noise:
    """So many bytes that nobody can guess or pack, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, most: int) -> bytes:
        piece = os.urandom(min(most, self._left))
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._left = 0


def peak() -> float:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def configure(platforms: Platforms, size: int) -> None:
    """The demo's file, whose flow carries files of that size and no comments."""
    from sync.configuration.apply import apply, known_names
    from sync.configuration.documents import Attachments, Comments
    from sync.configuration.parse import parse
    from sync.management.commands.demo import variables

    environ = variables(platforms.data)
    parsed = parse(CONFIGURATION.read_text(), file=CONFIGURATION.name, known=known_names(), environ=environ)
    (flow,) = parsed.document.flows
    flow = replace(flow, comments=Comments(), attachments=Attachments(max_size=size))
    apply(
        replace(parsed, document=replace(parsed.document, flows=(flow,))), environ=environ, reason="Measured"
    )


def put(flow: Flow, links: list[RecordLink], count: int, size: int) -> None:
    """Every other one on an incident, the others on Cases."""
    from sync.core.files import NewFile, Passing
    from sync.core.records import Side
    from sync.engine.connect import open_connector

    def opened() -> Passing:
        return Passing(Noise(size), size, lambda digests: None, lambda: None)

    ends = {
        Side.SERVICENOW: (flow.servicenow_connection, flow.servicenow_table),
        Side.SALESFORCE: (flow.salesforce_connection, flow.salesforce_object),
    }
    for side, (held, name) in ends.items():
        with closing(open_connector(held)) as connector:
            for number in range(count)[side is Side.SALESFORCE :: 2]:
                file = NewFile(f"noise {number}.bin", "application/octet-stream", size)
                connector.files.add(name, links[number % len(links)].end(side), file, partial(opened))


def poll(flow: Flow) -> None:
    from sync import services
    from sync.engine.execute import execute

    run = execute(services.request_run(flow=flow, by=None, enqueue=False).pk)
    if run.status != "succeeded":
        raise SystemExit(f"{run.status}: {run.summary()} {run.error}")


def arrived(flow: Flow) -> int:
    """Files whose copy has the digest that was taken as they passed, by the platform's own word."""
    from sync.core.records import Side
    from sync.engine.connect import open_connector
    from sync.models import Attachment

    found = 0
    rows = list(Attachment.objects.filter(flow=flow, status="done").select_related("link"))
    for side, held in (
        (Side.SERVICENOW, flow.servicenow_connection),
        (Side.SALESFORCE, flow.salesforce_connection),
    ):
        theirs = [row for row in rows if row.side == side.other]
        with closing(open_connector(held)) as connector:
            files = {file.id: file for file in connector.files.on([row.link.end(side) for row in theirs])}
        found += sum(files[row.target_id].has_content_of(row.sha256, row.md5) for row in theirs)
    return found


def inside(directory: str, count: int, size: int) -> None:
    platforms = given()
    set_up(directory)
    configure(platforms, size)
    from sync.models import Flow, RecordLink

    flow = Flow.objects.get(name=FLOW)
    poll(flow)
    links = list(RecordLink.objects.order_by("servicenow_number"))
    put(flow, links, count, size)
    before, started, cpu = peak(), time.monotonic(), time.process_time()
    poll(flow)
    print(json.dumps({
        "files": count, "megabytes": count * size / MEGABYTE, "arrived": arrived(flow),
        "seconds": time.monotonic() - started, "cpu": time.process_time() - cpu, "before": before, "peak": peak(),
    }))  # fmt: skip


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="What it costs to carry files.")
    parser.add_argument("--megabytes", type=int, default=200, help="of all files together (200)")
    parser.add_argument(
        "--file", type=int, default=50, help="megabytes of one (50: more than JSON can carry)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    count = max(2, options.megabytes // options.file)
    if options.inside:
        inside(options.inside, count, options.file * MEGABYTE)
        return 0
    with tempfile.TemporaryDirectory() as directory, sandbox(INCIDENTS, 0.0) as platforms:
        done = subprocess.run(
            [
                sys.executable, "-m", "benchmarks.attachments", "--inside", directory,
                f"--megabytes={options.megabytes}", f"--file={options.file}",
            ],
            cwd=ROOT, input=json.dumps(platforms.data), stdout=subprocess.PIPE, text=True, check=True, timeout=1800,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{found['files']} files, {found['megabytes']:.0f} MB, in {found['seconds']:.1f} s "
        f"({found['cpu']:.1f} s of CPU); peak memory {found['peak']:.0f} MB, {found['before']:.0f} MB before."
    )
    kept = [
        ("files that did not arrive whole, none", found["files"] - found["arrived"], 0),
        (f"MB of memory at the most, {MOST_MEMORY:.0f}", found["peak"], MOST_MEMORY),
        (
            f"MB of memory more than before, at most {MOST_GROWTH:.0f}",
            found["peak"] - found["before"],
            MOST_GROWTH,
        ),
    ]
    for text, value, most in kept:
        print(f"{'kept  ' if value <= most else 'MISSED'}  {text}: {value:,.1f}")
    if options.json:
        print(json.dumps(found))
    return 0 if all(value <= most for _, value, most in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
