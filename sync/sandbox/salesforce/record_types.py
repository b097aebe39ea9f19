"""Record types of Case and Account, and which values of each picklist they offer.

Source: Help, "Record Types"; Object Reference, "RecordType". A restricted picklist refuses through the API too what
the row's record type does not offer (INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST): Gearset, "Data deployments and picklist
errors"; Salesforce Stack Exchange 9322. A row without a record type has the master's: every value. A new row that
names none gets the default one of the user's profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sync.sandbox.salesforce.schema import Choice, Field

FIELD = "RecordTypeId"
MASTER_ID = "012000000000000AAA"


@dataclass(frozen=True, slots=True)
class RecordType:
    """One way to use an object. `offers` names the picklists it narrows; an inactive type takes no rows."""

    sobject: str
    developer_name: str
    name: str
    offers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    active: bool = True

    def choices(self, picklist: Field) -> tuple[Choice, ...]:
        """Return the values of a picklist that rows of this type may have."""
        offered = self.offers.get(picklist.name)
        if offered is None:
            return picklist.choices
        return tuple(choice for choice in picklist.choices if choice.value in offered)


RECORD_TYPES = (
    RecordType(
        "Case",
        "Incident",
        "Incident",
        {"Status": ("New", "Working", "On Hold", "Resolved", "Closed"), "Type": ("Problem",)},
    ),
    RecordType(
        "Case",
        "Service_Request",
        "Service Request",
        {
            "Status": ("New", "Working", "Closed"),
            "Priority": ("Medium", "Low"),
            "Type": ("Question", "Feature Request"),
        },
    ),
    RecordType("Case", "Complaint", "Complaint", active=False),
    RecordType("Account", "Customer", "Customer"),
    RecordType("Account", "Partner", "Partner", {"Rating": ("Hot", "Warm")}),
)
