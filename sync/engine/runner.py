"""One run, step by step. Reading, planning, sending and recording overlap; the checkpoint moves in order.

    resume what is due or in doubt -> poll each side that is followed, page by page -> what became due meanwhile

A page: decide (pure but for look-ups) -> transaction 1 (claims, links, intents) -> send -> transaction 2 (links,
bases, events, totals, checkpoint). The next page is read while this one is decided, and decided while this one is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from sync.core.records import ChangeQuery, Cursor, Page, Side
from sync.core.window import Poll, next_watermark
from sync.engine import lease as leases
from sync.engine import tombstones
from sync.engine.acting import Acting
from sync.engine.attachments import Carrying
from sync.engine.deleting import TOMBSTONE, Policy
from sync.engine.grounds import Look
from sync.engine.naming import find_named
from sync.engine.notes import Notes
from sync.engine.paging import Paging, SliceEnded
from sync.engine.renewal import Renewal
from sync.engine.watching import Watching
from sync.errors import RunAborted, SyncError
from sync.models import Checkpoint, Run
from sync.models.base import Lane
from sync.models.link import LinkState
from sync.models.run import FROM_CHECKPOINT, RunKind

BATCHES_IN_FLIGHT = 2
REDO_PATIENCE = 4.0  # seconds a run waits at its end for records that will be due
EVERYTHING, NOW = "everything", "now"  # values of a flow's start beside a moment
LOAD_FROM = 20_000  # records to read, from which they are cut into parts
REDO_TRIES = 4  # of one record in one run


@dataclass
class Runner(Paging):
    """One run: what it reads, in which order."""

    # Asked to begin a first load in the backfill lane, inside a transaction; whether one was begun. None: read it here.
    first_load: Callable[[Run, str], bool] | None = None
    load_from: int = LOAD_FROM

    def __call__(self) -> None:
        """Do all there is to do. Raises SyncError for what stops a run, SliceEnded when the time is up."""
        try:
            self._steps()
        except (SliceEnded, RunAborted):
            self._pause()
            raise
        except BaseException:
            self._abandon()
            raise
        finally:
            self._background.shutdown(wait=True, cancel_futures=True)

    def _steps(self) -> None:
        self._go_on_with_leftovers()
        self._read()
        self._conclude()

    def _go_on_with_leftovers(self) -> None:
        self._number_leftovers()
        self._redo_all("resuming")

    def _read(self) -> None:
        if self.context.renewal is not None:
            self._read_renewed(self.context.renewal)
        elif self.run.params.get("ids"):
            self._read_named(self.run.params["ids"])
        elif self.run.kind != RunKind.RETRY:
            self._poll_sides()

    def _conclude(self) -> None:
        """What follows once everything was read."""
        if self.run.created and not self.store.dry:
            self.store.wake_children()
        self._redo_all("settling")
        if self.run.lane == Lane.LIVE:
            self._carry_entries()
            Acting(self.context, self.store, self._connectors, self._safe_point, self.sleep)()
        self._carry_files(Carrying(self.context, self.store, self._connectors, self.stopping))
        self._deciding.recovery.end()

    def _pause(self) -> None:
        """What is under way is recorded with its checkpoint, behind which the next slice goes on."""
        try:
            self._drain()
            self.store.keep_unsettled()
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """After a fault: what was sent is still recorded if its answer comes, but the checkpoint stays before the fault."""
        self._poll = None
        with suppress(SyncError):
            self._drain()

    def _carry_files(self, carrying: Carrying) -> None:
        for _ in carrying():
            self._recorded += 1
            self._safe_point()

    def _carry_entries(self, notes: type[Notes] = Notes) -> None:
        asked_for_less = self.run.kind == RunKind.RETRY or bool(self.run.params.get("ids"))
        carrying = notes(self.context, self.store, self._connectors, self._safe_point, self.stopping)
        carrying(poll=not asked_for_less)

    # Reading

    def _poll_sides(self) -> None:
        """Follow what changed on each side. A side of which nothing is followed yet is read from now on."""
        followed = self.store.has_links()
        if self.context.actions:
            Watching(self.context, self.store, self._connectors, self._safe_point, self.page_size)()
        if not followed and self.first_load is not None:
            self._hand_over(self.first_load)
        for side in self.context.reads:
            # Before anything is linked, and durably: a later slice could not tell any more when this was.
            self._begin_side(side, followed=followed)
        for side in self.context.reads:
            checkpoint = self.store.checkpoint(side)
            if not self._is_done(checkpoint):
                self._poll_side(side, checkpoint)
        for side in Side:
            if followed and self.run.lane == Lane.LIVE and not self.store.dry:
                self._follow_deletions(side)
        if followed and self.run.lane == Lane.LIVE and not self.store.dry:
            self._seek_restored(Side.SERVICENOW)

    def _hand_over(self, begin: Callable[[Run, str], bool]) -> None:
        """Leave a large table to a first load beside this lane, which from now on follows what changes.

        Where this lane reads from is committed with the load's run: whatever changes after that is seen here.
        """
        run, start = self.run, str(self.context.settings.get("start") or EVERYTHING)
        untouched = run.kind in FROM_CHECKPOINT and not run.params and not self.store.dry and start != NOW
        untouched = untouched and not self._deciding.recovery.is_on
        untouched = untouched and not any(self.context.actions.seen_on(side) for side in self.context.reads)
        checkpoints = {side: self.store.checkpoint(side) for side in self.context.reads}
        if not untouched or any(row.watermark or row.poll_started for row in checkpoints.values()):
            return
        since = Cursor(datetime.fromisoformat(start)) if start != EVERYTHING else None
        sides = [side for side in checkpoints if self.context.creates(side.other)]
        sizes = [self._connectors[side].size(self._query(side, since, True)) for side in sides]
        if sum(sizes) < self.load_from:
            return
        began = {side: self._connectors[side].server_now() for side in checkpoints}
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            if begin(run, "" if since is None else start):
                for side, now in began.items():
                    self.store.save_poll(side, Poll(now, Cursor(now - self.context.overlap), None))

    def _follow_deletions(self, side: Side) -> None:
        """Pairs whose record on `side` was deleted since the last look, brought to the end that the policy names."""
        deleting = self._deciding.deleting
        if deleting.policy(side) is Policy.IGNORE:
            return
        self._step(f"reading deletions of {side}")
        began = self._connectors[side].server_now()
        since = tombstones.followed_until(self.store, side)
        found = self._connectors[side].deleted(self.context.name(side), since=since)
        links = self.store.links(side, [deletion.id for deletion in found])
        living = {
            id: link
            for id, link in links.items()
            if link.state == LinkState.ACTIVE and link.flow_id not in self.store.neighbours
        }
        shown = self._connectors[side].read(self.context.name(side), list(living), (), "") if living else {}
        gone = {link.end(side.other): link for id, link in living.items() if id not in shown}
        if len(gone) > self._deciding.burial_limit:
            tombstones.pause(self.store, side, len(gone), self._deciding.burial_limit)
        if self.context.flow.deletions_paused:
            return
        self._deciding.vanished.update(link.end(side) for link in gone.values())
        ids = list(gone)
        for start in range(0, len(ids), self.page_size):
            missing = self._by_id(side.other, ids[start : start + self.page_size], entered=False)
            tombstones.entomb(self.store, [gone[id] for id in missing], TOMBSTONE[side])
        tombstones.follow_from(self.store, side, began - self.context.overlap)

    def _seek_restored(self, side: Side) -> None:
        """A restored record of ServiceNow has its old stamps, so that no poll meets it; Salesforce stamps one anew."""
        buried = tombstones.may_be_back(self.store, side)
        if buried is None:
            return
        if ids := [link.end(side) for link in buried]:
            self._step(f"looking for restored records of {side}")
            back = list(self._connectors[side].read(self.context.name(side), ids, (), ""))
            for start in range(0, len(back), self.page_size):
                self._by_id(side, back[start : start + self.page_size], entered=False)
        tombstones.looked_for(self.store, side, buried)

    def _begin_side(self, side: Side, *, followed: bool) -> None:
        """Settle where the first poll of a side starts, as far as that depends on the moment.

        Only then is the platform asked for its time, which costs a call where nothing was asked of it yet.
        """
        checkpoint = self.store.checkpoint(side)
        if self._is_done(checkpoint) or self._is_under_way(checkpoint):
            return
        start = self._start(checkpoint)
        looked_at = self.context.actions.seen_on(side)
        if start is None and not followed and not self.context.creates(side.other) and not looked_at:
            # What is linked from now on was read when it was linked.
            self._poll = Poll(self._connectors[side].server_now(), None, None)
            self._finish_poll(side, checkpoint)
        elif start == NOW:
            began = self._connectors[side].server_now()
            self.store.begin_poll(side, Poll(began, Cursor(began - self.context.overlap), None))

    def _is_done(self, checkpoint: Checkpoint) -> bool:
        """Whether an earlier slice of this very run has read the side to its end."""
        return checkpoint.poll_run_id == self.run.pk and checkpoint.poll_started is None

    def _is_under_way(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint is that of a reading to go on with: of a backfill, only of this very one."""
        mine = checkpoint.poll_run_id == self.run.pk
        return checkpoint.poll_started is not None and (mine or self.run.kind != RunKind.RESYNC)

    def _poll_side(self, side: Side, checkpoint: Checkpoint) -> None:
        """Read a side from its checkpoint to its end, page by page."""
        self._step(f"reading {side}")
        if self._is_under_way(checkpoint) and checkpoint.poll_started is not None:
            cursor = Cursor(checkpoint.poll_at, checkpoint.poll_id) if checkpoint.poll_at else None
            self._poll = Poll(checkpoint.poll_started, cursor, checkpoint.poll_top)
        else:
            start = self._start(checkpoint)
            cursor = Cursor(start) if isinstance(start, datetime) else None
        entered = self._only_entering()
        for page, asked_at in self._prefetched(
            self._connectors[side].changes(self._query(side, cursor, entered))
        ):
            # Server time not later than the first look, free of charge with its answer.
            self._poll = self._poll or Poll(page.read_at, cursor, None)
            self._expect(page)
            self._take(side, page, asked_at, entered=entered)
        self._drain()
        self._finish_poll(side, checkpoint)

    def _only_entering(self) -> bool:
        """A flow without links has nothing to follow, unless its actions do: only records that enter are read."""
        looks = any(self.context.actions.seen_on(side) for side in self.context.reads)
        return not self.store.has_links() and not self._deciding.recovery.is_on and not looks

    def _start(self, checkpoint: Checkpoint) -> datetime | str | None:
        """Where a poll of a side begins: at its watermark, a flow's first one at the very first row, a date, or NOW."""
        if self.run.kind == RunKind.RESYNC:
            return None
        start = self.context.settings.get("start") or EVERYTHING
        if checkpoint.watermark or start == NOW:
            return checkpoint.watermark or NOW
        return None if start == EVERYTHING else _moment(start)

    def _finish_poll(self, side: Side, checkpoint: Checkpoint) -> None:
        backfill = self.run.kind == RunKind.RESYNC
        if self._poll is not None:
            watermark = (
                None if backfill else next_watermark(self._poll, checkpoint.watermark, self.context.overlap)
            )
            self.store.finish_poll(side, self._poll, watermark)
        self._poll = None

    def _query(self, side: Side, cursor: Cursor | None, entered: bool) -> ChangeQuery:
        return ChangeQuery(
            name=self.context.name(side),
            fields=self.context.fields(side),
            number_field=self.context.number_field(side),
            scope=self.context.setting(side, "scope"),
            enter=self.context.setting(side, "enter") if entered else "",
            cursor=cursor,
            since=_moment(self.run.params.get("since")),
            until=_moment(self.run.params.get("until")),
            page_size=self.page_size,
        )

    def _prefetched(self, pages: Iterator[Page]) -> Iterator[tuple[Page, datetime]]:
        """Each page with the time when it was asked for; the next one is read while the present one is worked on."""

        def fetch() -> tuple[Page, datetime] | None:
            asked_at = self.store.now()
            page = next(pages, None)
            return (page, asked_at) if page is not None else None

        ahead = self._background.submit(fetch)
        while (fetched := ahead.result()) is not None:
            ahead = self._background.submit(fetch)
            yield fetched

    def _expect(self, page: Page) -> None:
        if page.total is not None and not self.run.read:
            self.run.expected = page.total
            self.store.save_run("expected")

    def _take(self, side: Side, page: Page, asked_at: datetime, *, entered: bool) -> None:
        self._safe_point()
        look = Look(asked_at, page.read_at)
        batch = self._begin(side, page.records, look, entered=entered, look_up=False)
        batch.cursor, batch.last, batch.advances = page.cursor, page.last, True
        self._flying.append(batch)
        if len(self._flying) >= BATCHES_IN_FLIGHT:
            self._finish(self._flying.popleft())

    def _read_named(self, names: Sequence[str]) -> None:
        """Records named by a person, by id or by number; who is not found is told."""
        left = self.store.left_to_read()
        if left is None:
            found = find_named(names, self.context, self.store, self._connectors)
            self.store.miss(found.unknown)
            left = self.store.leave_to_read(found.ids)
        for side in Side:
            while part := left[side][: self.page_size]:
                self.store.miss(self._by_id(side, part, entered=False))
                del left[side][: len(part)]
                self.store.save_run("position")

    def _read_renewed(self, renewal: Renewal) -> None:
        """Pairs at rest that the mapping now makes otherwise, as far as an earlier slice has not read them."""
        side = self.context.reads[0]
        for links, last in renewal.pages(self.context.mapping, self.page_size, self.store.renewed_until()):
            self.store.miss(self._by_id(side, [link.end(side) for link in links], entered=False))
            self.store.renew_from(last)

    def _by_id(
        self,
        side: Side,
        ids: Sequence[str],
        *,
        entered: bool,
        asked: Sequence[str] = (),
        turned: bool = False,
    ) -> list[str]:
        """Read these records afresh and bring them to rest; returns those that are not shown.

        A pair whose record is not shown on `side` is looked at from its other end, once.
        """
        self._safe_point()
        connector = self._connectors[side]
        look = Look(self.store.now(), connector.server_now())
        found = connector.read(
            self.context.name(side), ids, self.context.fields(side), self.context.number_field(side)
        )
        missing = [id for id in ids if id not in found]
        if missing and not turned:
            missing = self._from_the_other_end(side, missing)
        self.store.lost(side, missing, self.run)
        self._flying.append(
            self._begin(side, list(found.values()), look, entered=entered, look_up=True, asked=asked)
        )
        self._drain()
        return missing

    def _from_the_other_end(self, side: Side, ids: Sequence[str]) -> list[str]:
        """Those of the ids whose pair shows no record on either side, or that are no pair."""
        links = {link.end(side.other): id for id, link in self.store.links(side, ids).items()}
        unseen = self._by_id(side.other, list(links), entered=False, turned=True) if links else []
        found = set(links.values()) - {links[id] for id in unseen}
        return [id for id in ids if id not in found]

    def _redo_all(self, step: str) -> None:
        """Read and plan again what is due; at the end wait a moment for what will be due soon."""
        if self.store.dry:
            return
        tries: Counter[str] = Counter()
        most, patience = (1, 0.0) if step == "resuming" else (REDO_TRIES, REDO_PATIENCE)
        while True:
            due = [each for each in self.store.due(self.page_size) if tries[each.id] < most]
            if due:
                self._step(step)
                for side in Side:
                    ids = [each.id for each in due if each.side is side]
                    asked = [each.id for each in due if each.side is side and each.asked]
                    if ids:
                        # They entered when they were first taken; `enter` may not hold for them any more.
                        self._by_id(side, ids, entered=True, asked=asked)
                tries.update(each.id for each in due)
                continue
            soon = self.store.next_due()
            seconds = (soon - self.store.now()).total_seconds() if soon else patience + 1
            if seconds > patience:
                return
            self.sleep(max(0.0, seconds))
            patience -= max(0.01, seconds)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
