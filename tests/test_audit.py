"""The audit log is one chain: an edit, a gap or a lost beginning is found, and nothing of ours can change it."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from sync import audit
from sync.actor import Actor, acting_as
from sync.models import AuditEntry

pytestmark = pytest.mark.django_db


def listed(**keys: bytes) -> str:
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())


def past_the_model() -> Any:
    """As somebody with a database client would: nothing of the model's own protection is in the way."""
    return AuditEntry._base_manager


def faults() -> list[tuple[int, str]]:
    return [(fault.number, fault.text) for fault in audit.verify()]


@pytest.fixture
def entries() -> list[AuditEntry]:
    with acting_as(Actor(name="Alice", ip="192.0.2.7")):
        return [
            audit.record("flow.changed", label=f"flow {number}", after={"n": number})
            for number in range(1, 6)
        ]


def test_an_untouched_log_is_whole(entries: list[AuditEntry]) -> None:
    assert faults() == []
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]


def test_an_empty_log_is_whole() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    "edit",
    [
        {"actor_name": "Bob"}, {"ip": "192.0.2.8"}, {"ip": None}, {"action": "flow.viewed"}, {"object_label": "other"},
        {"object_type": "sync.run"}, {"object_id": "7"}, {"before": {"n": 0}}, {"after": {"n": 0}}, {"after": None},
        {"at": datetime(2001, 2, 3, tzinfo=UTC)}, {"mac": "0" * 64},
    ],
    ids=str,
)  # fmt: skip
def test_an_edited_entry_is_found(entries: list[AuditEntry], edit: dict[str, Any]) -> None:
    past_the_model().filter(number=3).update(**edit)

    assert (3, "was edited after it was written") in faults()
    assert {number for number, _ in faults()} <= {3, 4}


def test_the_newest_alone_are_checked_against_the_one_before_them(entries: list[AuditEntry]) -> None:
    def fault(count: int) -> int | None:
        found = audit.check_newest(count).fault
        return found.number if found else None

    whole, end = audit.check_newest(5), audit.check_newest(2)
    assert (whole.since, whole.until, whole.whole_log, whole.fault) == (1, 5, True, None)
    assert (end.since, end.until, end.whole_log, end.fault) == (4, 5, False, None)

    past_the_model().filter(number=2).update(actor_name="Bob")
    assert (fault(3), fault(4), fault(99)) == (None, 2, 2)
    past_the_model().filter(number=4).delete()
    assert fault(2) == 4  # the third and the fifth are left of the three: what lay between them is missing


def test_of_an_empty_log_nothing_was_checked() -> None:
    assert audit.check_newest(9) == audit.Checked(0, 0, True, None)


def test_an_entry_said_to_be_of_an_unknown_key_is_found(entries: list[AuditEntry]) -> None:
    past_the_model().filter(number=3).update(key_id="forged")

    assert faults() == [(3, "was signed under key 'forged', which ENCRYPTION_KEYS does not list")]


@pytest.mark.parametrize(
    ("lost", "said"), [((2,), "entries 2 to 2 are missing"), ((2, 3), "entries 2 to 3 are missing")]
)
def test_a_gap_is_found(entries: list[AuditEntry], lost: tuple[int, ...], said: str) -> None:
    past_the_model().filter(number__in=lost).delete()

    assert faults() == [(lost[0], said)]


def test_a_lost_beginning_is_found(entries: list[AuditEntry]) -> None:
    past_the_model().filter(number__lte=3).delete()

    assert faults() == [(1, "entries 1 to 3 are missing")]


def test_entries_moved_up_to_hide_a_gap_are_found(entries: list[AuditEntry]) -> None:
    past_the_model().filter(number=2).delete()
    for number in (3, 4, 5):
        past_the_model().filter(number=number).update(number=number - 1)

    assert (2, "was edited after it was written") in faults()


def test_an_entry_exchanged_for_another_true_one_is_found(entries: list[AuditEntry]) -> None:
    third = (
        past_the_model()
        .filter(number=3)
        .values("action", "object_label", "after", "mac", "previous_mac", "at")
        .get()
    )
    past_the_model().filter(number=4).update(**third)

    assert {number for number, _ in faults()} >= {4}


def test_a_true_entry_of_another_history_is_found(entries: list[AuditEntry]) -> None:
    """The log was cut back, went on differently, and the old end was put behind the new middle: all are signed by us."""
    past_the_model().filter(number__gte=4).delete()
    audit.record("flow.changed", label="another fourth")
    past_the_model().bulk_create([entries[4]])

    assert faults() == [(5, "does not continue the entry before it")]


