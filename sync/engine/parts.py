"""A first load in parts: how it is cut, who works on which part, and what a part's worker writes down.

A part is what a lane is to other runs: a lease, a cursor, counts. Whoever has time takes the next free one, on any host;
what a dead worker leaves is free again. The run's own row holds the sums.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F

from sync.core.partitioning import (
    SMALLEST,
    Bounds,
    Part,
    are_even,
    bounds_of,
    by_birth,
    by_prefix,
)
from sync.core.records import ChangeQuery, Reply, Side, Write
from sync.core.window import Poll
from sync.engine import lease as leases
from sync.engine.context import DEFAULT_PAGE
from sync.engine.items import Answers, Batch
from sync.engine.jobs import Jobs, Left, threshold
from sync.engine.lease import Lease
from sync.engine.paging import SliceEnded
from sync.engine.runner import Runner
from sync.engine.store import Store, poll_columns
from sync.models import BulkJob, Checkpoint, Partition, Run, Worker
from sync.models.partition import PartitionState
from sync.models.run import RunStatus

WORKER_SEEN = timedelta(seconds=30)
BULK_PAGE = 10_000  # records of a page whose creates go by a job
MOST_KEYS = 100_000  # that a part keeps in memory
LOOK_UP = 20.0  # seconds after which a worker that awaits a job renews its lease
T = TypeVar("T")
LOADING = "loading in parts"  # step of the run meanwhile


class Cut(Exception):
    """The run was cut into parts, which are worked on next."""


# Who works on what


def left(run: Run) -> bool:
    """Whether a part of the run is not done."""
    return run.partitions.filter(state=PartitionState.OPEN).exists()


def is_attended(run: Run, now: datetime) -> bool:
    """Whether no worker could take anything of the run: each open part of the side under way is held."""
    under_way = _under_way(run)
    return bool(under_way) and all(leases.is_held(part, now) for part in under_way)


def nobody_works(run: Run, now: datetime) -> bool:
    return not any(leases.is_held(part, now) for part in run.partitions.exclude(token=""))


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run in parts is. `rate`: records a second of all who work on it now, or of one where nobody does."""

    done: int
    parts: int
    at_work: int
    rate: float
    jobs: int  # bulk jobs under way, and the records they hold
    job_records: int


def standing(run: Run, now: datetime) -> Standing | None:
    """None of a run that one worker reads alone.

    The rate is that of the time that was worked: a night in which the run was paused makes it no slower.
    """
    if not run.parts:
        return None
    rows = list(run.partitions.all())
    worked, at_work = sum(part.worked for part in rows), sum(leases.is_held(part, now) for part in rows)
    read = sum(part.count("read") for part in rows)
    jobs = BulkJob.objects.filter(partition__run=run, closed_at=None).values_list("records", flat=True)
    return Standing(
        done=sum(part.state == PartitionState.DONE for part in rows),
        parts=len(rows),
        at_work=at_work,
        rate=read / worked * max(1, at_work) if worked else 0.0,
        jobs=len(jobs),
        job_records=sum(jobs),
    )


def claim(run: Run, now: datetime, *, queued: bool) -> tuple[Partition, Lease] | None:
    """Take the next free part; None if there is none. `queued`: one process of each worker is left to the live lane."""
    if queued and _at_work(run, now) >= _allowed(now):
        return None
    for part in _under_way(run):
        if leases.is_held(part, now):
            continue
        lease = leases.take_part(run.flow_id, run.lane, part, now)
        if lease is not None:
            part.refresh_from_db()
            if part.state == PartitionState.OPEN:
                return part, lease
            leases.release(lease)  # its holder had just ended it
    return None


def _under_way(run: Run) -> list[Partition]:
    """The open parts of the side that is read now: the other side's follow once those are done."""
    parts = list(run.partitions.filter(state=PartitionState.OPEN).order_by("number"))
    return [part for part in parts if part.side == parts[0].side]


