"""One login for each role, with passwords made at each start and shown once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.contrib.auth.models import Group, User

ROLES = {
    "admin": "administrator",
    "editor": "mapping editor",
    "operator": "operator",
    "auditor": "auditor",
    "viewer": "viewer",
}


@dataclass(frozen=True, slots=True)
class Login:
    name: str
    role: str
    password: str


def make_logins() -> list[Login]:
    logins = [Login(name, role, secrets.token_urlsafe(9)) for name, role in ROLES.items()]
    for login in logins:
        user = User.objects.create_user(login.name, password=login.password, is_staff=True)
        user.groups.add(Group.objects.get(name=login.role))
    return logins
