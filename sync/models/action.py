"""What an action does for a record: one row an occasion, one for each of its steps, and what was seen of records before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from sync.core.actions import brought
from sync.encryption import Sealed
from sync.models.attention import DeadLetter
from sync.models.base import SideChoices, UUIDKey
from sync.models.flow import Flow, Revision
from sync.models.link import RecordLink
from sync.models.run import Run


class ActionStatus(models.TextChoices):
    PLANNED = "planned", "waits to begin"
    RUNNING = "running", "under way"
    WAITING = "waiting", "waiting"
    DONE = "done", "done"
    SKIPPED = "skipped", "not needed"
    FAILED = "failed", "failed"
    IN_DOUBT = "in_doubt", "in doubt"
    DROPPED = "dropped", "dropped"


class StepStatus(models.TextChoices):
    PLANNED = "planned", "waits to be sent"
    SENT = "sent", "sent"
    WAITING = "waiting", "waiting"
    DONE = "done", "done"
    SKIPPED = "skipped", "not needed"
    REFUSED = "refused", "refused"
    IN_DOUBT = "in_doubt", "in doubt"


# What a run takes up: those under way were left by one whose worker died, or whose slice ended.
ACTION_UNDER_WAY = (ActionStatus.PLANNED, ActionStatus.RUNNING, ActionStatus.WAITING)
ACTION_UNDECIDED = (*ACTION_UNDER_WAY, ActionStatus.IN_DOUBT, ActionStatus.FAILED)
# What is never taken up again: of these the details may go.
ACTION_OVER = (ActionStatus.DONE, ActionStatus.SKIPPED, ActionStatus.DROPPED)


class ActionRunQuerySet(models.QuerySet["ActionRun"]):
    def plan_again(self, letters: Iterable[DeadLetter]) -> set[UUID]:
        """Have the actions that these letters tell of go on at the step that was refused, as the flow says it now; returns
        the letters that are about actions."""
        return {letter.pk for letter in letters if self._go_on(letter)}

    def _go_on(self, letter: DeadLetter) -> bool:
        row = self.of_letter(letter).select_for_update().first()
        if row is None:
            return False
        if row.is_over:
            return True
        row.steps.filter(status=StepStatus.REFUSED).update(status=StepStatus.PLANNED, due_at=None, attempts=0)
        doubtful = row.steps.filter(status=StepStatus.IN_DOUBT).exists()
        row.status = ActionStatus.IN_DOUBT if doubtful else ActionStatus.RUNNING
        row.revision_id = letter.flow.revision_id or row.revision_id
        row.due_at, row.since = None, timezone.now()
        row.save(update_fields=["status", "revision", "due_at", "since"])
        return True

    def remove_details(self, keys: Collection[UUID], *, now: datetime) -> int:
        """Of actions that are over: what they captured, sent and were answered. Their rows stay, by which an occasion is known."""
        over = self.filter(pk__in=keys, status__in=ACTION_OVER, details_removed_at=None)
        ActionStep.objects.filter(action_run__in=over.values("pk")).delete()
        return over.update(state_sealed=None, revision=None, details_removed_at=now)

    def drop(self, letters: Iterable[DeadLetter]) -> int:
        """Put the actions aside that these letters tell of, also one whose other steps a run has in hand or are in doubt."""
        count = 0
        for letter in letters:
            left = self.of_letter(letter).exclude(status__in=ACTION_OVER)
            count += left.update(status=ActionStatus.DROPPED, finished_at=timezone.now(), due_at=None)
        return count

    def of_letter(self, letter: DeadLetter) -> ActionRunQuerySet:
        """The action that a letter tells of; none for a letter about a record."""
        try:
            key = UUID(hex=letter.record_id) if len(letter.record_id) == 32 else None
        except ValueError:
            key = None
        return self.filter(pk=key, flow_id=letter.flow_id) if key is not None else self.none()


class ActionRun(UUIDKey):
    """An action of a flow for one record on one occasion. The row is never deleted: it is why the action is not done again. After a
    while its details go, and with them its steps and the revision it followed.

    `side`, `record_id`: the record it is about. `occasion`: digest of what it was set off by; of one occasion there is one row.
    `state`: {"occasion" in words, "record": values captured when it was planned, "before": of a transition, "other": those of
    the counterpart, "steps": {step: {audience: what it brought}}}.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="action_runs", db_index=False)
    link = models.ForeignKey(RecordLink, null=True, on_delete=models.SET_NULL, related_name="action_runs")
    revision = models.ForeignKey(
        Revision, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="action_runs")
    action = models.CharField(max_length=80)
    trigger = models.CharField(max_length=8)  # sync.core.actions.On
    side = models.CharField("record of", max_length=12, choices=SideChoices.choices)
    record_id = models.CharField(max_length=32)
    record_number = models.CharField("record", max_length=80, blank=True)
    occasion = models.CharField(max_length=64)
    status = models.CharField(max_length=8, choices=ActionStatus.choices, default=ActionStatus.PLANNED)
    step = models.CharField("at step", max_length=80, blank=True)
    code = models.CharField(max_length=80, blank=True)
    attempts = models.PositiveIntegerField(default=0)  # since it came further
    since = models.DateTimeField()  # from which patience is counted
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    details_removed_at = models.DateTimeField(null=True, editable=False)
    state_sealed = models.BinaryField(null=True, editable=False)

    state = Sealed("state_sealed")

    objects = ActionRunQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)
        verbose_name = "action"
        permissions = [("decide_action", "Can say what became of an action in doubt")]
        constraints = [
            models.UniqueConstraint(
                fields=["record_id", "flow", "action", "occasion", "side"], name="one_action_an_occasion"
            ),
            # What is to be done, or may be in doubt, has all that it needs for that.
            models.CheckConstraint(
                condition=Q(details_removed_at=None, revision__isnull=False)
                | Q(
                    details_removed_at__isnull=False,
                    revision=None,
                    state_sealed=None,
                    status__in=ACTION_OVER,
                ),
                name="actions_details_only_go_after_their_end",
            ),
        ]
        indexes = [
            # Asked by each run: what is to be done, and what is in doubt.
            models.Index(
                fields=["flow", "status"], condition=Q(status__in=ACTION_UNDECIDED), name="actions_under_way"
            ),
            # Their number stands in the menu of every page.
            models.Index(fields=["-id"], condition=Q(status=ActionStatus.IN_DOUBT), name="actions_in_doubt"),
            models.Index(fields=["action"], name="actions_by_name"),
            # Asked by pruning, whose rows leave it: those that stay for ever are not read through each night.
            models.Index(
                fields=["id"],
                condition=Q(details_removed_at=None, finished_at__isnull=False),
                name="actions_to_prune",
            ),
        ]

    @property
    def is_over(self) -> bool:
        return self.status in ACTION_OVER

    def go_on(self) -> None:
        """Have the next run go on with it, unless another step of it is in doubt or was refused."""
        left = set(self.steps.values_list("status", flat=True))
        held = {StepStatus.IN_DOUBT: ActionStatus.IN_DOUBT, StepStatus.REFUSED: ActionStatus.FAILED}
        self.status = next((so for status, so in held.items() if status in left), ActionStatus.RUNNING)
        self.due_at, self.since = None, timezone.now()
        self.save(update_fields=["status", "due_at", "since", "state_sealed"])

    def __str__(self) -> str:
        return f"{self.action} for {self.record_number or self.record_id}"


