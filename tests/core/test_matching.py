"""Who is who by a mark that both sides know: laws of the pairs, whatever the accounts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sync.core.matching import Account, match

accounts = st.lists(
    st.builds(
        Account,
        id=st.sampled_from("abcdefgh"),
        name=st.sampled_from(["abel", "beth", "luke"]),
        label=st.just(""),
        active=st.booleans(),
        mark=st.sampled_from(["", " ", "abel@acme.example", "Abel@ACME.example ", "beth@acme.example", "E1"]),
    ),
    max_size=8,
    unique_by=lambda account: account.id,
)


@given(accounts, accounts)
def test_each_is_in_one_pair_at_most_with_the_same_mark_and_nobody_without_a_mark_in_any(here, there):
    found = match(here, there)

    for index in (0, 1):
        ids = [pair[index].id for pair in found.pairs]
        assert len(ids) == len(set(ids))
    assert all(left.plain == right.plain != "" for left, right in found.pairs)


@given(accounts, accounts)
def test_the_sides_may_be_changed_about(here, there):
    one, other = match(here, there), match(there, here)

    assert {(left.id, right.id) for left, right in one.pairs} == {
        (left.id, right.id) for right, left in other.pairs
    }
    assert one.ambiguous == other.ambiguous
    assert one.alone == other.alone[::-1]


@given(accounts, accounts)
def test_a_mark_that_several_active_people_share_pairs_nobody(here, there):
    found = match(here, there)
    for side in (here, there):
        active = [account.plain for account in side if account.active]
        shared = {mark for mark in active if mark and active.count(mark) > 1}
        assert not shared & {left.plain for left, _ in found.pairs}
