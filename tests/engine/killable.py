"""A process that forks a worker for each flow and kind of run named to it, which it does to its end, unless it is killed.

It answers with the worker's process id as soon as it exists and, asked by an empty line, with its exit status (minus
the number of the signal that ended it) and the most memory it had (KiB). Forked rather than started anew, because a worker that begins at once can be killed often.
"""

from __future__ import annotations

import os
import sys

import django

# Records: few writes, so that all that can be interrupted lies between a reconciliation's pages.
PAGES = {"reconcile": 5, "load": 12}


def work(name: str, kind: str) -> None:
    """Go on with the run that a killed worker left in this lane, or ask for a new one."""
    from sync import services
    from sync.engine.context import DEFAULT_PAGE
    from sync.engine.execute import execute
    from sync.models import Flow, Run
    from sync.models.run import IN_BACKFILL

    flow = Flow.objects.get(name=name)
    if kind == "load":  # of which several workers do a part each
        for run in Run.objects.active().filter(flow=flow, lane="backfill"):
            execute(run.pk, load_from=1, page_size=PAGES["load"])
        return
    lane = "backfill" if kind in IN_BACKFILL else "live"
    left = Run.objects.active().filter(flow=flow, lane=lane).first()
    run = left or services.request_run(flow=flow, by=None, kind=kind, enqueue=False)
    execute(run.pk, page_size=PAGES.get(kind, DEFAULT_PAGE))


def serve() -> None:
    # Loaded once, before the forks: a worker is at work when it is killed.

    import sync.connectors.salesforce.connector
    import sync.connectors.servicenow.connector
    import sync.engine.execute
    import sync.questions  # noqa: F401

    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            work(*line.split())
            os._exit(0)
        say(pid)
        sys.stdin.readline()  # until then the id is the worker's, even if it has ended
        _, status, used = os.wait4(pid, 0)
        say(os.waitstatus_to_exitcode(status), used.ru_maxrss)


def say(*numbers: int) -> None:
    sys.stdout.write(" ".join(map(str, numbers)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    django.setup()
    serve()