class ActionStep(UUIDKey):
    """A step of an action for one audience: the intent before its request, the result after it.

    `audience`: the id of the row it is done for; "" where it is done once. `key`: what makes its repetition harmless, or the
    first part of the mark by which it is found. `again`: how often a person has had it done again. `content`: {"request": what
    was sent, "message": what was answered, "had": which recipients of an e-mail the server has taken it for}.
    """

    action_run = models.ForeignKey(ActionRun, on_delete=models.CASCADE, related_name="steps", db_index=False)
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=8)  # sync.core.actions.Do
    audience = models.CharField(max_length=40, blank=True)
    side = models.CharField(
        "done in", max_length=12, choices=SideChoices.choices, blank=True
    )  # "": by e-mail
    status = models.CharField(max_length=8, choices=StepStatus.choices, default=StepStatus.PLANNED)
    target = models.CharField("table or object", max_length=80, blank=True)
    target_id = models.CharField(max_length=40, blank=True)
    target_number = models.CharField(max_length=80, blank=True)
    key = models.CharField(max_length=80, blank=True)
    again = models.PositiveSmallIntegerField(default=0)
    code = models.CharField(max_length=80, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    intent_at = models.DateTimeField(null=True)  # database host's clock, before sending
    lease_token = models.CharField(max_length=32, blank=True)
    done_at = models.DateTimeField(null=True)
    content_sealed = models.BinaryField(null=True, editable=False)

    content = Sealed("content_sealed")

    class Meta:
        ordering = ("action_run", "position", "id")
        default_permissions = ()
        verbose_name = "step"
        constraints = [
            models.UniqueConstraint(fields=["action_run", "name", "audience"], name="one_row_a_step"),
        ]

    @property
    def is_in_doubt(self) -> bool:
        return self.status == StepStatus.IN_DOUBT

    def decide(self, row: ActionRun, status: StepStatus, *, id: str = "", number: str = "") -> None:
        """A person says what became of a doubt; what it brought is noted in its action, which is saved by `go_on`."""
        self.status, self.code = status, ""
        if status == StepStatus.DONE:
            self.target_id, self.target_number, self.done_at = id[:40], number[:80], timezone.now()
            state = row.state or {}
            state.setdefault("steps", {}).setdefault(self.name, {})[self.audience] = brought(id, number)
            row.state = state
        else:
            self.again, self.key = self.again + 1, ""
        self.save()

    def __str__(self) -> str:
        return f"{self.name}: {self.get_status_display()}"


class Watch(UUIDKey):
    """What was last seen of a record: by it, and by what is seen now, transitions are told.

    `seen`: {"values": of the columns that the flow's actions follow, "met": actions whose condition it met, "known": those
    that were asked}. `changed_at`, `count`: of the version seen. Kept as long as its flow, like a tombstone: a record that is
    restored on its platform would else be one never seen, and would set off what was so long before.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="+", db_index=False)
    side = models.CharField(max_length=12, choices=SideChoices.choices)
    record_id = models.CharField(max_length=32)
    changed_at = models.DateTimeField()
    count = models.PositiveIntegerField(null=True)
    seen_sealed = models.BinaryField(null=True, editable=False)

    seen = Sealed("seen_sealed")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["record_id", "flow", "side"], name="one_watch_a_record"),
        ]
