"""What every page of the admin is built on: saves that are announced, pages that only show, actions by permission."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.text import slugify

from integration_console.theme.exporting import csv_text, download, list_table
from integration_console.theme.lists import BoundedChangeList
from integration_console.theme.meanwhile import Opened, token
from integration_console.theme.paging import BoundedPaginator
from integration_console.theme.toolkit import ChangeList, ModelAdmin, TabularInline

# Sent after a person saved or deleted configuration here: action ("created", "changed", "deleted"), target,
# before and after (dictionaries without secrets, or None).
configuration_saved = Signal()
# Sent before a list leaves as a file: what (the noun), kind (csv ...), query (of the page's address).
list_exported = Signal()


QUERY_NOTED = 500  # characters of a filter that the audit log keeps


class ConsoleAdmin(ModelAdmin):
    """Base of all our pages. Buttons appear for those who may press them, where they make sense."""

    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    compressed_fields = True
    list_filter_sheet = True
    list_before_template = "console/list_unsorted.html"
    list_after_template = "console/list_export.html"
    export_kinds: ClassVar[tuple[str, ...]] = ("csv",)
    page_views: ClassVar[tuple[str, ...]] = ()  # methods that answer GET <pk>/<name>/ with a fragment

    def get_urls(self) -> list[URLPattern]:
        opts = self.opts
        fragments = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(getattr(self, name)),
                name=f"{opts.app_label}_{opts.model_name}_{name}",
            )
            for name in self.page_views
        ]
        files = [
            path(
                f"export.{kind}",
                self.admin_site.admin_view(self.export_view),
                {"kind": kind},
                name=f"{opts.app_label}_{opts.model_name}_{kind}",
            )
            for kind in self.export_kinds
        ]
        return [*files, *fragments, *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The list as a file; its name says when. A link alone is enough to ask: only the audit log changes."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect("./?e=1")  # a filter that is none: as the list itself answers
        noun = str(self.opts.verbose_name_plural)
        list_exported.send(
            sender=self.model, what=noun, kind=kind, query=request.GET.urlencode()[:QUERY_NOTED]
        )
        text = self.exported(changelist, kind)
        return download(text, f"{slugify(noun)}-{timezone.now():%Y%m%dT%H%M%SZ}", kind)

    def exported(self, changelist: Any, kind: str) -> str:
        return csv_text(*list_table(self, self.with_columns(changelist.queryset)))

    def with_columns(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with whatever the columns of the list want beside them."""
        return rows

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        if not changelist.query and not changelist.has_active_filters:
            changelist.full_result_count = changelist.result_count  # or the theme offers to "show all" of all
        return changelist

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        chosen = super().get_actions(request)
        return {name: entry for name, entry in chosen.items() if entry and _may(request, entry[0])}

    def get_actions_row(self, request: HttpRequest) -> list[Any]:
        return [action for action in super().get_actions_row(request) if _may(request, action.method)]

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        actions = [a for a in super().get_actions_detail(request, object_id) if _may(request, a.method)]
        target = self.get_object(request, unquote(str(object_id))) if actions else None
        return [action for action in actions if target is not None and action.method.rules.when(target)]

    def visible(self, request: HttpRequest, object_id: str) -> Any:
        """The record for a fragment of its page; 403 for those who may not see it."""
        target = self.get_object(request, unquote(object_id))
        if target is None or not self.has_view_permission(request, target):
            raise PermissionDenied
        return target


def _may(request: HttpRequest, action: Any) -> bool:
    rules = getattr(action, "rules", None)
    return rules is not None and rules.allows(request)


class ConfigurationAdmin(ConsoleAdmin):
    """Pages that change configuration: a save writes only what was edited, and is announced with before and after."""

    warn_unsaved_form = True

    def state(self, obj: Any) -> dict[str, Any]:
        """What the audit log shows of it: plain columns, never a secret. Extend it with the rows below it."""
        return columns(obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.save()
            return
        form.state_before = self.state(type(obj)._default_manager.get(pk=obj.pk))
        own = {field.name for field in obj._meta.concrete_fields}
        if changed := [name for name in form.changed_data if name in own]:
            # Only what was edited: a run that writes its columns at the same time is not undone.
            obj.save(update_fields=changed)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        obj = type(form.instance)._default_manager.get(pk=form.instance.pk)
        before, after = getattr(form, "state_before", None), self.state(obj)
        if before != after:
            announce("changed" if change else "created", obj, before, after)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        before = self.state(obj)
        announce("deleted", obj, before, None)
        super().delete_model(request, obj)


class GuardedAdmin(ConfigurationAdmin):
    """Of what several people edit: a form that was opened before somebody else's save is refused, and says what changed."""

    change_form_before_template = "console/opened.html"

    def edited(self, obj: Any) -> dict[str, Any]:
        """All that the form edits, as the database has it: two people's forms are told apart by it."""
        return self.state(obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        if obj is None:
            return form
        return type(form)(form.__name__, (Opened, form), {"state_of": staticmethod(self.edited)})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = context.get("original")
        if obj is not None and self.has_change_permission(request, obj):
            # After a refused save the form holds what was typed, and the database what counts.
            held = type(obj)._default_manager.filter(pk=obj.pk).first()
            context["opened"] = token(self.edited(held)) if held is not None else ""
        return super().render_change_form(request, context, *args, **kwargs)


def announce(
    action: str, target: Model, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    configuration_saved.send(sender=type(target), action=action, target=target, before=before, after=after)


def columns(obj: Model, *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The editable columns of a row as plain values; relations by the name of what they point to."""
    hidden = {"id", *leave_out}
    return {
        str(field.verbose_name): str(getattr(obj, field.name) or "")
        if field.is_relation
        else field.value_from_object(obj)
        for field in obj._meta.concrete_fields
        if field.editable and field.name not in hidden and not field.primary_key
    }


class ReadOnlyAdmin(ConsoleAdmin):
    """History and state: nobody adds, changes or deletes it here, whoever they are.

    With `page_template` the record's page is drawn by that template with `page_context`. `appears_here` says when a row
    comes into being, for whoever finds the list empty.
    """

    page_template = ""
    appears_here = ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.page_template:
            return super().change_view(request, object_id, form_url, extra_context)
        obj = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(obj),
            "opts": self.opts,
            "original": obj,
            "actions_detail": self._buttons(request, object_id),
            **self.page_context(request, obj),
        }
        return TemplateResponse(request, self.page_template, context)

    def _buttons(self, request: HttpRequest, object_id: str) -> list[Any]:
        return self._get_actions_navigation(
            self.actions_detail,
            self.get_actions_detail(request, object_id),
            object_id,
        )


class RowsInline(TabularInline):
    """Rows of configuration below their owner."""

    extra = 0
    tab = True
    show_change_link = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Told by the column's name to a screen reader: a row of a table has no label of its own."""
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None:
            found.widget.attrs.setdefault("aria-label", str(found.label or db_field.verbose_name))
        return found


class ShownInline(RowsInline):
    """Rows that are only shown."""

    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def paged(queryset: QuerySet[Any], number: str | None, size: int) -> Any:
    return BoundedPaginator(queryset, size).get_page(number)
