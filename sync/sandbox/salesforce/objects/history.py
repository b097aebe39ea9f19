"""The field history of cases. Source: Object Reference, "CaseHistory"."""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.schema import AUDIT, ID, Field, OnDelete, SObject, read_only, reference, text
from sync.sandbox.salesforce.tracking import MAX_VALUE

register(
    SObject(
        name="CaseHistory",
        label="Case History",
        plural="Case Histories",
        prefix="017",
        createable=False,
        updateable=False,
        deletable=False,
        history_of="Case",
        internal=frozenset({"LastModifiedDate", "LastModifiedById", "SystemModstamp"}),
        fields=(
            ID,
            read_only(reference("CaseId", "Case ID", "Case", nillable=False, on_delete=OnDelete.CASCADE)),
            read_only(text("Field", "Changed Field", nillable=False)),
            read_only(text("DataType", "Datatype")),
            # Values of any type, which can be neither filtered nor grouped.
            read_only(Field("OldValue", "Old Value", "anyType", MAX_VALUE, long=True)),
            read_only(Field("NewValue", "New Value", "anyType", MAX_VALUE, long=True)),
            *AUDIT,
        ),
    )
)
