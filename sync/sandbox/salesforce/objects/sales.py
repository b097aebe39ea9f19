"""What is sold and what customers have: opportunities with their stages, products, and assets.

Source: Object Reference, "Opportunity", "OpportunityStage", "Product2" and "Asset". The stages are those of a new org.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.sandbox.salesforce.objects import register
from sync.sandbox.salesforce.objects.customers import servicenow_key
from sync.sandbox.salesforce.problems import Refusal
from sync.sandbox.salesforce.schema import (
    AUDIT,
    ID,
    Field,
    OnDelete,
    SObject,
    flag,
    picklist,
    read_only,
    reference,
    text,
)

if TYPE_CHECKING:
    from sync.sandbox.salesforce.saving import Save


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    probability: int  # per cent
    closed: bool = False
    won: bool = False


STAGES = (
    Stage("Prospecting", 10),
    Stage("Qualification", 10),
    Stage("Needs Analysis", 20),
    Stage("Proposal/Price Quote", 75),
    Stage("Negotiation/Review", 90),
    Stage("Closed Won", 100, closed=True, won=True),
    Stage("Closed Lost", 0, closed=True),
)
_STAGES = {stage.name: stage for stage in STAGES}
ASSET_STATUSES = ("Purchased", "Shipped", "Installed", "Registered", "Obsolete")
_OWNER = reference("OwnerId", "Owner ID", "User", nillable=False, defaulted=True)


def follow_stage(save: Save) -> None:
    """Whether an opportunity is closed and won follows from its stage; so does its probability, unless sent."""
    stage = _STAGES.get(str(save.get("StageName")))
    if stage is None or not save.is_changed("StageName"):
        return
    save.set("IsClosed", stage.closed)
    save.set("IsWon", stage.won)
    if save.is_new and save.get("Probability") is not None:
        return
    if save.is_new or not save.is_changed("Probability"):
        save.set("Probability", float(stage.probability))


def need_a_customer(save: Save) -> None:
    if save.get("AccountId") is None and save.get("ContactId") is None:
        raise Refusal(
            "FIELD_INTEGRITY_EXCEPTION", "Every asset needs an account, a contact, or both.", "AccountId"
        )
    parent = save.get("ParentId")
    if parent is not None and parent == save.get("Id"):
        raise Refusal("FIELD_INTEGRITY_EXCEPTION", "An asset can't be its own parent.", "ParentId")


register(
    SObject(
        name="Opportunity",
        label="Opportunity",
        plural="Opportunities",
        prefix="006",
        before_save=follow_stage,
        fields=(
            ID,
            text("Name", "Name", 120, nillable=False, name_field=True),
            reference("AccountId", "Account ID", "Account", on_delete=OnDelete.CASCADE),
            picklist("StageName", "Stage", *_STAGES),
            Field("CloseDate", "Close Date", "date", nillable=False),
            Field("Amount", "Amount", "currency"),
            Field("Probability", "Probability (%)", "double"),
            picklist(
                "Type", "Opportunity Type", "New Customer", "Existing Customer - Upgrade", restricted=False
            ),
            text("NextStep", "Next Step", 255),
            Field("Description", "Description", "textarea", 32_000, long=True),
            read_only(flag("IsClosed", "Closed")),
            read_only(flag("IsWon", "Won")),
            _OWNER,
            *AUDIT,
        ),
    ),
    SObject(
        name="OpportunityStage",
        label="Opportunity Stage",
        plural="Opportunity Stages",
        prefix="01J",
        createable=False,
        updateable=False,
        deletable=False,
        fields=(
            ID,
            read_only(text("ApiName", "API Name", name_field=True)),
            read_only(text("MasterLabel", "Master Label")),
            read_only(Field("SortOrder", "Sort Order", "int")),
            read_only(Field("DefaultProbability", "Probability (%)", "double")),
            read_only(flag("IsActive", "Is Active")),
            read_only(flag("IsClosed", "Closed")),
            read_only(flag("IsWon", "Won")),
            *AUDIT,
        ),
    ),
    SObject(
        name="Product2",
        label="Product",
        plural="Products",
        prefix="01t",
        fields=(
            ID,
            text("Name", "Product Name", nillable=False, name_field=True),
            text("ProductCode", "Product Code"),
            picklist("Family", "Product Family", "Hardware", "Software", "Service", restricted=False),
            Field("Description", "Product Description", "textarea", 4000),
            flag("IsActive", "Active"),
            *AUDIT,
        ),
    ),
    SObject(
        name="Asset",
        label="Asset",
        plural="Assets",
        prefix="02i",
        before_save=need_a_customer,
        fields=(
            ID,
            text("Name", "Asset Name", nillable=False, name_field=True),
            reference("AccountId", "Account ID", "Account", on_delete=OnDelete.CASCADE),
            reference("ContactId", "Contact ID", "Contact", on_delete=OnDelete.CLEAR),
            reference("ParentId", "Parent Asset ID", "Asset", on_delete=OnDelete.CLEAR),
            reference("Product2Id", "Product ID", "Product2", on_delete=OnDelete.CLEAR),
            text("SerialNumber", "Serial Number", 80),
            picklist("Status", "Status", *ASSET_STATUSES),
            Field("PurchaseDate", "Purchase Date", "date"),
            Field("InstallDate", "Install Date", "date"),
            Field("UsageEndDate", "Usage End Date", "date"),
            Field("Price", "Price", "currency"),
            Field("Quantity", "Quantity", "double"),
            flag("IsCompetitorProduct", "Competitor Asset"),
            Field("Description", "Description", "textarea", 32_000, long=True),
            _OWNER,
            servicenow_key(),
            text("ServiceNow_Number__c", "ServiceNow Number", 40),
            Field("ServiceNow_URL__c", "ServiceNow URL", "url", 255),
            *AUDIT,
        ),
    ),
)
