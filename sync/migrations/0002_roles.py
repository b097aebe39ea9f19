"""The five roles, as groups. Later changes by an administrator are kept: a role that exists is only added to."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = (
    "view_flow view_revision view_schedule view_run view_event view_recordlink view_remotecall view_deadletter "
    "view_conflict view_waiting view_worker view_connection view_question view_cachedschema "
    "view_mapping view_fieldrow view_valuemap view_valuemapentry view_usertable view_usertableentry"
).split()
EDITED = ("fieldrow", "valuemap", "valuemapentry", "usertable", "usertableentry")
ALL = ("add", "change", "delete")

VIEWER = set(SEEN)
MAPPING_EDITOR = VIEWER | {
    "add_flow", "change_flow", "publish_flow", "change_schedule", "add_mapping", "change_mapping",
    *(f"{verb}_{model}" for model in EDITED for verb in ALL),
}
OPERATOR = VIEWER | {
    "run_flow", "resync_flow", "pause_flow", "cancel_run", "retry_deadletter", "ignore_deadletter",
    "resolve_conflict", "sync_recordlink", "test_connection", "view_payload",
}
AUDITOR = VIEWER | {"view_auditentry", "view_user", "view_group", "view_permission"}
ADMINISTRATOR = MAPPING_EDITOR | OPERATOR | AUDITOR | {
    "delete_flow", "delete_mapping",
    *(f"{verb}_{model}" for model in ("connection", "user", "group") for verb in ALL),
}
ROLES = {
    "viewer": VIEWER,
    "mapping editor": MAPPING_EDITOR,
    "operator": OPERATOR,
    "administrator": ADMINISTRATOR,
    "auditor": AUDITOR,
}


def make_roles(apps, schema_editor):
    # Permissions are normally made after all migrations; the roles need them now.
    for label in ("auth", "mappings", "sync"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ours = Permission.objects.filter(content_type__app_label__in=("auth", "mappings", "sync"))
    for name, codenames in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        found = list(ours.filter(codename__in=codenames))
        missing = codenames - {permission.codename for permission in found}
        if missing:
            raise RuntimeError(f"The role {name} names permissions that do not exist: {', '.join(sorted(missing))}")
        group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("sync", "0001_initial"),
        ("mappings", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
