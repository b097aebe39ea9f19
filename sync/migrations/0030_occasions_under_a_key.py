import hashlib
import hmac
import json

import sync.models.base
from django.db import migrations, models
from django.db.models.functions import Length
from sync.encryption import context, seal_json
from sync.entropy import random_bytes

AT_ONCE = 1000
PLAIN = 64  # digits of a digest without key; those under the key have 32


def digest_anew(apps, schema_editor):
    """Make the key, and digest under it what was a plain SHA-256: without it the digests could be tried out.

    All in one transaction, so that no worker finds some of them changed. Workers of the release before know none of them any
    more: they are stopped before an update.
    """
    key = make_key(apps.get_model("sync", "DataKey"))
    runs = apps.get_model("sync", "ActionRun").objects
    plain = runs.annotate(digits=Length("occasion")).filter(digits=PLAIN).order_by("pk")
    plain = plain.only("pk", "action", "side", "record_id", "occasion")
    last = None
    while rows := list((plain if last is None else plain.filter(pk__gt=last))[:AT_ONCE]):
        for row in rows:
            parts = [row.action, row.side, row.record_id, row.occasion]
            row.occasion = hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]
        runs.bulk_update(rows, ["occasion"], batch_size=200)
        last = rows[-1].pk


def make_key(DataKey):
    row, key = DataKey(purpose="occasions of actions"), random_bytes(32)
    row.key_sealed = seal_json(key.hex(), context("sync_datakey", "key_sealed", row.pk))
    row.save()
    return key


def refuse_with_rows(apps, schema_editor):
    """Only an empty database goes back, as when a file of an older release is restored."""
    if apps.get_model("sync", "ActionRun").objects.exists():
        raise RuntimeError("Actions have been done under this key: without it they would be done again.")


class Migration(migrations.Migration):

    dependencies = [
        ('sync', '0029_record_types'),
    ]

    operations = [
        migrations.CreateModel(
            name='DataKey',
            fields=[
                ('id', models.UUIDField(default=sync.models.base.time_ordered_uuid, editable=False, primary_key=True, serialize=False)),
                ('purpose', models.CharField(max_length=40, unique=True)),
                ('key_sealed', models.BinaryField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunPython(digest_anew, refuse_with_rows),
    ]