def test_the_log_stays_whole_over_a_change_of_keys(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = listed(old=b"o" * 32)
    audit.record("flow.changed")
    settings.ENCRYPTION_KEYS = listed(new=b"n" * 32, old=b"o" * 32)
    audit.record("keys.rotated")

    assert faults() == []
    assert list(AuditEntry.objects.order_by("number").values_list("key_id", flat=True)) == ["old", "new"]


def test_a_key_thrown_away_is_named_and_hides_nothing_else(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = listed(old=b"o" * 32)
    audit.record("flow.changed")
    settings.ENCRYPTION_KEYS = listed(new=b"n" * 32)
    audit.record("flow.changed")

    assert faults() == [(1, "was signed under key 'old', which ENCRYPTION_KEYS does not list")]


@pytest.mark.parametrize(
    "ip",
    [
        "192.0.2.7",
        "2001:DB8:0:0:0:0:0:1",
        "::ffff:192.0.2.7",
        "0:0:0:0:0:ffff:c000:207",
        "",
        "not an address",
    ],
)
def test_an_address_in_any_spelling_is_signed_as_it_is_stored(ip: str) -> None:
    with acting_as(Actor(name="Alice", ip=ip)):
        audit.record("login.failed")

    assert faults() == []


def test_a_persons_account_may_go_and_the_log_stays_whole() -> None:
    alice = User.objects.create_user("alice")
    with acting_as(Actor(alice.pk, "alice")):
        audit.record("flow.changed")

    alice.delete()

    assert AuditEntry.objects.get().actor_name == "alice"
    assert faults() == []


def test_a_pruned_log_is_whole_and_says_up_to_where(entries: list[AuditEntry]) -> None:
    assert audit.prune(entries[-1].at) == len(entries) - 1
    audit.record("flow.paused", label="still")

    assert faults() == []
    assert AuditEntry.objects.filter(action=audit.PRUNED).get().after["through"] == entries[-2].number
    assert audit.prune(timezone.now()) == 3
    assert faults() == []


def test_a_beginning_cut_off_beyond_what_was_pruned_is_found(entries: list[AuditEntry]) -> None:
    audit.prune(entries[1].at)
    past_the_model().filter(number=entries[1].number).delete()

    assert faults()


def test_nobody_without_the_key_can_vouch_for_entries_that_are_gone(entries: list[AuditEntry]) -> None:
    """As somebody who deletes the beginning and writes the stub that would excuse it."""
    past_the_model().filter(number=1).delete()
    stub = entries[-1]
    past_the_model().filter(pk=stub.pk).update(
        action=audit.PRUNED, after={"through": 1, "mac": entries[0].mac}
    )

    assert (1, "entries 1 to 1 are missing") in faults()


def test_a_log_that_is_not_whole_is_not_pruned(entries: list[AuditEntry]) -> None:
    past_the_model().filter(number=2).update(action="something.else")

    with pytest.raises(ValueError, match="nothing is deleted"):
        audit.prune(timezone.now())

    assert AuditEntry.objects.count() == len(entries)


def test_an_entry_is_never_changed_or_deleted(entries: list[AuditEntry]) -> None:
    for deed in (
        entries[0].save,
        entries[0].delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.filter(number=1).update(action="nothing"),
        lambda: AuditEntry.objects.bulk_update(entries, ["action"]),
        lambda: AuditEntry.objects.bulk_create([AuditEntry(number=9)]),
        lambda: AuditEntry.objects.update_or_create(number=1, defaults={"action": "nothing"}),
    ):
        with pytest.raises(TypeError, match="Audit entries are"):
            deed()

    assert AuditEntry.objects.count() == 5
    assert faults() == []


texts = st.text(st.characters() | st.sampled_from("\x00\ud83d\ude00🖨"), max_size=20)
details = st.none() | st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=2)
    ),
    max_size=3,
)


class AnyEntry(TestCase):
    @given(name=texts, label=texts, before=details, after=details)
    def test_whatever_is_recorded_verifies(self, name: str, label: str, before: Any, after: Any) -> None:
        """Control characters and lone surrogates too, which databases refuse: a failed login must be logged."""
        with acting_as(Actor(name=name)):
            audit.record("login.failed", label=label, before=before, after=after)

        assert faults() == []
        kept = str(AuditEntry.objects.values_list("actor_name", "object_label", "before", "after")[0])
        assert kept.encode()
        assert "\\x00" not in kept


@pytest.mark.django_db(transaction=True)
def test_entries_written_at_once_form_one_chain() -> None:
    start = threading.Barrier(4)

    def write() -> None:
        start.wait()
        for _ in range(5):
            audit.record("flow.changed")
        connections.close_all()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert list(AuditEntry.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 21))
    assert faults() == []
