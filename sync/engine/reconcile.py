"""Reconcile: do both sides agree? One run reads both in bulk and compares; with `heal`, the rest is brought in step.

    read either side -> links that were not seen -> look at the suspects, twice -> heal -> count and sign

A pair whose mapped values equal its base on both sides agrees: the plan would be silent. So each side is compared by
itself with the base, page by page, and nothing is kept of a record but a mark at its link. What differs is a suspect,
is read again by id at the end, and the ordinary plan is asked about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Q

from mappings.apply import canonical
from sync import statement
from sync.core.planner import unchanged
from sync.core.reconciling import Finding
from sync.core.records import ChangeQuery, Cursor, Page, Record, Side
from sync.engine.book import Book, differences_of
from sync.engine.grounds import Look
from sync.engine.judging import Judging, Verdict
from sync.engine.meeting import BIRTH
from sync.engine.runner import NOW, Runner
from sync.engine.spans import Spans, kept, moment
from sync.engine.tombstones import STREAM as DELETIONS
from sync.models import RecordLink, Suspect
from sync.models.link import LinkState
from sync.models.run import RunKind

AT_ONCE = 500  # suspects looked at together
LIVE_PATIENCE = 10.0  # seconds that the live lane is given to bring in step what is in flight
KEY_LENGTHS = {Side.SERVICENOW: 18, Side.SALESFORCE: 32}  # of the ids that a record of the side names


@dataclass
class Reconciler(Runner):
    """A run of the kinds reconcile and heal. It goes on after a crash, or in its next slice, where it stood."""

    _book: Book = field(init=False)
    _spans: Spans = field(init=False)

    def _steps(self) -> None:
        self._book = Book.open(self.store, lambda side: self._connectors[side].server_now())
        self._spans = Spans(self.context, self._book, self._connectors, self.page_size)
        for name, step in self._plan():
            if not self._book.is_done(name):
                self._step(name)
                step()
                self._book.finish(name)
        self._conclude()

    def _plan(self) -> list[tuple[str, Callable[[], None]]]:
        steps: list[tuple[str, Callable[[], None]]] = [
            ("asking what has moved", lambda: self._spans.choose(full=bool(self.run.params.get("full"))))
        ]
        for side in Side:
            steps.append((f"reading {side}", lambda side=side: self._read_side(side)))  # type: ignore[misc]
        for side in Side:
            if self.context.creates(side.other) and self.context.setting(side, "enter"):
                steps.append((f"reading what enters in {side}", lambda side=side: self._read_entering(side)))  # type: ignore[misc]
        steps += [
            ("looking for lost ends", self._suspect_unseen),
            ("looking again", self._check),
            ("giving the live lane its turn", self._await_live_lane),
            ("looking at what was in flight", self._check),
        ]
        if self.run.kind == RunKind.HEAL:
            steps += [
                ("healing", self._heal),
                ("turning to what was healed", lambda: self._book.check_again(Q(tried=True))),
                ("looking at what was healed", self._check),
            ]
        return steps

    # Reading

    def _read_side(self, side: Side) -> None:
        number, cursor = self._book.reading()
        for at, span in enumerate(self._spans.left(side)):
            if at < number:
                continue
            query = replace(
                self._query(side, cursor, entered=False), fields=self._columns(side),
                born_from=span.start, born_before=span.end,
            )  # fmt: skip
            for page, asked_at in self._prefetched(self._connectors[side].changes(query)):
                self._compare(side, page, asked_at, at)
            cursor = None
        if (before := self._book.before()) is not None:
            self._book.carry(before, side, self._spans.skipped(side))

    def _columns(self, side: Side) -> tuple[str, ...]:
        key = (self.context.key_field,) if side is Side.SALESFORCE else ()
        return tuple(dict.fromkeys([*self.context.fields(side), *key, BIRTH[side]]))

    def _compare(self, side: Side, page: Page, asked_at: datetime, span: int) -> None:
        """Which of these records equal their base; the others are suspects."""
        self._safe_point()
        self._expect(page)
        links = self._book.links(side, [record.id for record in page.records])
        suspects: list[Suspect] = []
        seen: dict[RecordLink, Record] = {}
        moved: dict[RecordLink, Record] = {}
        for record in page.records:
            link = links.get(record.id)
            suspects += self._lone(side, record, link)
            if link is not None and link.state == LinkState.ACTIVE and link.flow_id == self.context.flow.pk:
                (seen if self._equals_base(side, record, link) else moved)[link] = record
        agreed = self._agreeing(side, moved, Look(asked_at, page.read_at))
        suspects += [self._book.of_link(side, link) for link in moved if link.pk not in agreed]
        self._commit(side, page, span, seen, agreed, suspects)

    def _commit(
        self,
        side: Side,
        page: Page,
        span: int,
        seen: dict[RecordLink, Record],
        agreed: Iterable[object],
        suspects: Sequence[Suspect],
    ) -> None:
        born = {link.pk: moment(record.values.get(BIRTH[side])) for link, record in seen.items()}
        self._book.record(
            side, born, agreed, suspects, read=len(page.records), span=span, cursor=page.cursor  # type: ignore[arg-type]
        )  # fmt: skip
        self._recorded += 1
        self.progress(self.run)

    def _equals_base(self, side: Side, record: Record, link: RecordLink) -> bool:
        base = {row: (pair[0], pair[1]) for row, pair in (link.base or {}).items()}
        return unchanged(self.context.rows, record.values, base, canonical, side) and not self._lacks_key(
            side, record, link
        )

    def _lacks_key(self, side: Side, record: Record, link: RecordLink) -> bool:
        return (
            side is Side.SALESFORCE
            and link.born_in == Side.SALESFORCE
            and self.context.keeps_key_in_salesforce
            and not record.values.get(self.context.key_field)
        )

    def _agreeing(self, side: Side, moved: dict[RecordLink, Record], look: Look) -> set[object]:
        """Pairs in order although a value moved. Cases are cheap to read by id, incidents are not: those wait."""
        if side is Side.SALESFORCE or not moved:
            return set(self._book.agreed([link.pk for link in moved]))
        return set(self._judging().agreeing(side, list(moved.values()), look))

    def _lone(self, side: Side, record: Record, link: RecordLink | None) -> list[Suspect]:
        """A record without link that should have one, or one that names another counterpart than its own."""
        if side is Side.SALESFORCE and link is None and self.context.is_anothers(record.values):
            return []
        named = self.context.named_counterpart(side, record.id, record.values)
        if (
            named
            and len(named) == KEY_LENGTHS[side]
            and (link is None or self._names_another(side, named, link))
        ):
            ends = {f"{side}_id": record.id, f"{side}_number": record.number, f"{side.other}_id": named}
            return [self._book.new_suspect(side, **ends)]
        enters = self.context.creates(side.other) and not self.context.setting(side, "enter")
        if link is None and enters and not self._is_before_start(record):
            return [
                self._book.new_suspect(side, **{f"{side}_id": record.id, f"{side}_number": record.number})
            ]
        return []

    def _names_another(self, side: Side, named: str, link: RecordLink) -> bool:
        return link.state == LinkState.ACTIVE and link.end(side.other) != named

    def _is_before_start(self, record: Record) -> bool:
        since = self._since()
        return since is not None and record.version.changed_at < since

    def _since(self) -> datetime | None:
        """Since when the flow follows records; None: from the very first."""
        start = self.context.settings.get("start") or ""
        if start == NOW:
            return self._book.first_polled_at() - self.context.overlap
        return datetime.fromisoformat(start) if start[:1].isdigit() else None

    def _read_entering(self, side: Side) -> None:
        """Records that enter and have no link: their ids are enough. `enter` may depend on the day, so all are asked."""
        _, cursor = self._book.reading()
        query = replace(self._query(side, cursor, entered=True), fields=(), since=self._since())
        for page, _ in self._prefetched(self._connectors[side].changes(query)):
            self._safe_point()
            links = self.store.links(side, [record.id for record in page.records])
            suspects = [
                self._book.new_suspect(side, **{f"{side}_id": record.id, f"{side}_number": record.number})
                for record in page.records
                if record.id not in links
            ]
            self._commit(side, page, 0, {}, (), suspects)

    def _query(self, side: Side, cursor: Cursor | None, entered: bool) -> ChangeQuery:
        return replace(super()._query(side, cursor, entered), since=None, until=None)

    # Suspects

    def _suspect_unseen(self) -> None:
        """An end that was not seen has left the scope, is not visible any more, or differs: look by id."""
        after = None
        while links := self._book.unseen(after, AT_ONCE):
            self._safe_point()
            self._book.add([self._book.of_link(self._first_side(link), link) for link in links])
            after = links[-1].pk

    def _first_side(self, link: RecordLink) -> Side:
        return Side.SALESFORCE if self._book.is_seen(Side.SERVICENOW, link) else Side.SERVICENOW

    def _judging(self) -> Judging:
        young = {side: self._young(side) for side in Side}
        unburied = {side: self._young(side, DELETIONS) for side in Side}
        return Judging(
            self.context, self.store, self._connectors, self._deciding, young, unburied, self._since()
        )

    def _young(self, side: Side, stream: str = "") -> datetime:
        """What was stamped later was not there to be read by the live lane's last poll, or not when this began."""
        began = self._book.began(side)
        mark = self._book.live_watermark(side, stream) if stream or side in self.context.reads else None
        return min(mark, began) if mark is not None else began - self.context.overlap

    def _check(self) -> None:
        while suspects := self._book.unchecked(AT_ONCE):
            self._safe_point()
            self._book.link_up(suspects)
            judging = self._judging()
            for side in Side:
                here = [each for each in suspects if each.side == side]
                if here:
                    self._settle(here, judging.judge(side, here))
            self._recorded += 1
            self.progress(self.run)
        self._book.merge_claims()

    def _settle(self, suspects: Sequence[Suspect], verdicts: Sequence[Verdict]) -> None:
        cleared, links, found = [], [], []
        for each, verdict in zip(suspects, verdicts, strict=True):
            for side, number in verdict.numbers.items():
                setattr(each, f"{side}_number", number or getattr(each, f"{side}_number"))
            if verdict.finding is None:
                cleared.append(each)
                links += [verdict.link] if verdict.link is not None else []
            else:
                each.finding = verdict.finding
                each.field_names, each.note = ", ".join(verdict.fields)[:1000], verdict.note[:500]
                found.append(each)
        self._book.close(cleared, links, found)

    def _await_live_lane(self) -> None:
        """What was on its way is looked at once more, when the live lane has had the time to bring it in step."""
        flying = Q(finding=Finding.IN_FLIGHT)
        patience = LIVE_PATIENCE if self._book.row.suspects.filter(flying).exists() else 0.0
        while patience > 0 and self._book.live_is_active():
            self._safe_point()
            self.sleep(0.5)
            patience -= 0.5
        self._book.check_again(flying)

    # Healing

    def _heal(self) -> None:
        """Bring the suspects in step by the ordinary plan, which reads both sides again and writes what differs."""
        while suspects := self._book.to_heal(AT_ONCE):
            for side in Side:
                for lone in (True, False):
                    here = [
                        each
                        for each in suspects
                        if self._healing_side(each) is side and lone == (each.finding == Finding.MISSING)
                    ]
                    if here:
                        # Who carries our key, or has a link, entered when it was given that.
                        self._by_id(side, [each.end(side) for each in here], entered=not lone)
            self._book.tried(suspects)
        self._redo_all("settling")

    def _healing_side(self, suspect: Suspect) -> Side:
        """The record to begin with. In a one-way flow only the source looks for one that carries its key."""
        if suspect.finding == Finding.ORPHANED and len(self.context.reads) == 1:
            return self.context.reads[0]
        return Side(suspect.side)

    # The end

    def _conclude(self) -> None:
        self._step("counting")
        buckets = {side: [kept(bucket) for bucket in self._spans.buckets(side)] for side in Side}
        counts, row = self._book.counts(), self._book.row
        for name in counts.__dataclass_fields__:
            setattr(row, name, getattr(counts, name))
        row.run = self.run
        calls = self.store.calls.counts
        self.run.calls_servicenow, self.run.calls_salesforce = calls[Side.SERVICENOW], calls[Side.SALESFORCE]
        self._book.finish_all(counts, buckets, statement.signed(row, differences_of(row)[: statement.TOLD]))