def _at_work(run: Run, now: datetime) -> int:
    return sum(leases.is_held(part, now) for part in run.partitions.exclude(token=""))


def _allowed(now: datetime) -> float:
    workers = Worker.objects.filter(seen_at__gt=now - WORKER_SEEN).count()
    if not workers:
        return float("inf")  # processes of another kind, who count themselves
    return max(1, workers * (int(settings.Q_CLUSTER["workers"]) - 1))


# Cutting


@dataclass
class Load(Runner):
    """A resync of a whole flow or a span: cut into parts if it is large, and brought to its end once they are done."""

    def _go_on_with_leftovers(self) -> None:
        if not self.run.parts:
            super()._go_on_with_leftovers()

    def _read(self) -> None:
        if self.run.parts:
            gather(self.store)
        elif parts := self._cut():
            self._store_parts(parts)
            raise Cut
        else:
            super()._read()

    def _cut(self) -> list[Partition]:
        """The parts of all sides to read; none if one worker can read them as they are, or has begun to."""
        followed = self.store.has_links() and not self.run.params.get("first")
        sides = [side for side in self.context.reads if followed or self.context.creates(side.other)]
        checkpoints = [self.store.checkpoint(side) for side in sides]
        if self.store.dry or any(self._is_done(each) or self._is_under_way(each) for each in checkpoints):
            return []
        queries = {side: self._query(side, None, not followed) for side in sides}
        totals = {side: self._connectors[side].size(query) for side, query in queries.items()}
        if sum(totals.values()) < self.load_from:
            return []
        self._step("counting")
        return [
            Partition(
                run=self.run, number=number, side=side, bounds=part.bounds.kept(), entered=not followed,
                expected=part.records,
            )
            for number, (side, part) in enumerate(self._parts(queries, totals))
        ]  # fmt: skip

    def _parts(
        self, queries: Mapping[Side, ChangeQuery], totals: Mapping[Side, int]
    ) -> Iterable[tuple[Side, Part]]:
        for side, query in queries.items():
            for part in self._parts_of(side, query, totals[side]):
                yield side, part

    def _parts_of(self, side: Side, query: ChangeQuery, total: int) -> Sequence[Part]:
        """By id where ids are hexadecimal and spread, else by date of birth."""
        connector = self._connectors[side]

        def count(bounds: Bounds) -> int:
            return connector.size(bounded(query, bounds))

        smallest = min(SMALLEST, self.load_from // 4)
        if total <= smallest:
            return [Part(Bounds(), total)]
        if side is Side.SERVICENOW:
            parts = [Part(bounds, count(bounds)) for bounds in by_prefix(total)]
            sizes = [part.records for part in parts]
            if any(sizes) and are_even(sizes):
                return parts
        return by_birth(total, connector.server_now(), count, smallest)

    def _store_parts(self, parts: Sequence[Partition]) -> None:
        run = self.run
        run.parts, run.expected, run.step = len(parts), sum(part.expected for part in parts), LOADING
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            Partition.objects.bulk_create(parts)
            self.store.calls.save()
            run.calls_servicenow = self.store.calls.counts[Side.SERVICENOW]
            run.calls_salesforce = self.store.calls.counts[Side.SALESFORCE]
            self.store.save_run("parts", "expected", "step", "calls_servicenow", "calls_salesforce")


def gather(store: Store) -> None:
    """What the parts leave to the run's end: records to be counted anew, and sums that no column holds."""
    run = store.run
    if (run.position or {}).get("gathered"):
        return
    directions: dict[str, dict[str, int]] = {}
    phases: dict[str, float] = {}
    for part in run.partitions.order_by("number"):
        for name, counts in part.directions.items():
            sums = directions.setdefault(name, dict.fromkeys(Run.COUNTS, 0))
            for column, count in counts.items():
                sums[column] += count
        for phase, seconds in part.phases.items():
            phases[phase] = round(phases.get(phase, 0) + seconds, 3)
        for record, (to, outcome) in ((part.position or {}).get("unsettled") or {}).items():
            store.unsettled.setdefault(record, (Side(to), outcome))
    run.position = {**(run.position or {}), "gathered": True}
    run.directions, run.phases = directions, phases
    with transaction.atomic():
        store.keep_unsettled()
        store.save_run("directions", "phases")


def bounded(query: ChangeQuery, bounds: Bounds) -> ChangeQuery:
    return replace(
        query, id_from=bounds.id_from, id_before=bounds.id_before,
        born_from=bounds.born_from, born_before=bounds.born_before,
    )  # fmt: skip


# Working


def share_of(run: Run, part: Partition) -> Run:
    """The run as the worker of a part counts it: with the part's own counts."""
    share = copy.copy(run)
    for name in Run.COUNTS:
        setattr(share, name, part.count(name))
    share.expected, share.position = part.expected, part.position
    share.directions, share.phases = part.directions, part.phases
    return share


@dataclass(kw_only=True)
class PartStore(Store):
    """What the worker of a part writes, under the part's lease. `run` is its share of the run."""

    part: Partition
    _counted: dict[str, int] = field(default_factory=dict)  # of what the rows hold
    _calls: dict[Side, int] = field(default_factory=dict)
    _saved_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._counted = {name: self.part.count(name) for name in Run.COUNTS}
        self._calls = dict(self.calls.counts)

    def goes_on(self) -> bool:
        """Whether the run is neither deferred nor ended meanwhile, nor its flow paused."""
        return Run.objects.filter(
            pk=self.run.pk, status=RunStatus.RUNNING, flow__enabled=True, flow__paused_reason=""
        ).exists()

    def checkpoint(self, side: Side, stream: str = "") -> Checkpoint:
        row = Checkpoint(flow=self.context.flow, lane=self.run.lane, side=side, **self.part.poll())
        row.poll_run_id = self.run.pk if row.poll_started else None
        return row

    def save_poll(self, side: Side, poll: Poll | None, **more: object) -> None:
        columns = poll_columns(poll, self.run) | more
        del columns["poll_run_id"]
        Partition.objects.filter(pk=self.part.pk).update(**columns)

    def finish_poll(self, side: Side, poll: Poll, watermark: datetime | None) -> None:
        with transaction.atomic():
            leases.renew(self.lease, self.now())
            self.save_run()
            self.save_poll(side, None)
            Partition.objects.filter(pk=self.part.pk).update(state=PartitionState.DONE)

    def save_run(self, *names: str) -> None:
        """What the part counts, and as much more of the run as was counted since. What a part has no words for is left.

        The run's row comes last in a page's transaction: others wait for it.
        """
        if names and not {*names} - {"step", "expected"}:
            return
        run, now = self.run, time.monotonic()
        counts = {name: getattr(run, name) for name in Run.COUNTS}
        more = {name: count - self._counted[name] for name, count in counts.items()}
        made = {side: count - self._calls[side] for side, count in self.calls.counts.items()}
        Partition.objects.filter(pk=self.part.pk).update(
            counts=counts, directions=run.directions, phases=run.phases, position=run.position,
            worked=F("worked") + now - self._saved_at,
        )  # fmt: skip
        more |= {f"calls_{side}": count for side, count in made.items()}
        changes: dict[str, Any] = {name: F(name) + count for name, count in more.items() if count}
        Run.objects.filter(pk=run.pk).update(progress_at=self.now(), **changes)
        self._counted, self._saved_at = counts, now
        self._calls = {side: self._calls[side] + count for side, count in made.items()}


@dataclass(kw_only=True)
class PartRunner(Runner):
    """Reads one part from its cursor to its end."""

    part: Partition
    _jobs: Jobs | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        to = Side(self.part.side).other
        keyed = self.context.creates(to) and self.context.repeats_are_harmless(to)
        inserts = self._connectors[to].inserts(self.context.name(to), self._key_name(to)) if keyed else None
        least = threshold(self.context.settings["options"].get("bulk"))
        if inserts is None:
            return
        self._jobs = Jobs(self.part, self.store, inserts, least, self.stopping, self.deadline, self.sleep)
        if least is not None and self.page_size == DEFAULT_PAGE:
            self.page_size = BULK_PAGE

    def _steps(self) -> None:
        side = Side(self.part.side)
        if self._jobs is not None and (left_jobs := self._jobs.left()):
            made = self._awaiting(self._background.submit(self._jobs.made_by, left_jobs))
            self._jobs.close(left_jobs)
            self._deciding.existing.update(made)
        self._deciding.existing.update(self._existing(side.other))
        self._poll_side(side, self.store.checkpoint(side))

    def _key_name(self, to: Side) -> str:
        return self.context.key_of(to, "")[0]

    def _existing(self, to: Side) -> dict[str, str]:
        """What exists on the other side already, read once in pages: looked up page by page it takes four times the calls.

        Only where nothing was linked when the load began, and where the other side's key is the id that the part is
        bounded by.
        """
        bounds = bounds_of(self.part.bounds)
        by_id = to is Side.SALESFORCE and not (bounds.born_from or bounds.born_before)
        if not (self.part.entered and by_id and self.context.creates(to)):
            return {}
        first, end = self.context.keys.bounds(bounds.id_from, bounds.id_before)
        keys = self._connectors[to].keys(self.context.name(to), self._key_name(to), first, end)
        return dict(islice(keys, MOST_KEYS))

    # Jobs

    def _sender(self, batch: Batch, writes: dict[Side, list[Write]]) -> Callable[..., Answers]:
        to = Side(self.part.side).other
        chosen = self._jobs.chosen(writes[to]) if self._jobs is not None else []
        opened = self._jobs.open(chosen) if self._jobs is not None and chosen else []
        if not opened:
            return self._send
        batch.jobs = [job.row for job in opened]
        taken = {write.ref for job in opened for write in job.writes}
        rest = {side: [w for w in planned if w.ref not in taken] for side, planned in writes.items()}

        def send(_: dict[Side, list[Write]], at: datetime) -> Answers:
            assert self._jobs is not None
            answers = self._send(rest, at)
            for job in opened:
                results = {result.ref: result for result in self._jobs.run(job, self._key_name(to))}
                answers.results.update(results)
                born = [result.id for result in results.values() if result.reply is Reply.DONE]
                answers.numbers.update(self._numbers_of(to, born))
            return answers

        return send

    def _finish(self, batch: Batch) -> None:
        try:
            if batch.answers is not None and batch.jobs:
                self._awaiting(batch.answers)
            super()._finish(batch)
        except Left:
            # The page is read again once its job is over, and so are those behind it.
            self._flying.clear()
            raise

    def _abandon(self) -> None:
        if self._jobs is not None:
            self._jobs.leaving = True
        with suppress(SliceEnded):
            super()._abandon()

    def _awaiting(self, future: Future[T]) -> T:
        """What comes of it, however long that takes; the lease is renewed meanwhile, and the run looked after."""
        assert isinstance(self.store, PartStore)
        while True:
            done, _ = wait([future], timeout=LOOK_UP)
            if done:
                return future.result()
            with transaction.atomic():
                leases.renew(self.store.lease, self.store.now())
            if self._jobs is not None and (self.store.cancelled() or not self.store.goes_on()):
                self._jobs.leaving = True

    def _query(self, side: Side, cursor: Any, entered: bool) -> ChangeQuery:
        return bounded(super()._query(side, cursor, entered), bounds_of(self.part.bounds))

    def _only_entering(self) -> bool:
        return self.part.entered

    def _safe_point(self) -> None:
        super()._safe_point()
        assert isinstance(self.store, PartStore)
        if not self.store.goes_on():
            raise SliceEnded
