"""What it costs to prove that both sides agree: everything read, where nothing or little has moved since, and where
one pair in a thousand differs unseen.

python -m benchmarks.reconcile [--records N] [--json]

A fresh sandbox pair, a process of its own, holds so many incidents; the console brings them over, a day passes, and it
reconciles. Calls are those that the run counted, logins and set-up left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import urllib.request
from datetime import timedelta
from math import ceil
from ssl import create_default_context
from typing import TYPE_CHECKING, Any

from benchmarks.console import FLOW, configure, set_up
from benchmarks.contender import Platforms, given
from benchmarks.incidents_to_cases import ROOT, sandbox

if TYPE_CHECKING:
    from sync.models import Flow

PAGE = 2000
DAY = 86_400
UNEQUAL = 1000  # of so many pairs one is made to differ
MOST_EXTRA_CALLS = 12  # beside two pages for each 2,000 records: marks, people, the end of each read
MOST_TIMES_MEMORY = 1.3  # of a reconciliation over what the process held before it


def pass_days(platforms: Platforms, days: int) -> None:
    tls = create_default_context(cafile=platforms.ca_file)
    for system in ("servicenow", "salesforce"):
        request = urllib.request.Request(
            f"{platforms.url(system)}/__sandbox__/clock",
            data=json.dumps({"offset_seconds": days * DAY}).encode(),
            headers={
                "Authorization": f"Bearer {platforms.data['control_token']}",
                "Content-Type": "application/json",
            },
        )
        urllib.request.urlopen(request, context=tls, timeout=60).close()


def poll(flow: Flow) -> None:
    from sync import services
    from sync.engine.execute import execute

    run = execute(services.request_run(flow=flow, by=None, enqueue=False).pk)
    if run.status != "succeeded":
        raise SystemExit(f"{run.status}: {run.summary()} {run.error}")


def reconcile(flow: Flow, step: str, **asked: bool) -> dict[str, Any]:
    from sync import services
    from sync.engine.execute import execute
    from sync.models import Reconciliation

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = execute(services.reconcile(flow=flow, by=None, enqueue=False, **asked).pk)
    if run.status not in ("succeeded", "partial"):
        raise SystemExit(f"{run.status}: {run.error}")
    row = Reconciliation.objects.get(run=run)
    return {
        "step": step, "read": row.read_servicenow + row.read_salesforce, "calls": [run.calls_servicenow, run.calls_salesforce],
        "seconds": run.seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / before,
        "paired": row.paired, "unequal": row.unequal, "healed": row.healed,
    }  # fmt: skip


def change(flow: Flow, count: int) -> None:
    """Some of the oldest incidents are edited by somebody."""
    from sync.core.records import Operation, Write
    from sync.engine.connect import open_connector
    from sync.models import RecordLink

    oldest = RecordLink.objects.order_by("servicenow_number").values_list("servicenow_id", flat=True)
    values = {"short_description": f"Changed long after, {count} at once"}
    connector = open_connector(flow.servicenow_connection)
    writes = [Write(sys_id, Operation.UPDATE, values, sys_id) for sys_id in oldest[:count]]
    if any(result.reply != "done" for result in connector.write("incident", writes)):
        raise SystemExit("An edit was refused.")
    connector.close()


def look_away() -> None:
    """What was edited until now is behind every poll, as if it had committed late."""
    from sync.models import Checkpoint

    for mark in Checkpoint.objects.exclude(watermark=None):
        mark.watermark += timedelta(seconds=DAY)
        mark.save(update_fields=["watermark"])


def inside(directory: str) -> None:
    platforms = given()
    set_up(directory)
    configure(platforms, one_way=True)
    from sync.models import Flow

    flow = Flow.objects.get(name=FLOW)
    poll(flow)
    pass_days(platforms, 1)
    poll(flow)
    steps = [reconcile(flow, "everything read"), reconcile(flow, "nothing moved")]
    change(flow, 1)
    pass_days(platforms, 2)
    poll(flow)
    steps += [reconcile(flow, "one old incident moved"), reconcile(flow, "everything read again", full=True)]
    change(flow, max(1, steps[0]["paired"] // UNEQUAL))
    pass_days(platforms, 3)
    look_away()
    poll(flow)
    steps.append(reconcile(flow, "one pair in a thousand differs unseen", full=True))
    steps.append(reconcile(flow, "the same, healed", full=True, heal=True))
    print(json.dumps(steps))


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(description="What a reconciliation costs.")
    parser.add_argument("--records", type=int, default=50_000, help="incidents (50,000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside)
        return 0
    with tempfile.TemporaryDirectory() as directory, sandbox(options.records, 0.0) as platforms:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.reconcile", "--inside", directory],
            cwd=ROOT, input=json.dumps(platforms.data), stdout=subprocess.PIPE, text=True, check=True, timeout=3600,
        )  # fmt: skip
    steps: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    print(
        "| step | records read | calls to ServiceNow | to Salesforce | seconds | unequal | healed |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for step in steps:
        here, there = step["calls"]
        print(
            f"| {step['step']} | {step['read']:,} | {here} | {there} | {step['seconds']:.1f} | {step['unequal']:,} | {step['healed']:,} |"
        )
    pages = 2 * ceil(options.records / PAGE)
    kept = [
        (
            f"calls to read all, at most {pages + MOST_EXTRA_CALLS}",
            sum(steps[0]["calls"]),
            pages + MOST_EXTRA_CALLS,
        ),
        ("calls where nothing moved, at most half of that", sum(steps[1]["calls"]), pages // 2),
        (
            f"of {ceil(options.records / UNEQUAL):,} pairs made unequal, not found",
            abs(steps[4]["unequal"] - max(1, options.records // UNEQUAL)),
            0,
        ),
        ("left unequal after healing, none", steps[5]["unequal"], 0),
        (f"peak memory over that before, at most {MOST_TIMES_MEMORY}", steps[0]["memory"], MOST_TIMES_MEMORY),
    ]
    for text, value, most in kept:
        print(f"{'kept  ' if value <= most else 'MISSED'}  {text}: {value:,.2f}")
    if options.json:
        print(
            json.dumps(
                {"steps": steps, "targets": [[text, value, value <= most] for text, value, most in kept]}
            )
        )
    return 0 if all(value <= most for _, value, most in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
