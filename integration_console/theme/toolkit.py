"""The only importer of the theme package, so that one of its releases touches one file.

It is typed as what it builds on: the theme itself ships no usable types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib import admin
from django.contrib.admin.views import main as views
from django.contrib.auth import forms as auth_forms
from django.http import HttpRequest, HttpResponse

if TYPE_CHECKING:

    class ModelAdmin(admin.ModelAdmin[Any]):
        """Django's own, and what we use of what the theme adds to it."""

        actions_row: Sequence[str]
        actions_detail: Sequence[str]

        def get_actions_row(self, request: HttpRequest) -> list[Any]: ...
        def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]: ...
        def _get_actions_navigation(
            self, provided: Sequence[str], allowed: list[Any], object_id: str
        ) -> list[Any]: ...
        def _get_obj_does_not_exist_redirect(
            self, request: HttpRequest, opts: Any, object_id: str
        ) -> HttpResponse: ...

    TabularInline: TypeAlias = admin.TabularInline[Any, Any]
    InlineFormSet: TypeAlias = forms.BaseInlineFormSet[Any, Any, Any]
    ModelForm: TypeAlias = forms.ModelForm[Any]
    ChangeList: TypeAlias = views.ChangeList
    TextInput: TypeAlias = forms.TextInput
    Textarea: TypeAlias = forms.Textarea
    PasswordInput: TypeAlias = forms.PasswordInput
    Select: TypeAlias = forms.Select
    Switch: TypeAlias = forms.CheckboxInput
    NumberInput: TypeAlias = forms.NumberInput
    AuthenticationForm: TypeAlias = auth_forms.AuthenticationForm
    UserCreationForm: TypeAlias = auth_forms.UserCreationForm[Any]
    UserChangeForm: TypeAlias = auth_forms.UserChangeForm[Any]
    AdminPasswordChangeForm: TypeAlias = auth_forms.AdminPasswordChangeForm[Any]
else:
    from django.forms import ModelForm
    from unfold.admin import ModelAdmin
    from unfold.admin import TabularInline as _TabularInline
    from unfold.forms import AdminPasswordChangeForm, AuthenticationForm, UserChangeForm, UserCreationForm
    from unfold.forms import PaginationInlineFormSet as InlineFormSet
    from unfold.views import ChangeList
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberInput
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminSelectWidget as Select
    from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
    from unfold.widgets import UnfoldBooleanSwitchWidget as Switch

from unfold.dataclasses import SearchResult
from unfold.enums import ActionVariant

if not TYPE_CHECKING:
    # A row's title would repeat its fields. The release for Python 3.12 and later asks the other way round.
    _UNTITLED = {"show_title": False} if hasattr(_TabularInline, "show_title") else {"hide_title": True}
    TabularInline = type("TabularInline", (_TabularInline,), _UNTITLED)

PRIMARY = ActionVariant.PRIMARY
DEFAULT = ActionVariant.DEFAULT
DANGER = ActionVariant.DANGER

__all__ = [
    "DANGER",
    "DEFAULT",
    "PRIMARY",
    "AdminPasswordChangeForm",
    "AuthenticationForm",
    "ChangeList",
    "InlineFormSet",
    "ModelAdmin",
    "ModelForm",
    "NumberInput",
    "PasswordInput",
    "SearchResult",
    "Select",
    "Switch",
    "TabularInline",
    "TextInput",
    "Textarea",
    "UserChangeForm",
    "UserCreationForm",
]
