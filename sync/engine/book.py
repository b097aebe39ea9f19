"""What a reconciliation writes down, page by page, under its run's lease: sightings, suspects, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from sync.core.reconciling import DIFFERENCES, Counts, Finding, Span
from sync.core.records import Cursor, Side
from sync.engine import bulk
from sync.engine import lease as leases
from sync.engine.bulk import chunks
from sync.engine.store import Store
from sync.models import Checkpoint, Reconciliation, RecordLink, Run, Sighting, Suspect
from sync.models.base import Lane
from sync.models.link import END, LinkState
from sync.models.reconciliation import UNCHECKED, ReconciliationState

KEPT = 14  # reconciliations of a flow whose findings are kept; the statements stay
# Both ends are shown: the pair is one, whatever else is found of it.
_PAIRED = (Finding.UNEQUAL, Finding.CONFLICT, Finding.FAILED, Finding.IN_FLIGHT)


# Columns of a link: its versions are many stamps, and nothing is asked of them here.
_COMPARED = (
    "flow_id", "state", "born_in", "servicenow_id", "servicenow_number", "salesforce_id", "salesforce_number",
    "base_sealed",
)  # fmt: skip


@dataclass
class Book:
    """One reconciliation's rows. Every change renews the lease of its run in the same transaction."""

    store: Store
    row: Reconciliation

    @classmethod
    def open(cls, store: Store, server_now: Callable[[Side], datetime]) -> Book:
        """The run's reconciliation, as far as it has come."""
        run = store.run
        row = Reconciliation.objects.filter(run=run).first()
        if row is None:
            began = {side: server_now(side).isoformat() for side in Side}
            with transaction.atomic():
                leases.renew(store.lease, store.now())
                row = Reconciliation.objects.create(
                    flow_id=run.flow_id, run=run, revision=run.revision, heal=run.kind == "heal", as_of=store.now(),
                    position={"began": began, "done": []},
                )  # fmt: skip
        return cls(store, row)

    @contextmanager
    def _page(self) -> Iterator[None]:
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            yield
            self.store.calls.save()

    # Where it stands

    @property
    def position(self) -> dict[str, Any]:
        assert self.row.position is not None
        position: dict[str, Any] = self.row.position
        return position

    def began(self, side: Side) -> datetime:
        """When it began, by the platform's clock."""
        return datetime.fromisoformat(self.position["began"][side])

    def is_done(self, step: str) -> bool:
        return step in self.position["done"]

    def finish(self, step: str) -> None:
        self.position["done"].append(step)
        self.position.pop("reading", None)
        self.save("position")

    def reading(self) -> tuple[int, Cursor | None]:
        """The number of the span that is being read, and how far."""
        span, at, id = self.position.get("reading") or (0, None, "")
        return span, Cursor(datetime.fromisoformat(at), id) if at else None

    def save(self, *names: str) -> None:
        with self._page():
            self.row.save(update_fields=names)

    # A page

    def links(self, side: Side, ids: Sequence[str]) -> dict[str, RecordLink]:
        """Links of these records, whichever flow made them, with what a comparison needs of them."""
        links = self.store._links().only(*_COMPARED)
        name = END[side]
        return {
            link.end(side): link for part in chunks(ids) for link in links.filter(**{f"{name}__in": part})
        }

    def record(
        self,
        side: Side,
        seen: Mapping[UUID, datetime | None],
        agreed: Iterable[UUID],
        suspects: Sequence[Suspect],
        *,
        read: int,
        span: int,
        cursor: Cursor | None,
    ) -> None:
        """Commit what a page showed: links seen in order on `side`, pairs that agree, what must be looked at again."""
        name = f"read_{side}"
        setattr(self.row, name, getattr(self.row, name) + read)
        self.position["reading"] = [
            span,
            cursor.at.isoformat() if cursor else None,
            cursor.id if cursor else "",
        ]
        with self._page():
            self.see(side, seen)
            self.agree(agreed)
            self.suspect(suspects)
            self.row.save(update_fields=[name, "position"])
            self._save_run(read)

    def _save_run(self, read: int) -> None:
        run, calls = self.store.run, self.store.calls
        run.read += read
        run.calls_servicenow, run.calls_salesforce = (
            calls.counts[Side.SERVICENOW],
            calls.counts[Side.SALESFORCE],
        )
        run.progress_at = self.store.now()
        self.store.save_run("read", "calls_servicenow", "calls_salesforce", "progress_at")

    def see(self, side: Side, seen: Mapping[UUID, datetime | None]) -> None:
        """Inside the caller's transaction."""
        columns = ("link_id", f"{side}_in", f"{side}_born")
        bulk.upsert(Sighting, columns, [(link, self.row.pk, born) for link, born in seen.items()])

    def agree(self, links: Iterable[UUID]) -> None:
        """Inside the caller's transaction."""
        columns = ("link_id", "servicenow_in", "salesforce_in")
        bulk.upsert(Sighting, columns, [(link, self.row.pk, self.row.pk) for link in links])

    def suspect(self, suspects: Sequence[Suspect]) -> None:
        """Inside the caller's transaction. A pair that is suspected already is the same suspect."""
        Suspect.objects.bulk_create(suspects, ignore_conflicts=True)

    def new_suspect(self, side: Side, **values: Any) -> Suspect:
        return Suspect(reconciliation=self.row, side=side, **values)

    def of_link(self, side: Side, link: RecordLink) -> Suspect:
        return self.new_suspect(
            side, link=link, servicenow_id=link.servicenow_id, servicenow_number=link.servicenow_number,
            salesforce_id=link.salesforce_id, salesforce_number=link.salesforce_number,
        )  # fmt: skip

    def agreed(self, links: Collection[UUID]) -> set[UUID]:
        """Which of the links this reconciliation has found to agree already."""
        mine = Sighting.objects.filter(servicenow_in=self.row.pk, salesforce_in=self.row.pk)
        return {
            pk for part in chunks(list(links)) for pk in mine.filter(pk__in=part).values_list("pk", flat=True)
        }

    # Links that were not seen

    def carry(self, before: Reconciliation, side: Side, spans: Iterable[Span]) -> None:
        """What the reconciliation before saw in these spans stands; not where the base has moved since."""
        marked = Sighting.objects.filter(link__flow=self.row.flow_id, **{f"{side}_in__gte": before.pk})
        still = Q(link__synced_at=None) | Q(link__synced_at__lt=before.as_of)
        with self._page():
            for span in spans:
                marked.filter(still, *_born_in(side, span)).update(**{f"{side}_in": self.row.pk})

    def unseen(self, after: UUID | None, limit: int) -> list[RecordLink]:
        """Active links of the flow, made before this began, of which an end was not seen in order."""
        here, there = Q(sighting__servicenow_in=self.row.pk), Q(sighting__salesforce_in=self.row.pk)
        links = RecordLink.objects.filter(
            flow=self.row.flow_id, state=LinkState.ACTIVE, created_at__lt=self.row.as_of
        )
        if after is not None:
            links = links.filter(pk__gt=after)
        return list(links.exclude(here & there).select_related("sighting").order_by("pk")[:limit])

    def is_seen(self, side: Side, link: RecordLink) -> bool:
        sighting: Sighting | None = getattr(link, "sighting", None)
        return sighting is not None and getattr(sighting, f"{side}_in") == self.row.pk

    def add(self, suspects: Sequence[Suspect]) -> None:
        with self._page():
            self.suspect(suspects)

    def inherit(self, before: Reconciliation) -> None:
        """Lone records that the reconciliation before found: the spans they lie in may not be read again."""
        self.add([
            self.new_suspect(
                Side(each.side), servicenow_id=each.servicenow_id, servicenow_number=each.servicenow_number,
                salesforce_id=each.salesforce_id, salesforce_number=each.salesforce_number,
            )
            for each in before.suspects.filter(link=None)
        ])  # fmt: skip

    # Suspects

    def unchecked(self, limit: int) -> list[Suspect]:
        return list(self.row.suspects.filter(UNCHECKED).select_related("link").order_by("pk")[:limit])

    def close(self, cleared: Sequence[Suspect], links: Iterable[UUID], found: Sequence[Suspect]) -> None:
        """Commit what was found of some suspects: those cleared are none any more, their pairs agree."""
        with self._page():
            self.agree(links)
            for part in chunks([each.pk for each in cleared]):
                Suspect.objects.filter(pk__in=part).delete()
            Suspect.objects.bulk_update(
                found,
                ["finding", "field_names", "note", "servicenow_number", "salesforce_number"],
                batch_size=100,
            )
            self.row.healed += sum(each.tried for each in cleared)
            self.row.save(update_fields=["healed"])
            self._save_run(0)

    def check_again(self, which: Q) -> None:
        """Have these suspects looked at once more."""
        with self._page():
            self.row.suspects.filter(which).update(finding="")

    def to_heal(self, limit: int) -> list[Suspect]:
        """What an ordinary plan puts right. Twins, lost ends and what has a dead letter or conflict want a person."""
        curable = Q(finding__in=(Finding.UNEQUAL, Finding.MISSING)) | Q(finding=Finding.ORPHANED, link=None)
        return list(self.row.suspects.filter(curable, tried=False).order_by("pk")[:limit])

    def link_up(self, suspects: Sequence[Suspect]) -> None:
        """Healing made pairs of lone records: from now on they are looked at as such."""
        for side in Side:
            alone = [each for each in suspects if each.tried and each.link_id is None and each.side == side]
            links = self.store.links(side, [each.end(side) for each in alone])
            for each in alone:
                each.link = links.get(each.end(side))
        Suspect.objects.bulk_update([each for each in suspects if each.tried], ["link"], batch_size=100)

    def tried(self, suspects: Sequence[Suspect]) -> None:
        with self._page():
            for part in chunks([each.pk for each in suspects]):
                Suspect.objects.filter(pk__in=part).update(tried=True)

    def live_watermark(self, side: Side, stream: str = "") -> datetime | None:
        """What the live lane has read to of a side, or of its deletions, less its overlap."""
        marks = Checkpoint.objects.filter(flow=self.row.flow_id, lane=Lane.LIVE, side=side, stream=stream)
        return marks.values_list("watermark", flat=True).first()

    def first_polled_at(self) -> datetime:
        """When the flow's first run began, by our clock; the flow's own birth where it has none on record."""
        flow = self.store.context.flow
        live = Run.objects.filter(flow=flow, lane=Lane.LIVE, started_at__isnull=False).order_by("pk")
        return live.values_list("started_at", flat=True).first() or flow.created_at

    def live_is_active(self) -> bool:
        return Run.objects.active().filter(flow=self.row.flow_id, lane=Lane.LIVE).exists()

    # The reckoning

    def last(self) -> Reconciliation | None:
        """The flow's last finished reconciliation."""
        return Reconciliation.objects.done().filter(flow=self.row.flow_id).order_by("-pk").first()

    def before(self) -> Reconciliation | None:
        """The one whose marks this one believes."""
        pk = self.position.get("before")
        return Reconciliation.objects.get(pk=pk) if pk else None

    def counts(self) -> Counts:
        mine = self.row.suspects.order_by()
        by = dict(mine.values_list("finding").annotate(Count("pk")))
        seen = Sighting.objects.filter(
            servicenow_in=self.row.pk, salesforce_in=self.row.pk, link__state=LinkState.ACTIVE
        )
        paired = seen.count() + mine.filter(finding__in=_PAIRED).exclude(link=None).count()
        lone = mine.count() - mine.filter(finding__in=_PAIRED).exclude(link=None).count()
        return Counts(
            in_scope=paired + lone, paired=paired, missing=by.get(Finding.MISSING, 0),
            orphaned=by.get(Finding.ORPHANED, 0), unequal=by.get(Finding.UNEQUAL, 0), twins=by.get(Finding.TWIN, 0),
            conflicts=by.get(Finding.CONFLICT, 0), failed=by.get(Finding.FAILED, 0),
            in_flight=by.get(Finding.IN_FLIGHT, 0), healed=self.row.healed,
        )  # fmt: skip

    def count_born(self, side: Side, span: Span) -> int:
        return Sighting.objects.filter(*_born_in(side, span), link__flow=self.row.flow_id).count()

    def births(self, side: Side, span: Span, every: int) -> list[datetime]:
        """When every so many-th of the records of a span was born, oldest first."""
        name = f"{side}_born"
        seen = Sighting.objects.filter(*_born_in(side, span), link__flow=self.row.flow_id)
        stamps = seen.order_by(name).values_list(name, flat=True)
        return [at for number, at in enumerate(stamps.iterator(2000)) if number and number % every == 0]

    def merge_claims(self) -> None:
        """A lone record that others name as their counterpart is told with each of them, not once more by itself."""
        mine = self.row.suspects.filter(link=None)
        claims = mine.exclude(servicenow_id="").exclude(salesforce_id="")
        with self._page():
            mine.filter(salesforce_id="", servicenow_id__in=claims.values("servicenow_id")).delete()
            mine.filter(servicenow_id="", salesforce_id__in=claims.values("salesforce_id")).delete()

    def finish_all(self, counts: Counts, buckets: Mapping[Side, Sequence[object]], statement: str) -> None:
        for name in Counts.__dataclass_fields__:
            setattr(self.row, name, getattr(counts, name))
        self.row.state, self.row.finished_at = ReconciliationState.DONE, self.store.now()
        self.row.position = None
        self.row.buckets = dict(buckets)
        self.row.statement = statement
        with self._page():
            self.row.save()
            self._forget_old()

    def _forget_old(self) -> None:
        old = (
            Reconciliation.objects.filter(flow=self.row.flow_id).order_by("-pk").values_list("pk", flat=True)
        )
        if oldest := old[KEPT - 1 : KEPT].first():
            Suspect.objects.filter(reconciliation__flow=self.row.flow_id, reconciliation__lt=oldest).delete()
            Reconciliation.objects.filter(flow=self.row.flow_id, pk__lt=oldest).exclude(buckets=None).update(
                buckets=None
            )


def differences_of(row: Reconciliation) -> QuerySet[Suspect]:
    """What was found, unaccounted differences first."""
    return row.suspects.annotate(told=Q(finding__in=DIFFERENCES)).order_by(F("told").desc(), "finding", "pk")


def kept_span(span: Span) -> list[str | None]:
    return [at.isoformat() if at else None for at in (span.start, span.end)]


def span_of(kept: Sequence[str | None]) -> Span:
    start, end = (datetime.fromisoformat(at) if at else None for at in kept)
    return Span(start, end)


def _born_in(side: Side, span: Span) -> list[Q]:
    found = [Q(**{f"{side}_born__isnull": False})]
    if span.start is not None:
        found.append(Q(**{f"{side}_born__gte": span.start}))
    if span.end is not None:
        found.append(Q(**{f"{side}_born__lt": span.end}))
    return found
