"""Value maps: which ServiceNow value is which Salesforce value. Shared between flows."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from mappings.cells import maps_of
from mappings.models.mapping import DirectionChoices, FieldRow
from mappings.spec import Direction, ValueMapSpec


class Unmapped(models.TextChoices):
    FAIL = "fail", "fail: dead letter"
    PASS = "pass", "pass the value through"
    DEFAULT = "default", "use the default"


class ValueMap(models.Model):
    name = models.SlugField(max_length=80, unique=True)
    description = models.CharField(max_length=255, blank=True)
    unmapped_to_salesforce = models.CharField(max_length=8, choices=Unmapped.choices, default=Unmapped.FAIL)
    default_to_salesforce = models.CharField(max_length=255, blank=True)
    unmapped_to_servicenow = models.CharField(max_length=8, choices=Unmapped.choices, default=Unmapped.FAIL)
    default_to_servicenow = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "value map"

    def __str__(self) -> str:
        return self.name

    def named_by(self) -> list[FieldRow]:
        """The rows whose formulas name it; the database knows only of those that name it beside themselves."""
        rows = FieldRow.objects.filter(Q(transform__contains=self.name) | Q(reverse__contains=self.name))
        return [row for row in rows.select_related("mapping") if self.name in maps_of(row.spec())]

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises ProtectedError while a formula names it."""
        if rows := self.named_by():
            raise models.ProtectedError("The value map is named in formulas.", set(rows))
        return super().delete(*args, **kwargs)

    def spec(self) -> ValueMapSpec:
        entries = list(self.entries.all())
        return ValueMapSpec(
            name=self.name,
            to_salesforce={
                e.servicenow: e.salesforce for e in entries if e.direction != Direction.TO_SERVICENOW
            },
            to_servicenow={
                e.salesforce: e.servicenow for e in entries if e.direction != Direction.TO_SALESFORCE
            },
            unmapped_to_salesforce=(self.unmapped_to_salesforce, self.default_to_salesforce),
            unmapped_to_servicenow=(self.unmapped_to_servicenow, self.default_to_servicenow),
            along={e.servicenow: parse_along(e.along) for e in entries if e.along.strip()},
        )


def parse_along(text: str) -> dict[str, str]:
    """Lines of column=value. Raises ValidationError for a line that is none."""
    found: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, separator, value = line.partition("=")
        if not separator or not name.strip() or not value.strip():
            raise ValidationError(f"“{line}” is not of the form column=value.")
        found[name.strip()] = value.strip()
    return found


class ValueMapEntry(models.Model):
    value_map = models.ForeignKey(ValueMap, on_delete=models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField(default=0)
    servicenow = models.CharField(
        "ServiceNow value", max_length=255, blank=True, help_text="Empty is a value."
    )
    salesforce = models.CharField(
        "Salesforce value", max_length=255, blank=True, help_text="Empty is a value."
    )
    direction = models.CharField(max_length=16, choices=DirectionChoices.choices, default=Direction.BOTH)
    along = models.TextField(
        "goes with it to ServiceNow",
        blank=True,
        help_text="Lines of column=value that are sent where the column is empty: close_code=Solution provided.",
    )

    class Meta:
        ordering = ("position", "id")
        verbose_name = "entry"
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["value_map", "servicenow"],
                condition=~Q(direction=Direction.TO_SERVICENOW),
                name="one_answer_going_out",
                violation_error_message="This ServiceNow value already has an entry going to Salesforce.",
            ),
            models.UniqueConstraint(
                fields=["value_map", "salesforce"],
                condition=~Q(direction=Direction.TO_SALESFORCE),
                name="one_answer_coming_back",
                violation_error_message="This Salesforce value already has an entry coming back; make one of them one-way.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.servicenow!r} – {self.salesforce!r}"

    def clean(self) -> None:
        if self.direction not in DirectionChoices.values:
            raise ValidationError({"direction": "Choose both ways or one of the two directions."})
        try:
            parse_along(self.along)
        except ValidationError as error:
            raise ValidationError({"along": error.messages}) from error
