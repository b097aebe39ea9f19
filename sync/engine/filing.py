"""What the database keeps of files: which were found, which are on their way, and how far each side was followed.

Every change renews the lease of its run in the same transaction: a run that lost it writes nothing down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from sync.connectors.advice import file_advice
from sync.core.files import Digests, File, FileRules, shown
from sync.core.records import Operation, Outcome, Side
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.failures import NAMES
from sync.engine.store import Store
from sync.errors import RunAborted
from sync.models import Attachment, Checkpoint, DeadLetter, Event, RecordLink
from sync.models.attachment import LETTER_FIELD, UNSETTLED, WITHOUT_COPY, AttachmentStatus
from sync.models.attention import DeadLetterState
from sync.models.base import Lane, least_key, time_ordered_uuid
from sync.models.link import END, LinkState

# Each side has a checkpoint for what came to it since, and one for the links whose files were read whole.
FOLLOWED, READ_WHOLE = "attachments", "attached"
_ENDS = (
    "flow_id", "state", "servicenow_id", "servicenow_number", "salesforce_id", "salesforce_number",
)  # fmt: skip


@dataclass
class Filing:
    store: Store

    @contextmanager
    def _page(self) -> Iterator[None]:
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            yield
            self.store.calls.save()

    # How far each side was followed

    def followed_from(self, side: Side, server_now: datetime) -> datetime:
        """Where the next look begins. The first one begins now: what was there before is read with its record."""
        kept = self.store.checkpoint(side, FOLLOWED)
        if kept.watermark is None:
            self.follow_from(side, server_now - self.store.context.overlap)
            return server_now - self.store.context.overlap
        return kept.watermark

    def follow_from(self, side: Side, watermark: datetime) -> None:
        with self._page():
            kept = self.store.checkpoint(side, FOLLOWED)
            Checkpoint.objects.filter(pk=kept.pk).update(watermark=watermark, completed_at=self.store.now())

    def read_whole_up_to(self, side: Side) -> UUID:
        """The newest link whose files on `side` were read whole; links made shortly before may still appear."""
        kept = self.store.checkpoint(side, READ_WHOLE).poll_id
        return UUID(kept) if kept else UUID(int=0)

    def read_anew(self) -> None:
        """The next live run reads the files of all links whole: whatever escaped it, as on a pair that had ended."""
        with self._page():
            Checkpoint.objects.filter(flow=self.store.context.flow, lane=Lane.LIVE, stream=READ_WHOLE).update(
                poll_id=""
            )

    def links_after(self, last: UUID, most: int) -> list[RecordLink]:
        return list(self._links().filter(pk__gt=last).order_by("pk")[:most])

    def links_at(self, side: Side, ids: Iterable[str]) -> list[RecordLink]:
        found = self._links()
        unique = list(dict.fromkeys(ids))
        return [link for part in chunks(unique) for link in found.filter(**{f"{END[side]}__in": part})]

    def _links(self) -> QuerySet[RecordLink]:
        flow = self.store.context.flow
        return RecordLink.objects.filter(flow=flow, state=LinkState.ACTIVE).only(*_ENDS)

    # Files that were found

    def take(
        self,
        side: Side,
        files: Sequence[File],
        links: Sequence[RecordLink],
        rules: FileRules,
        read_whole: UUID | None = None,
    ) -> None:
        """Write down what is new; our own copies are known by their ids. `read_whole`: the last of the links."""
        at = {link.end(side): link for link in links}
        mine = {file.id + file.parent: file for file in files if file.latest and file.parent in at}
        with self._page():
            known = self.ids_of(side, [link.pk for link in links])
            fresh = [
                self._row(side, file, at[file.parent], rules)
                for file in mine.values()
                if file.id not in known.get(at[file.parent].pk, ())
            ]
            Attachment.objects.bulk_create(fresh)
            if read_whole is not None:
                self._read_whole(side, read_whole)

    def _read_whole(self, side: Side, last: UUID) -> None:
        """Not beyond the links that may still become visible: their keys name the time they were made."""
        settled = self.store.now() - self.store.context.overlap
        floor = least_key(settled)
        kept = self.store.checkpoint(side, READ_WHOLE)
        Checkpoint.objects.filter(pk=kept.pk).update(poll_id=min(last, floor).hex)

    def ids_of(self, side: Side, links: Sequence[UUID], *, paired: bool = False) -> dict[UUID, set[str]]:
        """The files of `side` that are known, by link: found there, or put there by us. `paired`: not those that have
        been found and have no copy yet."""
        known: dict[UUID, set[str]] = {}
        for part in chunks(links):
            rows = Attachment.objects.filter(link__in=part)
            if paired:
                rows = rows.exclude(side=side, status__in=WITHOUT_COPY)
            for link, where, source, target in rows.values_list("link", "side", "source_id", "target_id"):
                known.setdefault(link, set()).add(source if where == side else target)
        return known

    def _row(self, side: Side, file: File, link: RecordLink, rules: FileRules) -> Attachment:
        row = Attachment(
            id=time_ordered_uuid(self.store.now()), flow=self.store.context.flow, link=link, side=side,
            source_id=file.id, size=file.size,
            sha256=file.sha256, md5=file.md5, since=self.store.now(),
        )  # fmt: skip
        row.content = {"name": file.name, "type": file.content_type}
        return judged(row, rules)

    # Files by what is to be done

    def planned(self, sides: Collection[Side], most: int) -> list[Attachment]:
        rows = self._rows(AttachmentStatus.PLANNED).filter(side__in=sides, link__state=LinkState.ACTIVE)
        due = rows.filter(due_at=None) | rows.filter(due_at__lte=self.store.now())
        return list(due.order_by("id")[:most])

    def unsettled(self, side: Side) -> list[Attachment]:
        return list(self._rows(*UNSETTLED).filter(side=side))

    def left_by_other_rules(self, rules: FileRules, most: int) -> list[Attachment]:
        return list(self._rows(AttachmentStatus.SKIPPED).exclude(rules__in=(rules.mark, ""))[:most])

    def _rows(self, *statuses: str) -> QuerySet[Attachment]:
        rows = Attachment.objects.filter(flow=self.store.context.flow, status__in=statuses)
        return rows.select_related("link").only(
            *[field.name for field in Attachment._meta.concrete_fields], *[f"link__{name}" for name in _ENDS]
        )

    # What becomes of one

    def judge_again(self, rows: Sequence[Attachment], rules: FileRules) -> None:
        with self._page():
            for row in rows:
                judged(row, rules)
                row.since = self.store.now()
                row.save(update_fields=["status", "reason", "rules", "since"])

    def intend(self, row: Attachment) -> bool:
        """What is about to be sent, before it is; False if it is planned no more, as when its copy was just found."""
        row.status, row.at, row.sealed_at = AttachmentStatus.SENT, self.store.now(), None
        row.attempts += 1
        wanted = Attachment.objects.filter(pk=row.pk, status=AttachmentStatus.PLANNED)
        with self._page():
            return bool(wanted.update(status=row.status, at=row.at, sealed_at=None, attempts=row.attempts))

    def seal(self, row: Attachment, digests: Digests) -> None:
        """By what it will be known again, before its last bytes leave."""
        row.sha256, row.md5, row.sealed_at = digests.sha256, digests.md5, self.store.now()
        with self._page():
            row.save(update_fields=["sha256", "md5", "sealed_at"])

    def beat(self) -> None:
        """A long transfer goes on. Raises LeaseLostError, or RunAborted where a person cancelled."""
        with self._page():
            if self.store.cancelled():
                raise RunAborted("Cancelled by a person.", code="cancelled")

    def carried(self, row: Attachment, target_id: str, *, was_there: bool = False) -> None:
        """It is on the other side; `was_there`: the same bytes had been there before, under the same name."""
        row.status, row.target_id, row.due_at = AttachmentStatus.DONE, target_id, None
        row.code, row.reason, row.done_at = "", "", self.store.now()
        told = {name: value for name, value in row.told.items() if name != "message"}
        row.content = told
        there = NAMES[Side(row.side).other]
        note = f"{there} had it already" if was_there else f"carried to {there}"
        with self._page():
            row.save()
            if was_there:
                self._pair(row)
            operation, outcome = (
                (Operation.ADOPT, Outcome.ADOPTED) if was_there else (Operation.CREATE, Outcome.CREATED)
            )
            self._tell(row, operation, outcome, f"“{told['name']}” ({shown(row.size)}): {note}.")
            self._close_letter(row)

    @staticmethod
    def _pair(row: Attachment) -> None:
        """The file that was there may have been found, too: it has its copy with that."""
        found = Attachment.objects.filter(
            link=row.link_id, side=Side(row.side).other, source_id=row.target_id
        )
        found.update(
            status=AttachmentStatus.DONE, target_id=row.source_id, done_at=row.done_at, code="", reason=""
        )

    def refused(self, row: Attachment, code: str, message: str) -> None:
        """It needs a person; its record goes on."""
        known = file_advice(code)
        row.status, row.code, row.reason = AttachmentStatus.REFUSED, code[:80], known.rule[:500]
        row.content = {**row.told, "message": message}
        to = Side(row.side).other
        with self._page():
            row.save()
            self._open_letter(row, to, message)
            self._tell(row, Operation.CREATE, Outcome.FAILED, f"“{row.told['name']}”: {message}")
            self.store._count(to, "failed", 1)
            self.store.save_run("failed", "directions")

    def left_behind(self, row: Attachment, reason: str) -> None:
        row.status, row.reason, row.rules = AttachmentStatus.SKIPPED, reason[:500], ""
        with self._page():
            row.save(update_fields=["status", "reason", "rules"])

    def planned_again(self, row: Attachment, delay: timedelta | None = None) -> None:
        """Nothing of it was executed, nor will be: it is sent anew, after `delay`."""
        row.status = AttachmentStatus.PLANNED
        row.due_at = self.store.now() + delay if delay else None
        with self._page():
            row.save(update_fields=["status", "due_at"])

    def in_doubt(self, row: Attachment) -> None:
        if row.status != AttachmentStatus.IN_DOUBT:
            row.status = AttachmentStatus.IN_DOUBT
            with self._page():
                row.save(update_fields=["status"])

    def count_doubts(self) -> None:
        """Those that the run leaves in doubt at its end."""
        doubts = [row for side in Side for row in self.unsettled(side)]
        if doubts:
            with self._page():
                for row in doubts:
                    self.store._count(Side(row.side).other, "in_doubt", 1)
                self.store.save_run("in_doubt", "directions")

    # What people see

    def _tell(self, row: Attachment, operation: Operation, outcome: Outcome, note: str) -> None:
        link, store = row.link, self.store
        event = Event(
            flow_id=row.flow_id, run=store.run, revision=store.context.revision, link_id=link.pk, at=store.now(),
            side=Side(row.side).other, operation=operation, outcome=outcome, code=row.code, field_names=LETTER_FIELD,
            servicenow_id=link.servicenow_id, servicenow_number=link.servicenow_number,
            salesforce_id=link.salesforce_id, salesforce_number=link.salesforce_number,
        )  # fmt: skip
        event.detail = {"fields": [], "notes": [note]}
        event.save(force_insert=True)

    def _open_letter(self, row: Attachment, to: Side, message: str) -> None:
        """A letter of its own, kept under the file's id: what becomes of the record does not close it."""
        now, known, link = self.store.now(), file_advice(row.code), row.link
        letter = self._letters(row).first() or DeadLetter(
            flow_id=row.flow_id,
            side=to,
            record_id=row.source_id,
            field=LETTER_FIELD,
            first_at=now,
            attempts=0,
        )
        letter.run, letter.revision, letter.link = self.store.run, self.store.context.revision, link
        letter.record_number = getattr(link, f"{row.side}_number")
        letter.operation, letter.code = Operation.CREATE, row.code
        letter.rule, letter.advice = known.rule[:500], known.advice[:500]
        letter.attempts, letter.last_at = letter.attempts + 1, now
        letter.content = {
            "message": message,
            "file": row.told["name"],
            "type": row.told["type"],
            "bytes": row.size,
        }
        letter.save()

    def _close_letter(self, row: Attachment) -> None:
        self._letters(row).update(state=DeadLetterState.CLOSED, closed_at=self.store.now())

    def _letters(self, row: Attachment) -> QuerySet[DeadLetter]:
        return DeadLetter.objects.filter(
            flow=row.flow_id, side=Side(row.side).other, record_id=row.source_id, state=DeadLetterState.OPEN
        )


def judged(row: Attachment, rules: FileRules) -> Attachment:
    """Planned, or left behind with the reason."""
    row.reason = rules.against(row.told["name"], row.told["type"], row.size)[:500]
    row.status = AttachmentStatus.SKIPPED if row.reason else AttachmentStatus.PLANNED
    row.rules = rules.mark if row.reason else ""
    return row


def by_parent(files: Iterable[File]) -> Mapping[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(file.parent, []).append(file)
    return found
