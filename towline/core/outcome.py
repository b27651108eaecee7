"""What became of a plan: a Result for each object, an Outcome for the run, a Status to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from towline.core.errors import Place
from towline.core.health import Assessment, Health, worst
from towline.core.objects import ObjectKey
from towline.core.plan import HoldScope, Plan, Revision
from towline.core.rollout import Rollout, RolloutState

_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


class ResultKind(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    RECREATED = "recreated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    kind: ResultKind
    key: ObjectKey
    message: str = ""
    place: Place | None = None
    previous_owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lingers: bool = False
    """Deleted, but not gone yet: finalizers, or its content, hold it."""
    waits: bool = False
    """Not written, for its stage has not begun; `message` says what it waits for."""
    health: Assessment | None = None
    """Of an object that Git names, as the run left it; None where it does not matter."""


class Status(StrEnum):
    """How an application stands after a run."""

    SYNCED = "synced"
    """Every field that Git names has Git's value, and what Git no longer names is deleted, or
    kept for a reason that is said. Whether it works is its health."""
    DRIFTED = "drifted"
    """The cluster was changed by someone else, and healing is held."""
    WAITING = "waiting"
    """A stage waits for an earlier one to become healthy; a later run goes on."""
    HELD = "held"
    """Something waits for a person: an approval, or a guard."""
    SUSPENDED = "suspended"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """No run has ended yet."""


class TriggerKind(StrEnum):
    WEBHOOK = "webhook"
    RESYNC = "resync"
    SYNC = "sync"
    STEER = "steer"
    """A person suspended, resumed, approved or pruned. That is no word to heal."""
    RETRY = "retry"
    CHANGE = "change"
    """The repository moved without a webhook, or the application is new."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why there was a run. `detail` is a delivery's id, or a person's name with what they said."""

    kind: TriggerKind
    detail: str = ""
    at: float = 0.0
    """When it came in, in seconds since the epoch; 0 if unknown."""

    @property
    def requested(self) -> bool:
        """Whether a person asked that the cluster be made what Git says, drift included."""
        return self.kind is TriggerKind.SYNC

    @property
    def is_persons(self) -> bool:
        return self.kind in (TriggerKind.SYNC, TriggerKind.STEER)


@dataclass(frozen=True)
class Outcome:
    """All results of one run. `error` is what ended the whole run, if anything did."""

    application: str
    revision: Revision | None
    plan: Plan | None = None
    results: tuple[Result, ...] = ()
    error: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds spent, by phase: fetch, render, observe, plan, apply, settle."""
    rollout: Rollout | None = None
    ended: float = 0.0
    """In seconds since the epoch."""
    timeout: float = 300.0
    """Seconds that a stage has to become healthy, since the last write."""

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(result.kind.value for result in self.results))

    @property
    def failures(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.kind is ResultKind.FAILED)

    @property
    def wrote(self) -> bool:
        quiet = (ResultKind.UNCHANGED, ResultKind.SKIPPED, ResultKind.FAILED)
        return any(result.kind not in quiet for result in self.results)

    @property
    def health(self) -> Health:
        """The worst of what Git names; unknown if a run has not come so far."""
        if self.plan is None:
            return Health.UNKNOWN
        return worst(result.health.health for result in self.results if result.health)

    @property
    def waits(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.waits)

    @property
    def overdue(self) -> bool:
        """Whether health has not come in time since the last write."""
        return self.rollout is not None and self.ended - self.rollout.moved >= self.timeout

    @property
    def is_kept_from_writing(self) -> bool:
        """Whether the run ended early, or waits as a whole for a person."""
        return self.plan is None or bool(self.error or self.plan.held(HoldScope.ALL))

    @property
    def pending(self) -> bool:
        """Whether a look before long is worth it: something is on its way, or could be."""
        if self.is_kept_from_writing or self.failures or self.rollout is None:
            return False
        moving = self.health not in (Health.HEALTHY, Health.SUSPENDED)
        return not self.overdue and (moving or bool(self.waits))

    @property
    def look_after(self) -> float:
        """Seconds until the next look at what is on its way: soon at first, then less often."""
        waited = self.ended - self.rollout.moved if self.rollout else 0.0
        return min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, waited / 4))

    @property
    def state(self) -> RolloutState | None:
        """How far the revision has come; None where it has not begun, or waits for a person."""
        if self.failures:
            return RolloutState.DEGRADED
        if self.is_kept_from_writing:
            return None
        if self.health is Health.UNKNOWN:
            return RolloutState.APPLIED
        if self.health is Health.DEGRADED:
            return RolloutState.DEGRADED
        if self.waits or self.health not in (Health.HEALTHY, Health.SUSPENDED):
            return RolloutState.DEGRADED if self.overdue else RolloutState.PROGRESSING
        return RolloutState.HEALTHY

    @property
    def status(self) -> Status:
        if self.error or self.failures:
            return Status.FAILED
        if self.plan is None:
            return Status.UNKNOWN
        if self.plan.held(HoldScope.ALL):
            return self._held({hold.kind for hold in self.plan.holds})
        if self.waits:
            return Status.FAILED if self.overdue else Status.WAITING
        return Status.HELD if self.plan.holds else Status.SYNCED

    def _held(self, holds: set[str]) -> Status:
        if "suspended" in holds:
            return Status.SUSPENDED
        return Status.DRIFTED if "drift" in holds else Status.HELD

    @property
    def message(self) -> str:
        """The one thing to read first."""
        if self.error:
            return self.error
        if self.failures:
            return "\n".join(_by_cause(self.failures))
        holds = [hold.message for hold in self.plan.holds] if self.plan else []
        return "\n".join([*holds, *self._waiting_messages(), *self._leaving_messages()])

    def _waiting_messages(self) -> Iterable[str]:
        late = f" (not healthy within {self.timeout:.0f} s)" if self.overdue else ""
        reasons = Counter(result.message for result in self.waits)
        for reason, number in reasons.items():
            yield f"{number} {'object' if number == 1 else 'objects'}: {reason}{late}"

    def _leaving_messages(self) -> Iterable[str]:
        """What is deleted and not gone is no failure, but nobody should have to look for it."""
        return (f"{result.key}: {result.message}" for result in self.results if result.lingers)


_MOST_CAUSES = 10


def _by_cause(failures: Iterable[Result]) -> Iterable[str]:
    """A line for each cause, however many objects it stopped."""
    causes: dict[str, list[ObjectKey]] = {}
    for result in failures:
        causes.setdefault(result.message, []).append(result.key)
    for message, keys in list(causes.items())[:_MOST_CAUSES]:
        others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        yield f"{keys[0]}{others}: {message}"
    if len(causes) > _MOST_CAUSES:
        yield f"and {len(causes) - _MOST_CAUSES} more causes"
