from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):
    """What each poll asks of a flow costs no more with many links, or with many letters that are closed."""

    dependencies = [
        ('sync', '0006_runs_in_slices'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='recordlink',
            name='links_by_incident',
        ),
        migrations.RemoveIndex(
            model_name='recordlink',
            name='links_by_case',
        ),
        migrations.AddIndex(
            model_name='recordlink',
            index=models.Index(fields=['servicenow_number', 'flow', 'state'], name='links_by_incident'),
        ),
        migrations.AddIndex(
            model_name='recordlink',
            index=models.Index(fields=['salesforce_number', 'flow', 'state'], name='links_by_case'),
        ),
        migrations.AlterField(
            model_name='deadletter',
            name='flow',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='sync.flow'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['flow', 'state'], name='letters_of_a_flow'),
        ),
    ]
