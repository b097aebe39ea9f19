"""Keys of several instances in one field: each flow knows its own, and none is taken for another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sync.core.keys import PLAIN, Keys

sys_ids = st.text("0123456789abcdef", min_size=32, max_size=32)
instances = st.text("abc:.-123", max_size=20).map(lambda text: text.strip(":"))


@given(instances, sys_ids)
def test_a_key_is_read_as_the_record_that_it_was_made_for(instance, sys_id):
    keys = Keys(instance)
    assert keys.sys_id(keys.of(sys_id)) == sys_id
    assert len(keys.of(sys_id)) == keys.length
    assert not keys.is_another(keys.of(sys_id))


@given(instances, instances, sys_ids)
def test_of_two_instances_neither_takes_the_others_key_for_its_own(one, other, sys_id):
    key = Keys(one).of(sys_id)
    mine = one == other
    assert (Keys(other).sys_id(key) == sys_id) is mine
    assert Keys(other).is_another(key) is not mine


@given(instances, sys_ids, sys_ids, sys_ids)
def test_a_span_of_keys_holds_those_of_the_sys_ids_between(instance, sys_id, start, end):
    keys = Keys(instance)
    first, last = keys.bounds(start, end)
    assert (first <= keys.of(sys_id) < last) == (start <= sys_id < end)
    first, last = keys.bounds("", "")
    assert first <= keys.of(sys_id)
    assert not last or keys.of(sys_id) < last


@given(st.text(max_size=40))
def test_what_is_no_key_names_nobody(text):
    assert PLAIN.sys_id(text) in ("", text)
    assert PLAIN.is_another(text) in (False, ":" in text)
