"""What a value becomes: mappings with their field rows, value maps, user tables."""

from mappings.models.mapping import FieldRow, Mapping
from mappings.models.usertable import UserTable, UserTableEntry
from mappings.models.valuemap import Unmapped, ValueMap, ValueMapEntry

__all__ = ["FieldRow", "Mapping", "Unmapped", "UserTable", "UserTableEntry", "ValueMap", "ValueMapEntry"]
