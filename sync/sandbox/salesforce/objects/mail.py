"""E-mails that the org sent: kept for tests and the sandbox's pages, and unknown to the API.

A real org keeps none of what the action `emailSimple` sends, unless the call asks for it.
"""

from __future__ import annotations

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.schema import AUDIT, ID, Field, SObject, read_only, text

SENT = "SentEmail"

register(
    SObject(
        name=SENT,
        label="Sent E-mail",
        plural="Sent E-mails",
        prefix="0ZM",
        createable=False,
        updateable=False,
        deletable=False,
        people_only=True,
        fields=(
            ID,
            read_only(text("Subject", "Subject", 3000, name_field=True)),
            read_only(text("Recipients", "To", 1000)),
            read_only(text("Sender", "From", 255)),
            read_only(Field("Body", "Body", "textarea", 100_000, long=True)),
            read_only(text("RelatedRecordId", "Related Record", 18)),
            *AUDIT,
        ),
    )
)
