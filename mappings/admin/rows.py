"""The field rows of a mapping, edited below it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from integration_console.theme.admin import RowsInline
from integration_console.theme.meanwhile import RevivingFormSet
from mappings import checks
from mappings.admin.pairs import numbered
from mappings.apply import MappingError, compile_mapping
from mappings.cells import maps_of
from mappings.models import FieldRow, ValueMap
from mappings.spec import Direction, Environment, MappingSpec


class FieldRowFormSet(RevivingFormSet):
    """Refuses rows that do not compile together, and a flow that does nothing without any, before anything is saved."""

    spec: MappingSpec | None = None  # of the rows as they would be saved, once they compile

    def does_more(self) -> bool:
        """Whether what the rows belong to does something beside carrying fields over."""
        return False

    def clean(self) -> None:
        super().clean()
        rows = [form.instance for form in self._kept()]
        if any(self.errors) or not all(row.salesforce for row in rows):
            return  # the rows' own messages come first
        if not rows and not self.does_more():
            raise ValidationError(
                "A flow needs at least one field, or actions: add a row that carries one over."
            )
        named = {name for row in rows for name in maps_of(row.spec())}
        maps = {
            each.name: each for each in ValueMap.objects.filter(name__in=named).prefetch_related("entries")
        }
        spec = MappingSpec(
            direction=Direction(self.instance.direction),
            fields=tuple(row.spec() for row in rows),
            value_maps={name: value_map.spec() for name, value_map in maps.items()},
            time_zone=self.instance.time_zone,
        )
        try:
            compile_mapping(spec, Environment())
        except MappingError as problem:
            raise ValidationError(str(problem)) from problem
        self._tell_troubles(spec)
        self.spec = spec

    def _tell_troubles(self, spec: MappingSpec) -> None:
        """What rows do to one another, said beside the row."""
        kept = self._kept()
        for trouble in (
            *checks.twice_written(spec.fields, spec.direction, numbered),
            *checks.uneven_parts(spec.fields, spec.value_maps),
        ):
            kept[trouble.index].add_error(trouble.part, trouble.text)

    def _kept(self) -> list[Any]:
        return [form for form in self.forms if form.has_changed() or (form.instance.pk and not form.empty_permitted)
                if form not in self.deleted_forms]  # fmt: skip

    def save_new(self, form: Any, commit: bool = True) -> Any:
        """A new row stands last unless it was dragged somewhere."""
        if not form.instance.position:
            form.instance.position = 1 + max((other.instance.position for other in self.forms), default=0)
        return super().save_new(form, commit)


# The names of transforms are offered; a formula is typed. The list stands in console/transforms.html.
NAMES = {"list": "transform-names", "autocomplete": "off", "spellcheck": "false", "style": "min-width:220px"}


class FieldRowInline(RowsInline):
    model = FieldRow
    formset = FieldRowFormSet
    verbose_name_plural = "mapping"
    fields: ClassVar[tuple[str, ...]] = ("servicenow", "direction", "salesforce", "transform", "value_map", "value", "default", "required",
              "conflict", "reverse", "position")  # fmt: skip
    ordering_field = "position"
    hide_ordering_field = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "transform":
            field.widget.attrs.update(NAMES)
        if field is not None and db_field.name in ("servicenow", "salesforce"):
            # Offered as they were last read; what is not offered can be typed.
            field.widget.attrs.update(
                {"list": f"{db_field.name}-fields", "autocomplete": "off", "spellcheck": "false"}
            )
        if field is not None and db_field.name == "value_map":
            field.empty_label = "none"
            # Value maps have a page of their own; buttons beside each row would take the room of a column.
            for power in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
                setattr(field.widget, power, False)
        return field

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.blank:
            kwargs["choices"] = [("", "as the flow"), *db_field.choices]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("value_map")
