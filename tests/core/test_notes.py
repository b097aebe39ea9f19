"""Laws of entries: parts that have room and lose nothing, marks that nobody else can make, and the leak guard."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core import notes
from sync.core.notes import CHANNELS, LIMIT, PUBLIC, STREAM, Exchange, Mark, Place, exchange_of
from sync.core.records import Side
from sync.errors import ConfigurationError

AT = datetime(2026, 11, 24, 1, 52, tzinfo=UTC)
SYS_ID, COMMENT_ID = "0123456789abcdef" * 2, "00a000000000001AAA"
# What people and platforms write: any code point (halves of surrogate pairs, too), flags, families, accents, line breaks.
PIECES = st.sampled_from(
    ["👩‍👩‍👧", "🇩🇪", "e\u0301", "👍🏽", "ü", "日本", "\r\n", "\n", " ", "\x00", "\ud83d", "word"]
)
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=120).map("".join)
sources = st.sampled_from([SYS_ID, COMMENT_ID]) | st.from_regex(r"[0-9A-Za-z]{18}", fullmatch=True)


def signed(source: str, part: int, key: str = "ours") -> Mark:
    mark = Mark(source, part)
    return Mark(source, part, hashlib.sha256(f"{key}{mark.message}".encode()).hexdigest()[: notes.TAG])


def verify(mark: Mark) -> bool:
    return mark == signed(mark.source, mark.part)


def head(part: int, parts: int, author: str = "Abel Tuter") -> str:
    return notes.head(author, AT, Side.SERVICENOW, signed(SYS_ID, part), parts)


@given(text=TEXTS, limit=st.integers(200, 900))
def test_every_part_has_room_and_joined_they_are_the_text(text: str, limit: int) -> None:
    parts = notes.compose(text, limit, head)

    assert all(len(part.encode()) <= limit for part in parts)
    assert all(len(part.replace("\n", "\r\n").encode()) <= limit for part in parts)
    assert "".join(map(notes.body, parts)) == notes.clean(text)


@given(text=TEXTS, limit=st.integers(200, 900))
def test_each_part_names_author_time_and_its_number_in_its_first_line(text: str, limit: int) -> None:
    parts = notes.compose(text, limit, head)

    for number, part in enumerate(parts, start=1):
        first = part.partition("\n")[0]
        assert first.startswith("Abel Tuter · 2026-11-24 01:52 UTC · ServiceNow")
        assert (f"part {number} of {len(parts)}" in first) == (len(parts) > 1)
        assert notes.genuine(part, verify) == signed(SYS_ID, number)


@given(text=TEXTS, room=st.integers(60, 300))
def test_what_is_seen_as_one_character_stays_whole(text: str, room: int) -> None:
    pieces = list(notes.split(notes.clean(text), room))

    for before, behind in zip(pieces, pieces[1:], strict=False):
        if len(before) > 20:  # a character that alone has no room may be cut
            assert not notes._joined(before[-20:] + behind[:1], 20) or all(
                notes._joined(before, at) for at in range(1, len(before))
            )
    assert all(piece.encode().decode() == piece for piece in pieces)


@pytest.mark.parametrize("limit", sorted(set(LIMIT.values())))
def test_the_longest_texts_fit_each_place(limit: int) -> None:
    for text in ("ü" * 30_000, "🇩🇪" * 9_000, "line\n" * 8_000):
        parts = notes.compose(text, limit, head)
        assert max(len(part.encode()) for part in parts) <= limit
        assert "".join(map(notes.body, parts)) == text
    assert len(notes.compose("x" * (limit - len(head(1, 1).encode()) - 3), limit, head)) == 1


def test_there_is_no_endless_splitting_where_nothing_fits() -> None:
    with pytest.raises(ValueError, match="no room"):
        list(notes.split("text", 3))


@given(source=sources, part=st.integers(1, 99_999), before=TEXTS, after=TEXTS)
def test_a_mark_is_recognised_whatever_surrounds_it(source: str, part: int, before: str, after: str) -> None:
    mark = signed(source, part)

    assert notes.genuine(f"{before}{mark}{after}", verify) == mark


@given(
    source=sources,
    part=st.integers(1, 99_999),
    other=sources,
    another=st.integers(1, 99_999),
    tag=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)
def test_nobody_makes_a_mark_of_another_entry_out_of_one_of_ours(
    source: str, part: int, other: str, another: int, tag: str
) -> None:
    seen = signed(source, part)
    forged = Mark(other, another, seen.tag)

    assert (notes.genuine(str(forged), verify) is not None) == ((other, another) == (source, part))
    assert notes.genuine(str(Mark(source, part, tag)), verify) in (None, seen)
    assert notes.genuine(str(signed(source, part, key="theirs")), verify) is None


@given(name=st.text() | st.just(str(signed(COMMENT_ID, 7))), text=TEXTS)
def test_a_name_brings_no_mark_and_no_line(name: str, text: str) -> None:
    (entry,) = notes.compose(text, 10**6, partial(head, author=name))

    assert notes.genuine(entry, verify) == signed(SYS_ID, 1)
    assert notes.body(entry) == notes.clean(text)


# The leak guard

kinds = st.sampled_from(notes.KINDS)
directions = st.sampled_from(["both", "to_salesforce", "to_servicenow"])
reasons = st.sampled_from(["", "  ", "Agreed with Acme's data protection officer"])
said = st.fixed_dictionaries(
    {"salesforce": st.sampled_from([*Place, "off", "nowhere"])},
    optional={"direction": directions, "public": st.fixed_dictionaries({"reason": reasons}) | st.none()},
)


@given(comments=said, work_notes=said, flow=directions)
def test_what_compiles_leaks_nothing_without_a_reason(
    comments: dict[str, object], work_notes: dict[str, object], flow: str
) -> None:
    try:
        exchange = exchange_of({"comments": comments, "work_notes": work_notes}, flow, "Case")
    except ConfigurationError:
        return
    for pairing in exchange.pairings:
        assert pairing.there in CHANNELS[pairing.kind]
        for side in Side:
            way = pairing.way(side)
            if way is not None and way[0] not in PUBLIC and way[1] in PUBLIC:
                assert pairing.reason.strip()


@pytest.mark.parametrize("channel", ["published_comment", "feed_public"])
@pytest.mark.parametrize("public", [None, {}, {"reason": ""}, {"reason": " "}])
def test_work_notes_do_not_become_public_untold(channel: str, public: object) -> None:
    option = {"work_notes": {"salesforce": channel, "public": public}}

    with pytest.raises(ConfigurationError, match="seen by customers") as found:
        exchange_of(option, "both", "Case")
    assert found.value.code == "leak_guard"
    ticked = {"work_notes": {"salesforce": channel, "public": {"reason": "Acme reads them anyway"}}}
    assert exchange_of(ticked, "both", "Case").pairings[0].reason


@pytest.mark.parametrize(
    ("option", "flow", "told"),
    [
        ({"comments": {"salesforce": "unpublished_comment"}}, "both", "do not go to"),
        ({"comments": {"salesforce": "published_comment", "direction": "both"}}, "to_salesforce", "wider"),
        (
            {
                "comments": {"salesforce": "published_comment"},
                "work_notes": {"salesforce": "published_comment", "public": {"reason": "Agreed"}},
            },
            "both",
            "come back",
        ),
    ],
)
def test_what_contradicts_itself_does_not_compile(option: dict[str, object], flow: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        exchange_of(option, flow, "Case")


def test_only_a_case_has_comments() -> None:
    option = {"comments": {"salesforce": "published_comment"}}
    with pytest.raises(ConfigurationError, match="Only a Case"):
        exchange_of(option, "both", "Account")
    assert exchange_of({"comments": {"salesforce": "feed_public"}}, "both", "Account").streams == (
        STREAM[Place.COMMENTS],
        STREAM[Place.FEED_PUBLIC],
    )


def test_nothing_said_carries_nothing() -> None:
    assert exchange_of(None, "both", "Case") == exchange_of({}, "both", "Case") == Exchange()
