"""What flows of several instances and orgs must not share, told where the file says it: see sync/engine/sharing.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from sync.configuration.documents import Document, FlowDoc
from sync.configuration.problems import Remarks
from sync.core.keys import INSTANCE, Keyed, asked_by_key


def check_shared(document: Document, remarks: Remarks) -> None:
    urls = {doc.name: doc.url for doc in document.connections}
    chosen = [flow for flow in document.flows if flow.enabled is not False]
    for line, where, text in _shared(chosen, urls):
        remarks.problem(line, where, text)


def _shared(flows: Sequence[FlowDoc], urls: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Each time of the later flow, because the earlier one may have pairs whose keys stay as they are."""
    for one, other in combinations(flows, 2):
        same_instance = _same(one.servicenow.connection, other.servicenow.connection, urls)
        same_org = _same(one.salesforce.connection, other.salesforce.connection, urls)
        path, there = f"flows[{other.name}]", other.salesforce
        if same_org:
            text = _of_keys(one, other, same_instance)
            if text:
                yield there.line, f"{path}.salesforce.key_prefix", text
        for noun in ("user_table", "routing_table") if not (same_instance and same_org) else ():
            table = getattr(one, noun)
            if table and table == getattr(other, noun):
                yield other.line, f"{path}.{noun}", _TABLE.format(one.name, noun.replace("_", " "), table)


_KEYS = (
    "{} fills {}.{} of the same org from another instance, and the sys_ids of two instances may be equal: "
    "say key_prefix: instance."
)
_ASKED = (
    "{0} fills {2}.{3}, and the actions of {1} look for keys of another form there, or would find another instance's: let both "
    "flows of an instance say the same of key_prefix, and those of all instances but one: key_prefix: instance."
)
_TABLE = "{} uses the {} {} between other systems, whose ids are not these: make a table of its own for it."


def _of_keys(one: FlowDoc, other: FlowDoc, same_instance: bool) -> str:
    here, there = _keyed(one), _keyed(other)
    same_field = bool(here.field) and (here.object, here.field) == (there.object, there.field)
    if not same_instance and same_field and not (here.prefixed or there.prefixed):
        return _KEYS.format(one.name, here.object, here.field)
    if there.misses(here, same_instance=same_instance):
        return _ASKED.format(one.name, other.name, here.object, here.field)
    if here.misses(there, same_instance=same_instance):
        return _ASKED.format(other.name, one.name, there.object, there.field)
    return ""


def _keyed(flow: FlowDoc) -> Keyed:
    end = flow.salesforce
    asks = asked_by_key(flow.actions.said, end.object)
    return Keyed(end.object, end.external_id or end.lookup, end.key_prefix == INSTANCE, asks)


def _same(one: str, other: str, urls: Mapping[str, str]) -> bool:
    return one == other or (one in urls and urls[one] == urls.get(other))
