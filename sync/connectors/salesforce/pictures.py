"""Pictures that rich text shows: files in a library, found again by their names.

Whoever may open the library sees them; where the org has none by that name they stay the integration user's own files.
Source: Object Reference, "ContentVersion" (`FirstPublishLocationId` takes a library) and "ContentWorkspace". That rich text
shows the address of a version's download is told by clients, not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.connectors.salesforce import soql
from sync.connectors.salesforce.files import SalesforceFiles
from sync.connectors.salesforce.reading import all_rows
from sync.core.files import NewFile, Passing
from sync.errors import SchemaError

LIBRARY = "ServiceNow_Pictures"  # DeveloperName


@dataclass(frozen=True, slots=True)
class SalesforcePictures:
    files: SalesforceFiles

    def named(self, name: str) -> str:
        """The id of the newest version of the file with this name; "" if there is none."""
        condition = soql.both(f"Title = {soql.quoted(name.rpartition('.')[0] or name)}", "IsLatest = true")
        ids = [row["Id"] for row in all_rows(self.files.org, "ContentVersion", ["Id"], condition)]
        return str(ids[0]) if ids else ""

    def add(self, file: NewFile, content: Callable[[], Passing]) -> str:
        return self.files.add("ContentVersion", self._library(), file, content).id

    def address(self, id: str) -> str:
        return f"/sfc/servlet.shepherd/version/download/{id}"

    def _library(self) -> str:
        condition = f"DeveloperName = {soql.quoted(LIBRARY)}"
        try:
            rows = list(all_rows(self.files.org, "ContentWorkspace", ["Id"], condition))
        except SchemaError:  # libraries are switched off
            return ""
        return str(rows[0]["Id"]) if rows else ""
