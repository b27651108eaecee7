"""What holds a stage back: objects of an earlier one that are not as they should be.

A stage starts when those before it are healthy. An object that could not be applied holds back
later waves, which people ask for, and not the built-in stages of its own wave: there independent
objects proceed. Healing waits for nothing; the plan says whether it is that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from towline.core.health import Assessment, Health
from towline.core.objects import BUILT_IN_GROUPS, GroupKind, ObjectKey
from towline.core.ordering import Stage

_MOST_NAMED = 3
_CRON_JOB = GroupKind("batch", "CronJob")


@dataclass(frozen=True, slots=True)
class Blocker:
    """An object that others wait for."""

    key: ObjectKey
    wave: int
    why: str
    failed: bool = False
    """It could not be made what Git says."""

    def __str__(self) -> str:
        return f"{self.key} ({self.why})"


def blocker(
    key: ObjectKey, wave: int, assessment: Assessment | None, *, failed: bool
) -> Blocker | None:
    """None for what nobody needs to wait for."""
    if failed:
        return Blocker(key, wave, "it could not be applied", failed=True)
    if assessment is None or assessment.health in (Health.HEALTHY, Health.SUSPENDED):
        return None
    if key.group_kind == _CRON_JOB:
        # Its health is that of a run in the past, and may stay so until the next night.
        return None
    message = f": {assessment.message}" if assessment.message else ""
    return Blocker(key, wave, f"{assessment.health}{message}")


def why_held_back(stage: tuple[int, Stage], blockers: Sequence[Blocker]) -> str:
    """What a stage (a wave, and its part) waits for; empty if it may start."""
    wave = stage[0]
    return waits_for(b for b in blockers if not b.failed or b.wave < wave)


def waits_for(blockers: Iterable[object]) -> str:
    named = [str(blocker) for blocker in blockers]
    if not named:
        return ""
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"waits for {', '.join(named[:_MOST_NAMED])}{more}"


def is_custom(key: ObjectKey) -> bool:
    """Whether an object is of a kind that was added to the cluster, so that an operator may have
    to clean up after it: when both go together, it must be gone before its operator is."""
    return key.group not in BUILT_IN_GROUPS
