"""Where Salesforce shows the pictures inside texts of ServiceNow: what has been carried so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import QuerySet

from mappings.html import reference
from sync.models import Flow, Picture
from sync.models.picture import PictureStatus


@dataclass
class Pictures:
    """Of one flow. What Salesforce shows of a picture, and the way there for those that it does not show yet."""

    flow: Flow
    _known: dict[str, str] = field(default_factory=dict)

    def __call__(self, source_id: str) -> str:
        """The address in Salesforce, "" for what is left out; until it is carried, the address in ServiceNow."""
        if source_id not in self._known:
            row = self.rows().filter(source_id=source_id).exclude(status=PictureStatus.SENT).first()
            if row is None:
                return reference(source_id)
            self._known[source_id] = row.address
        return self._known[source_id]

    def rows(self) -> QuerySet[Picture]:
        """Of these two systems, whichever flow carried them."""
        return Picture.objects.filter(
            servicenow_connection=self.flow.servicenow_connection,
            salesforce_connection=self.flow.salesforce_connection,
        )
