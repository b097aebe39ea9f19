"""Creates of a first load as one job of the platform: its id is written down before its data leaves.

A job goes on without us. So whoever stops, or dies, while one is under way records nothing of its page: the part's next
worker finds the job by its id, awaits it, learns what it made, and reads the page again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from sync.connectors.base import Inserts, JobState
from sync.core.records import Operation, Refusal, Reply, Write, WriteResult
from sync.engine import lease as leases
from sync.engine.paging import SliceEnded
from sync.engine.store import Store
from sync.errors import ConfigurationError, OutcomeUnknownError, RefusedError, TransientError
from sync.models import BulkJob, Partition

# From how many creates of a page a job is less work for everybody than collections of 200: it takes 4 calls and one
# more each time it is asked after (benchmarks/README.md), a collection takes one.
WORTH = 2_000
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0  # seconds between two questions after a job
STEP = 1.0  # seconds in which a worker that was told to stop notices
LEFT_AFTER = 60.0  # seconds after its slice, a job is left to the next one
THRESHOLDS = {"auto": WORTH, "never": None, "always": 1}


def threshold(option: object) -> int | None:
    """From how many creates of a page on a flow with this `bulk` uses a job; None: never."""
    if isinstance(option, int):
        return option
    return THRESHOLDS.get(str(option or "auto"), WORTH)


class Left(SliceEnded):
    """A job is still under way, and goes on without us."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A job that is written down, and what it will be given."""

    row: BulkJob
    writes: Sequence[Write]
    file: bytes


@dataclass
class Jobs:
    """The jobs of one part. `open` and `close` write rows and belong to the caller's thread; the rest may wait anywhere."""

    part: Partition
    store: Store
    inserts: Inserts
    least: int | None
    stopping: Callable[[], bool]
    deadline: float | None  # monotonic seconds
    sleep: Callable[[float], None] = time.sleep
    leaving: bool = False  # set from outside, where the run is not to go on
    _refused: str = field(default="")  # why the platform takes no jobs of ours

    def chosen(self, writes: Sequence[Write]) -> list[Write]:
        """Those of the writes that go by a job; none where they are too few."""
        if self.least is None or self._refused:
            return []
        fit = [w for w in writes if w.operation is Operation.CREATE and self.inserts.takes(w)]
        return fit if len(fit) >= self.least else []

    def open(self, writes: Sequence[Write]) -> list[Opened]:
        """Open the jobs and write them down, before any data leaves. None if our user may use no jobs."""
        found = []
        for part, file in self.inserts.files(writes):
            try:
                job_id = self.inserts.open()
            except (ConfigurationError, RefusedError) as error:
                self._refused = error.message
                break
            row = BulkJob(partition=self.part, job_id=job_id, records=len(part), opened_at=self.store.now())
            with transaction.atomic():
                leases.renew(self.store.lease, self.store.now())
                row.save()
            found.append(Opened(row, part, file))
        return found

    def run(self, job: Opened, key_field: str) -> list[WriteResult]:
        """Send it and await its end: one result for each of its writes. Raises Left, or SyncError where it cannot be told."""
        job_id = job.row.job_id
        try:
            self.inserts.send(job_id, job.file)
        except (OutcomeUnknownError, TransientError, RefusedError):
            state = self.inserts.state(job_id)
            if state is None or not state.begun:
                raise  # nothing was executed; whoever goes on aborts it and sends the records again
        state = self._await(job_id)
        results = self.inserts.results(job_id, state)
        trouble = state.trouble or "not processed"
        if state.trouble:
            self._refused = state.trouble
        again = Refusal("BULK_UNPROCESSED", f"The bulk job left the record out: {trouble}", retry=True)
        found = []
        for write in job.writes:
            key = str(write.values[key_field])
            if key in results.created:
                found.append(WriteResult(write.ref, Reply.DONE, results.created[key], created=True))
            else:
                refusal = results.refused.get(key, again)
                found.append(WriteResult(write.ref, Reply.REFUSED, refusal=refusal))
        return found

    def _await(self, job_id: str) -> JobState:
        pause = FIRST_PAUSE
        while True:
            state = self.inserts.state(job_id)
            if state is None:
                raise TransientError(f"Salesforce knows no bulk job {job_id} any more.", code="job_gone")
            if state.over:
                return state
            waited = 0.0
            while waited < pause:
                self._leave_in_time()
                self.sleep(min(STEP, pause - waited))
                waited += STEP
            pause = min(pause * 2, LONGEST_PAUSE)

    def _leave_in_time(self) -> None:
        late = self.deadline is not None and time.monotonic() > self.deadline + LEFT_AFTER
        if self.leaving or late or self.stopping():
            raise Left

    def close(self, rows: Sequence[BulkJob]) -> None:
        """Inside the caller's transaction: nothing more is to be learnt from these."""
        now: datetime = self.store.now()
        BulkJob.objects.filter(pk__in=[row.pk for row in rows]).update(closed_at=now)

    # What an earlier worker left

    def left(self) -> list[BulkJob]:
        return list(self.part.jobs.filter(closed_at=None))

    def made_by(self, rows: Sequence[BulkJob]) -> dict[str, str]:
        """What these jobs have made, id by key, once they are over. One that never began is aborted."""
        made: dict[str, str] = {}
        for row in rows:
            state = self.inserts.state(row.job_id)
            if state is not None and not state.begun:
                self.inserts.abort(row.job_id)
            elif state is not None:
                made.update(self.inserts.results(row.job_id, self._await(row.job_id)).created)
        return made
