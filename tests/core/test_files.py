"""Laws of files on their way: the digests, the names, and which are carried."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.files import (
    Digests,
    File,
    FileRules,
    Passing,
    exact_size,
    parse_size,
    safe_name,
    safe_type,
    shown,
)
from sync.errors import TransientError

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


class Dripping:
    """A source that hands out as much as it likes, never more than it is asked for."""

    def __init__(self, content: bytes, pieces: list[int]) -> None:
        self._left, self._pieces, self._turn = BytesIO(content), pieces, 0
        self.handed = 0

    def read(self, most: int) -> bytes:
        self._turn += 1
        piece = self._left.read(min(most, self._pieces[self._turn % len(self._pieces)]))
        self.handed += len(piece)
        return piece

    def close(self) -> None:
        self._left.close()


def passed(passing: Passing, asked: list[int]) -> bytes:
    found, turn = b"", 0
    while piece := passing.read(asked[turn % len(asked)]):
        found, turn = found + piece, turn + 1
    return found


@given(content=st.binary(max_size=400), pieces=sizes, asked=sizes)
def test_what_passes_is_what_came_and_its_digests_are_those_of_the_whole(
    content: bytes, pieces: list[int], asked: list[int]
) -> None:
    sealed: list[Digests] = []
    passing = Passing(Dripping(content, pieces), len(content), sealed.append, lambda: None)

    assert passed(passing, asked) == content

    (digests,) = sealed
    assert (digests.size, digests.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert digests.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()


@given(content=st.binary(min_size=1, max_size=200), pieces=sizes, most=st.integers(1, 40))
def test_the_last_bytes_pass_only_once_the_file_is_sealed(
    content: bytes, pieces: list[int], most: int
) -> None:
    def refuse(_: Digests) -> None:
        raise LookupError

    passing, out = Passing(Dripping(content, pieces), len(content), refuse, lambda: None), b""
    with suppress(LookupError):
        while piece := passing.read(most):
            out += piece

    assert len(out) < len(content)
    assert content.startswith(out)


@given(content=st.binary(max_size=100), said=st.integers(0, 120), pieces=sizes)
def test_a_file_of_another_size_than_was_said_never_passes_whole(
    content: bytes, said: int, pieces: list[int]
) -> None:
    if said == len(content):
        return
    sealed: list[Digests] = []
    with pytest.raises(TransientError):
        passed(Passing(Dripping(content, pieces), said, sealed.append, lambda: None), [7])
    assert sealed == []


@given(name=st.text(max_size=400), characters=st.integers(30, 255))
def test_a_name_is_made_harmless_fits_and_stays_as_it_is_then(name: str, characters: int) -> None:
    safe = safe_name(name, characters=characters)

    assert 0 < len(safe) <= characters
    assert len(safe.encode()) <= 255
    assert not set(safe) & set("/\\\r\n\t\0")
    assert not safe.startswith(".")
    assert safe_name(safe, characters=characters) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\temp\\report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..", "attachment"),
        ("/", "attachment"),
        ("", "attachment"),
        (".htaccess", "htaccess"),
        ("a\r\nb.txt", "ab.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\ud83d.txt", "txt"),
        ("👩\u200d🚒 feu 🔥.png", "👩\u200d🚒 feu 🔥.png"),
        ("x" * 300 + ".pdf", "x" * 96 + ".pdf"),
        ("🔥" * 90 + ".pdf", "🔥" * 62 + ".pdf"),
    ],
)
def test_names(name: str, safe: str) -> None:
    assert safe_name(name, characters=100) == safe


@pytest.mark.parametrize(
    ("told", "name", "found"),
    [
        ("image/png", "a.txt", "image/png"),
        ("Text/Plain; charset=utf-8", "a", "text/plain"),
        ("", "a.PDF", "application/pdf"),
        ("application/octet-stream", "a.png", "image/png"),
        ("image/png\r\nX-Injected: 1", "a.bin", "application/octet-stream"),
        ("nonsense", "a", "application/octet-stream"),
    ],
)
def test_types(told: str, name: str, found: str) -> None:
    assert safe_type(told, name) == found


def test_patterns_with_a_slash_are_compared_with_the_type_and_others_with_the_name() -> None:
    rules = FileRules("both", types=("image/*", "*.PDF"), excluded=("*secret*",))

    assert rules.against("a.pdf", "application/pdf", 1) == ""
    assert rules.against("a.bin", "image/png", 1) == ""
    assert "none of those" in rules.against("a.txt", "text/plain", 1)
    assert "*secret*" in rules.against("Top Secret.pdf", "application/pdf", 1)
    assert rules.against("a.pdf", "application/pdf", 26 * 1024 * 1024).startswith("It has 26 MB")


def test_rules_that_were_stored_before_files_were_carried_are_understood() -> None:
    kept = {"direction": "to_salesforce", "max_size": "10 MB", "types": "image/*, *.pdf", "except": ["*.exe"]}
    settings = {"direction": "both", "options": {"attachments": kept}}

    assert FileRules.of(settings) == FileRules("to_salesforce", 10_485_760, ("image/*", "*.pdf"), ("*.exe",))
    assert FileRules.of({"direction": "both", "options": {"attachments": {}}}) == FileRules("both")
    assert FileRules.of({"direction": "both", "options": {"attachments": True}}) is None
    assert FileRules.of({"direction": "both", "options": {}}) is None


@given(size=st.integers(1, 2 * 1024**3))
def test_a_size_that_is_written_out_is_read_as_itself(size: int) -> None:
    assert parse_size(exact_size(size)) == size


def test_one_digest_that_differs_is_enough_and_none_is_no_proof() -> None:
    file = File("1", "2", "a", "text/plain", 1, sha256="AB", md5="")
    assert file.has_content_of("ab", "cd")
    assert not file.has_content_of("ac", "cd")
    assert not file.has_content_of("", "cd")
    assert not File("1", "2", "a", "text/plain", 1, sha256="AB", md5="ce").has_content_of("ab", "cd")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (1024, "1 KB"), (1536, "1.5 KB"), (25 * 1024 * 1024, "25 MB")],
)
def test_sizes(size: int, text: str) -> None:
    assert shown(size) == text
