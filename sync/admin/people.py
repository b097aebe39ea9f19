"""People and roles. Only a superuser makes or changes a superuser, or hands out permissions beside the roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from integration_console.theme import present
from integration_console.theme.actions import Done, console_action
from integration_console.theme.admin import ConfigurationAdmin, announce, columns
from integration_console.theme.toolkit import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from sync import logins
from sync.admin.base import page_url, person, rules

admin.site.unregister(User)
admin.site.unregister(Group)

if TYPE_CHECKING:
    PeopleBase: TypeAlias = UserAdmin[User]
else:
    PeopleBase = UserAdmin

BEYOND_ROLES = ("is_superuser", "user_permissions")


LIFT = rules(
    permission="auth.change_user",
    title=lambda account: f"Let {account} try to log in again now?",
    description="Too many attempts hold this account off. Its count begins anew, from every address that tried it of late; "
    "first ask the person whether it was they. What an address has used up for all accounts stays until its quarter of an hour is over.",
    submit="Let them try again",
    when=logins.is_held,
)


@admin.register(User)
class PersonAdmin(PeopleBase, ConfigurationAdmin):
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_seen")
    list_filter = ("groups", "is_active", "is_superuser")
    actions_detail = ("lift_limit",)
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        ("Role", {"fields": ("is_active", "is_staff", "groups", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    def state(self, obj: User) -> dict[str, Any]:
        return {
            **columns(obj, leave_out=("password", "last_login")),
            "roles": sorted(obj.groups.values_list("name", flat=True)),
            "permissions": sorted(obj.user_permissions.values_list("codename", flat=True)),
        }

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return fixed if person(request).is_superuser else (*fixed, *BEYOND_ROLES)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._at_most(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._at_most(request, obj)

    @staticmethod
    def _at_most(request: HttpRequest, obj: User | None) -> bool:
        return obj is None or not obj.is_superuser or person(request).is_superuser

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True  # somebody made here is meant to log in here
        super().save_model(request, obj, form, change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            announce("password_changed", User.objects.get(pk=id), None, None)
        return response

    @console_action("Lift the login limit", LIFT, icon="lock_open")
    def lift_limit(self, request: HttpRequest, target: User, answers: dict[str, Any]) -> Done:
        logins.lift(account=target, by=person(request))
        return Done(f"{target} may try to log in again.", page_url(target))

    @admin.display(description="name")
    def full_name(self, obj: User) -> str:
        return obj.get_full_name() or "–"

    @admin.display(description="roles")
    def roles(self, obj: User) -> str:
        names = ["superuser"] if obj.is_superuser else []
        return ", ".join([*names, *sorted(group.name for group in obj.groups.all())]) or "none"

    @admin.display(description="last login", ordering="last_login")
    def last_seen(self, obj: User) -> SafeString:
        return present.ago(obj.last_login)


@admin.register(Group)
class RoleAdmin(GroupAdmin, ConfigurationAdmin):
    list_display = ("name",)
    filter_horizontal = ()

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["size"] = 24  # five lines of a hundred permissions show nothing
        return field

    def state(self, obj: Group) -> dict[str, Any]:
        return {**columns(obj), "permissions": sorted(obj.permissions.values_list("codename", flat=True))}
