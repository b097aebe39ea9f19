"""A process of the first load: `prepare BULK` makes database, flow and run; `work RUN` is one worker until the run ends."""

from __future__ import annotations

import json
import resource
import sys
import time

from benchmarks.contender import given


def prepare(bulk: str) -> None:
    from django.core.management import call_command

    from benchmarks.console import FLOW, configure
    from sync import services
    from sync.models import Flow
    from sync.models.run import RunKind

    held = given()
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    configure(held, one_way=True)
    flow = Flow.objects.get(name=FLOW)
    flow.options = {**flow.options, "bulk": bulk}
    flow.save()
    services.publish_flow(flow=flow, by=None)
    flow.refresh_from_db()
    print(services.request_run(flow=flow, by=None, kind=RunKind.RESYNC, enqueue=False).pk)


def work(run_id: int) -> None:
    import simple_salesforce  # noqa: F401  (loaded when first needed; a worker that has run before has it)

    from sync.engine.execute import execute

    print("ready", flush=True)
    sys.stdin.readline()
    cpu = time.process_time()
    while (run := execute(run_id, load_from=1)).is_active:
        time.sleep(0.1)
    run.refresh_from_db()
    print(json.dumps({
        "status": run.status, "created": run.created, "parts": run.parts, "seconds": run.seconds,
        "cpu": time.process_time() - cpu, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }))  # fmt: skip


if __name__ == "__main__":
    import django

    django.setup()
    what, argument = sys.argv[1:]
    if what == "prepare":
        prepare(argument)
    else:
        work(int(argument))
