"""The pair of a ServiceNow record and a Salesforce record, and what was about to be written to it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from sync.core.records import Side
from sync.encryption import Sealed
from sync.models.base import OperationChoices, SideChoices, UUIDKey
from sync.models.connection import Connection
from sync.models.flow import Flow
from sync.models.run import Run

# The column that holds the id on a side.
END = {Side.SERVICENOW: "servicenow_id", Side.SALESFORCE: "salesforce_id"}


class LinkState(models.TextChoices):
    ACTIVE = "active", "active"
    DELETED_IN_SERVICENOW = "deleted_sn", "deleted in ServiceNow"
    DELETED_IN_SALESFORCE = "deleted_sf", "deleted in Salesforce"
    UNLINKED = "unlinked", "unlinked"
    BLOCKED = "blocked", "blocked"


class RecordLink(UUIDKey):
    """Unique per end and other side; a tombstone keeps both ids for ever and stops re-creation.

    `base`: field row's UUID -> [raw ServiceNow value, raw Salesforce value] as last known to agree.
    `fields`: field row's UUID -> {"ring": our last writes, "parked": why it is left alone} (sync.core.loops).
    """

    # No index of their own where a constraint or index below begins with the column: a link is written often.
    flow = models.ForeignKey(Flow, on_delete=models.PROTECT, related_name="links", db_index=False)
    state = models.CharField(max_length=12, choices=LinkState.choices, default=LinkState.ACTIVE)
    born_in = models.CharField(max_length=12, choices=SideChoices.choices)
    servicenow_connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    servicenow_table = models.CharField(max_length=80)
    servicenow_id = models.CharField("sys_id", max_length=32)
    servicenow_number = models.CharField("incident", max_length=80, blank=True)
    salesforce_connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    salesforce_object = models.CharField(max_length=80)
    salesforce_id = models.CharField("Id", max_length=18)
    salesforce_number = models.CharField("case", max_length=80, blank=True)

    base_sealed = models.BinaryField(null=True, editable=False)
    fields_sealed = models.BinaryField(null=True, editable=False)

    # Versions seen: for conditions, expected counts and intervals; never to skip a row.
    servicenow_changed_at = models.DateTimeField(null=True)
    servicenow_mod_count = models.IntegerField(null=True)
    servicenow_read_at = models.DateTimeField(null=True)
    salesforce_changed_at = models.DateTimeField(null=True)  # SystemModstamp
    salesforce_edited_at = models.DateTimeField(null=True)  # LastModifiedDate
    salesforce_read_at = models.DateTimeField(null=True)

    claim_token = models.CharField(max_length=32, blank=True)
    claim_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    synced_at = models.DateTimeField(null=True)  # when the base last moved

    base = Sealed("base_sealed")
    fields = Sealed("fields_sealed")

    class Meta:
        ordering = ("-id",)  # by birth, as keys are: sorting needs no index of its own
        default_permissions = ("view",)
        permissions = [
            ("view_payload", "Can see field values"),
            ("sync_recordlink", "Can sync one record now"),
            ("hand_over", "Can hand a record over to another desk"),
        ]
        verbose_name = "record"
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "servicenow_id",
                    "servicenow_connection",
                    "servicenow_table",
                    "salesforce_connection",
                    "salesforce_object",
                ],
                name="one_link_a_servicenow_end",
            ),
            models.UniqueConstraint(
                fields=[
                    "salesforce_id",
                    "salesforce_connection",
                    "salesforce_object",
                    "servicenow_connection",
                    "servicenow_table",
                ],
                name="one_link_a_salesforce_end",
            ),
        ]
        indexes = [
            # Search by number. With flow and state, so that a poll finds those without one among any number of links.
            models.Index(fields=["servicenow_number", "flow", "state"], name="links_by_incident"),
            models.Index(fields=["salesforce_number", "flow", "state"], name="links_by_case"),
            models.Index(fields=["flow", "state"], name="links_of_a_flow"),
            # Those that are followed no more, few among very many; a link that lives is not in it.
            models.Index(fields=["state", "-id"], condition=~Q(state="active"), name="links_that_ended"),
        ]

    def end(self, side: str) -> str:
        """The id of the record on `side`."""
        return self.servicenow_id if side == SideChoices.SERVICENOW else self.salesforce_id

    def __str__(self) -> str:
        return (
            f"{self.servicenow_number or self.servicenow_id} ↔ {self.salesforce_number or self.salesforce_id}"
        )


class IntentQuerySet(models.QuerySet["Intent"]):
    def open(self) -> IntentQuerySet:
        return self.filter(settled_at=None)


class Intent(UUIDKey):
    """What a request is about to write, committed before it leaves; settled by its answer or by reading.

    A settled intent is deleted with the page's commit: the event tells what came of it.
    `payload`: {"fields": {row UUID: ["field", "sent", "source", "under"]}, "extra": {field: value}}.
    A create is keyed by its source record until a link exists; `target_id` is then the id that we chose, if we did.
    """

    # Few rows are open at a time and each lives for seconds: one index, the constraint's, is enough.
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="intents", db_index=False)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    link = models.ForeignKey(
        RecordLink, null=True, on_delete=models.CASCADE, related_name="intents", db_index=False
    )
    side = models.CharField(max_length=12, choices=SideChoices.choices)  # where it writes
    operation = models.CharField(max_length=8, choices=OperationChoices.choices)
    source_id = models.CharField(max_length=32)  # the record on the other side
    source_number = models.CharField(max_length=80, blank=True)
    target_id = models.CharField(max_length=32, blank=True)
    conditional = models.BooleanField(default=False)
    planned_count = models.IntegerField(null=True)  # sys_mod_count planned on
    planned_stamp = models.DateTimeField(null=True)  # LastModifiedDate planned on
    at = models.DateTimeField()  # database host's clock, before sending
    lease_token = models.CharField(max_length=32)
    settled_at = models.DateTimeField(null=True)
    payload_sealed = models.BinaryField(null=True)

    payload = Sealed("payload_sealed")

    objects = IntentQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            # One unconditional request at most may be open per record: this is also the claim on a new record's key.
            models.UniqueConstraint(
                fields=["source_id", "flow", "side"],
                condition=Q(settled_at=None, conditional=False),
                name="one_open_intent_a_record",
            )
        ]
