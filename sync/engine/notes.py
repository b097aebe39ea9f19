"""Comments and work notes: read on either side by their own stamps, and carried to the other, each once.

    settle what is in doubt -> read the past of new links -> poll each stream -> send what is planned -> settle

An entry is planned (its text sealed, committed), then its intent is committed, then it is sent, then what came of it is
committed. Neither platform takes a key with an entry, so one whose answer was lost is looked for by its mark, and repeated
only when it is not there and can be executed no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sync.connectors.base import Connector
from sync.core import notes
from sync.core.notes import COMMENT, JOURNAL, LIMIT, PUBLIC, SIDE, STREAM, Entry, Mark, Place
from sync.core.records import Operation, Reply, Side, Write, WriteResult
from sync.core.window import Poll, next_watermark
from sync.engine.context import Context
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN
from sync.engine.notebook import Came, Notebook
from sync.engine.recovery import Recovery
from sync.engine.store import Store
from sync.errors import SchemaError, SyncError
from sync.models import JournalEntry, RecordLink
from sync.models.base import time_ordered_uuid
from sync.models.entry import PAIR_ENDED, EntryStatus
from sync.models.link import LinkState

AT_ONCE = 200  # entries between two commits; a collection of Salesforce
LINKS_AT_ONCE = 150  # whose past fits one call of ServiceNow
# A look-up reads from a little before the request was sent: two clocks are never quite one.
MARGIN = timedelta(minutes=5)
# A pair that is deleted may be restored: what is said meanwhile is noted, and carried once it lives again.
MAY_SPEAK = (LinkState.ACTIVE, LinkState.DELETED_IN_SERVICENOW, LinkState.DELETED_IN_SALESFORCE)
TAKEN = "TAKEN"  # code of an entry that ServiceNow says it took, and that was not seen yet
# Refusals that say something of the flow's setting, not of the entry.
SETTING_FAULTS = frozenset({"INVALID_FIELD", "INVALID_TYPE", "INVALID_FIELD_FOR_INSERT_UPDATE"})


@dataclass
class Notes:
    context: Context
    store: Store
    connectors: Mapping[Side, Connector]
    safe_point: Callable[[], None]
    stopping: Callable[[], bool]
    book: Notebook = field(init=False)
    _recovery: Recovery = field(init=False)
    _authors: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = Notebook(self.store)
        self._recovery = Recovery(self.context, self.store, self.connectors)

    def __call__(self, *, poll: bool) -> None:
        """Bring to rest what is under way; with `poll`, find what was said since the last look."""
        exchange = self.context.exchange
        if not exchange.pairings or not self.store.has_links():
            return
        self._settle()
        if poll:
            if exchange.before_link and not self.store.dry:
                self._read_pasts()
            for stream in exchange.streams:
                self._poll(SIDE[stream], stream)
        if not self.store.dry:
            self._send_all()
            self._settle()
            self.book.count_in_doubt()

    # Finding

    def _poll(self, side: Side, stream: str) -> None:
        before = self.book.watermark(side, stream, self._ahead(side))
        wary = self.book.may_have_forgotten(side, stream)
        seen: Poll | None = None
        for page in self.connectors[side].entries(stream, before):
            self.safe_point()
            seen = seen or Poll(page.read_at, None, None)
            if page.entries:
                seen = Poll(seen.started, None, page.entries[-1].at)
                self._take_headers(side, stream, page.entries, wary=wary)
        if seen is not None:
            self.book.save_watermark(side, stream, next_watermark(seen, before, self.context.overlap))

    def _take_headers(self, side: Side, stream: str, headers: Sequence[Entry], *, wary: bool) -> None:
        """Read the texts of those entries that are not known, and that stand on a record of ours."""
        wanted = [entry for entry in headers if self._is_exchanged(entry.place)]
        links = self._spoken_on(side, {entry.parent for entry in wanted})
        since = self._since(side)
        wanted = [
            entry for entry in wanted
            if entry.parent in links and (self.context.exchange.before_link or entry.at >= since(links[entry.parent]))
        ]  # fmt: skip
        ids = [entry.id for entry in wanted]
        known = {id for id, _ in self.book.known(side, ids)} | self.book.ours(side, ids)
        fresh = [id for id in ids if id not in known]
        for start in range(0, len(fresh), AT_ONCE):
            said = self.connectors[side].entries_by(stream, ids=fresh[start : start + AT_ONCE])
            self._take(side, said, links, wary=wary)

    def _is_exchanged(self, place: Place) -> bool:
        return any(place in (pairing.kind, pairing.there) for pairing in self.context.exchange.pairings)

    def _spoken_on(self, side: Side, ids: Iterable[str]) -> dict[str, RecordLink]:
        links = self.store.links(side, list(ids))
        mine = self.context.flow.pk
        return {id: link for id, link in links.items() if link.state in MAY_SPEAK and link.flow_id == mine}

    def _since(self, side: Side) -> Callable[[RecordLink], datetime]:
        """From when on entries of a pair are carried, by the platform's clock, in its whole seconds."""
        ahead = self._ahead(side)
        in_force = self.book.in_force_since()

        def since(link: RecordLink) -> datetime:
            # A restored console makes links anew that were made before it was lost.
            made_at = min(link.created_at, self._recovery.backup_at or link.created_at)
            return (max(made_at, in_force) + ahead).replace(microsecond=0)

        return since

    def _ahead(self, side: Side) -> timedelta:
        """By how much the platform's clock is ahead of ours, within the second that its answers tell."""
        return self.connectors[side].server_now() - self.store.now()

    def _read_pasts(self) -> None:
        """What was said on the records of new links before these were made."""
        self.book.look_back()
        while links := self.book.new_links(LINKS_AT_ONCE):
            self.safe_point()
            for stream in self.context.exchange.streams:
                side = SIDE[stream]
                parents = {link.end(side): link for link in links}
                said = self.connectors[side].entries_by(stream, parents=list(parents))
                self._take(side, said, parents, wary=True)
            self.book.read_links_to(links[-1])

    def _take(
        self, side: Side, entries: Sequence[Entry], links: Mapping[str, RecordLink], *, wary: bool
    ) -> None:
        """Plan what people have said; what we have said ourselves is recognised, and noted with its row.

        `wary`: this database may have forgotten what it carried, so that is looked for before it is planned.
        """
        ids = [entry.id for entry in entries]
        known = {id for id, _ in self.book.known(side, ids)} | self.book.ours(side, ids)
        claims = self._ours(side, entries)
        said = [
            entry for entry in entries
            if entry.id not in known and entry.id not in claims and entry.text.strip() and entry.parent in links
            and entry.place in self.context.exchange.sources
        ]  # fmt: skip
        there = self._carried(side, said, links) if wary and said else {}
        self._name_authors(side, said)
        rows = [row for entry in said for row in self._planned(side, entry, links[entry.parent])]
        for row in rows:
            if (id := there.get((row.source_id, row.part))) is not None:
                row.status, row.target_id, row.text = EntryStatus.DONE, id, None
        if self.store.dry:
            self.book.tally([row for row in rows if row.status == EntryStatus.PLANNED])
        else:
            self.book.plan(
                rows, {row: id for id, row in claims.items() if row is not None and not row.target_id}
            )

    def _carried(
        self, side: Side, said: Sequence[Entry], links: Mapping[str, RecordLink]
    ) -> dict[tuple[str, int], str]:
        """Which parts of these a console that has lost its memory carried before: they stand there with their marks."""
        pairings = {self.context.exchange.sources[entry.place] for entry in said}
        streams = {STREAM[way[1]] for pairing in pairings if (way := pairing.way(side)) is not None}
        parents = {links[entry.parent].end(side.other) for entry in said}
        return self._standing(side.other, sorted(streams), sorted(parents))

    def _standing(
        self, to: Side, streams: Sequence[str], parents: Sequence[str], since: datetime | None = None
    ) -> dict[tuple[str, int], str]:
        """Entries of ours that stand on these records of `to`: what each was made from, and its id there."""
        verify = partial(self.book.verify, source=to.other)
        found: dict[tuple[str, int], str] = {}
        for stream in streams:
            for entry in self.connectors[to].entries_by(stream, parents=parents, since=since):
                mark = notes.genuine(entry.text, verify)
                if mark is not None and entry.by == (self.context.own_user(to) or entry.by):
                    found.setdefault((mark.source, mark.part), entry.id)
        return found

    def _ours(self, side: Side, entries: Sequence[Entry]) -> dict[str, JournalEntry | None]:
        """Which of these entries we have made: id -> its row, None where the row was lost.

        The first entry with a mark is ours; whoever quotes it comes later. Without a row its author must be our user.
        """
        verify = partial(self.book.verify, source=side.other)
        marked = [
            (entry, mark) for entry in entries if (mark := notes.genuine(entry.text, verify)) is not None
        ]
        rows = self.book.known(side.other, [mark.source for _, mark in marked])
        claimed: dict[tuple[str, int], str] = {}
        found: dict[str, JournalEntry | None] = {}
        for entry, mark in marked:
            key = mark.source, mark.part
            row = rows.get(key)
            if row is not None:
                if (row.target_id or claimed.setdefault(key, entry.id)) == entry.id:
                    found[entry.id] = row
            elif entry.by == (self.context.own_user(side) or entry.by):
                found[entry.id] = None
        return found

    def _planned(self, side: Side, entry: Entry, link: RecordLink) -> Iterator[JournalEntry]:
        pairing = self.context.exchange.sources.get(entry.place)
        way = pairing.way(side) if pairing else None
        if pairing is None or way is None:
            return
        target = way[1]
        author = entry.author or self._authors.get(entry.by, entry.by)
        parts = notes.compose(
            entry.text,
            LIMIT[STREAM[target]],
            lambda part, parts: notes.head(author, entry.at, side, self._marked(entry.id, part, side), parts),
        )
        for number, text in enumerate(parts, start=1):
            row = JournalEntry(
                id=time_ordered_uuid(self.store.now()), flow=self.context.flow, link=link, run=self.store.run, kind=pairing.kind.value, side=side,
                place=entry.place.value, source_id=entry.id, part=number, parts=len(parts), written_at=entry.at,
            )  # fmt: skip
            if link.state == LinkState.ACTIVE:
                row.text = text
            else:
                row.status, row.code = EntryStatus.LEFT, PAIR_ENDED
            yield row

    def _marked(self, id: str, part: int, source: Side) -> Mark:
        mark = Mark(id, part)
        return Mark(id, part, self.book.sign(mark, source))

    def _name_authors(self, side: Side, entries: Sequence[Entry]) -> None:
        """ServiceNow tells an author's user_name with an entry; people are known by their names."""
        if missing := {entry.by for entry in entries if not entry.author} - self._authors.keys():
            people = self.connectors[side].people("user", sorted(missing))
            self._authors.update({key: people[key].label if key in people else key for key in missing})

    # Sending

    def _send_all(self) -> None:
        while rows := self.book.planned(AT_ONCE):
            self.safe_point()
            ready, others = self._guarded(self._with_texts(rows))
            if others:
                self.book.record([], others)
            for side in Side:
                if mine := self._not_there_yet(side, [row for row in ready if row.side == side.other]):
                    self._send(side, mine)

    def _with_texts(self, rows: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
        """Of a pair that lives again texts are read once more; what was deleted meanwhile is left."""
        without = {(Side(row.side), STREAM[Place(row.place)]) for row in rows if row.text_sealed is None}
        for side, stream in without:
            mine = {
                (row.source_id, row.part): row for row in rows if row.text_sealed is None and row.side == side
            }
            said = self.connectors[side].entries_by(stream, ids=sorted({id for id, _ in mine}))
            self._name_authors(side, said)
            for entry in said:
                link = next(row.link for row in mine.values() if row.source_id == entry.id)
                for fresh in self._planned(side, entry, link):
                    if (row := mine.get((fresh.source_id, fresh.part))) is not None:
                        row.text = fresh.text
        silent = [row for row in rows if row.text_sealed is None]
        self.book.keep_texts(
            [row for row in rows if (Side(row.side), STREAM[Place(row.place)]) in without], silent
        )
        return [row for row in rows if row.text_sealed is not None]

    def _not_there_yet(self, to: Side, rows: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
        """Those that the console which was lost has not carried already: what it had made since the backup shows its mark."""
        since = self._recovery.since(to) if rows else None
        if since is None:
            return rows
        parents = list(dict.fromkeys(row.link.end(to) for row in rows))
        streams = list(dict.fromkeys(STREAM[Place(row.target_place)] for row in rows))
        there = self._standing(to, streams, parents, since)
        carried = {row: there[key] for row in rows if (key := (row.source_id, row.part)) in there}
        self.book.plan([], carried)
        return [row for row in rows if row not in carried]

    def _guarded(self, rows: Sequence[JournalEntry]) -> tuple[list[JournalEntry], list[Came]]:
        """Those that may go, by what the flow says now, each with its place; and what becomes of the others.

        The last look before an entry leaves: whatever was planned, and under whichever revision, an internal entry goes to
        no public place that a person has not allowed.
        """
        ready, others = [], []
        for row in rows:
            pairing = self.context.exchange.pairing(row.kind)
            way = pairing.way(Side(row.side)) if pairing else None
            if pairing is None or way is None:
                others.append(Came(row, EntryStatus.LEFT, code="SWITCHED_OFF"))
            elif row.link.state != LinkState.ACTIVE:
                others.append(Came(row, EntryStatus.LEFT, code=PAIR_ENDED))
            elif not pairing.allows(Place(row.place), way[1]):
                others.append(_withheld(row, way[1]))
            else:
                row.target_place = way[1].value
                ready.append(row)
        return ready, others

    def _send(self, to: Side, rows: Sequence[JournalEntry]) -> None:
        at = self.book.intend(rows)
        results: dict[str, WriteResult] = {}
        for name, writes in self._rounds(to, rows):
            sent = self.connectors[to].write(name, self._in_time(writes, at))
            results.update({result.ref: result for result in sent})
        done, others, fault = [], [], None
        for row in rows:
            result = results.get(str(row.pk)) or _not_sent(row)
            if result.reply is Reply.DONE:
                done.append((row, result.id))
            else:
                others.append(self._came(row, result))
                fault = fault or _fault(result)
        if to is Side.SERVICENOW:
            done, doubted = self._shown([row for row, _ in done])
            others += doubted
        self.book.record(done, others)
        if fault is not None:
            raise fault
        self.safe_point()

    def _shown(self, rows: Sequence[JournalEntry]) -> tuple[list[tuple[JournalEntry, str]], list[Came]]:
        """Which of these ServiceNow really has, each with its id: a column that our user may not write is ignored
        without a word, and the answer tells of no entry. A read may lag behind a write, so what is not there is looked
        for once more by a later run."""
        if not rows:
            return [], []
        try:
            found = self._find(JOURNAL, rows)
        except SyncError as error:
            return [], [Came(row, EntryStatus.IN_DOUBT, error.message, "in_doubt") for row in rows]
        done = [(row, found[row]) for row in rows if row in found]
        late = "ServiceNow answered that it took the entry, and does not show it yet."
        return done, [Came(row, EntryStatus.IN_DOUBT, late, TAKEN) for row in rows if row not in found]

    def _came(self, row: JournalEntry, result: WriteResult) -> Came:
        if result.reply is Reply.UNKNOWN:
            return Came(row, EntryStatus.IN_DOUBT, result.message or "No answer came.", "in_doubt")
        refusal = result.refusal
        if refusal is None:
            return Came(row, EntryStatus.PLANNED, result.message, "unsent", retry_after=result.retry_after)
        if refusal.code in SETTING_FAULTS:
            return Came(row, EntryStatus.PLANNED, refusal.message, refusal.code)
        again = refusal.retry and self.store.now() - self.book.born(row) < self.context.patience
        return Came(row, EntryStatus.PLANNED if again else EntryStatus.REFUSED, refusal.message, refusal.code)

    def _rounds(self, to: Side, rows: Sequence[JournalEntry]) -> Iterator[tuple[str, list[Write]]]:
        """Calls one after another, with writes that may go side by side: ServiceNow keeps the order of one record's
        entries only if each waits for the one before it; a collection is inserted in its order."""
        if to is Side.SALESFORCE:
            for stream in dict.fromkeys(STREAM[Place(row.target_place)] for row in rows):
                yield stream, [_write(row) for row in rows if STREAM[Place(row.target_place)] == stream]
            return
        waiting: dict[str, list[Write]] = {}
        for row in rows:
            waiting.setdefault(row.link.servicenow_id, []).append(_write(row))
        while waiting:
            yield self.context.table, [writes.pop(0) for writes in waiting.values()]
            waiting = {id: writes for id, writes in waiting.items() if writes}

    def _in_time(self, writes: Sequence[Write], at: datetime) -> Iterator[Write]:
        for write in writes:
            if self.stopping() or self.store.now() > at + SEND_WITHIN:
                return
            yield write

    # In doubt

    def _settle(self) -> None:
        """Look for what may have been executed; what is not there, and can be executed no more, is planned again."""
        by_stream: dict[str, list[JournalEntry]] = {}
        for row in [] if self.store.dry else self.book.in_doubt():
            if (place := self._sent_to(row)) is not None:
                by_stream.setdefault(STREAM[place], []).append(row)
        for stream, rows in by_stream.items():
            for start in range(0, len(rows), AT_ONCE):
                self._look_up(stream, rows[start : start + AT_ONCE])

    def _sent_to(self, row: JournalEntry) -> Place | None:
        """Where an entry was sent, or would be."""
        pairing = self.context.exchange.pairing(row.kind)
        way = pairing.way(Side(row.side)) if pairing else None
        return Place(row.target_place) if row.target_place else way[1] if way else None

    def _look_up(self, stream: str, rows: Sequence[JournalEntry]) -> None:
        looked_at = self.store.now()
        found = self._find(stream, rows)
        self.book.plan([], found)
        left = [row for row in rows if row not in found and row.status != EntryStatus.PLANNED]
        taken = [row for row in left if row.code == TAKEN]
        lost = [row for row in left if row.code != TAKEN]
        if ignored := [row for row in taken if _is_past(row, looked_at, SEND_WITHIN)]:
            self.book.record([], [_ignored(row) for row in ignored])
        if over := [row for row in lost if _is_past(row, looked_at, SEND_WITHIN + EXECUTES_WITHIN)]:
            self.book.repeat(over)

    def _find(self, stream: str, rows: Sequence[JournalEntry]) -> dict[JournalEntry, str]:
        """Those of the rows that stand in the stream, each with its id there: one look for all of them."""
        side = SIDE[stream]
        first = min(row.intent_at or self.book.born(row) for row in rows)
        parents = list(dict.fromkeys(row.link.end(side) for row in rows))
        seen = self.connectors[side].entries_by(
            stream, parents=parents, since=first + self._ahead(side) - MARGIN
        )
        claims = {row.pk: id for id, row in self._ours(side, seen).items() if row is not None}
        return {row: claims[row.pk] for row in rows if row.pk in claims}


def _write(row: JournalEntry) -> Write:
    """The request of an entry, by the place it was allowed to go to."""
    place, text = Place(row.target_place), row.text
    if STREAM[place] == JOURNAL:
        return Write(str(row.pk), Operation.UPDATE, {place.value: text}, row.link.servicenow_id)
    public = place in PUBLIC
    told = (
        {"CommentBody": text, "IsPublished": public}
        if STREAM[place] == COMMENT
        else {"Body": text, "Visibility": "AllUsers" if public else "InternalUsers"}
    )
    return Write(str(row.pk), Operation.CREATE, {"ParentId": row.link.salesforce_id, **told})


def _not_sent(row: JournalEntry) -> WriteResult:
    """It did not leave in time after its intent, or the worker was told to stop: the next intent is its own."""
    return WriteResult(str(row.pk), Reply.UNSENT, message="It did not leave in time.", retry_after=0.0)


def _is_past(row: JournalEntry, now: datetime, after: timedelta) -> bool:
    return row.intent_at is not None and now > row.intent_at + after


def _ignored(row: JournalEntry) -> Came:
    return Came(
        row, EntryStatus.REFUSED, "ServiceNow answered that it took the entry, and shows none.", "REFUSED_SILENTLY",
        rule="A column that the user may not write is ignored without a word.",
        advice="Let the integration user write the table's comments and work notes, and read sys_journal_field; then retry.",
    )  # fmt: skip


def _withheld(row: JournalEntry, target: Place) -> Came:
    return Came(
        row, EntryStatus.REFUSED, f"It is internal, and {notes.WORDS[target]} are seen by customers.", "LEAK_GUARD",
        rule="An internal entry goes to a public place only where a person has allowed it, with a reason.",
        advice="Choose an internal place for this kind on the flow's page, or tick that it may become public; then retry.",
    )  # fmt: skip


def _fault(result: WriteResult) -> SyncError | None:
    """What stops the run: the platform could not be written to at all, or not as the flow says."""
    if result.refusal is not None:
        if result.refusal.code not in SETTING_FAULTS:
            return None
        return SchemaError(
            f"Comments cannot be written as the flow says: {result.refusal.message}",
            code=result.refusal.code,
            advice="Give the integration user access to comments and posts, or choose another place for them.",
        )
    if result.reply is Reply.UNSENT:
        return result.fault
    return None
