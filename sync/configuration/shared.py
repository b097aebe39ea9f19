"""What flows of several instances and orgs must not share, told where the file says it: see sync/engine/sharing.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from sync.configuration.documents import Document, FlowDoc
from sync.configuration.problems import Remarks


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
        if same_org and not same_instance and _keys(one) == _keys(other) and not there.key_prefix:
            yield there.line, f"{path}.salesforce.key_prefix", _KEYS.format(one.name, *_keys(one)[:2])
        for noun in ("user_table", "routing_table") if not (same_instance and same_org) else ():
            table = getattr(one, noun)
            if table and table == getattr(other, noun):
                yield other.line, f"{path}.{noun}", _TABLE.format(one.name, noun.replace("_", " "), table)


_KEYS = (
    "{} fills {}.{} of the same org from another instance, and the sys_ids of two instances may be equal: "
    "say key_prefix: instance."
)
_TABLE = "{} uses the {} {} between other systems, whose ids are not these: make a table of its own for it."


def _keys(flow: FlowDoc) -> tuple[str, str, str]:
    end = flow.salesforce
    return end.object, end.external_id or end.lookup, end.key_prefix


def _same(one: str, other: str, urls: Mapping[str, str]) -> bool:
    return one == other or (one in urls and urls[one] == urls.get(other))
