"""Pictures inside rich text: where the other system keeps our copy of each."""

from __future__ import annotations

from django.db import models

from sync.models.connection import Connection


class PictureStatus(models.TextChoices):
    SENT = "sent", "on its way"
    DONE = "done", "carried"
    LEFT = "left", "left out"


class Picture(models.Model):
    """One picture of a ServiceNow instance and its copy in a Salesforce org, whichever flows show it.

    The row is the intent: committed before the request leaves (`at`), and under its name the copy is found again.
    `address`: where Salesforce shows it. Left out: it is gone, too large or no picture; texts do without it.
    """

    servicenow_connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    salesforce_connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    source_id = models.CharField(max_length=32)
    target_id = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=8, choices=PictureStatus.choices, default=PictureStatus.SENT)
    at = models.DateTimeField()  # of the last attempt; the database host's clock

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["servicenow_connection", "salesforce_connection", "source_id"],
                name="one_copy_a_picture",
            )
        ]

    def __str__(self) -> str:
        return f"picture {self.source_id}: {self.get_status_display()}"
