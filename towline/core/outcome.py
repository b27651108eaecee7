"""What became of a plan: a Result for each object, an Outcome for the run, a Status to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from towline.core.errors import Place
from towline.core.objects import ObjectKey
from towline.core.plan import Plan, Revision


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


class Status(StrEnum):
    """How an application stands after a run."""

    SYNCED = "synced"
    """Every field that Git names has Git's value, and nothing is left that Git no longer names."""
    DRIFTED = "drifted"
    """The cluster was changed by someone else, and healing is held."""
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
    RETRY = "retry"
    CHANGE = "change"
    """The repository moved without a webhook, or the application is new."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why there was a run. `detail` is a delivery's id or a person's name."""

    kind: TriggerKind
    detail: str = ""
    at: float = 0.0
    """When it came in, in seconds since the epoch; 0 if unknown."""


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
    def status(self) -> Status:
        if self.error or self.failures:
            return Status.FAILED
        if self.plan is None:
            return Status.UNKNOWN
        holds = {hold.kind for hold in self.plan.holds}
        if "suspended" in holds:
            return Status.SUSPENDED
        if "drift" in holds:
            return Status.DRIFTED
        return Status.HELD if holds else Status.SYNCED

    @property
    def message(self) -> str:
        """The one thing to read first."""
        if self.error:
            return self.error
        if self.failures:
            return "\n".join(_by_cause(self.failures))
        return "\n".join(hold.message for hold in self.plan.holds) if self.plan else ""


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
