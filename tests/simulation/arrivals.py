"""What must hold of comments, work notes and files once all is quiet. Each answer is a sentence that says what is not so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sync.core import notes
from sync.core.files import FileRules
from sync.core.notes import PUBLIC
from sync.core.records import Side
from sync.models import Attachment, JournalEntry, RecordLink
from tests.simulation.talk import Said, Shown

if TYPE_CHECKING:
    from tests.simulation.play import Play


def ask(play: Play) -> list[str]:
    return [*_ours(play), *_arrived(play), *_files(play), *_at_rest(play)]


def _ours(play: Play) -> Iterator[str]:
    """Whatever nobody has said is ours: made from something somebody has said on the pair's other record, once."""
    said = {(each.side, each.id): each for each in play.talk.said}
    times: Counter[tuple[Side, str, int]] = Counter()
    for side in Side:
        for entry in play.talk.shown(side):
            if (side, entry.id) in said:
                continue
            mark = next(notes.marks_in(entry.text), None)
            origin = said.get((side.other, mark.source)) if mark else None
            if mark is None or origin is None:
                yield f"{entry.text[:60]!r} on {entry.parent} was said by nobody on the other side: it was mirrored back"
                continue
            times[side, mark.source, mark.part] += 1
            if not _is_a_pair(play, origin, entry, side):
                yield f"{origin.text[:20]!r} of {origin.parent} stands on {entry.parent}, which is not its counterpart"
            yield from _leaked(play, origin, entry)
    yield from (
        f"part {part} of {id} stands {number} times in {side}"
        for (side, id, part), number in times.items()
        if number > 1
    )


def _is_a_pair(play: Play, origin: Said, entry: Shown, side: Side) -> bool:
    ends = {f"{side.other}_id": origin.parent, f"{side}_id": entry.parent}
    return RecordLink.objects.filter(flow=play.setting.context.flow, **ends).exists()


def _leaked(play: Play, origin: Said, entry: Shown) -> Iterator[str]:
    if entry.place in PUBLIC and origin.place not in PUBLIC:
        yield f"{origin.text[:20]!r} was internal and stands in public"
    pairing = play.talk.exchange.sources.get(origin.place)
    way = pairing.way(origin.side) if pairing else None
    if way is None or way[1] is not entry.place:
        yield f"{origin.text[:20]!r} of {origin.place} stands in {entry.place}"


def _arrived(play: Play) -> Iterator[str]:
    """What was said on a record of a pair stands on the other one, whole."""
    parts = _parts(play)
    for said in play.talk.said:
        found = parts.get((said.side, said.id), {})
        whole = "".join(notes.body(text) for _, text in sorted(found.items()))
        if not found and not _is_to_arrive(play, said):
            continue
        if not _same(whole, said.text) and (found == {} or not _has_ended(play, said)):
            yield f"{said.text[:20]!r} of {said.parent}: {len(whole)} of {len(said.text)} characters arrived"


def _parts(play: Play) -> dict[tuple[Side, str], dict[int, str]]:
    """What we made of each entry, by its side and id. Who quotes an entry of ours has said something of their own."""
    said = {(each.side, each.id) for each in play.talk.said}
    parts: dict[tuple[Side, str], dict[int, str]] = {}
    for side in Side:
        for entry in play.talk.shown(side):
            mark = next(notes.marks_in(entry.text), None) if (side, entry.id) not in said else None
            if mark is not None:
                parts.setdefault((side.other, mark.source), {})[mark.part] = entry.text
    return parts


def _same(whole: str, said: str) -> bool:
    """But for the blanks at a part's end, which a platform may trim."""
    return "".join(whole.split()) == "".join(notes.clean(said).split())


def _is_to_arrive(play: Play, said: Said) -> bool:
    exchange = play.talk.exchange
    wanted = said.place in exchange.sources and (said.paired or exchange.before_link)
    return wanted and not _has_ended(play, said) and _is_living(play, said.side, said.parent)


def _is_living(play: Play, side: Side, id: str) -> bool:
    return RecordLink.objects.filter(
        flow=play.setting.context.flow, state="active", **{f"{side}_id": id}
    ).exists()


def _has_ended(play: Play, said: Said) -> bool:
    """Whether its pair has ended at some time: what was said meanwhile is not promised."""
    link = RecordLink.objects.filter(
        flow=play.setting.context.flow, **{f"{said.side}_id": said.parent}
    ).first()
    return link is not None and bool({link.servicenow_id, link.salesforce_id} & play.moved.keys())


def _files(play: Play) -> Iterator[str]:
    """Both records of a pair show the files that people put on either, each once, bytes and name."""
    rules = FileRules.of(play.setting.context.settings)
    assert rules is not None
    shown = {side: list(play.talk.files(side)) for side in Side}
    for link in RecordLink.objects.filter(flow=play.setting.context.flow):
        ends = {side: link.end(side) for side in Side}
        of_pair = [put for put in play.talk.put if put.parent in ends.values()]
        for side in Side:
            there = Counter((file.name, file.content) for file in shown[side] if file.parent == ends[side])
            wanted = Counter(
                (put.name, put.content) for put in of_pair if put.side is side or put.side in rules.sources
            )
            if too_many := there - wanted:
                names = ", ".join(name for name, _ in too_many)
                yield f"{ends[side]} of {side} shows {names} once more than people put it there"
            if (
                link.state == "active"
                and not set(ends.values()) & play.moved.keys()
                and (missing := wanted - there)
            ):
                names = ", ".join(name for name, _ in missing)
                yield f"{ends[side]} of {side} does not show {names}"


def _at_rest(play: Play) -> Iterator[str]:
    flow = play.setting.context.flow
    for model in (JournalEntry, Attachment):
        rows = model.objects.filter(flow=flow, link__state="active")
        left = rows.exclude(status__in=("done", "left", "skipped"))
        ended = [row for row in left if {row.link.servicenow_id, row.link.salesforce_id} & play.moved.keys()]
        yield from (
            f"{model._meta.verbose_name} {row.source_id} is still {row.status} ({row.code})"
            for row in left
            if row not in ended
        )
