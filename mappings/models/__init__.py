"""What a value becomes: mappings with their field rows, value maps, user tables; and which desk a record belongs to."""

from mappings.models.mapping import FieldRow, Mapping
from mappings.models.routing import Desk, Route, RoutingTable
from mappings.models.usertable import UserTable, UserTableEntry
from mappings.models.valuemap import Unmapped, ValueMap, ValueMapEntry

__all__ = [
    "Desk",
    "FieldRow",
    "Mapping",
    "Route",
    "RoutingTable",
    "Unmapped",
    "UserTable",
    "UserTableEntry",
    "ValueMap",
    "ValueMapEntry",
]
