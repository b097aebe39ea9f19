"""Sealed values open in their own place under a listed key, and nowhere else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.encryption import DecryptionError, Keyring, keyring, parse_keys
from sync.models import Connection, DeadLetter
from sync.rotation import rotate_row, sealed_columns

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = "sync_connection.secrets_sealed:1"


def listed(**keys: bytes) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())


ring = Keyring({"old": OLD})


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place(plain: bytes, place: str) -> None:
    assert ring.unseal(ring.seal(plain, place), place) == plain


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_value_moved_to_another_row_or_column_does_not_open(place: str, other: str) -> None:
    token = ring.seal(b"secret", place)

    if place != other:
        with pytest.raises(DecryptionError):
            ring.unseal(token, other)


@settings(max_examples=300)
@given(st.integers(0, 60), st.integers(1, 255))
def test_a_value_with_one_altered_byte_does_not_open(place: int, mask: int) -> None:
    token = bytearray(ring.seal(b"a secret of some length", PLACE))
    token[place % len(token)] ^= mask

    with pytest.raises(DecryptionError):
        ring.unseal(bytes(token), PLACE)


@given(st.sampled_from(["k", "old", "a" * 31]), st.integers(0, 100))
@example("a" * 31, 36)  # a nonce of three bytes
def test_a_value_cut_short_does_not_open(name: str, kept: int) -> None:
    made = Keyring({name: OLD})
    token = made.seal(b"a secret of some length", PLACE)

    with pytest.raises(DecryptionError):
        made.unseal(token[: kept % len(token)], PLACE)


@given(st.binary(max_size=80))
def test_bytes_from_elsewhere_do_not_open(token: bytes) -> None:
    with pytest.raises(DecryptionError):
        ring.unseal(token, PLACE)


def test_the_same_value_is_never_sealed_alike() -> None:
    assert ring.seal(b"secret", PLACE) != ring.seal(b"secret", PLACE)


def test_a_missing_key_is_named() -> None:
    token = ring.seal(b"secret", PLACE)

    with pytest.raises(DecryptionError, match="key 'old', which ENCRYPTION_KEYS does not list"):
        Keyring({"new": NEW}).unseal(token, PLACE)


def test_another_key_of_the_same_name_does_not_open_and_shows_no_row() -> None:
    token = ring.seal(b"secret", PLACE)

    with pytest.raises(
        DecryptionError, match=r"'old' does not open this value of sync_connection\.secrets_sealed:"
    ):
        Keyring({"old": NEW}).unseal(token, PLACE)


def test_a_listed_key_opens_wherever_it_stands_and_the_first_seals() -> None:
    both = Keyring({"new": NEW, "old": OLD})

    assert both.unseal(ring.seal(b"secret", PLACE), PLACE) == b"secret"
    assert both.key_id(both.seal(b"secret", PLACE)) == "new"


@pytest.mark.parametrize("name", ["k", "2026-11", "a" * 31])
def test_a_key_of_any_allowed_name_opens_what_it_sealed(name: str) -> None:
    made = Keyring(parse_keys(listed(**{name: OLD})))

    assert made.unseal(made.seal(b"secret", PLACE), PLACE) == b"secret"


HALF = base64.b64encode(b"h" * 16).decode()


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (f"first:{HALF}", 1),
        (f"{listed(first=OLD)},second:{HALF}", 2),
        (f"{listed(first=OLD)},:{HALF}", 2),
        (HALF, 1),
        ("first:not base64 at all!", 1),
        (listed(**{"a" * 32: OLD}), 1),
        (listed(schlüssel=OLD), 1),
        (listed(first=OLD) + "," + listed(first=NEW), 2),
    ],
)
def test_a_wrong_entry_is_named_by_its_place_and_its_bytes_stay_hidden(text: str, entry: int) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"entry {entry} ") as raised:
        parse_keys(text)

    for shown in (str(raised.value), repr(raised.value)):
        assert not any(part and part in shown for entry in text.split(",") for part in entry.split(":")[1:])
        assert HALF not in shown


@pytest.mark.parametrize("text", ["", " ", ",,"])
def test_no_key_at_all_says_how_to_get_one(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="make setup"):
        parse_keys(text)


def test_a_keyring_shows_no_bytes() -> None:
    assert "o" * 32 not in repr(ring) + str(ring)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters() | st.sampled_from("\ud83d\ude00\x00🖨")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json_values)
def test_a_column_gives_back_what_was_assigned(value: Any) -> None:
    """Lone surrogates included: what a platform sent is kept as it came."""
    letter = DeadLetter(content=value)

    assert letter.content == value
    assert (letter.content_sealed is None) == (value is None)


def test_a_sealed_column_copied_to_another_row_does_not_open() -> None:
    mine, other = DeadLetter(content={"value": "Alice"}), DeadLetter()
    other.content_sealed = mine.content_sealed

    with pytest.raises(DecryptionError):
        _ = other.content


def test_a_sealed_column_does_not_show_its_value() -> None:
    connection = Connection(name="acme", secrets={"password": "hunter2"})

    assert b"hunter2" not in connection.secrets_sealed
    assert "hunter2" not in repr(connection) + str(vars(connection))


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "column"), [(model, sealed) for model, sealed in sealed_columns()])
def test_every_sealed_column_of_a_row_is_bound_to_it(model: Any, column: Any) -> None:
    row, other = model(), model()
    column.__set__(row, {"of": "Alice"})
    assert column.__get__(row) == {"of": "Alice"}

    setattr(other, column.column, getattr(row, column.column))
    with pytest.raises(DecryptionError):
        column.__get__(other)


@pytest.mark.django_db
def test_rotation_seals_anew_under_the_first_key_and_leaves_newer_values_alone(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = listed(old=OLD)
    connection = Connection.objects.create(name="acme", system="servicenow", secrets={"password": "hunter2"})
    stale = Connection.objects.get()
    settings.ENCRYPTION_KEYS = listed(new=NEW, old=OLD)
    sealed = next(sealed for model, sealed in sealed_columns() if model is Connection)

    assert rotate_row(Connection.objects.get(), sealed) == 1
    assert rotate_row(Connection.objects.get(), sealed) == 0
    connection.secrets = {"password": "newer"}
    connection.save()
    assert rotate_row(stale, sealed) == 0

    settings.ENCRYPTION_KEYS = listed(new=NEW)
    assert Connection.objects.get().secrets == {"password": "newer"}
    assert keyring().key_id(Connection.objects.get().secrets_sealed) == "new"


def test_signatures_of_different_purposes_or_keys_differ() -> None:
    both = Keyring({"new": NEW, "old": OLD})

    assert (
        len({both.mac("a", b"x"), both.mac("b", b"x"), both.mac("a", b"y"), both.mac("a", b"x", "old")}) == 4
    )
    assert both.mac("a", b"x", "old") == ring.mac("a", b"x")
