"""The small world that the examples of functions are about. Pure."""

from mappings.spec import PeopleSpec, ValueMapSpec
from mappings.tools import Tools

_LINKED = {("customers", "salesforce", "81fbfe03ac1d55eb286d832de58ae1fd"): "001000000000001AAA"}

# What the one example that reads a record finds there.
RECORD = {"state": "2", "state.display_value": "In Progress"}
DEMONSTRATION = Tools(
    value_maps={
        "priority": ValueMapSpec("priority", {"1": "High", "2": "Medium"}, {"High": "1", "Medium": "2"})
    },
    people=PeopleSpec({"62826bf03710200044e0bfc8bcbe5df1": "005000000000001AAA"}),
    counterpart=lambda flow, to, id: _LINKED.get((flow, to, id), ""),
    key_of="acme:{}".format,
    sys_id_of=lambda key: key.removeprefix("acme:") if key.startswith("acme:") else "",
    record_url="https://acme.service-now.com/nav_to.do?uri=incident.do?sys_id={id}",
)
