"""Routing tables: which records belong to which desk. Data, not revision: the next run of each flow that names one uses it."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db import models

from mappings import routing

_FIELD = RegexValidator(
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*){0,4}$", "The name of a column or field."
)


class System(models.TextChoices):
    SERVICENOW = "servicenow", "ServiceNow"
    SALESFORCE = "salesforce", "Salesforce"


class RoutingTable(models.Model):
    name = models.SlugField(max_length=80, unique=True)
    description = models.CharField(max_length=255, blank=True)
    resolved_at = models.DateTimeField(
        null=True, editable=False
    )  # when all names were last looked up; null: now
    digest = models.CharField(
        max_length=64, blank=True, editable=False
    )  # of what records were last placed by

    class Meta:
        ordering = ("name",)
        verbose_name = "routing table"

    def __str__(self) -> str:
        return self.name

    def spec(self) -> routing.Routing:
        return routing.Routing(
            self.name,
            tuple(desk.spec() for desk in self.desks.all()),
            tuple(route.spec() for route in self.routes.all()),
        )


class _Part(models.Model):
    """A change of a part makes the table's ids stale: they are looked up, and records placed anew, by the next run."""

    position = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        RoutingTable.objects.filter(pk=self.table_id).update(resolved_at=None)  # type: ignore[attr-defined]

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        RoutingTable.objects.filter(pk=self.table_id).update(resolved_at=None)  # type: ignore[attr-defined]
        return super().delete(*args, **kwargs)


class Desk(_Part):
    """Names are what people edit; ids are resolved from both platforms and stored."""

    table = models.ForeignKey(RoutingTable, on_delete=models.CASCADE, related_name="desks")
    name = models.CharField(max_length=80)
    works_in = models.CharField("works in", max_length=12, choices=System.choices, default=System.SERVICENOW)
    servicenow = models.CharField("ServiceNow group", max_length=120)
    salesforce = models.CharField("Salesforce queue", max_length=120)
    servicenow_id = models.CharField(max_length=32, blank=True, editable=False)
    salesforce_id = models.CharField(max_length=18, blank=True, editable=False)

    class Meta:
        ordering = ("position", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["table", "name"], name="one_desk_a_name",
                violation_error_message="Another desk has this name already.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    def spec(self) -> routing.Desk:
        return routing.Desk(
            self.name, self.works_in, self.servicenow, self.salesforce, self.servicenow_id, self.salesforce_id
        )


class Route(_Part):
    table = models.ForeignKey(RoutingTable, on_delete=models.CASCADE, related_name="routes")
    side = models.CharField("read in", max_length=12, choices=System.choices, default=System.SERVICENOW)
    field = models.CharField("field", max_length=200, validators=[_FIELD])
    value = models.CharField(max_length=255, blank=True, help_text="Empty is a value.")
    desk = models.CharField(max_length=80)

    class Meta:
        ordering = ("position", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["table", "side", "field", "value"], name="one_desk_a_value",
                violation_error_message="An earlier route sends this value to a desk already.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.field} = {self.value} → {self.desk}"

    def spec(self) -> routing.Route:
        return routing.Route(self.side, self.field, self.value, self.desk)
