"""The console beside a steady world: each line of standard input is a poll, answered by one line of JSON.

Its environment names the database; no secret stands on a command line.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks.console import FLOW


def poll() -> dict[str, float]:
    """One run of the flow. Seconds on the clock and of this process's cores; memory is the peak since its start."""
    from sync import services
    from sync.engine.execute import execute
    from sync.models import Flow

    flow = Flow.objects.get(name=FLOW)
    run_id = services.request_run(flow=flow, by=None, enqueue=False).pk
    started, cpu = time.monotonic(), time.process_time()
    run = execute(run_id)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    if run.status != "succeeded":
        raise SystemExit(f"{run.status}: {run.summary()} {run.error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "read": run.read, "updated": run.updated, "peak_mib": peak}


def main() -> None:
    import django
    import simple_salesforce  # noqa: F401  (loaded when first needed; a worker that has run before has it)

    django.setup()
    for _ in sys.stdin:
        print(json.dumps(poll()), flush=True)


if __name__ == "__main__":
    main()
