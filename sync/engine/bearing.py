"""Pictures inside rich text, carried before the text that shows them is sent, each once.

No platform takes a key of ours with a file, but a name: the intent is committed before the request leaves, and what was
sent without an answer is looked for by its name, and sent again only once the platform can execute it no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from mimetypes import guess_extension

from django.db import transaction

from mappings.html import pictures, reference, with_pictures
from sync.connectors.base import Connector, PictureShelf
from sync.core.files import MEGABYTE, File, NewFile, Passing
from sync.core.records import Outcome, Side
from sync.engine import lease as leases
from sync.engine.grounds import EXECUTES_WITHIN, SEND_WITHIN
from sync.engine.items import Failure, Item, Later
from sync.engine.pictures import Pictures
from sync.engine.store import Store
from sync.errors import (
    BudgetSpentError,
    CircuitOpenError,
    OutcomeUnknownError,
    RefusedError,
    TransientError,
)
from sync.models import Picture
from sync.models.attention import WaitingReason
from sync.models.picture import PictureStatus

TRANSFORM = "html_clean"  # what a row names, alone or in a formula, whose text may show pictures
LARGEST = 10 * MEGABYTE
_GONE = "FILE_GONE"


class _Wait(Exception):
    """The text cannot be sent yet."""

    def __init__(self, why: str, delay: timedelta) -> None:
        super().__init__(why)
        self.later = Later(WaitingReason.IN_DOUBT, why, delay)


def carry(
    items: Iterable[Item],
    rows: Iterable[str],
    known: Pictures,
    connectors: Mapping[Side, Connector],
    store: Store,
) -> None:
    """Carry what the planned texts of `rows` show and let them show the copies. What cannot be sent yet waits."""
    shelf, showing = connectors[Side.SALESFORCE].pictures, frozenset(rows)
    if shelf is None or not showing:
        return
    for item in items:
        if not item.at_rest and item.to is Side.SALESFORCE:
            bearer = _Bearer(known, connectors[Side.SERVICENOW], shelf, store)
            _let_show(item, showing, bearer)
            item.notes += bearer.notes


def _let_show(item: Item, rows: frozenset[str], bearer: _Bearer) -> None:
    try:
        for at, write in enumerate(item.writes):
            if write.row in rows and isinstance(write.sent, str):
                shown = {id: bearer.shown(id) for id in pictures(write.sent)}
                item.writes[at] = write._replace(sent=with_pictures(write.sent, shown))
    except _Wait as wait:
        item.wait(wait.later, Outcome.WAITING)
    except RefusedError as error:
        item.fail(_failure(error))


@dataclass
class _Bearer:
    known: Pictures
    servicenow: Connector
    shelf: PictureShelf
    store: Store
    notes: list[str] = field(default_factory=list)

    def shown(self, source_id: str) -> str:
        """Where Salesforce shows it from now on. Raises _Wait, RefusedError, and what stops a run."""
        known = self.known(source_id)
        if known != reference(source_id):
            return known
        row, fresh = self._intend(source_id)
        name = f"servicenow-{source_id}"
        try:
            if not fresh and (found := self.shelf.named(name)):
                return self._done(row, found)
            if not fresh:
                self._refuse_early(row)
            file = next(iter(self.servicenow.files.by_id([source_id])), None)
            if why := _unfit(file):
                return self._left(row, why)
            assert file is not None
            return self._done(row, self._send(row, name, file))
        except (BudgetSpentError, CircuitOpenError):
            raise
        except OutcomeUnknownError as error:
            raise _Wait(
                f"A picture of the text was sent, and no answer came: {error.message}", _SECOND
            ) from error
        except TransientError as error:
            row.delete()  # nothing was executed: it need not be looked for
            raise _Wait(f"A picture of the text could not be carried: {error.message}", _SECOND) from error

    def _intend(self, source_id: str) -> tuple[Picture, bool]:
        with transaction.atomic():
            leases.renew(self.store.lease, self.store.now())
            flow = self.known.flow
            return Picture.objects.get_or_create(
                servicenow_connection=flow.servicenow_connection,
                salesforce_connection=flow.salesforce_connection,
                source_id=source_id,
                defaults={"at": self.store.now()},
            )

    def _refuse_early(self, row: Picture) -> None:
        """An earlier request may still take effect: a second one then would make a second file."""
        end = row.at + SEND_WITHIN + EXECUTES_WITHIN
        if (now := self.store.now()) <= end:
            raise _Wait("A picture of the text is in doubt.", max(_SECOND, end - now))
        Picture.objects.filter(pk=row.pk).update(at=now)

    def _send(self, row: Picture, name: str, file: File) -> str:
        suffix = guess_extension(file.content_type) or ""
        new = NewFile(f"{name}{suffix}", file.content_type, file.size)

        def opened() -> Passing:
            return Passing(self.servicenow.files.open(file.id), file.size, lambda digests: None, lambda: None)

        try:
            return self.shelf.add(new, opened)
        except RefusedError as error:
            if error.code == _GONE:
                return ""
            row.delete()
            raise

    def _done(self, row: Picture, target_id: str) -> str:
        if not target_id:
            return self._left(row, "it was deleted")
        row.target_id, row.address, row.status = target_id, self.shelf.address(target_id), PictureStatus.DONE
        row.save(update_fields=["target_id", "address", "status"])
        return row.address

    def _left(self, row: Picture, why: str) -> str:
        row.status = PictureStatus.LEFT
        row.save(update_fields=["status"])
        self.notes.append(f"A picture was left out: {why}.")
        return ""


_SECOND = timedelta(seconds=1)


def _unfit(file: File | None) -> str:
    """Why a file is not carried as a picture; "" if it is."""
    if file is None:
        return "there is no such file"
    if not file.content_type.startswith("image/") or "svg" in file.content_type:
        return f"it is {file.content_type}"
    return f"it is larger than {LARGEST // MEGABYTE} MB" if file.size > LARGEST else ""


def _failure(error: RefusedError) -> Failure:
    return Failure(
        error.code,
        f"A picture of the text could not be carried: {error.message}",
        rule="A text is sent once Salesforce can show its pictures.",
        advice="Let the integration users read and add the file, or take the picture out of the text, then retry.",
        to=Side.SALESFORCE,
    )
