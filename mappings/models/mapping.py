"""A mapping and its field rows. A flow is a mapping with two ends (sync.Flow inherits from it)."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from mappings.cells import CellError, reverse_of, tree_of
from mappings.grammar import MAX_LENGTH
from mappings.registry import named
from mappings.spec import Direction, FieldSpec


class DirectionChoices(models.TextChoices):
    TO_SALESFORCE = Direction.TO_SALESFORCE, "ServiceNow → Salesforce"
    TO_SERVICENOW = Direction.TO_SERVICENOW, "Salesforce → ServiceNow"
    BOTH = Direction.BOTH, "both ways"


class ConflictPolicy(models.TextChoices):
    NEWEST = "newest", "newest record wins"
    SERVICENOW = "servicenow", "ServiceNow wins"
    SALESFORCE = "salesforce", "Salesforce wins"
    ASK = "ask", "ask a person"


class Mapping(models.Model):
    name = models.SlugField(
        max_length=80, unique=True, help_text="Found again by this name, also in configuration files."
    )
    direction = models.CharField(
        max_length=16, choices=DirectionChoices.choices, default=DirectionChoices.TO_SALESFORCE
    )
    conflict = models.CharField(
        "on conflict",
        max_length=12,
        choices=ConflictPolicy.choices,
        default=ConflictPolicy.NEWEST,
        help_text="When both sides changed a field to different values.",
    )
    user_table = models.ForeignKey(
        "mappings.UserTable",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="Who is who on the two sides.",
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="In which a time becomes a date, and the schedule runs."
    )

    def __str__(self) -> str:
        return self.name


class FieldRow(models.Model):
    """One line of a mapping. Its UUID survives edits, exports and revisions; base and events cite it.

    A row that is turned to another field is given a new one when it is published: the base was of the old field.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    mapping = models.ForeignKey(Mapping, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField(default=0)
    servicenow = models.CharField(
        "ServiceNow field",
        max_length=200,
        blank=True,
        help_text="A column, or several separated by commas where the transform takes them in order.",
    )
    direction = models.CharField(
        max_length=16, choices=DirectionChoices.choices, blank=True, help_text="Empty: as the flow."
    )
    transform = models.CharField(
        "how",
        max_length=MAX_LENGTH,
        default="copy",
        help_text="The name of a transform, or a formula of several: truncate(html_to_text(description), 255).",
    )
    reverse = models.CharField(
        "and back",
        max_length=MAX_LENGTH,
        blank=True,
        help_text="A formula of the Salesforce field, where both ways and no inverse: text_to_html(Description).",
    )
    value_map = models.ForeignKey("mappings.ValueMap", null=True, blank=True, on_delete=models.PROTECT)
    value = models.CharField(max_length=255, blank=True, help_text="The constant.")
    salesforce = models.CharField("Salesforce field", max_length=200)
    default = models.CharField(max_length=255, blank=True, help_text="Used where the source is empty.")
    required = models.BooleanField(
        default=False, help_text="A record without a value here becomes a dead letter."
    )
    conflict = models.CharField(max_length=12, choices=ConflictPolicy.choices, blank=True)

    class Meta:
        ordering = ("position", "id")
        verbose_name = "field"
        constraints = [
            models.UniqueConstraint(
                fields=["mapping", "salesforce"],
                condition=~Q(direction=Direction.TO_SERVICENOW),
                name="one_row_writes_a_salesforce_field",
                violation_error_message="Another row already writes this Salesforce field.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.servicenow or self.value!r} → {self.salesforce}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The ServiceNow columns, in order."""
        return tuple(name.strip() for name in self.servicenow.split(",") if name.strip())

    def clean(self) -> None:
        """What is wrong with the row by itself; what needs its flow or its value map is told by the rows together."""
        transform = named(self.transform)
        problems: dict[str, str] = {}
        if transform is not None:
            if transform.needs_value_map and self.value_map_id is None:
                problems["value_map"] = "Choose the value map to look the value up in."
            if transform.needs_source and not transform.holes and not self.columns:
                problems["servicenow"] = "Name the ServiceNow column to read."
            if len(self.columns) > 1 and not (transform.several_sources or transform.holes):
                problems["servicenow"] = (
                    "Name one ServiceNow column: this way to carry a value over takes no more."
                )
            if transform.needs_value and not self.value:
                problems["value"] = "Give the constant."
        for part, read in (("transform", tree_of), ("reverse", reverse_of)) if not problems else ():
            try:
                read(self.spec())
            except CellError as problem:
                problems[problem.part if problem.part != "transform" else part] = problem.message
        if problems:
            raise ValidationError(problems)

    def spec(self) -> FieldSpec:
        return FieldSpec(
            id=str(self.id),
            servicenow=self.columns,
            salesforce=self.salesforce,
            direction=Direction(self.direction) if self.direction else None,
            transform=self.transform,
            value_map=self.value_map.name if self.value_map else "",
            value=self.value,
            default=self.default,
            required=self.required,
            conflict=self.conflict,
            reverse=self.reverse,
        )

    def snapshot(self) -> dict[str, Any]:
        return self.spec().to_json()
